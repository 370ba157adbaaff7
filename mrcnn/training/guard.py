"""What is said and done about a batch whose loss or gradient is not finite. (That it changes no weight is the optimizer's and the model's work.)"""

import logging
from typing import Any

import keras
import numpy as np

from mrcnn.training import optimizer as optimizers

logger = logging.getLogger(__name__)

#: Batches in a row that are skipped at most: what lasts longer is no bad image.
MAX_IN_A_ROW = 10
#: Lines an epoch that name a skipped batch; at its end all are counted.
LINES_AN_EPOCH = 10
#: A loss scale below this finds no finite gradient because there is none.
MIN_LOSS_SCALE = 2.0**-14


class NonFinite(keras.callbacks.Callback):
    """Stop, or skip, at a batch whose loss or gradient is not finite.

    Args:
        dataset: The one that trains: its `image_info` knows an image's source, id and path.
        action: "stop" or "skip".
        first_step: Where the first epoch goes on.

    Raises (in training):
        FloatingPointError: at such a batch with "stop"; with "skip" after MAX_IN_A_ROW in a row. With either where float16 finds no loss scale.
    """

    def __init__(self, dataset: Any, action: str, first_step: int = 0):
        super().__init__()
        self.dataset, self.action = dataset, action
        self._first_step, self._offset = first_step, 0
        self.epoch = self.skipped = self.in_a_row = self.refused = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.in_a_row = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch, self.skipped = epoch, 0
        self._offset, self._first_step = self._first_step, 0
        self.refused = int(keras.ops.convert_to_numpy(optimizers.core(self.model.optimizer).refused))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the step just done."""
        batch += self._offset
        last = current(self.model, self.model.last_step.values)
        losses, image_ids = np.split(last, [len(self.model.shown)])
        refused = int(current(self.model, optimizers.core(self.model.optimizer).refused))
        if refused == self.refused and np.isfinite(losses).all():
            self.in_a_row = 0
            self._check_loss_scale(batch)
            return
        self.refused, self.skipped, self.in_a_row = refused, self.skipped + 1, self.in_a_row + 1
        text = self._describe(batch, losses, image_ids)
        if self.action == "stop":
            raise FloatingPointError(
                f"{text} The weights are those before this step, and nothing was saved after it. Look at these images and their masks; if they are "
                'fine, lower the learning rate or GRADIENT_CLIP_NORM. ON_NON_FINITE = "skip" goes on without such batches.'
            )
        if self.in_a_row >= MAX_IN_A_ROW:
            raise FloatingPointError(
                f"{text} It is the {self.in_a_row}th in a row: the training has diverged, or the data are broken. The weights are those before the "
                "first of them, and nothing was saved after it. Go back to an earlier checkpoint with a lower learning rate."
            )
        if self.skipped <= LINES_AN_EPOCH:
            logger.warning("%s The batch is skipped.", text)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count what was skipped."""
        if self.skipped:
            logger.warning("Epoch %d: %d batches were skipped, since their loss or gradient was not finite.", epoch + 1, self.skipped)

    def _check_loss_scale(self, batch: int) -> None:
        scale = getattr(self.model.optimizer, "dynamic_scale", None)
        if scale is not None and float(current(self.model, scale)) < MIN_LOSS_SCALE:
            raise FloatingPointError(
                f"Epoch {self.epoch + 1}, step {batch + 1}: no gradient is finite in float16, however small the loss is scaled. The weights have "
                "not changed since. Train in float32 or mixed_bfloat16 (PRECISION), or with a lower learning rate."
            )

    def _describe(self, batch: int, losses: np.ndarray, image_ids: np.ndarray) -> str:
        named = [f"{name} = {loss}" for name, loss in zip(self.model.shown, losses, strict=True) if not np.isfinite(loss)]
        what = f"not finite: {', '.join(named)}" if named else "the losses are finite, but their gradient is not"
        images = "; ".join(self._image(int(i)) for i in image_ids if i >= 0)
        return f"Epoch {self.epoch + 1}, step {batch + 1}: {what}. Images: {images}."

    def _image(self, image_id: int) -> str:
        """Its id in the data set, and what its source calls it."""
        known = self.dataset.image_info
        info = known[image_id] if image_id < len(known) else {}
        details = [f"{name} {info[name]}" for name in ("source", "id", "path") if info.get(name) is not None]
        return f"{image_id} ({', '.join(details)})" if details else str(image_id)


def current(model: keras.Model, variable: Any) -> np.ndarray:
    """Value of a variable of the optimizer or the metrics after the step just done.

    On JAX it is in the state that Keras' `fit` hands from step to step. (`jax_state_sync` would copy every weight for it.)
    """
    state = getattr(model, "_jax_state", None)
    if state and not model._jax_state_synced:
        for own, values in ((model.optimizer.variables, "optimizer_variables"), (model.metrics_variables, "metrics_variables")):
            for candidate, value in zip(own, state[values], strict=True):
                if candidate is variable:
                    return np.asarray(value)
    return np.asarray(keras.ops.convert_to_numpy(variable))
