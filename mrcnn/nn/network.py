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


class TrainingModel(MaskRCNNModel):
    """Training graph. Its last five outputs are the losses.

    Args:
        loss_names: Names of the last outputs.
        loss_weights: Their factors in the total, by name; 1 where missing.
        weight_decay: See `l2`.
        decay_divided_by_size: See `l2`.
        **kwargs: As `MaskRCNNModel`.
    """

    def __init__(
        self, *, loss_names: tuple[str, ...], loss_weights: dict[str, float], weight_decay: float, decay_divided_by_size: bool, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.loss_names, self.loss_weights = tuple(loss_names), dict(loss_weights)
        self.weight_decay, self.decay_divided_by_size = weight_decay, decay_divided_by_size
        self._trackers = [keras.metrics.Mean(name=name) for name in (*self.loss_names, "l2_loss")]

    def compute_loss(
        self, x: Tensor = None, y: Tensor = None, y_pred: Tensor = None, sample_weight: Tensor = None, training: bool = True
    ) -> Tensor:
        """Weighted sum of the five losses and the L2 term, in training and in validation: scalar float32."""
        losses = [ops.cast(ops.mean(loss), "float32") for loss in y_pred[-len(self.loss_names) :]]
        weighted = [loss * self.loss_weights.get(name, 1.0) for name, loss in zip(self.loss_names, losses, strict=True)]
        decay = self.l2()
        images = None if x is None else ops.shape(tree.flatten(x)[0])[0]  # as Keras weighs the total: a last batch may be smaller
        for tracker, value in zip(self._trackers, [*weighted, decay], strict=True):
            tracker.update_state(value, sample_weight=images)
        return sum(weighted) + decay

    def l2(self) -> Tensor:
        """L2 term over the trainable weights but BatchNorm's: scalar float32.

        weight_decay / 2 * sum(w²) each, so that the gradient is weight_decay * w; with `decay_divided_by_size` the original's
        weight_decay * mean(w²), which is smaller by the number of values in the weight.
        """
        total = ops.convert_to_tensor(0.0, dtype="float32")
        for variable in self.trainable_variables:
            if variable.name in ("gamma", "beta"):
                continue
            squares = ops.sum(ops.square(ops.cast(variable, "float32")))
            factor = 1.0 / math.prod(variable.shape) if self.decay_divided_by_size else 0.5
            total = total + self.weight_decay * factor * squares
        return total
