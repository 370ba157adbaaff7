"""Average precision: of one image as the original library counts it, and of a data set, class by class.

Precision and recall are read off the predictions ranked by score (Everingham et al. 2010, section 4.2): the n-th value
of each belongs to the best n predictions. Average precision (AP) is the area under the envelope of precision over
recall.

`compute_ap` and `compute_ap_range` keep the names, arguments and results of the original's mrcnn.utils: one image, all
classes in one ranking. Averaged over images that figure is blind to false alarms between images and counts rare classes
as often as they occur; `APAccumulator` computes the figure of the COCO evaluation, one ranking a class over all images,
with the historic one beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mrcnn import results
from mrcnn.evaluation import matching as image_matching
from mrcnn.ops import boxes, matching

INTERPOLATIONS = ("area", "coco")


def compute_ap(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_masks: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    pred_masks: np.ndarray,
    iou_threshold: float = 0.5,
    *,
    original_behaviour: bool = False,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Compute the average precision of one image, all classes in one ranking.

    Args:
        gt_boxes: [N, (y1, x1, y2, x2)], only to tell padding (rows of zeros).
        gt_class_ids: [N] int.
        gt_masks: [H, W, N] bool.
        pred_boxes: [P, (y1, x1, y2, x2)], only to tell padding.
        pred_class_ids: [P] int.
        pred_scores: [P] float.
        pred_masks: [H, W, P] bool.
        iou_threshold: The least IoU of masks that counts as found.
        original_behaviour: True gives the original's figures for an image without instances: nan with predictions, 0.0
            without.

    Returns:
        (ap, precisions, recalls, overlaps): AP from 0 to 1; [P + 2] float64 precision envelope and [P + 2] float64
        recall, each with the end points (recall 0 and 1) added; [P, N] IoU in the order of the scores. For an image
        without instances AP is 1.0 if nothing was predicted (nothing missed, nothing wrong) and 0.0 otherwise.

    Raises:
        ValueError: See `matching.compute_matches`.

    Example: the best prediction is right, the second one wrong, one of two instances is missed.
        >>> masks = np.zeros((2, 2, 2), bool)
        >>> masks[0, 0, 0] = masks[1, 1, 1] = True
        >>> box = np.array([[0, 0, 1, 1], [1, 1, 2, 2]])
        >>> ap, precisions, recalls, _ = compute_ap(box, [1, 1], masks, box, [1, 2], [0.9, 0.8], masks)
        >>> ap, precisions.tolist(), recalls.tolist()
        (0.5, [1.0, 1.0, 0.5, 0.0], [0.0, 0.5, 0.5, 1.0])
    """
    gt_match, pred_match, overlaps = image_matching.compute_matches(
        gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks, iou_threshold
    )
    ap, precisions, recalls = average_precision(pred_match > -1, len(gt_match))
    if len(gt_match) == 0:
        if not original_behaviour:
            ap = float(len(pred_match) == 0)
        elif len(pred_match):
            ap, recalls = np.nan, np.concatenate([[0.0], np.full(len(pred_match), np.nan), [1.0]])
        else:
            ap = 0.0
    return ap, precisions, recalls, overlaps


def compute_ap_range(
    gt_box: np.ndarray,
    gt_class_id: np.ndarray,
    gt_mask: np.ndarray,
    pred_box: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: np.ndarray,
    iou_thresholds: Sequence[float] | np.ndarray | None = None,
    verbose: int = 1,
    *,
    original_behaviour: bool = False,
) -> float:
    """Compute the mean of one image's average precision over several IoU thresholds.

    Args:
        gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask: As in `compute_ap`.
        iou_thresholds: Any sequence or array of thresholds. None: 0.5, 0.55 … 0.95.
        verbose: 1 prints a line for each threshold and one for the mean.
        original_behaviour: As in `compute_ap`.

    Returns:
        The mean, from 0 to 1.

    Raises:
        ValueError: There are no thresholds, or see `matching.compute_matches`.
    """
    thresholds = np.arange(0.5, 1.0, 0.05) if iou_thresholds is None else np.asarray(iou_thresholds, np.float64).ravel()
    if thresholds.size == 0:
        raise ValueError("iou_thresholds is empty; pass at least one threshold, or None for 0.5 to 0.95")
    lines, aps = [], []
    for threshold in thresholds:
        ap, _, _, _ = compute_ap(
            gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask,
            iou_threshold=threshold, original_behaviour=original_behaviour,
        )  # fmt: skip
        aps.append(ap)
        lines.append(f"AP @{threshold:.2f}:\t {ap:.3f}")
    mean = float(np.mean(aps))
    if verbose:
        lines.append(f"AP @{thresholds[0]:.2f}-{thresholds[-1]:.2f}:\t {mean:.3f}")
        print("\n".join(lines))  # noqa: T201  the caller asks for it: verbose is the original's argument
    return mean


def average_precision(
    correct: np.ndarray, num_instances: int, interpolation: str = "area"
) -> tuple[float, np.ndarray, np.ndarray]:
    """Compute average precision from predictions ranked by score.

    Args:
        correct: [P] bool, whether each prediction found an instance, the best first.
        num_instances: How many there are to find.
        interpolation: "area": the area under the precision envelope, over all points (PASCAL VOC from 2010 on, and the
            original library). "coco": the mean of the envelope at the recalls 0, 0.01 … 1 (COCOeval).

    Returns:
        (ap, precisions, recalls): as in `compute_ap`; without instances AP and recalls are 0 (the last recall 1).

    Source: Everingham et al., The PASCAL Visual Object Classes Challenge, IJCV 2010, section 4.2; COCOeval.accumulate
    for "coco".

    Example: right, wrong, right; of four instances two are never found. Area 1/4 · 1 + 1/4 · 2/3.
        >>> ap, precisions, recalls = average_precision(np.array([True, False, True]), 4)
        >>> round(ap, 4), recalls.tolist()
        (0.4167, [0.0, 0.25, 0.25, 0.5, 1.0])
    """
    _check_interpolation(interpolation)
    hits = np.cumsum(np.asarray(correct, bool))
    precisions = np.concatenate([[0.0], hits / np.arange(1, len(hits) + 1), [0.0]])
    recalls = np.concatenate([[0.0], hits / max(num_instances, 1), [1.0]])
    precisions = np.maximum.accumulate(precisions[::-1])[::-1]
    if interpolation == "area":
        ap = np.sum(np.diff(recalls) * precisions[1:])
    else:
        points = np.searchsorted(recalls[1:-1], np.linspace(0.0, 1.0, 101), side="left")
        ap = np.mean(precisions[1:][points])
    return float(ap), precisions, recalls


@dataclasses.dataclass(frozen=True)
class MeanAveragePrecision:
    """Average precision of a data set at one IoU threshold.

    Attributes:
        map: The mean of `per_class`, from 0 to 1. nan if the data set holds no instance at all: then there is nothing
            to average, and neither 0 nor 1 would be true.
        per_class: AP of each class that has instances, {class id: AP}. Classes without instances are left out, as in
            COCOeval.
        per_image: The historic figure: the mean over images of `compute_ap`, all classes mixed. An image without
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
            interpolation: "area" or "coco", see `average_precision`. With "coco" the per-class figures are those of
                COCOeval (area "all", at most 100 predictions an image).

        Raises:
            ValueError: num_classes < 2, a threshold outside (0, 1], or an unknown interpolation.
        """
        if num_classes < 2:
            raise ValueError(f"num_classes counts the background and must be 2 or more, got {num_classes}")
        if not 0 < iou_threshold <= 1:
            raise ValueError(f"iou_threshold must be above 0 and at most 1, got {iou_threshold}")
        _check_interpolation(interpolation)
        self.num_classes = num_classes
        self.iou_threshold = iou_threshold
        self.interpolation = interpolation
        self._scores: list[np.ndarray] = []  # per image, predictions that count, best first
        self._correct: list[np.ndarray] = []
        self._class_ids: list[np.ndarray] = []
        self._num_instances = np.zeros(num_classes, np.int64)
        self._image_aps: list[float] = []

    def add(
        self,
        gt_class_ids: np.ndarray,
        detections: Mapping[str, np.ndarray],
        gt_masks: np.ndarray | None = None,
        gt_boxes: np.ndarray | None = None,
    ) -> None:
        """Match the detections of one image to its instances.

        Args:
            gt_class_ids: [N] int; -k marks a crowd of class k. 0 is padding and ignored.
            detections: What detect() returned for this image.
            gt_masks: [H, W, N] bool; given, masks decide.
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
            gt_masks = np.asarray(gt_masks).astype(bool)[:, :, real]
            overlaps = image_matching.compatible_overlaps(found, gt_masks, compatible, crowd)
        else:
            overlaps = _box_overlaps(found["rois"], np.asarray(gt_boxes).reshape(-1, 4)[real], crowd)
        order = np.argsort(-found["scores"], kind="stable")  # COCO's order: of equal scores the first first
        class_ids, overlaps, compatible = found["class_ids"][order], overlaps[order], compatible[order]
        pred_match, _ = matching.greedy(overlaps, self.iou_threshold, compatible, reusable=crowd)

        on_crowd = np.concatenate([crowd, [False]])[pred_match]  # -1, no match, reads the last entry
        self._scores.append(found["scores"][order][~on_crowd])
        self._correct.append(pred_match[~on_crowd] >= 0)
        self._class_ids.append(class_ids[~on_crowd])
        self._num_instances += np.bincount(gt_class_ids[~crowd], minlength=self.num_classes)
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
        self._num_instances += other._num_instances
        self._image_aps += other._image_aps

    def result(self) -> MeanAveragePrecision:
        """Compute the figures over the images added so far; more may be added afterwards."""
        scores = np.concatenate([np.zeros(0, np.float32), *self._scores])
        correct = np.concatenate([np.zeros(0, bool), *self._correct])
        class_ids = np.concatenate([np.zeros(0, np.int32), *self._class_ids])
        per_class = {}
        for class_id in np.flatnonzero(self._num_instances).tolist():
            of_class = class_ids == class_id
            order = np.argsort(-scores[of_class], kind="stable")
            per_class[class_id], _, _ = average_precision(
                correct[of_class][order], self._num_instances[class_id], self.interpolation
            )
        num_predictions = np.bincount(class_ids, minlength=self.num_classes)
        return MeanAveragePrecision(
            map=float(np.mean(list(per_class.values()))) if per_class else float("nan"),
            per_class=per_class,
            per_image=float(np.mean(self._image_aps)) if self._image_aps else float("nan"),
            num_instances={i: int(self._num_instances[i]) for i in range(1, self.num_classes)},
            num_predictions={i: int(num_predictions[i]) for i in range(1, self.num_classes)},
            num_images=len(self._image_aps),
            iou_threshold=self.iou_threshold,
        )

    def _check(
        self,
        gt_class_ids: np.ndarray,
        found: results.Detections,
        gt_masks: np.ndarray | None,
        gt_boxes: np.ndarray | None,
    ) -> None:
        """Refuse ground truth or detections that cannot be counted."""
        if (gt_masks is None) == (gt_boxes is None):
            raise ValueError("pass either gt_masks (masks decide) or gt_boxes (boxes decide)")
        num = np.shape(gt_masks)[-1] if gt_masks is not None else len(gt_boxes)
        if num != len(gt_class_ids):
            name, shape = ("gt_boxes", np.shape(gt_boxes)) if gt_masks is None else ("gt_masks", np.shape(gt_masks))
            raise ValueError(f"gt_class_ids names {len(gt_class_ids)} instances, but {name} has shape {shape}")
        detected = found["class_ids"]
        for side, outside in (
            ("gt_class_ids", gt_class_ids[np.abs(gt_class_ids) >= self.num_classes]),
            ("detected class_ids", detected[(detected < 1) | (detected >= self.num_classes)]),
        ):
            if len(outside):
                raise ValueError(
                    f"{side} holds {sorted(set(outside.tolist()))}, but num_classes is {self.num_classes}: ids go from "
                    f"1 to {self.num_classes - 1} (0 is background). Pass the NUM_CLASSES of the data set"
                )


def _box_overlaps(pred_boxes: np.ndarray, gt_boxes: np.ndarray, crowd: np.ndarray) -> np.ndarray:
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
    return average_precision(correct, num_instances)[0]


def _check_interpolation(interpolation: str) -> None:
    """Refuse an interpolation of another name."""
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation must be one of {INTERPOLATIONS}, got {interpolation!r}")
