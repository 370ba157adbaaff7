import random

import numpy as np
import pytest

from mrcnn.visualize import colors


def test_random_colors_are_distinct_and_from_zero_to_one():
    found = colors.random_colors(12, seed=1)
    assert len(set(found)) == 12
    assert np.min(found) >= 0
    assert np.max(found) == 1


def test_a_seed_fixes_the_colors():
    assert colors.random_colors(9, seed=4) == colors.random_colors(9, seed=4)
    random.seed(5)
    first = colors.random_colors(9)
    random.seed(5)
    assert colors.random_colors(9) == first


def test_colors_that_are_not_bright_are_darker():
    assert np.max(colors.random_colors(5, bright=False)) == pytest.approx(0.7)


def test_no_colors_for_nothing():
    assert colors.random_colors(0) == []


def test_the_color_of_a_class_is_always_the_same_and_differs_from_those_of_other_classes():
    assert colors.class_color(7) == colors.class_color(np.int32(7))
    assert len({colors.class_color(i) for i in range(47)}) == 47
    some = np.array([colors.class_color(i) for i in range(10)])
    distances = np.abs(some[:, None] - some[None]).sum(axis=2) + 9 * np.eye(10)
    assert distances.min() > 0.3


def test_apply_mask_blends_inside_and_leaves_the_rest_and_returns_the_image_itself():
    image = np.full((4, 5, 3), 100, np.uint8)
    mask = np.zeros((4, 5), bool)
    mask[1, 2] = True
    assert colors.apply_mask(image, mask, (1.0, 0.0, 0.5), alpha=0.5) is image
    assert image[1, 2].tolist() == [177, 50, 113]  # (100 + 255) / 2, 100 / 2, (100 + 127.5) / 2 cut to whole numbers
    assert (image[~mask] == 100).all()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_apply_mask_takes_ones_of_any_dtype_and_a_color_with_opacity(dtype):
    image = np.zeros((2, 2, 3), np.uint32)
    colors.apply_mask(image, np.eye(2).astype(dtype), (1, 1, 1, 0.8), alpha=1)
    assert image[:, :, 0].tolist() == [[255, 0], [0, 255]]


def test_apply_mask_refuses_another_size():
    with pytest.raises(ValueError, match=r"\(4, 5, 3\) and \(5, 4\)"):
        colors.apply_mask(np.zeros((4, 5, 3)), np.zeros((5, 4)), (1, 1, 1))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((2, 3), 7, np.uint8), 7),
        (np.full((2, 3, 1), 7, np.uint8), 7),
        (np.full((2, 3, 4), 7, np.uint8), 7),
        (np.full((2, 3, 3), 0.5, np.float32), 128),
        (np.full((2, 3, 3), 260.4), 255),
        (np.ones((2, 3), bool), 255),
        (np.full((2, 3, 3), np.nan), 0),
    ],
)
def test_any_image_becomes_rgb_of_bytes(image, expected):
    rgb = colors.as_rgb(image)
    assert rgb.shape == (2, 3, 3)
    assert rgb.dtype == np.uint8
    assert (rgb == expected).all()


def test_as_rgb_copies():
    image = np.zeros((2, 2, 3), np.uint8)
    colors.as_rgb(image)[:] = 9
    assert not image.any()


@pytest.mark.parametrize("shape", [(3,), (0, 4, 3), (1, 2, 2, 3)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match="an image is"):
        colors.as_rgb(np.zeros(shape))
