"""The photos of a data set: their files in folders, and their size from the files' headers."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mrcnn.data import reading

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp")


def within(folder: str) -> list[str]:
    """Return the paths of the image files in a folder, sorted; none where it isn't there."""
    if not os.path.isdir(folder):
        return []
    return sorted(entry.path for entry in os.scandir(folder) if entry.is_file() and entry.name.lower().endswith(SUFFIXES))


def stem(path: str) -> str:
    """Return the name of a file without folder and suffix.

    >>> stem("photos/a.b.jpg")
    'a.b'
    """
    return os.path.splitext(os.path.basename(path))[0]


def find(name: str, folders: Sequence[str]) -> str | None:
    """Return the path of a photo in the first folder that has it, under its name with folders or without.

    A name without the suffix of an image is also looked for with one.
    """
    names = list(dict.fromkeys((name, os.path.basename(name))))
    if not name.lower().endswith(SUFFIXES):
        names += [one + suffix for one in names for suffix in SUFFIXES]
    paths = (os.path.join(folder, one) for folder in folders for one in names)
    return next((path for path in paths if os.path.isfile(path)), None)


def size(path: str) -> tuple[int, int]:
    """Return (height, width) of an image file as `reading.read` turns it, from its header where that will do.

    Raises:
        ValueError, FileNotFoundError: as `reading.read`.
    """
    try:
        return reading.header(path).shape
    except ValueError:  # OpenCV may know the file, or say what is wrong with it
        height, width = reading.read(path).shape[:2]
        return height, width


def on_its_side(path: str) -> bool:
    """Tell whether the EXIF tag of an image file turns it by a quarter, so that height and width change places."""
    try:
        return reading.header(path).turned
    except (ValueError, OSError):  # no image, or one that only OpenCV knows
        return False
