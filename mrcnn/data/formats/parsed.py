"""What the reader of a format hands on: photos with their instances, as the files say it, and a count of what they say wrong."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from mrcnn.data.formats import shapes
from mrcnn.ops import rle

logger = logging.getLogger(__name__)

EXAMPLES = 3  # of what is wrong, that a line in the log names


class Instance(NamedTuple):
    """An object on a photo.

    Attributes:
        label: the source's own id of its class.
        shape: its mask, not decoded.
        entry: where the file has it, such as "annotation 17".
        crowd: it stands for several objects, and its class id is negative in `load_mask`.
        attributes: ids of what else is said of it.
    """

    label: Any
    shape: shapes.Shape
    entry: str
    crowd: bool = False
    attributes: tuple[int, ...] = ()


class Photo(NamedTuple):
    """What a file says of an image.

    Attributes:
        id: the source's own id.
        name: file name, perhaps with folders, as the file has it.
        size: (height, width) or None where the file doesn't say.
        instances: list of its objects.
        file: the file that says so.
        path: of the image, where the reader knows; None: it is looked for by its name.
    """

    id: Any
    name: str
    size: tuple[int, int] | None
    instances: list[Instance]
    file: str
    path: str | None = None


class Parsed(NamedTuple):
    """All that a source's files say.

    Attributes:
        photos: in the source's order.
        labels: {label: name} where the source lists its classes; None where they are what its instances say.
        folders: where to look for images, best first.
        attributes: {id: name} of what instances' attributes mean.
    """

    photos: list[Photo]
    labels: dict[Any, str] | None
    folders: list[str]
    attributes: dict[int, str] = {}


class Report:
    """Counts what a reader leaves out or changes, and says it in one line each.

    Attributes:
        total: annotations seen.
        broken: annotations that can't be used, as "ENTRY: what is wrong".
        clipped: annotations that reach outside their image, of which the part inside stays.
        outside: those that lie outside altogether, left out.
        unread: {what: count} of entries that are no masks, such as points.
        notes: {what is so: count} of anything else.
        other_classes: {name: count} of instances whose class was not asked for.
        absent: names of classes that were asked for and that the source doesn't have.
        missing: names of images that are not there.
        unreadable: images whose file can't be read.
    """

    def __init__(self, path: str, strict: bool = False) -> None:
        """Start counting.

        Args:
            path: the source, for messages.
            strict: the first broken annotation is an error.
        """
        self.path, self.strict = path, strict
        self.total = 0
        self.broken: list[str] = []
        self.clipped: list[str] = []
        self.outside: list[str] = []
        self.unread: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.other_classes: Counter[str] = Counter()
        self.absent: list[str] = []
        self.missing: list[str] = []
        self.unreadable: list[str] = []

    def bad(self, file: str, entry: str, reason: str) -> None:
        """Note a broken annotation.

        Raises:
            ValueError: the report is strict.
        """
        if self.strict:
            raise ValueError(f"{file}, {entry}: {reason}")
        self.broken.append(f"{self.where(file, entry)}: {reason.rstrip('.')}")

    def where(self, file: str, entry: str) -> str:
        """Name an entry, and its file if that isn't the source itself."""
        return entry if file == self.path else f"{os.path.relpath(file, self.path) if os.path.isdir(self.path) else file}, {entry}"

    def say(self) -> None:
        """Write a line in the log for each kind of thing found.

        Raises:
            ValueError: every annotation is broken.
        """
        if self.broken and len(self.broken) == self.total:
            raise ValueError(f"{self.path}: none of {self.total} annotations can be used. {_some(self.broken)}")
        if self.broken:
            count = f"{len(self.broken)} of {self.total} annotations can't be used and are left out"
            logger.warning("%s: %s: %s", self.path, count, _some(self.broken))
        if self.outside:
            count = f"{len(self.outside)} of {self.total} annotations lie outside their image and are left out"
            logger.warning("%s: %s: %s", self.path, count, _some(self.outside))
        if self.clipped:
            count = f"{len(self.clipped)} of {self.total} annotations reach outside their image and are clipped"
            logger.info("%s: %s: %s", self.path, count, _some(self.clipped))
        if self.missing:
            logger.warning("%s: %d photos are missing and left out: %s", self.path, len(self.missing), _some(self.missing, ", "))
        if self.unreadable:
            logger.warning("%s: %d photos can't be read and are left out: %s", self.path, len(self.unreadable), _some(self.unreadable))
        for what, count in sorted(self.unread.items()):
            logger.warning("%s: %d entries are %s, which are not read.", self.path, count, what)
        for what, count in sorted(self.notes.items()):
            logger.warning("%s: %d %s.", self.path, count, what)
        if self.absent:
            logger.warning("%s has no class %s, which was asked for.", self.path, ", ".join(map(repr, self.absent)))
        if self.other_classes:
            named = ", ".join(f"{name} ({count})" for name, count in self.other_classes.most_common())
            level = logging.WARNING if self.other_classes.total() + len(self.broken) >= self.total else logging.INFO  # all of them
            logger.log(level, "%s: instances of classes not asked for are left out: %s.", self.path, named)


def read_json(path: str, expected: str) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        expected: what it should be, for messages.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, or holds no JSON.
    """
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder: {expected} is expected.")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path} is not there: {expected} is expected.")
    try:
        with open(path, "rb") as file:  # json knows UTF-8, 16 and 32 by their first bytes, marked or not
            return json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}): {expected} is expected. Export it again.") from error


def image_size(height: Any, width: Any) -> tuple[int, int]:
    """Return (height, width) as whole numbers.

    Raises:
        ValueError: they are none, less than 1, or more than an image can have here (2³¹ pixels).

    >>> image_size(480.0, 640)
    (480, 640)
    """
    sides = (height, width)
    numbers = all(isinstance(side, int | float) and not isinstance(side, bool) and abs(side) < 2**31 for side in sides)
    if not numbers or any(side != int(side) or side < 1 for side in sides) or int(height) * int(width) >= 2**31:
        raise ValueError(f"height and width of an image, from 1 pixel on, are expected; got {height!r} and {width!r}")
    return int(height), int(width)


def polygon(points: Any) -> np.ndarray:
    """Return points as [P, (x, y)] float64.

    Args:
        points: [[x, y], …] or [x, y, x, y, …].

    Raises:
        ValueError: no polygon.

    >>> polygon([0, 0, 4, 0, 4, 3]).tolist()
    [[0.0, 0.0], [4.0, 0.0], [4.0, 3.0]]
    """
    try:
        array = np.array(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"a polygon of numbers x, y is expected; got {str(points)[:60]}") from None
    if array.ndim == 1 and array.size % 2:
        raise ValueError(f"a polygon has x and y for each point; got {array.size} numbers")
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != 2):
        raise ValueError(f"a polygon of points (x, y) is expected; got an array of shape {array.shape}")
    array = array.reshape(-1, 2)
    if len(array) < 3:
        raise ValueError(f"a polygon has at least 3 points; got {len(array)}")
    if not np.isfinite(array).all():
        raise ValueError("a polygon of finite numbers is expected; got nan or infinity")
    return array


def rectangle(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    """Return the corners of a box given by two of them: [4, (x, y)] float64.

    Raises:
        ValueError: it has no area, or a corner is not finite.

    >>> rectangle(5, 0, 1, 2).tolist()
    [[1.0, 0.0], [5.0, 0.0], [5.0, 2.0], [1.0, 2.0]]
    """
    (x1, x2), (y1, y2) = sorted((float(x1), float(x2))), sorted((float(y1), float(y2)))
    if not (x1 < x2 and y1 < y2):  # also where one is nan
        raise ValueError(f"a box with an area is expected; got x {x1:g}…{x2:g}, y {y1:g}…{y2:g}")
    return polygon([x1, y1, x2, y1, x2, y2, x1, y2])


def ellipse(x: float, y: float, radius_x: float, radius_y: float, angle: float = 0.0) -> np.ndarray:
    """Return the outline of an ellipse as a polygon that is within a tenth of a pixel of it.

    Args:
        x: of the centre, as y.
        y: of the centre.
        radius_x: half axis along x before it is turned, pixels.
        radius_y: half axis along y.
        angle: radians, from x towards y.

    Returns:
        [P, (x, y)] float64.

    Raises:
        ValueError: it has no area, or a number is not finite.

    >>> ellipse(0, 0, 10, 10).shape
    (23, 2)
    """
    x, y, radius_x, radius_y, angle = (float(number) for number in (x, y, radius_x, radius_y, angle))
    if not (0 < radius_x <= 1e6 and 0 < radius_y <= 1e6 and np.isfinite([x, y, angle]).all()):
        values = f"radii {radius_x:g} and {radius_y:g}, centre {x:g}, {y:g}, turned by {angle:g}"
        raise ValueError(f"an ellipse or circle with an area, of finite numbers, is expected; got {values}")
    # A chord of a circle stays within r (1 - cos(pi / n)) of it.
    large = max(radius_x, radius_y, 1.0)
    count = max(12, int(np.ceil(np.pi / np.arccos(1 - 0.1 / large))))
    turn = np.arange(count) * (2 * np.pi / count)
    along, across = radius_x * np.cos(turn), radius_y * np.sin(turn)
    points = np.stack([x + along * np.cos(angle) - across * np.sin(angle), y + along * np.sin(angle) + across * np.cos(angle)], axis=1)
    return polygon(points)


def united(first: Instance, second: Instance, size: tuple[int, int] | None) -> Instance:
    """Return one object of two: the first, with the pixels of both.

    Args:
        first: an instance.
        second: another of the same image.
        size: (height, width) of the image; may be None where both are polygons.
    """
    if isinstance(first.shape, shapes.Polygons) and isinstance(second.shape, shapes.Polygons):
        return first._replace(shape=shapes.Polygons(first.shape.parts + second.shape.parts))
    encoded = [shapes.encode(one.shape, *size) for one in (first, second)]
    return first._replace(shape=shapes.CocoRuns(rle.merge_coco(encoded)))


def _some(texts: list[str], separator: str = "; ") -> str:
    return separator.join(texts[:EXAMPLES]) + (" …" if len(texts) > EXAMPLES else ".")
