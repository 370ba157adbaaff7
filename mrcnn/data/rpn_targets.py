"""Targets of the region proposal network: which anchors are objects, and the deltas from the positive ones to their
boxes.

An anchor is positive at IoU >= 0.7 with a box, or if no anchor overlaps a box more ("forced", so that each box has
one); negative below 0.3 with all boxes and outside of crowds; neutral otherwise. Source: Faster R-CNN section 3.1.2. In
`rpn_match` 1 is positive, -1 negative, 0 neutral.

Overlaps are computed in float64, as in the original: anchors that tie for a box's best IoU are all positive, and
whether they tie hangs on the last bit. A box overlaps few anchors, so only those are looked at, which costs less than
the whole matrix in float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mrcnn.ops import boxes as box_ops

POSITIVE_IOU = 0.7
NEGATIVE_IOU = 0.3


def build(
    anchors: np.ndarray, gt_class_ids: np.ndarray, gt_boxes: np.ndarray, *, num_anchors: int, std_dev: Sequence[float],
    forced_match_own_box: bool = True, ignore_zero_overlap: bool = True, sample: bool = True, crowd_overlap: str = "ioa",
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Label anchors and encode the positive ones.

    Args:
        anchors: [A, (y1, x1, y2, x2)] pixels.
        gt_class_ids: [N]; negative for a crowd, which is no target but keeps anchors inside it from being negative.
        gt_boxes: [N, (y1, x1, y2, x2)] pixels.
        num_anchors: anchors that train, at most half of them positive; the surplus is made neutral at random.
        sample: False: all negatives train, and up to num_anchors positives (the rows of rpn_bbox). For the focal loss,
            which weighs the easy ones down instead of leaving most of them out (Lin et al. 2017, section 4).
        std_dev: [4], by which the deltas are divided.
        forced_match_own_box: a forced anchor regresses to the box it was forced for (of several, the one it overlaps
            most). Deviation: the original lets it regress to the box that it overlaps most; False does so too.
        ignore_zero_overlap: a box that overlaps no anchor forces none. Deviation: in the original it makes all anchors
            positive; False does so too.
        crowd_overlap: how it is measured whether an anchor lies in a crowd: "ioa", by the share of its own area, as COCO's
            evaluation does. "iou", the original's: an anchor that fills less than a thousandth of a crowd's box lies
            outside of it there, and a large one that merely touches it lies inside.
        rng: for the choice of the surplus.

    Returns:
        rpn_match [A] int32: 1 positive, -1 negative, 0 neutral; rpn_bbox [num_anchors, (dy, dx, log(dh), log(dw))]
        float32, a row for each positive in the order of the anchors, then zeros. Without boxes all anchors outside of
        crowds are negative. Deviation: the original fails there.

    >>> anchors = np.array([[0, 0, 10, 10], [0, 20, 10, 30], [0, 4, 10, 14]])
    >>> match, deltas = build(anchors, np.array([3]), np.array([[0, 0, 10, 11]]), num_anchors=4, std_dev=[1, 1, 1, 1],
    ...                       rng=np.random.default_rng(0))
    >>> match.tolist(), deltas[0].round(2).tolist()
    ([1, -1, 0], [0.0, 0.05000000074505806, 0.0, 0.10000000149011612])
    """
    anchors = np.asarray(anchors, np.float64)
    gt_class_ids, gt_boxes = np.asarray(gt_class_ids), np.asarray(gt_boxes, np.float64).reshape(-1, 4)
    crowd_boxes, gt_boxes = gt_boxes[gt_class_ids < 0], gt_boxes[gt_class_ids >= 0]
    grid = _Columns(anchors)

    best_iou, target, forced = _match(grid, gt_boxes, forced_match_own_box, ignore_zero_overlap)
    rpn_match = np.zeros(len(anchors), np.int32)
    rpn_match[best_iou < NEGATIVE_IOU] = -1
    for crowd_box in crowd_boxes:
        inside = _inside(grid, crowd_box, crowd_overlap)
        rpn_match[inside] = np.maximum(rpn_match[inside], 0)
    rpn_match[forced | (best_iou >= POSITIVE_IOU)] = 1
    _drop_surplus(rpn_match, 1, num_anchors // 2 if sample else num_anchors, rng)
    if sample:
        _drop_surplus(rpn_match, -1, num_anchors - np.count_nonzero(rpn_match == 1), rng)

    rpn_bbox = np.zeros((num_anchors, 4), np.float32)
    positives = np.flatnonzero(rpn_match == 1)
    rpn_bbox[: len(positives)] = _encode(anchors[positives], gt_boxes[target[positives]]) / np.asarray(std_dev)
    return rpn_match, rpn_bbox


def _inside(grid: _Columns, crowd_box: np.ndarray, crowd_overlap: str) -> np.ndarray:
    """Return the places of the anchors that lie in a crowd."""
    places, overlaps = grid.overlaps(crowd_box)
    if crowd_overlap == "ioa":
        overlaps = box_ops.ioa(grid.boxes[places], crowd_box)[:, 0]
    return places[overlaps >= box_ops.CROWD_LIMITS[crowd_overlap]]


class _Columns:
    """Anchors by column, with their areas, so that the few that overlap a box are found with four comparisons."""

    def __init__(self, anchors: np.ndarray) -> None:
        self.y1, self.x1, self.y2, self.x2 = np.ascontiguousarray(anchors.T)
        self.boxes = anchors
        self.areas = box_ops.area(anchors)

    def overlaps(self, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the anchors that overlap a box, and their IoU with it, in float64."""
        y1, x1, y2, x2 = box
        places = np.flatnonzero((self.y1 < y2) & (self.y2 > y1) & (self.x1 < x2) & (self.x2 > x1))
        return places, box_ops.iou_with_one(box, self.boxes[places], box_ops.area(box), self.areas[places])


def _match(
    grid: _Columns, gt_boxes: np.ndarray, forced_match_own_box: bool, ignore_zero_overlap: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return per anchor its best IoU [A], the index of its target [A] and whether it is forced positive [A]."""
    count = len(grid.areas)
    best_iou, target, forced = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, bool)
    forced_iou, forced_target = np.zeros(count), np.zeros(count, np.int64)
    for index, box in enumerate(gt_boxes):
        places, overlaps = grid.overlaps(box)
        better = overlaps > best_iou[places]  # of equal boxes the first stays, as arg-max does
        best_iou[places[better]] = overlaps[better]
        target[places[better]] = index
        highest = overlaps.max(initial=0.0)
        if highest > 0:
            best = overlaps == highest
            places, overlaps = places[best], overlaps[best]
            forced[places] = True
            better = overlaps > forced_iou[places]
            forced_iou[places[better]] = overlaps[better]
            forced_target[places[better]] = index
        elif not ignore_zero_overlap:
            forced[:] = True
    if forced_match_own_box:
        target = np.where(forced_iou > 0, forced_target, target)
    return best_iou, target, forced


def _drop_surplus(rpn_match: np.ndarray, label: int, limit: int, rng: np.random.Generator) -> None:
    """Make anchors of a label neutral at random until only `limit` are left."""
    places = np.flatnonzero(rpn_match == label)
    if len(places) > limit:
        kept = rng.choice(places, limit, replace=False)  # far fewer to draw than the surplus
        rpn_match[places] = 0
        rpn_match[kept] = label


def _encode(anchors: np.ndarray, gt_boxes: np.ndarray) -> np.ndarray:
    """Return the deltas from anchors to boxes in float64; a side without length, which has no logarithm, gives 0."""
    size, gt_size = anchors[:, 2:] - anchors[:, :2], gt_boxes[:, 2:] - gt_boxes[:, :2]
    shift = (gt_boxes[:, :2] + 0.5 * gt_size - anchors[:, :2] - 0.5 * size) / size
    stretch = np.log(np.divide(gt_size, size, out=np.ones_like(size), where=gt_size > 0))
    return np.concatenate([shift, stretch], axis=1)
