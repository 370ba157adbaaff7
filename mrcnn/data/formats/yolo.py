"""YOLO's segmentation labels: a text file a photo, a line an object, "class x y x y x y …" with x and y from 0 to 1.

The classes are named in a YAML file, such as data.yaml, or in a text file classes.txt, one a line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mrcnn.data.formats import parsed, photos, shapes
from mrcnn.data.formats.parsed import Instance, Parsed, Photo, Report

EXPECTED = "a folder with photos in images/ and their labels, under the same names, in labels/"
NAMES_IN = ("data.yaml", "dataset.yaml", "data.yml", "classes.txt", "labels.txt")


def read(
    path: str, report: Report, labels: str | os.PathLike | None = None, names: Sequence[str] | Mapping[int, str] | None = None
) -> Parsed:
    """Read a folder of photos.

    A photo without a label file, or with an empty one, is a photo without instances, as for YOLO. A line of four
    numbers is a box of YOLO's detection labels: it is counted and left out, because it says nothing of the mask.

    Args:
        path: folder with images/ and labels/ (perhaps with train/ and val/ in each: then give images/train), or the
            folder of the photos itself, whose path then has "labels" in place of its last "images".
        report: counts what is wrong.
        labels: folder of the label files, if elsewhere.
        names: of the classes from 0 on. None: from data.yaml or classes.txt in the folder or up to two above, or else
            "0", "1"….

    Raises:
        FileNotFoundError: a folder is missing, or holds nothing.
        ValueError: names can't be read.
    """
    if not os.path.isdir(path):
        raise FileNotFoundError(f"{path} is no folder: {EXPECTED} is expected.")
    folder = next((one for one in (os.path.join(path, "images"), path) if photos.within(one)), None)
    if folder is None:
        raise FileNotFoundError(f"{path} holds no photo: {EXPECTED} is expected. Of images/train and images/val give one.")
    labels = _beside(folder) if labels is None else os.fspath(labels)
    if not os.path.isdir(labels):
        raise FileNotFoundError(f"{labels} is no folder: {EXPECTED} is expected. Say where with labels=FOLDER.")
    found = []
    for photo in photos.within(folder):
        name = photos.stem(photo)
        file = os.path.join(labels, name + ".txt")
        try:
            size = photos.size(photo)
        except ValueError as error:
            report.unreadable.append(str(error))
            continue
        if not os.path.isfile(file):
            report.notes["photos have no label file and stay without instances"] += 1
        instances = _instances(file, size, report) if os.path.isfile(file) else []
        found.append(Photo(name, os.path.basename(photo), size, instances, file, photo))
    if not any(os.path.isfile(photo.file) for photo in found):
        raise FileNotFoundError(f"{labels} holds no label file with the name of a photo in {folder}. Say where with labels=FOLDER.")
    return Parsed(found, _labels(names, path, found), [])


def _beside(folder: str) -> str:
    """Return the folder of the label files: "labels" in place of the last "images" in the path."""
    parts = os.path.normpath(folder).split(os.sep)
    if "images" not in parts:
        return folder
    last = len(parts) - 1 - parts[::-1].index("images")
    return os.sep.join([*parts[:last], "labels", *parts[last + 1 :]])


def _instances(file: str, size: tuple[int, int], report: Report) -> list[Instance]:
    instances = []
    with open(file, encoding="utf-8-sig", errors="replace") as lines:  # Windows' editors begin a file with a mark
        for number, line in enumerate(lines, start=1):
            words, where = line.split(), f"line {number}"
            if not words:
                continue
            if len(words) == 5:
                report.unread["boxes without a mask"] += 1
                continue
            report.total += 1
            try:
                instances.append(Instance(_class(words[0]), _polygon(words[1:], size), where))
            except ValueError as error:
                report.bad(file, where, str(error))
    return instances


def _class(word: str) -> int:
    if not word.isascii() or not word.isdigit():
        raise ValueError(f"the number of a class comes first, counted from 0; got {word[:20]!r}")
    return int(word)


def _polygon(words: list[str], size: tuple[int, int]) -> shapes.Shape:
    try:
        shares = parsed.polygon([float(word) for word in words])
    except ValueError as error:
        raise ValueError(f"x and y of at least 3 points are expected after the class: {error}") from None
    if np.abs(shares).max() > 2:
        raise ValueError(f"x and y as shares of the photo's width and height, 0 to 1, are expected; got {np.abs(shares).max():g}")
    # Rounded so that what was 12.1 px before it became a share is so again: COCO's rule has a step there.
    return shapes.Polygons((np.round(shares * [size[1], size[0]], 9),))


def _labels(names: Sequence[str] | Mapping[int, str] | None, path: str, found: list[Photo]) -> dict[int, str]:
    """Return {number: name}, and note the lines of classes without a name."""
    used = {one.label for photo in found for one in photo.instances}
    if names is None:
        names = _names_in_files(path)
    if names is None:
        return {number: str(number) for number in sorted(used)}
    labels = dict(names) if isinstance(names, Mapping) else dict(enumerate(names))
    return {int(number): str(name) for number, name in labels.items()}


def _names_in_files(path: str) -> Any:
    """Return the names that a file in the folder or above says, or None."""
    folder = os.path.abspath(path)
    for _ in range(3):
        for name in NAMES_IN:
            file = os.path.join(folder, name)
            if os.path.isfile(file):
                return _names_in(file)
        folder = os.path.dirname(folder)
    return None


def _names_in(file: str) -> Any:
    with open(file, encoding="utf-8-sig") as text:
        if file.endswith(".txt"):
            return [line.strip() for line in text if line.strip()]
        try:
            import yaml
        except ImportError as error:
            raise ValueError(f"To read {file} run: pip install pyyaml. Or give the classes with names=[…].") from error
        try:
            names = (yaml.safe_load(text) or {}).get("names")
        except (yaml.YAMLError, AttributeError) as error:
            raise ValueError(f"{file} is no YAML with the classes as names: […] ({error}). Give them with names=[…].") from error
    if not isinstance(names, list | dict) or not names:
        raise ValueError(f"{file} has no names: a list, or {{0: name}}, is expected. Give them with names=[…].")
    return names
