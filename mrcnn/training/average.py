"""The moving average of the weights as a weight file of the whole network, beside each checkpoint."""

import os
from typing import Any

import keras
import numpy as np

from mrcnn.training import memory
from mrcnn.training import optimizer as optimizers
from mrcnn.weights import legacy_h5


def path_of(checkpoint_path: str) -> str:
    """Path of the averaged weights that belong to a checkpoint: `<run>/ema/ema_<name>_<epoch>.h5`.

    Nothing that looks for `mask_rcnn_*.h5` meets them.

    Args:
        checkpoint_path: Of a checkpoint, or with the field {epoch:04d}.
    """
    folder, name = os.path.split(checkpoint_path)
    return os.path.join(folder, "ema", f"ema_{name.removeprefix('mask_rcnn_')}")


def is_on(model: keras.Model) -> bool:
    """Whether the model's optimizer averages the weights."""
    return bool(getattr(optimizers.core(getattr(model, "optimizer", None)), "averages", None))


def weights(model: keras.Model) -> dict[str, np.ndarray]:
    """The averages of a model's weights, by their variables' paths. What never trained, and BatchNorm's statistics, are not in it.

    Raises:
        ValueError: the model is not compiled with EMA_DECAY.
    """
    if not is_on(model):
        raise ValueError("There is no average of the weights: set EMA_DECAY, 0.999 say, and train.")
    core, now = optimizers.core(model.optimizer), keras.ops.convert_to_numpy
    found = {v.path: now(average) for v, average in zip(core._trainable_variables, core.averages, strict=True)}
    updates = int(now(core.updates))
    for variable in model.weights:
        resting = core.resting.get(optimizers.key(core, variable, "average"))
        if variable.path not in found and resting is not None and resting.shape == tuple(variable.shape):
            seen = int(core.resting[optimizers.key(core, variable, "seen")])
            found[variable.path] = memory.rested(resting, now(variable), seen, updates, core.ema_decay)
    return found


def save(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write a complete weight file with the averages, atomically; what has none is written as it is. The model is not touched.

    On JAX, in the middle of an epoch, call `jax_state_sync()` of the model before.
    """
    legacy_h5.save(model, path, values=weights(model))


class SaveAverage(keras.callbacks.Callback):
    """Write the averages after each epoch; nothing where there are none.

    Args:
        checkpoint_path: Of the run's checkpoints, with the field {epoch:04d}.
    """

    def __init__(self, checkpoint_path: str):
        super().__init__()
        self.path = path_of(checkpoint_path)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the file of epoch + 1."""
        if is_on(self.model):
            path = self.path.format(epoch=epoch + 1)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            save(self.model, path)
