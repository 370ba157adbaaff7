"""What `python -m mrcnn evaluate` does; its words are in `mrcnn.cli`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

import numpy as np

from mrcnn.evaluation import from_coco, measure
from mrcnn.evaluation.collected import Collected, CollectedImage
from mrcnn.evaluation.evaluation import Evaluation

KEPT = "collected.json.gz"


def run(options: argparse.Namespace) -> int:
    """Take detections and truth from a network and a data set, from COCO's files or from an earlier run; measure, print, write.

    Raises:
        OSError, ValueError: something can't be read, or the words don't belong together.
    """
    collected, notes, load_image = _sources(options)[0](options)
    if options.keep and not options.output:
        raise ValueError("--keep writes into the folder that --output names: name one.")
    evaluation = measure.evaluate(
        collected, kinds=options.kinds, iou_thresholds=options.iou or measure.IOU_THRESHOLDS, score=options.score, samples=options.samples,
        seed=options.seed,
    )  # fmt: skip
    evaluation.notes += notes
    try:  # a disk that is full doesn't cost the figures on the screen, a reader that went (`| head`) not those in the files
        paths = _write(options, collected, evaluation, load_image)
    finally:
        print(evaluation.summary())
    if paths:
        print("\nWritten: " + ", ".join(paths))
    return 0


def _write(options: argparse.Namespace, collected: Collected, evaluation: Evaluation, load_image: Callable | None) -> list[str]:
    """Write the report, and what was gathered where it is to be kept; the paths, none without a folder."""
    if not options.output:
        return []
    from mrcnn.inference import report

    paths = report.save(evaluation, options.output, load_image)
    if options.keep:
        paths.append(os.path.join(options.output, KEPT))
        collected.save(paths[-1])
    return paths


Gathered = tuple[Collected, list[str], Callable[[CollectedImage], np.ndarray] | None]


def _sources(options: argparse.Namespace) -> list[Callable[[argparse.Namespace], Gathered]]:
    """Return how detections and truth are had: one way, checked."""
    ways = {
        _of_network: ("weights", "format", "data"), _of_files: ("ground_truth", "results"), _of_earlier: ("collected",),
    }  # fmt: skip
    begun = [way for way, words in ways.items() if any(getattr(options, word) for word in words)]
    whole = [way for way in begun if all(getattr(options, word) for word in ways[way])]
    if len(begun) != 1 or not whole:
        raise ValueError(
            "say what to evaluate, in one of three ways: --weights, --format and --data (a network on a data set); --ground-truth and --results "
            f"(COCO files); or --collected ({KEPT} of an earlier --keep)."
        )
    return whole


def _of_network(options: argparse.Namespace) -> Gathered:
    from mrcnn.commands import inputs, trained
    from mrcnn.inference import judge

    dataset = inputs.dataset(options)
    settings = {"DETECTION_MIN_CONFIDENCE": 0.0} | dict(options.settings)  # AP needs the whole curve
    model = trained.network(options.weights, options.config, settings, data=dataset, logs=options.logs)
    ids = np.asarray(dataset.image_ids)
    if options.limit is not None and options.limit < len(ids):
        ids = ids[np.arange(options.limit) * len(ids) // options.limit]  # spread evenly
    collected = judge.gather(model, dataset, image_ids=ids.tolist())
    return collected, judge.notes(model.config), lambda image: dataset.load_image(image.image_id)


def _of_files(options: argparse.Namespace) -> Gathered:
    collected = from_coco.read(options.ground_truth, options.results)
    return collected, [], _photos(options.images)


def _of_earlier(options: argparse.Namespace) -> Gathered:
    return Collected.load(options.collected), [], _photos(options.images)


def _photos(folder: str | None) -> Callable[[CollectedImage], np.ndarray] | None:
    """Return what reads the photo of an image from a folder; without one there are no pictures."""
    if folder is None:
        return None
    from mrcnn.data import images

    return lambda image: images.read(os.path.join(folder, image.name))
