"""The CSV of Kaggle's iMaterialist Fashion 2019 and 2020: a line an object, masks as run lengths, classes with attributes.

    FOLDER/label_descriptions.json    {"categories": [{"id": 0, "name": …}], "attributes": [{"id": 0, "name": …}]}
    FOLDER/train.csv                  ImageId, EncodedPixels, Height, Width, ClassId [, AttributesIds]
    FOLDER/train/                     photos

ImageId is a file name with or without .jpg. ClassId is a category, "6", or a category and its attributes, "6_12_44"; in
2020 the attributes have a column of their own, "12,44". EncodedPixels is "start length start length …" down the columns,
counted from 1 (some kernels: from 0).
"""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.data.formats import parsed, photos, shapes
from mrcnn.data.formats.parsed import Instance, Parsed, Photo, Report
from mrcnn.ops import resized_runs, rle

if TYPE_CHECKING:
    import pandas

logger = logging.getLogger(__name__)

COLUMNS = ("ImageId", "EncodedPixels", "Height", "Width", "ClassId")
ATTRIBUTES = "AttributesIds"
DESCRIPTIONS = "label_descriptions.json"


def read(path: str, report: Report, first_pixel: int = 1, descriptions: str | os.PathLike | None = None) -> Parsed:
    """Read a CSV. Run lengths are looked at when a mask is decoded.

    Args:
        path: the .csv file, with its photos in a folder of its name, in train/ or test/, or beside it.
        report: counts what is wrong.
        first_pixel: number of the first pixel, 1 or 0.
        descriptions: label_descriptions.json, if it isn't beside the CSV.

    Raises:
        FileNotFoundError: the CSV or label_descriptions.json is missing.
        ValueError: it can't be read, lacks a column, or holds no instance; first_pixel is neither 0 nor 1.
    """
    if first_pixel not in (0, 1):
        raise ValueError(f"imaterialist: first_pixel is {first_pixel!r}; the first pixel has number 1 (as Kaggle says) or 0.")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path} is not there: a CSV with the columns {', '.join(COLUMNS)} is expected.")
    folder = os.path.dirname(os.path.abspath(path))
    labels, attributes = read_descriptions(os.path.join(folder, DESCRIPTIONS) if descriptions is None else os.fspath(descriptions))
    found = photos_of(read_table(path, list(labels), report), path, first_pixel, report)
    names = dict.fromkeys((photos.stem(path), "train", "test"))
    return Parsed(found, labels, [*(os.path.join(folder, name) for name in names), folder], attributes)


def read_descriptions(path: str) -> tuple[dict[int, str], dict[int, str]]:
    """Read label_descriptions.json: {id: name} of the categories and of the attributes.

    Raises:
        FileNotFoundError: it isn't there.
        ValueError: it lists no categories.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path} is missing: it lists the categories, {{'categories': [{{'id': 0, 'name': …}}]}}.")
    try:
        described = parsed.read_json(path, "a list of categories")
        labels = {int(entry["id"]): str(entry["name"]) for entry in described["categories"]}
        attributes = {int(entry["id"]): str(entry["name"]) for entry in described.get("attributes") or []}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} does not list categories as {{'id': 0, 'name': …}}: {error!r}.") from error
    if not labels:
        raise ValueError(f"{path} lists no category: there is nothing to learn.")
    return labels, attributes


def read_table(path: str, categories: list[int], report: Report) -> pandas.DataFrame:
    """Read a CSV and leave out, and count, the lines that can't be used.

    Args:
        path: the .csv file.
        categories: ids that ClassId may begin with.
        report: counts; a strict one makes the first such line an error.

    Returns:
        The usable lines, those without EncodedPixels included; the row with index i is line i + 2 of the file.

    Raises:
        ValueError: it is no such CSV, or holds nothing.
    """
    import pandas  # takes a third of a second, which other formats don't need

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)  # a first line with more values than there are columns
            table = pandas.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False)
    except (pandas.errors.ParserError, pandas.errors.ParserWarning, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} can't be read as a CSV: {error}") from error
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise ValueError(
            f"{path} has no column {', '.join(missing)}. Found: {', '.join(table.columns)}. Expected: {', '.join(COLUMNS)}."
        )
    table = table[table["ImageId"] != ""].copy()
    if not len(table):
        raise ValueError(f"{path} has no line but its header: there is nothing to train on.")
    report.total += len(table)
    for column in ("Height", "Width"):
        sides = pandas.to_numeric(table[column], errors="coerce")
        table = _without(path, table, column, ~((sides >= 1) & (sides <= 1e5) & (sides % 1 == 0)), "a whole number of pixels is expected", report)
        table[column] = table[column].astype(float).astype(int)
    parts = table["ClassId"].str.fullmatch(r"\d{1,9}(_\d{1,9})*").astype(bool)
    table = _without(path, table, "ClassId", ~parts, 'a category such as 6, or with attributes "6_12_44", is expected', report)
    known = table["ClassId"].str.split("_").str[0].astype(int).isin(categories)
    span = f"{DESCRIPTIONS} knows {len(categories)} categories, {min(categories)}…{max(categories)}"
    table = _without(path, table, "ClassId", ~known, span, report)
    if ATTRIBUTES in table.columns:
        listed = table[ATTRIBUTES].str.fullmatch(r"(\d{1,9}(,\d{1,9})*)?").astype(bool)
        table = _without(path, table, ATTRIBUTES, ~listed, 'ids of attributes, "12,44", are expected', report)
    return _with_pixels(path, table)


def _without(path: str, table: pandas.DataFrame, column: str, bad: pandas.Series, expected: str, report: Report) -> pandas.DataFrame:
    """Leave out the bad rows of a column."""
    for index in bad.index[bad]:
        row = table.loc[index]
        report.bad(path, f"line {index + 2}, ImageId {row['ImageId']}", f"{column} is {row[column]!r}; {expected}.")
    return table[~bad].copy()


def _with_pixels(path: str, table: pandas.DataFrame) -> pandas.DataFrame:
    table["EncodedPixels"] = table["EncodedPixels"].str.strip()
    empty = int((table["EncodedPixels"] == "").sum())
    if empty and empty == len(table):
        raise ValueError(f"{path}: EncodedPixels is empty in all {empty} lines: without any instance there is nothing to learn.")
    if empty:
        logger.warning("%s: %d of %d lines have no EncodedPixels and count as no garment.", path, empty, len(table))
    return table


def photos_of(table: pandas.DataFrame, path: str, first_pixel: int, report: Report) -> list[Photo]:
    """Gather the lines of `read_table` by ImageId, in the order of the ids.

    Args:
        table: usable lines.
        path: their file, for messages.
        first_pixel: number of the first pixel, 1 or 0.
        report: counts lines whose Height and Width are not those of the photo's first line.
    """
    found: dict[str, Photo] = {}
    attributes = table[ATTRIBUTES] if ATTRIBUTES in table.columns else [""] * len(table)
    columns = (table[name] for name in COLUMNS)
    for index, image_id, text, height, width, class_id, more in zip(table.index, *columns, attributes, strict=True):
        size, where = (int(height), int(width)), f"line {index + 2}, ImageId {image_id}"
        photo = found.setdefault(image_id, Photo(image_id, image_id, size, [], path))
        if photo.size != size:
            report.bad(path, where, f"Height and Width are {size}, but {photo.size} in a line before.")
        elif text:
            category, *rest = (int(part) for part in class_id.split("_"))
            rest += [int(part) for part in more.split(",") if part]
            photo.instances.append(Instance(category, shapes.PixelRuns(text, first_pixel), where, attributes=tuple(rest)))
    return [photo for _, photo in sorted(found.items())]


def decode_resized(text: str, shape: tuple[int, int], size: int | None, first_pixel: int = 1) -> np.ndarray:
    """Read a run-length string as a mask of a square, without ever holding the photo's full plane.

    Args:
        text: "start length start length …".
        shape: (height, width) of the photo.
        size: side of the square; None for the photo's own size.
        first_pixel: number of the first pixel, 1 or 0.

    Returns:
        [size, size] bool: the mask at the photo's pixels nearest to the square's pixel centres.

    Raises:
        ValueError: as `mrcnn.ops.rle.decode`.

    >>> decode_resized("1 2 6 1", (3, 2), None).astype(int).tolist()
    [[1, 0], [1, 0], [0, 1]]
    >>> decode_resized("9 8", (4, 4), 2).astype(int).tolist()
    [[0, 1], [0, 1]]
    """
    height, width = shape
    if size is None or (height, width) == (size, size):
        return rle.decode(text, shape, first_pixel=first_pixel)
    centres = (2 * np.arange(size) + 1) / (2 * size)
    rows, columns = (centres * height).astype(np.int64), (centres * width).astype(np.int64)
    try:
        numbers = np.array(text.split(), np.int64)
    except (ValueError, OverflowError, AttributeError):
        numbers = np.zeros(1, np.int64)
    starts, lengths = numbers[0::2] - first_pixel, numbers[1::2]
    if len(numbers) % 2 or not _fit(starts, lengths, height * width):
        # says what is wrong, or reads runs that are not in order
        return rle.decode(text, shape, first_pixel=first_pixel)[np.ix_(rows, columns)]
    plane = np.zeros((size, size), bool)
    resized_runs.draw(plane, np.stack([starts, starts + lengths], axis=1).ravel(), rows, columns, height)
    return plane


def _fit(starts: np.ndarray, lengths: np.ndarray, pixels: int) -> bool:
    """Tell whether runs are in order, apart from each other, and inside the photo."""
    ends = starts + lengths
    inside = not len(starts) or (starts[0] >= 0 and ends[-1] <= pixels)
    return bool(inside and (lengths > 0).all() and (ends[:-1] <= starts[1:]).all())
