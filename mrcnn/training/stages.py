"""Stages of a training and how the learning rate moves within one: constant, steps or a cosine, after a warmup; or a schedule of Keras.

A schedule is a factor on the stage's rate, a pure function of the step within the stage, so that a resumed training finds its place again.
Loads no Keras: command lines read their stages with it.

Source: He et al., Mask R-CNN, section 3.1 (steps); Goyal et al. 2017, section 2.2 (linear warmup); Loshchilov & Hutter 2017 (cosine).
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

EXAMPLE = "heads:1e-3:5,4+:1e-3:10,all:1e-4:15:cosine"
_FORM = "layers:rate:epochs or layers:rate:epochs:schedule"
_BETWEEN_STAGES = re.compile(r",(?![^{(\[]*[})\]])")  # a comma that no bracket holds: res{4,5} is one expression
_SCHEDULES = "constant, cosine, step@8/11 (epochs of the stage after which the rate falls to a tenth), each also behind warmup@500+ (steps)"


@dataclass(frozen=True)
class Schedule:
    """Factor on a stage's learning rate.

    Attributes:
        kind: "constant", "cosine" (from 1 to `final` over the stage) or "step" (times `gamma` after each of the `milestones`).
        warmup: Steps over which the factor rises from near 0, in a straight line; the schedule runs beneath it.
        milestones: Epochs of the stage.
        gamma: Of "step".
        final: Of "cosine".
    """

    kind: str = "constant"
    warmup: int = 0
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    final: float = 0.0

    def factor(self, step: int, steps: int, steps_per_epoch: int) -> float:
        """Factor at a step.

        Args:
            step: Of the stage, from 0.
            steps: Of the whole stage.
            steps_per_epoch: To find the milestones.

        >>> [round(Schedule("cosine").factor(step, 4, 2), 3) for step in range(4)]
        [1.0, 0.854, 0.5, 0.146]
        >>> [round(Schedule("step", warmup=2, milestones=(2,)).factor(step, 6, 2), 3) for step in range(6)]
        [0.5, 1.0, 1.0, 1.0, 0.1, 0.1]
        """
        if self.kind == "cosine":
            value = self.final + (1.0 - self.final) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / max(1, steps))))
        else:
            value = self.gamma ** sum(step >= epoch * steps_per_epoch for epoch in self.milestones)
        return value * min(1.0, (step + 1) / self.warmup) if self.warmup else value

    @property
    def moves(self) -> bool:
        """Whether the factor is ever another than 1."""
        return self.kind == "cosine" or bool(self.milestones) or bool(self.warmup)


CONSTANT = Schedule()


@dataclass(frozen=True)
class Stage:
    """A stretch of training.

    Attributes:
        layers: heads, 3+, 4+, 5+, all, or a regular expression on layer names.
        learning_rate: A number, or a LearningRateSchedule of Keras, which is asked with the step within the stage.
        epochs: Of this stage alone.
        schedule: Factor on a number; see `Schedule`.

    Raises:
        ValueError: an impossible rate, number of epochs or schedule.
    """

    layers: str
    learning_rate: Any
    epochs: int
    schedule: Schedule = CONSTANT

    def __post_init__(self) -> None:
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, numbers.Integral) or self.epochs < 1:
            raise ValueError(f"A stage of {self.epochs!r} epochs: a whole number of at least 1 is expected")
        object.__setattr__(self, "epochs", int(self.epochs))  # NumPy's too; a state holds plain numbers
        if not isinstance(self.schedule, Schedule):
            raise ValueError(f"schedule = {self.schedule!r}: a Schedule is expected, such as Schedule('cosine', warmup=500)")
        if self.schedule.milestones and max(self.schedule.milestones) >= self.epochs:
            late = max(self.schedule.milestones)
            raise ValueError(f"step@…{late:g}: the stage has {self.epochs} epochs, so the rate never falls there. Milestones lie within it.")
        if callable(self.learning_rate):
            if self.schedule != CONSTANT:
                raise ValueError("A stage takes a schedule of Keras as learning_rate, or a number and `schedule`; both were given.")
        else:
            check_rate(self.learning_rate)
            object.__setattr__(self, "learning_rate", float(self.learning_rate))

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate at a step of the stage, from 0."""
        if callable(self.learning_rate):
            return float(self.learning_rate(step))
        return self.learning_rate * self.schedule.factor(step, self.epochs * steps_per_epoch, steps_per_epoch)

    @property
    def first_rate(self) -> float:
        """The number given, or what a schedule of Keras begins with."""
        return float(self.learning_rate(0)) if callable(self.learning_rate) else self.learning_rate

    @property
    def moves(self) -> bool:
        """Whether the rate changes by itself within the stage."""
        return callable(self.learning_rate) or self.schedule.moves


def check_rate(rate: Any) -> None:
    """Refuse a learning rate that is no finite number of at least 0.

    Raises:
        ValueError: it says what was given.
    """
    if isinstance(rate, bool) or not isinstance(rate, numbers.Real) or not 0 <= rate < float("inf"):
        raise ValueError(f"learning_rate = {rate!r}: a number of at least 0 is expected, 0.001 say, or a LearningRateSchedule of Keras")


def read(given: str | Sequence[Any]) -> list[Stage]:
    """Stages from text, from tuples (layers, learning rate, epochs[, schedule]), or as they are.

    Raises:
        ValueError: there is none, or one is not understood.

    >>> read("heads:1e-3:5,all:2e-3:12:warmup@500+step@8/11")[1].schedule
    Schedule(kind='step', warmup=500, milestones=(8.0, 11.0), gamma=0.1, final=0.0)
    """
    if isinstance(given, str):
        given = [parse_stage(part) for part in _BETWEEN_STAGES.split(given) if part.strip()]
    found = [item if isinstance(item, Stage) else _from_sequence(item) for item in given]
    if not found:
        raise ValueError(f"No stage was given. Write for example {EXAMPLE}")
    return found


def parse_stage(text: str) -> Stage:
    """Read layers:rate:epochs[:schedule].

    Raises:
        ValueError: it is not of that form; the message says what to write.
    """
    match = re.fullmatch(r"\s*(.+?):([^:]+):(\d+)(?::([a-z].*))?\s*", text)
    try:
        layers, rate, epochs, schedule = match.groups()
        rate = float(rate)
    except (AttributeError, ValueError):
        raise ValueError(f"Stage {text!r} is not {_FORM}. Write for example {EXAMPLE}") from None
    return Stage(layers, rate, int(epochs), parse_schedule(schedule or "constant"))


def parse_schedule(text: str) -> Schedule:
    """Read constant, cosine, step@8/11, or warmup@500+ before one of them.

    Raises:
        ValueError: it is none of these.
    """
    match = re.fullmatch(r"(?:warmup@(\d+)(?:\+|$))?(?:(constant|cosine)|step@([\d./]+))?", text.strip())
    if not match or not text.strip() or text.strip().endswith("+"):
        raise ValueError(f"Schedule {text!r}: {_SCHEDULES} is expected")
    warmup, kind, milestones = match.groups()
    try:
        epochs = tuple(float(epoch) for epoch in milestones.split("/")) if milestones else ()
    except ValueError:
        raise ValueError(f"Schedule {text!r}: {_SCHEDULES} is expected") from None
    return Schedule("step" if epochs else kind or "constant", int(warmup or 0), epochs)


def _from_sequence(item: Any) -> Stage:
    if isinstance(item, str):
        return parse_stage(item)
    try:
        layers, rate, epochs, *schedule = item
    except (TypeError, ValueError):
        raise ValueError(f"Stage {item!r}: a Stage or (layers, learning rate, epochs[, schedule]) is expected") from None
    schedule = schedule[0] if schedule else CONSTANT
    return Stage(layers, rate, epochs, parse_schedule(schedule) if isinstance(schedule, str) else schedule)
