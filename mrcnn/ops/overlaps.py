"""Masks of one image that overlap: the lesser of two that show one object dropped, or every pixel given to one mask alone.

All on COCO run lengths: no mask becomes a plane, so that a hundred masks of a large photo take kilobytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.ops import rle, runs


def non_max_suppression(
    encoded: Sequence[dict[str, Any]], scores: np.ndarray, threshold: float, groups: np.ndarray | None = None
) -> np.ndarray:
    """Keep the masks that no better kept mask overlaps by more than `threshold`.

    What boxes can't tell apart masks can: two people who embrace, a thin diagonal thing in front of another.

    Args:
        encoded: N COCO encodings of one size.
        scores: [N]; of equal ones the first is better.
        threshold: intersection over union of masks above which the lesser one is dropped. Empty masks overlap nothing.
        groups: [N] int; only masks of the same group (class, say) suppress one another. None: one group.

    Returns:
        [K] int64, the masks kept, best first.

    >>> left, whole, right = ({"size": [1, 4], "counts": c} for c in ([0, 2, 2], [0, 4], [2, 2]))
    >>> non_max_suppression([left, whole, right], np.array([0.9, 0.8, 0.7]), 0.4).tolist()
    [0, 2]
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    suppressed = rle.iou_coco(encoded, encoded) > threshold
    if groups is not None:
        groups = np.asarray(groups)
        suppressed &= groups[:, None] == groups[None, :]
    gone = np.zeros(len(order), bool)
    kept = []
    for index in order.tolist():
        if not gone[index]:
            kept.append(index)
            gone |= suppressed[index]
    return np.array(kept, np.int64)


def apart(encoded: Sequence[dict[str, Any]], order: Sequence[int]) -> list[dict[str, Any]]:
    """Give every pixel to one mask: the first that has it.

    Args:
        encoded: N COCO encodings of one size.
        order: [N] a permutation: who comes first.

    Returns:
        N encodings in the order of `encoded`, no two with a pixel in common; a mask under others may end empty.

    Raises:
        ValueError: order is no permutation, or sizes differ.

    >>> parts = apart([{"size": [1, 4], "counts": [0, 3, 1]}, {"size": [1, 4], "counts": [1, 2, 1]}], order=[1, 0])
    >>> [rle.decode_coco(part).astype(int).tolist() for part in parts]
    [[[1, 0, 0, 0]], [[0, 1, 1, 0]]]
    """
    order = [int(index) for index in order]
    if sorted(order) != list(range(len(encoded))):
        raise ValueError(f"order names each of the {len(encoded)} masks once; got {order}.")
    result = list(encoded)
    boxes = rle.boxes_coco(encoded)
    taken: dict[str, Any] | None = None
    for place, index in enumerate(order):
        own = encoded[index]
        if taken is not None and _meets(boxes[index], boxes[order[:place]]):
            own = rle.merge_coco([own, complement(taken)], intersect=True)
        result[index] = own
        taken = own if taken is None else rle.merge_coco([taken, own])
    return result


def complement(encoded: dict[str, Any]) -> dict[str, Any]:
    """Turn an encoding's background into its mask, and its mask into background.

    Raises:
        ValueError: it lacks size or counts, or the counts don't fill the size.

    >>> complement({"size": [2, 2], "counts": [1, 2, 1]})
    {'size': [2, 2], 'counts': b'0120'}
    """
    counts = rle.counts_coco(encoded)
    height, width = (int(n) for n in encoded["size"])
    counts = counts[1:] if len(counts) and counts[0] == 0 else np.concatenate([[0], counts])
    return runs.encode(np.zeros(max(len(counts) - 1, 0), np.int64), np.cumsum(counts)[:-1], 1, (height, width))[0]


def _meets(box: np.ndarray, others: np.ndarray) -> bool:
    """Tell whether a box [4] has an area in common with one of the others [M, 4]."""
    top_left, bottom_right = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    return bool((top_left < bottom_right).all(axis=1).any())
