"""What all writers need: the objects of any data set as shapes, its numbers in other programs' terms, whole files or none."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import numpy as np

from mrcnn import files
from mrcnn.data import attributes, samples
from mrcnn.data.dataset import Dataset, rles_of
from mrcnn.data.formats import photos, shapes
from mrcnn.ops import rle

logger = logging.getLogger(__name__)


class Written(NamedTuple):
    """What a writer wrote.

    Attributes:
        images: how many.
        counts: {class id: instances}, crowds included.
        left_out: {why: count}.
    """

    images: int
    counts: Counter[int]
    left_out: Counter[str]

    @property
    def instances(self) -> int:
        """How many instances, crowds included."""
        return self.counts.total()

    def say(self, path: str) -> Written:
        """Write a line in the log for each kind of thing left out, and return itself."""
        for why, count in sorted(self.left_out.items()):
            logger.warning("%s: %d instances are not written: %s.", path, count, why)
        return self


class Object(NamedTuple):
    """An instance to write: class_id is never negative; encoded is its mask as COCO run lengths, not empty."""

    class_id: int
    crowd: bool
    shape: shapes.Shape
    encoded: dict[str, Any]
    attributes: tuple[int, ...]


def size(dataset: Dataset, image_id: int) -> tuple[int, int]:
    """Return (height, width) of an image: of its entry, else of its file, else of what load_image gives."""
    info = dataset.image_info[image_id]
    if "height" in info and "width" in info:
        return int(info["height"]), int(info["width"])
    if info["path"] and os.path.isfile(info["path"]):
        return photos.size(info["path"])
    height, width = dataset.load_image(image_id).shape[:2]
    return height, width


def objects(dataset: Dataset, image_id: int, height: int, width: int, left_out: Counter[str]) -> Iterator[Object]:
    """Return the instances of an image: outlines where a reader kept them, else what load_rles or load_mask gives, upright.

    Those that are broken or empty are left out and counted; a broken one is named in the log.
    """
    info = dataset.image_info[image_id]
    if _as_read(dataset, image_id):
        class_ids, read = dataset.image_class_ids(image_id).tolist(), {}
        for instance, class_id in zip(info["instances"], class_ids, strict=True):
            try:
                encoded = shapes.encode(instance.shape, height, width, read)
            except (ValueError, OSError) as error:
                logger.warning("%s, %s: %s", info["file"], instance.entry, error)
                left_out["their masks can't be read, see above"] += 1
                continue
            if rle.area_coco(encoded):
                yield Object(abs(class_id), class_id < 0, instance.shape, encoded, instance.attributes)
            else:
                left_out["their masks are empty"] += 1
        return
    found = samples.instances(dataset, image_id)  # run lengths where it has them, upright
    if len(found.class_ids) and found.shape != (height, width):
        raise ValueError(
            f"Image {info['id']} is {height} px high and {width} wide, its masks {found.shape[0]} and {found.shape[1]}. They must agree."
        )
    listed = _listed_attributes(dataset, image_id, len(found.class_ids))
    for number, class_id in enumerate(found.class_ids.tolist()):
        if class_id == 0:
            raise ValueError(f"Image {info['id']}: an instance has class id 0, the background. Ids of classes start at 1.")
        encoded = rle.encode_coco(found.masks[..., number]) if isinstance(found.masks, np.ndarray) else rle.checked_coco(found.masks[number])
        if rle.area_coco(encoded):
            yield Object(abs(class_id), class_id < 0, shapes.CocoRuns(encoded), encoded, listed[number])
        else:
            left_out["their masks are empty"] += 1


def _as_read(dataset: Dataset, image_id: int) -> bool:
    """Say whether an image's masks are the outlines that a reader kept: no EXIF tag turns them, and nobody has overridden `load_mask`."""
    if "instances" not in dataset.image_info[image_id] or dataset.mask_orientation(image_id) != 1:
        return False
    try:
        return rles_of(dataset, image_id) is not None
    except (ValueError, OSError):  # a broken one, which is named when it is its turn
        return True


def _listed_attributes(dataset: Dataset, image_id: int, count: int) -> list[tuple[int, ...]]:
    """Return the numbers of the attributes that each instance has, as far as its data set knows."""
    ids = [one for one in getattr(dataset, "attribute_names", None) or {} if isinstance(one, int | np.integer)]
    if not ids or len(ids) < len(dataset.attribute_names):  # no attributes, or ids that the formats can't hold
        return [()] * count
    table = attributes.load(dataset, image_id, count, len(ids))
    return [tuple(int(ids[column]) for column in np.flatnonzero(row == attributes.HAS)) for row in table]


def polygons(one: Object, height: int, width: int) -> list[np.ndarray] | None:
    """Return the polygons of an object, clipped to the image, or None where it is no outline."""
    if not isinstance(one.shape, shapes.Polygons):
        return None
    parts = (part if not shapes.leaves(shapes.Polygons((part,)), height, width) else shapes.clip(part, height, width) for part in one.shape.parts)
    return [part for part in parts if len(part) >= 3] or None


def image_numbers(dataset: Dataset) -> list[int]:
    """Return a number for each image: the source's own ids if they are numbers and differ, else 1, 2, 3…"""
    ids = [info["id"] for info in dataset.image_info]
    whole = all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in ids)
    return [int(one) for one in ids] if whole and len(set(ids)) == len(ids) else list(range(1, len(ids) + 1))


def category_numbers(dataset: Dataset) -> dict[int, int]:
    """Return {class id: number} of a data set's classes: the source's own ids if they are numbers and differ, else its class ids."""
    ids = {class_id: info["id"] for class_id, info in enumerate(dataset.class_info) if class_id}
    whole = all(isinstance(one, int | np.integer) for one in ids.values())
    own = whole and len(set(ids.values())) == len(ids)
    return {class_id: int(one) if own else class_id for class_id, one in ids.items()}


def file_names(dataset: Dataset) -> list[str]:
    """Return a name for each image: its path from the folder that all have in common, or its id where it has no path."""
    paths = [info["path"] and os.path.abspath(info["path"]) for info in dataset.image_info]
    root = common_folder(dataset)
    pairs = zip(paths, dataset.image_info, strict=True)
    return [os.path.relpath(path, root).replace(os.sep, "/") if path else str(info.get("name", info["id"])) for path, info in pairs]


def common_folder(dataset: Dataset) -> str | None:
    """Return the folder that holds all images of a data set, perhaps in folders of its own; None where none has a path."""
    folders = {os.path.dirname(os.path.abspath(info["path"])) for info in dataset.image_info if info["path"]}
    return os.path.commonpath(folders) if folders else None


@contextmanager
def whole_file(path: str, overwrite: bool, newline: str | None = None, sync: bool = True) -> Iterator[IO[str]]:
    """Open a text file to write: it appears when all is written, or not at all.

    Raises:
        FileExistsError: it is there, and overwrite is False.
        OSError: it can't be written.
    """
    refuse_existing(path, overwrite)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with files.replacing(path, sync=sync) as temporary, open(temporary, "w", encoding="utf-8", newline=newline) as file:
        yield file


def refuse_existing(path: str, overwrite: bool) -> None:
    """Raise FileExistsError where something would be overwritten."""
    if os.path.exists(path) and not overwrite:
        raise FileExistsError(f"{path} is there already: give another name, or overwrite=True (--overwrite).")
