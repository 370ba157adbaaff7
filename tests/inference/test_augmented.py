"""mrcnn.inference.augmented: mirrored views come back in place, other sizes are what a network of that size sees."""

import types

import keras
import numpy as np
import pytest
import tiny
from oracle import Oracle, photo

from mrcnn.inference import augmented, ensemble, predict, tiled
from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.ops import rle
from mrcnn.ops.waiting import EncodedMasks, SmallMasks
from mrcnn.results import Detections


class SquareConfig(tiny.TinyConfig):
    pass


class LargeConfig(tiny.TinyConfig):
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128


class Pad64Config(tiny.TinyConfig):
    IMAGE_RESIZE_MODE = "pad64"


def network(config, folder, weights=None):
    keras.utils.set_random_seed(0)  # of some networks a score or a box lies on an edge
    model = MaskRCNN("inference", config, folder)
    model.allow_random_weights = True
    if weights is not None:
        model.keras_model.set_weights(weights)
    model.keras_model.run_eagerly = True  # a trace takes seconds
    return model


@pytest.fixture(scope="module")
def square(tmp_path_factory):
    return network(SquareConfig(), tmp_path_factory.mktemp("logs"))


def photos():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (height, width, 3), np.uint8) for height, width in ((64, 64), (50, 90), (90, 40))]


def same(one, other):
    for key in ("rois", "class_ids", "masks"):
        np.testing.assert_array_equal(one[key], other[key])
    np.testing.assert_allclose(one["scores"], other["scores"], atol=1e-5)


def test_a_detector_that_sees_exactly_sees_the_same_in_a_mirror():
    image = photo(20, 30, (2, 3, 9, 20, 1), (11, 24, 18, 30, 2))
    oracle = Oracle()
    found = augmented.Augmented(oracle).detect([image, image[:, ::-1]])
    alone = Oracle().detect([image, image[:, ::-1]])
    for one, other in zip(found, alone, strict=True):
        order = np.argsort(-other["scores"], kind="stable")
        same(one, other.select(order))
    assert oracle.seen == [(20, 30)] * 4


@pytest.mark.parametrize("kind", ["planes", "small", "encoded"])
def test_a_mirror_turns_boxes_and_masks(kind):
    rng = np.random.default_rng(1)
    boxes = np.array([[0, 1, 6, 9], [3, 4, 10, 12]])
    small = SmallMasks(rng.random((2, 7, 7)).astype(np.float32), boxes, (10, 12))
    masks = {"planes": small.planes(), "small": small, "encoded": EncodedMasks(small.rles(), (10, 12))}[kind]
    found = Detections(boxes, [1, 2], [0.9, 0.8], masks)
    mirrored = found.mirrored()
    assert mirrored["rois"].tolist() == [[0, 3, 6, 11], [3, 0, 10, 8]] and mirrored.pasted == (kind == "planes")
    assert mirrored.rles == rle.encode_coco(small.planes()[:, ::-1])
    np.testing.assert_array_equal(mirrored.mirrored()["masks"], small.planes())


def test_what_one_of_two_views_sees_keeps_half_its_score():
    class OneEyed(Oracle):
        def _find(self, grey):
            return super()._find(grey).filter(class_ids=[1] if len(self.seen) > 1 else None)

    image = photo(20, 30, (2, 3, 9, 20, 1), (11, 24, 18, 30, 2))
    found = augmented.Augmented(OneEyed()).detect([image])[0]
    alone = Oracle().detect([image])[0]
    assert found["class_ids"].tolist() == [1, 2]
    np.testing.assert_allclose(found["scores"], alone["scores"] * [1, 0.5], rtol=1e-6)


def test_another_scale_is_a_network_of_that_size(square, tmp_path):
    large = network(LargeConfig(), tmp_path, square.keras_model.get_weights())
    views = augmented.Augmented(square, flip=False, scales=(1, 2))
    views._looks[1].__self__.model.run_eagerly = True
    assert views.num_views == 2
    pairs = zip(square.detect(photos()), large.detect(photos()), strict=True)
    for found, pair in zip(views.detect(photos()), pairs, strict=True):
        assert found.num
        same(found, ensemble.fuse(pair))
        assert found.window == pair[0].window


def test_views_of_an_open_network_share_it(tmp_path):
    model = network(Pad64Config(), tmp_path)
    views = augmented.Augmented(model, scales=(1, 2))
    assert views._looks[1].__self__.model is model.keras_model and views.num_views == 4
    molded = predict.mold_image(photos()[1], views._looks[1].__self__.config)
    assert molded.window == (0, 13, 128, 243) and molded.image.shape == (128, 256, 3)  # 50 rows become 128, padded to multiples of 64


def test_no_photos_and_nothing_found(square):
    assert augmented.Augmented(square).detect([]) == []
    found = augmented.Augmented(Oracle()).detect([photo(9, 9)])[0]
    assert found.num == 0 and found["masks"].shape == (9, 9, 0)


@pytest.mark.parametrize(
    ("scales", "message"),
    [((), "one or more numbers above 0"), ((0,), "above 0"), ((1, float("nan")), "above 0"), ((1, 1.2), "a size that another one has")],
)
def test_impossible_scales_are_refused(square, scales, message):
    with pytest.raises(ValueError, match=message):
        augmented.Augmented(square, scales=scales)


def test_scales_need_a_mode_that_resizes():
    model = Oracle(IMAGE_RESIZE_MODE="none")
    with pytest.raises(ValueError, match="Use flip alone"):
        augmented.Augmented(model, scales=(1, 2))
    assert augmented.Augmented(model).num_views == 2


def test_tiles_are_mirrored_too_and_have_no_other_scales():
    image = photo(40, 60, (4, 5, 12, 20, 1), (20, 40, 30, 55, 2))
    found = augmented.Augmented(tiled.Tiled(Oracle(), whole=False)).detect([image])[0]
    found, there = found.select(np.argsort(found["rois"][:, 0])), Oracle(BATCH_SIZE=1).detect([image])[0]
    for key in ("rois", "class_ids", "masks"):  # scores follow from the size of what is seen
        np.testing.assert_array_equal(found[key], there[key])
    with pytest.raises(ValueError, match="need a MaskRCNN; got Tiled"):
        augmented.Augmented(tiled.Tiled(types.SimpleNamespace(config=SquareConfig(), detect=lambda images: [])), scales=(1, 2))
