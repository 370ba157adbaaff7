"""Run-length encodings of a part of an image, a tile say, written as those of the whole, without planes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.ops import rle, runs


def move(encoded: dict[str, Any], offset: Sequence[int], shape: Sequence[int]) -> dict[str, Any]:
    """Put a mask of a part of an image where it belongs in the image.

    Args:
        encoded: one encoding, of the part.
        offset: (y, x) of the part's first pixel in the image; may be negative.
        shape: (H, W) of the image. What falls outside is cut off.

    Returns:
        One encoding of the image's size.

    Raises:
        ValueError: it lacks size or counts, or the counts don't fill the size.

    >>> move({"size": [2, 1], "counts": [0, 2]}, (1, 1), (3, 2))
    {'size': [3, 2], 'counts': b'42'}
    """
    height, width = int(shape[0]), int(shape[1])
    part_height = int(encoded["size"][0])
    ends = np.cumsum(rle.counts_coco(encoded))
    starts, stops = ends[0:-1:2], ends[1::2]
    starts, stops = starts[stops > starts], stops[stops > starts]
    first, last = starts // max(part_height, 1), (stops - 1) // max(part_height, 1)  # columns; a run may go on in the next one
    pieces = last - first + 1
    column = np.repeat(first, pieces) + np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    top = np.maximum(np.repeat(starts, pieces), column * part_height) - column * part_height
    bottom = np.minimum(np.repeat(stops, pieces), (column + 1) * part_height) - column * part_height
    column = column + int(offset[1])
    top, bottom = (np.clip(row + int(offset[0]), 0, height) for row in (top, bottom))
    inside = (column >= 0) & (column < width) & (bottom > top)
    edges = (column[inside, None] * height + np.stack([top, bottom], axis=1)[inside]).ravel()
    edges = runs.odd(edges)  # runs that touch become one
    return runs.encode(np.zeros(len(edges), np.int64), edges, 1, (height, width))[0]
