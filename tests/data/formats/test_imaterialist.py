"""iMaterialist's CSV: attributes of both years, lines that can't be used. The sample's tests hold the rest."""

import json

import numpy as np
import pytest
from format_files import masks_of, photo, rectangle, shared

from mrcnn.data import formats
from mrcnn.data.formats import imaterialist
from mrcnn.data.synthetic import SceneDataset
from mrcnn.ops import rle
from mrcnn.results import Detections

HEADER = "ImageId,EncodedPixels,Height,Width,ClassId"
LABELS = {"categories": [{"id": 0, "name": "shirt, blouse"}, {"id": 6, "name": "pants"}], "attributes": [{"id": 12, "name": "long"}]}


def write(folder, *lines, header=HEADER):
    (folder / "label_descriptions.json").write_text(json.dumps(LABELS))
    (folder / "train.csv").write_text("\n".join([header, *lines]) + "\n")
    photo(folder / "train" / "a.jpg")
    return str(folder / "train.csv")


def test_lines_are_instances_and_ids_those_of_the_categories(tmp_path):
    dataset = formats.load("imaterialist", write(tmp_path, "a.jpg,1 6,6,8,6_12_44", "a,43 6,6,8,0"))
    assert [info["id"] for info in dataset.image_info] == ["a", "a.jpg"] and dataset.get_source_class_id(2, "imaterialist") == 6
    assert masks_of(dataset, 1) == ([rectangle(0, 0, 6, 1)], [2]) and masks_of(dataset, 0) == ([rectangle(0, 7, 6, 8)], [1])
    assert dataset.image_info[1]["instances"][0].attributes == (12, 44) and dataset.attribute_names == {12: "long"}


def test_attributes_of_2020_have_a_column(tmp_path):
    path = write(tmp_path, 'a.jpg,1 6,6,8,6,"12,44"', "a.jpg,7 6,6,8,0,", header=HEADER + ",AttributesIds")
    assert [one.attributes for one in formats.load("imaterialist", path).image_info[0]["instances"]] == [(12, 44), ()]


def test_attributes_follow_the_instances_that_show_and_are_unknown_where_a_photo_lists_none(tmp_path, caplog):
    photo(tmp_path / "train" / "b.jpg")
    path = write(tmp_path, "a.jpg,1 6,6,8,6_12", "a.jpg,,6,8,6_12", "a.jpg,7 6,6,8,0_44", "a.jpg,19 6,6,8,0", "b.jpg,1 6,6,8,6")
    dataset = formats.load("imaterialist", path)
    assert dataset.load_attributes(0).tolist() == [[1], [0], [0]] and dataset.load_attributes(1) is None
    assert "1 instances have attributes that are not among the 1 described" in caplog.text
    for decode in (dataset.load_mask, dataset.load_rles):
        assert len(decode(0)[1]) == len(dataset.load_attributes(0))


def test_an_instance_too_thin_to_show_takes_its_attributes_with_it(tmp_path):
    polygon = {"segmentation": [[1, 1, 1, 3, 1, 1]], "bbox": [0, 0, 1, 1], "area": 0}
    square = {"segmentation": [[1, 1, 4, 1, 4, 4, 1, 4]], "bbox": [1, 1, 3, 3], "area": 9}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 6, "width": 8}], "categories": [{"id": 1, "name": "pants"}],
        "attributes": [{"id": 3, "name": "long"}, {"id": 9, "name": "red"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "attribute_ids": [9], **polygon},
            {"id": 2, "image_id": 1, "category_id": 1, "attribute_ids": [3], **square},
        ],
    }  # fmt: skip
    photo(tmp_path / "a.jpg")
    (tmp_path / "train.json").write_text(json.dumps(content))
    dataset = formats.load("coco", tmp_path / "train.json")
    first = dataset.load_attributes(0).tolist()  # before anything was decoded
    assert first == [[1, 0]] and len(dataset.load_mask(0)[1]) == 1


def test_submissions_have_the_attributes_in_rising_order(tmp_path):
    dataset = formats.load("imaterialist", write(tmp_path, "a.jpg,1 6,6,8,6_12", "a.jpg,7 6,6,8,0"))
    dataset.attribute_names = {44: "red", 12: "long", 30: "wide"}
    masks = np.zeros((6, 8, 2), bool)
    masks[:, 0, 0] = masks[:, 3:5, 1] = True
    found = Detections([[0, 0, 6, 1], [0, 3, 6, 5]], [2, 1], [0.9, 0.8], masks, attributes=[[0.9, 0.6, 0.4], [0.1, 0.2, 0.49]])
    formats.save_results("imaterialist", [found], dataset, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == ["a,1 6,6_12_44", "a,19 12,0"]
    found.attribute_min_confidence = 0.45
    formats.save_results("imaterialist", [found], dataset, tmp_path / "more.csv")
    assert (tmp_path / "more.csv").read_text().splitlines()[2] == "a,19 12,0_30"
    dataset.attribute_names = {12: "long"}
    with pytest.raises(ValueError, match="tells 3 attributes, but 1 names are given"):
        formats.save_results("imaterialist", [found], dataset, tmp_path / "bad.csv")


def test_scenes_written_and_read_again_keep_their_attributes(tmp_path):
    scenes = SceneDataset()
    scenes.load(count=2, seed=5, size=64)
    scenes.prepare()
    formats.save("imaterialist", scenes, tmp_path / "train.csv")
    again = formats.load("imaterialist", tmp_path / "train.csv", keep_missing=True)
    assert again.attribute_names == scenes.attribute_names and again.num_images == 2
    for image_id in (0, 1):
        assert (again.load_attributes(image_id) == scenes.load_attributes(image_id)).all()


def test_the_first_pixel_may_have_number_0(tmp_path):
    path = write(tmp_path, "a.jpg,0 6,6,8,6")
    assert masks_of(formats.load("imaterialist", path, first_pixel=0))[0] == [rectangle(0, 0, 6, 1)]
    with pytest.raises(ValueError, match="first_pixel is 2"):
        formats.load("imaterialist", path, first_pixel=2)


def test_lines_that_cannot_be_used_are_left_out_and_named(tmp_path, caplog):
    lines = ["a.jpg,1 6,6,8,6", "a.jpg,1 6,,8,6", "a.jpg,1 6,6,8,shoe", "a.jpg,1 6,6,8,7", "a.jpg,1 6,8,6,0"]
    path = write(tmp_path, *lines)
    assert masks_of(formats.load("imaterialist", path)) == ([rectangle(0, 0, 6, 1)], [2])
    assert "4 of 5 annotations can't be used and are left out: line 3, ImageId a.jpg: Height is ''" in caplog.text
    with pytest.raises(ValueError, match="train.csv, line 3, ImageId a.jpg: Height is ''; a whole number of pixels is expected"):
        formats.load("imaterialist", path, strict=True)


def test_nothing_but_unusable_lines_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="none of 2 annotations can be used"):
        formats.load("imaterialist", write(tmp_path, "a.jpg,1 6,6,8,7", "a.jpg,1 6,6,x,6"))


def test_a_broken_run_is_named_when_it_is_decoded(tmp_path):
    dataset = formats.load("imaterialist", write(tmp_path, "a.jpg,1 6 9,6,8,6"))
    for decode in (dataset.load_mask, dataset.load_rles):
        with pytest.raises(ValueError, match="train.csv, line 2, ImageId a.jpg: Run-length string holds 3 values"):
            decode(0)


def test_runs_out_of_order_are_decoded_at_the_squares_size():
    mask = np.random.default_rng(0).random((30, 22)) < 0.4
    pairs = np.array(rle.encode(mask).split()).reshape(-1, 2)[::-1]
    shuffled = " ".join(pairs.ravel())
    assert np.array_equal(imaterialist.decode_resized(shuffled, (30, 22), 8), imaterialist.decode_resized(rle.encode(mask), (30, 22), 8))


def test_real_masks_are_those_of_their_coco_twin():
    ours = formats.load("imaterialist", shared("ccp_ci/val.csv"))
    coco = formats.load("coco", shared("ccp_ci/instances_val.json"))
    twins = {info["path"]: number for number, info in enumerate(coco.image_info)}
    assert ours.num_images == 4 and len(ours.attribute_names) == 92
    for image_id, info in enumerate(ours.image_info):
        (mine, class_ids), (theirs, their_ids) = ours.load_rles(image_id), coco.load_rles(twins[info["path"]])
        assert sorted(one["counts"] for one in mine) == sorted(one["counts"] for one in theirs)
        names = [ours.class_names[i] for i in class_ids], [coco.class_names[i] for i in their_ids]
        assert sorted(names[0]) == sorted(names[1])
