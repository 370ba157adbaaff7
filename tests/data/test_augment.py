"""mrcnn.data.augment: which augmentations are taken, how they are chained, and what is held to the contract."""

from functools import partial

import numpy as np
import pytest

from mrcnn.data import augment

ALWAYS = partial(augment.flip, probability=1)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def example():
    masks = np.zeros((40, 60, 2), bool)
    masks[8:20, 10:40, 0] = True
    image = np.repeat(masks[..., :1].astype(np.uint8) * 255, 3, axis=-1)
    return augment.Example(image, masks, np.array([2, -1], np.int32), (0, 4, 40, 55))


def negative(image, masks, rng):
    """A function of one's own."""
    return 255 - image, masks


def same(first, second):
    return all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))


def test_none_is_no_augmentation(example):
    augment.check(None)
    assert same(augment.apply(None, example), example)


@pytest.mark.parametrize("augmentation", [ALWAYS, [ALWAYS], (ALWAYS,), partial(ALWAYS)])
def test_one_function_or_a_list_of_them(example, augmentation):
    augment.check(augmentation)
    result = augment.apply(augmentation, example, rng=rng())
    assert (result.image == example.image[:, ::-1]).all() and (result.masks == example.masks[:, ::-1]).all()
    assert result.class_ids.tolist() == [2, -1]


def test_a_list_is_applied_in_its_order(example):
    def count(image, masks, rng):
        return image // 2 + 10, masks

    result = augment.apply([negative, count], example, rng=rng())
    assert set(np.unique(result.image)) == {10, 137}  # 255 -> 0 -> 10 and 0 -> 255 -> 137


def test_functions_of_ones_own_draw_from_the_same_generator(example):
    def noise(image, masks, rng):
        return image ^ rng.integers(0, 2, image.shape, dtype=np.uint8), masks

    results = [augment.apply([augment.flip, noise], example, rng=rng(seed)) for seed in (1, 1, 2)]
    assert same(*results[:2]) and not same(results[0], results[2])


def test_without_a_generator_draws_follow_numpys_global_seed(example):
    results = []
    for seed in (1, 1, 2):
        np.random.seed(seed)
        results.append(augment.apply([augment.crop], example))
    assert same(*results[:2]) and not same(results[0], results[2])


@pytest.mark.parametrize("wrong", [lambda image: image, 3, "flip", [negative, "flip"], lambda: None, [None]])
def test_what_is_no_augmentation_is_refused(wrong):
    with pytest.raises(ValueError, match="must be an augmenter of imgaug.*Compose.*function of.*list of these; got"):
        augment.check(wrong)


def test_a_class_in_place_of_an_instance_is_refused():
    class Mirror:
        def __call__(self, image, masks, rng):
            return image, masks

    augment.check(Mirror())
    with pytest.raises(ValueError, match=r"class Mirror, not an instance: write Mirror\(…\)"):
        augment.check(Mirror)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda image, masks, rng: image, "returned ndarray; .image, masks. is expected"),
        (lambda image, masks, rng: (image, None), "NoneType for the masks"),
        (lambda image, masks, rng: (image[:20], masks), r"from \(40, 60, 3\) to \(20, 60, 3\)"),
        (lambda image, masks, rng: (image, masks[..., :1]), r"from \(40, 60, 2\) to \(40, 60, 1\)"),
        (lambda image, masks, rng: (image / 255, masks), "from uint8 into float64"),
        (lambda image, masks, rng: (image, masks.astype(np.uint8)), "masks into uint8"),
        (lambda image, masks, rng: {}["colour"], "failed: KeyError: 'colour'"),
    ],
)
def test_a_function_that_breaks_the_contract_ends_training(example, function, message):
    with pytest.raises(augment.AugmentationError, match=message):
        augment.apply([function], example, rng=rng())


# --- the window ------------------------------------------------------------------------------------------------------------


def test_the_window_is_mirrored_with_the_image(example):
    assert augment.apply(ALWAYS, example, rng=rng()).window == (0, 5, 40, 56)


@pytest.mark.parametrize("transform", [augment.scale_jitter, augment.large_scale_jitter, augment.crop])
@pytest.mark.parametrize("seed", range(4))
def test_the_window_holds_just_the_real_pixels(transform, seed):
    image, window = np.zeros((64, 64, 3), np.uint8), (8, 0, 56, 64)
    image[8:56] = 255
    result = augment.apply(transform, augment.Example(image, np.zeros((64, 64, 0), bool), np.zeros(0, int), window), rng=rng(seed))
    bright = np.argwhere(result.image[..., 0] > 127)
    expected = [*bright.min(axis=0), *(bright.max(axis=0) + 1)]
    assert np.abs(np.array(result.window) - expected).max() <= 1
    assert all(isinstance(side, int) for side in result.window)


def test_colours_leave_the_window_and_unknown_functions_make_it_the_whole_image(example):
    assert augment.apply(augment.colour, example, rng=rng()).window == (0, 4, 40, 55)
    assert augment.apply(negative, example, rng=rng()).window == (0, 0, 40, 60)


def test_where_no_real_pixel_is_left_the_window_stays():
    image, masks = np.zeros((64, 64, 3), np.uint8), np.ones((64, 64, 1), bool)
    corner = augment.Example(image, masks, np.ones(1, int), (0, 0, 1, 1))
    windows = {augment.apply(partial(augment.crop, least=0.5), corner, rng=rng(seed)).window for seed in range(6)}
    assert (0, 0, 1, 1) in windows and all(y2 > y1 and x2 > x1 for y1, x1, y2, x2 in windows)


# --- the second image ------------------------------------------------------------------------------------------------------


@pytest.fixture
def other():
    masks = np.zeros((40, 60, 1), bool)
    masks[0:10, 0:5, 0] = True
    return augment.Example(np.full((40, 60, 3), 77, np.uint8), masks, np.array([5], np.int32), (0, 0, 40, 60))


PASTE = partial(augment.copy_paste, probability=1)


def test_only_copy_paste_wants_another_image():
    assert augment.wants_another([augment.flip, PASTE]) and augment.wants_another(augment.copy_paste)
    assert not augment.wants_another([augment.flip]) and not augment.wants_another(None)


def test_copy_paste_appends_instances_and_the_window_takes_them_in(example, other):
    result = augment.apply([PASTE], example, rng=rng(), another=lambda rng: other)
    assert result.class_ids.tolist() == [2, -1, 5] and result.masks[..., 2].sum() == 50
    assert (result.image[0:10, 0:5] == 77).all() and result.window == (0, 0, 40, 55)


def test_the_other_image_passes_what_stands_before(example, other):
    before = augment.apply([ALWAYS, PASTE], example, rng=rng(), another=lambda rng: other)
    after = augment.apply([PASTE, ALWAYS], example, rng=rng(), another=lambda rng: other)
    assert same(before, after)  # both are mirrored, before or after they meet
    apart = augment.apply([augment.scale_jitter, PASTE], example, rng=rng(), another=lambda rng: other)
    alone = augment.apply([augment.scale_jitter], example, rng=rng())
    assert (apart.masks[..., 2].sum() != 50) and not same(apart[:1], alone[:1])


def test_two_pastings_need_two_images(example, other):
    asked = []
    augment.apply([PASTE, augment.flip, PASTE], example, rng=rng(), another=lambda rng: asked.append(1) or other)
    assert len(asked) == 2


@pytest.mark.parametrize("another", [None, lambda rng: None])
def test_without_another_image_nothing_is_pasted(example, another):
    assert same(augment.apply([PASTE], example, rng=rng(), another=another), example)


def test_imgaug_and_functions_share_a_list(example):
    try:
        iaa = augment.import_imgaug().augmenters
    except ImportError as error:
        pytest.skip(str(error))
    augmentation = [ALWAYS, iaa.Fliplr(1.0), iaa.Sequential([iaa.Add((1, 99))])]
    augment.check(augmentation)
    results = [augment.apply(augmentation, example, rng=rng(seed)) for seed in (1, 1, 2)]
    assert same(*results[:2]) and not same(results[0], results[2])
    assert (results[0].masks == example.masks).all() and results[0].window == example.window
