"""The CSV of Kaggle's iMaterialist Fashion written: a data set as train.csv, and detections as a submission."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import imaterialist, photos, writing
from mrcnn.data.formats.writing import Written
from mrcnn.ops import rle
from mrcnn.results import Detections

# Kaggle wants a line for every image. The competition's kernels write one pixel of a shoe for those without a detection.
NOTHING_FOUND = ("1 1", "23")


class Plane(NamedTuple):
    """An object to write: its class id (to count), its ClassId and its mask [H, W] bool."""

    class_id: int
    text: str
    mask: np.ndarray


def write(dataset: Dataset, path: str, overwrite: bool = False) -> Written:
    """Write a data set as CSV with label_descriptions.json beside it; an image without objects has a line without pixels.

    Crowds have no place in the format: they are counted and left out.

    Args:
        dataset: prepared.
        path: the .csv file.
        overwrite: replace the files.

    Raises:
        FileExistsError: one of the two files is there, and overwrite is False.
    """
    descriptions = os.path.join(os.path.dirname(os.path.abspath(path)), imaterialist.DESCRIPTIONS)
    for file in (path, descriptions):
        writing.refuse_existing(file, overwrite)
    categories = writing.category_numbers(dataset)
    counts: Counter[int] = Counter()
    left_out: Counter[str] = Counter()
    names = writing.file_names(dataset)
    with writing.whole_file(path, overwrite, newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(imaterialist.COLUMNS)
        for image_id, name in zip(dataset.image_ids.tolist(), names, strict=True):
            height, width = writing.size(dataset, image_id)
            written = 0
            for one in writing.objects(dataset, image_id, height, width, left_out):
                if one.crowd:
                    left_out["iMaterialist knows no crowds"] += 1
                    continue
                text = rle.encode(rle.decode_coco(one.encoded))
                lines.writerow([name, text, height, width, class_text(categories[one.class_id], one.attributes)])
                counts[one.class_id] += 1
                written += 1
            if not written:
                lines.writerow([name, "", height, width, next(iter(categories.values()))])
    described = [{"id": number, "name": dataset.class_info[class_id]["name"]} for class_id, number in categories.items()]
    meanings = getattr(dataset, "attribute_names", None) or {}
    with writing.whole_file(descriptions, overwrite) as file:
        attributes = [{"id": number, "name": name} for number, name in meanings.items()]
        json.dump({"categories": described, "attributes": attributes}, file, ensure_ascii=False, indent=1)
    return Written(len(names), counts, left_out).say(path)


def write_results(found: Mapping[int, Detections], dataset: Dataset, path: str, overwrite: bool = False) -> Written:
    """Write detections as a submission: ImageId (without suffix), EncodedPixels (from 1), ClassId; no pixel twice.

    Where masks overlap, the smaller one keeps the pixels, as in the competition's kernels. An image without a detection
    gets the line `NOTHING_FOUND`. Detections that tell attributes get these into ClassId, "6_12_44": ids in rising order,
    from each one's `attribute_min_confidence` on.

    Args:
        found: {image id in the data set: detections}; ClassId is the source's own id of a class.
        dataset: prepared.
        path: the .csv file.
        overwrite: replace the file.

    Raises:
        FileExistsError: it is there, and overwrite is False.
        ValueError: an image id is not the data set's, or it names another number of attributes than the detections tell.
    """
    meanings = list(getattr(dataset, "attribute_names", None) or {})
    categories = writing.category_numbers(dataset)
    named = ((photos.stem(str(dataset._info(image_id)["id"])), _planes(one, categories, meanings)) for image_id, one in found.items())
    return write_submission(named, path, overwrite)


def _planes(detections: Detections, categories: Mapping[int, int], meanings: Sequence[int]) -> Iterator[Plane]:
    encoded, told = detections.rles, detections.attributes_above(None if detections.attributes is None else meanings)
    for number in np.argsort(detections.areas, kind="stable").tolist():
        class_id = int(detections["class_ids"][number])
        yield Plane(class_id, class_text(categories[class_id], sorted(told[number])), rle.decode_coco(encoded[number]))


def write_submission(found: Iterable[tuple[str, Iterable[Plane]]], path: str, overwrite: bool = False) -> Written:
    """Write masks as a submission, image by image and one plane at a time: those of a whole test set need not be in memory together.

    Args:
        found: for each image its ImageId, and its objects; a pixel belongs to the first one that has it, so begin with the smallest.
        path: the .csv file.
        overwrite: replace the file.

    Raises:
        FileExistsError: it is there, and overwrite is False.
    """
    counts: Counter[int] = Counter()
    left_out: Counter[str] = Counter()
    images = 0
    with writing.whole_file(path, overwrite, newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("ImageId", "EncodedPixels", "ClassId"))
        for name, planes in found:
            images += 1
            taken, written = None, 0
            for plane in planes:
                taken = np.zeros(plane.mask.shape, bool) if taken is None else taken
                mask = plane.mask & ~taken
                taken |= mask
                if mask.any():
                    lines.writerow([name, rle.encode(mask), plane.text])
                    counts[plane.class_id] += 1
                    written += 1
                else:
                    left_out["smaller ones lie over all of their pixels"] += 1
            if not written:
                lines.writerow([name, *NOTHING_FOUND])
    return Written(images, counts, left_out).say(path)


def class_text(category: int, attributes: Iterable[int] = ()) -> str:
    """Return a ClassId.

    >>> class_text(6), class_text(6, (12, 44))
    ('6', '6_12_44')
    """
    return "_".join(map(str, (category, *attributes)))
