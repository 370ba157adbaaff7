"""Greedy matching of ranked predictions to ground truth, on a matrix of overlaps.

The rule of PASCAL VOC and COCO (Everingham et al. 2010, section 4.2): predictions choose in the order of their scores,
each takes the best instance that is still free and overlaps it enough. Both the figures (mrcnn.evaluation) and the
pictures (mrcnn.visualize) are drawn from this one function, so they cannot disagree. NumPy only.
"""

from __future__ import annotations

import numpy as np


def rank(scores: np.ndarray) -> np.ndarray:
    """Order predictions from the most to the least confident.

    Equal scores are taken last one first, the order in which the original library met them.

    Args:
        scores: [P] float.

    Returns:
        [P] int64, the indices of the predictions, best first.

    Example:
        >>> rank(np.array([0.2, 0.9, 0.5, 0.9])).tolist()
        [3, 1, 2, 0]
    """
    return np.argsort(np.asarray(scores), kind="stable")[::-1]


def greedy(
    overlaps: np.ndarray,
    threshold: float,
    compatible: np.ndarray | None = None,
    reusable: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Match predictions, best first, each to the best instance that is still free.

    Of instances with equal overlap the last is taken. A reusable instance (a crowd region) may take any number of
    predictions, but only those that found no ordinary instance.

    Args:
        overlaps: [P, N] float, rows in the order in which the predictions may choose. nan never matches.
        threshold: The least overlap of a match, itself included.
        compatible: [P, N] bool, pairs that may match at all (same class). None: all.
        reusable: [N] bool, instances that are never used up. None: none is.

    Returns:
        (pred_match, gt_match): [P] int64, the instance of each prediction, and [N] int64, the prediction of each
        instance; -1 where there is none. A reusable instance names the first prediction that it took.

    Raises:
        ValueError: overlaps is not a matrix.

    Source: Everingham et al., The PASCAL Visual Object Classes Challenge, IJCV 2010, section 4.2.

    Example: both predictions prefer instance 0; the better one has it, the other one takes what is left.
        >>> pred_match, gt_match = greedy(np.array([[0.9, 0.6], [0.8, 0.5]]), threshold=0.5)
        >>> pred_match.tolist(), gt_match.tolist()
        ([0, 1], [0, 1])
    """
    overlaps = np.asarray(overlaps)
    if overlaps.ndim != 2:
        raise ValueError(f"overlaps must be a matrix [predictions, instances], got shape {overlaps.shape}")
    num_predictions, num_instances = overlaps.shape
    pred_match = np.full(num_predictions, -1, np.int64)
    gt_match = np.full(num_instances, -1, np.int64)
    reusable = np.zeros(num_instances, bool) if reusable is None else np.asarray(reusable, bool)
    if overlaps.dtype.kind == "f":  # 7 / 10 in float32 is below the float64 0.7, but it is no less than 0.7
        threshold = overlaps.dtype.type(threshold)
    candidates = overlaps >= threshold  # [P, N]; False where nan
    if compatible is not None:
        candidates &= np.asarray(compatible, bool)
    for i in np.flatnonzero(candidates.any(axis=1)):
        free = candidates[i] & (gt_match < 0) & ~reusable
        if not free.any():
            free = candidates[i] & reusable
        if not free.any():
            continue
        best = num_instances - 1 - np.argmax(np.where(free, overlaps[i], -np.inf)[::-1])
        pred_match[i] = best
        if gt_match[best] < 0:
            gt_match[best] = i
    return pred_match, gt_match
