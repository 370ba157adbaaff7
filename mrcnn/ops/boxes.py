"""Arithmetic on boxes, in NumPy: overlap, encoding, units, suppression.

A box is (y1, x1, y2, x2); y2 and x2 lie just outside it, so that height = y2 - y1. Functions accept integer or float
boxes. The graph versions of the same arithmetic live with the network; these serve the data loader, the evaluation and
the historic `mrcnn.utils`.

Two conventions come from the original library and are kept because its weights were trained with them: `y2 = y1 +
height` after decoding, and normalized boxes that divide by the size minus one after shifting (y2, x2) inwards by one
pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

#: What has this much in common with a crowd, by measure (Config.CROWD_OVERLAP), is no negative: "ioa", half of its own area, from which on COCO's
#: evaluation leaves a detection alone; "iou", the original's.
CROWD_LIMITS = {"ioa": 0.5, "iou": 0.001}

_SHIFT = np.array([0, 0, 1, 1])


def area(boxes: np.ndarray) -> np.ndarray:
    """Return the area of each box.

    Args:
        boxes: [..., (y1, x1, y2, x2)], pixels or normalized.

    Returns:
        [...] areas in the boxes' own dtype. An inverted box gives what the product says: check boxes before.

    >>> area(np.array([[0, 0, 2, 3], [1, 1, 1, 5]])).tolist()
    [6, 0]
    """
    boxes = np.asarray(boxes)
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(boxes1: np.ndarray, boxes2: np.ndarray, *, undefined: float = 0.0) -> np.ndarray:
    """Return the intersection over union of every pair of boxes.

    Args:
        boxes1: [N, (y1, x1, y2, x2)].
        boxes2: [M, (y1, x1, y2, x2)] in the same unit.
        undefined: value of a pair whose union is empty (0/0). Deviation: the original gives nan; pass np.nan for that.

    Returns:
        [N, M] float64 in 0..1.

    >>> iou(np.array([[0, 0, 2, 2], [5, 5, 5, 5]]), np.array([[0, 1, 2, 3], [5, 5, 5, 5]])).round(3).tolist()
    [[0.333, 0.0], [0.0, 0.0]]
    """
    boxes1, boxes2 = _floats(boxes1, boxes2)
    boxes1, boxes2 = boxes1.reshape(-1, 1, 4), boxes2.reshape(1, -1, 4)
    return _iou(boxes1, boxes2, area(boxes1), area(boxes2), undefined).astype(np.float64)


def ioa(boxes: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return the share of each box's own area that lies in each region: intersection over the box's area, COCO's overlap with a crowd.

    Args:
        boxes: [N, (y1, x1, y2, x2)].
        regions: [M, (y1, x1, y2, x2)] in the same unit.

    Returns:
        [N, M] float64 in 0..1; 0 for a box without area.

    >>> ioa(np.array([[0, 0, 2, 2], [0, 0, 0, 5]]), np.array([[0, 1, 90, 90], [0, 0, 90, 90]])).tolist()
    [[0.5, 1.0], [0.0, 0.0]]
    """
    boxes, regions = _floats(boxes, regions)
    boxes, regions = boxes.reshape(-1, 1, 4), regions.reshape(1, -1, 4)
    sides = np.minimum(boxes[..., 2:], regions[..., 2:]) - np.maximum(boxes[..., :2], regions[..., :2])  # [N, M, 2]
    intersection, own = np.maximum(sides, 0).prod(axis=-1), np.broadcast_to(area(boxes), sides.shape[:2])
    return np.divide(intersection, own, out=np.zeros_like(intersection), where=own > 0).astype(np.float64)


def iou_with_one(
    box: np.ndarray,
    boxes: np.ndarray,
    box_area: float | None = None,
    boxes_area: np.ndarray | None = None,
    *,
    undefined: float = 0.0,
) -> np.ndarray:
    """Return the intersection over union of one box with each of many.

    Args:
        box: [(y1, x1, y2, x2)].
        boxes: [N, (y1, x1, y2, x2)].
        box_area: area of `box` where the caller has it already; it is trusted.
        boxes_area: [N] areas of `boxes`, likewise.
        undefined: value where the union is empty; the original gives nan.

    Returns:
        [N] in the boxes' float dtype, float64 for integer boxes.

    >>> iou_with_one(np.array([0, 0, 2, 2]), np.array([[0, 0, 2, 2], [0, 0, 1, 2], [2, 2, 3, 3]])).tolist()
    [1.0, 0.5, 0.0]
    """
    box, boxes = _floats(box, boxes)
    box_area = area(box) if box_area is None else box_area
    boxes_area = area(boxes) if boxes_area is None else boxes_area
    return _iou(box, boxes, np.asarray(box_area, boxes.dtype), np.asarray(boxes_area, boxes.dtype), undefined)


def encode(boxes: np.ndarray, gt_boxes: np.ndarray) -> np.ndarray:
    """Return the deltas that turn boxes into gt_boxes (not divided by a standard deviation).

    Args:
        boxes: [N, (y1, x1, y2, x2)] where the offsets start: anchors or rois.
        gt_boxes: [N, (y1, x1, y2, x2)] where they should lead.

    Returns:
        [N, (dy, dx, log(dh), log(dw))] float32. A box without area has no encoding: inf or nan, as in the original.

    Source: Faster R-CNN, equation 2.

    >>> encode(np.array([[0, 0, 10, 10]]), np.array([[1, 0, 11, 10]])).round(3).tolist()
    [[0.10000000149011612, 0.0, 0.0, 0.0]]
    """
    centre, size = _centre_and_size(np.asarray(boxes, np.float32))
    gt_centre, gt_size = _centre_and_size(np.asarray(gt_boxes, np.float32))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate([(gt_centre - centre) / size, np.log(gt_size / size)], axis=-1)


def decode(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Move and scale boxes by deltas; the inverse of `encode`.

    Args:
        boxes: [N, (y1, x1, y2, x2)].
        deltas: [N, (dy, dx, log(dh), log(dw))], already multiplied by their standard deviation.

    Returns:
        [N, (y1, x1, y2, x2)] float32, not clipped.

    Source: Faster R-CNN, equation 2.

    >>> decode(np.array([[0, 0, 10, 10]]), np.array([[0.1, 0, 0, 0]])).tolist()
    [[1.0, 0.0, 11.0, 10.0]]
    """
    centre, size = _centre_and_size(np.asarray(boxes, np.float32))
    deltas = np.asarray(deltas)
    centre = centre + deltas[..., :2] * size
    size = size * np.exp(deltas[..., 2:])
    corner = centre - 0.5 * size
    return np.concatenate([corner, corner + size], axis=-1).astype(np.float32)


def normalize(boxes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Convert boxes from pixels to the original's normalized units.

    Args:
        boxes: [..., (y1, x1, y2, x2)] pixels.
        shape: (H, W) of the image, more values are ignored.

    Returns:
        [..., 4] float32; a box that covers the whole image becomes (0, 0, 1, 1).

    >>> normalize(np.array([[0, 0, 100, 50]]), (100, 50)).tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """
    return ((np.asarray(boxes) - _SHIFT) / _scale(shape)).astype(np.float32)


def denormalize(boxes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Convert normalized boxes to whole pixels; the inverse of `normalize`.

    Args:
        boxes: [..., (y1, x1, y2, x2)] normalized.
        shape: (H, W) of the image, more values are ignored.

    Returns:
        [..., 4] int32, rounded half to even.

    >>> denormalize(np.array([[0, 0, 1, 1]]), (100, 50)).tolist()
    [[0, 0, 100, 50]]
    """
    return np.around(np.asarray(boxes) * _scale(shape) + _SHIFT).astype(np.int32)


def clip(boxes: np.ndarray, window: ArrayLike) -> np.ndarray:
    """Clip boxes to a window.

    Args:
        boxes: [..., (y1, x1, y2, x2)].
        window: (y1, x1, y2, x2) in the same unit.

    Returns:
        [..., 4] in the boxes' dtype; a box outside the window collapses to zero area on its border.

    >>> clip(np.array([[-3, 2, 5, 99]]), (0, 0, 10, 10)).tolist()
    [[0, 2, 5, 10]]
    """
    boxes = np.asarray(boxes)
    y1, x1, y2, x2 = np.asarray(window, boxes.dtype)
    return np.clip(boxes, np.stack([y1, x1, y1, x1]), np.stack([y2, x2, y2, x2]))


def mirrored(boxes: np.ndarray, width: int) -> np.ndarray:
    """Return the boxes on an image seen in a mirror.

    Args:
        boxes: [N, (y1, x1, y2, x2)] pixels.
        width: of the image, in pixels.

    Returns:
        [N, 4] of the same dtype.

    >>> mirrored(np.array([[0, 1, 2, 4]]), 10).tolist()
    [[0, 6, 2, 9]]
    """
    y1, x1, y2, x2 = np.asarray(boxes).reshape(-1, 4).T
    return np.stack([y1, width - x2, y2, width - x1], axis=1).astype(np.asarray(boxes).dtype)


def from_masks(masks: np.ndarray) -> np.ndarray:
    """Return the tight box around each mask.

    Args:
        masks: [H, W, N] bool or numbers; what is not zero is mask.

    Returns:
        [N, (y1, x1, y2, x2)] int32 pixels; an empty mask gives (0, 0, 0, 0).

    Raises:
        ValueError: masks is not three-dimensional.

    >>> masks = np.zeros((5, 6, 2), bool)
    >>> masks[1:3, 2:6, 0] = True
    >>> from_masks(masks).tolist()
    [[1, 2, 3, 6], [0, 0, 0, 0]]
    """
    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise ValueError(f"masks must be [height, width, instances]; got an array of shape {masks.shape}.")
    result = np.zeros((masks.shape[-1], 4), np.int32)
    if not masks.size:
        return result
    # One mask after the other in memory: a reduction along rows of interleaved masks takes ten times as long.
    masks = np.ascontiguousarray(np.moveaxis(masks.astype(bool, copy=False), -1, 0))  # [N, H, W]
    for start, lines in ((0, masks.any(axis=2)), (1, masks.any(axis=1))):  # [N, H], [N, W]
        found = lines.any(axis=1)
        result[found, start] = lines.argmax(axis=1)[found]
        result[found, start + 2] = lines.shape[1] - lines[:, ::-1].argmax(axis=1)[found]
    return result


def non_max_suppression(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Keep the best box of each heap of overlapping boxes.

    Args:
        boxes: [N, (y1, x1, y2, x2)].
        scores: [N]; of equal scores the last comes first, as in the original.
        threshold: a box is dropped when its IoU with a kept one is greater than this.

    Returns:
        [kept] int32 indices, best first. Deviation: no boxes give no indices; the original fails.

    >>> heap = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [20, 20, 30, 30]])
    >>> non_max_suppression(heap, np.array([0.8, 0.9, 0.7]), 0.5).tolist()
    [1, 2]
    """
    boxes = np.asarray(boxes)
    boxes = boxes.reshape(-1, 4) if boxes.dtype.kind == "f" else boxes.reshape(-1, 4).astype(np.float32)
    areas = area(boxes)
    order = np.argsort(np.asarray(scores), kind="stable")[::-1]
    kept = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(best)
        overlaps = iou_with_one(boxes[best], boxes[order], areas[best], areas[order])
        order = order[overlaps <= threshold]
    return np.array(kept, np.int32)


def trim_zeros(rows: np.ndarray) -> np.ndarray:
    """Drop the rows that are zero throughout, as used for padding.

    Args:
        rows: [N, values].

    Returns:
        [kept, values] in the same dtype.

    Raises:
        ValueError: rows is not two-dimensional.

    >>> trim_zeros(np.array([[1, 2], [0, 0], [0, 3]])).tolist()
    [[1, 2], [0, 3]]
    """
    rows = np.asarray(rows)
    if rows.ndim != 2:
        raise ValueError(f"trim_zeros takes [rows, values]; got an array of shape {rows.shape}.")
    return rows[np.any(rows != 0, axis=1)]


def _floats(*arrays: np.ndarray) -> list[np.ndarray]:
    """Bring arrays to one float dtype: their own where they are floats, float64 for integers."""
    arrays = [np.asarray(array) for array in arrays]
    dtype = np.result_type(*arrays, np.float32)
    return [array.astype(dtype, copy=False) for array in arrays]


def _iou(boxes1, boxes2, areas1, areas2, undefined):
    """Return the IoU of boxes that broadcast against each other, in their own dtype."""
    heights = np.minimum(boxes1[..., 2], boxes2[..., 2]) - np.maximum(boxes1[..., 0], boxes2[..., 0])
    widths = np.minimum(boxes1[..., 3], boxes2[..., 3]) - np.maximum(boxes1[..., 1], boxes2[..., 1])
    intersection = np.maximum(heights, 0) * np.maximum(widths, 0)
    union = areas1 + areas2 - intersection
    return np.divide(intersection, union, out=np.full_like(union, undefined), where=union != 0)


def _centre_and_size(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split boxes into ([..., (y, x)], [..., (height, width)])."""
    size = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + 0.5 * size, size


def _scale(shape: Sequence[int]) -> np.ndarray:
    """Return the divisor of normalized units for an image of this shape."""
    height, width = shape[0], shape[1]
    return np.array([height - 1, width - 1, height - 1, width - 1])
