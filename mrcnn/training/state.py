"""What an exact resume needs beside the weights, in the folder `state/` of a run.

A state is two files: `<epoch>_<step>.npz`, arrays (the optimizer's, random states, running means of the losses), and `<epoch>_<step>.json`, facts
(position, stage, callbacks, configuration) with the SHA-256 of the arrays and of the weight file. The facts are written last: a state is complete
if they are there and both sums agree, whatever moment a process was killed at. `epoch` counts finished epochs, `step` the steps done of the next one.

The weights of a finished epoch are the checkpoint of the run, as the original names it; those from inside an epoch lie here, out of reach of old
scripts' globs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrcnn import files

FOLDER = "state"
FORMAT = 1
_NAME = re.compile(r"(\d{4,})_(\d{6,})\.json")


@dataclass(frozen=True)
class State:
    """A complete state, read and verified.

    Attributes:
        path: Of the facts.
        weights: Path of the weight file.
        arrays: By name; empty where they were dropped for a newer state's.
        facts: What was written, `epoch` and `step` among them.
    """

    path: str
    weights: str
    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]

    @property
    def checkpoint(self) -> str:
        """Path by which the run and its finished epochs are known: the checkpoint's, also for a state inside an epoch."""
        if not self.facts["step"]:
            return self.weights
        return os.path.join(os.path.dirname(os.path.dirname(self.path)), f"mask_rcnn_state_{self.facts['epoch']:04d}.h5")


def facts_path(run_dir: str, epoch: int, step: int) -> str:
    """Path of a state's facts."""
    return os.path.join(run_dir, FOLDER, f"{epoch:04d}_{step:06d}.json")


def weights_path(run_dir: str, epoch: int, step: int) -> str:
    """Path of the weights of a state inside an epoch."""
    return facts_path(run_dir, epoch, step).replace(".json", ".h5")


def write(run_dir: str, weights: str, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> str:
    """Write a state for a weight file that is complete, and read it back.

    Args:
        run_dir: The run's folder.
        weights: Path of the weight file, in `run_dir` or its state folder.
        arrays: By name.
        facts: JSON; epoch and step among them.

    Returns:
        Path of the facts.

    Raises:
        OSError: it could not be written, or is not what was written.
    """
    path = facts_path(run_dir, facts["epoch"], facts["step"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    kept = path.replace(".json", ".npz")
    files.replace(kept, lambda file: np.savez(file, **arrays))
    sums = {"weights_sha256": sha256(weights), "arrays_sha256": sha256(kept)}
    names = {"weights": os.path.relpath(weights, run_dir).replace(os.sep, "/"), "arrays": os.path.basename(kept)}
    write_facts(path, {"format": FORMAT, **facts, **names, **sums})
    try:
        read(path)
    except ValueError as error:
        raise OSError(f"What was saved cannot be read back: {error}. Check the disk; the checkpoints before are untouched.") from error
    return path


def write_facts(path: str, facts: dict[str, Any]) -> None:
    """Write facts, atomically."""
    text = json.dumps(facts, indent=1, default=float)
    files.replace(path, lambda file: file.write(text.encode()))


def read(path: str) -> State:
    """Read a state and verify it.

    Raises:
        ValueError: it is not complete or not what was written; the message says which file.
    """
    try:
        with open(path, encoding="utf-8") as file:
            facts = json.load(file)
        if facts["format"] != FORMAT:
            raise ValueError(f"its format is {facts['format']}, this version knows {FORMAT}")
        folder = os.path.dirname(path)
        weights = os.path.normpath(os.path.join(folder, "..", facts["weights"]))
        arrays = os.path.join(folder, facts["arrays"])
        _verify(weights, facts["weights_sha256"])
        if facts.get("dropped"):
            return State(path, weights, {}, facts)
        _verify(arrays, facts["arrays_sha256"])
        with np.load(arrays) as file:
            return State(path, weights, {name: file[name] for name in file.files}, facts)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {type(error).__name__}: {error}") from error


def facts_of(path: str) -> dict[str, Any] | None:
    """Facts of a state, nothing verified; None if they cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            facts = json.load(file)
        return facts if isinstance(facts, dict) and "epoch" in facts and "step" in facts and "weights" in facts else None
    except (OSError, ValueError):
        return None


def paths(run_dir: str) -> Iterator[str]:
    """Facts of all states of a run, the furthest first."""
    folder = os.path.join(run_dir, FOLDER)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = sorted(((int(m[1]), int(m[2]), name) for name in names if (m := _NAME.fullmatch(name))), reverse=True)
    yield from (os.path.join(folder, name) for _, _, name in found)


def figures(run_dir: str) -> Iterator[dict[str, float]]:
    """Figures of a run's epochs, the last one first."""
    yield from (facts.get("logs", {}) for path in paths(run_dir) if (facts := facts_of(path)))


def position(path: str) -> tuple[int, int]:
    """Finished epochs and steps of the next one that a state's name tells."""
    match = _NAME.fullmatch(os.path.basename(path))
    return int(match[1]), int(match[2])


def of_weights(weights: str) -> str | None:
    """Facts of the state that a weight file belongs to: beside it, or in the state folder beside it; None if there is none."""
    weights = os.path.abspath(weights)
    folder, name = os.path.split(weights)
    if os.path.basename(folder) == FOLDER:
        path = os.path.splitext(weights)[0] + ".json"
        return path if os.path.exists(path) else None
    for path in paths(folder):
        facts = facts_of(path)
        if facts and facts["weights"] == name:
            return path
    return None


def drop_arrays(run_dir: str, keep: int) -> None:
    """Delete the arrays of all epochs but the last `keep`, whose facts stay, and every state inside an epoch but the furthest of all.

    Weights of finished epochs are left alone.
    """
    epochs = 0
    for number, path in enumerate(list(paths(run_dir))):
        facts = facts_of(path)
        if facts is None or (facts["step"] and number):
            for ending in (".json", ".npz", ".h5"):
                _remove(path.replace(".json", ending))
        elif not facts["step"]:
            epochs += 1
            if epochs > keep and not facts.get("dropped"):
                write_facts(path, {**facts, "dropped": True})
                _remove(path.replace(".json", ".npz"))


def sweep(run_dir: str) -> None:
    """Delete what processes that were killed left half written."""
    for folder in (run_dir, os.path.join(run_dir, FOLDER)):
        for name in os.listdir(folder):
            if name.startswith(".") and name.endswith(".partial"):
                _remove(os.path.join(folder, name))


def random_states() -> dict[str, np.ndarray]:
    """States of Python's and NumPy's global generators, which callbacks and data sets of users may draw from."""
    _, words, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "random/python": np.array(words, np.uint64), "random/python_gauss": np.array([] if gauss is None else [gauss]),
        "random/numpy": np.array(keys), "random/numpy_rest": np.array([position, has_gauss, cached]),
    }  # fmt: skip


def restore_random_states(arrays: dict[str, np.ndarray]) -> None:
    """Set what `random_states` gave."""
    if "random/python" not in arrays:
        return
    gauss = arrays["random/python_gauss"]
    random.setstate((3, tuple(int(word) for word in arrays["random/python"]), float(gauss[0]) if len(gauss) else None))
    position, has_gauss, cached = arrays["random/numpy_rest"]
    np.random.set_state(("MT19937", arrays["random/numpy"], int(position), int(has_gauss), float(cached)))


def sha256(path: str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(path: str, expected: str) -> None:
    if sha256(path) != expected:
        raise ValueError(f"{path} has changed since it was saved: its SHA-256 is not the recorded one")


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
