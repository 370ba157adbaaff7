"""mrcnn.data.augment_albumentations: a Compose moves masks with the image, by the generator's draws, or is refused."""

import copy
import inspect
import os
import threading

import numpy as np
import pytest

from mrcnn.data import augment

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # its import would ask the network for its newest version
A = pytest.importorskip("albumentations", reason="pip install 'mrcnn[albumentations]'", exc_type=ImportError)

pytestmark = pytest.mark.filterwarnings("ignore")  # it warns of arguments it still takes


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def example():
    masks = np.zeros((64, 64, 2), bool)
    masks[6:30, 8:24, 0] = masks[14:24, 20:32, 1] = True
    image = np.repeat(masks.any(axis=-1, keepdims=True).astype(np.uint8) * 180 + 20, 3, axis=-1)
    return augment.Example(image, masks, np.array([3, -1], np.int32), (0, 4, 64, 59))


def apply(transforms, example, seed=0):
    pipeline = A.Compose(transforms)
    augment.check(pipeline)
    return augment.apply(pipeline, example, rng=rng(seed))


def same(first, second):
    return all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))


def test_a_flip_mirrors_image_masks_and_window_and_keeps_class_ids(example):
    result = apply([A.HorizontalFlip(p=1)], example)
    assert (result.image == example.image[:, ::-1]).all() and (result.masks == example.masks[:, ::-1]).all()
    assert result.class_ids.tolist() == [3, -1] and result.window == (0, 5, 64, 60)
    assert result.masks.dtype == bool and result.image.dtype == np.uint8


def test_colours_leave_masks_and_window_alone(example):
    result = apply([A.RandomBrightnessContrast(p=1), A.GaussianBlur(p=1)], example)
    assert (result.masks == example.masks).all() and result.window == example.window and (result.image != example.image).any()


STORM = [
    A.HorizontalFlip(p=0.5),
    A.OneOf([A.Rotate(limit=45), A.Perspective(p=1)], p=0.9),
    A.SomeOf([A.HueSaturationValue(p=1), A.GaussNoise(p=1), A.CoarseDropout(p=1)], n=2),
]


def test_the_draw_follows_the_generator_and_changes_no_pipeline(example):
    pipeline = A.Compose(STORM, seed=7)
    before = copy.deepcopy(pipeline.random_generator.bit_generator.state)
    results = [augment.apply(pipeline, example, rng=rng(seed)) for seed in (1, 1, 2, 3)]
    assert same(*results[:2]) and not same(results[1], results[2]) and not same(results[2], results[3])
    assert pipeline.random_generator.bit_generator.state == before


def test_the_draw_is_the_same_in_any_thread(example):
    pipeline, results = A.Compose(STORM), {}
    expected = {seed: augment.apply(pipeline, example, rng=rng(seed)) for seed in range(12)}

    def work(seed):
        results[seed] = augment.apply(pipeline, example, rng=rng(seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in reversed(range(12))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(results[seed], expected[seed]) for seed in range(12))


@pytest.mark.parametrize("count", [0, 1, 31, 40, 200])
def test_any_number_of_masks(example, count):
    masks = np.repeat(example.masks[..., :1], count, axis=-1)
    many = example._replace(masks=masks, class_ids=np.ones(count, np.int32))
    result = apply([A.VerticalFlip(p=1), A.RandomGamma(p=1)], many)
    assert result.masks.shape == (64, 64, count) and (result.masks == masks[::-1]).all()


def test_it_stands_in_a_list_beside_functions(example):
    pipeline = [augment.flip, A.Compose([A.Rotate(limit=20, p=1)]), augment.colour]
    augment.check(pipeline)
    results = [augment.apply(pipeline, example, rng=rng(seed)) for seed in (1, 1, 2)]
    assert same(*results[:2]) and not same(results[0], results[2])


def test_its_own_crops_to_the_same_size_are_taken(example):
    result = apply([A.RandomResizedCrop(size=(64, 64), scale=(0.3, 0.5), p=1)], example, seed=3)
    assert result.image.shape == (64, 64, 3) and (result.masks.any(axis=-1) == (result.image[..., 0] > 110)).mean() > 0.97


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: A.HorizontalFlip(p=1), "HorizontalFlip of albumentations stands alone: wrap it"),
        (lambda: A.OneOf([A.HorizontalFlip(p=1)]), "OneOf of albumentations stands alone"),
        (lambda: A.Compose([], bbox_params=A.BboxParams(format="coco", label_fields=["ids"])), "bboxes: leave bbox_params"),
        (lambda: A.Compose([], keypoint_params=A.KeypointParams(format="xy")), "keypoints: leave bbox_params"),
        (lambda: A.Compose([A.OneOf([A.Normalize()])]), "Normalize of albumentations returns other numbers.*MEAN_PIXEL"),
        (lambda: A.Compose([A.ToFloat()]), "ToFloat of albumentations returns other numbers"),
        (lambda: A.Compose([A.Sequential([A.Lambda(image=lambda image, **_: image)])]), "Lambda of albumentations is code of your own"),
        (lambda: A.Compose([A.RandomSizedBBoxSafeCrop(64, 64)]), "RandomSizedBBoxSafeCrop of albumentations needs bboxes"),
        (lambda: A.Compose([A.MaskDropout()]), "MaskDropout of albumentations needs mask"),
        (lambda: A.Compose([A.Mosaic()]), "Mosaic of albumentations needs mosaic_metadata"),
        (lambda: A.Compose([A.SelectiveChannelTransform([A.HorizontalFlip()], channels=(0, 1, 2))]), "SelectiveChannelTransform .* not its masks"),
        (lambda: A.Compose([A.PixelDropout(mask_drop_value=1)]), "PixelDropout of albumentations has mask_drop_value = 1"),
        (lambda: A.Compose([A.Affine(fill_mask=255)]), "Affine of albumentations has fill_mask = 255"),
        (lambda: A.Compose([A.CoarseDropout3D()]), "knows no masks that could follow"),
    ],
)
def test_what_would_spoil_instances_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        augment.check(make())


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("make", [lambda: A.RandomCrop(32, 32, p=1), lambda: A.Resize(96, 96), lambda: A.PadIfNeeded(70, 70)])
def test_a_change_of_size_ends_training(example, make, count):
    few = example._replace(masks=example.masks[..., :count], class_ids=example.class_ids[:count])
    with pytest.raises(augment.AugmentationError, match=r"from \(64, 64, 3\) to \((32|96|70)"):
        apply([make()], few)


def test_a_turned_size_ends_training(example):
    wide = augment.Example(example.image[:48], example.masks[:48], example.class_ids, (0, 0, 48, 64))
    with pytest.raises(augment.AugmentationError, match="from .48, 64, 3. to .64, 48, 3."):
        apply([A.Transpose(p=1)], wide)


# --- every class of albumentations -----------------------------------------------------------------------------------------

CLASSES = {
    name: kind
    for name, kind in sorted(vars(A).items())
    if isinstance(kind, type)
    and issubclass(kind, A.BasicTransform)
    and kind not in (A.BasicTransform, A.DualTransform, A.ImageOnlyTransform, A.Transform3D)
}
GIVEN = {"size": (64, 64), "height": 64, "width": 64, "min_max_height": (40, 64), "num_grid_xy": (4, 4), "magnitude": 5}
MADE = {
    "Crop": {"x_max": 64, "y_max": 64}, "CropAndPad": {"px": (-8, -4)}, "LongestMaxSize": {"max_size": 64}, "SmallestMaxSize": {"max_size": 64},
    "PadIfNeeded": {"min_height": 64, "min_width": 64}, "RandomScale": {"scale_limit": 0}, "Pad": {"padding": 0}, "Resize": {},
    "RandomCropFromBorders": {"crop_left": 0, "crop_right": 0, "crop_top": 0, "crop_bottom": 0},
}  # fmt: skip
#: For volumes, with sizes of three numbers; a writer of text that wants a font.
NOT_MADE = {name for name in CLASSES if name.endswith("3D")} | {"TextImage", "CubicSymmetry"}
#: They paint much of the picture over, where objects are too.
PAINTERS = {"Erasing": 0.3, "GridDropout": 0.6, "RandomSunFlare": 0.3}


def likeness(image, masks):
    one, two = image.mean(axis=-1).ravel(), masks.any(axis=-1).astype(float).ravel()
    one, two = one - one.mean(), two - two.mean()
    return abs(one @ two) / max(1e-9, np.sqrt((one @ one) * (two @ two)))


@pytest.mark.parametrize("name", sorted(set(CLASSES) - NOT_MADE))
def test_a_transform_moves_masks_too_or_leaves_places_alone_or_is_refused(name, example):
    kind = CLASSES[name]
    required = [p.name for p in inspect.signature(kind.__init__).parameters.values() if p.default is p.empty]
    given = {word: GIVEN[word] for word in required if word in GIVEN}
    pipeline = A.Compose([kind(**(given | MADE.get(name, {})), p=1)])
    try:
        augment.check(pipeline)
    except ValueError:
        assert name in {
            "AtLeastOneBBoxRandomCrop", "BBoxSafeRandomCrop", "FDA", "FromFloat", "HistogramMatching", "Lambda", "MaskDropout", "Mosaic",
            "Normalize", "OverlayElements", "PixelDistributionAdaptation", "RandomCropNearBBox", "RandomSizedBBoxSafeCrop", "TemplateTransform",
            "ToFloat", "ToTensorV2",
        }  # fmt: skip
        return
    for seed in range(4):
        first, second = (augment.apply(pipeline, example, rng=rng(seed)) for _ in range(2))
        assert same(first, second)
        if first.masks.any():
            assert likeness(first.image, first.masks) > PAINTERS.get(name, 0.7)
        else:  # a crop that missed the objects
            assert name == "RandomResizedCrop" and not first.image.std()
        if issubclass(kind, A.ImageOnlyTransform):
            assert (first.masks == example.masks).all()
