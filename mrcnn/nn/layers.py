"""Small layers that several stages share: BatchNorm with a fixed mode, and convolutions that run on every roi."""

from typing import Any

import keras
from keras import ops

Tensor = Any

BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.99


@keras.saving.register_keras_serializable("mrcnn")
class BatchNorm(keras.layers.BatchNormalization):
    """BatchNormalization whose mode can be fixed when the graph is built.

    Args:
        train_bn: None follows the model (statistics of the batch in training, stored ones otherwise); False always uses the stored
            statistics, which then never change, while gamma and beta still train; True always uses the batch's.
        **kwargs: Those of `keras.layers.BatchNormalization`; epsilon and momentum default to the original's.

    A `training=` given when the layer is called on a symbolic tensor fixes the mode likewise, as `BatchNorm(name=…)(x, training=train_bn)` did in
    the original. (Keras itself forgets it: the model's own flag replaces it at run time.)
    """

    def __init__(self, train_bn: bool | None = None, epsilon: float = BATCH_NORM_EPSILON, momentum: float = BATCH_NORM_MOMENTUM, **kwargs: Any):
        super().__init__(epsilon=epsilon, momentum=momentum, **kwargs)
        self.train_bn = train_bn

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        training = kwargs.get("training")
        if training is not None and self.train_bn is None and isinstance(inputs, keras.KerasTensor):
            self.train_bn = bool(training)
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        """Normalise [..., C] over all axes but the last."""
        return super().call(inputs, training=training if self.train_bn is None else self.train_bn, mask=mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "train_bn": self.train_bn}


class _PerRoi:
    """Mixin: run a convolution on [B, R, H, W, C] as one batch of B * R images."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build((None, *input_shape[2:]))

    def call(self, inputs: Tensor) -> Tensor:
        outputs = super().call(ops.reshape(inputs, (-1, *inputs.shape[2:])))
        return ops.reshape(outputs, (-1, inputs.shape[1], *outputs.shape[1:]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if len(input_shape) == 4:  # Keras' own build asks for one roi
            return super().compute_output_shape(input_shape)
        return (input_shape[0], input_shape[1], *super().compute_output_shape((input_shape[0], *input_shape[2:]))[1:])


@keras.saving.register_keras_serializable("mrcnn")
class RoiConv2D(_PerRoi, keras.layers.Conv2D):
    """Conv2D on each roi: [B, R, H, W, C] to [B, R, H', W', filters]. (Keras' wrapper for this loops over the rois in Python.)"""


@keras.saving.register_keras_serializable("mrcnn")
class RoiConv2DTranspose(_PerRoi, keras.layers.Conv2DTranspose):
    """Conv2DTranspose on each roi: [B, R, H, W, C] to [B, R, H', W', filters]."""


class BoxLayer(keras.layers.Layer):
    """Base of layers whose arithmetic is on boxes: float32 whatever the precision of the network."""

    def __init__(self, **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        kwargs.setdefault("autocast", False)
        super().__init__(**kwargs)


def image_shapes(image_meta: Tensor) -> tuple[Tensor, Tensor]:
    """Height and width of the molded image from [B, 12 + K] image_meta: [B] each."""
    return image_meta[:, 4], image_meta[:, 5]


def windows(image_meta: Tensor) -> Tensor:
    """Window (y1, x1, y2, x2) in pixels of the molded image from [B, 12 + K] image_meta: [B, 4]."""
    return image_meta[:, 7:11]


def active_classes(image_meta: Tensor) -> Tensor:
    """Flags of the classes that the image's source knows, from [B, 12 + K] image_meta: [B, K]."""
    return image_meta[:, 12:]
