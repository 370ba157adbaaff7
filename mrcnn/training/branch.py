"""A run that goes on from before its end: what the folder has of later epochs is put aside, never mixed with what comes now, and never lost."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil

from mrcnn.log import log
from mrcnn.training import average, metrics, runs, state

FOLDER = "set_aside"


def set_aside_after(run: runs.Run, step: int) -> str | None:
    """Move checkpoints and states of later than a position into `<run>/set_aside_<n>`.

    Somebody loaded an earlier checkpoint by its path, or the newest one is broken and was skipped. Everything that asks for the furthest state (what
    `last` finds, what may be deleted) would otherwise find those of the old course. A checkpoint of the next epoch that no state belongs to is what
    a killed process left; the next save replaces it.

    Args:
        run: Its epoch is where training goes on.
        step: Steps of the next epoch that are done.

    Returns:
        The folder; None where nothing was later.

    Raises:
        OSError: something can't be moved.
    """
    every = [(state.position(path), path) for path in state.paths(run.log_dir)]
    states = [(place, path) for place, path in every if place > (run.epoch, step)]
    stated = {epoch for (epoch, at), _ in states if not at}
    later = [(_epoch(path), path) for path in runs.checkpoints_of(run.log_dir)] if os.path.isdir(run.log_dir) else []
    later = [(epoch, path) for epoch, path in later if epoch > run.epoch and (not every or epoch in stated or epoch > run.epoch + 1)]
    if not states and not later:
        return None
    folder = _free(run.log_dir)
    os.makedirs(os.path.join(folder, state.FOLDER))
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(os.path.join(run.log_dir, metrics.FILE), folder)
    for _, path in states:  # the furthest first, its facts first: cut off in between, what is left is whole
        for file in (path, *glob.glob(glob.escape(path.removesuffix(".json")) + ".*")):
            if os.path.exists(file):
                os.replace(file, os.path.join(folder, state.FOLDER, os.path.basename(file)))
    for _, path in later:
        os.replace(path, os.path.join(folder, os.path.basename(path)))
        averaged = average.path_of(path)
        if os.path.exists(averaged):
            os.makedirs(os.path.dirname(average.path_of(os.path.join(folder, "x"))), exist_ok=True)
            os.replace(averaged, average.path_of(os.path.join(folder, os.path.basename(path))))
    epochs = sorted({epoch for epoch, _ in later} | {place[0] + bool(place[1]) for place, _ in states})
    which = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
    log(f"Training goes on from epoch {run.epoch}{f', step {step}' if step else ''}. What this run already had of {which} is kept in {folder}.")
    return folder


def _epoch(checkpoint: str) -> int:
    return int(re.search(r"_(\d{4,})\.h5$", checkpoint)[1])


def _free(log_dir: str) -> str:
    number = 1
    while os.path.exists(folder := os.path.join(log_dir, f"{FOLDER}_{number}")):
        number += 1
    return folder
