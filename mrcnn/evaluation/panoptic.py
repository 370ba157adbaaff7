"""Panoptic quality, PQ = SQ · RQ: how well matched segments fit, times how well segments were recognised.

Segments match if they are of one class and their IoU is above 0.5, which at most one partner can be. Of a class,
SQ is the mean IoU of the matches, RQ = TP / (TP + FP / 2 + FN / 2), their F1; each figure is averaged over the classes
that occur on either side.

Void (what the ground truth leaves unlabelled, in panoptic data) and crowds count as in the authors' panopticapi: void
pixels are left out of the union, and a prediction that found nothing is forgiven if more than half of it lies on void
and on crowds of its class. Instances alone leave the background unlabelled although it is known to be empty: there
nothing is void, and only crowds forgive.

Source: Kirillov et al., Panoptic Segmentation, CVPR 2019, section 4.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from mrcnn.evaluation import segments
from mrcnn.evaluation.collected import Collected
from mrcnn.evaluation.segments import Table


@dataclasses.dataclass(frozen=True)
class Quality:
    """PQ and its parts, of a class or averaged over classes: nan where there is nothing on either side.

    Attributes:
        pq, sq, rq: From 0 to 1. SQ of a class without a match is 0, as panopticapi has it.
        tp, fp, fn: Segments matched, invented, missed; sums over classes in an average.
        classes: How many classes are averaged.
    """

    pq: float
    sq: float
    rq: float
    tp: int
    fp: int
    fn: int
    classes: int = 1


@dataclasses.dataclass(frozen=True)
class PanopticFigures:
    """Panoptic quality of a data set.

    Attributes:
        all: Averaged over all classes.
        per_class: {class id: Quality}.
        things, stuff: Averaged over classes of each kind, where the data tell; else None.
    """

    all: Quality
    per_class: dict[int, Quality]
    things: Quality | None = None
    stuff: Quality | None = None


class Counts:
    """What images add up to: `add` each, then `result`.

    Args:
        num_classes: K, the background included.
        void: Whether what the truth leaves unlabelled is void. False: it is background.
    """

    def __init__(self, num_classes: int, *, void: bool = False):
        self.num_classes, self.void = num_classes, void
        self._images: list[np.ndarray] = []  # [4, K] each: sum of IoU, TP, FP, FN

    def add(self, table: Table) -> None:
        """Count the segments of an image."""
        areas, gt_areas = table.shared.sum(axis=0), table.shared.sum(axis=1)
        on_void = table.shared[0] if self.void else np.zeros_like(areas)
        same = (table.gt_class_ids[:, None] == table.class_ids[None, :]) & (table.class_ids > 0)
        union = areas[None, :] + gt_areas[:, None] - table.shared - on_void[None, :]
        iou = np.where(same & ~table.crowd[:, None], table.shared / np.maximum(union, 1), 0)
        rows, columns = np.nonzero(iou > 0.5)

        on_crowd = np.where(same & table.crowd[:, None], table.shared, 0).sum(axis=0)
        missed = (gt_areas > 0) & ~table.crowd & (table.gt_class_ids > 0)
        missed[rows] = False
        invented = (areas > 0) & (table.class_ids > 0) & ~((on_void + on_crowd) / np.maximum(areas, 1) > 0.5)
        invented[columns] = False
        counts = [np.bincount(table.gt_class_ids[rows], iou[rows, columns], self.num_classes)]
        chosen = (table.gt_class_ids[rows], table.class_ids[invented], table.gt_class_ids[missed])
        self._images.append(np.stack([*counts, *(np.bincount(ids, minlength=self.num_classes) for ids in chosen)]))

    @property
    def images(self) -> np.ndarray:
        """[images, 4, K] float64: sum of IoU, matches, inventions and misses of each image, by class."""
        return np.array(self._images).reshape(-1, 4, self.num_classes)

    def result(self, things: Mapping[int, bool] | None = None) -> PanopticFigures:
        """Return the figures; `things` says of each class id whether it is a thing."""
        sums = self.images.sum(axis=0)
        per_class = {class_id: _quality(*sums[:, class_id]) for class_id in range(1, self.num_classes)}
        kinds = {}
        if things is not None:
            kinds = {name: _mean([per_class[i] for i in per_class if things[i] is kind]) for name, kind in (("things", True), ("stuff", False))}
        return PanopticFigures(_mean(list(per_class.values())), per_class, **kinds)


def mean_pq(sums: np.ndarray) -> float:
    """Return PQ averaged over classes from [4, K] sums as in `Counts.images`; nan if nothing is there."""
    iou, tp, fp, fn = sums[:, 1:]
    there = tp + fp + fn > 0
    return float(np.mean((iou / np.maximum(tp + fp / 2 + fn / 2, 1e-12))[there])) if there.any() else float("nan")


def _quality(iou: float, tp: float, fp: float, fn: float) -> Quality:
    if not tp + fp + fn:
        return Quality(float("nan"), float("nan"), float("nan"), 0, 0, 0, 0)
    total = tp + fp / 2 + fn / 2
    return Quality(float(iou / total), float(iou / tp) if tp else 0.0, float(tp / total), int(tp), int(fp), int(fn))


def _mean(qualities: list[Quality]) -> Quality:
    there = [one for one in qualities if one.classes]
    parts = (float(np.mean([getattr(one, name) for one in there])) if there else float("nan") for name in ("pq", "sq", "rq"))
    return Quality(*parts, *(sum(getattr(one, name) for one in there) for name in ("tp", "fp", "fn")), len(there))


def evaluate(collected: Collected, *, score: float | Mapping[int, float] = 0.5) -> PanopticFigures:
    """Return PQ of instances, made free of overlaps as `segments` says.

    Args:
        collected: Detections and truth, with masks.
        score: Detections below count nowhere; one for all or {class id: score}.

    Raises:
        ValueError: there are boxes only.

    Example: one of two cats is found, exactly.
        >>> from mrcnn.evaluation.collected import CollectedImage
        >>> left, right = {"size": [2, 2], "counts": b"022"}, {"size": [2, 2], "counts": b"22"}
        >>> box = [0, 0, 2, 2]
        >>> one = CollectedImage(7, "a", 2, 2, [1, 1], [box] * 2, [left, right], [2, 2], [1], [0.9], [box], [left])
        >>> found = evaluate(Collected(["BG", "cat"], [one])).all
        >>> found.pq == found.sq * found.rq, found.sq, round(found.rq, 3)
        (True, 1.0, 0.667)
    """
    counts = Counts(collected.num_classes)
    for table in segments.tables(collected, score, "Panoptic quality"):
        counts.add(table)
    return counts.result()


def of_files(
    truth: str, predictions: str, truth_folder: str | None = None, predictions_folder: str | None = None
) -> tuple[PanopticFigures, dict[int, int]]:
    """Return PQ of files in COCO's panoptic format: a JSON of segments, and a folder of PNG that paint their ids.

    Args:
        truth, predictions: JSON files.
        truth_folder, predictions_folder: Of the PNG files; None: the name of the JSON file without its end.

    Returns:
        The figures by class id, and {category id: class id}.

    Raises:
        FileNotFoundError: a file isn't there.
        ValueError: a prediction is missing, or PNG and JSON don't agree.
    """
    (gt, gt_folder), (found, folder) = _opened(truth, truth_folder), _opened(predictions, predictions_folder)
    ids = {one["id"]: number for number, one in enumerate(sorted(gt["categories"], key=lambda one: one["id"]), start=1)}
    predicted = {one["image_id"]: one for one in found["annotations"]}
    counts = Counts(len(ids) + 1, void=True)
    for one in gt["annotations"]:
        if one["image_id"] not in predicted:
            raise ValueError(f"{predictions} has no prediction for image {one['image_id']!r} of {truth}.")
        sides = [_numbered(entry, where, ids) for entry, where in ((one, gt_folder), (predicted[one["image_id"]], folder))]
        (gt_plane, gt_ids, crowd), (plane, class_ids, _) = sides
        if plane.shape != gt_plane.shape:
            raise ValueError(f"image {one['image_id']!r}: the prediction has {plane.shape} pixels, the truth {gt_plane.shape}.")
        counts.add(segments.count(gt_plane, plane, gt_ids, crowd, class_ids))
    things = {ids[one["id"]]: bool(one.get("isthing", 1)) for one in gt["categories"]}
    return counts.result(things), ids


def _opened(path: str, folder: str | None) -> tuple[dict[str, Any], str]:
    with open(path, "rb") as file:  # json tells UTF-8, 16 and 32 apart
        content = json.load(file)
    if not isinstance(content, dict) or "annotations" not in content:
        raise ValueError(f"{path} is no panoptic JSON: a list of annotations with segments_info is expected.")
    return content, folder or os.path.splitext(path)[0]


def _numbered(entry: Mapping[str, Any], folder: str, ids: Mapping[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read a PNG as numbers of its segments [H, W], with their class ids and whether they are crowds."""
    path = os.path.join(folder, entry["file_name"])
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path}, the segments of image {entry['image_id']!r}.")
    painted = cv2.imread(path, cv2.IMREAD_COLOR).astype(np.int64) @ [65536, 256, 1]  # red is the lowest byte; OpenCV has it last
    known = {0: 0} | {one["id"]: number for number, one in enumerate(entry["segments_info"], start=1)}
    present, places = np.unique(painted, return_inverse=True)
    strange, absent = set(present.tolist()) - set(known), set(known) - set(present.tolist()) - {0}
    unknown = {one["category_id"] for one in entry["segments_info"]} - set(ids)
    if strange or absent or unknown:
        raise ValueError(
            f"{path}: its segments and those of the JSON disagree: {sorted(strange)[:5]} only in the PNG, {sorted(absent)[:5]} only in the JSON, "
            f"categories {sorted(unknown)[:5]} unknown."
        )
    numbers = np.array([known[one] for one in present.tolist()])
    class_ids = np.array([ids[one["category_id"]] for one in entry["segments_info"]], np.int64)
    return numbers[places].reshape(painted.shape), class_ids, np.array([bool(one.get("iscrowd")) for one in entry["segments_info"]], bool)
