"""Supervisely's projects: meta.json, and a folder for each data set with img/ and ann/.

Objects read: polygon (with holes), rectangle, bitmap. Others have no area: they are counted and left out.
"""

from __future__ import annotations

import base64
import binascii
import os
import zlib
from typing import Any

import cv2
import numpy as np

from mrcnn.data.formats import parsed, photos, shapes
from mrcnn.data.formats.parsed import Instance, Parsed, Photo, Report
from mrcnn.ops import rle

EXPECTED = "a Supervisely project: meta.json, and folders with img/ and ann/"


def read(path: str, report: Report) -> Parsed:
    """Read a project, all its data sets.

    Args:
        path: folder that holds meta.json, or that of one data set in it.
        report: counts what is wrong.

    Raises:
        FileNotFoundError: meta.json or ann/ is missing.
        ValueError: it is no such project.
    """
    meta = next((one for one in (os.path.join(path, "meta.json"), os.path.join(path, "..", "meta.json")) if os.path.isfile(one)), None)
    folders = sorted(folder for folder, names, _ in os.walk(path) if "ann" in names)
    if meta is None or not folders:
        missing = "meta.json in it or above" if meta is None else "folder with ann/ in it"
        raise FileNotFoundError(f"{path} has no {missing}: {EXPECTED} is expected.")
    try:
        names = [str(entry["title"]) for entry in parsed.read_json(meta, EXPECTED)["classes"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{meta} lists no classes as {{'title': …}}: {error!r}. Export the project again.") from error
    found = []
    for folder in folders:
        ann = os.path.join(folder, "ann")
        for name in sorted(one for one in os.listdir(ann) if one.endswith(".json")):
            found.append(_photo(os.path.join(ann, name), os.path.join(folder, "img"), report))
    return Parsed([photo for photo in found if photo], {name: name for name in names}, [])


def _photo(file: str, folder: str, report: Report) -> Photo | None:
    name = os.path.basename(file)[: -len(".json")]
    try:
        content = parsed.read_json(file, "a Supervisely annotation")
        size, objects = parsed.image_size(content["size"]["height"], content["size"]["width"]), list(content["objects"])
    except (KeyError, TypeError, ValueError) as error:
        report.total += 1
        report.bad(file, "the whole file", f"{{'size': …, 'objects': […]}} is expected; {error!r}")
        return None
    return Photo(name, name, size, _instances(objects, size, file, report), file, photos.find(name, [folder]))


def _instances(objects: list[Any], size: tuple[int, int], file: str, report: Report) -> list[Instance]:
    instances = []
    for number, entry in enumerate(objects, start=1):
        kind = entry.get("geometryType") or ("bitmap" if entry.get("bitmap") else "polygon") if isinstance(entry, dict) else None
        where = f"object {entry['id'] if isinstance(entry, dict) and 'id' in entry else f'number {number}'}"
        if isinstance(entry, dict) and kind not in ("polygon", "rectangle", "bitmap"):
            report.unread[f"objects of the kind {kind}"] += 1
            continue
        report.total += 1
        try:
            instances.append(Instance(str(entry["classTitle"]), _shape(entry, kind, size), where))
        except KeyError as error:
            report.bad(file, where, f"a {kind} with {error.args[0]} is expected")
        except (ValueError, TypeError, IndexError, OverflowError, AttributeError) as error:
            report.bad(file, where, str(error))
    return instances


def _shape(entry: dict[str, Any], kind: str, size: tuple[int, int]) -> shapes.Shape:
    if kind == "bitmap":
        return _bitmap(entry["bitmap"], size)
    points = entry["points"]
    if kind == "rectangle":
        (x1, y1), (x2, y2) = points["exterior"]
        return shapes.Polygons((parsed.rectangle(x1, y1, x2 + 1, y2 + 1),))  # the corners are pixels, both inside
    outline = shapes.Polygons((parsed.polygon(points["exterior"]),))
    holes = [shapes.Polygons((parsed.polygon(hole),)) for hole in points.get("interior") or ()]
    if not holes:
        return outline
    mask = shapes.decode(outline, *size)
    for hole in holes:
        mask &= ~shapes.decode(hole, *size)
    return shapes.CocoRuns(rle.encode_coco(mask))


def _bitmap(given: dict[str, Any], size: tuple[int, int]) -> shapes.Shape:
    """Read a bitmap: a PNG, packed by zlib, as base64 text, with the place of its upper left pixel."""
    try:
        data = np.frombuffer(zlib.decompress(base64.b64decode(given["data"], validate=True)), np.uint8)
    except (zlib.error, binascii.Error, TypeError) as error:
        raise ValueError(f"a bitmap is a PNG, packed by zlib, as base64 text; {error}") from error
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if image is None:
        raise ValueError("a bitmap is a PNG, packed by zlib, as base64 text; its text holds no image")
    x, y = (int(value) for value in given["origin"])
    opaque = image if image.ndim == 2 else image[..., -1 if image.shape[-1] in (2, 4) else 0]
    return shapes.pasted(opaque != 0, y, x, *size)
