"""The learning rate of each step of a stage."""

from __future__ import annotations

from typing import Any

import keras

from mrcnn.training import metrics
from mrcnn.training.stages import Stage


class Rates(keras.callbacks.Callback):
    """Set the learning rate of each step of a stage. No step is compiled anew: the rate is a variable.

    What another callback does to the rate stays: a plateau that halves it halves what the schedule gives from then on. Where the stage's rate does
    not move by itself, it is set once and then left to the others.

    Args:
        stage: See `Stage`.
        start: Epoch at which it began, from 0.
        steps_per_epoch: Of training.
        first_step: Where the first epoch of this fit goes on.
    """

    def __init__(self, stage: Stage, start: int, steps_per_epoch: int, first_step: int = 0):
        super().__init__()
        self.stage, self.start, self.steps_per_epoch = stage, start, steps_per_epoch
        self.factor = 1.0  # of others
        self.current: float | None = None
        self._first_step, self._offset, self._begun = first_step, 0, False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Without a schedule: the rate where the training was left. An epoch that goes on is a fit by itself, after which the rate is others'."""
        if not self.stage.moves and not self._begun:
            self._set(self.stage.learning_rate if self.current is None else self.current)
        self._begun = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note where the epoch lies in the stage."""
        self._offset = (epoch - self.start) * self.steps_per_epoch + self._first_step
        self._first_step = 0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate of this step."""
        if not self.stage.moves:
            return
        now = self._get()
        if self.current and now != self.current:
            self.factor *= now / self.current
        self._set(self.stage.rate(self._offset + batch, self.steps_per_epoch) * self.factor)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the rate among the figures."""
        if logs is not None:
            logs["learning_rate"] = metrics.learning_rate(self.model.optimizer)

    def note(self) -> dict[str, float | None]:
        """What a resumed training must know: see `resume`."""
        now = self._get()
        if not self.stage.moves:
            return {"factor": 1.0, "current": now}
        return {"factor": self.factor * (now / self.current if self.current else 1.0), "current": None}

    def resume(self, noted: dict[str, Any]) -> None:
        """Go on where `note` was taken."""
        self.factor, self.current = float(noted.get("factor") or 1.0), noted.get("current")

    def _get(self) -> float:
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def _set(self, rate: float) -> None:
        self.model.optimizer.learning_rate = rate
        self.current = self._get()
