"""Class and box head on the rois. Source: Fast R-CNN (Girshick 2015), figure 1; Feature Pyramid Networks, section 4.2 (two layers of 1024)."""

from typing import Any

from keras import layers, ops

from mrcnn.nn.layers import RoiConv2D
from mrcnn.nn.norm import normalization
from mrcnn.nn.roi_align import PyramidROIAlign

Tensor = Any


def features(
    rois: Tensor, pyramid: list[Tensor], image_meta: Tensor, *, pool_size: int, train_bn: bool | None, width: int,
    sampling: str = "crop_and_resize", norm: str = "batch",
) -> Tensor:  # fmt: skip
    """Build what class, box and attributes share. Arguments as of `build`. Returns [B, R, width]."""
    x = PyramidROIAlign((pool_size, pool_size), sampling, name="roi_align_classifier")([rois, image_meta, *pyramid])
    for number, kernel in ((1, pool_size), (2, 1)):
        x = RoiConv2D(width, kernel, padding="valid", name=f"mrcnn_class_conv{number}")(x)
        x = normalization(norm, train_bn, f"mrcnn_class_bn{number}")(x)
        x = layers.Activation("relu")(x)
    return ops.squeeze(x, (2, 3))


def answers(shared: Tensor, num_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Build class and box on shared features [B, R, width]. Returns as `build`."""
    logits = layers.Dense(num_classes, dtype="float32", name="mrcnn_class_logits")(shared)
    probs = layers.Activation("softmax", name="mrcnn_class", dtype="float32")(logits)
    deltas = layers.Dense(4 * num_classes, dtype="float32", name="mrcnn_bbox_fc")(shared)
    return logits, probs, layers.Reshape((shared.shape[1], num_classes, 4), dtype="float32", name="mrcnn_bbox")(deltas)


def build(
    rois: Tensor, pyramid: list[Tensor], image_meta: Tensor, *, pool_size: int, num_classes: int, train_bn: bool | None, width: int,
    sampling: str = "crop_and_resize", norm: str = "batch",
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Build the head.

    Args:
        rois: [B, R, 4] in the unit square.
        pyramid: [P2, P3, P4, P5].
        image_meta: [B, 12 + K].
        pool_size: Side of the features of a roi.
        num_classes: K, background included.
        train_bn: Mode of BatchNorm.
        width: Channels of the two hidden layers.
        sampling: See `PyramidROIAlign`.
        norm: Kind of normalisation, see `norm.normalization`.

    Returns:
        mrcnn_class_logits [B, R, K], mrcnn_class [B, R, K] (softmax), mrcnn_bbox [B, R, K, (dy, dx, log(dh), log(dw))]; all float32.
    """
    shared = features(
        rois, pyramid, image_meta, pool_size=pool_size, train_bn=train_bn, width=width, sampling=sampling, norm=norm
    )  # fmt: skip
    return answers(shared, num_classes)
