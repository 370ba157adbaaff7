"""Masks as polygons, for formats that know nothing else."""

from __future__ import annotations

import numpy as np


def outline(mask: np.ndarray) -> np.ndarray:
    """Draw one polygon around a mask, along the edges of its pixels.

    Rasterised again by COCO's rule (`shapes.decode`) it gives exactly the same pixels: parts and holes are reached over
    lines that are walked there and back, and so enclose nothing.

    Args:
        mask: [H, W] bool with at least one pixel.

    Returns:
        [P, (x, y)] float64 pixels.

    Raises:
        ValueError: the mask is empty.

    >>> outline(np.array([[0, 1, 1], [0, 1, 1]], bool)).tolist()
    [[1.0, 0.0], [3.0, 0.0], [3.0, 2.0], [1.0, 2.0]]
    """
    rings = _rings(np.asarray(mask, bool))
    if not rings:
        raise ValueError("An empty mask has no outline.")
    start = rings[0][:1]
    parts = [rings[0]]
    for ring in rings[1:]:
        parts += [start, ring, ring[:1]]
    return np.concatenate([*parts, start] if len(rings) > 1 else parts)


def _rings(mask: np.ndarray) -> list[np.ndarray]:
    """Follow the edges between mask and background: closed rings of corners, the mask to the right as one walks."""
    inside = np.pad(mask, 1)
    own = inside[1:-1, 1:-1]
    sides = (  # where the neighbour is background: from which corner of the pixel (x, y) to which
        (own & ~inside[:-2, 1:-1], (0, 0), (1, 0)),
        (own & ~inside[1:-1, 2:], (1, 0), (1, 1)),
        (own & ~inside[2:, 1:-1], (1, 1), (0, 1)),
        (own & ~inside[1:-1, :-2], (0, 1), (0, 0)),
    )
    onward: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for edges, (x0, y0), (x1, y1) in sides:
        for y, x in np.argwhere(edges).tolist():
            onward.setdefault((x + x0, y + y0), []).append((x + x1, y + y1))
    rings = []
    while onward:
        corner, ring = next(iter(onward)), []
        while corner in onward:
            ring.append(corner)
            ahead = onward[corner]
            following = ahead.pop()
            if not ahead:
                del onward[corner]
            corner = following
        rings.append(_corners(np.array(ring, np.float64)))
    return rings


def _corners(ring: np.ndarray) -> np.ndarray:
    """Leave out the points on straight stretches of a closed ring."""
    steps = np.roll(ring, -1, axis=0) - ring
    return ring[(steps != np.roll(steps, 1, axis=0)).any(axis=1)]
