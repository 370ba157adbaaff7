"""mrcnn.ops.paste: hand-worked numbers, and the slow way: resize each mask whole, compare, put it on a plane."""

import numpy as np
import pytest

from mrcnn.ops import boxes as box_ops
from mrcnn.ops import masks, paste, rle

SHAPE = (90, 120)


def pasted_slowly(mask, box, shape):
    """One mask as the original pastes it, on a canvas large enough for the box, then cut to the image."""
    plane = np.zeros(shape, bool)
    y1, x1, y2, x2 = (int(v) for v in box)
    top, left, bottom, right = box_ops.clip(np.asarray(box), (0, 0, *shape)).tolist()
    if bottom > top and right > left:
        values = masks.resize_bilinear(np.asarray(mask, np.float32), (y2 - y1, x2 - x1))
        plane[top:bottom, left:right] = values[top - y1 : bottom - y1, left - x1 : right - x1] >= 0.5
    return plane


def random_boxes(rng, count, largest):
    centres, sides = rng.uniform(-0.2, 1.2, (count, 2)) * SHAPE, rng.uniform(0, largest, (count, 2)) * SHAPE
    return np.rint(np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)).astype(np.int32)


@pytest.mark.parametrize("largest", [0.05, 0.5, 1.5, 6])
@pytest.mark.parametrize("size", [(28, 28), (5, 9), (1, 1), (56, 3)])
def test_planes_are_those_of_the_slow_way(size, largest):
    rng = np.random.default_rng(int(largest * 100) + size[0])
    soft, places = rng.random((25, *size)).astype(np.float32), random_boxes(rng, 25, largest)
    fast = paste.planes(soft, places, SHAPE)
    for i in range(25):
        np.testing.assert_array_equal(fast[..., i], pasted_slowly(soft[i], places[i], SHAPE))


@pytest.mark.parametrize("largest", [0.05, 0.5, 1.5, 60])
@pytest.mark.parametrize("levels", [None, 1, 4])
def test_rles_are_those_of_the_planes(levels, largest):
    rng = np.random.default_rng(int(largest * 100))
    soft = rng.random((40, 28, 28)).astype(np.float32)
    soft[::5] = 0.7 * soft[::5] > 0.69  # nearly nothing
    soft[1::5] = 0.6 + 0.4 * soft[1::5]  # all of the box
    if levels:  # values of one half and lines that lie on it: where rounding would decide
        soft = np.rint(soft * levels) / levels
    places = random_boxes(rng, 40, largest)
    encoded = paste.coco_rles(soft, places, SHAPE)
    assert encoded == rle.encode_coco(paste.planes(soft, places, SHAPE))
    assert all(one["size"] == list(SHAPE) for one in encoded)


def test_many_masks_are_taken_in_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    soft, places = rng.random((12, 28, 28)), random_boxes(rng, 12, 0.7)
    whole = paste.planes(soft, places, SHAPE)
    monkeypatch.setattr(paste, "_CHUNK", 100)  # less than one mask needs
    np.testing.assert_array_equal(paste.planes(soft, places, SHAPE), whole)
    assert paste.coco_rles(soft, places, SHAPE) == rle.encode_coco(whole)


def test_a_mask_of_ones_fills_its_box():
    expected = np.zeros((10, 12), bool)
    expected[2:7, 3:9] = True
    assert (paste.plane(np.ones((28, 28)), np.array([2, 3, 7, 9]), (10, 12, 3)) == expected).all()


def test_one_half_is_mask():
    assert paste.plane(np.full((2, 2), 0.5), np.array([0, 0, 3, 3]), (3, 3)).all()
    assert not paste.plane(np.full((2, 2), 0.49), np.array([0, 0, 3, 3]), (3, 3)).any()


def test_a_column_crosses_where_the_line_between_two_rows_does():
    # Five rows at -0.3, 0.1, 0.5, 0.9 and 1.3 of two: 0 · 0.7, 0.1, 0.5, 0.9, 1 · 0.7.
    column = paste.plane(np.array([[0.0], [1.0]]), np.array([0, 0, 5, 1]), (5, 1))[:, 0]
    assert column.tolist() == [False, False, True, True, True]


def test_another_threshold():
    column = paste.plane(np.array([[0.0], [1.0]]), np.array([0, 0, 5, 1]), (5, 1), threshold=0.8)[:, 0]
    assert column.tolist() == [False, False, False, True, False]


def test_a_threshold_that_the_surroundings_reach_is_refused():
    with pytest.raises(ValueError, match="threshold = 0: a number above 0"):
        paste.planes(np.ones((1, 2, 2)), np.array([[0, 0, 2, 2]]), (4, 4), threshold=0)


def test_masks_and_boxes_of_different_number_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 2, 2\) and \(2, 4\)"):
        paste.coco_rles(np.ones((1, 2, 2)), np.zeros((2, 4)), (4, 4))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_mask_with_a_value_that_is_not_finite_is_empty(bad):
    soft = np.ones((2, 4, 4), np.float32)
    soft[0, 1, 2] = bad
    pasted = paste.planes(soft, np.array([[0, 0, 9, 9]] * 2), (9, 9))
    assert pasted.sum(axis=(0, 1)).tolist() == [0, 81]


@pytest.mark.parametrize("box", [(-5, -4, 8, 9), (3, 5, 30, 40), (-50, -50, 70, 90), (4, 4, 5, 60)])
def test_what_lies_outside_is_cut(box):
    mask = np.random.default_rng(1).random((28, 28)).astype(np.float32)
    whole = paste.plane(mask, np.array(box) + 60, (200, 200))
    assert (paste.plane(mask, np.array(box), (10, 12)) == whole[60:70, 60:72]).all()


@pytest.mark.parametrize("box", [(3, 3, 3, 9), (5, 5, 2, 9), (20, 0, 30, 5), (-9, -9, -2, -2), (0, 0, 0, 0)])
def test_a_box_without_area_on_the_image_gives_an_empty_mask(box):
    assert not paste.plane(np.ones((28, 28)), np.array(box), (10, 12)).any()
    assert paste.coco_rles(np.ones((1, 28, 28)), np.array([box]), (10, 12)) == rle.encode_coco(np.zeros((10, 12, 1)))


def test_a_gigantic_box_takes_no_memory_for_what_lies_outside():
    pasted = paste.plane(np.ones((28, 28)), np.array([-(10**6), -(10**6), 10**6, 10**6]), (4, 5))
    assert pasted.all()


def test_masks_over_the_whole_height_are_one_run():
    encoded = paste.coco_rles(np.ones((1, 28, 28)), np.array([[0, 2, 10, 7]]), (10, 12))
    assert encoded == rle.encode_coco(paste.planes(np.ones((1, 28, 28)), np.array([[0, 2, 10, 7]]), (10, 12)))
    assert rle.area_coco(encoded).tolist() == [50]


def test_no_masks():
    assert paste.planes(np.zeros((0, 28, 28)), np.zeros((0, 4)), (5, 6)).shape == (5, 6, 0)
    assert paste.coco_rles(np.zeros((0, 28, 28)), np.zeros((0, 4)), (5, 6)) == []


def test_one_plane_is_contiguous_and_arguments_stay_as_they_were():
    soft, places = np.ones((2, 4, 4), np.float32), np.array([[0, 0, 3, 3], [-2, -2, 5, 5]])
    pasted = paste.planes(soft, places, (9, 8, 3))
    assert pasted.dtype == bool and pasted.shape == (9, 8, 2) and pasted[..., 0].flags.c_contiguous
    assert (soft == 1).all() and places[1, 0] == -2


def test_a_value_of_exactly_the_threshold_is_inside():
    """The box has the mask's size, so each pixel has a value of its own."""
    assert paste.plane(np.float32([[0.5, 0], [0.5, 0.49]]), [0, 0, 2, 2], (2, 2)).tolist() == [[True, False], [True, False]]


def test_a_box_far_wider_than_the_photo_is_cut_where_it_would_be():
    """80,000 pixels from column -39,998 on; the mask's left half ends at pixel 40,000 of the box, which is column 2."""
    mask = np.float32([[1, 1, 0, 0]] * 4)
    assert paste.plane(mask, [0, -39998, 4, 40002], (4, 4)).tolist() == [[True, True, False, False]] * 4
