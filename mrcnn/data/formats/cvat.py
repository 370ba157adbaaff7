"""CVAT's XML, "CVAT for images 1.1".

Shapes read: polygon, box, ellipse (turned ones too) and mask. Shapes of one label and one group_id are one object, as in
CVAT's own export to COCO. Points, polylines and tags have no area: they are counted and left out.
"""

from __future__ import annotations

import os
from typing import Any
from xml.etree import ElementTree

import numpy as np

from mrcnn.data.formats import parsed, shapes
from mrcnn.data.formats.parsed import Instance, Parsed, Photo, Report

EXPECTED = 'a file "CVAT for images 1.1": <annotations> with <image> in it'
NO_AREA = {"points": "points", "polyline": "polylines", "tag": "tags", "skeleton": "skeletons", "cuboid": "cuboids"}


def read(path: str, report: Report) -> Parsed:
    """Read a file.

    Args:
        path: annotations.xml, its photos beside it or in images/.
        report: counts what is wrong.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such XML.
    """
    root = _root(path)
    photos = []
    for number, image in enumerate(root.findall("image"), start=1):
        try:
            size = parsed.image_size(int(image.attrib["height"]), int(image.attrib["width"]))
            name = image.attrib["name"].replace("\\", "/")
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path}, image number {number}: name, height and width are expected; {error!r}. Export it again.") from error
        photos.append(Photo(name, name, size, _instances(image, name, size, path, report), path))
    if not photos:
        hint = " It holds tracks of a video: export it as 'CVAT for images'." if root.find("track") is not None else ""
        raise ValueError(f"{path} describes no image: {EXPECTED} is expected.{hint}")
    listed = [one.text or "" for one in root.findall("./meta//labels/label/name")]
    if listed:  # a label that was renamed since may be missing there
        listed += sorted({one.label for photo in photos for one in photo.instances} - set(listed))
    folder = os.path.dirname(os.path.abspath(path))
    return Parsed(photos, {name: name for name in listed} or None, [os.path.join(folder, "images"), folder])


def _root(path: str) -> ElementTree.Element:
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder: {EXPECTED} is expected.")
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not there: {EXPECTED} is expected.") from None
    except (ElementTree.ParseError, LookupError) as error:  # the latter: an encoding that nobody knows
        raise ValueError(f"{path} is no XML ({error}): {EXPECTED} is expected. Unpack and export it again.") from error
    if root.tag != "annotations":
        raise ValueError(f"{path} begins with <{root.tag}>: {EXPECTED} is expected.")
    return root


def _instances(image: ElementTree.Element, name: str, size: tuple[int, int], path: str, report: Report) -> list[Instance]:
    """Read the shapes of an image; those of one group are united where the first of them stands."""
    found: dict[Any, Instance] = {}
    for number, entry in enumerate(image, start=1):
        if entry.tag in NO_AREA:
            report.unread[NO_AREA[entry.tag]] += 1
            continue
        report.total += 1
        where = f"{name}, <{entry.tag}> number {number}"
        try:
            label = entry.attrib["label"]
            instance = Instance(label, _shape(entry, size), where)
            group = int(entry.attrib.get("group_id") or 0)
        except KeyError as error:
            report.bad(path, where, f"an attribute {error.args[0]} is expected; got {', '.join(entry.attrib) or 'none'}")
            continue
        except (ValueError, OverflowError) as error:
            report.bad(path, where, str(error))
            continue
        key = (group, label) if group else number
        found[key] = parsed.united(found[key], instance, size) if key in found else instance
    return list(found.values())


def _shape(entry: ElementTree.Element, size: tuple[int, int]) -> shapes.Shape:
    given = entry.attrib
    turn = np.deg2rad(float(given.get("rotation") or 0))
    if not np.isfinite(turn):
        raise ValueError(f"a rotation in degrees is expected; got {given['rotation']!r}")
    if entry.tag == "polygon":
        pairs = [pair.split(",") for pair in given["points"].split(";") if pair]
        return shapes.Polygons((parsed.polygon([[float(value) for value in pair] for pair in pairs]),))
    if entry.tag == "box":
        corners = parsed.rectangle(*(given[side] for side in ("xtl", "ytl", "xbr", "ybr")))
        centre, matrix = corners.mean(axis=0), np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        return shapes.Polygons(((corners - centre) @ matrix + centre if turn else corners,))
    if entry.tag == "ellipse":
        return shapes.Polygons((parsed.ellipse(*(float(given[name]) for name in ("cx", "cy", "rx", "ry")), turn),))
    if entry.tag == "mask":
        return _mask(given, size)
    raise ValueError("a polygon, box, ellipse or mask is expected")


def _mask(given: dict[str, str], size: tuple[int, int]) -> shapes.Shape:
    """Read a mask: counts along the rows of its box, beginning with background."""
    left, top, width, height = (int(float(given[name])) for name in ("left", "top", "width", "height"))
    if width > size[1] or height > size[0]:  # before it takes the memory it claims
        raise ValueError(f"a mask is at most as large as its image, {size[1]} x {size[0]} pixels; got {width} x {height}")
    counts = np.array([int(count) for count in given["rle"].split(",") if count.strip()], np.int64)
    if min(width, height) < 1 or counts.min(initial=0) < 0 or counts.sum() != width * height:
        raise ValueError(f"run lengths of a box of {width} x {height} pixels are expected; the counts add up to {counts.sum()}")
    part = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
    return shapes.pasted(part, top, left, *size)
