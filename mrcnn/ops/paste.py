"""The masks of the mask head put on the image: as planes of pixels, or as COCO's run-length encodings without planes.

A mask is enlarged to its box bilinearly, as in `masks.resize_bilinear`, and cut at a threshold. Down one column of the
image the enlarged mask is a chain of straight lines between the rows of the small mask, so the threshold is crossed at
most once in each: some crossings a column are computed instead of every pixel, and both forms are written from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from mrcnn.ops import boxes as box_ops
from mrcnn.ops import runs

_CHUNK = 1 << 18  # knots looked at in one go: what fits into a core's cache
_WIDEST = 1 << 16  # pixels up to which the columns of a box are computed whole, whatever part of it is wanted
_EXACT = 1e-6  # a crossing nearer to a pixel than this share of a pixel is decided by the value of the pixel


class _Crossings(NamedTuple):
    """Where some masks begin and end down the columns of the image.

    Attributes:
        first, stop: the instances looked at, from first on, before stop.
        instance, column: [L] int64, of each column looked at; column x of the image.
        place: [X] int64, ascending: the column (of the L) of each crossing.
        row: [X] int64, ascending in a column: from this row of the image on the pixels are turned, down to the next
            crossing. The last one may be the row after the box's last, and several may fall on one row.
    """

    first: int
    stop: int
    instance: np.ndarray
    column: np.ndarray
    place: np.ndarray
    row: np.ndarray


def plane(mask: np.ndarray, box: np.ndarray, image_shape: Sequence[int], *, threshold: float = 0.5) -> np.ndarray:
    """Resize a mask of the mask head to its box and put it on an empty image.

    Args:
        mask: [M, M] float probabilities (any height and width will do).
        box: [(y1, x1, y2, x2)] whole pixels.
        image_shape: (H, W) of the image, more values are ignored.
        threshold: a pixel of at least this belongs to the mask; above 0.

    Returns:
        [H, W] bool. A box that reaches outside is cut, one without area gives an empty mask, and so does a mask with a
        value that is not finite. Deviation: the original fails there.

    >>> plane(np.ones((2, 2), np.float32), np.array([1, 1, 3, 9]), (3, 4)).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 1]]
    """
    return planes(np.asarray(mask)[None], np.asarray(box)[None], image_shape, threshold=threshold)[..., 0]


def planes(masks: np.ndarray, boxes: np.ndarray, image_shape: Sequence[int], *, threshold: float = 0.5) -> np.ndarray:
    """Paste several masks, each on its own plane; see `plane`.

    Args:
        masks: [N, M, M] float probabilities.
        boxes: [N, (y1, x1, y2, x2)] whole pixels.
        image_shape: (H, W) of the image, more values are ignored.
        threshold: a pixel of at least this belongs to the mask; above 0.

    Returns:
        [H, W, N] bool, laid out so that one instance's mask is contiguous in memory.

    >>> planes(np.ones((0, 28, 28)), np.zeros((0, 4)), (5, 6)).shape
    (5, 6, 0)
    """
    masks, boxes, windows = _arrays(masks, boxes, image_shape, threshold)
    height, width = int(image_shape[0]), int(image_shape[1])
    result = np.zeros((len(masks), height, width), np.uint8)
    for found in _crossings(masks, boxes, windows, threshold):
        above = (found.instance * width + found.column) * (height + 1)
        place, row = np.divmod(runs.odd(above[found.place] + found.row), height + 1)
        instance, column = np.divmod(place, width)
        kept = row < windows[instance, 2]  # what ends with the window has nothing below to end
        result[instance[kept], row[kept], column[kept]] = 1
        for i in range(found.first, found.stop):
            top, left, bottom, right = windows[i].tolist()
            _fill_down(result[i, top:bottom, left:right])
    return result.view(bool).transpose(1, 2, 0)


def coco_rles(
    masks: np.ndarray, boxes: np.ndarray, image_shape: Sequence[int], *, threshold: float = 0.5
) -> list[dict[str, Any]]:
    """Write several masks, put at their boxes, as COCO run-length encodings: `rle.encode_coco(planes(…))` without planes.

    Args:
        masks, boxes, image_shape, threshold: as for `planes`.

    Returns:
        N encodings {"size": [H, W], "counts": bytes}.

    >>> coco_rles(np.ones((1, 2, 2)), np.array([[1, 2, 3, 9]]), (3, 4))[0]["size"]
    [3, 4]
    """
    masks, boxes, windows = _arrays(masks, boxes, image_shape, threshold)
    height, width = int(image_shape[0]), int(image_shape[1])
    stride = height * width + 1  # a mask may end after the last pixel
    result: list[dict[str, Any]] = []
    for found in _crossings(masks, boxes, windows, threshold):
        above = (found.instance - found.first) * stride + found.column * height
        mask, edges = np.divmod(runs.odd(above[found.place] + found.row), stride)
        result += runs.encode(mask, edges, found.stop - found.first, (height, width))
    return result


def _arrays(
    masks: np.ndarray, boxes: np.ndarray, image_shape: Sequence[int], threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return masks [N, M, M] float32, boxes [N, 4] int64 and the boxes' part inside the image, windows [N, 4] int64."""
    if not threshold > 0:
        raise ValueError(f"threshold = {threshold}: a number above 0 is expected, since the surroundings of a mask are 0.")
    masks = np.array(masks, np.float32)  # [N, M, M]
    boxes = np.asarray(boxes, np.int64).reshape(-1, 4)
    if masks.ndim != 3 or len(masks) != len(boxes):
        raise ValueError(f"Masks [N, M, M] and boxes [N, 4] must agree in N; got shapes {masks.shape} and {boxes.shape}.")
    masks[~np.isfinite(masks).all(axis=(1, 2))] = 0
    # Interpolation at the border mixes with 0, but does not leave the range of the mask: all inside, all of it inside.
    masks[masks.min(axis=(1, 2), initial=np.inf) >= threshold] = 1e9 * threshold
    windows = box_ops.clip(boxes, (0, 0, *image_shape[:2])).astype(np.int64)
    windows[(windows[:, 2] <= windows[:, 0]) | (windows[:, 3] <= windows[:, 1])] = 0
    return masks, boxes, windows


def _crossings(
    masks: np.ndarray, boxes: np.ndarray, windows: np.ndarray, threshold: float
) -> Iterator[_Crossings]:
    """Find where the enlarged masks cross the threshold, some instances after the other."""
    size = masks.shape[1]
    widths = windows[:, 3] - windows[:, 1]
    chunk = np.cumsum(widths) * (size + 2) // _CHUNK  # number of the chunk that an instance falls in
    bounds = np.flatnonzero(np.diff(chunk, prepend=-1, append=-1))
    for first, stop in zip(bounds[:-1], bounds[1:], strict=True):
        own = slice(first, stop)
        instance = np.repeat(np.arange(first, stop), widths[own])  # [L]
        begins = np.cumsum(widths[own]) - widths[own]
        column = np.arange(len(instance)) - np.repeat(begins - windows[own, 1], widths[own])  # [L]
        knots = np.zeros((size + 2, len(instance)), np.float32)  # a column's values at the rows of the mask, 0 around
        for mask, box, window, begin in zip(masks[own], boxes[own], windows[own], begins, strict=True):
            if window[3] > window[1]:
                knots[1:-1, begin : begin + window[3] - window[1]] = _columns(mask, box, window)
        knots *= _border_share(column - boxes[instance, 1], boxes[instance, 3] - boxes[instance, 1], masks.shape[2])
        inside = knots >= np.float32(threshold)
        crossed = np.ascontiguousarray((inside[1:] != inside[:-1]).T)  # [L, size + 1]
        place, line = np.divmod(np.flatnonzero(crossed), size + 1)
        ends = knots[line, place].astype(np.float64), knots[line + 1, place].astype(np.float64)
        row = _rows(instance[place] - first, line, *ends, boxes[own], windows[own], size, threshold)
        yield _Crossings(first, stop, instance, column, place, row)


def _columns(mask: np.ndarray, box: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Enlarge a mask [h, w] along its rows only, to the columns of its box in the window, its border repeated: [h, columns]."""
    first, stop, width = int(window[1] - box[1]), int(window[3] - box[1]), int(box[3] - box[1])
    if width <= _WIDEST:
        return cv2.resize(mask, (width, len(mask)), interpolation=cv2.INTER_LINEAR)[:, first:stop]
    places = (np.arange(first, stop) + 0.5) * (mask.shape[1] / width) - 0.5  # hardly any of it is inside
    places = np.clip(places, 0, mask.shape[1] - 1)
    left = np.minimum(places.astype(np.int64), max(0, mask.shape[1] - 2))
    share = (places - left).astype(np.float32)
    return mask[:, left] * (1 - share) + mask[:, np.minimum(left + 1, mask.shape[1] - 1)] * share


def _border_share(column: np.ndarray, width: np.ndarray, size: int) -> np.ndarray:
    """Share of the mask, the rest is the 0 around it, in columns of boxes that are `width` wide; the mask has `size`."""
    place = (column + 0.5) * (size / width)
    share = np.minimum(np.minimum(place, size - place) + 0.5, 1)
    return np.where(width > size, share, 1).astype(np.float32)


def _rows(
    instance: np.ndarray, line: np.ndarray, above: np.ndarray, below: np.ndarray,
    boxes: np.ndarray, windows: np.ndarray, size: int, threshold: float,
) -> np.ndarray:  # fmt: skip
    """Find the first row on the new side of the threshold on lines between two knots.

    Row i of a box lies at ((2 i + 1) size - height) / (2 height), counted in rows of the mask; line j goes from j - 1 to
    j there, its end belonging to the next line.

    Args:
        instance: [X] which box.
        line: [X] 0…size.
        above, below: [X] float64, the values at the line's ends, on different sides of the threshold.
        boxes, windows: [N, 4].
        size: rows of the mask.
        threshold: as for `planes`.

    Returns:
        [X] int64, rows of the image, from a window's first to the one after its last.
    """
    limit = np.float32(threshold)
    threshold = (float(limit) + float(np.nextafter(limit, np.float32(0)))) / 2  # from here on a value rounds to the limit
    heights, tops = boxes[:, 2] - boxes[:, 0], boxes[:, :1]
    starts = tops - (size - (2 * np.arange(size + 2) - 1) * heights[:, None]) // (2 * size)  # first row of each line
    starts = np.clip(starts, windows[:, :1], windows[:, 2:3])  # [N, size + 2]
    height, slope = heights[instance], below - above
    crossing = (((threshold - above) / slope * 2 + (2 * line - 1)) * height - size) / (2 * size)
    nearest = np.rint(crossing)
    row = np.ceil(crossing)
    close = np.flatnonzero(np.abs(crossing - nearest) < _EXACT)
    if len(close):  # here the rounding of `crossing` decides; the pixel's value does instead
        share = ((2 * nearest[close] + 1) * size - (2 * line[close] - 1) * height[close]) / (2 * height[close])
        value = above[close] + share * slope[close]
        row[close] = nearest[close] + ((value >= threshold) != (below[close] >= threshold))
    row = row.astype(np.int64) + tops[instance, 0]
    place = instance * (size + 2) + line
    return np.minimum(np.maximum(row, starts.ravel()[place]), starts.ravel()[place + 1])


def _fill_down(turned: np.ndarray) -> None:
    """Turn all that is below each turned pixel, in place: [H, W] uint8."""
    rows = iter(turned)
    above = next(rows, None)
    for below in rows:  # a vector each: 4 times as fast as bitwise_xor.accumulate
        below ^= above
        above = below
