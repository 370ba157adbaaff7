"""mrcnn.data.augment: image and masks move together, colours leave masks alone, and the draw follows the generator."""

import sys

import numpy as np
import pytest

from mrcnn.data import augment

try:
    augment.import_imgaug()
    from imgaug import augmenters as iaa
except ImportError:
    iaa = None

needs_imgaug = pytest.mark.skipif(iaa is None, reason="imgaug is not installed")


@pytest.fixture
def scene():
    """A white rectangle on black, and the mask of it; beside it an empty mask."""
    masks = np.zeros((40, 60, 2), bool)
    masks[8:20, 10:40, 0] = True
    image = np.repeat(masks[..., :1].astype(np.uint8) * 255, 3, axis=-1)
    return image, masks


def test_a_flip_mirrors_both(scene):
    image, masks = augment.flip_horizontal(*scene)
    assert masks[8:20, 20:50, 0].all() and masks.sum() == scene[1].sum()
    assert ((image[..., 0] == 255) == masks[..., 0]).all()


def test_flipping_twice_changes_nothing(scene):
    image, masks = augment.flip_horizontal(*augment.flip_horizontal(*scene))
    assert (image == scene[0]).all() and (masks == scene[1]).all()


def test_no_augmentation_needs_no_imgaug():
    augment.check(None)


def test_the_absence_of_imgaug_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "imgaug", None)
    with pytest.raises(ImportError, match="pip install --no-deps imgaug==0.4.0"):
        augment.import_imgaug()


@needs_imgaug
@pytest.mark.parametrize("seed", range(5))
def test_image_and_masks_move_together(scene, seed):
    augmentation = iaa.Sequential(
        [
            iaa.Fliplr(0.5),
            iaa.OneOf([iaa.Flipud(0.5), iaa.Affine(rotate=(-40, 40))]),
            iaa.CropAndPad(percent=(-0.1, 0.2)),
        ]
    )
    image, masks = augment.apply(augmentation, *scene, rng=np.random.default_rng(seed))
    assert masks.dtype == bool and not masks[..., 1].any()
    assert ((image[..., 0] > 127) != masks[..., 0]).mean() < 0.03


@needs_imgaug
def test_colours_leave_masks_alone(scene):
    image, masks = augment.apply(iaa.Sequential([iaa.Multiply(0.5), iaa.GaussianBlur(2.0)]), *scene)
    assert (masks == scene[1]).all() and (image != scene[0]).any()


@needs_imgaug
def test_the_draw_follows_the_generator_and_changes_no_augmenter(scene):
    augmentation = iaa.Affine(rotate=(-90, 90))
    first, second, other = (
        augment.apply(augmentation, *scene, rng=np.random.default_rng(seed))[0] for seed in (1, 1, 2)
    )
    assert (first == second).all() and (first != other).any()


@needs_imgaug
def test_more_masks_than_a_picture_has_channels(scene):
    masks = np.repeat(scene[1], 40, axis=-1)
    assert augment.apply(iaa.Affine(rotate=10), scene[0], masks)[1].shape == masks.shape


@needs_imgaug
def test_no_masks_at_all(scene):
    assert augment.apply(iaa.Fliplr(1.0), scene[0], scene[1][..., :0])[1].shape == (40, 60, 0)


@needs_imgaug
@pytest.mark.parametrize(
    "make",
    [
        lambda: iaa.Rot90(1),
        lambda: iaa.Sequential([iaa.Sometimes(0.5, iaa.PerspectiveTransform())]),
        lambda: iaa.WithColorspace("HSV", children=iaa.Affine(rotate=3)),
        lambda: iaa.Crop(px=2),
        lambda: iaa.ElasticTransformation(),
    ],
)
def test_what_masks_cannot_follow_is_refused(make):
    with pytest.raises(ValueError, match="moves pixels of the image.*Affine.*Sequential"):
        augment.check(make())


@needs_imgaug
def test_what_is_no_augmenter_is_refused():
    with pytest.raises(ValueError, match="must be an augmenter of imgaug"):
        augment.check(lambda image: image)


@needs_imgaug
def test_a_change_of_size_is_refused(scene):
    with pytest.raises(ValueError, match=r"from \(40, 60, 3\) to.*keep_size"):
        augment.apply(iaa.CropAndPad(px=4, keep_size=False), *scene)
