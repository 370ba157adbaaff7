"""Detections and truth kept as run lengths: from a data set, from COCO's files, saved and read again."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from tiny import Squares

from mrcnn.evaluation import collect, collected, from_coco
from mrcnn.ops import rle
from mrcnn.results import Detections


def finder(dataset, score=0.9):
    """A detector that finds each instance of the images it is shown, in their order."""
    todo = iter(range(dataset.num_images))

    def detect(images):
        found = []
        for _ in images:
            masks, class_ids = dataset.instances(next(todo))
            boxes = rle.boxes_coco(rle.encode_coco(masks))
            found.append(Detections(boxes, class_ids, np.full(len(class_ids), score), masks))
        return found

    return detect


class WithRles(Squares):
    """A data set whose planes nobody may ask for."""

    def load_mask(self, image_id):
        raise AssertionError("planes were asked for")

    def load_rles(self, image_id):
        masks, class_ids = self.instances(image_id)
        return rle.encode_coco(masks), class_ids


def test_collecting_keeps_order_truth_and_detections():
    dataset, seen = Squares(5, empty=3), []
    found = collect.from_dataset(finder(dataset), dataset, at_once=2, progress=lambda done, total: seen.append((done, total)))
    assert [one.image_id for one in found.images] == [0, 1, 2, 3, 4]
    assert [len(one.gt_class_ids) for one in found.images] == [0, 2, 2, 0, 2]
    assert found.images[1].gt_rles == found.images[1].rles == rle.encode_coco(dataset.instances(1)[0])
    assert found.images[1].boxes.tolist() == found.images[1].gt_boxes.tolist()
    assert found.class_names == ["BG", "square", "disc"] and found.has_masks
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_run_lengths_of_a_data_set_never_become_planes():
    dataset = WithRles(2)
    found = collect.from_dataset(finder(dataset), dataset)
    assert found.images[1].gt_rles == rle.encode_coco(dataset.instances(1)[0])


def test_a_bad_image_is_named_and_left_out():
    class Bad(Squares):
        def load_image(self, image_id):
            if image_id == 0:
                raise OSError("the disk is gone")
            return super().load_image(image_id)

        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            return (masks[:-1], class_ids) if image_id == 3 else (masks, class_ids)

    seen = []
    dataset = Bad(4)
    found = collect.from_dataset(
        lambda images: [Detections.empty(64, 64)] * len(images), dataset, at_once=2, progress=lambda *at: seen.append(at)
    )
    assert [one.image_id for one in found.images] == [1, 2]
    assert [name for name, _ in found.left_out] == ["tiny/0", "tiny/3"]
    assert "OSError: the disk is gone" in found.left_out[0][1] and "(63, 64)" in found.left_out[1][1]
    with pytest.raises(ValueError, match="None of the 1 images.*tiny/0: OSError: the disk is gone"):
        collect.from_dataset(lambda images: [], dataset, image_ids=[0])


def test_class_ids_of_another_data_set_are_refused():
    dataset = Squares(1)
    with pytest.raises(ValueError, match="class id 3, the data set has ids 1 to 2"):
        collect.from_dataset(lambda images: [Detections([[0, 0, 2, 2]], [3], [0.5], np.ones((64, 64, 1), bool))], dataset)


@pytest.mark.parametrize("name", ["found.json", "found.json.gz"])
def test_saved_and_read_again_is_the_same(tmp_path, name):
    dataset = Squares(3, empty=2)
    found = collect.from_dataset(finder(dataset, score=1 / 3), dataset)
    found.left_out.append(("x.jpg", "broken"))
    found.save(tmp_path / name)
    again = collected.Collected.load(tmp_path / name)
    assert from_coco.as_coco(again) == from_coco.as_coco(found)
    assert (again.left_out, again.class_names) == (found.left_out, found.class_names)


def test_another_file_is_refused_by_name(tmp_path):
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(ValueError, match="other.json is not what Collected.save writes"):
        collected.Collected.load(tmp_path / "other.json")


def test_parts_that_disagree_are_refused():
    with pytest.raises(ValueError, match=r"instances disagree in their number: .*'gt_boxes': 2"):
        collected.CollectedImage(1, "a", 2, 2, [1], [[0, 0, 1, 1]] * 2, None, [4], [], [], [], None)
    with pytest.raises(ValueError, match="a mask of its instances 3 x 3"):
        collected.CollectedImage(1, "a", 2, 2, [1], [[0, 0, 1, 1]], [{"size": [3, 3], "counts": b"9"}], [4], [], [], [], None)


def test_select_keeps_rows_of_every_part():
    dataset = Squares(1)
    one = collect.from_dataset(finder(dataset), dataset).images[0]
    assert one.select([1]).class_ids.tolist() == [2] and one.select([1]).rles == one.rles[1:]
    assert one.select(np.array([True, False])).boxes.tolist() == one.boxes[:1].tolist()


TRUTH = {
    "images": [{"id": "b", "file_name": "b.jpg", "height": 4, "width": 6}, {"id": "a", "file_name": "a.jpg", "height": 4, "width": 6}],
    "categories": [{"id": 9, "name": "dog"}, {"id": 0, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": "b", "category_id": 9, "segmentation": [[1, 1, 5, 1, 5, 3, 1, 3]], "area": 7.5, "iscrowd": 0},
        {"id": 2, "image_id": "b", "category_id": 0, "segmentation": {"size": [4, 6], "counts": [0, 8, 16]}, "iscrowd": 1},
    ],
}


def test_coco_files_are_read_sorted_with_their_own_numbers(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH))
    found = from_coco.read(tmp_path / "truth.json", [{"image_id": "a", "category_id": 0, "score": 0.25, "bbox": [1, 2, 3, 1.5]}])
    assert [one.name for one in found.images] == ["a.jpg", "b.jpg"]
    assert (found.class_names, found.category_ids) == (["BG", "cat", "dog"], [0, 0, 9])
    assert found.images[1].gt_class_ids.tolist() == [2, -1]
    assert found.images[1].gt_areas.tolist() == [7.5, 8]  # what the file says, else the mask's pixels
    assert found.images[0].boxes.tolist() == [[2, 1, 3.5, 4]] and found.images[0].rles is None
    expected = coco_mask.merge(coco_mask.frPyObjects([[1, 1, 5, 1, 5, 3, 1, 3]], 4, 6))
    assert found.images[1].gt_rles[0] == expected
    assert from_coco.as_coco(found)[1] == [{"image_id": "a", "category_id": 0, "score": 0.25, "bbox": [1, 2, 3, 1.5]}]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"image_id": "c", "category_id": 9, "score": 1, "bbox": [0, 0, 1, 1]}, "result number 1: image_id 'c' is not among the 2 images"),
        ({"image_id": "a", "category_id": 1, "score": 1, "bbox": [0, 0, 1, 1]}, "category_id 1 is not among the 2 categories"),
        ({"image_id": "a", "category_id": 9, "bbox": [0, 0, 1, 1]}, "a result of image 'a' has no score"),
        ({"image_id": "a", "category_id": 9, "score": float("nan"), "bbox": [0, 0, 1, 1]}, "'a': scores must be numbers"),
        ({"image_id": "a", "category_id": 9, "score": 1}, "neither bbox nor segmentation"),
        ({"image_id": "a", "category_id": 9, "score": 1, "segmentation": "x"}, "polygons or run lengths are expected"),
        ({"image_id": "a", "category_id": 9, "score": 1, "segmentation": {"size": [9, 9], "counts": [81]}}, "4 x 6 pixels"),
        ("x", "image_id and category_id are expected"),
    ],
)
def test_a_broken_result_is_named(result, message):
    with pytest.raises(ValueError, match=message):
        from_coco.read(TRUTH, [result])


def test_what_is_no_ground_truth_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a COCO file"):
        from_coco.read([], [])
    with pytest.raises(ValueError, match="the results: a list"):
        from_coco.read(TRUTH, {})
    (tmp_path / "no.json").write_text("{")
    with pytest.raises(ValueError, match="no.json is no JSON"):
        from_coco.read(tmp_path / "no.json", [])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_in_another_unicode_encoding_are_read(encoding, tmp_path):
    (tmp_path / "truth.json").write_bytes(json.dumps(TRUTH).encode(encoding))
    assert from_coco.read(tmp_path / "truth.json", []).class_names == from_coco.read(TRUTH, []).class_names
