"""One mask file an instance, as in the Data Science Bowl 2018."""

import cv2
import numpy as np
import pytest
from format_files import masks_of, photo, rectangle, shared

from mrcnn.data import formats


def mask(path, top, left, bottom, right):
    path.parent.mkdir(parents=True, exist_ok=True)
    plane = np.zeros((6, 8), np.uint8)
    plane[top:bottom, left:right] = 255
    assert cv2.imwrite(str(path), plane)


def write(folder, name="x"):
    photo(folder / name / "images" / f"{name}.png")
    mask(folder / name / "masks" / "1.png", 0, 0, 2, 2)
    mask(folder / name / "masks" / "2.png", 3, 3, 5, 6)
    return folder


def test_a_file_is_an_instance(tmp_path):
    dataset = formats.load("png_masks", write(tmp_path), class_name="nucleus")
    assert dataset.class_names == ["BG", "nucleus"] and dataset.image_info[0]["id"] == "x"
    assert masks_of(dataset) == ([rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 6)], [1, 1])


def test_a_folder_of_masks_is_a_class(tmp_path):
    write(tmp_path)
    mask(tmp_path / "x" / "masks" / "dead" / "1.png", 0, 4, 1, 6)
    dataset = formats.load("png_masks", tmp_path)
    assert dataset.class_names == ["BG", "dead", "object"]
    assert masks_of(dataset)[1] == [2, 2, 1] and masks_of(dataset)[0][2] == rectangle(0, 4, 1, 6)


def test_an_empty_mask_is_no_instance_but_counted_without_decoding(tmp_path):
    mask(write(tmp_path) / "x" / "masks" / "0.png", 0, 0, 0, 0)
    dataset = formats.load("png_masks", tmp_path)
    assert dataset.image_class_ids(0).shape == (3,) and dataset.load_mask(0)[0].shape == (6, 8, 2)
    encoded, class_ids = dataset.load_rles(0)
    assert len(encoded) == len(class_ids) == 2


def test_photos_without_masks_stay_and_folders_without_photo_are_counted(tmp_path, caplog):
    photo(write(tmp_path) / "y" / "images" / "y.png")
    (tmp_path / "z" / "masks").mkdir(parents=True)
    dataset = formats.load("png_masks", tmp_path)
    assert [info["id"] for info in dataset.image_info] == ["x", "y"] and dataset.load_mask(1)[0].shape == (6, 8, 0)
    assert "1 photos are missing and left out" in caplog.text
    assert "1 photos have no folder masks/ and stay without instances." in caplog.text


def test_a_mask_of_another_size_is_named(tmp_path):
    write(tmp_path)
    assert cv2.imwrite(str(tmp_path / "x" / "masks" / "2.png"), np.ones((6, 7), np.uint8))
    with pytest.raises(ValueError, match=r"masks, 2.png: .*2.png is 6 px high and 7 wide, its photo 6 and 8"):
        formats.load("png_masks", tmp_path).load_mask(0)


def test_a_mask_that_has_gone_is_named(tmp_path):
    dataset = formats.load("png_masks", write(tmp_path))
    (tmp_path / "x" / "masks" / "2.png").unlink()
    with pytest.raises(FileNotFoundError, match="2.png"):
        dataset.load_mask(0)


def test_a_folder_in_another_form_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder: PATH/<id>/images/"):
        formats.load("png_masks", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no photo: PATH/<id>/images/"):
        formats.load("png_masks", tmp_path)
    photo(write(tmp_path) / "x" / "images" / "second.png")
    with pytest.raises(ValueError, match="holds 2 photos: one is expected"):
        formats.load("png_masks", tmp_path)


def test_real_masks_are_those_of_their_coco_twin():
    folder = shared("dsb2018_mini")
    ours = formats.load("png_masks", folder / "stage1_val", class_name="nucleus")
    coco = formats.load("coco", folder / "annotations" / "instances_val.json", images=folder / "stage1_val", classes=ours)
    assert ours.num_images == 6 and sum(len(ours.image_class_ids(i)) for i in ours.image_ids) == 113
    twins = {info["path"]: number for number, info in enumerate(coco.image_info)}
    for image_id, info in enumerate(ours.image_info):
        (mine, class_ids), (theirs, _) = ours.load_rles(image_id), coco.load_rles(twins[info["path"]])
        assert sorted(one["counts"] for one in mine) == sorted(one["counts"] for one in theirs)
        assert class_ids.tolist() == [1] * len(theirs) and ours.load_image(image_id).shape[:2] == tuple(mine[0]["size"])
