"""mrcnn.data.augment_transforms: image and masks move together at the same size, by the generator's draws."""

import cv2
import numpy as np
import pytest

from mrcnn.data import augment

MOVERS = [augment.flip, augment.scale_jitter, augment.large_scale_jitter, augment.crop]


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def scene():
    """A white rectangle on black, and the mask of it; beside it a mask at the border and an empty one."""
    masks = np.zeros((80, 120, 3), bool)
    masks[16:40, 20:80, 0] = True
    masks[70:, 110:, 1] = True
    image = np.repeat(masks.any(axis=-1, keepdims=True).astype(np.uint8) * 255, 3, axis=-1)
    return image, masks


class Sure:
    """Draws that are written down: uniform and integers return what they are told, random always 0."""

    def __init__(self, *values):
        self.values = list(values)

    def uniform(self, low, high):
        value = self.values.pop(0)
        assert low <= value <= high
        return value

    def integers(self, stop):
        value = self.values.pop(0)
        assert 0 <= value < stop
        return value

    def random(self, size=None):
        return 0.0 if size is None else np.zeros(size)


def test_a_flip_mirrors_both(scene):
    image, masks = augment.flip_horizontal(*scene)
    assert masks[16:40, 40:100, 0].all() and masks.sum() == scene[1].sum()
    assert ((image[..., 0] == 255) == masks.any(axis=-1)).all()


@pytest.mark.parametrize("shape", [(3, 4, 1), (3, 5, 3), (3, 4, 6)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.uint16])
def test_flipping_twice_changes_nothing_whatever_the_image(shape, dtype):
    image = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    once = augment.flip_horizontal(image, np.ones((3, shape[1], 2), bool))
    assert once[0].shape == shape and once[0].dtype == dtype and (once[0] == image[:, ::-1]).all()
    assert (augment.flip_horizontal(*once)[0] == image).all()


@pytest.mark.parametrize(("probability", "expected"), [(0, 0), (1, 200), (0.25, 50)])
def test_flip_mirrors_as_often_as_it_is_told(scene, probability, expected):
    source = rng()
    mirrored = sum((augment.flip(*scene, source, probability=probability)[0] != scene[0]).any() for _ in range(200))
    assert abs(mirrored - expected) <= (12 if 0 < probability < 1 else 0)  # two standard deviations


def test_a_jitter_below_1_reduces_and_pads_with_zeros():
    image, masks = np.full((8, 12, 3), 100, np.uint8), np.ones((8, 12, 1), bool)
    new_image, new_masks = augment.scale_jitter(image, masks, Sure(0.5, 3, 1), scales=(0.1, 2))
    expected = np.zeros((8, 12), bool)
    expected[3:7, 1:7] = True
    assert (new_masks[..., 0] == expected).all() and (new_image == np.where(expected, 100, 0)[..., None]).all()


def test_a_jitter_above_1_enlarges_a_part():
    image = np.zeros((8, 8, 3), np.uint8)
    image[2:6, 4:] = 200
    masks = np.zeros((8, 8, 2), bool)
    masks[2:6, 4:, 0] = masks[0, :, 1] = True
    new_image, new_masks = augment.scale_jitter(image, masks, Sure(2.0, 2, 4), scales=(0.1, 2))
    assert (new_image == 200).all() and new_masks[..., 0].all() and not new_masks[..., 1].any()


def test_a_mask_is_enlarged_pixel_by_pixel():
    masks = np.array([[1, 0], [0, 1]], bool)[..., None]
    image = np.where(masks, 255, 0).astype(np.uint8)
    whole = np.pad(masks, [(0, 2), (0, 2), (0, 0)])
    _, enlarged = augment.scale_jitter(np.pad(image, [(0, 2), (0, 2), (0, 0)]), whole, Sure(2.0, 0, 0), scales=(1, 2))
    assert enlarged[..., 0].astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_a_crop_stretches_each_side_by_itself():
    masks = np.zeros((8, 8, 1), bool)
    masks[4:, :, 0] = True
    image = np.where(masks, 255, 0).astype(np.uint8)
    new_image, new_masks = augment.crop(image, masks, Sure(0.5, 1.0, 4, 0), least=0.5)
    assert new_masks.all() and (new_image == 255).all()


@pytest.mark.parametrize("transform", MOVERS)
@pytest.mark.parametrize("seed", range(8))
def test_image_and_masks_move_together_and_keep_their_size(scene, transform, seed):
    image, masks = transform(*scene, rng(seed))
    assert image.shape == scene[0].shape and image.dtype == np.uint8
    assert masks.shape == scene[1].shape and masks.dtype == bool and not masks[..., 2].any()
    assert ((image[..., 0] > 127) != masks.any(axis=-1)).mean() < 0.02


@pytest.mark.parametrize("transform", [*MOVERS, augment.colour])
def test_equal_seeds_draw_equally_others_differ_and_inputs_stay(scene, transform):
    image = rng(9).integers(0, 256, scene[0].shape, dtype=np.uint8)
    before = image.copy(), scene[1].copy()
    results = [transform(image, scene[1], rng(seed)) for seed in (1, 1, 2, 3, 4)]
    assert all(np.array_equal(*pair) for pair in zip(results[0], results[1], strict=True))
    assert any((result[0] != results[0][0]).any() for result in results[2:])
    assert (image == before[0]).all() and (scene[1] == before[1]).all()


@pytest.mark.parametrize("count", [0, 1, 31, 200])
@pytest.mark.parametrize("transform", [*MOVERS, augment.colour])
def test_any_number_of_masks(transform, count):
    image, masks = np.zeros((16, 24, 3), np.uint8), np.zeros((16, 24, count), bool)
    masks[4:9, 8:20] = True
    _, moved = transform(image, masks, rng(1))
    assert moved.shape == masks.shape and (moved == moved[..., :1]).all()


@pytest.mark.parametrize("transform", MOVERS)
@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (4, np.uint8), (6, np.uint16), (3, np.float32), (3, bool)])
def test_any_channels_and_dtype(transform, channels, dtype):
    image = np.ones((16, 24, channels), dtype)
    for seed in range(4):
        moved, _ = transform(image, np.zeros((16, 24, 0), bool), rng(seed))
        assert moved.shape == image.shape and moved.dtype == dtype and set(np.unique(moved)) <= {0, 1}


def test_large_scale_jitter_reaches_a_tenth_and_twice():
    masks = np.ones((100, 100, 1), bool)
    image = np.zeros((100, 100, 3), np.uint8)
    source = rng()
    shares = [augment.large_scale_jitter(image, masks, source)[1].mean() for _ in range(400)]
    assert 0.01 <= min(shares) < 0.02 and max(shares) == 1
    assert abs(np.mean(np.array(shares) == 1) - 1 / 1.9) < 0.08  # factors from 1 on fill the image; three standard deviations


@pytest.mark.parametrize(
    ("transform", "options", "message"),
    [
        (augment.scale_jitter, {"scales": (2, 1)}, "scales = "),
        (augment.scale_jitter, {"scales": (0, 1)}, "scales = "),
        (augment.crop, {"least": 0}, "least = 0"),
        (augment.crop, {"least": 1.5}, "least = 1.5"),
        (augment.colour, {"brightness": 1.5}, "brightness = 1.5"),
        (augment.colour, {"hue": 0.6}, "hue = 0.6"),
    ],
)
def test_impossible_options_are_refused(scene, transform, options, message):
    with pytest.raises(augment.AugmentationError, match=message):
        transform(*scene, rng(), **options)


# --- colour ----------------------------------------------------------------------------------------------------------------


def coloured(image, brighter=1.0, steeper=1.0, stronger=1.0, turn=0.0):
    image = np.asarray(image, np.uint8)
    options = {"brightness": 1, "contrast": 1, "saturation": 1, "hue": 0.5}
    draws = Sure(brighter - 1, steeper - 1, stronger - 1, turn)
    return augment.colour(image, np.zeros((*image.shape[:2], 0), bool), draws, **options)[0]


def test_no_amount_changes_nothing(scene):
    image = rng().integers(0, 256, (40, 40, 3), dtype=np.uint8)
    same, _ = augment.colour(image, scene[1], rng(), brightness=0, contrast=0, saturation=0, hue=0)
    assert (same == image).all()


def test_brightness_multiplies_and_is_cut():
    assert coloured([[[10, 100, 200]]], brighter=1.5).tolist() == [[[15, 150, 255]]]


def test_contrast_steepens_about_the_mean():
    assert coloured([[[50, 50, 50], [150, 150, 150]]], steeper=1.5).tolist() == [[[25, 25, 25], [175, 175, 175]]]


def test_no_saturation_is_grey_of_the_same_luma():
    image = rng().integers(0, 256, (6, 6, 3), dtype=np.uint8)
    grey = coloured(image, stronger=0.0)
    expected = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert np.abs(grey.astype(int) - expected[..., None]).max() <= 1


def test_hue_turns_colours_and_keeps_grey_and_luma():
    grey = np.full((2, 2, 3), 90, np.uint8)
    assert (coloured(grey, turn=0.3) == 90).all()
    image = np.array([[[140, 100, 90]]], np.uint8)
    opposite = coloured(image, turn=0.5).astype(int)
    assert opposite[0, 0, 0] < opposite[0, 0, 2]  # what was red is blue-green
    luma = np.array([0.299, 0.587, 0.114])
    assert abs((opposite - image) @ luma) < 1


def test_colour_leaves_masks_alone(scene):
    assert augment.colour(*scene, rng())[1] is scene[1]


@pytest.mark.parametrize("image", [np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_colour_refuses_what_is_no_rgb_photo(image):
    with pytest.raises(augment.AugmentationError, match="uint8 RGB; got"):
        augment.colour(image, np.zeros((4, 4, 0), bool), rng())


# --- copy_paste ------------------------------------------------------------------------------------------------------------


def plane(*boxes, shape=(6, 8)):
    masks = np.zeros((*shape, len(boxes)), bool)
    for number, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, number] = True
    return masks


def pasted(target, target_ids, source, source_ids, probability=1.0, seed=0, size=(6, 8)):
    image, other = np.full((6, 8, 3), 10, np.uint8), np.full((*size, 3), 200, np.uint8)
    return augment.copy_paste(
        image, target, np.array(target_ids, np.int32), (other, source, np.array(source_ids, np.int32)), rng(seed), probability=probability
    )  # fmt: skip


def test_a_pasted_instance_hides_what_lies_under_it():
    image, masks, class_ids = pasted(plane((0, 0, 4, 4)), [1], plane((2, 2, 6, 8)), [2])
    assert class_ids.tolist() == [1, 2] and class_ids.dtype == np.int32
    assert masks[..., 0].sum() == 12 and not (masks[..., 0] & masks[..., 1]).any()
    assert (masks[..., 1] == plane((2, 2, 6, 8))[..., 0]).all()
    assert (image == np.where(masks[..., 1:], 200, 10)).all()


def test_an_instance_that_is_hidden_whole_has_an_empty_mask():
    _, masks, class_ids = pasted(plane((3, 3, 4, 4), (0, 0, 1, 1)), [1, 2], plane((2, 2, 6, 8)), [2])
    assert class_ids.tolist() == [1, 2, 2] and masks.sum(axis=(0, 1)).tolist() == [0, 1, 24]


def test_crowds_are_not_pasted_but_are_hidden_and_keep_their_id():
    image, masks, class_ids = pasted(plane((0, 0, 6, 8)), [-1], plane((0, 0, 3, 8), (5, 0, 6, 8)), [-2, 2])
    assert class_ids.tolist() == [-1, 2] and masks.sum(axis=(0, 1)).tolist() == [40, 8] and (image[:5] == 10).all()


def test_instances_that_overlap_in_their_own_image_overlap_here():
    masks = pasted(plane(), [], plane((0, 0, 4, 4), (2, 2, 6, 6)), [1, 2])[1]
    assert (masks == plane((0, 0, 4, 4), (2, 2, 6, 6))).all()


@pytest.mark.parametrize(("source", "ids", "probability"), [(plane(), [], 1.0), (plane((0, 0, 2, 2)), [1], 0.0)])
def test_nothing_to_paste_changes_nothing(source, ids, probability):
    image, masks, class_ids = pasted(plane((0, 0, 4, 4)), [1], source, ids, probability)
    assert (image == 10).all() and (masks == plane((0, 0, 4, 4))).all() and class_ids.tolist() == [1]


def test_each_instance_is_pasted_with_the_probability():
    counts = [len(pasted(plane(), [], plane(*[(0, 0, 1, 1)] * 40), [1] * 40, 0.5, seed)[2]) for seed in range(20)]
    assert 0.44 < np.mean(counts) / 40 < 0.56 and len(set(counts)) > 3


@pytest.mark.parametrize("size", [(4, 20), (9, 5)])
def test_another_size_is_cut_or_padded(size):
    image, masks, _ = pasted(plane(), [], np.ones((*size, 1), bool), [1], size=size)
    height, width = min(6, size[0]), min(8, size[1])
    assert masks.sum() == height * width and masks[:height, :width].all() and (image[:height, :width] == 200).all()


def test_other_channels_are_refused():
    other = np.zeros((6, 8, 1), np.uint8), plane(), np.zeros(0, int)
    with pytest.raises(augment.AugmentationError, match="3 and 1 channels"):
        augment.copy_paste(np.zeros((6, 8, 3), np.uint8), plane(), np.zeros(0, int), other, rng())
