"""COCO json ("instances"): polygons, run lengths compressed or not, crowds, attributes as Fashionpedia writes them."""

from __future__ import annotations

import os
import re
from typing import Any

from mrcnn.data.formats import parsed, shapes
from mrcnn.data.formats.parsed import Instance, Parsed, Photo, Report
from mrcnn.ops import rle

EXPECTED = 'a COCO file {"images": […], "annotations": […], "categories": […]}'


def read(path: str, report: Report) -> Parsed:
    """Read a file.

    A crowd (iscrowd = 1) keeps its mask and gets a negative class id. Keypoints, captions and boxes alone are not read.

    Args:
        path: the .json file. Its images are looked for beside it, in images/, and in the folder that "instances_NAME"
            names, beside it or one folder up, as COCO has them.
        report: counts what is wrong.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no COCO file.
    """
    content = parsed.read_json(path, EXPECTED)
    parts = ("images", "annotations", "categories")
    missing = [part for part in parts if not isinstance(content, dict) or not isinstance(content.get(part), list)]
    if missing:
        hint = " A list alone holds results: detections, not what training needs." if isinstance(content, list) else ""
        raise ValueError(f"{path} has no list {', '.join(missing)}: {EXPECTED} is expected.{hint}")
    labels = _labels(content["categories"], path)
    photos = _photos(content["images"], path)
    for number, entry in enumerate(content["annotations"]):
        report.total += 1
        where = f"annotation {entry['id']}" if isinstance(entry, dict) and "id" in entry else f"annotation number {number + 1}"
        try:
            photo = _photo_of(entry, photos)
            photo.instances.append(_instance(entry, where, labels, photo.size, report))
        except (ValueError, TypeError) as error:
            report.bad(path, where, str(error))
    return Parsed(list(photos.values()), labels, _folders(path), _attributes(content.get("attributes"), report))


def _folders(path: str) -> list[str]:
    """Where the images may lie."""
    folder = os.path.dirname(os.path.abspath(path))
    found = [folder, os.path.join(folder, "images")]
    named = re.fullmatch(r"instances_(.+)\.json", os.path.basename(path))
    if named:
        found += [os.path.join(folder, named[1]), os.path.join(os.path.dirname(folder), named[1])]
    return found


def _labels(entries: list[Any], path: str) -> dict[int, str]:
    try:
        labels = {_whole(entry["id"]): str(entry["name"]) for entry in entries}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: categories as {{'id': 1, 'name': …}} are expected; {error!r}.") from error
    if len(labels) < len(entries):
        raise ValueError(f"{path}: two categories have the same id. Give each an id of its own.")
    if not labels:
        raise ValueError(f"{path} lists no category: there is nothing to learn.")
    return labels


def _attributes(entries: Any, report: Report) -> dict[int, str]:
    """Names of the attributes by id, as Fashionpedia lists them; few files do, and what is broken there breaks nothing else."""
    found: dict[int, str] = {}
    for entry in entries if isinstance(entries, list) else ():
        try:
            found[_whole(entry["id"])] = str(entry["name"])
        except (KeyError, TypeError, ValueError):
            report.notes["attributes have no id and name, {'id': 1, 'name': …}"] += 1
    return found


def _photos(entries: list[Any], path: str) -> dict[Any, Photo]:
    photos: dict[Any, Photo] = {}
    for number, entry in enumerate(entries, start=1):
        try:
            size = parsed.image_size(entry["height"], entry["width"]) if "height" in entry and "width" in entry else None
            photo = Photo(_id(entry["id"]), str(entry["file_name"]).replace("\\", "/"), size, [], path)
        except (KeyError, TypeError, ValueError) as error:
            expected = "{'id': 1, 'file_name': …, 'height': 480, 'width': 640} is expected"
            raise ValueError(f"{path}, image number {number}: {expected}; {error!r}.") from error
        if photo.id in photos:
            raise ValueError(f"{path}: two images have the id {photo.id!r}. Give each an id of its own.")
        photos[photo.id] = photo
    return photos


def _photo_of(entry: Any, photos: dict[Any, Photo]) -> Photo:
    if not isinstance(entry, dict):
        raise ValueError(f"an annotation is an object {{…}}; got {str(entry)[:60]}")
    photo = photos.get(_id(entry.get("image_id")))
    if photo is None:
        raise ValueError(f"image_id {entry.get('image_id')!r} is not among the images")
    return photo


def _instance(entry: dict[str, Any], where: str, labels: dict[int, str], size: tuple[int, int] | None, report: Report) -> Instance:
    if _id(entry.get("category_id")) not in labels:
        raise ValueError(f"category_id {entry.get('category_id')!r} is not among the {len(labels)} categories")
    given = entry.get("attribute_ids") or ()
    attributes = tuple(_whole(one) for one in given) if isinstance(given, list | tuple) else ()
    shape = _shape(entry.get("segmentation"), size, report)
    return Instance(_whole(entry["category_id"]), shape, where, bool(entry.get("iscrowd")), attributes)


def _shape(given: Any, size: tuple[int, int] | None, report: Report) -> shapes.Shape:
    if isinstance(given, list) and given:
        parts = given if isinstance(given[0], list) else [given]
        specks = [part for part in parts if isinstance(part, list) and len(part) < 6]
        if specks and len(specks) < len(parts) and not report.strict:  # tools leave them beside the object's true outline
            parts = [part for part in parts if part not in specks]
            report.notes["parts of outlines have fewer than 3 points and are left out"] += len(specks)
        return shapes.Polygons(tuple(parsed.polygon(part) for part in parts))
    if not isinstance(given, dict):
        raise ValueError(f"a segmentation as polygons or run lengths is expected; got {str(given)[:60]}")
    encoded = rle.checked_coco(given)
    if size is not None and tuple(encoded["size"]) != size:
        high, wide = encoded["size"]
        raise ValueError(f"the run lengths are for height {high} and width {wide}, the image has {size[0]} and {size[1]}")
    return shapes.CocoRuns(encoded)


def _id(value: Any) -> Any:
    """Return what can be an id."""
    if isinstance(value, list | dict):
        raise ValueError(f"an id is a number or text; got {str(value)[:60]}")
    return value


def _whole(value: Any) -> int:
    """Return a whole number that may be written as 3.0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63 or value != int(value):
        raise ValueError(f"a whole number is expected; got {value!r}")
    return int(value)
