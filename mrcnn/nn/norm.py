"""What follows a convolution to keep its activations in range: BatchNorm, GroupNorm or BatchNorm over all devices (Config.NORM).

The layers keep the names of the published weight files ("bn2a_branch2a", "mrcnn_class_bn1") whatever their kind: the name says the place.
Source: Group Normalization (Wu & He 2018); Rethinking ImageNet Pre-training (He, Girshick & Dollár 2019), where a Mask R-CNN trained from scratch
with GroupNorm, or with BatchNorm synchronised over the devices, reaches the accuracy of a pretrained one, given more epochs.
"""

from typing import Any

import keras
from keras import ops

from mrcnn.nn.layers import BatchNorm

Tensor = Any

KINDS = ("batch", "group", "sync_batch")
GROUPS = 32
GROUP_NORM_EPSILON = 1e-5  # Detectron's and Detectron2's
_LEAST_CHANNELS, _LEAST_VALUES = 2, 16


def normalization(kind: str, train_bn: bool | None, name: str) -> keras.layers.Layer:
    """Make the layer of a kind.

    Args:
        kind: "batch", "group", or "sync_batch": BatchNorm whose statistics of the batch are those of all devices' batches together. On one device
            that is "batch" but for the rounding of floats. Keras has it for TensorFlow only.
        train_bn: Mode of BatchNorm, see `layers.BatchNorm`. GroupNorm has none: an image's own statistics serve in training and in detection.
        name: Of the layer.

    Raises:
        ValueError: unknown kind, or "sync_batch" on another backend than TensorFlow (from Keras).
    """
    if kind not in KINDS:
        raise ValueError(f"norm {kind!r}: one of {', '.join(KINDS)} is expected")
    if kind == "group":
        return GroupNorm(name=name)
    return BatchNorm(train_bn=train_bn, synchronized=kind == "sync_batch", name=name)


def num_groups(channels: int, positions: int | None = None, most: int = GROUPS) -> int:
    """Number of groups for a map: `most`, or the next smaller divisor of the channels that leaves groups to take statistics of.

    A group has at least 2 channels, and 16 values in all: with fewer, normalising would leave little but signs (of a single value: nothing).

    Args:
        channels: C.
        positions: H * W; None where images differ in size, which are then taken to be large enough.
        most: Largest number of groups.

    Example:
        >>> num_groups(256, 14 * 14), num_groups(1024, 1), num_groups(16, 64 * 64), num_groups(16, 1)
        (32, 32, 8, 1)
    """
    for groups in range(min(most, channels), 1, -1):
        size = channels // groups
        if channels % groups == 0 and size >= _LEAST_CHANNELS and (positions is None or size * positions >= _LEAST_VALUES):
            return groups
    return 1


@keras.saving.register_keras_serializable("mrcnn")
class GroupNorm(keras.layers.GroupNormalization):
    """GroupNormalization of [B, H, W, C], or of each roi by itself where there are rois: [B, R, H, W, C].

    Statistics are taken of each image (roi) and group of channels, in float32 whatever the precision; nothing is stored, so that a batch of one
    trains like any other, and training and detection are the same function.

    Args:
        groups: Largest number of groups, see `num_groups`; after `build` the number in use.
        epsilon: Added to the variance.
        **kwargs: Those of `keras.layers.GroupNormalization`.
    """

    def __init__(self, groups: int = GROUPS, epsilon: float = GROUP_NORM_EPSILON, **kwargs: Any):
        super().__init__(groups=groups, epsilon=epsilon, **kwargs)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        height, width, channels = input_shape[-3:]
        self.groups = num_groups(channels, None if None in (height, width) else height * width, self.groups)
        super().build((None, height, width, channels))
        self.input_spec = keras.layers.InputSpec(min_ndim=4, max_ndim=5, axes={-1: channels})

    def call(self, inputs: Tensor) -> Tensor:
        if len(inputs.shape) == 4:
            return super().call(inputs)
        outputs = super().call(ops.reshape(inputs, (-1, *inputs.shape[2:])))
        leading = (-1, inputs.shape[1]) if inputs.shape[1] is not None else ops.shape(inputs)[:2]
        return ops.reshape(outputs, (*leading, *inputs.shape[2:]))
