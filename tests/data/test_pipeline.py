"""mrcnn.data.pipeline: shapes and order of the inputs, purity of the items, and bad images."""

import logging
import threading

import numpy as np
import pytest
from loader_data import SmallConfig

from mrcnn.data import augment, pipeline
from mrcnn.data.dataset import Dataset
from mrcnn.ops import anchors as anchor_ops
from mrcnn.ops import masks as mask_ops


class Squares(Dataset):
    """Image i is grey of value i and has instances[i] squares."""

    def __init__(self, instances, broken=(), side=64):
        super().__init__()
        self.instances, self.broken, self.side = instances, set(broken), side
        self.add_class("a", 1, "one")
        self.add_class("a", 2, "two")
        for i in range(len(instances)):
            self.add_image("a", f"image-{i}", None)
        self.prepare()

    def load_image(self, image_id):
        if image_id in self.broken:
            raise OSError("disk error")
        return np.full((self.side, self.side, 3), image_id, np.uint8)

    def load_mask(self, image_id):
        count = self.instances[image_id]
        masks = np.zeros((self.side, self.side, count), np.uint8)
        for i in range(count):
            masks[4 * i : 4 * i + 10, 10:30, i] = 1
        return masks, np.arange(count) % 2 + 1


def anchors(config=None, shape=(64, 64)):
    config = config or SmallConfig()
    shapes = anchor_ops.feature_shapes(shape, config.BACKBONE_STRIDES)
    return anchor_ops.generate_pyramid(
        config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, shapes, config.BACKBONE_STRIDES
    )


def batches(dataset, config=None, batch_size=2, steps=3, **kwargs):
    kwargs.setdefault("anchors", anchors(config))
    return pipeline.Batches(
        dataset, config or SmallConfig(), batch_size=batch_size, steps=steps, **{"seed": 0, **kwargs}
    )


def image_ids(source, epoch):
    """The images of an epoch, by the id in their meta vectors."""
    return [int(meta[0]) for step in range(len(source)) for meta in source.batch(epoch, step)[1]]


def equal(first, second):
    return all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))


def test_a_batch_holds_the_seven_inputs_in_the_historic_order():
    count = len(anchors())
    inputs = batches(Squares([1, 2, 3])).batch(0, 0)
    assert [(array.shape, array.dtype.name) for array in inputs] == [
        ((2, 64, 64, 3), "float32"),
        ((2, 15), "float32"),
        ((2, count, 1), "int32"),
        ((2, 32, 4), "float32"),
        ((2, 4), "int32"),
        ((2, 4, 4), "int32"),
        ((2, 14, 14, 4), "bool"),
    ]


def test_full_masks_without_mini_masks():
    config = SmallConfig()
    config.USE_MINI_MASK = False
    *_, boxes, masks = batches(Squares([1, 2, 3]), config).batch(0, 0)
    assert masks.shape == (2, 64, 64, 4)
    y1, x1, y2, x2 = boxes[0, 0]
    assert masks[0, y1:y2, x1:x2, 0].all() and masks[0, ..., 0].sum() == 200


def test_instances_come_first_then_zeros():
    item = batches(Squares([2]), shuffle=False).item(0, 0)
    assert item.class_ids.tolist() == [1, 2, 0, 0]
    assert item.boxes.tolist() == [[0, 10, 10, 30], [4, 10, 14, 30], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert item.masks[..., :2].all() and not item.masks[..., 2:].any()


def test_the_image_is_molded():
    item = batches(Squares([1, 1, 1]), shuffle=False).item(0, 2)
    np.testing.assert_allclose(item.image[5, 5], 2 - SmallConfig.MEAN_PIXEL, rtol=1e-6)


def test_surplus_instances_are_left_out_at_random():
    source = batches(Squares([9]))
    tops = {tuple(source.item(0, i).boxes[:, 0]) for i in range(6)}
    assert len(tops) > 1
    assert all(len(set(some)) == 4 and list(some) == sorted(some) for some in tops)


@pytest.mark.parametrize(("count", "batch_size", "steps"), [(5, 2, 3), (7, 2, 2), (3, 2, 5)])
def test_every_image_comes_once_a_pass(count, batch_size, steps):
    source = batches(Squares([1] * count), batch_size=batch_size, steps=steps)
    seen = [i for epoch in range(2 * count) for i in image_ids(source, epoch)]
    for start in range(0, len(seen) - count, count):
        assert sorted(seen[start : start + count]) == list(range(count))


def test_passes_differ_in_order_and_so_do_seeds():
    dataset = Squares([1] * 12)
    source, other = (batches(dataset, batch_size=4, steps=3, seed=seed) for seed in (0, 1))
    assert image_ids(source, 0) != image_ids(source, 1)
    assert image_ids(source, 0) != image_ids(other, 0)


def test_a_batch_does_not_depend_on_what_was_loaded_before():
    dataset = Squares([9, 1, 2, 0, 5])
    fresh = batches(dataset).batch(3, 1)
    used = batches(dataset)
    for epoch, index in ((0, 0), (3, 2), (1, 1)):
        used.batch(epoch, index)
    assert equal(used.batch(3, 1), fresh) and equal(used.batch(3, 1), fresh)


def test_a_batch_is_the_same_in_any_thread():
    source = batches(Squares([9, 1, 2, 0, 5], broken=[1]), batch_size=2, steps=6)
    expected = [source.batch(0, i) for i in range(6)]
    results = {}

    def work(index):
        results[index] = source.batch(0, index)

    threads = [threading.Thread(target=work, args=(i,)) for i in (5, 0, 3, 1, 4, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(equal(results[i], expected[i]) for i in range(6))


def test_validation_shows_the_same_images_in_order_every_epoch():
    source = batches(Squares([9, 1, 2]), shuffle=False, batch_size=2, steps=2)
    assert image_ids(source, 0) == [0, 1, 2, 0]
    assert all(equal(source.batch(0, i), source.batch(7, i)) for i in range(2))


@pytest.mark.parametrize(
    ("count", "batch_size", "steps", "sizes"),
    [(5, 2, 9, [2, 2, 1]), (5, 2, None, [2, 2, 1]), (4, 2, None, [2, 2]), (5, 2, 2, [2, 2]), (1, 4, 3, [1]), (3, 1, None, [1] * 3)],
)
def test_one_pass_shows_each_image_once_and_ends_with_a_smaller_batch(count, batch_size, steps, sizes):
    source = batches(Squares([1] * count), shuffle=False, one_pass=True, batch_size=batch_size, steps=steps)
    assert [len(source.batch(3, i)[0]) for i in range(len(source))] == sizes
    assert image_ids(source, 0) == list(range(sum(sizes)))


def test_one_pass_is_for_validation():
    with pytest.raises(ValueError, match="one_pass.*shuffle=False"):
        batches(Squares([1]), one_pass=True)


def test_without_options_the_order_is_the_one_it_always_was():
    source = batches(Squares([1] * 7), batch_size=2, steps=3, seed=4)
    expected = [i for turn in range(3) for i in np.random.default_rng([0, 4, turn]).permutation(7)]
    assert [i for epoch in range(3) for i in image_ids(source, epoch)] == expected[:18]


def test_classes_are_read_only_if_an_option_asks():
    dataset = Squares([1, 0])
    dataset.image_class_ids = None  # would fail when called
    batches(dataset).batch(0, 0)


def rare():
    """Ten images: class 2 on the second only (two instances there), none on the last three."""
    return Squares([1, 2, 1, 1, 1, 1, 1, 0, 0, 0])


def balanced(**parameters):
    config = SmallConfig()
    for name, value in parameters.items():
        setattr(config, name, value)
    return config


def test_rare_classes_come_more_often_and_every_image_at_least_once_a_pass():
    source = batches(rare(), balanced(REPEAT_THRESHOLD=0.4), batch_size=1, steps=11)  # √(0.4 / 0.1) = 2
    seen = [i for epoch in range(3) for i in image_ids(source, epoch)]
    for start in (0, 11, 22):
        assert sorted(seen[start : start + 11]) == [0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_images_without_instances_keep_to_their_share():
    source = batches(rare(), balanced(EMPTY_IMAGES_RATIO=0.125), batch_size=1, steps=8)  # one of eight, beside seven
    passes = [image_ids(source, epoch) for epoch in range(12)]
    assert all(sorted(i for i in seen if i < 7) == list(range(7)) for seen in passes)
    assert {i for seen in passes for i in seen if i >= 7} == {7, 8, 9}


def test_balanced_batches_are_the_same_whoever_asks_and_in_whatever_order():
    config = balanced(REPEAT_THRESHOLD=0.3, EMPTY_IMAGES_RATIO=0.2)  # √3: a fraction, so passes differ in length
    source, expected = batches(rare(), config, steps=6), {}
    for epoch in range(4):
        for index in range(6):
            expected[epoch, index] = source.batch(epoch, index)
    keys = [(3, 5), (0, 0), (2, 1), (3, 0), (1, 5)]
    other, results = batches(rare(), config, steps=6), {}

    def work(key):
        results[key] = other.batch(*key)

    threads = [threading.Thread(target=work, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(equal(results[key], expected[key]) for key in keys)


def test_a_bad_image_that_comes_twice_a_pass_is_tried_once_an_item():
    dataset = rare()
    dataset.image_class_ids = lambda image_id: np.array([2] if image_id == 1 else [1])
    dataset.broken = set(range(10))
    with pytest.raises(ValueError, match="None of the 10 images of the dataset can be used"):
        batches(dataset, balanced(REPEAT_THRESHOLD=0.4)).item(0, 0)


def test_a_bad_image_is_replaced_by_the_next_counted_and_logged_once(caplog):
    source = batches(Squares([1, 1, 1, 1], broken=[1]), shuffle=False, batch_size=4, steps=1)
    with caplog.at_level(logging.WARNING):
        assert image_ids(source, 0) == [0, 2, 2, 3]
        image_ids(source, 1)
    assert source.skipped == {1: "OSError: disk error"}
    assert [record.getMessage() for record in caplog.records] == [
        "Skipping image 1 (1 skipped so far): OSError: disk error"
    ]


def test_only_bad_images_end_in_an_error_with_count_and_reason():
    dataset = Squares([1, 1, 1], broken=[0, 1, 2])
    with pytest.raises(ValueError, match="None of the 3 images.*image 0: OSError: disk error"):
        batches(dataset, shuffle=False).batch(0, 0)


def test_images_without_instances_train_as_negatives():
    item = batches(Squares([0, 1]), shuffle=False).item(0, 0)
    assert item.meta[0] == 0 and not item.class_ids.any() and (item.rpn_match == -1).sum() == 32


def test_images_without_instances_are_passed_over_on_request():
    config = SmallConfig()
    config.TRAIN_EMPTY_IMAGES = False
    source = batches(Squares([0, 1, 0]), config, shuffle=False)
    assert image_ids(source, 0) == [1] * 6 and source.skipped == {}


def test_a_dataset_without_any_instance_is_refused():
    with pytest.raises(ValueError, match="None of the 3 images has an instance"):
        batches(Squares([0, 0, 0]))


def test_validation_may_have_no_instance_but_not_only_bad_images():
    dataset, config = Squares([0, 0]), SmallConfig()
    assert image_ids(batches(dataset, config, shuffle=False, one_pass=True), 0)[:2] == [0, 1]
    config.TRAIN_EMPTY_IMAGES = False
    with pytest.raises(ValueError, match="nothing to validate"):
        batches(dataset, config, shuffle=False)
    config.TRAIN_EMPTY_IMAGES, dataset.load_mask = True, None
    with pytest.raises(ValueError, match="nothing to validate. Check load_mask: it failed for 2"):
        batches(dataset, config, shuffle=False)


def test_the_search_for_an_instance_survives_bad_images_and_stops_at_the_first():
    dataset, asked = Squares([0, 0, 1, 1]), []
    load_mask = dataset.load_mask

    def failing(image_id):
        asked.append(image_id)
        if image_id == 0:
            raise KeyError("annotations")
        return load_mask(image_id)

    dataset.load_mask = failing
    batches(dataset)
    assert asked == [0, 1, 2]
    dataset.instances = [0, 0, 0, 0]
    with pytest.raises(ValueError, match="failed for 1 of them, first image 0: KeyError: 'annotations'"):
        batches(dataset)


def test_classes_numbered_from_0_alone_are_refused_with_the_reason():
    dataset = Squares([1, 2])
    load_mask = dataset.load_mask
    dataset.load_mask = lambda image_id: (load_mask(image_id)[0], np.zeros(1 + image_id, np.int32))
    with pytest.raises(ValueError, match="gave 3 instances the class id 0, which is the background: classes are numbered from 1"):
        batches(dataset)


def test_an_empty_dataset_is_refused():
    with pytest.raises(ValueError, match=r"no images \(0 were added\)"):
        batches(Squares([]))


def test_a_dataset_that_is_not_prepared_is_refused():
    dataset = Dataset()
    dataset.add_image("a", 0, None)
    with pytest.raises(ValueError, match="1 were added.*prepare"):
        batches(dataset)


def test_another_number_of_classes_is_refused():
    config = SmallConfig()
    config.NUM_CLASSES = 5
    with pytest.raises(ValueError, match="has 3 classes.*NUM_CLASSES is 5.*Set NUM_CLASSES = 3.*classes=train"):
        batches(Squares([1]), config)


@pytest.mark.parametrize("arguments", [{"batch_size": 0}, {"steps": 0}, {"seed": -1}])
def test_impossible_counts_are_refused(arguments):
    with pytest.raises(ValueError, match="start at"):
        batches(Squares([1]), **arguments)


def test_images_of_different_sizes_do_not_share_a_batch():
    config = SmallConfig()
    config.IMAGE_RESIZE_MODE = "none"
    dataset = Squares([1, 1])
    dataset.load_image = lambda image_id: np.zeros((64, 64 * (1 + image_id), 3), np.uint8)
    dataset.load_mask = lambda image_id: (np.ones((64, 64 * (1 + image_id), 1)), np.array([1]))
    by_shape = {"anchors": lambda shape: anchors(config, shape), "shuffle": False}
    with pytest.raises(ValueError, match="differ in size.*IMAGES_PER_GPU = 1"):
        batches(dataset, config, **by_shape).batch(0, 0)
    single = batches(dataset, config, batch_size=1, **by_shape)
    assert single.batch(0, 1)[2].shape[1] == 2 * single.batch(0, 0)[2].shape[1]


def test_a_size_that_the_pyramid_cannot_take_is_a_bad_image():
    config = SmallConfig()
    config.IMAGE_RESIZE_MODE = "none"
    with pytest.raises(ValueError, match="None of the 2 images.*50 × 50.*multiples of 64"):
        batches(Squares([1, 1], side=50), config).batch(0, 0)


def test_augmentation_follows_the_item_and_spares_excepted_sources():
    try:
        augmenters = augment.import_imgaug().augmenters
    except ImportError as error:
        pytest.skip(str(error))
    dataset, flip = Squares([1, 1]), augmenters.Fliplr(1.0)
    assert batches(dataset, augmentation=flip).item(0, 0).boxes[0].tolist() == [0, 34, 10, 54]
    spared = batches(dataset, augmentation=flip, no_augmentation_sources=["a"])
    assert spared.item(0, 0).boxes[0].tolist() == [0, 10, 10, 30]
    sometimes = batches(dataset, augmentation=augmenters.Fliplr(0.5))
    lefts = [sometimes.item(0, i).boxes[0, 1] for i in range(20)]
    assert set(lefts) == {10, 34} and lefts == [sometimes.item(0, i).boxes[0, 1] for i in range(20)]


def test_validation_takes_no_augmentation():
    try:
        flip = augment.import_imgaug().augmenters.Fliplr(1.0)
    except ImportError as error:
        pytest.skip(str(error))
    with pytest.raises(ValueError, match="augmentation must be None"):
        batches(Squares([1]), shuffle=False, augmentation=flip)


def test_mini_masks_expand_to_the_masks_that_full_size_gives():
    full = SmallConfig()
    full.USE_MINI_MASK = False
    mini_item, full_item = (batches(Squares([3]), config, shuffle=False).item(0, 0) for config in (SmallConfig(), full))
    expanded = mask_ops.expand(mini_item.boxes[:3], mini_item.masks[..., :3], (64, 64))
    assert (expanded == full_item.masks[..., :3]).all()


def test_focal_loss_trains_on_every_negative_anchor():
    config = SmallConfig()
    sampled = batches(Squares([2, 1]), config).batch(0, 0)[2]
    config.RPN_FOCAL_GAMMA = 2.0
    match = batches(Squares([2, 1]), config).batch(0, 0)[2]
    assert (np.count_nonzero(sampled, axis=(1, 2)) == 32).all()
    assert (np.count_nonzero(match == -1, axis=(1, 2)) > 500).all() and (match[sampled == 1] == 1).all()


def test_a_crowd_is_kept_where_there_are_more_instances_than_rows():
    class Crowded(Squares):
        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            class_ids[-1] = -1  # the last of twelve; four rows
            return masks, class_ids

    config = SmallConfig()
    for epoch in range(8):
        class_ids = batches(Crowded([12]), config, batch_size=1).batch(epoch, 0)[4][0]
        assert (class_ids < 0).sum() == 1 and (class_ids > 0).sum() == 3


def test_crowds_leave_half_of_the_rows_to_instances():
    ids = np.array([-1] * 9 + [1] * 9)
    for seed in range(4):
        chosen = pipeline._choose(ids, 4, np.random.default_rng(seed))
        assert ids[chosen].tolist() == [-1, -1, 1, 1] and len(set(chosen.tolist())) == 4
        assert ids[pipeline._choose(ids[:10], 4, np.random.default_rng(seed))].tolist() == [-1, -1, -1, 1]  # one instance leaves three free
    few = pipeline._choose(ids[8:12], 4, np.random.default_rng(0))
    assert few.tolist() == [0, 1, 2, 3]
