"""Mean average precision of a data set, class by class, from detections gathered image by image.

One ranking a class over all images, as the COCO evaluation; the historic figure (`precision.compute_ap`, all classes of
an image in one ranking, averaged over images) beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mrcnn import results
from mrcnn.evaluation import matching as image_matching
from mrcnn.evaluation import precision
from mrcnn.ops import boxes, matching


@dataclasses.dataclass(frozen=True)
class MeanAveragePrecision:
    """Average precision of a data set at one IoU threshold.

    Attributes:
        map: The mean of `per_class`, from 0 to 1. nan if the data set holds no instance at all: then there is nothing
            to average, and neither 0 nor 1 would be true.
        per_class: AP of each class that has instances, {class id: AP}. Classes without instances are left out, as in
            COCOeval.
        per_image: The historic figure: the mean over images of `precision.compute_ap`, all classes mixed. An image without
            instances counts 1 if nothing was predicted on it and 0 otherwise. nan without images.
        num_instances: {class id: number of instances}, crowds not counted.
        num_predictions: {class id: number of predictions}, those on crowds not counted.
        num_images: How many images were added.
        iou_threshold: The least IoU that counted as found.
    """

    map: float
    per_class: dict[int, float]
    per_image: float
    num_instances: dict[int, int]
    num_predictions: dict[int, int]
    num_images: int
    iou_threshold: float


class Ranked(NamedTuple):
    """All predictions of a class, the best first: `images` [P] int, the number of each one's image; `correct` [P] bool,
    whether it found an instance; `scores` [P]. `instances`: [images] int, what there is to find on each."""

    images: np.ndarray
    correct: np.ndarray
    instances: np.ndarray
    scores: np.ndarray


class APAccumulator:
    """Gather the detections of a data set image by image, then compute its mean average precision, class by class.

    Each image is matched when it is added and only a score and a flag are kept of each prediction, so a data set of any
    size fits. Matching is COCO's: within a class, the most confident prediction first, crowds (negative ids) absorbing
    the predictions that found no instance and overlap them (share of the prediction inside the crowd).

    Example: two instances of class 1 on one image; one is found, then found again.
        >>> masks = np.zeros((4, 4, 2), bool)
        >>> masks[:2, :2, 0] = masks[2:, 2:, 1] = True
        >>> box = [[0, 0, 2, 2]]
        >>> found = results.Detections(box * 2, [1, 1], [0.9, 0.8], masks[:, :, [0, 0]])
        >>> accumulator = APAccumulator(num_classes=2)
        >>> accumulator.add([1, 1], found, gt_masks=masks)
        >>> accumulator.result().map
        0.5
    """

    def __init__(self, num_classes: int, iou_threshold: float = 0.5, interpolation: str = "area"):
        """Start without images.

        Args:
            num_classes: K, the background included; class ids are 1 … K - 1.
            iou_threshold: The least IoU that counts as found.
            interpolation: "area" or "coco", see `precision.average_precision`. With "coco" the per-class figures are those of
                COCOeval (area "all", at most 100 predictions an image).

        Raises:
            ValueError: num_classes < 2, a threshold outside (0, 1], or an unknown interpolation.
        """
        if num_classes < 2:
            raise ValueError(f"num_classes counts the background and must be 2 or more, got {num_classes}")
        if not 0 < iou_threshold <= 1:
            raise ValueError(f"iou_threshold must be above 0 and at most 1, got {iou_threshold}")
        precision.check_interpolation(interpolation)
        self.num_classes = num_classes
        self.iou_threshold = iou_threshold
        self.interpolation = interpolation
        self._scores: list[np.ndarray] = []  # per image, predictions that count, best first
        self._correct: list[np.ndarray] = []
        self._class_ids: list[np.ndarray] = []
        self._truth: list[np.ndarray] = []  # per image, class ids of its instances, crowds left out
        self._image_aps: list[float] = []
        self._ranked: list[Ranked] | None = None  # one a class, made when it is asked for

    def add(
        self,
        gt_class_ids: np.ndarray,
        detections: Mapping[str, np.ndarray],
        gt_masks: np.ndarray | Sequence[dict[str, Any]] | None = None,
        gt_boxes: np.ndarray | None = None,
    ) -> None:
        """Match the detections of one image to its instances.

        Args:
            gt_class_ids: [N] int; -k marks a crowd of class k. 0 is padding and ignored.
            detections: What detect() returned for this image.
            gt_masks: [H, W, N] bool, or N COCO encodings; given, masks decide.
            gt_boxes: [N, (y1, x1, y2, x2)] pixels; given instead of gt_masks, boxes decide.

        Raises:
            ValueError: Neither or both of gt_masks and gt_boxes are given, they disagree with gt_class_ids in number, a
                class id is outside the classes, or see `results.Detections`.
        """
        found = results.Detections.from_mapping(detections)
        gt_class_ids = np.asarray(gt_class_ids).astype(np.int64).ravel()
        self._check(gt_class_ids, found, gt_masks, gt_boxes)
        real = gt_class_ids != 0
        gt_class_ids = gt_class_ids[real]
        crowd = gt_class_ids < 0
        compatible = found["class_ids"][:, None] == np.abs(gt_class_ids)[None, :]  # [P, N]
        if gt_masks is not None:
            overlaps = image_matching.compatible_overlaps(found, image_matching.chosen_masks(gt_masks, real), compatible, crowd)
        else:
            overlaps = box_overlaps(found["rois"], np.asarray(gt_boxes).reshape(-1, 4)[real], crowd)
        self._match(gt_class_ids, found["class_ids"], found["scores"], overlaps, compatible)

    def add_overlaps(self, gt_class_ids: np.ndarray, class_ids: np.ndarray, scores: np.ndarray, overlaps: np.ndarray) -> None:
        """Match the detections of one image whose overlaps are known: several thresholds share them.

        Args:
            gt_class_ids: [N] int; -k marks a crowd of class k.
            class_ids: [P] int.
            scores: [P] float.
            overlaps: [P, N] IoU; with a crowd the share of the detection inside it.

        Raises:
            ValueError: the numbers disagree, or a class id is outside the classes.
        """
        gt_class_ids, class_ids = np.asarray(gt_class_ids, np.int64), np.asarray(class_ids, np.int64)
        if np.shape(overlaps) != (len(class_ids), len(gt_class_ids)) or len(scores) != len(class_ids):
            raise ValueError(f"overlaps {np.shape(overlaps)} of {len(class_ids)} detections, {len(scores)} scores and {len(gt_class_ids)} instances")
        self._check_ids(np.abs(gt_class_ids), class_ids)
        compatible = class_ids[:, None] == np.abs(gt_class_ids)[None, :]
        self._match(gt_class_ids, class_ids, np.asarray(scores), np.asarray(overlaps), compatible)

    def _match(self, gt_class_ids: np.ndarray, class_ids: np.ndarray, scores: np.ndarray, overlaps: np.ndarray, compatible: np.ndarray) -> None:
        """Match one image's detections and keep what counts of them."""
        crowd = gt_class_ids < 0
        order = np.argsort(-scores, kind="stable")  # COCO's order: of equal scores the first first
        class_ids, overlaps, compatible = class_ids[order], overlaps[order], compatible[order]
        pred_match, _ = matching.greedy(overlaps, self.iou_threshold, compatible, reusable=crowd)

        on_crowd = np.concatenate([crowd, [False]])[pred_match]  # -1, no match, reads the last entry
        self._scores.append(scores[order][~on_crowd])
        self._correct.append(pred_match[~on_crowd] >= 0)
        self._class_ids.append(class_ids[~on_crowd])
        self._truth.append(gt_class_ids[~crowd])
        self._ranked = None
        self._image_aps.append(_image_ap(self._correct[-1], np.count_nonzero(~crowd)))

    def merge(self, other: APAccumulator) -> None:
        """Add the images of another accumulator, of other images or another network: all are ranked in one list.

        Raises:
            ValueError: it counts other classes, or by another IoU.
        """
        if (self.num_classes, self.iou_threshold) != (other.num_classes, other.iou_threshold):
            raise ValueError(
                f"can't merge figures of {other.num_classes} classes at IoU {other.iou_threshold} into those of {self.num_classes} at "
                f"{self.iou_threshold}"
            )
        self._scores += other._scores
        self._correct += other._correct
        self._class_ids += other._class_ids
        self._truth += other._truth
        self._image_aps += other._image_aps
        self._ranked = None

    def result(self, counts: np.ndarray | None = None, interpolation: str | None = None) -> MeanAveragePrecision:
        """Compute the figures over the images added so far; more may be added afterwards.

        Args:
            counts: [images] int, how often each image counts, in the order they were added; None: once each.
            interpolation: None: the accumulator's own.

        Raises:
            ValueError: counts of another length, or negative.
        """
        if counts is None:
            counts = np.ones(self.num_images, np.int64)
        counts = np.asarray(counts)
        if counts.shape != (self.num_images,) or counts.dtype.kind not in "iu" or (counts < 0).any():
            raise ValueError(f"counts: [{self.num_images}] whole numbers from 0 on, one an image, are expected; got {counts.dtype} {counts.shape}")
        per_class, num_instances, num_predictions = {}, {}, {}
        for class_id, ranked in self.ranked().items():
            of_prediction = counts[ranked.images]
            num_instances[class_id] = int(counts @ ranked.instances)
            num_predictions[class_id] = int(of_prediction.sum())
            if num_instances[class_id]:
                per_class[class_id], _, _ = precision.average_precision(
                    ranked.correct, num_instances[class_id], interpolation or self.interpolation, of_prediction
                )
        total = int(counts.sum())
        return MeanAveragePrecision(
            map=float(np.mean(list(per_class.values()))) if per_class else float("nan"),
            per_class=per_class,
            per_image=float(counts @ np.array(self._image_aps) / total) if total else float("nan"),
            num_instances=num_instances,
            num_predictions=num_predictions,
            num_images=total,
            iou_threshold=self.iou_threshold,
        )

    @property
    def num_images(self) -> int:
        """Images added so far."""
        return len(self._image_aps)

    def same_truth(self, other: APAccumulator) -> bool:
        """Tell whether the other one's images have the same instances, by number and class, in the same order."""
        same_number = (self.num_classes, len(self._truth)) == (other.num_classes, len(other._truth))
        return same_number and all(np.array_equal(a, b) for a, b in zip(self._truth, other._truth, strict=True))

    def ranked(self) -> dict[int, Ranked]:
        """Return the predictions of each class, the best first: {class id: Ranked}."""
        self._ranked = self._ranked or self._rank()
        return dict(enumerate(self._ranked, start=1))

    def _rank(self) -> list[Ranked]:
        """Rank the predictions of each class 1 … K - 1 by score; of equal scores the first added first."""
        scores = np.concatenate([np.zeros(0, np.float32), *self._scores])
        correct = np.concatenate([np.zeros(0, bool), *self._correct])
        class_ids = np.concatenate([np.zeros(0, np.int32), *self._class_ids])
        images = np.repeat(np.arange(self.num_images), [len(ids) for ids in self._class_ids])
        order = np.lexsort((-scores, class_ids))  # stable
        starts = np.searchsorted(class_ids[order], np.arange(1, self.num_classes + 1))
        instances = np.array([np.bincount(ids, minlength=self.num_classes) for ids in self._truth]).reshape(-1, self.num_classes)
        ranks = [order[start:end] for start, end in zip(starts[:-1], starts[1:], strict=True)]
        return [Ranked(images[rows], correct[rows], instances[:, i], scores[rows]) for i, rows in enumerate(ranks, start=1)]

    def _check(
        self,
        gt_class_ids: np.ndarray,
        found: results.Detections,
        gt_masks: np.ndarray | Sequence[dict[str, Any]] | None,
        gt_boxes: np.ndarray | None,
    ) -> None:
        """Refuse ground truth or detections that cannot be counted."""
        if (gt_masks is None) == (gt_boxes is None):
            raise ValueError("pass either gt_masks (masks decide) or gt_boxes (boxes decide)")
        num = np.shape(gt_masks)[-1] if gt_masks is not None else len(gt_boxes)
        if num != len(gt_class_ids):
            name, shape = ("gt_boxes", np.shape(gt_boxes)) if gt_masks is None else ("gt_masks", np.shape(gt_masks))
            raise ValueError(f"gt_class_ids names {len(gt_class_ids)} instances, but {name} has shape {shape}")
        self._check_ids(gt_class_ids, found["class_ids"])

    def _check_ids(self, gt_class_ids: np.ndarray, detected: np.ndarray) -> None:
        for side, outside in (
            ("gt_class_ids", gt_class_ids[np.abs(gt_class_ids) >= self.num_classes]),
            ("detected class_ids", detected[(detected < 1) | (detected >= self.num_classes)]),
        ):
            if len(outside):
                raise ValueError(
                    f"{side} holds {sorted(set(outside.tolist()))}, but num_classes is {self.num_classes}: ids go from "
                    f"1 to {self.num_classes - 1} (0 is background). Pass the NUM_CLASSES of the data set"
                )


def box_overlaps(pred_boxes: np.ndarray, gt_boxes: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Return [P, N] IoU of boxes; for crowds the share of the prediction inside."""
    pred_boxes, gt_boxes = pred_boxes.astype(np.float64), gt_boxes.astype(np.float64)
    overlaps = boxes.iou(pred_boxes, gt_boxes)
    if crowd.any():
        corners = [limit(pred_boxes[:, None, k], gt_boxes[None, crowd, k])
                   for k, limit in enumerate((np.maximum, np.maximum, np.minimum, np.minimum))]  # fmt: skip
        inside = np.maximum(corners[2] - corners[0], 0) * np.maximum(corners[3] - corners[1], 0)  # [P, crowds]
        areas = (pred_boxes[:, 2] - pred_boxes[:, 0]) * (pred_boxes[:, 3] - pred_boxes[:, 1])
        overlaps[:, crowd] = inside / np.maximum(areas, 1e-12)[:, None]
    return overlaps


def _image_ap(correct: np.ndarray, num_instances: int) -> float:
    """Return the historic AP of one image, 1 or 0 where it has no instances."""
    if num_instances == 0:
        return float(len(correct) == 0)
    return precision.average_precision(correct, num_instances)[0]
