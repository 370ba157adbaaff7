"""Masks as image files, one an instance, as in the Data Science Bowl 2018: PATH/<id>/images/*.png, PATH/<id>/masks/*.png.

What is not zero in a file is mask. Where masks/ holds folders, each of them is a class: masks/<class>/*.png.
"""

from __future__ import annotations

import os

from mrcnn.data.formats import shapes
from mrcnn.data.formats.parsed import Instance, Parsed, Photo, Report

EXPECTED = "PATH/<id>/images/ with one photo and PATH/<id>/masks/ with a file for each instance"
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp")


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
    photos: list[Photo] = []
    for name in sorted(entry.name for entry in os.scandir(path) if entry.is_dir()):
        folder = os.path.join(path, name)
        found = pictures(os.path.join(folder, "images"))
        if not found:
            report.missing.append(os.path.join(folder, "images"))
            continue
        if len(found) > 1:
            raise ValueError(f"{folder}/images holds {len(found)} photos: one is expected, with its masks in {folder}/masks.")
        report_masks = os.path.join(folder, "masks")
        instances = _instances(report_masks, class_name)
        report.total += len(instances)
        photos.append(Photo(name, os.path.basename(found[0]), None, instances, report_masks, found[0]))
    if not photos:
        raise FileNotFoundError(f"{path} holds no photo: {EXPECTED} is expected.")
    return Parsed(photos, None, [])


def pictures(folder: str) -> list[str]:
    """Return the paths of the image files in a folder, sorted; none where it isn't there."""
    if not os.path.isdir(folder):
        return []
    return sorted(entry.path for entry in os.scandir(folder) if entry.is_file() and entry.name.lower().endswith(SUFFIXES))


def _instances(folder: str, class_name: str) -> list[Instance]:
    found = [(class_name, path) for path in pictures(folder)]
    if os.path.isdir(folder):
        for name in sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()):
            found += [(name, path) for path in pictures(os.path.join(folder, name))]
    return [Instance(label, shapes.MaskFile(path), os.path.relpath(path, folder)) for label, path in found]
