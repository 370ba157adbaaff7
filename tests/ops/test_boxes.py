"""mrcnn.ops.boxes: hand-worked numbers and properties."""

import numpy as np
import pytest

from mrcnn.ops import boxes


@pytest.fixture
def some_boxes():
    rng = np.random.default_rng(3)
    corners = rng.uniform(0, 50, (20, 2))
    return np.concatenate([corners, corners + rng.uniform(1, 40, (20, 2))], axis=1).astype(np.float32)


def test_iou_of_a_box_with_itself_is_one(some_boxes):
    np.testing.assert_allclose(np.diag(boxes.iou(some_boxes, some_boxes)), 1)


def test_iou_of_disjoint_boxes_is_zero():
    assert boxes.iou([[0, 0, 2, 2]], [[2, 0, 4, 2]]) == [[0]]


def test_iou_of_half_shifted_squares_is_one_third():
    assert boxes.iou([[0, 0, 2, 2]], [[1, 0, 3, 2]]) == [[pytest.approx(1 / 3)]]


def test_iou_is_symmetric(some_boxes):
    np.testing.assert_allclose(boxes.iou(some_boxes[:5], some_boxes), boxes.iou(some_boxes, some_boxes[:5]).T)


def test_iou_of_two_boxes_without_area_is_zero_or_what_is_asked():
    empty = np.zeros((1, 4), np.float32)
    assert boxes.iou(empty, empty) == [[0]]
    assert np.isnan(boxes.iou(empty, empty, undefined=np.nan))


def test_iou_without_boxes_is_an_empty_matrix():
    assert boxes.iou(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)
    assert boxes.iou(np.zeros((3, 4)), np.zeros((0, 4))).shape == (3, 0)


def test_iou_of_large_integer_boxes_does_not_overflow():
    assert (
        boxes.iou(np.array([[0, 0, 100_000, 100_000]], np.int32), np.array([[0, 0, 100_000, 100_000]], np.int32)) == 1
    )


def test_ioa_by_hand():
    """A quarter of the first box lies in the first region, all of the second, nothing of one apart, and of one without area there is nothing."""
    some = np.array([[0, 0, 4, 4], [2, 2, 4, 4], [0, 0, 1, 1], [3, 3, 3, 4]])
    assert boxes.ioa(some, np.array([[2, 2, 100, 100], [0, 1, 60, 60]])).tolist() == [[0.25, 0.75], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]


def test_ioa_is_coco_s_overlap_with_a_crowd(some_boxes):
    from pycocotools import mask

    corners = some_boxes[:, [1, 0, 3, 2]].astype(float)
    widths = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    widths = np.ascontiguousarray(widths)
    np.testing.assert_allclose(boxes.ioa(some_boxes, some_boxes), mask.iou(widths, widths, [1] * len(widths)), atol=1e-6)


def test_ioa_without_boxes_is_an_empty_matrix():
    assert boxes.ioa(np.zeros((0, 4)), np.ones((3, 4))).shape == (0, 3) and boxes.ioa(np.ones((3, 4)), np.zeros((0, 4))).shape == (3, 0)


def test_iou_with_one_trusts_given_areas():
    assert boxes.iou_with_one(np.array([0, 0, 2, 2]), np.array([[0, 0, 2, 2]]), 8, np.array([8])) == [4 / 12]


def test_decode_is_the_inverse_of_encode(some_boxes):
    targets = some_boxes[::-1]
    np.testing.assert_allclose(boxes.decode(some_boxes, boxes.encode(some_boxes, targets)), targets, atol=1e-4)


def test_encode_of_twice_the_size_is_log_two():
    np.testing.assert_allclose(
        boxes.encode([[0, 0, 2, 2]], [[-1, -1, 3, 3]]), [[0, 0, np.log(2), np.log(2)]], rtol=1e-6
    )


def test_denormalize_is_the_inverse_of_normalize():
    pixels = np.array([[0, 0, 48, 64], [3, 5, 17, 60]])
    assert boxes.denormalize(boxes.normalize(pixels, (48, 64)), (48, 64)).tolist() == pixels.tolist()


def test_normalized_whole_image_is_the_unit_box():
    assert boxes.normalize([[0, 0, 48, 64]], (48, 64, 3)).tolist() == [[0, 0, 1, 1]]


def test_clip_collapses_a_box_outside_onto_the_border():
    assert boxes.clip(np.array([[20, 20, 30, 30]]), (0, 0, 10, 15)).tolist() == [[10, 15, 10, 15]]


def test_clip_leaves_its_input_alone():
    given = np.array([[-5, 0, 3, 3]])
    boxes.clip(given, (0, 0, 2, 2))
    assert given.tolist() == [[-5, 0, 3, 3]]


def test_from_masks_of_corner_pixels():
    masks = np.zeros((4, 6, 3), bool)
    masks[0, 0, 0] = masks[3, 5, 1] = masks[0, 5, 2] = masks[3, 0, 2] = True
    assert boxes.from_masks(masks).tolist() == [[0, 0, 1, 1], [3, 5, 4, 6], [0, 0, 4, 6]]


def test_from_masks_of_an_empty_mask_is_zero():
    assert boxes.from_masks(np.zeros((4, 6, 1), bool)).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_from_masks_takes_any_dtype(dtype):
    masks = np.zeros((4, 6, 1), dtype)
    masks[1:3, 2, 0] = 1
    assert boxes.from_masks(masks).tolist() == [[1, 2, 3, 3]]


def test_from_masks_without_instances():
    assert boxes.from_masks(np.zeros((4, 6, 0), bool)).shape == (0, 4)
    assert boxes.from_masks(np.zeros((0, 0, 0), bool)).shape == (0, 4)


def test_from_masks_refuses_a_single_mask():
    with pytest.raises(ValueError, match=r"height, width, instances.*\(4, 6\)"):
        boxes.from_masks(np.zeros((4, 6), bool))


def test_non_max_suppression_keeps_boxes_at_exactly_the_threshold():
    pair = np.array([[0, 0, 2, 2], [1, 0, 3, 2]], np.float64)
    assert boxes.non_max_suppression(pair, np.array([2.0, 1.0]), 1 / 3).tolist() == [0, 1]
    assert boxes.non_max_suppression(pair, np.array([2.0, 1.0]), 0.33).tolist() == [0]


def test_non_max_suppression_prefers_the_last_of_equal_scores():
    same = np.tile(np.array([[0, 0, 5, 5]]), (30, 1))
    assert boxes.non_max_suppression(same, np.ones(30), 0.5).tolist() == [29]


def test_non_max_suppression_of_nothing_is_nothing():
    assert boxes.non_max_suppression(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []


def test_trim_zeros_keeps_rows_with_one_value():
    assert boxes.trim_zeros(np.array([[0, 0], [0, 1], [0, 0]])).tolist() == [[0, 1]]


def test_trim_zeros_refuses_a_vector():
    with pytest.raises(ValueError, match=r"\(3,\)"):
        boxes.trim_zeros(np.zeros(3))
