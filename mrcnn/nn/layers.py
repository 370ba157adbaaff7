"""Small layers that several stages share: BatchNorm with a fixed mode, convolutions that can take it in, and those that run on every roi."""

import math
import weakref
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
        self.folded = False

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        training = kwargs.get("training")
        if training is not None and self.train_bn is None and isinstance(inputs, keras.KerasTensor):
            self.train_bn = bool(training)
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        """Normalise [..., C] over all axes but the last."""
        if self.folded:
            return inputs  # the convolution before has done it, see `FoldingConv2D`
        return super().call(inputs, training=training if self.train_bn is None else self.train_bn, mask=mask)

    def affine(self) -> tuple[Tensor, Tensor]:
        """What it does with the stored statistics: inputs * scale + shift. Both [C] float32."""
        scale = self.gamma * ops.rsqrt(self.moving_variance + self.epsilon)
        return scale, self.beta - self.moving_mean * scale

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "train_bn": self.train_bn}


class _Folding:
    """Mixin of a convolution: it can take the BatchNorm after it into its kernel and bias.

    A convolution and a normalisation by stored statistics are both linear, so one convolution does the work of the two. The product is made anew in
    each call, from the weights as they are: 40 million multiplications, where normalising the activations takes a pass over each of them.
    Gradients reach kernel, bias, gamma and beta as before.
    """

    _norm: Any = None

    def absorb(self, norm: BatchNorm) -> None:
        """Do the work of `norm`, which must be the only one that reads this layer's result; `norm` hands on what it gets from now on."""
        self._norm = weakref.ref(norm)  # not an attribute that Keras tracks: the model owns both layers
        norm.folded = True

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        return super().add_weight(*args, **{**kwargs, "autocast": False})  # under mixed precision the product is made in float32 too

    def call(self, inputs: Tensor) -> Tensor:
        kernel, bias = self.kernel, self.bias
        if self._norm is not None:
            scale, shift = self._norm().affine()
            kernel, bias = kernel * scale, shift if bias is None else bias * scale + shift
        outputs = self.convolution_op(inputs, ops.cast(kernel, self.compute_dtype))
        if bias is not None:
            outputs = ops.add(outputs, ops.reshape(ops.cast(bias, self.compute_dtype), (1, 1, 1, -1)))
        return outputs if self.activation is None else self.activation(outputs)


@keras.saving.register_keras_serializable("mrcnn")
class FoldingConv2D(_Folding, keras.layers.Conv2D):
    """Conv2D that can take in the BatchNorm after it, see `fold`."""


def fold(model: keras.Model) -> int:
    """Let convolutions take in the BatchNorm after them, where that always uses its stored statistics and the kernel is smaller than the activations.

    Results stay the same but for the rounding of floats. The output of such a convolution, looked at by itself, is then the normalised one. Large
    kernels on few positions (stage 5, the box head) are left alone: there it takes less to normalise the activations.

    Args:
        model: Functional; changed in place. Weights and layers' names stay as they are.

    Returns:
        Number of BatchNorms taken in.
    """
    shown = {id(output) for output in model.outputs}
    count = 0
    for norm in model.layers:
        if not isinstance(norm, BatchNorm) or norm.train_bn is not False or norm.folded or id(norm.input) in shown:
            continue
        source = norm.input._keras_history.operation
        if not isinstance(source, _Folding) or source.activation not in (None, keras.activations.linear) or len(source._outbound_nodes) > 1:
            continue
        positions = norm.input.shape[1:-1]
        if None in positions or math.prod(positions) >= math.prod(source.kernel.shape[:-1]):
            source.absorb(norm)
            count += 1
    return count


class _PerRoi:
    """Mixin: run a convolution on [B, R, H, W, C] as one batch of B * R images."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build((None, *input_shape[2:]))

    def call(self, inputs: Tensor) -> Tensor:
        outputs = super().call(ops.reshape(inputs, (-1, *inputs.shape[2:])))
        leading = (-1, inputs.shape[1]) if inputs.shape[1] is not None else ops.shape(inputs)[:2]
        return ops.reshape(outputs, (*leading, *outputs.shape[1:]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if len(input_shape) == 4:  # Keras' own build asks for one roi
            return super().compute_output_shape(input_shape)
        return (input_shape[0], input_shape[1], *super().compute_output_shape((input_shape[0], *input_shape[2:]))[1:])


@keras.saving.register_keras_serializable("mrcnn")
class RoiConv2D(_PerRoi, _Folding, keras.layers.Conv2D):
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
