"""Mask head on the rois: a small fully convolutional network, one mask a class. Source: Mask R-CNN, section 3 and figure 4 right."""

from typing import Any

import keras
from keras import layers, ops

from mrcnn.nn.layers import RoiConv2D, RoiConv2DTranspose
from mrcnn.nn.norm import normalization
from mrcnn.nn.roi_align import PyramidROIAlign

Tensor = Any

HIDDEN_CHANNELS = 256
#: The number of rows that the head runs on is a multiple of this, so that few sizes occur: a CPU kernel prepares itself anew for each.
ROWS_STEP = 8


@keras.saving.register_keras_serializable("mrcnn")
class UsedRows(keras.layers.Layer):
    """The first rows, as many as the fullest image of the batch uses and one more, rounded up to a multiple of `ROWS_STEP`.

    Where shapes have to be fixed (backends other than TensorFlow) all rows are used.

    Call with [features [B, R, H, W, C], class_ids [B, R]], class 0 where a row is not used; returns [B, n, H, W, C], n at most R.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: list[Tensor]) -> Tensor:
        features, class_ids = inputs
        if keras.backend.backend() != "tensorflow":
            return features
        number = ops.arange(1, features.shape[1] + 1, dtype="int32")
        used = ops.max(ops.where(ops.not_equal(class_ids, 0), number, 0))
        return features[:, : (used // ROWS_STEP + 1) * ROWS_STEP]

    def compute_output_spec(self, inputs: list[Tensor]) -> keras.KerasTensor:
        batch, rows, *rest = inputs[0].shape
        return keras.KerasTensor((batch, None if keras.backend.backend() == "tensorflow" else rows, *rest), inputs[0].dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("autocast", None)
        return config


@keras.saving.register_keras_serializable("mrcnn")
class MaskConv2D(RoiConv2D):
    """The head's last convolution; where `UsedRows` has left rows out, the result's last row stands for each of them.

    (Detections end with rows of zeros, which all look the same to the head.)

    Args:
        rows: R. None: as many as come in.
        **kwargs: Those of `RoiConv2D`.

    Call with [B, n, H, W, C], n at most R; returns [B, R, H, W, filters].
    """

    def __init__(self, *args: Any, rows: int | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.rows = rows

    def call(self, inputs: Tensor) -> Tensor:
        outputs = super().call(inputs)
        if self.rows is None or outputs.shape[1] == self.rows:
            return outputs
        batch, count = ops.shape(outputs)[:2]
        last = ops.broadcast_to(outputs[:, -1:], (batch, self.rows - count, *outputs.shape[2:]))
        return ops.reshape(ops.concatenate([outputs, last], axis=1), (-1, self.rows, *outputs.shape[2:]))  # says the static shape

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        shape = super().compute_output_shape(input_shape)
        return shape if len(shape) == 4 or self.rows is None else (shape[0], self.rows, *shape[2:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rows": self.rows}


def build(
    rois: Tensor, class_ids: Tensor | None, pyramid: list[Tensor], image_meta: Tensor, *, pool_size: int, num_classes: int, train_bn: bool | None,
    sampling: str = "crop_and_resize", norm: str = "batch",
) -> Tensor:  # fmt: skip
    """Build the head.

    Args:
        rois: [B, R, 4] in the unit square, those of interest first.
        class_ids: [B, R], not 0 for rows of interest; the convolutions leave most others out. None: all rows count.
        pyramid: [P2, P3, P4, P5].
        image_meta: [B, 12 + K].
        pool_size: Side of the features of a roi; the masks have twice that.
        num_classes: K, background included.
        train_bn: Mode of BatchNorm.
        sampling: See `PyramidROIAlign`.
        norm: Kind of normalisation, see `norm.normalization`.

    Returns:
        mrcnn_mask [B, R, 2 * pool_size, 2 * pool_size, K] in (0, 1), float32 whatever the precision.
    """
    x = PyramidROIAlign((pool_size, pool_size), sampling, name="roi_align_mask")([rois, image_meta, *pyramid])
    x = x if class_ids is None else UsedRows(name="mask_used_rows")([x, class_ids])
    for number in (1, 2, 3, 4):
        x = RoiConv2D(HIDDEN_CHANNELS, 3, padding="same", name=f"mrcnn_mask_conv{number}")(x)
        x = normalization(norm, train_bn, f"mrcnn_mask_bn{number}")(x)
        x = layers.Activation("relu")(x)
    x = RoiConv2DTranspose(HIDDEN_CHANNELS, 2, strides=2, activation="relu", name="mrcnn_mask_deconv")(x)
    return MaskConv2D(num_classes, 1, rows=rois.shape[1], activation="sigmoid", dtype="float32", name="mrcnn_mask")(x)
