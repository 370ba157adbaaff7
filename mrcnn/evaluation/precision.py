"""Average precision of a ranking, and of one image as the original library counts it.

Precision and recall are read off the predictions ranked by score (Everingham et al. 2010, section 4.2): the n-th value
of each belongs to the best n predictions. Average precision (AP) is the area under the envelope of precision over
recall.

`compute_ap` and `compute_ap_range` keep the names, arguments and results of the original's mrcnn.utils: one image, all
classes in one ranking. Averaged over images that figure is blind to false alarms between images and counts rare classes
as often as they occur; `accumulator.APAccumulator` computes the figure of the COCO evaluation, one ranking a class over
all images, with the historic one beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mrcnn.evaluation import matching as image_matching

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
        gt_box, gt_class_id, gt_mask: [N, 4], [N], [H, W, N], as in `compute_ap`.
        pred_box, pred_class_id, pred_score, pred_mask: [P, 4], [P], [P], [H, W, P], likewise.
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
    correct: np.ndarray, num_instances: int, interpolation: str = "area", counts: np.ndarray | None = None
) -> tuple[float, np.ndarray, np.ndarray]:
    """Compute average precision from predictions ranked by score.

    Args:
        correct: [P] bool, whether each prediction found an instance, the best first.
        num_instances: How many there are to find.
        interpolation: "area": the area under the precision envelope, over all points (PASCAL VOC from 2010 on, and the
            original library). "coco": the mean of the envelope at the recalls 0, 0.01 … 1 (COCOeval).
        counts: [P] int, how often each prediction is there; its copies share its rank. None: once each. For samples
            drawn with replacement (`bootstrap`): AP is that of the list written out.

    Returns:
        (ap, precisions, recalls): as in `compute_ap`; without instances AP and recalls are 0 (the last recall 1).

    Source: Everingham et al., The PASCAL Visual Object Classes Challenge, IJCV 2010, section 4.2; COCOeval.accumulate
    for "coco".

    Example: right, wrong, right; of four instances two are never found. Area 1/4 · 1 + 1/4 · 2/3.
        >>> ap, precisions, recalls = average_precision(np.array([True, False, True]), 4)
        >>> round(ap, 4), recalls.tolist()
        (0.4167, [0.0, 0.25, 0.25, 0.5, 1.0])
    """
    check_interpolation(interpolation)
    correct = np.asarray(correct, bool)
    hits = np.cumsum(correct if counts is None else correct * counts)
    ranks = np.arange(1, len(hits) + 1) if counts is None else np.maximum(np.cumsum(counts), 1)
    precisions = np.concatenate([[0.0], hits / ranks, [0.0]])
    recalls = np.concatenate([[0.0], hits / max(num_instances, 1), [1.0]])
    precisions = np.maximum.accumulate(precisions[::-1])[::-1]
    if interpolation == "area":
        ap = np.sum(np.diff(recalls) * precisions[1:])
    else:
        points = np.searchsorted(recalls[1:-1], np.linspace(0.0, 1.0, 101), side="left")
        ap = np.mean(precisions[1:][points])
    return float(ap), precisions, recalls


def coco_average_precisions(correct: np.ndarray, num_instances: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute `average_precision` with "coco" for many samples drawn with replacement.

    Args:
        correct: [P] bool, the best prediction first.
        num_instances: [S] int, how many there are to find in each sample.
        counts: [S, P] int, how often each prediction is in each sample.

    Returns:
        [S] float64; 0 where a sample has no instance.

    Example: right and wrong; in the second sample the wrong one comes twice and before no other.
        >>> coco_average_precisions(np.array([True, False]), np.array([1, 1]), np.array([[1, 1], [0, 2]])).tolist()
        [1.0, 0.0]
    """
    right = np.flatnonzero(correct)
    samples = len(num_instances)
    if not len(right) or not samples:
        return np.zeros(samples)
    ranks = np.cumsum(counts, axis=1)[:, right]
    hits = np.cumsum(counts[:, right], axis=1)  # [S, right]
    envelope = np.maximum.accumulate((hits / np.maximum(ranks, 1))[:, ::-1], axis=1)[:, ::-1]
    envelope = np.concatenate([envelope, np.zeros((samples, 1))], axis=1)  # what is not reached
    points = np.linspace(0.0, 1.0, 101)
    totals, which = np.unique(num_instances, return_inverse=True)
    wanted = np.array([np.searchsorted(np.arange(total + 1) / max(total, 1), points) for total in totals])[which]  # [S, 101] hits
    apart = int(max(hits.max(), wanted.max())) + 1  # one ascending list of all samples, searched once
    rows = np.arange(samples)[:, None]
    found = np.searchsorted((hits + apart * rows).ravel(), (np.maximum(wanted, 1) + apart * rows).ravel()).reshape(samples, -1)
    precisions = np.take_along_axis(envelope, np.minimum(found - len(right) * rows, len(right)), axis=1)
    return np.where(num_instances > 0, precisions.mean(axis=1), 0.0)


def check_interpolation(interpolation: str) -> None:
    """Refuse an interpolation of another name."""
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation must be one of {INTERPOLATIONS}, got {interpolation!r}")
