"""FashionDataset: photos and garment masks in the form of Kaggle's iMaterialist Fashion 2019.

    DATASET/
      label_descriptions.json      categories (and attributes) with id and name
      train.csv  [val.csv]         ImageId, EncodedPixels, Height, Width, ClassId: one line a garment
      train/  [val/]  [test/]      photos

ImageId is a file name with or without .jpg. ClassId is a category, "6", or a category and its attributes, "6_12_44".
EncodedPixels is "start length start length …" down the columns, counted from 1 (some kernels: from 0). Without val.csv a
share of the training photos, drawn by a seed, is held back.

Photo and masks are resized here to one square, as IMAGE_RESIZE_MODE = "none" wants it and as the first users did: the
aspect is NOT kept. Masks stay run-length strings until they are asked for, and are decoded at the square's size.
"""

import json
import logging
import os
from typing import Any

import cv2
import numpy as np
import pandas

from mrcnn.data import images
from mrcnn.data.dataset import Dataset
from mrcnn.ops import rle

logger = logging.getLogger(__name__)

SOURCE = "fashion"
COLUMNS = ("ImageId", "EncodedPixels", "Height", "Width", "ClassId")
PHOTO_SUFFIXES = ("", ".jpg", ".jpeg", ".png")
SUBSETS = ("train", "val", "all")


class FashionDataset(Dataset):
    """Garments on photos: a class for each category of label_descriptions.json, which keeps the category's id as its source id.

    `image_info` of a photo holds, besides the usual: height, width, and `garments`, a list of dicts with category (id),
    attributes (tuple of ids), rle and line (of the CSV).
    """

    def load(
        self,
        folder: str,
        subset: str,
        size: int | None,
        rle_from: int = 1,
        val_share: float = 0.1,
        seed: int = 0,
    ) -> None:
        """Read a subset; then call prepare().

        Args:
            folder: the data set's folder, see above.
            subset: "train", "val", or "all": every photo of train.csv, nothing held back.
            size: side in pixels of the square that photos and masks are resized to; None leaves them as they are.
            rle_from: number of the first pixel, 1 or 0.
            val_share: share of the photos held back for "val" where there is no val.csv.
            seed: decides which.

        Raises:
            FileNotFoundError: folder, CSV, label_descriptions.json or every photo is missing.
            ValueError: what is read can't be used; the message names file, line and remedy.
        """
        if subset not in SUBSETS:
            raise ValueError(f"subset {subset!r}: one of {', '.join(SUBSETS)} is expected.")
        if not os.path.isdir(folder):
            raise FileNotFoundError(
                f"Data set folder not found: {folder}. Give --dataset the folder that holds train.csv."
            )
        self.folder, self.size, self.rle_from = folder, size, rle_from
        held_back = subset != "all"
        subset = subset if held_back else "train"
        self._read_categories(os.path.join(folder, "label_descriptions.json"))
        self.csv = _csv_of(folder, subset)
        table = _checked_table(self.csv, self.category_ids)
        if held_back and self.csv.endswith("train.csv") and not os.path.isfile(os.path.join(folder, "val.csv")):
            table = _share(table, subset, val_share, seed, self.csv)
        self._add_photos(table, subset)

    def _read_categories(self, path: str) -> None:
        """Add the classes that label_descriptions.json lists."""
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f"{path} is missing: it lists the categories, {{'categories': [{{'id': 0, 'name': …}}]}}."
            )
        try:
            with open(path, encoding="utf-8") as file:
                described = json.load(file)
            categories = [(int(entry["id"]), str(entry["name"])) for entry in described["categories"]]
            self.attribute_names = {int(entry["id"]): str(entry["name"]) for entry in described.get("attributes") or []}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} does not list categories as {{'id': 0, 'name': …}}: {error!r}.") from error
        if not categories:
            raise ValueError(f"{path} lists no category: there is nothing to learn.")
        self.category_ids = [category for category, _ in categories]
        for category, name in categories:
            self.add_class(SOURCE, category, name)

    def _add_photos(self, table: pandas.DataFrame, subset: str) -> None:
        """Add a photo for each ImageId of the table."""
        folders = [os.path.join(self.folder, name) for name in dict.fromkeys((subset, "train", "test"))]
        photos, missing = _photos(folders), []
        for image_id, (height, width, garments) in _by_photo(table, self.csv).items():
            path = next((photos[image_id + suffix] for suffix in PHOTO_SUFFIXES if image_id + suffix in photos), None)
            if path is None:
                missing.append(image_id)
            else:
                self.add_image(SOURCE, image_id=image_id, path=path, height=height, width=width, garments=garments)
        if missing and not self.image_info:
            raise FileNotFoundError(
                f"None of the {len(missing)} photos of {self.csv} (such as {missing[0]}) is in {', '.join(folders)}."
            )
        if missing:
            logger.warning(
                "%s: %d photos are missing and left out: %s …", self.csv, len(missing), ", ".join(missing[:3])
            )

    def load_image(self, image_id: int) -> np.ndarray:
        """Read a photo and resize it to the square: [size, size, 3] uint8 RGB.

        Raises:
            FileNotFoundError: the photo has gone.
            ValueError: it can't be read, or its size isn't the CSV's.
        """
        info = self.image_info[image_id]
        photo = images.read(info["path"])
        if photo.shape[:2] != (info["height"], info["width"]):
            raise ValueError(
                f"{info['path']} is {photo.shape[0]} px high and {photo.shape[1]} wide, but {self.csv} says Height "
                f"{info['height']}, Width {info['width']}: the masks would not fit. Replace the photo or correct the lines."
            )
        return resized(photo, self.size)

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Decode the garments of a photo: masks [size, size, N] bool and class ids [N] int32.

        A garment too thin to show at this size is left out.

        Raises:
            ValueError: a run-length string is broken or leaves the photo; names file, line and ImageId.
        """
        info = self.image_info[image_id]
        shape = (info["height"], info["width"])
        masks, class_ids = [], []
        for garment in info["garments"]:
            try:
                mask = decode_resized(garment["rle"], shape, self.size, self.rle_from)
            except ValueError as error:
                raise ValueError(
                    f"{self.csv}, line {garment['line']}, ImageId {info['id']}: {error} See --rle-from."
                ) from error
            if mask.any():
                masks.append(mask)
                class_ids.append(self.map_source_class_id(f"{SOURCE}.{garment['category']}"))
        sides = (self.size, self.size) if self.size else shape
        stacked = np.stack(masks, axis=-1) if masks else np.zeros((*sides, 0), bool)
        return stacked, np.array(class_ids, np.int32)

    def image_class_ids(self, image_id: int) -> np.ndarray:
        """Return the class of each garment that the CSV names, without decoding one: [N] int32."""
        garments = self.image_info[image_id]["garments"]
        ids = [self.map_source_class_id(f"{SOURCE}.{garment['category']}") for garment in garments]
        return np.array(ids, np.int32)

    def image_reference(self, image_id: int) -> str:
        """Return the photo's path."""
        return self.image_info[image_id]["path"]


def resized(photo: np.ndarray, size: int | None) -> np.ndarray:
    """Return a photo [H, W, 3] as a square [size, size, 3] uint8, its aspect not kept; None leaves it as it is."""
    if size is None or photo.shape[:2] == (size, size):
        return photo
    smaller = size < max(photo.shape[:2])
    return cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def decode_resized(text: str, shape: tuple[int, int], size: int | None, rle_from: int = 1) -> np.ndarray:
    """Read a run-length string as a mask of a square, without ever holding the photo's full plane.

    Args:
        text: "start length start length …".
        shape: (height, width) of the photo.
        size: side of the square; None for the photo's own size.
        rle_from: number of the first pixel, 1 or 0.

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
        return rle.decode(text, shape, first_pixel=rle_from)
    try:
        numbers = np.array(text.split(), np.int64)
    except (ValueError, OverflowError, AttributeError):
        numbers = np.zeros(1, np.int64)
    starts, lengths = numbers[0::2] - rle_from, numbers[1::2]
    if len(numbers) % 2 or not _fit(starts, lengths, height * width):
        return rle.decode(text, shape, first_pixel=rle_from)  # says what is wrong, or reads runs that are not in order
    centres = (2 * np.arange(size) + 1) / (2 * size)
    rows, columns = (centres * height).astype(np.int64), (centres * width).astype(np.int64)
    pixels = columns[None, :] * height + rows[:, None]  # [size, size]
    run = np.searchsorted(starts, pixels, side="right") - 1
    return (run >= 0) & (pixels < (starts + lengths)[np.maximum(run, 0)]) if len(starts) else pixels < 0


def _fit(starts: np.ndarray, lengths: np.ndarray, pixels: int) -> bool:
    """Tell whether runs are in order, apart from each other, and inside the photo."""
    ends = starts + lengths
    inside = not len(starts) or (starts[0] >= 0 and ends[-1] <= pixels)
    return bool(inside and (lengths > 0).all() and (ends[:-1] <= starts[1:]).all())


def _csv_of(folder: str, subset: str) -> str:
    """Return the CSV that holds a subset: its own, or train.csv, of which a share is held back."""
    for name in (f"{subset}.csv", "train.csv"):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise FileNotFoundError(
        f"{folder} holds no train.csv. It is expected there, with the columns {', '.join(COLUMNS)}."
    )


def _checked_table(path: str, category_ids: list[int]) -> pandas.DataFrame:
    """Read a CSV and refuse what can't be used; the row with index i is line i + 2 of the file."""
    try:
        table = pandas.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} can't be read as a CSV: {error}") from error
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise ValueError(
            f"{path} has no column {', '.join(missing)}. Found: {', '.join(table.columns)}. Expected: {', '.join(COLUMNS)}."
        )
    table = table[table["ImageId"] != ""].copy()
    if not len(table):
        raise ValueError(f"{path} has no line but its header: there is nothing to train on.")
    for column in ("Height", "Width"):
        sides = pandas.to_numeric(table[column], errors="coerce")
        _refuse_rows(path, table, column, ~((sides >= 1) & (sides % 1 == 0)), "a whole number of pixels is expected")
        table[column] = sides.astype(int)
    parts = table["ClassId"].str.fullmatch(r"\d+(_\d+)*")
    _refuse_rows(path, table, "ClassId", ~parts, 'a category such as 6, or with attributes "6_12_44", is expected')
    known = table["ClassId"].str.split("_").str[0].astype(int).isin(category_ids)
    span = f"{min(category_ids)}…{max(category_ids)}"
    _refuse_rows(
        path, table, "ClassId", ~known, f"label_descriptions.json knows {len(category_ids)} categories, {span}"
    )
    _check_instances(path, table)
    return table


def _check_instances(path: str, table: pandas.DataFrame) -> None:
    table["EncodedPixels"] = table["EncodedPixels"].str.strip()
    empty = int((table["EncodedPixels"] == "").sum())
    if empty == len(table):
        raise ValueError(
            f"{path}: EncodedPixels is empty in all {empty} lines: without any instance there is nothing to learn."
        )
    if empty:
        logger.warning("%s: %d of %d lines have no EncodedPixels and count as no garment.", path, empty, len(table))


def _refuse_rows(path: str, table: pandas.DataFrame, column: str, bad: pandas.Series, expected: str) -> None:
    """Raise for the first bad row of a column."""
    if bad.any():
        index = bad.index[bad][0]
        row = table.loc[index]
        raise ValueError(
            f"{path}, line {index + 2}, ImageId {row['ImageId']}: {column} is {row[column]!r}; {expected}."
        )


def _share(table: pandas.DataFrame, subset: str, val_share: float, seed: int, path: str) -> pandas.DataFrame:
    """Return the part of train.csv that a subset gets where there is no val.csv, by photo."""
    photos = sorted(set(table["ImageId"]))
    if len(photos) < 2:
        raise ValueError(f"{path} has one photo only: training and validation need one each. Add photos, or a val.csv.")
    held = min(max(1, round(val_share * len(photos))), len(photos) - 1)
    chosen = {photos[i] for i in np.random.default_rng(seed).permutation(len(photos))[:held]}
    return table[table["ImageId"].isin(chosen) == (subset == "val")]


def _photos(folders: list[str]) -> dict[str, str]:
    """Return {file name: path} of the files in the folders, the first folder winning."""
    found: dict[str, str] = {}
    for folder in reversed(folders):
        if os.path.isdir(folder):
            found.update({entry.name: entry.path for entry in os.scandir(folder) if entry.is_file()})
    return found


def _by_photo(table: pandas.DataFrame, path: str) -> dict[str, tuple[int, int, list[dict[str, Any]]]]:
    """Return {ImageId: (height, width, garments)} in the order of the ids."""
    found: dict[str, tuple[int, int, list[dict[str, Any]]]] = {}
    columns = (table[name] for name in ("ImageId", "EncodedPixels", "Height", "Width", "ClassId"))
    for index, image_id, text, height, width, class_id in zip(table.index, *columns, strict=True):
        sides = (int(height), int(width))
        photo = found.setdefault(image_id, (*sides, []))
        if photo[:2] != sides:
            raise ValueError(
                f"{path}, line {index + 2}, ImageId {image_id}: Height and Width are {sides}, but {photo[:2]} in a line before."
            )
        if text:
            category, *attributes = (int(part) for part in class_id.split("_"))
            photo[2].append({"category": category, "attributes": tuple(attributes), "rle": text, "line": index + 2})
    return dict(sorted(found.items()))
