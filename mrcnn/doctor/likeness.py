"""Which photos are the same, or nearly: other compression, another size, a shade brighter.

A photo's print is two things: 64 bits, the signs of its lowest frequencies (discrete cosine transform of 32 × 32 grey
pixels, against their median), which finds candidates among many; and 32 × 32 grey pixels, whose correlation decides.
Source of the first: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010, section 3.2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

SIDE, LOW = 32, 8
#: Bits that may differ in candidates.
MAX_BITS = 8
#: Correlation of the small pictures from which two photos are taken for the same.
SAME = 0.985
#: Standard deviation of the small picture below which it says nothing: an empty slide looks like any other.
FLAT = 4.0
_ROWS = 256


class Print(NamedTuple):
    """bits: uint64; small: [32, 32] float32 grey, mean 0 and length 1, all 0 for a photo without contrast."""

    bits: np.uint64
    small: np.ndarray


def of(image: np.ndarray) -> Print:
    """Take the print of a photo.

    Args:
        image: [H, W, C], any numbers.
    """
    plane = np.asarray(image[..., :3], np.float32).mean(axis=2) if image.shape[-1] > 1 else image[..., 0].astype(np.float32)
    small = cv2.resize(plane, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small)[:LOW, :LOW].ravel()
    signs = low > np.median(low[1:])  # the first is the brightness
    bits = np.packbits(signs).view(np.uint64)[0]
    spread = float(small.std())
    centred = small - small.mean()
    return Print(bits, centred / (spread * SIDE) if spread > FLAT else np.zeros_like(small))


def pairs(one: Sequence[Print], other: Sequence[Print]) -> list[tuple[int, int]]:
    """Return the places (i, j) of photos in two lists that look the same.

    Args:
        one: N prints.
        other: M prints.
    """
    found: list[tuple[int, int]] = []
    if not len(one) or not len(other):
        return found
    bits = np.array([each.bits for each in other], np.uint64)
    for start in range(0, len(one), _ROWS):
        rows = np.array([each.bits for each in one[start : start + _ROWS]], np.uint64)
        near = np.bitwise_count(rows[:, None] ^ bits[None]) <= MAX_BITS
        for i, j in np.argwhere(near):
            if float((one[start + i].small * other[j].small).sum()) >= SAME:
                found.append((start + int(i), int(j)))
    return found
