"""mrcnn.data.augment_imgaug: every augmenter of imgaug moves masks with the image, leaves places alone, or is refused."""

import sys
import warnings

import cv2
import numpy as np
import pytest

from mrcnn.data import augment, augment_imgaug

try:
    augment.import_imgaug()
    from imgaug import augmenters as iaa
except ImportError as error:
    pytest.skip(f"imgaug is not installed: {error}", allow_module_level=True)

WHOLE = (0, 0, 40, 60)


@pytest.fixture
def scene():
    """A white rectangle on black, and the mask of it; beside it an empty mask."""
    masks = np.zeros((40, 60, 2), bool)
    masks[8:20, 10:40, 0] = True
    image = np.repeat(masks[..., :1].astype(np.uint8) * 255, 3, axis=-1)
    return augment.Example(image, masks, np.array([1, 2]), WHOLE)


def apply(augmentation, example, seed=0):
    return augment.apply(augmentation, example, rng=np.random.default_rng(seed))


def test_the_absence_of_imgaug_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "imgaug", None)
    with pytest.raises(ImportError, match="pip install --no-deps imgaug==0.4.0"):
        augment.import_imgaug()


@pytest.mark.parametrize("seed", range(5))
def test_image_and_masks_move_together(scene, seed):
    augmentation = iaa.Sequential(
        [
            iaa.Fliplr(0.5),
            iaa.OneOf([iaa.Flipud(0.5), iaa.Affine(rotate=(-40, 40))]),
            iaa.CropAndPad(percent=(-0.1, 0.2)),
        ]
    )
    image, masks, *_ = apply(augmentation, scene, seed)
    assert masks.dtype == bool and not masks[..., 1].any()
    assert ((image[..., 0] > 127) != masks[..., 0]).mean() < 0.03


def test_colours_leave_masks_alone(scene):
    image, masks, _, window, _ = apply(iaa.Sequential([iaa.Multiply(0.5), iaa.GaussianBlur(2.0)]), scene)
    assert (masks == scene.masks).all() and (image != scene.image).any() and window == WHOLE


def test_the_draw_follows_the_generator_and_changes_no_augmenter(scene):
    augmentation = iaa.Affine(rotate=(-90, 90))
    first, second, other = (apply(augmentation, scene, seed).image for seed in (1, 1, 2))
    assert (first == second).all() and (first != other).any()


def test_without_a_generator_the_draw_follows_imgaugs_own_seed(scene):
    import imgaug

    augmentation, images = iaa.Fliplr(0.5), []
    for _ in range(2):
        imgaug.seed(3)
        images.append([augment.apply(iaa.Sequential([augmentation]), scene).image for _ in range(8)])
    assert np.array_equal(*images) and len({image.tobytes() for image in images[0]}) == 2


def test_more_masks_than_a_picture_has_channels(scene):
    masks = np.repeat(scene.masks, 40, axis=-1)
    moved = apply(iaa.Fliplr(1.0), scene._replace(masks=masks, class_ids=np.ones(80, int))).masks
    assert (moved == masks[:, ::-1]).all()


def test_no_masks_at_all(scene):
    empty = scene._replace(masks=scene.masks[..., :0], class_ids=np.zeros(0, int))
    result = apply(iaa.Fliplr(1.0), empty)
    assert result.masks.shape == (40, 60, 0) and (result.image == scene.image[:, ::-1]).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: iaa.Affine(translate_px={"x": 25}, cval=255),
        lambda: iaa.CropAndPad(px=(5, 0, 0, 20), keep_size=False, pad_cval=255),
        lambda: iaa.Sequential([iaa.Sometimes(1.0, iaa.Affine(rotate=30, cval=(200, 255)))]),
        lambda: iaa.Rotate(30, cval=255),
        lambda: iaa.Pad(px=(5, 0, 0, 20), keep_size=False, pad_cval=255),
        lambda: iaa.ElasticTransformation(alpha=(30.0, 31.0), sigma=3.0, cval=255),
    ],
)
def test_what_the_image_is_filled_with_is_no_object(make):
    masks = np.ones((40, 40, 1), bool)
    image = np.full((40, 40, 3), 100, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filled, moved = augment_imgaug.apply(make(), image, masks, np.random.default_rng(0))
    assert (filled > 190).any()  # there is new ground
    assert not moved[(filled[..., 0] > 190)].any() and moved[filled[..., 0] == 100].mean() > 0.99


@pytest.mark.parametrize(
    "make",
    [
        lambda: iaa.Jigsaw(3, 3),
        lambda: iaa.Sequential([iaa.Sometimes(0.5, iaa.Jigsaw(3, 3))]),
        lambda: iaa.WithColorspace("HSV", children=iaa.Affine(rotate=3)),
        lambda: iaa.WithChannels(0, iaa.Affine(rotate=3)),
        lambda: iaa.WithHueAndSaturation(iaa.Fliplr(0.5)),
        lambda: iaa.WithBrightnessChannels(iaa.Fliplr(0.5)),
        lambda: iaa.BlendAlpha(0.5, iaa.Fliplr(1.0)),
        lambda: iaa.BlendAlpha(0.5, background=iaa.Sequential([iaa.Rot90(1)])),
        lambda: iaa.BlendAlphaCheckerboard(2, 2, foreground=iaa.Affine(rotate=3)),
        lambda: iaa.WithPolarWarping(iaa.Crop(percent=0.1)),
        lambda: iaa.KeepSizeByResize(iaa.Crop(px=3, keep_size=False)),
        lambda: iaa.Resize(32),
        lambda: iaa.RandAugment(n=2, m=9),
        lambda: iaa.imgcorruptlike.ElasticTransform(),
        lambda: iaa.pillike.Affine(rotate=3),
    ],
)
def test_what_masks_cannot_follow_is_refused(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        augmentation = make()
    with pytest.raises(ValueError, match="moves pixels of the image.*Affine.*Sequential"):
        augment.check(augmentation)


def test_what_is_refused_is_not_applied_either(scene):
    with pytest.raises(ValueError, match="Jigsaw.*moves pixels"):
        apply([augment.flip, iaa.Jigsaw(2, 2)], scene)


class Shift(iaa.meta.Augmenter):
    """An augmenter that imgaug doesn't know."""

    def get_parameters(self):
        return []


@pytest.mark.parametrize("make", [lambda: iaa.Lambda(lambda images, *_: images), lambda: iaa.Sequential([Shift()])])
def test_code_of_ones_own_is_refused_because_masks_might_have_to_follow(make):
    with pytest.raises(ValueError, match=r"code of your own.*function of \(image, masks, rng\)"):
        augment.check(make())


def test_a_change_of_size_is_refused(scene):
    with pytest.raises(augment.AugmentationError, match=r"from \(40, 60, 3\) to.*keep_size"):
        apply(iaa.CropAndPad(px=4, keep_size=False), scene)


def test_the_window_moves_with_the_pixels(scene):
    padded = scene._replace(window=(0, 10, 40, 59))
    assert apply(iaa.Fliplr(1.0), padded).window == (0, 1, 40, 50)
    assert apply(iaa.Add(9), padded).window == padded.window


# --- every class of imgaug -------------------------------------------------------------------------------------------------


def classes():
    found, waiting = {}, [iaa.meta.Augmenter]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind.__module__.startswith("imgaug.") and not kind.__name__.startswith("_"):
                found[f"{kind.__module__.split('.')[-1]}.{kind.__name__}"] = kind
                waiting.append(kind)
            elif kind.__module__.startswith("imgaug."):
                waiting.append(kind)
    return dict(sorted(found.items()))


#: How to make those that need arguments.
MADE = {
    "arithmetic.ReplaceElementwise": lambda kind: kind(0.1, 255),
    "color.ChangeColorspace": lambda kind: kind("HSV"),
    "color.WithColorspace": lambda kind: kind("HSV", children=iaa.Add(9)),
    "blend.BlendAlphaCheckerboard": lambda kind: kind(3, 3, foreground=iaa.Add(9)),
    "blend.BlendAlphaRegularGrid": lambda kind: kind(3, 3, foreground=iaa.Add(9)),
    "blend.BlendAlphaMask": lambda kind: kind(iaa.HorizontalLinearGradientMaskGen(), foreground=iaa.Add(9)),
    "geometric.WithPolarWarping": lambda kind: kind(iaa.Add(9)),
    "meta.AssertShape": lambda kind: kind((None, 64, 64, 3)),
    "meta.OneOf": lambda kind: kind([iaa.Add(9), iaa.Fliplr(1.0)]),
    "meta.RemoveCBAsByOutOfImageFraction": lambda kind: kind(0.5),
    "segmentation.Voronoi": lambda kind: kind(iaa.RegularGridPointsSampler(20, 20)),
    "size.KeepSizeByResize": lambda kind: kind(iaa.Crop(px=2, keep_size=False)),
    "size.Resize": lambda kind: kind(32),
    **dict.fromkeys(("geometric.ScaleX", "geometric.ScaleY"), lambda kind: kind((0.6, 1.4))),
    "geometric.PiecewiseAffine": lambda kind: kind(scale=0.05),
    "geometric.ElasticTransformation": lambda kind: kind(alpha=(39.0, 40.0), sigma=5.0),
}
MADE |= {
    name: lambda kind: kind(foreground=iaa.Add(9)) for name in classes() if name.startswith("blend.") and name not in MADE
}
#: Layers that other augmenters are made of, nine arguments each; a writer of files; two that need more than images.
NOT_MADE = {
    "weather.CloudLayer", "weather.RainLayer", "weather.SnowflakesLayer", "debug.SaveDebugImageEveryNBatches",
    "blend.BlendAlphaBoundingBoxes", "blend.BlendAlphaSegMapClassIds",
}  # fmt: skip
#: Of these less is to be seen: nothing at all, light from one side, thin lines, few large cells.
FAINT = {"arithmetic.TotalDropout": 0, "pillike.FilterEmboss": 0.2, "pillike.FilterContour": 0.3, "segmentation.Superpixels": 0.4}
#: Broken with the NumPy or the Pillow of today, whatever is done with masks.
BROKEN = {"pillike.Autocontrast"}


def likeness(image, masks):
    """Correlation of an image with an object or with its outline, either sign."""
    plane = masks.any(axis=-1).astype(np.uint8)
    outline = cv2.dilate(plane, np.ones((3, 3))) - cv2.erode(plane, np.ones((3, 3)))
    found = []
    for wanted in (plane, outline):
        one, two = image.mean(axis=-1).ravel(), wanted.astype(float).ravel()
        one, two = one - one.mean(), two - two.mean()
        found.append(abs(one @ two) / max(1e-9, np.sqrt((one @ one) * (two @ two))))
    return max(found)


def test_the_likeness_of_what_was_moved_is_small():
    image, masks = two_blobs()
    for moved in (image[:, ::-1], image[::-1], np.rot90(image), np.roll(image, 20, axis=1)):
        assert likeness(moved, masks) < 0.25


def two_blobs():
    masks = np.zeros((64, 64, 2), bool)
    masks[6:30, 8:24, 0] = masks[14:24, 20:32, 1] = True
    return np.repeat(masks.any(axis=-1, keepdims=True).astype(np.uint8) * 180 + 20, 3, axis=-1), masks


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(set(classes()) - NOT_MADE))
def test_an_augmenter_moves_masks_too_or_leaves_places_alone_or_is_refused(name):
    kind = classes()[name]
    sized = name.startswith("size.") and name not in MADE and name not in ("size.Crop", "size.Pad", "size.CropAndPad")
    if sized:  # cuts and pads to a size
        augmentation = kind.__new__(kind)
        augmentation.name, augmentation.get_children_lists = name, lambda: []
    else:
        augmentation = MADE.get(name, lambda kind: kind())(kind)
    try:
        augment.check(augmentation)
    except ValueError as refusal:
        assert "moves pixels of the image" in str(refusal) or "code of your own" in str(refusal)
        moves = ("geometric.", "size.", "collections.RandAugment", "imgcorruptlike.ElasticTransform", "pillike.Affine", "meta.Lambda")
        assert name.startswith(moves) and kind.__name__ not in augment_imgaug._MOVERS or name == "pillike.Affine"
        return
    if name.startswith("imgcorruptlike."):
        pytest.importorskip("imagecorruptions", reason="an extra of imgaug; its colours and blurs are accepted, as checked")
    image, masks = two_blobs()
    example = augment.Example(image, masks, np.array([1, 2]), (0, 0, 64, 64))
    if name in BROKEN:
        with pytest.raises(augment.AugmentationError, match="failed: TypeError"):
            apply(augmentation, example)
        return
    results = [apply(augmentation, example, seed) for seed in range(8)]
    if kind.__name__ in augment_imgaug._MOVERS or name == "meta.OneOf":
        assert min(likeness(result.image, result.masks) for result in results) > 0.9
    else:
        assert all((result.masks == masks).all() for result in results)
        assert np.mean([likeness(result.image, masks) for result in results]) >= FAINT.get(name, 0.45)


def test_imgaugs_own_draws_leave_numpys_global_state_alone(scene):
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    augment.apply(iaa.Fliplr(0.5), scene)
    assert np.random.random() == expected
