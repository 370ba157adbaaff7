"""From the heads' answers to detections: class, refined box, confidence, suppression. Source: Mask R-CNN, section 3.1, inference."""

from typing import Any

import keras
from keras import ops

from mrcnn.nn.layers import BoxLayer, image_shapes, windows
from mrcnn.ops import nms, sampling, tensor_boxes

Tensor = Any


def refine(
    rois: Tensor, probs: Tensor, deltas: Tensor, window: Tensor, *, max_instances: int, min_confidence: float | None, nms_threshold: float,
    std_dev: Any, max_log: float | None = None,
) -> Tensor:  # fmt: skip
    """Refine rois into detections.

    Args:
        rois: [B, R, 4] in the unit square.
        probs: [B, R, K].
        deltas: [B, R, K, 4].
        window: [B, 4] in the unit square: where the real image is.
        max_instances: D, rows of the result.
        min_confidence: Lesser detections are dropped; 0 or None: none.
        nms_threshold: Intersection over union above which the lesser detection of the same class is dropped.
        std_dev: Factors of the deltas, [4].
        max_log: See `tensor_boxes.decode`.

    Returns:
        [B, D, (y1, x1, y2, x2, class id, score)] float32, best first, zero rows at the end. A box may have no area left after clipping.
    """
    return refine_and_trace(
        rois, probs, deltas, window, max_instances=max_instances, min_confidence=min_confidence, nms_threshold=nms_threshold, std_dev=std_dev,
        max_log=max_log,
    )[0]  # fmt: skip


def refine_and_trace(
    rois: Tensor, probs: Tensor, deltas: Tensor, window: Tensor, *, max_instances: int, min_confidence: float | None, nms_threshold: float,
    std_dev: Any, max_log: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """As `refine`, with the place among the rois that each detection comes from: [B, D] int32, any in rows without one."""
    class_ids = ops.cast(ops.argmax(probs, axis=-1), "int32")  # [B, R]
    scores = ops.max(probs, axis=-1)
    chosen = ops.take_along_axis(deltas, class_ids[..., None, None], axis=2)[:, :, 0]  # [B, R, 4]
    boxes = tensor_boxes.decode(rois, chosen * ops.convert_to_tensor(std_dev, dtype="float32"), max_log)
    boxes = tensor_boxes.clip(boxes, window[:, None])
    candidates = class_ids > 0
    if min_confidence:
        candidates = ops.logical_and(candidates, scores >= min_confidence)

    ranked, order = ops.top_k(ops.where(candidates, scores, -1.0), scores.shape[1])
    order = ops.cast(order, "int32")
    boxes, class_ids, scores = (sampling.take_rows(v, order) for v in (boxes, class_ids, scores))
    kept = nms.suppress(boxes, ranked >= 0.0, nms_threshold, groups=class_ids)
    indices, filled = nms.select(kept, max_instances)
    rows = ops.concatenate([boxes, ops.cast(class_ids, "float32")[..., None], scores[..., None]], axis=-1)
    return ops.where(filled[..., None], sampling.take_rows(rows, indices), 0.0), sampling.take_rows(order, indices)


@keras.saving.register_keras_serializable("mrcnn")
class DetectionLayer(BoxLayer):
    """`refine` as a layer. Arguments as there.

    Call with [rois [B, R, 4], mrcnn_class [B, R, K], mrcnn_bbox [B, R, K, 4], image_meta [B, 12 + K]]; returns [B, max_instances, 6]. With a fifth
    input, answers of other heads on the rois [B, R, A], also their rows of the detections, [B, max_instances, A].
    """

    def __init__(
        self, max_instances: int, min_confidence: float | None, nms_threshold: float, std_dev: Any = (0.1, 0.1, 0.2, 0.2),
        max_log: float | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.max_instances, self.min_confidence, self.nms_threshold = max_instances, min_confidence, nms_threshold
        self.std_dev, self.max_log = [float(s) for s in std_dev], max_log

    def call(self, inputs: list[Tensor]) -> Tensor | tuple[Tensor, ...]:
        rois, probs, deltas, image_meta, *others = inputs
        heights, widths = image_shapes(image_meta)
        window = tensor_boxes.normalize(windows(image_meta), heights, widths)
        detections, rows = refine_and_trace(
            rois, ops.cast(probs, "float32"), ops.cast(deltas, "float32"), window, max_instances=self.max_instances,
            min_confidence=self.min_confidence, nms_threshold=self.nms_threshold, std_dev=self.std_dev, max_log=self.max_log,
        )  # fmt: skip
        return (detections, *(sampling.take_rows(other, rows) for other in others)) if others else detections

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> Any:
        widths = [6, *(shape[-1] for shape in input_shape[4:])]
        shapes = [(input_shape[0][0], self.max_instances, width) for width in widths]
        return tuple(shapes) if len(shapes) > 1 else shapes[0]

    def get_config(self) -> dict[str, Any]:
        names = ("max_instances", "min_confidence", "nms_threshold", "std_dev", "max_log")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
