"""CVAT for images 1.1."""

import logging

import numpy as np
import pytest
from format_files import masks_of, photo, rectangle

from mrcnn.data import formats

LABELS = "<meta><task><labels><label><name>nut</name></label><label><name>fig</name></label></labels></task></meta>"
SQUARE = '<polygon label="{}" points="1.00,1.00;4.00,1.00;4.00,3.00;1.00,3.00" {}/>'


def write(folder, *shapes, meta=LABELS, photos="images", size=(6, 8)):
    photo(folder / photos / "a.jpg", *size)
    image = f'<image id="0" name="a.jpg" width="{size[1]}" height="{size[0]}">{"".join(shapes)}</image>'
    (folder / "annotations.xml").write_text(f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>{meta}{image}</annotations>')
    return str(folder / "annotations.xml")


def test_classes_are_numbered_as_the_task_lists_them(tmp_path):
    dataset = formats.load("cvat", write(tmp_path, SQUARE.format("fig", 'z_order="0"')))
    assert dataset.class_names == ["BG", "nut", "fig"] and masks_of(dataset) == ([rectangle(1, 1, 3, 4)], [2])
    with pytest.raises(ValueError, match="has no class 'plum'. It has: nut, fig"):
        formats.load("cvat", str(tmp_path / "annotations.xml"), classes=["plum"])


def test_a_file_without_a_task_numbers_what_it_meets(tmp_path):
    dataset = formats.load("cvat", write(tmp_path, SQUARE.format("nut", ""), SQUARE.format("fig", ""), meta="", photos="."))
    assert dataset.class_names == ["BG", "fig", "nut"]


def test_boxes_are_turned_about_their_centre(tmp_path):
    box = '<box label="nut" xtl="2" ytl="2" xbr="6" ybr="4" {}/>'
    dataset = formats.load("cvat", write(tmp_path, box.format(""), box.format('rotation="90"'), box.format('rotation="180"')))
    assert masks_of(dataset)[0] == [rectangle(2, 2, 4, 6), rectangle(1, 3, 5, 5), rectangle(2, 2, 4, 6)]


def test_ellipses_have_their_area_and_turn(tmp_path):
    ellipse = '<ellipse label="nut" cx="50" cy="50" rx="40" ry="10" {}/>'
    masks = formats.load("cvat", write(tmp_path, ellipse.format(""), ellipse.format('rotation="45"'), size=(100, 100))).load_mask(0)[0]
    assert np.allclose(masks.sum(axis=(0, 1)) / (np.pi * 400), 1, atol=0.02)
    assert masks[50, 85, 0] and masks[74, 74, 1] and not masks[26, 74, 1]  # clockwise, as one sees it


def test_a_mask_runs_along_the_rows_of_its_box(tmp_path):
    dataset = formats.load("cvat", write(tmp_path, '<mask label="nut" rle="1, 2, 1, 2" left="3" top="2" width="3" height="2"/>'))
    assert masks_of(dataset)[0] == [[[2, 4], [2, 5], [3, 4], [3, 5]]]


def test_a_mask_larger_than_its_image_is_left_out_before_it_takes_memory(tmp_path):
    bomb = '<mask label="nut" rle="0,1000000000000" left="0" top="0" width="1000000" height="1000000"/>'
    dataset = formats.load("cvat", write(tmp_path, SQUARE.format("nut", ""), bomb))
    assert len(masks_of(dataset)[0]) == 1 and "8 x 6 pixels; got 1000000 x 1000000" in dataset.report.broken[0]


def test_an_unknown_encoding_is_refused(tmp_path):
    (tmp_path / "annotations.xml").write_text('<?xml version="1.0" encoding="klingon"?><annotations/>')
    with pytest.raises(ValueError, match="is no XML .*klingon"):
        formats.load("cvat", str(tmp_path / "annotations.xml"))


def test_shapes_of_a_group_and_label_are_one_object(tmp_path):
    box = '<box label="nut" xtl="6" ytl="0" xbr="8" ybr="1" group_id="4"/>'
    mask = '<mask label="nut" rle="0, 1" left="0" top="5" width="1" height="1" group_id="4"/>'
    dataset = formats.load("cvat", write(tmp_path, SQUARE.format("nut", 'group_id="4"'), SQUARE.format("fig", 'group_id="4"'), box, mask))
    masks, class_ids = masks_of(dataset)
    assert class_ids == [1, 2] and masks[0] == sorted([*rectangle(0, 6, 1, 8), *rectangle(1, 1, 3, 4), [5, 0]])


def test_what_has_no_area_and_what_is_broken_is_counted(tmp_path, caplog):
    bad = [
        '<polygon label="nut" points="1,1;2,2"/>', '<polygon points="1,1;2,2;3,3"/>', '<polygon label="nut" points="1,1;2;3,3"/>',
        '<mask label="nut" rle="1, 2" left="3" top="2" width="3" height="2"/>',
        '<box label="nut" xtl="2" ytl="2" xbr="2" ybr="4"/>', "<blob label='nut'/>",
    ]  # fmt: skip
    path = write(tmp_path, *bad, '<points label="nut" points="1,1"/>', '<tag label="nut"/>', SQUARE.format("nut", ""))
    with caplog.at_level(logging.WARNING):
        assert masks_of(formats.load("cvat", path)) == ([rectangle(1, 1, 3, 4)], [1])
    assert "6 of 7 annotations can't be used and are left out: a.jpg, <polygon> number 1: a polygon has at least 3 points" in caplog.text
    assert "an attribute label is expected; got points" in caplog.text
    assert "1 entries are points" in caplog.text and "1 entries are tags" in caplog.text


def test_files_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "other.xml"
    texts = {
        "<a": "is no XML",
        "<labels/>": "begins with <labels>",
        "<annotations/>": "describes no image",
        "<annotations><track/></annotations>": "tracks of a video",
    }
    for text, reason in texts.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=reason):
            formats.load("cvat", str(path))
    path.write_text('<annotations><image name="a.jpg" width="8"/></annotations>')
    with pytest.raises(ValueError, match="image number 1: name, height and width"):
        formats.load("cvat", str(path))
    with pytest.raises(ValueError, match="is a folder"):
        formats.load("cvat", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="is not there"):
        formats.load("cvat", str(tmp_path / "none.xml"))
