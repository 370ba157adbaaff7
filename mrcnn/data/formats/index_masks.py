"""Masks as one image of numbers a photo: 0 is background, every other value an instance.

PATH holds the photos (or images/ in it), and the masks lie in masks/ beside them, or where `masks` says, under the
photo's name. A colour mask is read as panoptic COCO writes it, red + 256 green + 65536 blue.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from mrcnn.data.formats import photos, shapes
from mrcnn.data.formats.parsed import Instance, Parsed, Photo, Report

EXPECTED = "a folder with photos in images/ and their masks, under the same names, in masks/"


def read(
    path: str,
    report: Report,
    masks: str | os.PathLike | None = None,
    class_name: str = "object",
    divisor: int | None = None,
    names: Mapping[int, str] | None = None,
    ignore: Sequence[int] = (),
) -> Parsed:
    """Read a folder. Each mask is read once, to learn its values; it stays in its file.

    Args:
        path: folder of the photos, or one that holds images/ (and masks/).
        report: counts what is wrong.
        masks: folder of the masks.
        class_name: class of all instances, where divisor is None.
        divisor: value = class · divisor + number of the instance, as in Cityscapes (1000). A value below it is a region
            of that class not parted into instances, and becomes a crowd.
        names: {number of the class: name}, with divisor; a number that is missing here is its own name.
        ignore: values that are no instance, such as 255 for a border.

    Raises:
        FileNotFoundError: a folder is missing, or holds nothing.
        ValueError: names without divisor.
    """
    if names is not None and divisor is None:
        raise ValueError("index_masks: names are of classes, which need divisor=1000, say: value = class · divisor + instance.")
    names = None if names is None else {int(number): str(name) for number, name in names.items()}
    if divisor is not None and divisor < 2:
        raise ValueError(f"index_masks: divisor is {divisor!r}; a whole number above 1, such as 1000, is expected.")
    if not os.path.isdir(path):
        raise FileNotFoundError(f"{path} is no folder: {EXPECTED} is expected.")
    folder = next((one for one in (os.path.join(path, "images"), path) if photos.within(one)), None)
    if folder is None:
        raise FileNotFoundError(f"{path} holds no photo: {EXPECTED} is expected.")
    masks = os.path.join(path, "masks") if masks is None else os.fspath(masks)
    found = {photos.stem(one): one for one in photos.within(masks)}
    if not found:
        raise FileNotFoundError(f"{masks} holds no mask: {EXPECTED} is expected. Say where with masks=FOLDER.")
    kept: list[Photo] = []
    for photo in photos.within(folder):
        mask = found.get(photos.stem(photo))
        if mask is None:
            report.notes["photos have no mask and are left out"] += 1
            continue
        instances = _instances(mask, class_name, divisor, names, ignore, report)
        kept.append(Photo(photos.stem(photo), os.path.basename(photo), None, instances, mask, photo))
    if not kept:
        raise FileNotFoundError(f"{masks}: no mask has the name of a photo in {folder}. Rename them alike.")
    if divisor is not None and names is None:
        names = {label: str(label) for label in sorted({one.label for photo in kept for one in photo.instances})}
    return Parsed(kept, None if names is None else dict(names), [])


def _instances(
    path: str, class_name: str, divisor: int | None, names: Mapping[int, str] | None, ignore: Sequence[int], report: Report
) -> list[Instance]:
    try:
        values = np.unique(shapes.read_index(path)).tolist()
    except ValueError as error:
        report.total += 1
        report.bad(path, "the whole file", str(error))
        return []
    instances = []
    for value in values:
        if value == 0 or value in ignore:
            continue
        report.total += 1
        where, crowd = f"value {value}", bool(divisor and value < divisor)
        label = class_name if divisor is None else value if crowd else value // divisor
        if names is not None and label not in names:
            known = ", ".join(map(str, names))
            report.bad(path, where, f"class {label} is not among the names, {known}: name it, or list the value in ignore")
        else:
            instances.append(Instance(label, shapes.IndexFile(path, value), where, crowd))
    return instances
