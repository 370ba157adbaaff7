import copy
import json
import pickle

import numpy as np
import pytest

from mrcnn import results
from mrcnn.ops import paste, rle


def three():
    masks = np.zeros((4, 6, 3), bool)
    masks[0:2, 0:3, 0] = True
    masks[2:4, 3:6, 1] = True
    masks[1, 1, 2] = True
    return results.Detections(
        rois=[[0, 0, 2, 3], [2, 3, 4, 6], [1, 1, 2, 2]], class_ids=[1, 2, 1], scores=[0.9, 0.8, 0.0], masks=masks
    )


def test_keys_are_exactly_the_four_historic_ones():
    found = three()
    assert list(found) == ["rois", "class_ids", "scores", "masks"]
    assert isinstance(found, dict)
    assert len(found) == 4


def test_parts_get_their_dtypes():
    found = three()
    assert [found[key].dtype.name for key in results.KEYS] == ["int32", "int32", "float32", "bool"]


def test_masks_can_be_replaced_as_kernels_do():
    found = three()
    refined = np.zeros_like(found["masks"])
    found["masks"] = refined
    assert found["masks"] is refined


def test_number_size_and_areas():
    found = three()
    assert found.num == 3
    assert found.image_shape == (4, 6)
    assert found.areas.tolist() == [6, 6, 1]


def test_empty_has_the_size_of_the_image_and_no_detection():
    found = results.Detections.empty(5, 7)
    assert found.num == 0
    assert found["masks"].shape == (5, 7, 0)
    assert found["rois"].shape == (0, 4)
    assert found.filter(min_score=0.5, class_ids=[1]).num == 0
    assert found.areas.tolist() == []
    assert found.to_coco(1) == []


def test_empty_lists_are_no_detection():
    found = results.Detections(rois=[], class_ids=[], scores=[], masks=np.zeros((2, 3, 0)))
    assert found["rois"].shape == (0, 4)


def test_filter_keeps_a_score_equal_to_the_least():
    assert three().filter(min_score=0.0).num == 3
    assert three().filter(min_score=float(np.float32(0.8)))["class_ids"].tolist() == [1, 2]


def test_filter_by_class_keeps_the_masks_of_that_class():
    found = three().filter(class_ids=[2])
    assert found["rois"].tolist() == [[2, 3, 4, 6]]
    assert found.areas.tolist() == [6]


def test_select_takes_an_order_or_a_bool_or_nothing():
    assert three().select([2, 0])["rois"].tolist() == [[1, 1, 2, 2], [0, 0, 2, 3]]
    assert three().select(np.array([False, True, False]))["class_ids"].tolist() == [2]
    assert three().select([]).num == 0


def test_selection_does_not_share_arrays():
    found = three()
    found.copy()["rois"][:] = 0
    assert found["rois"].any()


def test_extras_survive_selection_copy_and_pickle():
    found = three()
    found.window = (0, 0, 4, 6)
    for twin in (found.select([0, 1, 2]), found.copy(), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert isinstance(twin, results.Detections)
        assert twin.window == (0, 0, 4, 6)
        np.testing.assert_array_equal(twin["masks"], found["masks"])


def test_a_plain_dict_becomes_detections_and_detections_stay_themselves():
    found = three()
    assert results.Detections.from_mapping(found) is found
    assert results.Detections.from_mapping(dict(found)).num == 3
    with pytest.raises(ValueError, match=r"\['masks'\] missing"):
        results.Detections.from_mapping({key: found[key] for key in results.KEYS[:3]})


def test_masks_assigned_in_another_dtype_are_brought_back():
    found = three()
    found.window = (0, 0, 4, 6)
    found["masks"] = found["masks"].astype(np.int64)
    assert found.areas.tolist() == [6, 6, 1]
    again = results.Detections.from_mapping(found)
    assert again["masks"].dtype == bool
    assert again.window == (0, 0, 4, 6)


def test_the_message_of_a_disagreement_shows_all_shapes():
    with pytest.raises(ValueError, match=r"rois \(2, 4\), class_ids \(1,\), scores \(1,\), masks \(4, 4, 1\)"):
        results.Detections(np.zeros((2, 4)), [1], [0.5], np.zeros((4, 4, 1), bool))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rois": np.zeros((1, 5))}, r"rois \(1, 5\)"),
        ({"rois": np.full((1, 4), 0.5)}, "round them"),
        ({"rois": np.full((1, 4), np.nan)}, "round them"),
        ({"scores": [np.nan]}, r"nan at \[0\]"),
        ({"masks": np.full((2, 2, 1), 0.3)}, "threshold"),
        ({"masks": np.zeros((2, 2), bool)}, r"masks \(2, 2\)"),
    ],
)
def test_bad_parts_are_refused(change, message):
    parts = {"rois": np.zeros((1, 4)), "class_ids": [1], "scores": [0.5], "masks": np.zeros((2, 2, 1), bool)}
    with pytest.raises(ValueError, match=message):
        results.Detections(**{**parts, **change})


def test_validate_finds_what_an_assignment_broke():
    found = three()
    found["rois"] = found["rois"][:2]
    with pytest.raises(ValueError, match=r"rois \(2, 4\)"):
        found.validate()


def test_masks_of_zeros_and_ones_are_taken():
    found = results.Detections([[0, 0, 1, 1]], [1], [1.0], np.ones((1, 1, 1), np.uint8))
    assert found["masks"].dtype == bool


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_coco_results_are_json_and_decode_to_the_masks():
    mask_api = pytest.importorskip("pycocotools.mask")
    found = three()
    written = json.loads(json.dumps(found.to_coco(image_id=17, category_ids={1: 31, 2: 5})))
    assert [entry["category_id"] for entry in written] == [31, 5, 31]
    assert written[1]["bbox"] == [3, 2, 3, 2]
    assert written[0]["image_id"] == 17
    assert written[0]["score"] == pytest.approx(0.9)
    for i, entry in enumerate(written):
        np.testing.assert_array_equal(mask_api.decode(entry["segmentation"]).astype(bool), found["masks"][:, :, i])


def test_a_class_without_category_is_named():
    with pytest.raises(ValueError, match="class id 2 has no entry"):
        three().to_coco(1, {1: 31})


def test_repr_names_number_and_size():
    assert repr(three()) == "Detections(num=3, image=4x6, class_ids=[1, 2, 1])"


def waiting(count=3):
    """Detections whose masks have not been put on the image yet; one box reaches outside."""
    rng = np.random.default_rng(0)
    boxes = np.array([[0, 0, 6, 9], [3, 4, 12, 30], [5, 5, 8, 7]], np.int32)[:count]
    small = results.SmallMasks(rng.random((count, 7, 7)).astype(np.float32), boxes, (10, 12, 3))
    return results.Detections(boxes, [1, 2, 1][:count], [0.9, 0.8, 0.7][:count], small, window=(0, 0, 5, 6))


def planes():
    found = waiting()
    return paste.planes(found._small.masks, found._small.boxes, (10, 12))


READERS = {
    "item": lambda found: found["masks"],
    "get": lambda found: found.get("masks"),
    "values": lambda found: list(found.values())[3],
    "items": lambda found: dict(found.items())["masks"],
    "pop": lambda found: found.pop("masks"),
    "popitem": lambda found: found.popitem()[1],
    "setdefault": lambda found: found.setdefault("masks", None),
    "dict": lambda found: dict(found)["masks"],
    "unpacked": lambda found: {**found}["masks"],
    "keywords": lambda found: (lambda **values: values["masks"])(**found),
    "updated": lambda found: [target := {}, target.update(found)] and target["masks"],
    "or": lambda found: (found | {})["masks"],
    "or into a dict": lambda found: ({} | found)["masks"],
    "shallow copy": lambda found: copy.copy(found)["masks"],
    "deep copy": lambda found: copy.deepcopy(found)["masks"],
    "copy": lambda found: found.copy()["masks"],
    "pickle": lambda found: pickle.loads(pickle.dumps(found))["masks"],
    "select": lambda found: found.select([0, 1, 2])["masks"],
}


@pytest.mark.parametrize("name", READERS)
def test_masks_that_wait_are_planes_whoever_reads_them(name):
    got = READERS[name](waiting())
    assert got.dtype == bool
    np.testing.assert_array_equal(got, planes())


def test_masks_are_pasted_once_and_changes_stay():
    found = waiting()
    assert not found.pasted
    found["masks"][0, 0, 0] ^= True
    assert found.pasted
    assert found["masks"][0, 0, 0] != planes()[0, 0, 0]
    assert found.rles == rle.encode_coco(found["masks"])


def test_masks_that_wait_can_be_replaced_and_removed():
    found = waiting()
    found["masks"] = refined = np.zeros((10, 12, 3), bool)
    assert found["masks"] is refined and found.pasted
    found = waiting()
    del found["masks"]
    assert found.get("masks") is None and list(found) == ["rois", "class_ids", "scores"]


def test_nothing_but_reading_the_masks_pastes_them():
    found = waiting()
    for twin in (found, found.copy(), copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found)), found.filter(0.1)):
        assert list(twin) == list(twin.keys()) == list(results.KEYS) and len(twin) == 4 and "masks" in twin
        assert twin.num == 3
        assert twin.image_shape == (10, 12)
        assert twin.window == (0, 0, 5, 6)
        assert twin.get("rois") is twin["rois"]
        assert repr(twin) == "Detections(num=3, image=10x12, class_ids=[1, 2, 1])"
        assert results.Detections.from_mapping(twin) is twin
        assert twin.areas.tolist() == planes().sum(axis=(0, 1)).tolist()
        assert twin.rles == rle.encode_coco(planes())
        assert not twin.pasted


def test_coco_results_of_masks_that_wait_are_those_of_their_planes():
    found, pasted = waiting(), waiting()
    assert pasted["masks"].any()
    assert found.to_coco(7) == pasted.to_coco(7)
    assert not found.pasted and pasted.pasted


def test_a_selection_of_masks_that_wait_is_that_of_their_planes():
    np.testing.assert_array_equal(waiting().select([2, 0])["masks"], planes()[:, :, [2, 0]])
    none = waiting().filter(min_score=0.99)
    assert none.num == 0 and not none.pasted
    assert none["masks"].shape == (10, 12, 0)


def test_masks_that_wait_must_agree_in_number():
    small = waiting()._small
    with pytest.raises(ValueError, match=r"rois \(1, 4\).*masks \(10, 12, 3\)"):
        results.Detections(np.zeros((1, 4)), [1], [0.5], small)


def test_detections_whose_boxes_moved_keep_their_masks():
    found = waiting()
    found["rois"] = found["rois"] + 1
    np.testing.assert_array_equal(found["masks"], planes())


def coat_and_button():
    """A coat of 16 pixels, a button of 4 on it, and a second coat of another class over half of the first."""
    masks = np.zeros((4, 6, 3), bool)
    masks[:, :4, 0] = masks[1:3, 1:3, 1] = masks[:, 2:6, 2] = True
    return results.Detections([[0, 0, 4, 4], [1, 1, 3, 3], [0, 2, 4, 6]], [1, 2, 3], [0.9, 0.5, 0.8], masks, window=(0, 0, 8, 8))


def test_without_overlaps_the_smallest_keeps_its_pixels():
    found = coat_and_button()
    apart = found.without_overlaps()
    assert not apart.pasted and apart.window == (0, 0, 8, 8) and apart["class_ids"].tolist() == [1, 2, 3]
    assert apart.areas.tolist() == [12, 4, 8]  # the coats have 16 pixels each: of equal ones the first one's come first
    assert apart["rois"].tolist() == [[0, 0, 4, 4], [1, 1, 3, 3], [0, 4, 4, 6]]
    assert apart["masks"].sum(axis=2).max() == 1
    assert found["masks"].sum() == 36  # unchanged


def test_without_overlaps_the_best_keeps_its_pixels_and_what_is_covered_goes():
    apart = coat_and_button().without_overlaps("best")
    assert apart["class_ids"].tolist() == [1, 3] and apart["scores"].tolist() == pytest.approx([0.9, 0.8])
    assert apart["rois"].tolist() == [[0, 0, 4, 4], [0, 4, 4, 6]]


def test_overlaps_of_nothing():
    none = results.Detections.empty(4, 6)
    assert none.without_overlaps().num == none.mask_nms(0.5).num == 0
    assert none.without_overlaps()["masks"].shape == (4, 6, 0)


def test_without_overlaps_refuses_another_order():
    with pytest.raises(ValueError, match="'smallest' or 'best'"):
        coat_and_button().without_overlaps("largest")


def test_mask_nms_within_classes_and_over_them():
    """The coats' masks have IoU 8 / 24, the button's with the first one 4 / 16."""
    found = coat_and_button()
    assert found.mask_nms(0.2)["class_ids"].tolist() == [1, 3, 2]
    assert found.mask_nms(0.3, per_class=False)["class_ids"].tolist() == [1, 2]
    assert found.mask_nms(0.34, per_class=False)["class_ids"].tolist() == [1, 3, 2]
    with pytest.raises(ValueError, match="threshold = 2"):
        found.mask_nms(2)


def test_encoded_masks_wait_like_small_ones():
    found = coat_and_button().without_overlaps()
    for twin in (found.copy(), copy.deepcopy(found), pickle.loads(pickle.dumps(found)), found.filter(0.1)):
        assert not twin.pasted and twin.rles == found.rles and twin.to_coco(1) == found.to_coco(1)
        np.testing.assert_array_equal(twin["masks"], rle.decode_coco(found.rles))
        assert twin.pasted
    assert not found.pasted


def test_replaced_keeps_all_but_boxes_and_masks():
    found = coat_and_button()
    found.note, found.explain = "mine", "where these boxes came from"
    other = found.replaced(found["rois"] + 1, np.zeros((9, 9, 3), bool))
    assert other.explain is None and found.mirrored().explain is None and found.explain
    assert other["rois"][0].tolist() == [1, 1, 5, 5] and other.image_shape == (9, 9) and (other.note, other.window) == ("mine", (0, 0, 8, 8))
    other["scores"][0] = 0
    assert found["scores"][0] > 0 and found.image_shape == (4, 6)
    with pytest.raises(ValueError, match="must agree in the number"):
        found.replaced(found["rois"], np.zeros((9, 9, 2), bool))


def with_attributes():
    masks = np.zeros((4, 4, 3), bool)
    masks[0, :3] = np.eye(3, dtype=bool)
    told = [[0.9, 0.1], [0.2, 0.8], [0.4, 0.45]]
    rois = [[0, 0, 1, 1], [0, 1, 1, 2], [0, 2, 1, 3]]
    return results.Detections(rois, [1, 2, 1], [0.9, 0.8, 0.3], masks, attributes=told, attribute_min_confidence=0.42)


def test_attributes_go_with_their_detections():
    found = with_attributes()
    assert found.attributes.dtype == np.float32 and sorted(found) == ["class_ids", "masks", "rois", "scores"]
    chosen = found.select([2, 0])
    assert chosen.attributes.tolist() == found.attributes[[2, 0]].tolist() and chosen.attribute_min_confidence == 0.42
    assert found.filter(class_ids=[2]).attributes.shape == (1, 2) and found.select([]).attributes.shape == (0, 2)
    kept = found.copy()
    kept.attributes[0] = 0
    assert found.attributes[0, 0] > 0
    again = pickle.loads(pickle.dumps(found))
    assert (again.attributes == found.attributes).all() and again.attribute_min_confidence == 0.42
    assert results.Detections.from_mapping(found) is found and results.Detections.from_mapping(dict(found)).attributes is None


def test_attributes_above_the_threshold_the_surest_first():
    found = with_attributes()
    assert found.attributes_above() == [(0,), (1,), (1,)] == found.attributes_above(min_confidence=0.42)
    assert found.attributes_above(["long", "red"], min_confidence=0.4) == [("long",), ("red",), ("red", "long")]
    with pytest.raises(ValueError, match="tells 2 attributes, but 3 names are given"):
        found.attributes_above([1, 2, 3])
    plain = results.Detections.empty(4, 4)
    assert plain.attributes is None and plain.attributes_above(["a"]) == []


def test_attributes_of_another_number_are_refused():
    found = with_attributes()
    for key in ("rois", "class_ids", "scores"):
        found[key] = found[key][:2]
    found["masks"] = found["masks"][..., :2]
    with pytest.raises(ValueError, match=r"attributes \[2, A\] are expected.*select"):
        found.validate()
