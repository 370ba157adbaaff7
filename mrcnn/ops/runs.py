"""Masks as the numbers of the pixels where they begin and end down the columns, and these written as COCO's run lengths.

Pixel (y, x) of an image H high has number x * H + y. NumPy over all masks at once: what pycocotools has for this takes
Python lists, one mask at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def encode(mask: np.ndarray, edges: np.ndarray, num_masks: int, shape: Sequence[int]) -> list[dict[str, Any]]:
    """Write masks, given by where they begin and end down the columns, as COCO run-length encodings.

    Args:
        mask: [E] int64, ascending: the mask that an edge belongs to.
        edges: [E] int64, ascending in each mask: the first pixel of a run, the first one after it, and so on, pixel
            (y, x) being number x * H + y. A run up to the last pixel ends with H * W.
        num_masks: N; those without an edge are empty.
        shape: (H, W) of the image.

    Returns:
        N encodings {"size": [H, W], "counts": bytes}, those of pycocotools.

    >>> encode(np.array([0, 0]), np.array([1, 3]), 1, (2, 2))
    [{'size': [2, 2], 'counts': b'121'}]
    """
    height, width = int(shape[0]), int(shape[1])
    pixels = height * width
    if (edges == pixels).any():  # the end of the text says so
        mask, edges = mask[edges < pixels], edges[edges < pixels]
    lengths = np.bincount(mask, minlength=num_masks) + 1  # a mask has one run more than edges
    stops = np.full(len(edges) + num_masks, pixels)
    stops[np.arange(len(edges)) + mask] = edges
    counts = np.diff(stops, prepend=0)
    first = np.cumsum(lengths) - lengths
    counts[first] = stops[first]
    return [{"size": [height, width], "counts": text} for text in _texts(counts, lengths)]


def odd(numbers: np.ndarray) -> np.ndarray:
    """Return the values that occur an odd number of times in an ascending array, once each: turned twice is not turned.

    >>> odd(np.array([1, 2, 2, 5, 5, 5])).tolist()
    [1, 5]
    """
    begins = np.flatnonzero(np.diff(numbers, prepend=-1))
    if len(begins) == len(numbers):
        return numbers
    return numbers[begins[np.diff(begins, append=len(numbers)) % 2 == 1]]


def _texts(counts: np.ndarray, lengths: np.ndarray) -> list[bytes]:
    """Write the counts of several masks as compressed texts, see `rle.decode_coco` for their form.

    pycocotools would take each mask's counts as a list of Python numbers, which is slower than all the rest.

    Args:
        counts: [C] int64, mask after mask.
        lengths: [N] how many counts each mask has, at least one.
    """
    stops = np.cumsum(lengths)
    values = counts.copy()
    values[2:] -= counts[:-2]
    starts = stops - lengths
    for place in range(3):  # the first three are written as they are
        own = starts[lengths > place] + place
        values[own] = counts[own]
    groups = np.ones(len(values), np.int64)  # characters of each value: five bits each, with the sign
    longer, bits = np.flatnonzero((values < -16) | (values > 15)), 4
    while len(longer):
        groups[longer] += 1
        bits += 5
        longer = longer[(values[longer] < -(1 << bits)) | (values[longer] >= 1 << bits)]
    ends = np.cumsum(groups)
    text = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    text[ends - groups] = 48 + (values & 31) + 32 * (groups > 1)
    longer, done = np.flatnonzero(groups > 1), 1
    while len(longer):
        more = groups[longer] > done + 1
        text[ends[longer] - groups[longer] + done] = 48 + (values[longer] >> 5 * done & 31) + 32 * more
        longer, done = longer[more], done + 1
    data = text.tobytes()
    bounds = np.concatenate([[0], ends])[np.concatenate([[0], stops])].tolist()
    return [data[start:stop] for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]
