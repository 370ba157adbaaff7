"""mrcnn.ops.rle: hand-worked strings, round trips, and refusals."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mrcnn.ops import boxes, rle


def random_masks(seed, height=23, width=17, count=3):
    return np.random.default_rng(seed).random((height, width, count)) < 0.4


def test_runs_go_down_the_columns_from_one():
    assert rle.decode("2 3", (3, 2)).astype(int).tolist() == [[0, 1], [1, 0], [1, 0]]


def test_runs_from_zero_on_request():
    assert rle.decode("0 1", (3, 2), first_pixel=0)[0, 0]
    assert rle.encode(np.array([[True]]), first_pixel=0) == "0 1"


@pytest.mark.parametrize("first_pixel", [0, 1])
@pytest.mark.parametrize("seed", range(5))
def test_decode_is_the_inverse_of_encode(seed, first_pixel):
    mask = random_masks(seed)[..., 0]
    assert (rle.decode(rle.encode(mask, first_pixel=first_pixel), mask.shape, first_pixel=first_pixel) == mask).all()


def test_an_empty_string_is_an_empty_mask():
    assert not rle.decode("", (3, 2)).any()
    assert rle.encode(np.zeros((3, 2))) == ""


def test_a_full_mask_is_one_run():
    assert rle.encode(np.ones((3, 2))) == "1 6"
    assert rle.decode("1 6", (3, 2)).all()


def test_runs_may_come_in_any_order_and_touch():
    assert rle.decode("4 2 1 3", (3, 2)).sum() == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3", "3 values; starts and lengths come in pairs"),
        ("1 x", "value 2 is 'x'"),
        ("1 2.0", "value 2 is '2.0'"),
        ("6 2", r"run 1 \(start 6, length 2\) is not inside an image of height 3 and width 2.*1…6"),
        ("1 1 0 1", r"run 2 \(start 0"),
        ("1 0", "length 0"),
        ("1 -1", "length -1"),
        ("1 3 3 1", r"run 1 \(start 1, length 3\) overlaps run 2"),
        ("99999999999999999999999 1", "larger than any image"),
    ],
)
def test_a_wrong_string_is_refused_with_the_place(text, message):
    with pytest.raises(ValueError, match=message):
        rle.decode(text, (3, 2))


def test_something_other_than_text_is_refused():
    with pytest.raises(ValueError, match="float nan"):
        rle.decode(float("nan"), (3, 2))


def test_another_first_pixel_is_refused():
    with pytest.raises(ValueError, match="first_pixel=2"):
        rle.decode("1 1", (3, 2), first_pixel=2)


@pytest.mark.parametrize("seed", range(5))
def test_coco_masks_survive_the_round_trip(seed):
    masks = random_masks(seed)
    encoded = rle.encode_coco(masks)
    assert (rle.decode_coco(encoded, masks.shape) == masks).all()
    assert (rle.decode_coco(encoded[1]) == masks[..., 1]).all()
    assert rle.area_coco(encoded).tolist() == masks.sum(axis=(0, 1)).tolist()
    assert rle.boxes_coco(encoded).tolist() == boxes.from_masks(masks).tolist()


def test_coco_counts_may_be_text_bytes_or_numbers():
    mask = random_masks(0)[..., 0]
    packed = rle.encode_coco(mask)
    runs = np.flatnonzero(np.diff(np.concatenate([[0], mask.T.ravel(), [0]]).astype(int)))
    counts = np.diff(np.concatenate([[0], runs, [mask.size]])).tolist()
    for form in (packed["counts"], packed["counts"].decode(), counts):
        assert (rle.decode_coco({"size": packed["size"], "counts": form}) == mask).all()


def test_long_runs_are_read_as_pycocotools_writes_them():
    mask = np.zeros((700, 900), bool)
    mask[10:650, 100:800] = True
    mask[300, 400] = False
    assert (rle.decode_coco(coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))) == mask).all()


def test_no_coco_masks_take_the_given_size():
    assert rle.encode_coco(np.zeros((4, 5, 0))) == []
    assert rle.decode_coco([], (4, 5)).shape == (4, 5, 0)
    assert rle.boxes_coco([]).shape == (0, 4)


def test_an_empty_coco_mask_has_a_zero_box():
    assert rle.boxes_coco([rle.encode_coco(np.zeros((4, 5)))]).tolist() == [[0, 0, 0, 0]]


def test_merging_unites_or_intersects():
    one, two = random_masks(1)[..., 0], random_masks(2)[..., 0]
    encoded = [rle.encode_coco(one), rle.encode_coco(two)]
    assert (rle.decode_coco(rle.merge_coco(encoded)) == (one | two)).all()
    assert (rle.decode_coco(rle.merge_coco(encoded, intersect=True)) == (one & two)).all()


def test_merging_masks_of_different_sizes_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 2\), \(3, 3\)"):
        rle.merge_coco([rle.encode_coco(np.ones((2, 2))), rle.encode_coco(np.ones((3, 3)))])


def test_a_coco_mask_cut_short_is_refused():
    packed = rle.encode_coco(random_masks(0)[..., 0])
    with pytest.raises(ValueError, match="counts add up to"):
        rle.decode_coco({"size": packed["size"], "counts": packed["counts"][:-2]})


def test_a_coco_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(3, 2\)"):
        rle.decode_coco([rle.encode_coco(np.ones((2, 2)))], (3, 2))


def test_something_that_is_no_coco_mask_is_refused():
    with pytest.raises(ValueError, match="COCO mask is"):
        rle.decode_coco([{"counts": [4]}])


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (1, 9), (30, 40)])
@pytest.mark.parametrize("density", [0, 0.02, 0.5, 0.98, 1])
def test_masks_are_written_as_pycocotools_writes_them(shape, density):
    masks = np.random.default_rng(1).random((*shape, 4)) < density
    right = coco_mask.encode(np.asfortranarray(masks.astype(np.uint8)))
    assert rle.encode_coco(masks) == right
    assert rle.encode_coco(masks[..., 0]) == right[0]
    assert rle.encode_coco(3.0 * masks) == right


def test_iou_of_encodings_is_that_of_the_masks():
    masks = random_masks(4, count=6)
    masks[..., 5] = False
    encoded = rle.encode_coco(masks)
    first, second = masks[..., :2], masks[..., 2:]
    shared = np.einsum("hwn,hwm->nm", first.astype(int), second.astype(int))
    areas, crowd = masks.sum(axis=(0, 1)), np.array([False, True, False, False])
    whole = np.where(crowd, areas[:2, None], areas[:2, None] + areas[None, 2:] - shared)
    np.testing.assert_array_equal(rle.iou_coco(encoded[:2], encoded[2:], crowd), shared / whole)
    assert rle.iou_coco(encoded[5:], encoded[5:]).tolist() == [[0.0]]
    assert rle.iou_coco([], encoded).shape == (0, 6) and rle.iou_coco(encoded, []).shape == (6, 0)


@pytest.mark.parametrize("seed", range(5))
def test_a_start_length_string_becomes_cocos_without_its_plane(seed):
    mask = random_masks(seed)[..., 0]
    assert rle.to_coco(rle.encode(mask), mask.shape) == rle.encode_coco(mask)
    assert rle.to_coco(rle.encode(mask, first_pixel=0), mask.shape, first_pixel=0) == rle.encode_coco(mask)


def test_runs_that_touch_or_come_in_any_order_become_one():
    assert rle.to_coco("4 2 1 3", (3, 2)) == rle.to_coco("1 5", (3, 2))
    assert rle.to_coco("", (3, 2)) == rle.encode_coco(np.zeros((3, 2)))
    assert rle.to_coco("1 6", (3, 2)) == rle.encode_coco(np.ones((3, 2)))
    with pytest.raises(ValueError, match="is not inside an image of height 3 and width 2"):
        rle.to_coco("5 3", (3, 2))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 1.0])
def test_counts_of_any_length_are_read_as_pycocotools_wrote_them(share):
    mask = np.random.default_rng(7).random((701, 523)) < share
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert np.array_equal(rle.decode_coco(encoded), mask)


@pytest.mark.parametrize("counts", [[4, 5], "12", "", b"\xff\xff", {}, None, ["a"]])
def test_counts_that_do_not_fill_the_size_are_refused(counts):
    with pytest.raises(ValueError, match="COCO mask"):
        rle.checked_coco({"size": [2, 2], "counts": counts})


@pytest.mark.parametrize("encoded", [{}, [], None, {"size": [2], "counts": "121"}, {"size": None, "counts": "121"}])
def test_what_is_no_encoding_is_refused(encoded):
    with pytest.raises(ValueError):
        rle.checked_coco(encoded)


def test_painting_touches_the_masks_own_box_only():
    mask = np.zeros((9, 8), bool)
    mask[3:5, 2:4] = True
    read_only = np.zeros((9, 8), bool)
    read_only[0, 0] = read_only[8, 7] = True  # what was there stays
    assert rle.paint_coco(rle.encode_coco(mask), read_only)
    assert np.array_equal(read_only[1:8], mask[1:8]) and read_only.sum() == 6


@pytest.mark.parametrize("case", ["first", "last", "column", "two columns", "around a corner", "all", "none", "random"])
def test_painting_is_decoding_wherever_the_mask_lies(case):
    mask = np.zeros((5, 4), bool)
    places = {"first": np.s_[0, 0], "last": np.s_[4, 3], "column": np.s_[:, 2], "two columns": np.s_[:, 1:3], "all": np.s_[:, :]}
    if case in places:
        mask[places[case]] = True
    elif case == "around a corner":  # one run from the foot of a column to the head of the next
        mask[4, 1] = mask[0, 2] = True
    elif case == "random":
        mask = random_masks(3)[..., 0]
    plane = np.zeros(mask.shape, bool)
    assert rle.paint_coco(coco_mask.encode(np.asfortranarray(mask.astype(np.uint8))), plane) == mask.any()
    assert np.array_equal(plane, mask)


def test_runs_without_length_are_painted_as_nothing():
    plane = np.zeros((2, 2), bool)
    assert rle.paint_coco({"size": [2, 2], "counts": [1, 0, 1, 1, 1]}, plane) and plane.astype(int).tolist() == [[0, 1], [0, 0]]
    assert not rle.paint_coco({"size": [2, 2], "counts": [0, 0, 4]}, np.zeros((2, 2), bool))
    with pytest.raises(ValueError, match="does not fit a plane of"):
        rle.paint_coco({"size": [2, 2], "counts": [4]}, np.zeros((2, 3), bool))
