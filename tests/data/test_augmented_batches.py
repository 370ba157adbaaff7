"""mrcnn.data.pipeline and samples with augmentation: purity of the items, the second image, excepted sources."""

import logging
import os
import threading
from functools import partial

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data import augment, pipeline, samples
from mrcnn.data.dataset import Dataset

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # its import would ask the network for its newest version


class SmallConfig(Config):
    NAME = "small"
    NUM_CLASSES = 4
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    USE_MINI_MASK = False
    MAX_GT_INSTANCES = 8
    RPN_TRAIN_ANCHORS_PER_IMAGE = 4


class Squares(Dataset):
    """Image i is of grey 10 + i, from source a or b; it has a square of class 1 or of class 3 of source b, and a crowd."""

    def __init__(self, sources, broken=(), shape=(64, 64), crowds=False):
        super().__init__()
        self.broken, self.shape, self.crowds = set(broken), shape, crowds
        self.add_class("a", 1, "one")
        self.add_class("a", 2, "two")
        self.add_class("b", 3, "three")
        for number, source in enumerate(sources):
            self.add_image(source, number, None)
        self.prepare()

    def load_image(self, image_id):
        if image_id in self.broken:
            raise OSError("disk error")
        return np.full((*self.shape, 3), 10 + image_id, np.uint8)

    def load_mask(self, image_id):
        masks = np.zeros((*self.shape, 2), bool)
        masks[4:16, 6 + 4 * image_id : 18 + 4 * image_id, 0] = True
        masks[40:50, 30:40, 1] = True
        first = 1 if self.image_info[image_id]["source"] == "a" else 3
        return masks[..., : 1 + self.crowds], np.array([first, -first])[: 1 + self.crowds]


def batches(dataset, augmentation, config=None, **options):
    anchors = np.array([[0, 0, 32, 32], [16, 16, 48, 48], [4, 6, 16, 18], [32, 0, 64, 32]], float)
    options = {"batch_size": 1, "steps": 8, "seed": 0, "anchors": anchors, **options}
    return pipeline.Batches(dataset, config or SmallConfig(), augmentation=augmentation, **options)


def pixels(item):
    """The item's image before the mean was subtracted."""
    return np.rint(item.image + SmallConfig.MEAN_PIXEL).astype(int)


def equal(first, second):
    return all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))


PASTE = partial(augment.copy_paste, probability=1)
OWN = [augment.flip, augment.large_scale_jitter, partial(augment.copy_paste, probability=0.7), augment.crop, augment.colour]


def kinds(always):
    """An augmentation of each kind: flips that always act, or draws of all sorts."""

    def own():
        return partial(augment.flip, probability=1) if always else OWN

    def imgaug():
        try:
            iaa = augment.import_imgaug().augmenters
        except ImportError as error:
            pytest.skip(str(error))
        return iaa.Fliplr(1.0) if always else iaa.Sequential([iaa.Fliplr(0.5), iaa.Affine(rotate=(-30, 30)), iaa.Multiply((0.5, 1.5))])

    def albumentations():
        A = pytest.importorskip("albumentations", reason="pip install 'mrcnn[albumentations]'", exc_type=ImportError)
        steps = [A.HorizontalFlip(p=1)] if always else [A.HorizontalFlip(), A.Rotate(limit=30), A.RandomGamma()]
        return A.Compose(steps)

    return [own, imgaug, albumentations]


@pytest.mark.parametrize("make", kinds(always=False), ids=["own", "imgaug", "albumentations"])
def test_an_item_is_the_same_in_any_order_and_thread(make):
    dataset = Squares("aabaab", broken=[2])
    expected = [batches(dataset, make()).item(1, index) for index in range(8)]
    source, results = batches(dataset, make()), {}

    def work(index):
        results[index] = source.item(1, index)

    threads = [threading.Thread(target=work, args=(index,)) for index in (5, 0, 3, 7, 1, 4, 6, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(equal(results[index], expected[index]) for index in range(8))
    assert not equal(source.item(2, 3)[:1], expected[3][:1])


@pytest.mark.parametrize("make", kinds(always=True), ids=["own", "imgaug", "albumentations"])
@pytest.mark.parametrize("excepted", ["b", ["b"], ("x", "b")])
def test_excepted_sources_are_left_as_they_are(make, excepted):
    source = batches(Squares("ababab"), make(), no_augmentation_sources=excepted)
    seen = {}
    for index in range(6):
        item = source.item(0, index)
        seen[int(item.meta[0])] = item.boxes[0, 1]
    plain = {image_id: 6 + 4 * image_id for image_id in range(6)}
    assert seen == {image_id: left if image_id % 2 else 64 - left - 12 for image_id, left in plain.items()}


def test_masks_boxes_and_class_ids_stay_in_step():
    source = batches(Squares("aaaa", crowds=True), OWN)
    counts = set()
    for index in range(40):
        item = source.item(index // 8, index % 8)
        count = np.count_nonzero(item.class_ids)
        counts.add(count)
        for number in range(count):
            ys, xs = np.nonzero(item.masks[..., number])
            assert item.boxes[number].tolist() == [ys.min(), xs.min(), ys.max() + 1, xs.max() + 1]
        assert not item.masks[..., count:].any() and set(item.class_ids[:count]) <= {1, -1}
        assert np.count_nonzero(item.class_ids < 0) <= 1  # crowds are not pasted
    assert len(counts) > 2


def test_copy_paste_takes_instances_of_another_image_of_the_same_source():
    dataset = Squares("abab")
    source = batches(dataset, [PASTE])
    shown = set()
    for index in range(40):
        item = source.item(index // 8, index % 8)
        image_id = int(item.meta[0])
        greys = set(np.unique(pixels(item)).tolist()) - {10 + image_id}
        assert greys <= {10 + other for other in range(4) if other % 2 == image_id % 2}
        assert set(item.class_ids[item.class_ids != 0]) == {1 if image_id % 2 == 0 else 3}
        shown |= {(image_id, grey - 10) for grey in greys}
    assert shown == {(0, 2), (2, 0), (1, 3), (3, 1)}


def test_a_second_image_that_is_bad_is_counted_and_another_is_taken(caplog):
    source = batches(Squares("aaa", broken=[1]), [PASTE])
    with caplog.at_level(logging.WARNING):
        items = [source.item(0, index) for index in range(8)]
    assert source.skipped == {1: "OSError: disk error"} and len(caplog.records) == 1
    assert all(np.count_nonzero(item.class_ids) >= 1 for item in items)


def test_where_every_second_image_is_bad_nothing_is_pasted(monkeypatch):
    source = batches(Squares("a"), [PASTE])
    plain = batches(Squares("a"), None).item(0, 0)

    def bad(*_):
        raise OSError("disk error")

    monkeypatch.setattr(samples, "load_resized", bad)
    item = source.item(0, 0)
    assert equal(item[:2], plain[:2]) and source.skipped == {0: "OSError: disk error"}


def test_second_images_come_from_the_images_of_the_data_set_only():
    dataset = Squares("aaaa")
    dataset._image_ids = np.array([0, 1])  # a part held back for validation is not among image_ids
    source = batches(dataset, [PASTE])
    greys = {int(grey) for index in range(16) for grey in np.unique(pixels(source.item(index // 8, index % 8)))}
    assert greys == {10, 11}


def test_images_of_other_sizes_can_be_pasted():
    config = SmallConfig()
    config.IMAGE_RESIZE_MODE = "none"
    dataset = Squares("aa")
    dataset.load_image = lambda image_id: np.full((64, 64 * (1 + image_id), 3), 10 + image_id, np.uint8)
    wide = np.zeros((64, 128, 1), bool)
    wide[:, 40:] = True
    dataset.load_mask = lambda image_id: (wide[:, : 64 * (1 + image_id)], np.array([1]))
    source = batches(dataset, [PASTE], config)
    sizes = {source.item(index // 8, index % 8).image.shape for index in range(16)}
    assert sizes == {(64, 64, 3), (64, 128, 3)} and not source.skipped


def test_a_wrong_augmentation_ends_training_instead_of_skipping_every_image():
    source = batches(Squares("aaa"), [lambda image, masks, rng: (image[::2], masks[::2])])
    with pytest.raises(augment.AugmentationError, match="to .32, 64, 3."):
        source.item(0, 0)
    assert not source.skipped


def test_an_image_that_lost_its_instances_is_a_negative_or_passed_over():
    def cut_away(image, masks, rng):
        return image, np.zeros_like(masks)

    config = SmallConfig()
    assert not batches(Squares("a"), cut_away, config).item(0, 0).class_ids.any()
    config.TRAIN_EMPTY_IMAGES = False
    with pytest.raises(ValueError, match="TRAIN_EMPTY_IMAGES is False"):
        batches(Squares("a"), cut_away, config).item(0, 0)


def test_the_window_in_the_meta_follows_the_pixels():
    item = batches(Squares("a", shape=(64, 33)), partial(augment.flip, probability=1)).item(0, 0)
    assert item.meta[7:11].tolist() == [0, 16, 64, 49]
    assert batches(Squares("a", shape=(64, 33)), None).item(0, 0).meta[7:11].tolist() == [0, 15, 64, 48]


def test_a_single_sample_draws_its_own_second_image():
    dataset = Squares("aba")
    for seed in range(6):
        sample = samples.load(dataset, SmallConfig(), 0, augmentation=[PASTE], rng=np.random.default_rng(seed))
        assert set(np.unique(sample.image)) <= {10, 12} and set(sample.class_ids) == {1}
    assert samples.load(dataset, SmallConfig(), 1, augmentation=[PASTE]).class_ids.tolist() == [3]


def test_the_second_image_is_loaded_for_copy_paste_alone(monkeypatch):
    monkeypatch.setattr(samples, "load_resized", lambda *_: pytest.fail("loaded a second image"))
    batches(Squares("aa"), [augment.flip, augment.colour]).item(0, 0)
