"""The data set that a command's words name."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from mrcnn.data import formats
from mrcnn.data.formats import convert


def dataset(options: argparse.Namespace) -> Any:
    """Load the data set of --format, --data, --images, --class, --option and, where a command has it, --classes-of.

    Raises:
        OSError, ValueError: it can't be read.
    """
    classes, own = convert.read_classes(options.classes), convert.read_options(options.options)
    if getattr(options, "classes_of", None) and not classes:
        classes = formats.load(options.format, options.classes_of, images=options.images, keep_missing=True, **own)
    return formats.load(options.format, options.data, images=options.images, classes=classes, **own)


def drawn(options: argparse.Namespace, data: Any) -> list[int]:
    """Return the ids of --limit images of a data set, drawn by --seed; without it of all."""
    ids = [int(i) for i in data.image_ids]
    if options.limit and options.limit < len(ids):
        ids = sorted(np.random.default_rng(options.seed).choice(ids, options.limit, replace=False).tolist())
    return ids
