"""Greedy suppression in NumPy that says who suppressed whom: the twin of `ops.nms.suppress` for explaining and tuning.

The network's own suppression (`ops.nms`) answers which boxes are kept. Why a box went, by which better box, and what
another threshold would keep is asked afterwards, image by image, from the boxes that the network gave.
"""

from __future__ import annotations

import numpy as np

from mrcnn.ops import boxes as box_ops

KEPT = -1


def suppressors(boxes: np.ndarray, threshold: float | np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Tell for each box which better kept box drops it.

    Args:
        boxes: [N, (y1, x1, y2, x2)], best first. Compared in float32, as in the network.
        threshold: Intersection over union above which the lesser box is dropped; a number, or [N], one for each box,
            where that of the lesser box decides.
        groups: [N] int; only boxes of one group (class, say) suppress one another. None: one group.

    Returns:
        [N] int64: -1 for a box that is kept, else the index of the first kept box that overlaps it by more than the
        threshold. A box without area overlaps nothing.

    Source: Felzenszwalb et al., Object detection with discriminatively trained part-based models, PAMI 2010, section 5.

    >>> heap = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [0, 2, 10, 12], [20, 20, 30, 30]])
    >>> suppressors(heap, 0.5).tolist()
    [-1, 0, 0, -1]
    >>> suppressors(heap, 0.5, groups=np.array([1, 2, 1, 1])).tolist()
    [-1, -1, 0, -1]
    """
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    limits = np.broadcast_to(np.asarray(threshold, np.float32), len(boxes))
    groups = np.zeros(len(boxes), np.int64) if groups is None else np.asarray(groups)
    areas = box_ops.area(boxes)
    found = np.full(len(boxes), KEPT, np.int64)
    for group in np.unique(groups):
        left = np.flatnonzero(groups == group)
        while left.size:
            best, left = left[0], left[1:]
            dropped = box_ops.iou_with_one(boxes[best], boxes[left], areas[best], areas[left]) > limits[left]
            found[left[dropped]] = best
            left = left[~dropped]
    return found
