"""Which predictions of one image found which instances, and how many instances were found.

`compute_matches` and `compute_recall` keep the names, arguments and results of the original library's mrcnn.utils.
Masks decide the former, boxes the latter. Greedy matching itself is in mrcnn.ops.matching.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn import results
from mrcnn.ops import boxes, masks, matching, rle


def compute_matches(
    gt_boxes: np.ndarray, gt_class_ids: np.ndarray, gt_masks: np.ndarray,
    pred_boxes: np.ndarray, pred_class_ids: np.ndarray, pred_scores: np.ndarray, pred_masks: np.ndarray,
    iou_threshold: float = 0.5, score_threshold: float = 0.0, *, original_behaviour: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Match predictions to the instances of one image by the IoU of their masks, the most confident prediction first.

    A prediction takes the free instance of its class that it overlaps most. Rows whose box is all zero are padding and
    are left out on both sides, with their class, score and mask.

    Args:
        gt_boxes: [N, (y1, x1, y2, x2)], only to tell padding.
        gt_class_ids: [N] int. A crowd (negative id) is matched by nothing.
        gt_masks: [H, W, N] bool.
        pred_boxes: [P, (y1, x1, y2, x2)], only to tell padding.
        pred_class_ids: [P] int.
        pred_scores: [P] float.
        pred_masks: [H, W, P] bool.
        iou_threshold: The least IoU of a match.
        score_threshold: Predictions with a lower score match nothing; they keep their place in the results.
        original_behaviour: True compares score_threshold with the IoU, as the original library did.

    Returns:
        (gt_match, pred_match, overlaps): [N] float64, for each instance the index of its prediction or -1; [P] float64,
        for each prediction the index of its instance or -1; [P, N] IoU. Predictions are counted in the order of their
        scores, the best first (of equal scores the last first), in all three.

    Raises:
        ValueError: Boxes, class ids, scores or masks of one side disagree in their number, or the masks in their size.

    Example: the second prediction duplicates the first one.
        >>> mask = np.ones((2, 2, 1), bool)
        >>> box = np.array([[0, 0, 2, 2]])
        >>> gt_match, pred_match, overlaps = compute_matches(
        ...     box, [7], mask, box.repeat(2, axis=0), [7, 7], [0.9, 0.8], mask.repeat(2, axis=2))
        >>> gt_match.tolist(), pred_match.tolist(), overlaps.tolist()
        ([0.0], [0.0, -1.0], [[1.0], [1.0]])
    """
    _, gt_class_ids, gt_masks = _without_padding("gt_", gt_boxes, gt_class_ids, gt_masks)
    pred_scores = np.asarray(pred_scores)
    if len(pred_scores) != len(pred_boxes):
        raise ValueError(f"pred_scores {pred_scores.shape} and pred_boxes {np.shape(pred_boxes)} differ in their number")
    real, pred_class_ids, pred_masks = _without_padding("pred_", pred_boxes, pred_class_ids, pred_masks)
    pred_scores = pred_scores[real]

    order = matching.rank(pred_scores)
    overlaps = mask_overlaps(pred_masks[:, :, order], gt_masks)
    compatible = pred_class_ids[order][:, None] == gt_class_ids[None, :]  # [P, N]
    if original_behaviour:
        iou_threshold = max(iou_threshold, score_threshold)
    else:
        compatible &= (pred_scores[order] >= score_threshold)[:, None]
    pred_match, gt_match = matching.greedy(overlaps, iou_threshold, compatible)
    return gt_match.astype(np.float64), pred_match.astype(np.float64), overlaps


def compute_recall(pred_boxes: np.ndarray, gt_boxes: np.ndarray, iou: float) -> tuple[float, np.ndarray]:
    """Compute the share of the boxes that some prediction overlaps enough, classes and scores left aside.

    Each prediction counts for the one box that it overlaps most.

    Args:
        pred_boxes: [P, (y1, x1, y2, x2)] in any unit.
        gt_boxes: [N, (y1, x1, y2, x2)] in the same unit.
        iou: The least IoU that counts.

    Returns:
        (recall, positive_ids): from 0 to 1, and [Q] int64, the predictions that overlap some box enough. Without any gt
        box recall is 1.0 (nothing was missed) and positive_ids is empty; the original library raised an error.

    Example:
        >>> recall, positive_ids = compute_recall(
        ...     np.array([[0, 0, 2, 2], [5, 5, 6, 6]]), np.array([[0, 0, 2, 2], [0, 3, 2, 5]]), 0.5)
        >>> recall, positive_ids.tolist()
        (0.5, [0])
    """
    if len(gt_boxes) == 0:
        return 1.0, np.zeros(0, np.int64)
    if len(pred_boxes) == 0:
        return 0.0, np.zeros(0, np.int64)
    overlaps = boxes.iou(np.asarray(pred_boxes), np.asarray(gt_boxes))  # [P, N]
    positive_ids = np.flatnonzero(overlaps.max(axis=1) >= iou)
    found = np.unique(overlaps.argmax(axis=1)[positive_ids])
    return len(found) / len(gt_boxes), positive_ids


def mask_overlaps(pred_masks: np.ndarray, gt_masks: np.ndarray) -> np.ndarray:
    """Compute the IoU of each predicted mask with each instance's mask; 0 where both are empty.

    Args:
        pred_masks: [H, W, P] bool.
        gt_masks: [H, W, N] bool.

    Returns:
        [P, N] float.

    Raises:
        ValueError: The masks are of different image sizes.
    """
    if pred_masks.shape[2] == 0 or gt_masks.shape[2] == 0:  # no masks: their image size may be unknown (0, 0)
        return np.zeros((pred_masks.shape[2], gt_masks.shape[2]), np.float32)
    _check_sizes(pred_masks.shape[:2], gt_masks.shape[:2])
    return masks.overlaps(pred_masks, gt_masks)


def compatible_overlaps(
    found: results.Detections, gt_masks: np.ndarray | Sequence[dict[str, Any]], compatible: np.ndarray, crowd: np.ndarray
) -> np.ndarray:
    """Compute the overlap of the pairs that may match, and of no other.

    Masks of the predictions that wait to be pasted go on waiting.

    Args:
        found: P predictions.
        gt_masks: [H, W, N] bool, or N COCO encodings.
        compatible: [P, N] bool, the pairs wanted.
        crowd: [N] bool. With a crowd the overlap is the share of the prediction inside it, as COCO has it, else the
            IoU.

    Returns:
        [P, N] float64, 0 for the other pairs and for empty masks.

    Raises:
        ValueError: The masks are of different image sizes.
    """
    overlaps = np.zeros(compatible.shape)
    if not overlaps.size:
        return overlaps
    planes = isinstance(gt_masks, np.ndarray)
    _check_sizes(found.image_shape, gt_masks.shape[:2] if planes else gt_masks[0]["size"])
    if not compatible.any():
        return overlaps
    return np.where(compatible, rle.iou_coco(found.rles, rle.encode_coco(gt_masks) if planes else gt_masks, crowd), 0)


def chosen_masks(gt_masks: np.ndarray | Sequence[dict[str, Any]], rows: np.ndarray) -> np.ndarray | list[dict[str, Any]]:
    """Return the masks of some instances.

    Args:
        gt_masks: [H, W, N] of 0 and 1, or N COCO encodings.
        rows: [N] bool.
    """
    if isinstance(gt_masks, (list, tuple)) and all(isinstance(one, dict) for one in gt_masks):
        return [gt_masks[i] for i in np.flatnonzero(rows)]
    return np.asarray(gt_masks).astype(bool)[:, :, rows]


def _check_sizes(pred_shape: tuple[int, ...], gt_shape: tuple[int, ...]) -> None:
    """Refuse masks of different images."""
    if tuple(pred_shape) != tuple(gt_shape):
        raise ValueError(
            f"predicted masks are {tuple(pred_shape)} and ground-truth masks {tuple(gt_shape)} (height, width): "
            "both must have the size of the same image (full masks, not mini-masks)"
        )


def _without_padding(
    side: str, rows: np.ndarray, class_ids: np.ndarray, instance_masks: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which rows are no padding, [N] bool, and the class ids and masks of these rows."""
    rows, class_ids, instance_masks = np.asarray(rows), np.asarray(class_ids), np.asarray(instance_masks)
    if instance_masks.ndim != 3 or not len(rows) == len(class_ids) == instance_masks.shape[2]:
        raise ValueError(
            f"{side}boxes [N, 4], {side}class_ids [N] and {side}masks [H, W, N] must agree in their number; "
            f"got {rows.shape}, {class_ids.shape}, {instance_masks.shape}"
        )
    real = np.any(rows.reshape(len(rows), -1) != 0, axis=1) if len(rows) else np.zeros(0, bool)
    return real, class_ids[real], instance_masks[:, :, real]
