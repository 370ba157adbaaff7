"""iMaterialist's CSV: attributes of both years, lines that can't be used. The sample's tests hold the rest."""

import json

import numpy as np
import pytest
from format_files import masks_of, photo, rectangle, shared

from mrcnn.data import formats
from mrcnn.data.formats import imaterialist
from mrcnn.ops import rle

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
