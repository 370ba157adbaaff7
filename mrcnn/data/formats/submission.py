"""A submission CSV of Kaggle's competitions checked: ImageId, EncodedPixels [, ClassId], a line an object, no pixel in two of them.

iMaterialist Fashion 2019 and the Data Science Bowl 2018 both refuse a file in which masks of one image overlap, and both say so hours later.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from mrcnn.data.formats import photos
from mrcnn.ops import rle

COLUMNS = ("ImageId", "EncodedPixels")
CLASS = "ClassId"
SHOWN = 20  # faults that a message lists


class Fault(NamedTuple):
    """What is wrong: with a line of the file, counted from 1, the header included; or, line 0, with an image of which no line tells."""

    line: int
    image: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line} ({self.image}): {self.text}" if self.line else f"{self.image}: {self.text}"


class Checked(NamedTuple):
    """What a good file holds."""

    rows: int
    images: int


class _Runs(NamedTuple):
    """A line's pixels in their order, counted from 0: [R] starts and ends."""

    line: int
    starts: np.ndarray
    ends: np.ndarray


def check(
    path: str | os.PathLike, sizes: Mapping[str, tuple[int, int]], *, categories: Collection[int] | None = None,
    attributes: Collection[int] | None = None, allow_empty: bool = False, classes: bool = False,
) -> Checked:  # fmt: skip
    """Refuse a submission in which anything is wrong; see `faults` for the arguments.

    Raises:
        ValueError: the message names the first SHOWN lines at fault, and says how many there are.
        FileNotFoundError: there is no such file.
    """
    found = faults(path, sizes, categories=categories, attributes=attributes, allow_empty=allow_empty, classes=classes)
    if found:
        shown = "".join(f"\n  {fault}" for fault in found[:SHOWN])
        more = f"\n  … and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise ValueError(f"{os.fspath(path)} has {len(found)} fault{'s' if len(found) > 1 else ''}:{shown}{more}")
    images = [name for _, name, _, _ in _rows(os.fspath(path))]
    return Checked(len(images), len(set(images)))


def faults(
    path: str | os.PathLike, sizes: Mapping[str, tuple[int, int]], *, categories: Collection[int] | None = None,
    attributes: Collection[int] | None = None, allow_empty: bool = False, classes: bool = False,
) -> list[Fault]:  # fmt: skip
    """Return what is wrong with a submission: order, range, overlaps, classes, missing and unknown images. Masks are never decoded.

    Args:
        path: the CSV.
        sizes: {image name, with suffix or without: (height, width) in pixels} of all images that the file has to tell of.
        categories: the numbers that ClassId may begin with; None: any.
        attributes: the numbers that may follow ("6_12_44"); None: any.
        allow_empty: a line without pixels is right, as in the Data Science Bowl; otherwise an image without object needs some pixel.
        classes: the column ClassId has to be there, as iMaterialist wants it; otherwise a file may do without.

    Returns:
        By line.

    Raises:
        ValueError: it is no such file.
        FileNotFoundError: there is no such file.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     _ = file.write("ImageId,EncodedPixels,ClassId\\na,1 4 9 2,0\\na,4 3,31\\n")
    ...     file.flush()
    ...     [str(fault) for fault in faults(file.name, {"a.jpg": (4, 3)})]
    ['line 3 (a): shares 1 pixel with line 2, the first is number 4']
    """
    known = {photos.stem(name): size for name, size in sizes.items()} | dict(sizes)
    found: list[Fault] = []
    of_images: dict[str, list[_Runs]] = {}
    told = set()
    for line, name, text, class_id in _rows(os.fspath(path), classes):
        size = known.get(name) or known.get(photos.stem(name))
        if size is None:
            found.append(Fault(line, name, "there is no such image"))
            continue
        told.add(photos.stem(name))
        wrong = _class_fault(class_id, categories, attributes) if class_id is not None else None
        if wrong:
            found.append(Fault(line, name, wrong))
        if not text.strip():
            if not allow_empty:
                found.append(Fault(line, name, 'no pixels: an image in which nothing was found is written as "1 1"'))
            continue
        try:
            runs = _runs(line, text, size)
        except ValueError as error:
            found.append(Fault(line, name, str(error)))
        else:
            of_images.setdefault(photos.stem(name), []).append(runs)
    for name, lines in of_images.items():
        found += _overlaps(name, lines)
    missing = sorted({photos.stem(name) for name in sizes} - told)
    return sorted(found, key=lambda fault: fault.line) + [Fault(0, name, "no line tells of it; each image needs one") for name in missing]


def _rows(path: str, classes: bool = False) -> Iterator[tuple[int, str, str, str | None]]:
    """Return (line, image, runs, class or None) of each line."""
    csv.field_size_limit(2**31 - 1)  # of a large photo's runs
    with open(path, encoding="utf-8-sig", newline="") as file:  # spreadsheets put a mark before UTF-8
        reader = csv.DictReader(_text(file, path))
        header = reader.fieldnames or []
        if any(column not in header for column in (*COLUMNS, *[CLASS] * classes)):
            wanted = f"{','.join(COLUMNS)}{f',{CLASS}' if classes else f'[,{CLASS}]'}"
            raise ValueError(f"{path} begins with {','.join(header)[:80]!r}: {wanted} is expected as its first line.")
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"{path}, line {reader.line_num}: {len(header)} fields are expected, as in the first line.")
            yield reader.line_num, row[COLUMNS[0]], row[COLUMNS[1]], row.get(CLASS)


def _text(file: Iterable[str], path: str) -> Iterator[str]:
    """Return the lines of a file.

    Raises:
        ValueError: it is no text.
    """
    try:
        yield from file
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8, as a CSV is: {error}") from error


def _runs(line: int, text: str, size: tuple[int, int]) -> _Runs:
    """Read the runs of a line.

    Raises:
        ValueError: they are no pairs of whole numbers, not in their order, lie over each other or outside the image.
    """
    try:
        numbers = np.array(text.split(), np.int64)
    except (ValueError, OverflowError):
        numbers = np.zeros(1, np.int64)
    starts, ends = numbers[0::2] - 1, numbers[0::2] - 1
    if len(numbers) % 2 == 0:
        ends = starts + numbers[1::2]
    pixels = size[0] * size[1]
    if len(numbers) % 2 or (ends <= starts).any() or (starts < 0).any() or (ends > pixels).any():
        rle.to_coco(text, size)  # says what is wrong
    late = np.flatnonzero(starts[1:] < ends[:-1])
    if late.size:
        first = int(late[0])
        before, this = (f"{int(starts[i]) + 1} {int(ends[i] - starts[i])}" for i in (first, first + 1))
        raise ValueError(f'run {first + 2}, "{this}", begins before the one before it, "{before}", has ended: runs go up')
    return _Runs(line, starts, ends)


def _overlaps(name: str, lines: list[_Runs]) -> Iterator[Fault]:
    """Return a fault for each line that shares pixels with one before it."""
    starts, ends = (np.concatenate([getattr(one, part) for one in lines]) for part in ("starts", "ends"))
    order = np.argsort(starts, kind="stable")
    if not (starts[order][1:] < np.maximum.accumulate(ends[order])[:-1]).any():
        return
    for place, later in enumerate(lines):
        for earlier in lines[:place]:
            shared, first = _shared(earlier, later)
            if shared:
                pixels = "pixel" if shared == 1 else "pixels"
                yield Fault(later.line, name, f"shares {shared} {pixels} with line {earlier.line}, the first is number {first}")


def _shared(one: _Runs, other: _Runs) -> tuple[int, int]:
    """Return how many pixels two lines share, and the number of the first, from 1."""
    edges = np.concatenate([one.starts, other.starts, one.ends, other.ends])
    steps = np.repeat([1, -1], len(edges) // 2)
    order = np.lexsort((steps, edges))  # at one place ends before starts: runs that touch share nothing
    edges, depth = edges[order], np.cumsum(steps[order])
    twice = np.flatnonzero(depth[:-1] == 2)
    lengths = edges[twice + 1] - edges[twice]
    return int(lengths.sum()), int(edges[twice[0]]) + 1 if len(twice) else 0


def _class_fault(text: str, categories: Collection[int] | None, attributes: Collection[int] | None) -> str | None:
    if not re.fullmatch(r"\d+(_\d+)*", text.strip()):
        return f'ClassId is {text!r}: a category, "6", or a category and its attributes, "6_12_44", is expected'
    category, *others = (int(number) for number in text.split("_"))
    if categories is not None and category not in categories:
        return f"there is no category {category}"
    unknown = [one for one in others if attributes is not None and one not in attributes]
    if unknown:
        return f"there is no attribute {unknown[0]}"
    return f"ClassId {text!r} names an attribute twice" if len(set(others)) < len(others) else None
