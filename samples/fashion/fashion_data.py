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

import os

import cv2
import numpy as np
import pandas

from mrcnn.data.formats import imaterialist
from mrcnn.data.formats.dataset import FormatDataset
from mrcnn.data.formats.imaterialist import decode_resized
from mrcnn.data.formats.parsed import Parsed, Report
from mrcnn.data.formats.shapes import PixelRuns
from mrcnn.ops import rle

SOURCE = "fashion"
SUBSETS = ("train", "val", "all")


class FashionDataset(FormatDataset):
    """Garments on photos: a class for each category of label_descriptions.json, which keeps the category's id as its source id.

    `image_info` and `attribute_names` are those of the library's reader, `mrcnn.data.formats.load("imaterialist", CSV)`.
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
        self.size = size
        held_back = subset != "all"
        subset = subset if held_back else "train"
        labels, attributes = imaterialist.read_descriptions(os.path.join(folder, imaterialist.DESCRIPTIONS))
        csv = _csv_of(folder, subset)
        report = Report(csv, strict=True)
        table = imaterialist.read_table(csv, list(labels), report)
        if held_back and csv.endswith("train.csv") and not os.path.isfile(os.path.join(folder, "val.csv")):
            table = _share(table, subset, val_share, seed, csv)
        folders = [os.path.join(folder, name) for name in dict.fromkeys((subset, "train", "test"))]
        photos = imaterialist.photos_of(table, csv, rle_from, report)
        self.fill(Parsed(photos, labels, folders, attributes), report, SOURCE)

    def load_image(self, image_id: int) -> np.ndarray:
        """Read a photo and resize it to the square: [size, size, 3] uint8 RGB.

        Raises:
            FileNotFoundError: the photo has gone.
            ValueError: it can't be read, or its size isn't the CSV's.
        """
        return resized(super().load_image(image_id), self.size)

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Decode the garments of a photo: masks [size, size, N] bool and class ids [N] int32.

        A garment too thin to show at this size is left out.

        Raises:
            ValueError: a run-length string is broken or leaves the photo; names file, line and ImageId.
        """
        try:
            return super().load_mask(image_id)
        except ValueError as error:
            raise ValueError(f"{error} See --rle-from.") from error

    def mask_size(self, info: dict) -> tuple[int, int]:
        """Return (height, width) of the masks: the square's."""
        return (self.size, self.size) if self.size else super().mask_size(info)

    def paint(self, shape: PixelRuns, info: dict, plane: np.ndarray, files: dict) -> bool:
        """Decode a garment at the square's size, and tell whether it is large enough to show."""
        plane[:] = decode_resized(shape.text, (info["height"], info["width"]), self.size, shape.first_pixel)
        return bool(plane.any())

    def encode(self, shape: PixelRuns, info: dict, files: dict) -> dict:
        """Return a garment as COCO run lengths, at the square's size."""
        plane = np.zeros(self.mask_size(info), bool)
        self.paint(shape, info, plane, files)
        return rle.encode_coco(plane)


def resized(photo: np.ndarray, size: int | None) -> np.ndarray:
    """Return a photo [H, W, 3] as a square [size, size, 3] uint8, its aspect not kept; None leaves it as it is."""
    if size is None or photo.shape[:2] == (size, size):
        return photo
    smaller = size < max(photo.shape[:2])
    return cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def _csv_of(folder: str, subset: str) -> str:
    """Return the CSV that holds a subset: its own, or train.csv, of which a share is held back."""
    for name in (f"{subset}.csv", "train.csv"):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise FileNotFoundError(
        f"{folder} holds no train.csv. It is expected there, with the columns {', '.join(imaterialist.COLUMNS)}."
    )


def _share(table: pandas.DataFrame, subset: str, val_share: float, seed: int, path: str) -> pandas.DataFrame:
    """Return the part of train.csv that a subset gets where there is no val.csv, by photo."""
    photos = sorted(set(table["ImageId"]))
    if len(photos) < 2:
        raise ValueError(f"{path} has one photo only: training and validation need one each. Add photos, or a val.csv.")
    held = min(max(1, round(val_share * len(photos))), len(photos) - 1)
    chosen = {photos[i] for i in np.random.default_rng(seed).permutation(len(photos))[:held]}
    return table[table["ImageId"].isin(chosen) == (subset == "val")]
