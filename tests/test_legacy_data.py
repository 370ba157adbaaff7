"""The adapters to the original's ways of loading: samples, targets made in NumPy, and the generator."""

import inspect
import random

import keras
import numpy as np
import pytest
from tiny import Squares, TinyConfig

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.data import augment, samples


@pytest.fixture
def config():
    return TinyConfig()


@pytest.fixture
def dataset():
    return Squares(4)


# --- load_image_gt


def test_load_image_gt_returns_the_originals_five_values(dataset, config):
    image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(dataset, config, 2)
    assert image.dtype == np.uint8 and image.shape == (64, 64, 3)
    assert modellib.parse_image_meta(image_meta[None])["image_id"] == 2
    assert class_ids.tolist() == [1, 2]
    np.testing.assert_array_equal(bbox, utils.extract_bboxes(mask))


def test_load_image_gt_makes_mini_masks_on_demand(dataset, config):
    mask = modellib.load_image_gt(dataset, config, 0, augment=False, use_mini_mask=True)[4]
    assert mask.shape == (14, 14, 2)


def test_load_image_gt_takes_an_augmenter_as_fourth_argument(dataset, config):
    flip = augment.import_imgaug().augmenters.Fliplr(1.0)
    plain = modellib.load_image_gt(dataset, config, 1)
    for call in ((flip,), (False, flip)):
        image, _, _, bbox, mask = modellib.load_image_gt(dataset, config, 1, *call)
        np.testing.assert_array_equal(image, plain[0][:, ::-1])
        np.testing.assert_array_equal(mask, plain[4][:, ::-1])
        np.testing.assert_array_equal(bbox[:, [1, 3]], 64 - plain[3][:, [3, 1]])


def test_load_image_gt_refuses_two_augmenters(dataset, config):
    flip = augment.import_imgaug().augmenters.Fliplr(1.0)
    with pytest.raises(ValueError, match="Two augmentations"):
        modellib.load_image_gt(dataset, config, 1, flip, flip)


def test_augment_true_warns_and_mirrors_half_of_the_time(dataset, config):
    plain = modellib.load_image_gt(dataset, config, 1)
    random.seed(0)
    mirrored = 0
    for _ in range(20):
        with pytest.warns(DeprecationWarning, match="Fliplr"):
            image, _, _, bbox, mask = modellib.load_image_gt(dataset, config, 1, augment=True)
        np.testing.assert_array_equal(bbox, utils.extract_bboxes(mask))
        if (image != plain[0]).any():
            mirrored += 1
            np.testing.assert_array_equal(image, plain[0][:, ::-1])
            np.testing.assert_array_equal(mask, plain[4][:, ::-1])
    assert 4 <= mirrored <= 16


# --- Targets in NumPy


def test_build_rpn_targets_follows_numpys_seed(dataset, config):
    config.RPN_TRAIN_ANCHORS_PER_IMAGE = 8
    shape = np.array([64, 64, 3])
    anchors = utils.generate_pyramid_anchors(
        config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, modellib.compute_backbone_shapes(config, shape), config.BACKBONE_STRIDES, 1
    )
    _, _, class_ids, bbox, _ = modellib.load_image_gt(dataset, config, 0)
    results = []
    for _ in range(2):
        np.random.seed(3)
        results.append(modellib.build_rpn_targets(shape, anchors, class_ids, bbox, config))
    match, deltas = results[0]
    np.testing.assert_array_equal(match, results[1][0])
    assert (match != 0).sum() == 8 and 1 <= (match == 1).sum() <= 4
    assert deltas.shape == (8, 4) and not deltas[(match == 1).sum() :].any()


def test_random_rois_lie_in_the_image(dataset, config):
    rois = modellib.generate_random_rois((50, 70, 3), 40, np.array([1]), np.array([[5, 5, 20, 30]]))
    assert rois.shape == (40, 4)
    assert (rois[:, :2] >= 0).all() and (rois[:, 2] <= 50).all() and (rois[:, 3] <= 70).all() and (rois[:, 2:] > rois[:, :2]).all()


def detection_targets_config(**attributes):
    defaults = {"TRAIN_ROIS_PER_IMAGE": 6, "ROI_POSITIVE_RATIO": 0.5, "MASK_SHAPE": [4, 4], "USE_MINI_MASK": False, "NUM_CLASSES": 3}
    return type("TargetsConfig", (TinyConfig,), {**defaults, **attributes})()


def one_instance(size=20):
    mask = np.zeros((size, size, 1), bool)
    mask[4:12, 4:12] = True
    mask[4:8, 4:8] = False  # its upper left quarter is missing
    return np.array([2]), np.array([[4, 4, 12, 12]]), mask


def test_detection_targets_of_the_instances_own_box_are_no_shift_and_its_mask():
    class_ids, gt_boxes, masks = one_instance()
    rois = np.array([[4, 4, 12, 12], [4, 4, 12, 10], [14, 14, 20, 20], [0, 0, 3, 3]])
    got = modellib.build_detection_targets(rois, class_ids, gt_boxes, masks, detection_targets_config())
    np.testing.assert_array_equal(got[0], [*rois, [0] * 4, [0] * 4])
    assert got[1].tolist() == [2, 2, 0, 0, 0, 0]
    np.testing.assert_allclose(got[2][0, 2], [0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(got[2][1, 2], [0, 1 / 6 / 0.1, 0, np.log(8 / 6) / 0.2], rtol=1e-5)
    assert not got[2][:, :2].any() and not got[2][2:].any()
    np.testing.assert_array_equal(got[3][0, :, :, 2], [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]])
    assert not got[3][..., :2].any() and not got[3][2:].any()


def test_detection_targets_from_mini_masks_are_those_from_whole_masks():
    class_ids, gt_boxes, masks = one_instance()
    rois = np.array([[4, 4, 12, 12], [6, 4, 12, 12], [15, 15, 20, 20]])
    config = detection_targets_config(USE_MINI_MASK=True)
    mini = utils.minimize_mask(gt_boxes, masks, (8, 8))
    whole = modellib.build_detection_targets(rois, class_ids, gt_boxes, masks, detection_targets_config())
    for one, other in zip(modellib.build_detection_targets(rois, class_ids, gt_boxes, mini, config), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_positives_are_limited_by_their_share_and_negatives_fill_the_rest():
    class_ids, gt_boxes, masks = one_instance()
    rois = np.array([[4, 4, 12, 12]] * 10 + [[14, 14, 20, 20]] * 10)
    _, got, _, _ = modellib.build_detection_targets(rois, class_ids, gt_boxes, masks, detection_targets_config())
    assert got.tolist() == [2, 2, 2, 0, 0, 0]
    got_rois, got, _, _ = modellib.build_detection_targets(rois[10:], class_ids, gt_boxes, masks, detection_targets_config())
    assert got_rois.any(axis=1).all() and not got.any()


def test_a_roi_in_a_crowd_is_no_background():
    rois = np.array([[4, 4, 8, 8], [14, 14, 20, 20]])
    _, gt_boxes, masks = one_instance()
    got, class_ids, _, _ = modellib.build_detection_targets(rois, np.array([-1]), gt_boxes, masks, detection_targets_config())
    np.testing.assert_array_equal(got[0], rois[1])
    assert not got[1:].any() and not class_ids.any()


def test_a_roi_that_touches_a_crowd_is_background_but_for_the_original():
    rois, config = np.array([[10, 10, 20, 20], [14, 14, 20, 20]]), detection_targets_config()  # the crowd ends at 12
    _, gt_boxes, masks = one_instance()
    for overlap, count in (("ioa", 2), ("iou", 1)):
        config.CROWD_OVERLAP = overlap
        assert modellib.build_detection_targets(rois, np.array([-1]), gt_boxes, masks, config)[0].any(axis=1).sum() == count


def test_without_instances_every_roi_is_background():
    rois = np.array([[4, 4, 8, 8], [14, 14, 20, 20]])
    nothing = np.zeros(0, np.int32), np.zeros((0, 4), np.int32), np.zeros((20, 20, 0), bool)
    got, class_ids, _, _ = modellib.build_detection_targets(rois, *nothing, detection_targets_config())
    assert got.any(axis=1).sum() == 2 and not class_ids.any()


def test_detection_targets_need_rois():
    with pytest.raises(ValueError, match="none with an area"):
        modellib.build_detection_targets(np.zeros((5, 4)), *one_instance(), detection_targets_config())


# --- Generators


def test_data_generator_yields_the_seven_inputs_for_ever(dataset, config):
    generator = modellib.data_generator(dataset, config, shuffle=True, batch_size=2)
    assert inspect.isgenerator(generator)
    for _ in range(5):  # 10 images of a data set of 4
        inputs, outputs = next(generator)
        assert outputs == []
        assert [i.shape for i in inputs] == [(2, 64, 64, 3), (2, 15), (2, 1023, 1), (2, 32, 4), (2, 5), (2, 5, 4), (2, 14, 14, 5)]


def test_without_shuffling_the_order_of_the_data_set_goes_on_from_batch_to_batch(config):
    generator = modellib.data_generator(Squares(3), config, shuffle=False, batch_size=2)
    ids = [int(i) for _ in range(5) for i in next(generator)[0][1][:, 0]]
    assert ids == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]


def test_each_pass_shows_every_image_once(dataset, config):
    generator = modellib.data_generator(dataset, config, batch_size=1)
    ids = [int(next(generator)[0][1][0, 0]) for _ in range(12)]
    assert [sorted(ids[i : i + 4]) for i in (0, 4, 8)] == [[0, 1, 2, 3]] * 3


def test_data_generator_adds_random_rois_and_their_targets(dataset, config):
    inputs, outputs = next(modellib.data_generator(dataset, config, random_rois=50, batch_size=2))
    assert len(inputs) == 8 and inputs[7].shape == (2, 50, 4) and outputs == []
    inputs, outputs = next(modellib.data_generator(dataset, config, random_rois=500, batch_size=2, detection_targets=True))
    assert len(inputs) == 9 and inputs[8].shape == (2, 12, 4)
    class_ids, deltas, masks = outputs
    assert class_ids.shape == (2, 12, 1) and deltas.shape == (2, 12, 3, 4) and masks.shape == (2, 12, 8, 8, 3)
    assert (class_ids > 0).any()


def test_data_generator_gives_the_same_batches_again(dataset, config):
    first, second = (modellib.data_generator(dataset, config, random_rois=9, batch_size=2, detection_targets=True) for _ in range(2))
    for _ in range(3):
        for one, other in zip(sum(next(first), []), sum(next(second), []), strict=True):
            np.testing.assert_array_equal(one, other)


def test_bad_data_is_refused_when_the_generator_is_made(config):
    empty = utils.Dataset()
    empty.prepare()
    with pytest.raises(ValueError, match="no images"):
        modellib.data_generator(empty, config)
    with pytest.raises(ValueError, match="None of the 2 images has an instance"):
        modellib.data_generator(Squares(2, empty=1), config)


def test_a_data_set_that_goes_bad_ends_in_an_error_and_no_endless_loop(dataset, config):
    generator = modellib.data_generator(dataset, config, batch_size=1)
    dataset.load_image = lambda image_id: None
    with pytest.raises(ValueError, match="None of the 4 images"):
        next(generator)


def test_detection_targets_without_rois_are_refused(dataset, config):
    with pytest.raises(ValueError, match="random_rois"):
        next(modellib.data_generator(dataset, config, detection_targets=True))


def test_augment_true_mirrors_image_boxes_and_mini_masks_together(config):
    dataset = Squares(1)
    plain = next(modellib.data_generator(dataset, config))[0]
    with pytest.warns(DeprecationWarning, match="Fliplr"):
        generator = modellib.data_generator(dataset, config, augment=True)
    seen = set()
    for _ in range(12):
        image, _, _, _, _, boxes, masks = next(generator)[0]
        mirrored = bool((image != plain[0]).any())
        seen.add(mirrored)
        if mirrored:
            np.testing.assert_array_equal(image, plain[0][:, :, ::-1])
            np.testing.assert_array_equal(boxes[0, :2][:, [1, 3]], 64 - plain[5][0, :2][:, [3, 1]])
            np.testing.assert_array_equal(masks, plain[6][:, :, ::-1])
    assert seen == {True, False}


def test_no_augmentation_sources_are_left_as_they_are(config):
    flip = augment.import_imgaug().augmenters.Fliplr(1.0)
    plain = next(modellib.data_generator(Squares(1), config))[0][0]
    spared = next(modellib.data_generator(Squares(1), config, augmentation=flip, no_augmentation_sources=["tiny"]))[0][0]
    np.testing.assert_array_equal(spared, plain)


def test_the_keras_form_has_a_length_and_new_orders(config):
    generator = modellib.DataGenerator(Squares(5), config, shuffle=True)
    assert isinstance(generator, keras.utils.PyDataset) and len(generator) == 3
    epochs = []
    for _ in range(2):
        epochs.append([int(i) for k in range(3) for i in generator[k][0][1][:, 0]])
        generator.on_epoch_end()
    assert set(epochs[0][:5]) == set(range(5)) and epochs[0] != epochs[1]
    inputs, outputs = generator[0]
    assert isinstance(inputs, tuple) and len(inputs) == 7 and outputs == ()  # fit refuses lists
    with pytest.raises(IndexError, match="3 batches"):
        generator[3]


def test_the_keras_form_takes_the_flag_where_the_augmenter_goes(dataset, config):
    with pytest.warns(DeprecationWarning, match="Fliplr"):
        generator = modellib.DataGenerator(dataset, config, True, True)
    assert generator.batches.augmentation is None


def test_a_mirrored_sample_is_consistent(dataset, config):
    from mrcnn.legacy import data

    sample = samples.load(dataset, config, 0)
    mirrored = data._mirror(sample)
    np.testing.assert_array_equal(mirrored.boxes, utils.extract_bboxes(mirrored.masks))
    for one, other in zip(data._mirror(mirrored), sample, strict=True):
        np.testing.assert_array_equal(one, other)


def test_mold_mask_gives_what_the_network_trains_on(config):
    _, _, mask = one_instance()
    np.testing.assert_array_equal(utils.mold_mask(mask * 255, config), utils.minimize_mask(utils.extract_bboxes(mask), mask, (14, 14)))
    config.USE_MINI_MASK = False
    np.testing.assert_array_equal(utils.mold_mask(mask[..., 0], config), mask[..., 0])
    with pytest.raises(ValueError, match="instances"):
        utils.mold_mask(np.zeros(3), config)
