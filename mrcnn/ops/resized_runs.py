"""Run lengths decoded at another size: what the input pipeline makes of the masks of a large photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.ops import masks as mask_ops
from mrcnn.ops import rle


def decode(
    encoded: Sequence[dict[str, Any]],
    shape: Sequence[int],
    scale: float,
    padding: Sequence[Sequence[int]],
    crop: Sequence[int] | None = None,
) -> np.ndarray:
    """Do what `masks.resize_mask` does with decoded masks, without ever holding a plane of the original size.

    Args:
        encoded: N COCO encodings.
        shape: (H, W) that they have.
        scale, padding, crop: as `masks.resize_mask`.

    Returns:
        [height, width, N] bool, pixel for pixel `resize_mask(rle.decode_coco(encoded), …)`; in memory one mask lies after
        the other.

    Raises:
        ValueError: an encoding lacks size or counts, its size isn't shape, or the counts don't fill it.

    >>> decode([{"size": [2, 2], "counts": [1, 2, 1]}], (2, 2), 2, [(0, 0)] * 3)[..., 0].astype(int).tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]
    """
    height, width = int(shape[0]), int(shape[1])
    rows, columns = (mask_ops.nearest(n, scale) if scale != 1 else np.arange(n) for n in (height, width))
    top, left, bottom, right = (int(padding[axis][side]) for side in (0, 1) for axis in (0, 1))
    if crop is not None:
        y, x, crop_height, crop_width = crop
        rows, columns = rows[y : y + crop_height], columns[x : x + crop_width]
        top = left = bottom = right = 0
    planes = np.zeros((len(encoded), top + len(rows) + bottom, left + len(columns) + right), bool)
    for plane, one in zip(planes, encoded, strict=True):
        counts = rle.counts_coco(one)
        if tuple(int(n) for n in one["size"]) != (height, width):
            raise ValueError(f"A COCO mask of {tuple(one['size'])} pixels does not fit an image of {(height, width)}.")
        draw(plane[top : top + len(rows), left : left + len(columns)], np.cumsum(counts), rows, columns, height)
    return np.moveaxis(planes, 0, -1)


def draw(plane: np.ndarray, bounds: np.ndarray, rows: np.ndarray, columns: np.ndarray, height: int) -> None:
    """Set what a mask has at some rows and columns of its image, looking only where it is.

    Args:
        plane: [R, C] bool of False.
        bounds: [E] int64, ascending: where runs begin and end in turns, pixel (y, x) being number x * height + y.
        rows: [R] of the image, ascending but for -1 at the end, which stays empty.
        columns: [C] likewise.
        height: of the image.

    >>> plane = np.zeros((2, 1), bool)
    >>> draw(plane, np.array([1, 2]), np.arange(2), np.array([0]), 2), plane.tolist()
    (None, [[False], [True]])
    """
    starts, stops = bounds[0:-1:2], bounds[1::2]
    starts, stops = starts[stops > starts], stops[stops > starts]
    if not len(starts):
        return
    first, last = starts % height, (stops - 1) % height
    one_column = (starts // height == (stops - 1) // height).all()  # else a run goes on in the next column: all rows
    lowest, highest = (first.min(), last.max()) if one_column else (0, height - 1)
    wanted_rows = np.flatnonzero((rows >= lowest) & (rows <= highest))
    wanted_columns = np.flatnonzero((columns >= starts[0] // height) & (columns <= (stops[-1] - 1) // height))
    if not (len(wanted_rows) and len(wanted_columns)):
        return
    pixels = (columns[wanted_columns, None] * height + rows[None, wanted_rows]).ravel()  # ascending
    inside = np.searchsorted(bounds, pixels, side="right") % 2 == 1
    place = np.s_[wanted_rows[0] : wanted_rows[-1] + 1, wanted_columns[0] : wanted_columns[-1] + 1]
    plane[place] = inside.reshape(len(wanted_columns), len(wanted_rows)).T
