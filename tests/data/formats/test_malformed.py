"""Whatever stands in a file: it is read, or refused with a message, and never falls over."""

import base64
import copy
import json
import re
import zlib

import cv2
import numpy as np
import pytest
from format_files import photo, write_json

from mrcnn.data import formats
from mrcnn.ops import rle

MASK = np.zeros((6, 8), bool)
MASK[1:3, 2:5] = True
JUNK = [None, True, -1, 0, 3, 2.5, 1e300, float("inf"), "", "x", "nut", [], [1], [[1, 2], [3]], [["a"]], {}, {"x": 1}, [None], "é\x00"]
SQUARE = [[1, 1], [4, 1], [4, 3], [1, 3]]
TEXT = rle.encode_coco(MASK)["counts"].decode()
IMAGE = cv2.imencode(".png", np.ones((2, 2), np.uint8))[1].tobytes()
PNG, PACKED = base64.b64encode(IMAGE).decode(), base64.b64encode(zlib.compress(IMAGE)).decode()
X, Y = [1, 4, 4, 1], [1, 1, 3, 3]


def via(regions):
    return {"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": regions, "file_attributes": {}}}


REGIONS = [
    {"shape_attributes": {"name": "polygon", "all_points_x": X, "all_points_y": Y}, "region_attributes": {"name": "nut"}},
    {"shape_attributes": {"name": "circle", "cx": 3, "cy": 3, "r": 2}, "region_attributes": {"name": {"nut": True}}},
    {"shape_attributes": {"name": "rect", "x": 1, "y": 1, "width": 2, "height": 2}, "region_attributes": {"name": "fig"}},
]
FILES = {
    "coco": (
        "coco.json",
        {
            "images": [{"id": 1, "file_name": "a.jpg", "height": 6, "width": 8}],
            "categories": [{"id": 1, "name": "nut"}, {"id": 2, "name": "fig"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [[1, 1, 4, 1, 4, 3]], "attribute_ids": [3]},
                {"id": 2, "image_id": 1, "category_id": 2, "iscrowd": 1, "segmentation": {"size": [6, 8], "counts": TEXT}},
                {"id": 3, "image_id": 1, "category_id": 2, "segmentation": {"size": [6, 8], "counts": [20, 8, 20]}},
            ],
        },
    ),
    "labelme": (
        "a.json",
        {
            "imagePath": "a.jpg", "imageHeight": 6, "imageWidth": 8,
            "shapes": [
                {"label": "nut", "points": SQUARE, "shape_type": "polygon", "group_id": 1},
                {"label": "nut", "points": [[1, 1], [3, 3]], "shape_type": "rectangle", "group_id": 1},
                {"label": "fig", "points": [[3, 3], [5, 5]], "shape_type": "circle"},
                {"label": "fig", "points": [[3, 3], [4, 4]], "shape_type": "mask", "mask": PNG},
            ],
        },
    ),  # fmt: skip
    "via": ("via.json", via(REGIONS)),
    "via 1": ("via.json", via({str(number): region for number, region in enumerate(REGIONS)})),
    "via 3": (
        "via.json",
        {
            "attribute": {"1": {"aname": "class", "options": {"0": "nut"}}},
            "file": {"1": {"fname": "a.jpg", "src": "a.jpg"}},
            "view": {"1": {"fid_list": ["1"]}},
            "metadata": {
                "m": {"vid": "1", "xy": [7, 1, 1, 4, 1, 4, 3], "av": {"1": "0"}},
                "n": {"vid": "1", "xy": [2, 1, 1, 3, 3], "av": {"1": "0"}},
            },
        },
    ),
    "supervisely": (
        "set/ann/a.jpg.json",
        {
            "size": {"height": 6, "width": 8},
            "objects": [
                {"id": 1, "classTitle": "nut", "geometryType": "polygon", "points": {"exterior": SQUARE, "interior": [SQUARE]}},
                {"id": 2, "classTitle": "nut", "geometryType": "rectangle", "points": {"exterior": [[1, 1], [3, 3]], "interior": []}},
                {"id": 3, "classTitle": "nut", "geometryType": "bitmap", "bitmap": {"data": PACKED, "origin": [1, 1]}},
            ],
        },
    ),
}


def places(content, path=()):
    """The path of every value in a JSON file."""
    yield path
    for key, value in content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ():
        yield from places(value, (*path, key))


def changed(content, path, junk, remove):
    content = copy.deepcopy(content)
    if not path:
        return junk
    *outer, last = path
    inner = content
    for key in outer:
        inner = inner[key]
    if remove:
        del inner[last]
    else:
        inner[last] = junk
    return content


def read(kind, path):
    """Read a source and all its masks; a message of some length is the only way out."""
    try:
        dataset = formats.load(kind, path)
        for image_id in dataset.image_ids:
            masks, class_ids = dataset.load_mask(image_id)
            assert masks.shape[-1] == len(class_ids) <= len(dataset.image_class_ids(image_id))
    except (ValueError, FileNotFoundError) as error:
        assert len(str(error)) > 40


@pytest.mark.parametrize("kind", ["coco", "labelme", "via"])
def test_lists_without_end_are_no_json(kind, tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="a.json is no JSON"):
        formats.load(kind, tmp_path / "a.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_is_read_in_every_unicode_encoding(encoding, tmp_path):
    photo(tmp_path / "a.jpg")
    content = {**FILES["coco"][1], "categories": [{"id": 1, "name": "Nüsse"}]}
    (tmp_path / "coco.json").write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    assert formats.load("coco", tmp_path / "coco.json").class_names == ["BG", "Nüsse"]


def test_json_of_another_encoding_is_refused(tmp_path):
    (tmp_path / "coco.json").write_bytes('{"images": "Nüsse"}'.encode("latin-1"))
    with pytest.raises(ValueError, match=r"coco.json is no JSON .*utf-8.* Export it again"):
        formats.load("coco", tmp_path / "coco.json")


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.filterwarnings("error")
def test_any_value_replaced_by_junk(kind, tmp_path):
    name, content = FILES[kind]
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "set" / "img" / "a.jpg")
    write_json(tmp_path / "meta.json", {"classes": [{"title": "nut"}]})
    source = tmp_path if kind == "supervisely" else tmp_path / name
    draw = np.random.default_rng(0)
    for path in places(content):
        for junk in (JUNK[i] for i in draw.permutation(len(JUNK))[:6]):
            write_json(tmp_path / name, changed(content, path, junk, remove=False))
            read(kind.split()[0], source)
        if path:
            write_json(tmp_path / name, changed(content, path, None, remove=True))
            read(kind.split()[0], source)


XML = """<annotations><meta><task><labels><label><name>nut</name></label></labels></task></meta>
<image id="0" name="a.jpg" width="8" height="6"><polygon label="nut" points="1,1;4,1;4,3" group_id="1"/>
<box label="nut" xtl="1" ytl="1" xbr="3" ybr="3" rotation="9" group_id="1"/><ellipse label="fig" cx="3" cy="3" rx="2" ry="1" rotation="3"/>
<mask label="nut" rle="1, 2, 1" left="1" top="1" width="2" height="2"/></image></annotations>"""
CSV = "ImageId,EncodedPixels,Height,Width,ClassId\na.jpg,1 6,6,8,6\na.jpg,7 3,6,8,6_1\n"
LINES = "0 0.1 0.1 0.5 0.1 0.5 0.5\n1 0.2 0.2 0.6 0.2 0.6 0.6\n"


@pytest.mark.parametrize("kind", ["cvat", "imaterialist", "yolo"])
@pytest.mark.filterwarnings("error")
def test_any_word_replaced_by_junk(kind, tmp_path):
    photo(tmp_path / "images" / "a.jpg")
    photo(tmp_path / "train" / "a.jpg")
    write_json(tmp_path / "label_descriptions.json", {"categories": [{"id": 6, "name": "nut"}]})
    text, file, source = {
        "cvat": (XML, tmp_path / "annotations.xml", tmp_path / "annotations.xml"),
        "imaterialist": (CSV, tmp_path / "train.csv", tmp_path / "train.csv"),
        "yolo": (LINES, tmp_path / "labels" / "a.txt", tmp_path),
    }[kind]
    file.parent.mkdir(exist_ok=True)
    for word in re.finditer(r"[\w.]+", text):
        for junk in ("", "-1", "1e400", "nan", "x", "99999999999999999999", "0", "é", '"', ","):
            file.write_text(text[: word.start()] + junk + text[word.end() :])
            read(kind, source)


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    photo(tmp_path / "a.jpg")
    text = json.dumps(FILES["coco"][1])
    for end in range(0, len(text), 7):
        (tmp_path / "coco.json").write_text(text[:end])
        with pytest.raises(ValueError, match="coco.json is no JSON"):
            formats.load("coco", tmp_path / "coco.json")
