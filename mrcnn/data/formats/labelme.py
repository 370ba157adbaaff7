"""LabelMe: a JSON file beside each photo.

Shapes read: polygon, rectangle, circle, and mask (LabelMe 5 on). Shapes of one label and one group_id are one object.
Points, lines and strips have no area: they are counted and left out.
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any

import cv2
import numpy as np

from mrcnn.data.formats import parsed, shapes
from mrcnn.data.formats.parsed import Instance, Parsed, Photo, Report

EXPECTED = 'a LabelMe file {"shapes": […], "imagePath": …}'
NO_AREA = {"point": "points", "points": "points", "line": "lines", "linestrip": "lines"}


def read(path: str, report: Report) -> Parsed:
    """Read a folder of LabelMe files, or one file.

    Args:
        path: folder, its own folders included, or a .json file.
        report: counts what is wrong.

    Raises:
        FileNotFoundError: there is no such path, or no .json file in it.
        ValueError: a file is no LabelMe file.
    """
    files = _files(path)
    photos = [photo for photo in (_photo(file, report, lenient=len(files) > 1) for file in files) if photo]
    if not photos:
        raise ValueError(f"{path}: none of its {len(files)} .json files is {EXPECTED}. Is it another format?")
    return Parsed(photos, None, [])


def _files(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]  # read_json says if it isn't there
    found = sorted(
        os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names if name.lower().endswith(".json")
    )
    if not found:
        raise FileNotFoundError(f"{path} holds no .json file: {EXPECTED} is expected beside each photo.")
    return found


def _photo(file: str, report: Report, lenient: bool) -> Photo | None:
    """Read a file; in a folder of many a broken one is counted, and one of another kind passed over."""
    try:
        content = parsed.read_json(file, EXPECTED)
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            if lenient:
                report.unread["files of another kind"] += 1
                return None
            raise ValueError(f"{file} has no list of shapes: {EXPECTED} is expected. Is it another format?")
    except ValueError as error:
        if not lenient:
            raise
        report.total += 1
        report.bad(file, "the whole file", str(error))
        return None
    stem = os.path.splitext(file)[0]
    name = str(content.get("imagePath") or "").replace("\\", "/")
    candidates = [os.path.join(os.path.dirname(file), name)] if name else []
    candidates += [os.path.join(os.path.dirname(file), os.path.basename(name))] if name else []
    candidates += [stem + suffix for suffix in (".jpg", ".jpeg", ".png", ".JPG", ".bmp", ".tif", ".tiff")]
    path = next((os.path.normpath(one) for one in candidates if os.path.isfile(one)), None)
    try:
        size = parsed.image_size(content.get("imageHeight"), content.get("imageWidth"))
    except ValueError:  # old files have none; the photo tells
        size = None
    return Photo(os.path.basename(name) or os.path.basename(stem), name or stem, size, _instances(content["shapes"], size, file, report), file, path)


def _instances(entries: list[Any], size: tuple[int, int] | None, file: str, report: Report) -> list[Instance]:
    """Read the shapes of a photo; those of one group are united where the first of them stands."""
    found: dict[Any, Instance] = {}
    for number, entry in enumerate(entries, start=1):
        kind = entry.get("shape_type") or "polygon" if isinstance(entry, dict) else None
        if isinstance(kind, str) and kind in NO_AREA:
            report.unread[NO_AREA[kind]] += 1
            continue
        where = f"shape {number}"
        report.total += 1
        try:
            instance = Instance(_label(entry), _shape(entry, kind, size), where)
        except (ValueError, TypeError, OverflowError) as error:
            report.bad(file, where, str(error))
            continue
        group = entry.get("group_id")
        key = number if group is None else (str(group), instance.label)
        found[key] = parsed.united(found[key], instance, size) if key in found else instance
    return list(found.values())


def _label(entry: Any) -> str:
    label = entry.get("label") if isinstance(entry, dict) else None
    if not isinstance(label, str) or not label.strip():
        raise ValueError(f"a label is expected; got {label!r}")
    return label.strip()


def _shape(entry: dict[str, Any], kind: str | None, size: tuple[int, int] | None) -> shapes.Shape:
    points = entry.get("points")
    if kind == "mask":
        return _mask(entry, size)
    if kind == "polygon":
        return shapes.Polygons((parsed.polygon(points),))
    if kind not in ("rectangle", "circle"):
        raise ValueError(f"shape_type {kind!r} is unknown: polygon, rectangle, circle or mask is expected")
    array = np.array(points, np.float64)
    if kind == "rectangle" and array.shape == (4, 2):  # LabelMe 5.5 on: all corners
        return shapes.Polygons((parsed.polygon(array),))
    if array.shape != (2, 2):
        raise ValueError(f"a {kind} of two points is expected; got an array of shape {array.shape}")
    (x1, y1), (x2, y2) = array.tolist()
    if kind == "rectangle":
        return shapes.Polygons((parsed.rectangle(x1, y1, x2, y2),))
    radius = float(np.hypot(x2 - x1, y2 - y1))
    return shapes.Polygons((parsed.ellipse(x1, y1, radius, radius),))


def _mask(entry: dict[str, Any], size: tuple[int, int] | None) -> shapes.Shape:
    """Read a mask: a PNG as text, and its box as two points."""
    if size is None:
        raise ValueError("a mask needs imageHeight and imageWidth in its file, which are missing")
    try:
        data = np.frombuffer(base64.b64decode(entry["mask"], validate=True), np.uint8)
        part = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
        x, y = (int(round(value)) for value in entry["points"][0])
    except (KeyError, IndexError, TypeError, ValueError, binascii.Error) as error:
        raise ValueError(f"a mask is a PNG as base64 text with its box as two points; {error!r}") from error
    if part is None:
        raise ValueError("a mask is a PNG as base64 text; its text holds no image")
    return shapes.pasted(part != 0, y, x, *size)
