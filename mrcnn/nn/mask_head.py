"""Mask head on the rois: a small fully convolutional network, one mask a class. Source: Mask R-CNN, section 3 and figure 4 right."""

from typing import Any

from keras import layers

from mrcnn.nn.layers import BatchNorm, RoiConv2D, RoiConv2DTranspose
from mrcnn.nn.roi_align import PyramidROIAlign

Tensor = Any

HIDDEN_CHANNELS = 256


def build(
    rois: Tensor, pyramid: list[Tensor], image_meta: Tensor, *, pool_size: int, num_classes: int, train_bn: bool | None,
    sampling: str = "crop_and_resize",
) -> Tensor:  # fmt: skip
    """Build the head.

    Args:
        rois: [B, R, 4] in the unit square.
        pyramid: [P2, P3, P4, P5].
        image_meta: [B, 12 + K].
        pool_size: Side of the features of a roi; the masks have twice that.
        num_classes: K, background included.
        train_bn: Mode of BatchNorm.
        sampling: See `PyramidROIAlign`.

    Returns:
        mrcnn_mask [B, R, 2 * pool_size, 2 * pool_size, K] in (0, 1), float32 whatever the precision.
    """
    x = PyramidROIAlign((pool_size, pool_size), sampling, name="roi_align_mask")([rois, image_meta, *pyramid])
    for number in (1, 2, 3, 4):
        x = RoiConv2D(HIDDEN_CHANNELS, 3, padding="same", name=f"mrcnn_mask_conv{number}")(x)
        x = BatchNorm(train_bn=train_bn, name=f"mrcnn_mask_bn{number}")(x)
        x = layers.Activation("relu")(x)
    x = RoiConv2DTranspose(HIDDEN_CHANNELS, 2, strides=2, activation="relu", name="mrcnn_mask_deconv")(x)
    return RoiConv2D(num_classes, 1, activation="sigmoid", dtype="float32", name="mrcnn_mask")(x)
