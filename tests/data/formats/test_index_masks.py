"""One image of instance numbers a photo."""

import cv2
import numpy as np
import pytest
from format_files import masks_of, photo, rectangle, shared

from mrcnn.data import formats
from mrcnn.data.formats import shapes

PARTS = np.zeros((6, 8), np.uint16)
PARTS[0:2, 0:3], PARTS[3:5, 4:8] = 1, 300


def write(folder, values=PARTS, name="a", photos="images", masks="masks"):
    photo(folder / photos / f"{name}.jpg")
    (folder / masks).mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(folder / masks / f"{name}.png"), values)
    return folder


def test_every_value_but_zero_is_an_instance(tmp_path):
    dataset = formats.load("index_masks", write(tmp_path), class_name="cell")
    assert dataset.class_names == ["BG", "cell"] and dataset.image_class_ids(0).tolist() == [1, 1]
    assert masks_of(dataset) == ([rectangle(0, 0, 2, 3), rectangle(3, 4, 5, 8)], [1, 1])


def test_a_colour_is_a_number_with_red_lowest(tmp_path):
    """As in COCO's panoptic PNG: red + 256 green + 65536 blue."""
    cv2.imwrite(str(tmp_path / "a.png"), np.uint8([[[3, 2, 1], [0, 0, 255]]]))  # OpenCV takes blue, green, red
    assert shapes.read_index(str(tmp_path / "a.png")).tolist() == [[1 + 256 * 2 + 65536 * 3, 255]]


def test_masks_may_lie_elsewhere_and_values_be_ignored(tmp_path):
    write(tmp_path, photos="photos", masks="labels")
    dataset = formats.load("index_masks", tmp_path / "photos", masks=tmp_path / "labels", ignore=[300])
    assert masks_of(dataset)[0] == [rectangle(0, 0, 2, 3)]


def test_the_class_stands_before_the_instance_as_in_cityscapes(tmp_path):
    values = np.zeros((6, 8), np.uint16)
    values[0:2, 0:3], values[3:5, 4:8], values[5, 0] = 24001, 26000, 24
    dataset = formats.load("index_masks", write(tmp_path, values), divisor=1000, names={24: "person", 26: "car"})
    assert dataset.class_names == ["BG", "person", "car"] and dataset.get_source_class_id(2, "index_masks") == 26
    assert masks_of(dataset) == ([[[5, 0]], rectangle(0, 0, 2, 3), rectangle(3, 4, 5, 8)], [-1, 1, 2])
    assert formats.load("index_masks", tmp_path, divisor=1000).class_names == ["BG", "24", "26"]


def test_a_class_without_a_name_is_named_in_the_log(tmp_path, caplog):
    values = (PARTS > 0).astype(np.uint16) * 24000 + PARTS
    dataset = formats.load("index_masks", write(tmp_path, values + np.uint16(1000) * (PARTS == 1)), divisor=1000, names={24: "person"})
    assert masks_of(dataset)[1] == [1] and "class 25 is not among the names, 24" in caplog.text


def test_photos_without_a_mask_are_left_out_and_counted(tmp_path, caplog):
    photo(write(tmp_path) / "images" / "b.jpg")
    assert formats.load("index_masks", tmp_path).num_images == 1
    assert "1 photos have no mask and are left out." in caplog.text


def test_a_broken_mask_among_others_is_counted(tmp_path, caplog):
    write(write(tmp_path), name="b")
    (tmp_path / "masks" / "b.png").write_bytes(b"no image")
    dataset = formats.load("index_masks", tmp_path)
    assert [len(dataset.image_class_ids(i)) for i in dataset.image_ids] == [2, 0]
    assert "1 of 3 annotations can't be used" in caplog.text and "b.png, the whole file: " in caplog.text


REFUSED = {
    "names alone": (dict(names={1: "a"}), ValueError, "need divisor=1000"),
    "divisor": (dict(divisor=1), ValueError, "a whole number above 1"),
    "masks elsewhere": (dict(masks="none"), FileNotFoundError, "none holds no mask"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_options_that_do_not_fit_are_refused(tmp_path, case):
    options, kind, reason = REFUSED[case]
    with pytest.raises(kind, match=reason):
        formats.load("index_masks", write(tmp_path), **options)


def test_folders_in_another_form_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder"):
        formats.load("index_masks", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no photo"):
        formats.load("index_masks", tmp_path)
    write(tmp_path)
    (tmp_path / "masks" / "a.png").rename(tmp_path / "masks" / "b.png")
    with pytest.raises(FileNotFoundError, match="no mask has the name of a photo"):
        formats.load("index_masks", tmp_path)


def test_real_panoptic_colours_are_instances():
    folder = shared("expected/panopticapi_sample/sample_data")
    dataset = formats.load("index_masks", folder / "input_images", masks=folder / "panoptic_examples")
    assert dataset.num_images == 2
    for image_id in dataset.image_ids:
        masks, _ = dataset.load_mask(image_id)
        assert masks.shape[-1] > 3 and (masks.sum(axis=-1) <= 1).all() and dataset.load_image(image_id).shape[:2] == masks.shape[:2]
