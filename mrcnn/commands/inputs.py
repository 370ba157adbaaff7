"""The network and the data that a command's words name."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from mrcnn.data import formats
from mrcnn.data.formats import convert
from mrcnn.doctor.command import make_config

if TYPE_CHECKING:
    from mrcnn.mask_rcnn import MaskRCNN


def dataset(options: argparse.Namespace) -> tuple[Any, list[int]]:
    """Load the data set of --format, --data, --images, --class and --option; returns it with the ids of --limit images, drawn by --seed.

    Raises:
        OSError, ValueError: it can't be read.
    """
    classes, own = convert.read_classes(options.classes), convert.read_options(options.options)
    data = formats.load(options.format, options.data, images=options.images, classes=classes, **own)
    ids = [int(i) for i in data.image_ids]
    if options.limit and options.limit < len(ids):
        ids = sorted(np.random.default_rng(options.seed).choice(ids, options.limit, replace=False).tolist())
    return data, ids


def network(options: argparse.Namespace, data: Any = None) -> MaskRCNN:
    """Build the network of --config and --set, and load --weights.

    Args:
        options: The command's words.
        data: Data set that it shall see; its classes say NUM_CLASSES where there is no --config, and its photos are read with the network's channels
            from now on. None: NUM_CLASSES must be set.

    Raises:
        OSError, ValueError: configuration or weights don't fit, or can't be read.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    settings, num_classes = dict(options.settings), None if data is None else data.num_classes
    if num_classes is None and options.config is None and "NUM_CLASSES" not in settings:
        raise ValueError("Without --config and --data nothing says how many classes there are: pass --config FILE.py:CLASS or --set NUM_CLASSES=81.")
    config = make_config(options.config, settings, num_classes or settings.get("NUM_CLASSES", 1))
    if num_classes is not None and config.NUM_CLASSES != num_classes:
        raise ValueError(f"The data have {num_classes} classes with background, the configuration NUM_CLASSES = {config.NUM_CLASSES}.")
    if data is not None and config.IMAGE_CHANNEL_COUNT in (1, 3, 4):
        data.channels = config.IMAGE_CHANNEL_COUNT

    from mrcnn.mask_rcnn import MaskRCNN

    model = MaskRCNN("inference", config, "logs")
    model.load_weights(options.weights, by_name=True, verbose=0)
    return model
