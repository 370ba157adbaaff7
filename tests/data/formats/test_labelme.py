"""LabelMe files."""

import base64
import logging

import cv2
import numpy as np
import pytest
from format_files import masks_of, photo, rectangle, shared, write_json

from mrcnn.data import formats


def shape(label, points, kind="polygon", group=None, **more):
    return {"label": label, "points": points, "shape_type": kind, "group_id": group, **more}


def write(folder, *shapes, name="a", **more):
    photo(folder / f"{name}.jpg")
    write_json(folder / f"{name}.json", {"shapes": list(shapes), "imagePath": f"{name}.jpg", "imageHeight": 6, "imageWidth": 8, **more})
    return str(folder)


SQUARE = [[1, 1], [4, 1], [4, 3], [1, 3]]


def test_polygons_are_instances_of_classes_by_the_alphabet(tmp_path):
    dataset = formats.load("labelme", write(tmp_path, shape("nut", SQUARE), shape("fig", [[5, 0], [8, 0], [8, 6], [5, 6]])))
    assert dataset.class_names == ["BG", "fig", "nut"]
    assert masks_of(dataset) == ([rectangle(1, 1, 3, 4), rectangle(0, 5, 6, 8)], [2, 1])
    assert dataset.load_image(0).shape == (6, 8, 3) and dataset.image_reference(0).endswith("a.jpg")


def test_rectangles_are_read_by_any_two_corners_or_all_four(tmp_path):
    folder = write(tmp_path, shape("a", [[4, 1], [1, 3]], "rectangle"), shape("a", SQUARE, "rectangle"))
    assert masks_of(formats.load("labelme", folder))[0] == [rectangle(1, 1, 3, 4)] * 2


def test_a_circle_has_its_area(tmp_path):
    photo(tmp_path / "a.jpg", 100, 100)
    write_json(tmp_path / "a.json", {"shapes": [shape("a", [[50, 50], [80, 50]], "circle")], "imagePath": "a.jpg"})
    mask = formats.load("labelme", str(tmp_path)).load_mask(0)[0][..., 0]
    assert abs(mask.sum() / (np.pi * 30**2) - 1) < 0.01 and mask[50, 79] and not mask[50, 81]


def test_a_mask_is_pasted_at_its_box(tmp_path):
    part = np.array([[0, 1], [1, 1]], np.uint8) * 255
    text = base64.b64encode(cv2.imencode(".png", part)[1]).decode()
    folder = write(tmp_path, shape("a", [[3, 2], [4, 3]], "mask", mask=text))
    assert masks_of(formats.load("labelme", folder))[0] == [[[2, 4], [3, 3], [3, 4]]]


def test_shapes_of_a_group_are_one_object(tmp_path):
    left, right = [[0, 0], [2, 0], [2, 2], [0, 2]], [[5, 0], [7, 0], [7, 2], [5, 2]]
    folder = write(tmp_path, shape("a", left, group=1), shape("a", SQUARE), shape("a", right, group=1), shape("b", right, group=1))
    masks, class_ids = masks_of(formats.load("labelme", folder))
    assert class_ids == [1, 1, 2] and sorted(masks[0]) == sorted(rectangle(0, 0, 2, 2) + rectangle(0, 5, 2, 7))


def test_a_group_may_join_a_mask_and_a_polygon(tmp_path):
    text = base64.b64encode(cv2.imencode(".png", np.full((1, 1), 255, np.uint8))[1]).decode()
    folder = write(tmp_path, shape("a", SQUARE, group=0), shape("a", [[7, 5], [7, 5]], "mask", group=0, mask=text))
    assert masks_of(formats.load("labelme", folder))[0] == [[*rectangle(1, 1, 3, 4), [5, 7]]]


def test_old_files_without_type_and_size_are_read(tmp_path):
    photo(tmp_path / "a.jpg")
    write_json(tmp_path / "a.json", {"shapes": [{"label": "a", "points": SQUARE}], "imagePath": "..\\elsewhere\\a.jpg"})
    assert masks_of(formats.load("labelme", str(tmp_path / "a.json")))[0] == [rectangle(1, 1, 3, 4)]


def test_the_photo_may_have_the_files_name_instead(tmp_path):
    folder = write(tmp_path, shape("a", SQUARE), imagePath="renamed.jpg")
    assert formats.load("labelme", folder).image_info[0]["path"].endswith("a.jpg")


def test_broken_shapes_are_left_out_and_counted(tmp_path, caplog):
    bad = [
        shape("a", [[1, 1], [2, 2]]), shape("", SQUARE), shape("a", SQUARE, "cube"), shape("a", [[1, 1], ["x", 2], [3, 3]]),
        shape("a", [[1, 1], [1, 5]], "rectangle"), shape("a", [[1, 1], [1, 1]], "circle"), shape("a", SQUARE, "mask", mask="?"), 7,
    ]  # fmt: skip
    with caplog.at_level(logging.WARNING):
        dataset = formats.load("labelme", write(tmp_path, *bad, shape("a", SQUARE)))
    assert masks_of(dataset) == ([rectangle(1, 1, 3, 4)], [1])
    assert "8 of 9 annotations can't be used and are left out" in caplog.text
    assert "a.json, shape 1: a polygon has at least 3 points; got 2" in caplog.text
    with pytest.raises(ValueError, match="a.json, shape 1: a polygon has at least 3 points"):
        formats.load("labelme", str(tmp_path), strict=True)


def test_points_and_lines_are_counted_apart(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        dataset = formats.load("labelme", write(tmp_path, shape("a", [[1, 1]], "point"), shape("a", SQUARE)))
    assert dataset.load_mask(0)[0].shape == (6, 8, 1) and dataset.report.unread == {"points": 1}
    assert "1 entries are points, which are not read" in caplog.text


def test_a_broken_file_among_many_is_counted(tmp_path, caplog):
    write(tmp_path, shape("a", SQUARE))
    (tmp_path / "b.json").write_text("{")
    write_json(tmp_path / "c.json", {"images": []})
    with caplog.at_level(logging.WARNING):
        assert formats.load("labelme", str(tmp_path)).num_images == 1
    assert "b.json is no JSON" in caplog.text and "1 entries are files of another kind" in caplog.text


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no .json file"):
        formats.load("labelme", str(tmp_path))
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(ValueError, match="Is it another format"):
        formats.load("labelme", str(tmp_path))


def test_a_photo_without_shapes_stays(tmp_path):
    write(tmp_path, name="empty")
    dataset = formats.load("labelme", write(tmp_path, shape("a", SQUARE)))
    assert dataset.num_images == 2 and dataset.load_mask(1)[0].shape == (6, 8, 0) and dataset.image_class_ids(1).shape == (0,)


def test_real_files_have_the_masks_of_their_coco_twin():
    folder = shared("nuts_labelme")
    ours = formats.load("labelme", folder / "val")
    coco = formats.load("coco", folder / "instances_val.json", classes=ours)
    assert ours.num_images == 3 and ours.class_names == ["BG", "date", "fig", "hazelnut"]
    twins = {info["path"]: number for number, info in enumerate(coco.image_info)}
    for image_id, info in enumerate(ours.image_info):
        masks, class_ids = ours.load_mask(image_id)
        others, other_ids = coco.load_mask(twins[info["path"]])
        assert class_ids.tolist() == other_ids.tolist()
        union, common = (masks | others).sum(axis=(0, 1)), (masks & others).sum(axis=(0, 1))
        assert (common / union).min() > 0.99
    assert len(formats.load("labelme", folder / "train").image_info) == 15
