"""Boundary IoU: the overlap of masks near their outlines only, which tells ragged from sharp masks of large objects.

The boundary of a mask is its pixels that are at most d pixels from the outline, d being 2 % of the image's diagonal; the
image's border counts as outline. For AP the smaller one of mask IoU and boundary IoU decides, as the authors' own code has
it; crowds keep the share of the detection inside them.

Source: Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR 2021, sections 4 and 6.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mrcnn.evaluation.collected import Encoding
from mrcnn.ops import rle, runs

RATIO = 0.02


def distance(height: int, width: int, ratio: float = RATIO) -> int:
    """Return d in whole pixels, at least one.

    >>> distance(480, 640)
    16
    """
    return max(1, round(ratio * float(np.hypot(height, width))))


def boundaries(encoded: Sequence[Encoding], ratio: float = RATIO) -> list[Encoding]:
    """Return the boundary of each mask, as a COCO encoding of the same size.

    Each mask is decoded in its own box, on one plane that all share.

    Args:
        encoded: COCO encodings of one size.
        ratio: d as a share of the image's diagonal.

    Example: of a 5 x 5 square all but the middle is at most 2 pixels from the outline.
        >>> square = np.zeros((60, 80), bool)
        >>> square[10:15, 20:25] = True
        >>> rle.area_coco(boundaries([rle.encode_coco(square)])).tolist()
        [24]
    """
    if not len(encoded):
        return []
    height, width = (int(side) for side in encoded[0]["size"])
    iterations, kernel = distance(height, width, ratio), np.ones((3, 3), np.uint8)
    plane, owners, edges = np.zeros((height, width), bool), [], []
    for i, (one, (y1, x1, y2, x2)) in enumerate(zip(encoded, rle.boxes_coco(encoded).tolist(), strict=True)):
        if not rle.paint_coco(one, plane):
            continue
        part = np.zeros((y2 - y1 + 2, x2 - x1 + 2), np.uint8)  # with a border of background: what is outside erodes
        part[1:-1, 1:-1] = plane[y1:y2, x1:x2]
        plane[y1:y2, x1:x2] = False
        rim = (part - cv2.erode(part, kernel, iterations=iterations))[:, 1:-1].T  # lying down, a pixel of background at both ends
        column, row = np.divmod(np.flatnonzero(rim[:, 1:] != rim[:, :-1]), y2 - y1 + 1)
        found = runs.odd((column + x1) * height + row + y1)
        owners.append(np.full(len(found), i))
        edges.append(found)
    nothing = np.zeros(0, np.int64)
    return runs.encode(np.concatenate([nothing, *owners]), np.concatenate([nothing, *edges]), len(encoded), (height, width))


def reduced(
    overlaps: np.ndarray, found: Sequence[Encoding], truth: Sequence[Encoding], crowd: np.ndarray, *, least: float = 0.0, ratio: float = RATIO
) -> np.ndarray:
    """Lower the overlaps of masks to those of their boundaries, where these are lower.

    Args:
        overlaps: [P, N] IoU of masks.
        found, truth: P and N encodings.
        crowd: [N] bool; those columns stay.
        least: Pairs below this overlap can't match anyway and stay as they are: most boundaries are never drawn.
        ratio: See `boundaries`.

    Returns:
        [P, N] float64.
    """
    overlaps, wanted = overlaps.copy(), (overlaps >= least) & ~crowd
    rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
    if len(rows):
        rims = boundaries([found[i] for i in rows], ratio), boundaries([truth[i] for i in columns], ratio)
        part = np.ix_(rows, columns)
        overlaps[part] = np.minimum(overlaps[part], rle.iou_coco(*rims))
    return overlaps
