"""Supervisely's projects."""

import base64
import logging
import zlib

import cv2
import numpy as np
import pytest
from format_files import masks_of, photo, rectangle, write_json

from mrcnn.data import formats

SQUARE = [[1, 1], [4, 1], [4, 3], [1, 3]]


def bitmap(part, x, y, title="fig"):
    text = base64.b64encode(zlib.compress(cv2.imencode(".png", part)[1].tobytes())).decode()
    return {"id": 5, "classTitle": title, "geometryType": "bitmap", "bitmap": {"data": text, "origin": [x, y]}}


def polygon(exterior, interior=(), title="nut", **more):
    return {"id": 4, "classTitle": title, "geometryType": "polygon", "points": {"exterior": exterior, "interior": list(interior)}, **more}


def write(folder, *objects, part="set", size=(6, 8)):
    write_json(folder / "meta.json", {"classes": [{"title": "nut"}, {"title": "fig"}], "tags": []})
    photo(folder / part / "img" / "a.jpg", *size)
    write_json(folder / part / "ann" / "a.jpg.json", {"size": {"height": size[0], "width": size[1]}, "objects": list(objects)})
    return folder


def test_polygons_rectangles_and_bitmaps_are_read(tmp_path):
    box = {"id": 6, "classTitle": "nut", "geometryType": "rectangle", "points": {"exterior": [[0, 4], [7, 5]], "interior": []}}
    part = np.zeros((2, 2, 4), np.uint8)
    part[0, 1, 3] = part[1, 0, 3] = 255
    dataset = formats.load("supervisely", write(tmp_path, polygon(SQUARE), box, bitmap(part, 3, 2), bitmap(part[..., 3], 3, 2)))
    assert dataset.class_names == ["BG", "nut", "fig"]
    assert masks_of(dataset) == ([rectangle(1, 1, 3, 4), rectangle(4, 0, 6, 8), [[2, 4], [3, 3]], [[2, 4], [3, 3]]], [1, 1, 2, 2])


def test_holes_are_no_mask(tmp_path):
    hole = [[2, 1], [3, 1], [3, 3], [2, 3]]
    dataset = formats.load("supervisely", write(tmp_path, polygon(SQUARE, [hole])))
    assert masks_of(dataset)[0] == [[[1, 1], [1, 3], [2, 1], [2, 3]]]


def test_all_data_sets_of_a_project_or_one(tmp_path):
    write(write(tmp_path, polygon(SQUARE)), polygon(SQUARE), part="other")
    assert formats.load("supervisely", tmp_path).num_images == 2
    assert formats.load("supervisely", tmp_path / "other").num_images == 1


def test_what_has_no_area_and_what_is_broken_is_counted(tmp_path, caplog):
    no_points = {"classTitle": "nut", "geometryType": "polygon"}
    bad = [polygon([[1, 1]]), polygon(SQUARE, title="plum"), no_points, 7, bitmap(np.ones((1, 1), np.uint8), 0, 0)]
    bad[-1]["bitmap"]["data"] = "AAAA"
    point = {"id": 1, "classTitle": "nut", "geometryType": "point", "points": {"exterior": [[1, 1]]}}
    with caplog.at_level(logging.WARNING):
        assert masks_of(formats.load("supervisely", write(tmp_path, *bad, point, polygon(SQUARE)))) == ([rectangle(1, 1, 3, 4)], [1])
    assert "5 of 6 annotations can't be used and are left out: set/ann/a.jpg.json, object 4: a polygon has at least 3 points" in caplog.text
    assert "1 entries are objects of the kind point" in caplog.text


def test_a_broken_file_among_others_is_counted_and_another_form_refused(tmp_path, caplog):
    (write(tmp_path, polygon(SQUARE)) / "set" / "ann" / "b.jpg.json").write_text("{}")
    assert formats.load("supervisely", tmp_path).num_images == 1 and "b.jpg.json, the whole file" in caplog.text
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(ValueError, match="lists no classes"):
        formats.load("supervisely", tmp_path)
    (tmp_path / "meta.json").unlink()
    with pytest.raises(FileNotFoundError, match="has no meta.json in it or above"):
        formats.load("supervisely", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"has no folder with ann/ in it"):
        write_json(tmp_path / "empty" / "meta.json", {"classes": []})
        formats.load("supervisely", tmp_path / "empty")
