"""VGG Image Annotator (VIA): annotations of version 1 (regions as a dict), 2 (as a list, alone or in a project), 3 (a project).

Regions read: polygon, rectangle, circle, ellipse. Points and lines have no area: they are counted and left out. The
class of a region is the value of one of its attributes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from mrcnn.data.formats import parsed, shapes
from mrcnn.data.formats.parsed import Instance, Parsed, Photo, Report

EXPECTED = 'a VIA file {"<image>": {"filename": …, "regions": …}}, or a VIA project'
CLASS_NAMES = ("name", "class", "label", "category", "type", "object")
NO_AREA = ("point", "line", "polyline")
# Version 3 has numbers for the kinds, first in the list of a region's coordinates.
KINDS_3 = {1: "point", 2: "rect", 3: "circle", 4: "ellipse", 5: "line", 6: "polyline", 7: "polygon"}


class _Region(NamedTuple):
    kind: Any
    values: dict[str, Any]
    attributes: dict[str, Any]
    entry: str


def read(path: str, report: Report, attribute: str | None = None, class_name: str = "object") -> Parsed:
    """Read a file.

    Args:
        path: the .json file, its photos beside it.
        report: counts what is wrong.
        attribute: the region attribute that holds the class. None: the only one there is, or the one that is called
            name, class, label, category, type or object. "": none of them, every region is of `class_name`.
        class_name: class of all regions, where no region has any attribute.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no VIA file, or nothing says which attribute is the class.
    """
    content = parsed.read_json(path, EXPECTED)
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}: {EXPECTED} is expected.")
    if "metadata" in content and "file" in content:
        found, prefix = _version_3(content, path), ""
    else:
        entries = content.get("_via_img_metadata", content)
        found = _versions_1_and_2(entries, path)
        prefix = _nested(content, "_via_settings", "core", "default_filepath") or ""
    attribute = _attribute(found, attribute, path)
    photos = [
        Photo(name, name, None, list(_instances(regions, attribute, class_name, path, report)), path) for name, regions in found
    ]
    if not photos:
        raise ValueError(f"{path} describes no image: {EXPECTED} is expected.")
    folder = os.path.dirname(os.path.abspath(path))
    return Parsed(photos, None, [os.path.normpath(os.path.join(folder, name)) for name in dict.fromkeys(("", str(prefix), "images"))])


def _nested(content: Any, *keys: str) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _versions_1_and_2(entries: Any, path: str) -> list[tuple[str, list[_Region]]]:
    """Return (file name, regions) of each image."""
    found = []
    for key, entry in entries.items() if isinstance(entries, dict) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str) or not isinstance(entry.get("regions"), dict | list):
            raise ValueError(f"{path}, {key!r}: an image {{'filename': …, 'regions': …}} is expected. Is it another format?")
        regions = entry["regions"]
        numbered = regions.items() if isinstance(regions, dict) else enumerate(regions)
        found.append((entry["filename"], [_region(number, region, entry["filename"]) for number, region in numbered]))
    return found


def _region(number: Any, region: Any, name: str) -> _Region:
    values, attributes = _nested(region, "shape_attributes"), _nested(region, "region_attributes")
    values = values if isinstance(values, dict) else {}
    return _Region(values.get("name"), values, attributes if isinstance(attributes, dict) else {}, f"{name}, region {number}")


def _version_3(content: dict[str, Any], path: str) -> list[tuple[str, list[_Region]]]:
    """Return (file name, regions) of each image of a project of version 3."""
    files, views, meanings = (content.get(part) or {} for part in ("file", "view", "attribute"))
    if not all(isinstance(part, dict) for part in (files, views, meanings, content["metadata"] or {})):
        raise ValueError(f"{path} is no VIA project of version 3 with file, view and metadata as objects. Export it again.")
    try:
        names = {key: str(entry.get("fname") or entry["src"]) for key, entry in files.items()}
        shown = {key: [str(one) for one in entry["fid_list"]] for key, entry in views.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no VIA project of version 3 with file and view: {error!r}. Export it again.") from error
    regions: dict[str, list[_Region]] = {name: [] for name in names.values()}
    for key, entry in (content["metadata"] or {}).items():
        xy, of = _nested(entry, "xy"), shown.get(str(_nested(entry, "vid")), [])
        name = names.get(of[0]) if of else None
        if name is None:
            raise ValueError(f"{path}, metadata {key!r}: its view names no file of the project. Export it again.")
        if not xy:
            continue  # says something of the image or of a stretch of time
        kind, *numbers = xy if isinstance(xy, list) else [None]
        kind, values = KINDS_3.get(kind, kind) if isinstance(kind, int) else None, _nested(entry, "av")
        attributes = {}
        for one, value in values.items() if isinstance(values, dict) else ():
            attributes[str(_nested(meanings, one, "aname") or one)] = _option(_nested(meanings, one, "options"), value)
        regions[name].append(_Region(kind, _values_3(kind, numbers), attributes, f"{name}, metadata {key}"))
    return list(regions.items())


def _option(options: Any, value: Any) -> Any:
    return options.get(value, value) if isinstance(options, dict) and isinstance(value, str) else value


def _values_3(kind: Any, numbers: list[Any]) -> dict[str, Any]:
    """Return the coordinates of a region of version 3 as versions 1 and 2 name them."""
    if kind == "polygon":
        return {"all_points_x": numbers[0::2], "all_points_y": numbers[1::2]}
    names = {"rect": ("x", "y", "width", "height"), "circle": ("cx", "cy", "r"), "ellipse": ("cx", "cy", "rx", "ry", "theta")}
    return dict(zip(names.get(kind, ()), numbers, strict=False))


def _attribute(found: list[tuple[str, list[_Region]]], asked: str | None, path: str) -> str | None:
    """Return the attribute that holds the class; None where no region has any, or none counts."""
    if asked == "":
        return None
    counts = Counter(name for _, regions in found for region in regions for name in region.attributes)
    if asked is not None:
        if asked not in counts:
            raise ValueError(f"{path}: no region has an attribute {asked!r}. They have: {', '.join(counts) or 'none'}.")
        return asked
    if len(counts) <= 1:
        return next(iter(counts), None)
    likely = [name for name in CLASS_NAMES for given in counts if given.lower() == name]
    if not likely:
        raise ValueError(f"{path}: regions have the attributes {', '.join(counts)}. Say which holds the class, with attribute=NAME.")
    return next(given for given in counts if given.lower() == likely[0])


def _instances(
    regions: list[_Region], attribute: str | None, class_name: str, path: str, report: Report
) -> Iterator[Instance]:
    for region in regions:
        if isinstance(region.kind, str) and region.kind in NO_AREA:
            report.unread[f"{region.kind}s"] += 1
            continue
        report.total += 1
        try:
            label = class_name if attribute is None else _label(region.attributes.get(attribute), attribute)
            yield Instance(label, _shape(region.kind, region.values), region.entry)
        except (ValueError, TypeError, OverflowError) as error:
            report.bad(path, region.entry, str(error))
        except KeyError as error:
            report.bad(path, region.entry, f"a {region.kind} with {error.args[0]} is expected; got {', '.join(region.values)}")


def _label(value: Any, attribute: str) -> str:
    if isinstance(value, dict):  # checkboxes: {"cat": true, "dog": false}
        ticked = [name for name, is_so in value.items() if is_so]
        value = ticked[0] if len(ticked) == 1 else value
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a class is expected in the attribute {attribute!r}; got {value!r}")
    return value.strip()


def _shape(kind: Any, values: dict[str, Any]) -> shapes.Shape:
    if kind == "polygon":
        x, y = values["all_points_x"], values["all_points_y"]
        if len(x) != len(y):
            raise ValueError(f"a polygon has as many x as y; got {len(x)} and {len(y)}")
        return shapes.Polygons((parsed.polygon(list(zip(x, y, strict=True))),))
    if kind == "rect":
        x, y = float(values["x"]), float(values["y"])
        return shapes.Polygons((parsed.rectangle(x, y, x + float(values["width"]), y + float(values["height"])),))
    if kind == "circle":
        return shapes.Polygons((parsed.ellipse(values["cx"], values["cy"], values["r"], values["r"]),))
    if kind == "ellipse":
        angle = float(values.get("theta") or 0)  # radians
        return shapes.Polygons((parsed.ellipse(values["cx"], values["cy"], values["rx"], values["ry"], angle),))
    raise ValueError(f"a polygon, rect, circle or ellipse is expected; got {kind!r}")
