"""mrcnn.data.images: hand-worked numbers and refusals."""

import numpy as np
import pytest

from mrcnn.data import images


@pytest.fixture
def photo():
    """40 × 30 (width × height), smooth, so that JPEG keeps it."""
    y, x = np.mgrid[:30, :40]
    return np.stack([x * 6, y * 8, np.full_like(x, 100)], axis=-1).astype(np.uint8)


def test_to_rgb_refuses_two_channels():
    with pytest.raises(ValueError, match=r"\(4, 4, 2\)"):
        images.to_rgb(np.zeros((4, 4, 2)))


def test_square_puts_the_odd_pixel_below_and_right(photo):
    resized = images.resize(photo, max_dim=43)
    assert resized.window == (6, 1, 36, 41) and resized.padding == [(6, 7), (1, 2), (0, 0)]
    assert (resized.image[6:36, 1:41] == photo).all() and resized.image.sum() == photo.sum()


def test_square_never_reduces_to_min_dim(photo):
    resized = images.resize(photo, min_dim=10, max_dim=64)
    assert resized.scale == 1 and isinstance(resized.scale, int)


def test_pad64_pads_to_multiples_of_64(photo):
    resized = images.resize(photo, min_dim=64, mode="pad64")
    assert resized.image.shape == (64, 128, 3)
    y1, x1, y2, x2 = resized.window
    assert (y2 - y1, x2 - x1) == (64, round(40 * 64 / 30))


@pytest.mark.parametrize(("side", "scale"), [(64, 1.5), (32, 2)])
def test_a_least_scale_raises_a_smaller_one_and_leaves_a_greater_one(side, scale):
    """IMAGE_MIN_DIM asks for 1 and for 2."""
    found = images.resize(np.zeros((side, side, 3), np.uint8), min_dim=64, min_scale=1.5, mode="pad64")
    assert found.scale == scale and found.window[2] - found.window[0] == side * scale


@pytest.mark.parametrize("mode", ["square", "pad64", "none"])
@pytest.mark.parametrize("min_dim", [64, 128])
@pytest.mark.parametrize("min_scale", [0, 1.3])
def test_the_size_is_known_before_resizing(mode, min_dim, min_scale):
    for height, width in ((1, 1), (64, 64), (65, 64), (63, 191), (3, 500), (127, 128)):
        arguments = {"min_dim": min_dim, "max_dim": 256, "min_scale": min_scale, "mode": mode}
        resized = images.resize(np.zeros((height, width, 3), np.uint8), **arguments)
        assert images.resized_size(height, width, **arguments) == resized.image.shape[:2]


def test_none_returns_the_image_itself(photo):
    assert images.resize(photo, 10, 20, 3.0, "none").image is photo


def test_crop_follows_the_generator(photo):
    first, second = (images.resize(photo, 16, mode="crop", rng=np.random.default_rng(4)) for _ in range(2))
    assert first.crop == second.crop
    y, x, height, width = first.crop
    assert (first.image == photo[y : y + height, x : x + width]).all() and (height, width) == (16, 16)


def test_crops_reach_both_borders(photo):
    rng = np.random.default_rng(0)
    places = [images.resize(photo, 28, mode="crop", rng=rng).crop[:2] for _ in range(300)]
    assert {y for y, _ in places} == {0, 1, 2} and {x for _, x in places} == set(range(13))


def test_a_flat_image_stays_flat_when_resized():
    flat = np.full((50, 37, 3), 201, np.uint8)
    for max_dim in (24, 33, 71, 128):
        resized = images.resize(flat, min_dim=max_dim, max_dim=max_dim)
        y1, x1, y2, x2 = resized.window
        assert (resized.image[y1:y2, x1:x2] == 201).all()


def test_a_sliver_keeps_one_pixel():
    assert images.resize(np.ones((1, 1000, 3), np.uint8), max_dim=64).window == (31, 0, 32, 64)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, bool])
def test_resize_keeps_the_dtype(dtype):
    assert images.resize(np.ones((30, 40, 3), dtype), min_dim=64, max_dim=64).image.dtype == dtype


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "round"}, "'round' is unknown; use one of none, square, pad64, crop"),
        ({"mode": "pad64"}, "multiple of 64; it is None"),
        ({"mode": "pad64", "min_dim": 100}, "multiple of 64; it is 100"),
        ({"mode": "crop"}, "IMAGE_MIN_DIM; it is None"),
        ({"mode": "square"}, "IMAGE_MAX_DIM pixels; it is None"),
    ],
)
def test_impossible_sizes_are_refused(photo, arguments, message):
    with pytest.raises(ValueError, match=message):
        images.resize(photo, **arguments)


@pytest.mark.parametrize("shape", [(30, 40), (0, 40, 3)])
def test_what_is_no_image_is_not_resized(shape):
    with pytest.raises(ValueError, match="height, width, channels"):
        images.resize(np.zeros(shape, np.uint8), max_dim=64)


def test_unmold_is_the_inverse_of_mold(photo):
    mean = [123.7, 116.8, 103.9]
    molded = images.mold(photo, mean, out=np.empty(photo.shape, np.float32))
    assert molded.dtype == np.float32
    assert (images.unmold(molded, mean) == photo).all()
    assert (images.unmold(molded, mean, rounding=False) <= photo).all()


def test_mold_refuses_another_number_of_channels(photo):
    with pytest.raises(ValueError, match="MEAN_PIXEL 1 values"):
        images.mold(photo, [1.0])


def test_a_meta_vector_comes_apart_as_it_was_put_together():
    meta = images.compose_meta(3, (30, 40, 3), (64, 64, 3), (8, 0, 56, 64), 1.6, np.array([1, 0, 1]))
    parsed = images.parse_meta(meta[None])
    assert parsed["image_id"] == 3 and parsed["scale"] == np.float32(1.6)
    assert parsed["original_image_shape"].tolist() == [[30, 40, 3]]
    assert parsed["image_shape"].tolist() == [[64, 64, 3]]
    assert parsed["window"].tolist() == [[8, 0, 56, 64]]
    assert parsed["active_class_ids"].tolist() == [[1, 0, 1]]


def test_an_image_in_fractions_earns_a_warning(caplog):
    images.check(np.full((4, 4, 3), 0.5), 3, 3)
    assert "images[3]" in caplog.text and "255" in caplog.text
    caplog.clear()
    images.check(np.full((4, 4, 3), 90.0), 3, 3)
    images.check(np.zeros((4, 4, 3)), 3, 3)
    assert not caplog.text


def test_grey_and_transparent_images_are_taken_as_rgb():
    assert images.check(np.full((4, 5), 7, np.uint8), 0, 3).shape == (4, 5, 3)
    assert images.check(np.full((4, 5, 4), 7, np.uint8), 0, 3).shape == (4, 5, 3)
    assert images.check(np.full((4, 5, 4), 7, np.uint8), 0, 4).shape == (4, 5, 4)
