"""mrcnn.ops.masks: hand-worked numbers and properties."""

import numpy as np
import pytest

from mrcnn.ops import boxes, masks


@pytest.fixture
def disc():
    y, x = np.mgrid[:60, :80]
    return ((y - 30) ** 2 + (x - 36) ** 2 < 20**2)[..., None]


def test_enlarging_mixes_the_border_with_zero():
    # Samples at -¼ and ¼ of two pixels: ¾ of the first, then ¾ of the first and ¼ of the second.
    assert masks.resize_bilinear(np.array([[0.0, 8.0, 4.0]]), (1, 6)).tolist() == [[0, 2, 6, 7, 5, 3]]


def test_reducing_takes_two_neighbours_and_no_average():
    assert masks.resize_bilinear(np.array([[0.0, 4, 8, 100]]), (1, 1)).tolist() == [[6]]


def test_a_constant_stays_constant_when_enlarged():
    assert (masks.resize_bilinear(np.full((3, 4, 5), 7, np.uint8), (9, 9)) == 7).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_any_number_of_channels_is_resized_alike(channels):
    image = np.random.default_rng(0).random((5, 6, channels))
    resized = masks.resize_bilinear(image, (8, 3))
    assert resized.shape == (8, 3, channels)
    for i in range(channels):
        np.testing.assert_allclose(resized[..., i], masks.resize_bilinear(image[..., i], (8, 3)))


def test_resize_mask_by_two_doubles_the_pixels():
    mask = np.array([[[1, 0], [0, 1]]], bool)
    resized = masks.resize_mask(mask, 2, [(0, 0), (0, 0), (0, 0)])
    assert resized[..., 0].tolist() == [[True, True, False, False]] * 2


def test_resize_mask_pads_with_nothing():
    padded = masks.resize_mask(np.ones((2, 2, 1), bool), 1, [(1, 0), (0, 2), (0, 0)])
    assert padded[..., 0].astype(int).tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]


def test_resize_mask_crops_instead_of_padding():
    mask = np.arange(12).reshape(3, 4, 1)
    assert masks.resize_mask(mask, 1, [(9, 9)] * 3, (1, 2, 2, 2))[..., 0].tolist() == [[6, 7], [10, 11]]


def test_resize_mask_of_no_instances():
    assert masks.resize_mask(np.zeros((4, 6, 0), bool), 1.5, [(1, 1), (0, 0), (0, 0)]).shape == (8, 9, 0)


def test_expand_undoes_minimize_but_for_the_edge(disc):
    box = boxes.from_masks(disc)
    again = masks.expand(box, masks.minimize(box, disc, (56, 56)), disc.shape)
    assert masks.overlaps(again, disc)[0, 0] > 0.97


def test_a_cell_that_is_half_mask_is_none_in_a_mini_mask():
    """Two pixels become one of value 0.5, which rounds to 0 as the original's do."""
    masks = np.array([[True, False], [True, True]])[..., None]
    assert masks_of_rows(masks).tolist() == [[False], [True]]


def masks_of_rows(planes):
    return masks.minimize(np.array([[0, 0, 2, 2]]), planes, (2, 1))[..., 0]


def test_minimize_of_a_box_without_area_is_empty(disc):
    mini = masks.minimize(np.array([[5, 5, 5, 9]]), disc, (7, 7))
    assert mini.shape == (7, 7, 1) and not mini.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_minimize_takes_what_is_not_zero_for_mask(disc, dtype):
    box = boxes.from_masks(disc)
    expected = masks.minimize(box, disc, (14, 14))
    assert (masks.minimize(box, disc.astype(dtype) * dtype(3), (14, 14)) == expected).all()


def test_minimize_and_expand_of_no_instances():
    none = np.zeros((0, 4), np.int32)
    assert masks.minimize(none, np.zeros((9, 9, 0), bool), (5, 6)).shape == (5, 6, 0)
    assert masks.expand(none, np.zeros((5, 6, 0), bool), (9, 8)).shape == (9, 8, 0)


def test_overlaps_of_a_mask_with_its_half():
    mask = np.ones((4, 4, 1), bool)
    half = mask.copy()
    half[:2] = False
    assert masks.overlaps(mask, half) == [[0.5]]


def test_overlaps_of_empty_masks_are_zero_or_what_is_asked():
    empty = np.zeros((4, 4, 1), bool)
    assert masks.overlaps(empty, empty) == [[0]]
    assert np.isnan(masks.overlaps(empty, empty, undefined=np.nan))


def test_overlaps_without_masks():
    assert masks.overlaps(np.zeros((4, 4, 0)), np.zeros((4, 4, 3))).shape == (0, 3)


def test_overlaps_of_different_images_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 4\) and \(4, 5\)"):
        masks.overlaps(np.ones((4, 4, 1)), np.ones((4, 5, 1)))
