"""RoIAlign over the pyramid: each roi is cut out of the level that fits its size.

Source: Feature Pyramid Networks, equation 1; Mask R-CNN (He et al. 2017), section 3. The original's sampling is the default, see `ops.roi_align`.
"""

import math
from typing import Any

import keras
from keras import ops

from mrcnn.nn.layers import image_shapes
from mrcnn.ops import roi_align

Tensor = Any

CANONICAL_SIZE = 224.0  # side of a roi, in pixels, that belongs to P4
FINEST_LEVEL, CANONICAL_LEVEL, COARSEST_LEVEL = 2, 4, 5


def levels(boxes: Tensor, heights: Tensor, widths: Tensor) -> Tensor:
    """Level of the pyramid for each box: 4 + log2(side / 224 px), rounded, within 2…5.

    Args:
        boxes: [B, R, 4] float32 in the unit square.
        heights: [B] float32, of the molded image.
        widths: [B] float32.

    Returns:
        [B, R] int32 from 2 to 5; a box without area belongs to 2.
    """
    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
    area = (y2 - y1) * (x2 - x1)
    reference = CANONICAL_SIZE / ops.sqrt(heights * widths)[:, None]
    ratio = ops.sqrt(ops.where(area > 0.0, area, 1.0)) / reference
    level = CANONICAL_LEVEL + ops.round(ops.log(ratio) / math.log(2.0))
    level = ops.where(area > 0.0, level, float(FINEST_LEVEL))
    return ops.cast(ops.clip(level, FINEST_LEVEL, COARSEST_LEVEL), "int32")


@keras.saving.register_keras_serializable("mrcnn")
class PyramidROIAlign(keras.layers.Layer):
    """Cut rois out of the pyramid.

    Args:
        pool_shape: Height and width of the result.
        sampling: "crop_and_resize" (the original's, for published weights) or "aligned".

    Call with [boxes [B, R, 4] in the unit square, image_meta [B, 12 + K], P2, P3, P4, P5]; returns [B, R, height, width, C]. No gradient flows
    into the boxes.
    """

    def __init__(self, pool_shape: tuple[int, int], sampling: str = "crop_and_resize", **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        if sampling not in roi_align.SAMPLINGS:
            raise ValueError(f"sampling {sampling!r}: one of {', '.join(roi_align.SAMPLINGS)} is expected")
        self.pool_shape, self.sampling = tuple(pool_shape), sampling

    def call(self, inputs: list[Tensor]) -> Tensor:
        boxes, image_meta, *pyramid = inputs
        heights, widths = image_shapes(ops.cast(image_meta, "float32"))
        boxes = ops.stop_gradient(ops.cast(boxes, "float32"))
        level = levels(boxes, heights, widths) - FINEST_LEVEL
        if self.sampling == "aligned":
            boxes = _image_fractions(boxes, heights[:, None], widths[:, None])
        return roi_align.crop(pyramid, boxes, level, self.pool_shape, self.sampling)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return (*input_shape[0][:2], *self.pool_shape, input_shape[2][-1])

    def compute_output_spec(self, inputs: list[Tensor]) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape([i.shape for i in inputs]), dtype=inputs[2].dtype)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "pool_shape": self.pool_shape, "sampling": self.sampling}
        config.pop("autocast", None)
        return config


def _image_fractions(boxes: Tensor, heights: Tensor, widths: Tensor) -> Tensor:
    """From the unit square of `tensor_boxes.normalize` to pixels / size."""
    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
    return ops.stack(
        [
            y1 * (heights - 1.0) / heights, x1 * (widths - 1.0) / widths,
            (y2 * (heights - 1.0) + 1.0) / heights, (x2 * (widths - 1.0) + 1.0) / widths,
        ], axis=-1,
    )  # fmt: skip
