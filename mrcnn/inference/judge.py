"""Evaluate a network on a data set: detect on each image once, measure, write the report."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mrcnn import build
from mrcnn.evaluation import bootstrap, collect, measure
from mrcnn.evaluation.collected import Collected
from mrcnn.evaluation.evaluation import Evaluation
from mrcnn.inference import report
from mrcnn.log import log
from mrcnn.ops import waiting

LOW_SCORE, MANY = 0.05, 100  # what detection has to give for AP to be COCO's
QUIET_SECONDS = 30.0


def evaluate(
    model: Any, dataset: Any, *, image_ids: Sequence[int] | None = None, output: str | os.PathLike[str] | None = None, verbose: int = 1,
    kinds: Sequence[str] | None = None, iou_thresholds: Sequence[float] = measure.IOU_THRESHOLDS,
    score: float | Mapping[int, float] | str = measure.SCORE, samples: int = bootstrap.SAMPLES, seed: int = 0,
) -> Evaluation:  # fmt: skip
    """Detect on the images of a data set, in order, and measure; see docs/evaluation.md.

    Args:
        model: MaskRCNN in inference mode.
        dataset: Prepared data set with masks.
        image_ids: Which images. None: all.
        output: Folder for evaluation.json, per_class.csv, confusion.csv and report.html; None: nothing is written.
        verbose: 1 says how far it is.
        kinds, iou_thresholds, score, samples, seed: As in `evaluation.measure.evaluate`.

    Raises:
        ValueError: the classes differ in number, or no image could be judged.
        OSError: the report can't be written.
    """
    collected = gather(model, dataset, image_ids=image_ids, verbose=verbose)
    how = {"kinds": kinds, "iou_thresholds": iou_thresholds, "score": score, "samples": samples, "seed": seed}
    evaluation = measure.evaluate(collected, **how)
    evaluation.notes += notes(model.config)
    if output is not None:
        paths = report.save(evaluation, output, lambda image: dataset.load_image(image.image_id))
        if verbose:
            log(f"Written: {', '.join(paths)}")
    return evaluation


def gather(model: Any, dataset: Any, *, image_ids: Sequence[int] | None = None, verbose: int = 1) -> Collected:
    """Detect on the images of a data set, in order, and keep what was found beside the truth, masks as run lengths.

    Args:
        model, dataset, image_ids, verbose: As in `evaluate`.

    Raises:
        ValueError: the classes differ in number, or no image could be judged.
    """
    config = model.config
    if dataset.num_classes != config.NUM_CLASSES:
        raise ValueError(f"The data set has {dataset.num_classes} classes, background included, the model NUM_CLASSES = {config.NUM_CLASSES}.")
    lazy = waiting.asked_of(model.detect)
    progress = Progress() if verbose else lambda done, total: None
    return collect.from_dataset(
        lambda images: model.detect(images, verbose=0, **lazy), dataset, image_ids=image_ids, channels=config.IMAGE_CHANNEL_COUNT,
        at_once=build.photos_at_once(config), progress=progress,
    )  # fmt: skip


def notes(config: Any) -> list[str]:
    """Say what of a configuration makes AP another figure than COCO's."""
    said = []
    if config.DETECTION_MIN_CONFIDENCE > LOW_SCORE:
        said.append(
            f"DETECTION_MIN_CONFIDENCE = {config.DETECTION_MIN_CONFIDENCE:g}: less confident detections were never made, and every AP and AR "
            "is that of a curve cut short. Set it to 0 for figures that can be compared."
        )
    if config.DETECTION_MAX_INSTANCES < MANY:
        said.append(f"DETECTION_MAX_INSTANCES = {config.DETECTION_MAX_INSTANCES}: COCO's figures allow {MANY} detections an image.")
    return said


class Progress:
    """Says how far the walk is, at most every half minute, and at the end how long it took."""

    def __init__(self) -> None:
        self._start = self._said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - self._said >= QUIET_SECONDS:
            self._said = now
            left = "" if done == total else f", about {(now - self._start) / done * (total - done):.0f} s left"
            log(f"Evaluating: {done}/{total} images, {now - self._start:.0f} s{left}")
