"""Masks as the numbers of the pixels where they begin and end down the columns, and these written as COCO's run lengths
and read from them.

Pixel (y, x) of an image H high has number x * H + y. NumPy over all masks at once: what pycocotools has for this takes
Python lists, one mask at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
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


def counts(text: bytes) -> np.ndarray:
    """Return the counts [C] int64 that a compressed text holds; what is cut short at its end is left out.

    A text holds each count in groups of five bits, the lowest first, as characters from "0" on; bit 5 says that more
    follow, and from the fourth count on the difference to the count before the last is stored.

    >>> counts(b"121").tolist()
    [1, 2, 1]
    """
    groups = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    last = np.flatnonzero((groups & 32) == 0)
    if not len(last):
        return np.zeros(0, np.int64)
    first = np.concatenate([[0], last[:-1] + 1])
    groups = groups[: last[-1] + 1]
    place = np.arange(len(groups)) - np.repeat(first, last - first + 1)
    shift = np.minimum(5 * place, 55)  # a text that is no encoding may hold longer values
    values = np.add.reduceat((groups & 31) << shift, first)
    values -= ((groups[last] & 16) << 1) << shift[last]  # the sign bit of the last group
    for start in (1, 2):
        values[start::2] = np.cumsum(values[start::2])
    return values


def paint(counts: np.ndarray, plane: np.ndarray) -> bool:
    """Set a plane to True where a mask is, and touch nothing outside its box.

    Args:
        counts: [C] int64 run lengths down the columns, beginning with background; they fill the plane.
        plane: [H, W] bool.

    Returns:
        Whether the mask has any pixel.

    >>> plane = np.zeros((2, 3), bool)
    >>> paint(np.array([1, 2, 3]), plane), plane.astype(int).tolist()
    (True, [[0, 1, 0], [1, 0, 0]])
    """
    height = plane.shape[0]
    ends = np.cumsum(counts)
    starts, stops = ends[0:-1:2], ends[1::2]
    starts, stops = starts[stops > starts], stops[stops > starts]
    if not len(starts):
        return False
    (left, top), (right, bottom) = np.divmod(starts, height), np.divmod(stops - 1, height)
    x1, x2 = int(left[0]), int(right[-1]) + 1
    y1, y2 = (int(top.min()), int(bottom.max()) + 1) if (left == right).all() else (0, height)
    bounds = np.stack([starts, stops], axis=1).ravel() - x1 * height
    lengths = np.diff(bounds, prepend=0, append=(x2 - x1) * height)
    strip = np.repeat((np.arange(len(lengths)) % 2).astype(np.uint8), lengths).reshape(x2 - x1, height)  # lying down
    plane[y1:y2, x1:x2] |= cv2.transpose(strip[:, y1:y2]).view(bool)
    return True


def _texts(counts: np.ndarray, lengths: np.ndarray) -> list[bytes]:
    """Write the counts of several masks as compressed texts, see `counts` for their form.

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
