"""mrcnn.data.pipeline: shapes and order of the inputs, purity of the items, and bad images; test_batch_order.py has the order of the images."""

import logging
import threading

import numpy as np
import pytest
from grey_squares import Squares, anchors, batches, equal, image_ids
from loader_data import SmallConfig

from mrcnn.data import augment, pipeline
from mrcnn.data.dataset import Dataset
from mrcnn.ops import masks as mask_ops


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
