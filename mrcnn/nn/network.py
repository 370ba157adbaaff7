"""The networks as `keras.Model`s: losses summed in `compute_loss`, each shown under its own name, weights saved in the legacy layout."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

Tensor = Any

#: Writes the weights of a model to a path; the package that knows the file layout puts it here (nn knows no files).
Saver = Callable[[keras.Model, str], None]


class MaskRCNNModel(keras.Model):
    """Functional model whose weight files are legacy HDF5 files, whatever their name.

    Args:
        saver: Function (model, path) that writes weights.
        loader: Function (model, path, by_name, exclude) that reads them.
        **kwargs: inputs, outputs, name.
    """

    def __init__(self, *, saver: Saver, loader: Callable[..., Any], **kwargs: Any):
        super().__init__(**kwargs)
        self._saver, self._loader = saver, loader

    def save_weights(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Write the weights to `filepath` in the legacy layout. (Keras' own insists on names that end in .weights.h5.)"""
        self._saver(self, str(filepath))

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Save the model as Keras does; the .keras form, which nothing could load again, is refused."""
        if str(filepath).endswith(".keras"):
            raise ValueError(
                f"{filepath}: a .keras file of this network could not be loaded again. Use save_weights('name.h5'), and MaskRCNN(mode, config, …) "
                "with load_weights to get it back."
            )
        super().save(filepath, *args, **kwargs)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, by_name: bool = False, exclude: Any = (), **kwargs: Any) -> Any:
        """Read weights of the legacy layout."""
        return self._loader(self, str(filepath), by_name=by_name, exclude=exclude)


class LastStep(keras.metrics.Metric):
    """What the last training step was about, for whoever has to say it: its losses and the ids of its images. It is in no log.

    Args:
        num_losses: Losses, the L2 term included.

    Attributes:
        values: [num_losses + MAX_IDS] float32: the losses, then the image ids, then -1.
    """

    MAX_IDS = 64

    def __init__(self, num_losses: int, name: str = "last_step"):
        super().__init__(name=name, dtype="float32")
        self.values = self.add_variable((num_losses + self.MAX_IDS,), initializer="zeros", name="values")

    def update_state(self, losses: list[Tensor], image_ids: Tensor) -> None:
        ids = ops.concatenate([ops.cast(image_ids, "float32"), ops.full((self.MAX_IDS,), -1.0)])[: self.MAX_IDS]
        self.values.assign(ops.concatenate([ops.stack(losses), ids]))

    def result(self) -> Tensor:
        return ops.convert_to_tensor(self.values)


class _Mean(keras.metrics.Mean):
    """Mean that is nan, not 0, where nothing counted."""

    def result(self) -> Tensor:
        return ops.where(self.count > 0, super().result(), float("nan"))


class _Total(keras.metrics.Metric):
    """The mean of the total: the sum of the parts' means, so that it leaves out what they leave out."""

    def __init__(self, parts: Callable[[], list[_Mean]], name: str):
        super().__init__(name=name, dtype="float32")
        self._parts = parts  # a function: parts that were attributes would be counted as this metric's own

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """The parts have been updated."""

    def result(self) -> Tensor:
        return sum(part.result() for part in self._parts())


class TrainingModel(MaskRCNNModel):
    """Training graph. Its last outputs are the losses.

    A training batch whose loss is not finite leaves no trace: its gradient is made nan throughout, which the optimizer refuses
    (`training.optimizer`), BatchNorm's averages go back to what they were, and the running means of the losses leave it out. (Where the loss is
    finite and only its gradient is not, BatchNorm's averages keep what they saw, which is finite then.)

    Args:
        loss_names: Names of the last outputs.
        loss_weights: Their factors in the total, by name; 1 where missing.
        weight_decay: See `l2`.
        decay_divided_by_size: See `l2`.
        decay_biases: See `l2`.
        **kwargs: As `MaskRCNNModel`.

    Attributes:
        last_step: See `LastStep`.
    """

    def __init__(
        self, *, loss_names: tuple[str, ...], loss_weights: dict[str, float], weight_decay: float, decay_divided_by_size: bool,
        decay_biases: bool = True, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.loss_names, self.loss_weights = tuple(loss_names), dict(loss_weights)
        self.weight_decay, self.decay_divided_by_size, self.decay_biases = weight_decay, decay_divided_by_size, decay_biases
        self._trackers = [_Mean(name=name) for name in self.shown]
        self.last_step = LastStep(len(self.shown))
        self._before = _Held()

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the losses and of the L2 term, in the order of `last_step`."""
        return (*self.loss_names, "l2_loss")

    def compile(self, *args: Any, **kwargs: Any) -> None:
        super().compile(*args, **kwargs)
        self._loss_tracker = _Total(lambda: self._trackers, name="loss")

    def get_metrics_result(self) -> dict[str, Any]:
        """What the logs show."""
        return {name: value for name, value in super().get_metrics_result().items() if name != self.last_step.name}

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None, **kwargs: Any) -> Any:
        if training is True:
            self._before.averages = [(v, _copy(v)) for v in self._running_averages()]
        return super().call(inputs, training=training, mask=mask, **kwargs)

    def compute_loss(
        self, x: Tensor = None, y: Tensor = None, y_pred: Tensor = None, sample_weight: Tensor = None, training: bool = True
    ) -> Tensor:
        """Weighted sum of the losses and the L2 term, in training and in validation: scalar float32."""
        losses = [ops.cast(ops.mean(loss), "float32") for loss in y_pred[-len(self.loss_names) :]]
        parts = [loss * self.loss_weights.get(name, 1.0) for name, loss in zip(self.loss_names, losses, strict=True)]
        parts.append(self.l2())
        total = sum(parts)
        images = None if x is None else ops.shape(tree.flatten(x)[0])[0]  # as Keras weighs the total: a last batch may be smaller
        if not training:  # a validation that is not finite shows it
            for tracker, value in zip(self._trackers, parts, strict=True):
                tracker.update_state(value, sample_weight=images)
            return total
        finite = ops.isfinite(total)
        counts = ops.cast(finite, "float32") * (1.0 if images is None else ops.cast(images, "float32"))
        for tracker, value in zip(self._trackers, parts, strict=True):
            tracker.update_state(ops.where(finite, value, 0.0), sample_weight=counts)
        if x is not None:
            self.last_step.update_state(parts, x[1][:, 0])
        self._restore_averages(finite)
        return total * ops.where(finite, 1.0, float("nan"))  # a factor of the gradient too: no weight gets a finite one

    def _running_averages(self) -> list[Any]:
        """Means and variances that BatchNorm changes while training."""
        norms = [layer for layer in self._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
        moving = [n for n in norms if n.trainable and getattr(n, "train_bn", None) is not False]
        return [v for n in moving for v in (n.moving_mean, n.moving_variance)]

    def _restore_averages(self, finite: Tensor) -> None:
        """Put BatchNorm's averages back if the loss is not finite, and each one that isn't finite itself."""
        for variable, before in self._before.averages:
            after = ops.convert_to_tensor(variable)
            variable.assign(ops.where(ops.logical_and(finite, ops.all(ops.isfinite(after))), after, before))
        self._before.averages = []

    def l2(self) -> Tensor:
        """L2 term over the trainable weights but those of normalisations, and without `decay_biases` but biases: scalar float32.

        weight_decay / 2 * sum(w²) each, so that the gradient is weight_decay * w; with `decay_divided_by_size` the original's
        weight_decay * mean(w²), which is smaller by the number of values in the weight.
        """
        total = ops.convert_to_tensor(0.0, dtype="float32")
        spared = ("gamma", "beta") if self.decay_biases else ("gamma", "beta", "bias")
        for variable in self.trainable_variables:
            if variable.name in spared:
                continue
            squares = ops.sum(ops.square(ops.cast(variable, "float32")))
            factor = 1.0 / math.prod(variable.shape) if self.decay_divided_by_size else 0.5
            total = total + self.weight_decay * factor * squares
        return total


class _Held:
    """Tensors on their way from `call` to `compute_loss`, out of sight of Keras' and TensorFlow's tracking of attributes."""

    def __init__(self) -> None:
        self.averages: list[tuple[Any, Tensor]] = []


def _copy(variable: Any) -> Tensor:
    """Value of a variable that a later assignment doesn't change."""
    return ops.copy(ops.convert_to_tensor(variable))
