"""A contest: entries take turns, round by round, and are compared as ratios within each round.

What disturbs the machine for some seconds then disturbs both sides of a ratio alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.workers import Missing, Worker

#: Cores that others may keep busy before a run is called disturbed.
QUIET = 0.1


class Spread(NamedTuple):
    """Least, middle and greatest of some figures."""

    min: float
    median: float
    max: float

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.min:{spec}} – {self.max:{spec}})"


def spread(values: Sequence[float]) -> Spread:
    """Least, median and greatest."""
    return Spread(min(values), statistics.median(values), max(values))


@dataclass
class Entry:
    """One contestant of a contest.

    Attributes:
        name: As it is printed.
        worker: Where it runs.
        task: Which of the worker's tasks.
        per: Images (or other units) of one call; times are divided by it.
        first: Seconds of the first call: tracing, compiling, allocating.
        seconds: Of one unit in each round.
        answers: What the task returned in each round, `seconds` of the call included.
    """

    name: str
    worker: Worker
    task: str
    per: int = 1
    first: float = 0.0
    seconds: list[float] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def turn(self) -> None:
        """Run once and note it."""
        answer = self.worker.run(self.task)
        self.answers.append(answer)
        self.seconds.append(answer["seconds"] / self.per)

    def to_dict(self) -> dict[str, Any]:
        """What goes into the JSON file."""
        extra = [{k: v for k, v in a.items() if k != "seconds"} for a in self.answers]
        return {
            "name": self.name, "per": self.per, "first_call_seconds": self.first, "seconds": self.seconds, **spread(self.seconds)._asdict(),
            **self.worker.peak(), **({"answers": extra} if any(extra) else {}),
        }  # fmt: skip


def play(entries: Sequence[Entry], rounds: int) -> None:
    """Let the entries take turns: one first call each, then `rounds` rounds."""
    for entry in entries:
        entry.first = entry.worker.run(entry.task)["seconds"]
    for _ in range(rounds):
        for entry in entries:
            entry.turn()


def ratio(ours: Entry, yardstick: Entry) -> Spread:
    """Our time divided by the yardstick's, round by round: below 1 is faster."""
    return spread([a / b for a, b in zip(ours.seconds, yardstick.seconds, strict=True)])


def optional(name: str, notes: list[str], open_worker: Callable[[], Worker]) -> Worker | None:
    """Open a worker whose packages may be absent; None, said and noted, if they are."""
    try:
        return open_worker()
    except Missing as missing:
        note = f"{name}: skipped, {missing}"
        print(note)
        notes.append(note)
        return None


def print_times(entries: Sequence[Entry]) -> None:
    """Print a line an entry: median (min – max) seconds, first call, peak memory of its process."""
    width = max(len(e.name) for e in entries)
    for entry in entries:
        peak = entry.worker.peak()["peak_mb"]
        print(f"  {entry.name:{width}}  {_unit(spread(entry.seconds))}   first call {entry.first:.2f} s   peak {peak:,.0f} MB")


def _unit(seconds: Spread) -> str:
    if seconds.median < 0.1:
        return f"{Spread(*(1000 * s for s in seconds)):.2f} ms"
    return f"{seconds:.3f} s"


def print_ratio(name: str, value: Spread) -> None:
    """Print a ratio."""
    print(f"  ratio {name}: {value:.3f}")


def play_alone(run: Callable[[argparse.Namespace, list[str]], dict[str, Any]], description: str | None) -> None:
    """Command line of a work that is also a script: play it and print its figures.

    Args:
        run: The work's run(options, notes).
        description: Text of --help.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant after its first call (5)")
    parser.add_argument("--json", type=Path, help="write all figures to this file as well")
    options = parser.parse_args()
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)  # now: nobody wants to learn after the work that it can't be written
    figures = json.dumps(run(options, []), indent=1)
    print(figures)
    if options.json:
        options.json.write_text(figures, encoding="utf-8")
