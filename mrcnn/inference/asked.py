"""The objects that detection is asked to explain: boxes or clicked points of a photo, and which boxes of the network are theirs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mrcnn.ops import boxes

#: IoU from which on a box covers an object: as in evaluation, and what makes a roi positive in training.
COVERS = 0.5

_EXPECTED = "boxes [N, (y1, x1, y2, x2)] or points [N, (y, x)] in pixels"


class Objects(NamedTuple):
    """What to look for on one photo: `places` [N, 4] boxes or [N, 2] points, float64 pixels; `class_ids` [N] int, or None where they are not said."""

    places: np.ndarray
    class_ids: np.ndarray | None

    @property
    def are_boxes(self) -> bool:
        return self.places.shape[1] == 4

    def overlaps(self, found: np.ndarray) -> np.ndarray:
        """Return [B, N] IoU of boxes [B, 4] with each object; of a point 1 for the boxes that hold it, else 0."""
        if self.are_boxes:
            return boxes.iou(found.astype(np.float64), self.places)
        found, y, x = found[:, None], self.places[None, :, 0] + 0.5, self.places[None, :, 1] + 0.5  # a pixel's centre
        return ((found[..., 0] < y) & (y < found[..., 2]) & (found[..., 1] < x) & (x < found[..., 3])).astype(np.float64)

    def own(self, overlaps: np.ndarray) -> np.ndarray:
        """Return [B, N] bool: which boxes cover an object, and no other one more. Points don't compete."""
        covering = overlaps >= COVERS
        return covering & (overlaps >= overlaps.max(axis=1, keepdims=True, initial=0) - 1e-9) if self.are_boxes else covering

    def allowed(self, class_ids: np.ndarray) -> np.ndarray:
        """Return [B, N] bool: whether a box of this class may show the object; any class but background where its class is not said."""
        wanted = np.asarray(class_ids)[:, None]
        return np.repeat(wanted > 0, len(self.places), axis=1) if self.class_ids is None else wanted == self.class_ids[None]


def read_objects(objects: Any, image_shapes: Sequence[Sequence[int]], num_classes: int) -> list[Objects]:
    """Read what `detect(objects=…)` got.

    Args:
        objects: For each photo None, boxes [N, 4], points [N, 2], or a tuple (boxes or points, class ids [N]), pixels of the photo. Class ids of
            crowds, below 0, are taken as those of objects. None: nothing is asked for.
        image_shapes: (H, W, …) of each photo.
        num_classes: K, background included.

    Raises:
        ValueError: they are something else; the message says which photo's.
    """
    if objects is None:
        return [Objects(np.zeros((0, 4)), None) for _ in image_shapes]
    plain = not isinstance(objects, (np.ndarray, str, dict)) and hasattr(objects, "__len__")
    if not plain or len(objects) != len(image_shapes):
        got = type(objects).__name__ + (f" of {len(objects)}" if plain or isinstance(objects, np.ndarray) and objects.ndim else "")
        raise ValueError(f"objects must be a list with one entry for each of the {len(image_shapes)} photos; got {got}. For one photo: [boxes].")
    return [_read(item, i, shape[:2], num_classes) for i, (item, shape) in enumerate(zip(objects, image_shapes, strict=True))]


def _read(item: Any, number: int, image_shape: Sequence[int], num_classes: int) -> Objects:
    if item is None:
        return Objects(np.zeros((0, 4)), None)
    where = f"objects of photo {number}"
    try:
        places, class_ids = item if isinstance(item, tuple) and len(item) == 2 and np.ndim(item[0]) != 1 else (item, None)
        places = np.asarray(places, np.float64)
    except (TypeError, ValueError, OverflowError) as error:  # what is no number, or lists of several lengths
        raise ValueError(f"{where}: {_EXPECTED} are expected, all numbers and all of one kind; got {_shown(item)}") from error
    places = places.reshape(0, 4) if places.size == 0 else places
    if places.ndim != 2 or places.shape[1] not in (2, 4):
        raise ValueError(f"{where}: {_EXPECTED} are expected; got {_shown(item)}. One of them is a list of one: [(y, x)].")
    if not np.isfinite(places).all():
        raise ValueError(f"{where}: {_EXPECTED} are expected; got {places[~np.isfinite(places).all(axis=1)][0].tolist()}")
    height, width = image_shape
    low, high = places[:, :2], places[:, -2:]
    outside = (high < 0).any(axis=1) | (low[:, 0] >= height) | (low[:, 1] >= width)
    flat = (places[:, -2:] <= places[:, :2]).any(axis=1) if places.shape[1] == 4 else np.zeros(len(places), bool)
    for bad, what in ((flat, "has no area"), (outside, f"is outside of the photo, {height} x {width} pixels")):
        if bad.any():
            raise ValueError(f"{where}: {places[bad][0].tolist()} {what}; (y1, x1, y2, x2) or (y, x) are expected, in pixels")
    if class_ids is not None:
        class_ids = _class_ids(class_ids, len(places), num_classes, where)
    return Objects(places, class_ids)


def _class_ids(given: Any, count: int, num_classes: int, where: str) -> np.ndarray:
    try:
        numbers = np.abs(np.asarray(given, np.float64))
    except (TypeError, ValueError, OverflowError):
        numbers = np.zeros(0) if count else np.full(1, np.nan)  # refused below
    if numbers.shape != (count,) or not ((numbers >= 1) & (numbers < num_classes) & (numbers % 1 == 0)).all():
        raise ValueError(f"{where}: {count} class ids from 1 to {num_classes - 1} are expected, whole numbers; got {_shown(given)}")
    return numbers.astype(np.int64)


def _shown(given: Any) -> str:
    """Return what came, cut where it is long."""
    text = repr(given.tolist() if isinstance(given, np.ndarray) else given)
    return text if len(text) <= 200 else text[:200] + "…"
