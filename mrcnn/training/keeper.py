"""Saves a training so that nothing is lost: weights and state after each epoch, or inside one that is left; deletes what may go."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from mrcnn.log import log
from mrcnn.training import average, branch, metrics, state
from mrcnn.training.memory import Memory
from mrcnn.training.rates import Rates
from mrcnn.training.runs import Run

# Epochs whose optimizer state is kept: the newest, and the one before, until the newest has been read back and in case it breaks later.
STATES_KEPT = 2
_NUMBERS = (bool, int, float, np.number)


class Keeper:
    """Writes checkpoints and states of one stage of a run.

    Args:
        run: Where to.
        memory: The optimizer's state across stages.
        facts: What every state says of the training: configuration, order of the data, stage.
        keep_last: Checkpoints to keep besides the best. None: all.
        keep_best: Figure by which the best is kept, "val_loss" or "val_map" say. None: none.
        seconds: Longest step, epoch's end and save so far, by these names; shared by the stages of a training. None: nothing is known.
    """

    def __init__(
        self, run: Run, memory: Memory, facts: dict[str, Any], keep_last: int | None = None, keep_best: str | None = None,
        seconds: dict[str, float] | None = None,
    ):  # fmt: skip
        self.run, self.memory, self.facts, self.keep_last, self.keep_best = run, memory, facts, keep_last, keep_best
        self.epoch, self.step = run.epoch, 0
        self.saved = True  # whether the position is on disk
        self.seconds = {} if seconds is None else seconds
        before = run.checkpoint_path.format(epoch=run.epoch)
        self.last = before if run.epoch and os.path.exists(before) else None  # complete checkpoint
        self.model: Any = None
        self.rates: Rates | None = None
        self.callbacks: Sequence[keras.callbacks.Callback] = ()
        self._told = False
        self.fresh: list[dict[str, Any]] = []  # what the callbacks held when training began

    def begin(self, model: Any, rates: Rates, callbacks: Sequence[keras.callbacks.Callback], step: int = 0) -> None:
        """Take what a fit works with; called before it. What a killed process left half written goes, what is later than the start is set aside.

        Args:
            model, rates, callbacks: See the attributes.
            step: Steps of the first epoch that are done.
        """
        self.model, self.rates, self.callbacks = model, rates, callbacks
        branch.set_aside_after(self.run, step)
        os.makedirs(os.path.join(self.run.log_dir, state.FOLDER), exist_ok=True)
        state.sweep(self.run.log_dir)

    def save_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        """Save the checkpoint of `epoch` finished epochs, and its state, whose epoch's end is still to be done.

        Raises:
            FloatingPointError: the loss or a weight is not finite; nothing is written.
            OSError: it could not be written.
        """
        self._sync()
        self._require_finite(epoch, logs)
        path = self.run.checkpoint_path.format(epoch=epoch)
        with self._writing(f"The checkpoint of epoch {epoch}"):
            self._save(path, epoch, 0, {"pending": True, "logs": metrics.numbers(logs)})
        self.last = path

    def finish_epoch(self, logs: dict[str, Any], ended: bool) -> None:
        """Note that all that belongs to the epoch's end is done, then delete what need not be kept.

        Args:
            logs: All figures of the epoch.
            ended: Whether a callback ended the stage.
        """
        if self.keep_best and self.keep_best not in logs and not self._told:
            self._told = True
            log(f"KEEP_BEST = {self.keep_best!r} is none of this epoch's figures: no best checkpoint is kept. There are: {', '.join(sorted(logs))}.")
        path = state.facts_path(self.run.log_dir, self.epoch, 0)
        stage = {**self.facts.get("stage", {}), "ended": ended}
        facts = {**(state.facts_of(path) or {}), "pending": False, "logs": metrics.numbers(logs), "stage": stage, **self._moving()}
        with self._writing(f"The end of epoch {self.epoch}"):
            state.write_facts(path, facts)
            state.drop_arrays(self.run.log_dir, STATES_KEPT)
            self._delete_checkpoints()

    def save_step(self, epoch: int, step: int) -> None:
        """Save the state after `step` steps of an epoch; the weights too lie in the state folder."""
        self._sync()
        self._require_finite(epoch, {})
        means = {f"metric/{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(self.model.metrics_variables)}
        with self._writing(f"The state after step {step} of epoch {epoch + 1}"):
            self._save(state.weights_path(self.run.log_dir, epoch, step), epoch, step, {"pending": False, "logs": {}}, means)
            state.drop_arrays(self.run.log_dir, STATES_KEPT)

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """Where the disk is full: say what is kept, and what to do."""
        try:
            yield
        except OSError as error:
            raise OSError(
                f"{what} could not be written: {error}. The last complete checkpoint is {self.last or 'none of this run'}; it was not touched. Free "
                "some space (KEEP_LAST deletes old checkpoints as training goes on), then go on with --weights last, or load_initial_weights('last')."
            ) from error

    def _save(self, weights: str, epoch: int, step: int, facts: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> None:
        started = time.monotonic()
        os.makedirs(os.path.dirname(weights), exist_ok=True)
        self.model.save_weights(weights)
        if getattr(self.model, "optimizer", None) is not None:
            self.memory.gather(self.model.optimizer)
        kept = {**(arrays or {}), **state.random_states(), **_prefixed("optimizer/", self.memory.arrays), **seeds(self.model)}
        state.write(self.run.log_dir, weights, kept, {"epoch": epoch, "step": step, **self.facts, **facts, **self._moving()})
        self.epoch, self.step, self.saved = epoch, step, True
        self.took("save", time.monotonic() - started)

    def took(self, what: str, seconds: float) -> None:
        """Note how long a step, an epoch's end or a save took."""
        self.seconds[what] = max(self.seconds.get(what, 0.0), seconds)

    def _sync(self) -> None:
        """On JAX, inside an epoch, weights and means are the step function's arrays; bring the variables up to them."""
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()

    def _moving(self) -> dict[str, Any]:
        return {"rates": self.rates.note() if self.rates else {}, "callbacks": self.notes()}

    def notes(self) -> list[dict[str, Any]]:
        """Numbers that callbacks have changed since training began (a plateau's patience left, the best figure), not those they were made with."""
        now = [numbers_of(callback) for callback in self.callbacks]
        fresh = self.fresh or [{} for _ in now]
        return [
            {"class": type(c).__name__, "numbers": {k: v for k, v in new.items() if k not in old or old[k] != v}}
            for c, new, old in zip(self.callbacks, now, fresh, strict=True)
        ]

    def _require_finite(self, epoch: int, logs: dict[str, Any]) -> None:
        kept = f"the last one is {self.last or 'none of this run'}"
        loss = logs.get("loss", 0.0)
        if not math.isfinite(loss):
            bad = ", ".join(name for name, value in logs.items() if not math.isfinite(value))
            raise FloatingPointError(
                f"The loss of epoch {epoch} is {loss} ({bad}). No checkpoint is written; {kept}. Lower the learning rate, and check the images and "
                "masks of the data set."
            )
        bad = [v.path for v in self.model.trainable_variables if not bool(keras.ops.all(keras.ops.isfinite(v)))]
        if bad:
            raise FloatingPointError(
                f"After epoch {epoch} {len(bad)} weights are not finite ({bad[0]}, …): the last step diverged. No checkpoint is written; {kept}. "
                "Lower the learning rate."
            )

    def _delete_checkpoints(self) -> None:
        """Delete checkpoints beyond `keep_last`, but for the best; only those that have a state of this run, so none that somebody put there."""
        if self.keep_last is None:
            return
        done = [(path, facts) for path in state.paths(self.run.log_dir) if (facts := state.facts_of(path)) and not facts["step"]]
        best = best_of(done, self.keep_best) if self.keep_best else None
        for path, facts in done[self.keep_last :]:
            weights = os.path.join(self.run.log_dir, facts["weights"])
            if path != best:
                for file in (weights, average.path_of(weights)):
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(file)


def best_of(states: Sequence[tuple[str, dict[str, Any]]], figure: str) -> str | None:
    """Of states (path, facts), the furthest first, the one whose figure is best: least for a loss, else greatest; None where no epoch has the figure.

    Of equal ones the earliest: an epoch in which the mAP was not measured repeats the figure of the one before.
    """
    sign = -1.0 if "loss" in figure else 1.0
    found = [(sign * facts["logs"][figure], path) for path, facts in states if math.isfinite(facts.get("logs", {}).get(figure, math.nan))]
    return max(reversed(found), key=lambda item: item[0])[1] if found else None


def seeds(model: keras.Model) -> dict[str, np.ndarray]:
    """State of the network's random generators, which no weight file holds, by their order (Keras' names differ with what was built before)."""
    return {f"model/{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_generators(model))}


def _generators(model: keras.Model) -> list[Any]:
    return [v for v in model.non_trainable_variables if "float" not in str(v.dtype)]


def restore(model: keras.Model, arrays: dict[str, np.ndarray]) -> None:
    """Set the network's and the global random generators to a state."""
    for i, variable in enumerate(_generators(model)):
        if (name := f"model/{i}") in arrays:
            variable.assign(arrays[name])
    state.restore_random_states(arrays)


def numbers_of(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Attributes of a callback that are numbers, or None, by name.

    Not `min_delta` of Keras' monitors: it is a setting whose sign they turn at the first epoch's end, after a resume as well.
    """
    settings = ("min_delta",) if hasattr(callback, "monitor_op") else ()
    return {k: _plain(v) for k, v in vars(callback).items() if (v is None or isinstance(v, _NUMBERS)) and k not in settings}


def resume_callbacks(callbacks: Sequence[keras.callbacks.Callback], noted: Sequence[dict[str, Any]]) -> None:
    """Give callbacks what `Keeper.notes` took; the n-th of a class gets what the n-th of it remembered."""
    left = list(noted)
    for callback in callbacks:
        entry = next((e for e in left if e["class"] == type(callback).__name__), None)
        if entry is not None:
            left.remove(entry)
            vars(callback).update({k: v for k, v in entry["numbers"].items() if k in vars(callback)})


class Checkpoint(keras.callbacks.Callback):
    """Saves weights and state at an epoch's end, before anything else is done there."""

    def __init__(self, keeper: Keeper):
        super().__init__()
        self.keeper = keeper

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the checkpoint of epoch + 1 (files count from 1)."""
        self.keeper.save_epoch(epoch + 1, logs or {})


class StageOver(Exception):  # noqa: N818 (no error: a way out of Keras' fit)
    """An epoch's end that was done again ended the stage."""


class EpochDone(keras.callbacks.Callback):
    """Last of all: completes the state, and restores callbacks when a training goes on.

    Attributes:
        noted: What callbacks remembered, see `Keeper.notes`.
        means: Running means of the losses of the epoch that goes on, by "metric/<number>".
        pending: Figures of an epoch whose weights are saved while its end (mAP, callbacks) was cut off; it is done again. None: there is none.
        after: Callbacks of that end, in order.
    """

    def __init__(self, keeper: Keeper):
        super().__init__()
        self.keeper = keeper
        self.noted: Sequence[dict[str, Any]] = ()
        self.means: dict[str, np.ndarray] = {}
        self.pending: dict[str, Any] | None = None
        self.after: Sequence[keras.callbacks.Callback] = ()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Callbacks have just forgotten all: give them back what they knew, then do what is left of an epoch's end."""
        self.keeper.fresh = [numbers_of(callback) for callback in self.keeper.callbacks]
        resume_callbacks(self.keeper.callbacks, self.noted)
        if self.pending is not None:
            logs, self.pending = self.pending, None
            for callback in (*self.after, self):
                callback.on_epoch_end(self.keeper.epoch - 1, logs)
            if self.model.stop_training:
                raise StageOver

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Go on with the running means of an epoch that was left."""
        for i, variable in enumerate(self.model.metrics_variables if self.means else ()):
            variable.assign(self.means[f"metric/{i}"])
        self.means = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """The epoch is complete."""
        self.keeper.finish_epoch(logs or {}, bool(self.model.stop_training))
        self.noted = self.keeper.notes()


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _prefixed(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {prefix + name: array for name, array in arrays.items()}
