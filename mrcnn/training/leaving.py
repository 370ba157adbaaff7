"""Leaving a training cleanly before its end: Ctrl-C, SIGTERM, a time limit. It is saved after the running step and can go on exactly there."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras

from mrcnn.log import log
from mrcnn.training.keeper import Keeper


class Left(Exception):  # noqa: N818 (no error: a way out of Keras' fit)
    """The training was left, its state saved."""


class Leaving(keras.callbacks.Callback):
    """Watches signals and the clock during a fit; last of the callbacks.

    The first Ctrl-C or SIGTERM asks to stop after the running step, the second stops at once. While an epoch's end is worked on (mAP), whose
    weights are saved, the first stops at once too. Signals are watched only where they can be: in the main thread, unless a program has a handler of
    its own. While TensorFlow waits for a batch that doesn't come, Python's handlers don't run: there the second signal ends the wait.

    Args:
        keeper: Saves.
        deadline: `time.monotonic()` at which the process should be gone; None: never.
        first_step: Where the first epoch goes on.
        steps: An epoch.
        last_epoch: After which nothing is left to train; None: another stage follows.
        waits: Called from another thread at the second signal: whoever waits for data must wait no longer.
    """

    def __init__(
        self, keeper: Keeper, deadline: float | None, first_step: int, steps: int, last_epoch: int | None = None,
        waits: Sequence[Callable[[], None]] = (),
    ):  # fmt: skip
        super().__init__()
        self.keeper, self.deadline, self.steps, self.last_epoch = keeper, deadline, steps, last_epoch
        self._repeated = Repeated(waits)
        self.reason: str | None = None
        self.signal: int | None = None
        self._first_step, self._offset = first_step, 0
        self._epoch = keeper.epoch
        self._training_logs: dict[str, Any] = {}
        self._since = time.monotonic()
        self.reserve: Callable[[], float] = lambda: 0.0  # seconds that are wanted after a time limit has ended the training
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Leaving:
        if threading.current_thread() is threading.main_thread():
            for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) == usual:
                    self._before[number] = signal.signal(number, self._handle)
            self._repeated.watch(self._before)
        return self

    def __exit__(self, *_: object) -> None:
        self._repeated.stop()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def leave_as_asked(self) -> None:
        """After the fit has been left: end as the signal would have; a time limit just returns."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise SystemExit(128 + self.signal)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note where the epoch begins."""
        self._epoch, self._offset, self._first_step = epoch, self._first_step, 0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """From here to the step's end nothing can be saved."""
        self.keeper.saved = False
        self._since = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Leave if that is asked for, or if the time would not suffice for another step."""
        self._note("step")
        step = self._offset + batch + 1
        self._training_logs = dict(logs or {})
        if step < self.steps:
            if self._must_leave("step"):
                self.keeper.save_step(self._epoch, step)
                self._leave(f"step {step} of epoch {self._epoch + 1}")
            return
        self._since = time.monotonic()
        if self._must_leave("end"):
            self._leave_before_validation()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Leave in the middle of validation: it is done again."""
        if not self.keeper.saved and self._must_leave():
            self._leave_before_validation()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Leave between two epochs."""
        self._note("end")
        done = epoch + 1 == self.last_epoch and self.reason is None  # then a limit has nothing to cut off
        if not done and not self.model.stop_training and self._must_leave("step"):
            self._leave(f"the end of epoch {epoch + 1}")

    def _leave_before_validation(self) -> None:
        self.keeper.save_epoch(self._epoch + 1, self._training_logs)
        self._leave(f"the last step of epoch {self._epoch + 1}; its validation is done when the training goes on")

    def _leave(self, place: str) -> None:
        log(f"{self.reason}: the training is left at {place}. Everything is saved; --weights last, or load_initial_weights('last'), goes on there.")
        raise Left

    def _must_leave(self, ahead: str | None = None) -> bool:
        """Whether a signal came, or less time is left than what lies ahead ("step" or "end"), two saves and the reserve take."""
        if self.reason is None and self.deadline is not None:
            seconds = self.keeper.seconds
            if self.time_left() < 1.5 * seconds.get(ahead, 0.0) + 2.0 * seconds.get("save", 0.0) + self.reserve():
                self.reason = "Time limit"
        return self.reason is not None

    def time_left(self) -> float:
        """Seconds to the deadline."""
        return math.inf if self.deadline is None else self.deadline - time.monotonic()

    def _note(self, what: str) -> None:
        """Of what was done since the last note; an epoch's end is validation, checkpoint, mAP and all other callbacks."""
        self.keeper.took(what, time.monotonic() - self._since)

    def _handle(self, number: int, frame: Any) -> None:
        self.signal = number
        if self.reason is not None or self.keeper.saved or self._repeated.happened:
            self.leave_as_asked()
        self.reason = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        log(f"\n{self.reason}: stopping after this step; once more stops at once, without saving it.")


class Repeated:
    """Hears a second signal while the main thread waits in C code, where Python's handlers don't run.

    Python writes a byte for each signal to a pipe at once (`signal.set_wakeup_fd`), and a thread reads them. Where a program has such a pipe already
    (asyncio, so notebooks), it is left alone.

    Attributes:
        happened: Whether there was a second one.
    """

    def __init__(self, waits: Sequence[Callable[[], None]]):
        self.happened = False
        self._waits = waits
        self._beginning: int | None = None  # of the pipe, while signals are watched

    def watch(self, numbers: Iterable[int]) -> None:
        """Begin, in the main thread, to count signals of these numbers."""
        watched, (end, beginning) = set(numbers), os.pipe()
        os.set_blocking(beginning, False)
        before = signal.set_wakeup_fd(beginning, warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)
            os.close(end), os.close(beginning)
            return
        self._beginning = beginning
        threading.Thread(target=self._listen, args=(end, watched), name="signals", daemon=True).start()

    def stop(self) -> None:
        """End, in the main thread too; the listening thread ends with the pipe."""
        if self._beginning is not None:
            now = signal.set_wakeup_fd(-1)
            if now != self._beginning:
                signal.set_wakeup_fd(now)  # somebody else's by now
            os.close(self._beginning)
            self._beginning = None

    def _listen(self, end: int, watched: set[int]) -> None:
        seen = 0
        while byte := os.read(end, 1):
            seen += byte[0] in watched
            if seen >= 2:
                self.happened = True
                for end_wait in self._waits:
                    end_wait()
        os.close(end)
