"""What `python -m mrcnn doctor` does; its words are in `mrcnn.cli`."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import os
import sys
import time
from typing import Any

from mrcnn.config import Config

_EVERY = 10.0  # seconds between lines of progress where there is no terminal


def run(options: argparse.Namespace) -> int:
    """Examine, print the report, write the page; returns the exit status, see `Report.exit_status`.

    Raises:
        OSError, ValueError: data or configuration can't be read at all.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's talk about the machine is no finding
    from mrcnn import doctor
    from mrcnn.data import formats
    from mrcnn.data.formats import convert

    own, classes = convert.read_options(options.options), convert.read_classes(options.classes)
    train = formats.load(options.format, options.train, images=options.images, classes=classes, **own)
    val = None
    if options.val:
        val = formats.load(options.format, options.val, images=options.val_images or options.images, classes=classes or train, **own)
    settings = dict(options.settings)
    config = make_config(options.config, settings, train.num_classes)
    for dataset in (train, val):
        if dataset is not None and config.IMAGE_CHANNEL_COUNT in (1, 3, 4):  # as a program sets it for files
            dataset.channels = config.IMAGE_CHANNEL_COUNT
    report = doctor.examine(
        config, train, val, options.weights, limit=options.limit, seed=options.seed, cost=not options.no_cost, measure=options.measure,
        progress=Progress(),
    )  # fmt: skip
    print(report)
    if options.html:
        report.save_html(options.html)
        print(f"\nWith pictures: {os.path.abspath(options.html)}")
    return report.exit_status


def make_config(place: str | None, settings: dict[str, Any], num_classes: int) -> Config:
    """Return the configuration that the words ask for.

    Args:
        place: "file.py:ClassName", or None for the library's own, which then takes its NUM_CLASSES from the data.
        settings: parameters to set.
        num_classes: of the data.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no such class in it, or it is no Config.
    """
    if place is None:
        config = Config()
        config.NAME, config.NUM_CLASSES = "doctor", num_classes
    else:
        config = _load(place)()
    for name, value in settings.items():
        setattr(config, name, value)
    return config


def _load(place: str) -> type[Config]:
    path, _, name = place.rpartition(":")
    if not path or not path.endswith(".py"):
        raise ValueError(f"--config {place!r}: write FILE.py:CLASS, such as shapes.py:ShapesConfig.")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"--config {place!r}: there is no file {path}.")
    module_name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(module_name, path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))  # its own imports, as when it is run as a script
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    found = getattr(module, name, None)
    if not (inspect.isclass(found) and issubclass(found, Config)):
        known = [key for key, value in vars(module).items() if inspect.isclass(value) and issubclass(value, Config) and value is not Config]
        raise ValueError(f"--config {place!r}: {name!r} is no subclass of mrcnn.config.Config there; it has {', '.join(known) or 'none'}.")
    return found


class Progress:
    """Says how far the walk is: a line that is overwritten on a terminal, else a line every ten seconds; silent while it is quick."""

    def __init__(self) -> None:
        self._said = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def __call__(self, subset: str, done: int, total: int) -> None:
        now, last = time.monotonic(), done == total
        if self._terminal and (last or now - self._said > 0.2):
            print(f"\r{subset}: {done} of {total} images", end="\n" if last else "", file=sys.stderr, flush=True)
            self._said = now
        elif not self._terminal and now - self._said > _EVERY:
            print(f"{subset}: {done} of {total} images", file=sys.stderr, flush=True)
            self._said = now
