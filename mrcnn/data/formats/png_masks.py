"""Masks as image files, one an instance, as in the Data Science Bowl 2018: PATH/<id>/images/*.png, PATH/<id>/masks/*.png.

What is not zero in a file is mask. Where masks/ holds folders, each of them is a class: masks/<class>/*.png.
"""

from __future__ import annotations

import os

from mrcnn.data.formats import photos, shapes
from mrcnn.data.formats.parsed import Instance, Parsed, Photo, Report

EXPECTED = "PATH/<id>/images/ with one photo and PATH/<id>/masks/ with a file for each instance"


def read(path: str, report: Report, class_name: str = "object") -> Parsed:
    """Read a folder; the masks stay in their files.

    Args:
        path: folder that holds a folder for each photo.
        report: counts what is wrong.
        class_name: class of the masks that lie in masks/ itself.

    Raises:
        FileNotFoundError: there is no such folder, or no photo in it.
    """
    if not os.path.isdir(path):
        raise FileNotFoundError(f"{path} is no folder: {EXPECTED} is expected.")
    kept: list[Photo] = []
    for name in sorted(entry.name for entry in os.scandir(path) if entry.is_dir()):
        folder = os.path.join(path, name)
        found = photos.within(os.path.join(folder, "images"))
        if not found:
            report.missing.append(os.path.join(folder, "images"))
            continue
        if len(found) > 1:
            raise ValueError(f"{folder}/images holds {len(found)} photos: one is expected, with its masks in {folder}/masks.")
        masks = os.path.join(folder, "masks")
        if not os.path.isdir(masks):
            report.notes["photos have no folder masks/ and stay without instances"] += 1
        instances = _instances(masks, class_name)
        report.total += len(instances)
        kept.append(Photo(name, os.path.basename(found[0]), None, instances, masks, found[0]))
    if not kept:
        raise FileNotFoundError(f"{path} holds no photo: {EXPECTED} is expected.")
    return Parsed(kept, None, [])


def _instances(folder: str, class_name: str) -> list[Instance]:
    found = [(class_name, path) for path in photos.within(folder)]
    if os.path.isdir(folder):
        for name in sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()):
            found += [(name, path) for path in photos.within(os.path.join(folder, name))]
    return [Instance(label, shapes.MaskFile(path), os.path.relpath(path, folder)) for label, path in found]
