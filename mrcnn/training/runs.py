"""Run folders: `{model_dir}/{name}{YYYYMMDDTHHMM}/mask_rcnn_{name}_{epoch:04d}.h5`, as scripts for the original glob them."""

import datetime
import os
import re
from dataclasses import dataclass

_CHECKPOINT = re.compile(r"(?:.*[/\\])?(?P<folder>[^/\\]+?(?P<stamp>\d{8}T\d{4}))[/\\]mask_rcnn_[^/\\]+_(?P<epoch>\d{4,})\.h5$")

_FILE = re.compile(r"mask_rcnn_.+_(\d{4,})\.h5")


@dataclass(frozen=True)
class Run:
    """Where a run writes.

    Attributes:
        log_dir: The folder; made when training starts.
        checkpoint_path: Of the checkpoints, with the field {epoch:04d}.
        epoch: Epochs done, from the checkpoint that the run goes on from.
    """

    log_dir: str
    checkpoint_path: str
    epoch: int = 0


def new(model_dir: str, name: str, now: datetime.datetime | None = None) -> Run:
    """A run that starts at epoch 0, in a folder of the current minute, or of the next one that is free."""
    now = now or datetime.datetime.now()
    while True:
        folder = os.path.join(model_dir, f"{name.lower()}{now:%Y%m%dT%H%M}")
        if not os.path.exists(folder):
            return Run(folder, _pattern(folder, name))
        now += datetime.timedelta(minutes=1)


def claim(run: Run, model_dir: str, name: str) -> Run:
    """Make the folder of a new run; where it is there by now, another run's, that of the next free minute.

    Returns:
        The run whose folder this process has made.
    """
    while True:
        try:
            os.makedirs(run.log_dir)
            return run
        except FileExistsError:
            run = new(model_dir, name)


def of_checkpoint(path: str, model_dir: str, name: str) -> Run | None:
    """The run that a checkpoint belongs to, to be continued; None if the path is not named like one.

    The folder is the checkpoint's own where it lies in `model_dir`, else one of the same name there.
    """
    match = _CHECKPOINT.match(os.path.abspath(path))
    if not match:
        return None
    folder = os.path.join(model_dir, match["folder"])
    return Run(folder, _pattern(folder, name), int(match["epoch"]))


def folders(model_dir: str, name: str | None) -> list[str]:
    """Folders of all runs of this name, the newest first; None: of any name.

    Raises:
        FileNotFoundError: there is none.
    """
    found = []
    if os.path.isdir(model_dir):
        own = re.compile((".*?" if name is None else re.escape(name.lower())) + r"(\d{8}T\d{4})")
        found = sorted(((m[1], f) for f in os.listdir(model_dir) if (m := own.fullmatch(f))), reverse=True)
    if not found:
        place, form = os.path.abspath(model_dir), f"{(name or 'name').lower()}YYYYMMDDTHHMM"
        which = f" of {name!r}" if name else ""
        raise FileNotFoundError(f"There is no run{which} in {place} (folders named {form}). Train first, or check the folder (--logs).")
    return [os.path.join(model_dir, folder) for _, folder in found]


def checkpoints_of(folder: str) -> list[str]:
    """Checkpoints of one run, the last epoch first; its folder may have been renamed."""
    epochs = [(int(m[1]), f) for f in os.listdir(folder) if (m := _FILE.fullmatch(f))]
    return [os.path.join(folder, file) for _, file in sorted(epochs, reverse=True)]


def _pattern(folder: str, name: str) -> str:
    """Path of the checkpoints as a format string: braces of the folder's own are doubled."""
    path = os.path.join(folder, f"mask_rcnn_{name.lower()}_").replace("{", "{{").replace("}", "}}")
    return path + "{epoch:04d}.h5"
