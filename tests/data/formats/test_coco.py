"""COCO json: every kind of segmentation, and what is wrong with files."""

import json
import logging

import numpy as np
import pytest
from format_files import masks_of, photo, rectangle, shared, write_json
from pycocotools.coco import COCO

from mrcnn.data import formats
from mrcnn.ops import rle

SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]
MASK = np.zeros((6, 8), bool)
MASK[2:4, 3:7] = True


def annotation(number, segmentation, category=3, **more):
    return {"id": number, "image_id": 5, "category_id": category, "segmentation": segmentation, **more}


def write(folder, *annotations, **parts):
    photo(folder / "a.jpg")
    content = {
        "images": [{"id": 5, "file_name": "a.jpg", "height": 6, "width": 8}],
        "categories": [{"id": 3, "name": "nut"}, {"id": 7, "name": "fig, dried"}],
        "annotations": list(annotations),
    }
    return write_json(folder / "coco.json", {**content, **parts})


def test_classes_keep_their_ids(tmp_path):
    dataset = formats.load("coco", write(tmp_path, annotation(1, [SQUARE], 7)))
    assert dataset.class_names == ["BG", "nut", "fig"] and dataset.get_source_class_id(2, "coco") == 7
    assert masks_of(dataset) == ([rectangle(1, 1, 3, 4)], [2])


def test_what_is_written_has_the_ids_of_the_categories_that_were_read(tmp_path):
    dataset = formats.load("coco", write(tmp_path, annotation(1, [SQUARE], 7), annotation(2, [SQUARE], 3)))
    formats.save("coco", dataset, tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    assert [one["category_id"] for one in written["annotations"]] == [7, 3]
    assert written["categories"] == [{"id": 3, "name": "nut"}, {"id": 7, "name": "fig, dried"}]


def test_polygons_and_run_lengths_of_both_kinds_are_read(tmp_path):
    packed = rle.encode_coco(MASK)
    counts = [20, 2, 4, 2, 4, 2, 4, 2, 8]
    texts = [{"size": [6, 8], "counts": packed["counts"].decode()}, {"size": [6, 8], "counts": counts}]
    path = write(tmp_path, annotation(1, [SQUARE, [6, 0, 8, 0, 8, 1, 6, 1]]), *(annotation(2, one) for one in texts), annotation(3, SQUARE))
    dataset = formats.load("coco", path)
    pixels = np.argwhere(MASK).tolist()
    assert masks_of(dataset)[0] == [sorted(rectangle(1, 1, 3, 4) + rectangle(0, 6, 1, 8)), pixels, pixels, rectangle(1, 1, 3, 4)]


def test_crowds_have_negative_ids(tmp_path):
    dataset = formats.load("coco", write(tmp_path, annotation(1, [SQUARE], iscrowd=1), annotation(2, [SQUARE], 7, iscrowd=0)))
    assert masks_of(dataset)[1] == [-1, 2] and dataset.image_class_ids(0).tolist() == [-1, 2]
    assert dataset.load_rles(0)[1].tolist() == [-1, 2]


def test_photos_are_found_where_coco_has_them(tmp_path):
    path = write(tmp_path / "annotations", annotation(1, [SQUARE]))
    named = tmp_path / "annotations" / "instances_val.json"
    named.write_text((tmp_path / "annotations" / "coco.json").read_text())
    (tmp_path / "annotations" / "a.jpg").unlink()
    photo(tmp_path / "val" / "a.jpg")
    assert formats.load("coco", str(named)).load_image(0).shape == (6, 8, 3)
    with pytest.raises(FileNotFoundError, match="None of the 1 photos of .*coco.json .such as a.jpg. is in .*annotations/images"):
        formats.load("coco", path)
    assert formats.load("coco", path, images=tmp_path / "val").num_images == 1


def test_a_size_may_be_missing(tmp_path):
    dataset = formats.load("coco", write(tmp_path, annotation(1, [SQUARE]), images=[{"id": 5, "file_name": "a.jpg"}]))
    assert (dataset.image_info[0]["height"], dataset.image_info[0]["width"]) == (6, 8)


BROKEN = {
    "no polygon": ([], "a segmentation as polygons or run lengths is expected; got []"),
    "nothing": (None, "a segmentation as polygons or run lengths is expected; got None"),
    "two points": ([[1, 1, 2, 2]], "a polygon has at least 3 points; got 2"),
    "odd": ([[1, 1, 2, 2, 3, 3, 4]], "x and y for each point; got 7 numbers"),
    "text": ([["a", "b", "c", "d", "e", "f"]], "a polygon of numbers"),
    "infinite": ([[1, 1, 2, 2, 3, float("inf")]], "finite numbers"),
    "counts too short": ({"size": [6, 8], "counts": [4, 5]}, "the counts add up to 9, not to 6 · 8"),
    "text cut short": ({"size": [6, 8], "counts": rle.encode_coco(MASK)["counts"].decode()[:-1]}, "the counts add up to"),
    "another size": ({"size": [2, 2], "counts": [1, 3]}, "for height 2 and width 2, the image has 6 and 8"),
    "no counts": ({"size": [6, 8]}, "A COCO mask is"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_mask_among_others_is_left_out_and_named(tmp_path, caplog, case):
    segmentation, reason = BROKEN[case]
    path = write(tmp_path, annotation(1, [SQUARE]), annotation(17, segmentation))
    with caplog.at_level(logging.WARNING):
        assert masks_of(formats.load("coco", path)) == ([rectangle(1, 1, 3, 4)], [1])
    assert "coco.json: 1 of 2 annotations can't be used and are left out" in caplog.text
    assert "annotation 17: " in caplog.text and reason in caplog.text
    with pytest.raises(ValueError, match="annotation 17"):
        formats.load("coco", path, strict=True)


def test_unknown_images_and_categories_are_named(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        path = write(tmp_path, annotation(1, [SQUARE]), annotation(2, [SQUARE], 9), {"image_id": 6, "category_id": 3}, "text")
        assert formats.load("coco", path).image_class_ids(0).tolist() == [1]
    assert "category_id 9 is not among the 2 categories" in caplog.text
    assert "annotation number 3: image_id 6 is not among the images" in caplog.text and "3 of 4" in caplog.text


def test_nothing_but_broken_masks_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="none of 2 annotations can be used"):
        formats.load("coco", write(tmp_path, annotation(1, []), annotation(2, None)))


REFUSED = {
    "categories missing": ({"categories": None}, "has no list categories"),
    "categories empty": ({"categories": []}, "lists no category"),
    "categories broken": ({"categories": [{"name": "a"}]}, "categories as"),
    "categories twice": ({"categories": [{"id": 3, "name": "a"}, {"id": 3, "name": "b"}]}, "the same id"),
    "image without name": ({"images": [{"id": 5}]}, "image number 1: .*file_name"),
    "image twice": ({"images": [{"id": 5, "file_name": "a.jpg"}] * 2}, "two images have the id 5"),
    "image without pixels": ({"images": [{"id": 5, "file_name": "a.jpg", "height": 0, "width": 8}]}, "from 1 pixel on, are expected; got 0 and 8"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_coco_is_refused(tmp_path, case):
    parts, reason = REFUSED[case]
    with pytest.raises(ValueError, match=reason):
        formats.load("coco", write(tmp_path, annotation(1, [SQUARE]), **parts))


def test_results_are_not_taken_for_a_data_set(tmp_path):
    with pytest.raises(ValueError, match="A list alone holds results"):
        formats.load("coco", write_json(tmp_path / "results.json", []))


def test_a_path_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder: a COCO file"):
        formats.load("coco", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="is not there: a COCO file"):
        formats.load("coco", str(tmp_path / "none.json"))
    (tmp_path / "broken.json").write_text('{"images": [')
    with pytest.raises(ValueError, match="broken.json is no JSON"):
        formats.load("coco", str(tmp_path / "broken.json"))


@pytest.mark.parametrize("name", ["coco_ci/instances.json", "coco_small/annotations/instances_val2017.json", "ccp_ci/instances_val.json"])
def test_real_masks_are_those_of_pycocotools(name):
    path = shared(name)
    dataset, coco = formats.load("coco", path), COCO(str(path))
    seen = 0
    for image_id, info in enumerate(dataset.image_info):
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=info["id"]))
        encoded, class_ids = dataset.load_rles(image_id)
        planes = dataset.load_mask(image_id)[0]
        assert [rle.encode_coco(planes[..., i]) for i in range(planes.shape[-1])] == encoded
        expected = [rle.encode_coco(rle.decode_coco(coco.annToRLE(one))) for one in annotations]
        assert encoded == expected
        signed = [dataset.map_source_class_id(f"coco.{one['category_id']}") * (-1 if one["iscrowd"] else 1) for one in annotations]
        assert signed == class_ids.tolist()
        seen += len(annotations)
    assert seen == len(json.loads(path.read_text())["annotations"])


def test_attributes_are_kept():
    dataset = formats.load("coco", shared("fashionpedia_sample/sample.json"))
    instances = [one for info in dataset.image_info for one in info["instances"]]
    given = json.loads(shared("fashionpedia_sample/sample.json").read_text())["annotations"]
    assert sorted(one.attributes for one in instances) == sorted(tuple(one["attribute_ids"]) for one in given)
    assert len(instances) == 12 and any(one.attributes for one in instances)


def test_a_speck_beside_an_outline_costs_the_speck_alone(tmp_path):
    path = write(tmp_path, annotation(1, [SQUARE, [6, 5, 7, 5], []]), annotation(2, [[6, 5, 7, 5]]))
    dataset = formats.load("coco", path)
    assert masks_of(dataset)[0] == [rectangle(1, 1, 3, 4)]
    assert dataset.report.broken == ["annotation 2: a polygon has at least 3 points; got 2"]
    assert dataset.report.notes == {"parts of outlines have fewer than 3 points and are left out": 2}
    with pytest.raises(ValueError, match="annotation 1: a polygon has at least 3 points; got 2"):
        formats.load("coco", path, strict=True)
