"""What `python -m mrcnn tune` does."""

from __future__ import annotations

import argparse
import os

from mrcnn.commands import inputs, trained
from mrcnn.doctor.command import Progress


def run(options: argparse.Namespace) -> int:
    """Choose thresholds, print what they are worth, and write them beside the weights.

    Raises:
        OSError, ValueError: network or data can't be read or don't fit.
    """
    data = inputs.dataset(options)
    model, weights = trained.network_of_file(options.weights, options.config, dict(options.settings), data=data, logs=options.logs)
    ids = inputs.drawn(options, data)
    save(model, data, ids, weights, options.output, ious=options.iou, min_instances=options.min_instances, seed=options.seed)
    return 0


def save(model, data, ids, weights: str, output: str | None = None, **how) -> str:
    """Tune, print the table and write the file; returns its path.

    Args:
        model: MaskRCNN in inference mode.
        data: Prepared data set.
        ids: Which of its images.
        weights: The weight file that was loaded.
        output: Path of the thresholds; None: beside the weights.
        **how: ious, min_instances, seed of `inference.tuning.tune`.

    Raises:
        OSError, ValueError: the data can't be used, or the file can't be written.
    """
    from mrcnn import fetch
    from mrcnn.inference import thresholds, tuning

    progress = Progress()
    tuned = tuning.tune(model, data, image_ids=ids, progress=lambda done, total: progress("detect", done, total), **how)
    print(tuning.table(tuned, data.class_names))
    path = output or thresholds.beside(weights)
    facts = {"weights": os.path.basename(weights), **how}
    tuning.to_thresholds(tuned, data.class_names, fetch.digest(weights, "sha256"), **facts).save(path)
    print(f"\n{path}\nmodel.detect(images, thresholds=model.load_thresholds({repr(output) if output else ''})) uses it.")
    return path
