"""What is wrong with configuration, data and weights, before an hour of training is spent on it. See docs/doctor.md.

    from mrcnn import doctor
    report = doctor.examine(config, dataset_train, dataset_val, weights="mask_rcnn_coco.h5")
    print(report)
    report.save_html("doctor.html")
    if not report.sensible: …

Nothing is changed: neither the data nor the configuration.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.doctor import check_anchors, check_classes, check_images, check_masks, findings, survey
from mrcnn.doctor.findings import Finding
from mrcnn.doctor.report import Report

if TYPE_CHECKING:
    from mrcnn.config import Config

__all__ = ["Finding", "Report", "examine"]


def examine(
    config: Config,
    train: Dataset,
    val: Dataset | None = None,
    weights: str | os.PathLike | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    cost: bool = True,
    measure: bool = False,
    progress: survey.Progress | None = None,
) -> Report:
    """Look at everything that training will use.

    Args:
        config: of the training.
        train: prepared data set, of any subclass: `load_image` and `load_mask` (or `load_rles`) are called once an image.
        val: likewise, or None.
        weights: a .h5 file that training shall start from, or None.
        limit: look at so many images of each data set only, drawn by the seed.
        seed: of that draw.
        cost: estimate memory and time of a step; it builds the network, which takes some seconds.
        measure: also take training steps, which takes as long as they do, up to minutes.
        progress: told (subset, images done, images) after each image.

    Returns:
        The report. After Ctrl-C of what was seen until then.

    Raises:
        ValueError: limit is below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit = {limit}: at least one image has to be looked at.")
    found = Report(config, weights=None if weights is None else os.fspath(weights))
    try:
        found.findings += _of_config(config)
        valid = not found.findings
        for name, dataset in (("training", train), ("validation", val)):
            if dataset is not None and found.complete:
                _data(found, config, dataset, name, valid, limit, seed, progress)
        if weights is not None:
            from mrcnn.doctor import check_weights

            found.findings += check_weights.check(os.fspath(weights), config)
        if found.surveys and valid:
            _together(found, config, seed)
        if found.complete and valid and found.surveys and (cost or measure):
            _cost(found, config, train, measure)
    except KeyboardInterrupt:
        found.complete = False
    found.findings = findings.ranked(found.findings)
    return found


def _of_config(config: Config) -> list[Finding]:
    try:
        config.validate()
    except ValueError as error:
        return [Finding("config.invalid", "error", str(error), "Correct it: no network can be built, and data were not measured against it.")]
    return []


def _data(
    found: Report, config: Config, dataset: Dataset, name: str, valid: bool, limit: int | None, seed: int, progress: survey.Progress | None
) -> None:
    """Walk through a data set and add what is wrong with it."""
    before = list(check_classes.check_dataset(dataset, config, name))
    found.findings += before
    if not valid or any(finding.check in ("dataset.prepare", "dataset.empty") for finding in before):
        return
    seen = survey.walk(dataset, config, name, limit=limit, seed=seed, progress=progress)
    found.surveys.append(seen)
    found.complete = found.complete and seen.complete
    for check in (check_images.check, check_masks.check, check_classes.check):
        if seen.photos:
            found.findings += check(seen, config)
    found.findings += check_classes.duplicates(seen)


def _together(found: Report, config: Config, seed: int) -> None:
    """Add what follows from data sets, configuration and weights together."""
    first = found.surveys[0]
    if len(found.surveys) == 2:
        found.findings += check_classes.check_pair(*found.surveys)
    if first.subset == "training":
        found.findings += check_images.mean_pixel(first, config, found.weights is not None)
        found.anchors = check_anchors.measure(first, config, found.surveys[1] if len(found.surveys) == 2 else None, seed)
        if found.anchors is not None:
            found.findings += check_anchors.check(found.anchors)


def _cost(found: Report, config: Config, train: Dataset, measure: bool) -> None:
    from mrcnn.doctor import cost

    sizes = [p.molded for p in found.surveys[0].photos if p.usable] or [(1024, 1024)]
    largest = sizes[int(np.argmax([height * width for height, width in sizes]))]
    try:
        found.cost = cost.estimate(config, largest)
        if measure:
            found.cost = cost.measure(config, train, found.cost)
    except ValueError as error:
        found.findings.append(Finding("config.network", "error", str(error), "Correct the configuration, or the data that it names."))
