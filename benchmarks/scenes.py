"""The same photos, objects and rois for every contestant. NumPy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NUM_CLASSES = 81
OBJECTS = 8
#: Rois near objects that are handed to the samplers on both sides: more than enough positives for any quota.
NEAR = 480


def photo(seed: int, height: int, width: int) -> np.ndarray:
    """A smooth picture of random colours: [H, W, 3] uint8."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (32, 32, 3))
    rows = _between(coarse, height)  # [H, 32, 3]
    return _between(rows.swapaxes(0, 1), width).swapaxes(0, 1).astype(np.uint8)


def _between(values: np.ndarray, size: int) -> np.ndarray:
    """Linear interpolation along the first axis."""
    places = np.linspace(0, len(values) - 1, size)
    low = np.minimum(places.astype(int), len(values) - 2)
    share = (places - low)[:, None, None]
    return values[low] * (1 - share) + values[low + 1] * share


class Scene(NamedTuple):
    """A photo with objects: image [H, W, 3] uint8, boxes [N, (y1, x1, y2, x2)] int, class_ids [N] int, near [R, 4] float rois around them."""

    image: np.ndarray
    boxes: np.ndarray
    class_ids: np.ndarray
    near: np.ndarray


def scene(seed: int, size: int = 512, objects: int = OBJECTS) -> Scene:
    """A square photo with objects, sides from a twelfth to a third of it, and 480 rois near them, or one near each if they are more."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.68, (objects, 2)) * size
    boxes = np.concatenate([corner, corner + rng.uniform(0.08, 0.31, (objects, 2)) * size], axis=1).astype(int)
    near = np.repeat(boxes, max(1, NEAR // objects), axis=0)
    near = np.clip(near + rng.normal(0, size / 128, near.shape), 0, size - 1)
    return Scene(photo(seed, size, size), boxes, rng.integers(1, NUM_CLASSES, objects), near)


def masks(found: Scene) -> np.ndarray:
    """Ellipses that fill the boxes: [N, H, W] bool."""
    height, width = found.image.shape[:2]
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    planes = []
    for y1, x1, y2, x2 in found.boxes:
        planes.append(((2 * y - y1 - y2) / (y2 - y1)) ** 2 + ((2 * x - x1 - x2) / (x2 - x1)) ** 2 <= 1)
    return np.stack(planes)
