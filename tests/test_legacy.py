"""The adapters to the original's names: arguments, forms and ways back; the arithmetic behind them is tested where it lives."""

import inspect
import random

import keras
import numpy as np
import pytest
from keras import ops
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


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


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


# --- Layers and heads


def test_layers_read_their_config_once_and_serialise(config):
    config.PRE_NMS_LIMIT, config.DETECTION_MIN_CONFIDENCE, config.ROI_POSITIVE_RATIO = 77, 0.6, 0.25
    layers = (
        modellib.ProposalLayer(proposal_count=9, nms_threshold=0.6, name="ROI", config=config),
        modellib.DetectionTargetLayer(config, name="proposal_targets"),
        modellib.DetectionLayer(config, name="mrcnn_detection"),
        modellib.PyramidROIAlign([7, 7], name="roi_align"),
    )
    assert layers[0].pre_nms_limit == 77 and layers[1].num_positives == 3 and layers[2].min_confidence == 0.6
    for layer in layers:
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()


def test_without_a_config_layers_take_its_defaults():
    assert modellib.ProposalLayer(5, 0.7).pre_nms_limit == 6000
    assert modellib.DetectionLayer().max_instances == 100


def test_detection_target_layer_has_a_mask_for_every_roi_in_a_graph_too(config):
    shapes = [(20, 4), (5,), (5, 4), (14, 14, 5)]
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = modellib.DetectionTargetLayer(config)(inputs)
    assert [o.shape for o in outputs] == [(None, 12, 4), (None, 12), (None, 12, 4), (None, 12, 8, 8)]
    values = keras.Model(inputs, list(outputs)).predict_on_batch([np.zeros((2, *shape), np.float32) for shape in shapes])
    assert [v.shape[1:] for v in values] == [o.shape[1:] for o in outputs]


def test_heads_take_the_historic_arguments():
    rois, meta = keras.Input((6, 4)), keras.Input((15,))
    maps = [keras.Input((size, size, 8)) for size in (16, 8, 4, 2)]
    logits, probs, deltas = modellib.fpn_classifier_graph(rois, maps, meta, 7, 3, train_bn=False, fc_layers_size=10)
    masks = modellib.build_fpn_mask_graph(rois, maps, meta, 4, 3, train_bn=False)
    assert (logits.shape, probs.shape, deltas.shape) == ((None, 6, 3), (None, 6, 3), (None, 6, 3, 4))
    assert masks.shape == (None, 6, 8, 8, 3)
    model = keras.Model([rois, meta, *maps], [probs, masks])
    assert model.get_layer("mrcnn_class_conv1").filters == 10 and model.get_layer("mrcnn_mask_conv4")


# --- Tensors


def test_batch_slice_runs_a_function_of_one_image_on_each():
    boxes = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    keep = np.array([[2, 0], [1, 1]])
    got = utils.batch_slice([boxes, keep], lambda b, k: ops.take(b, k, axis=0), 2)
    np.testing.assert_array_equal(numpy(got), [boxes[0][[2, 0]], boxes[1][[1, 1]]])
    doubled, count = utils.batch_slice(boxes, lambda b: (b * 2, ops.shape(b)[0]), 2, names=["doubled", "count"])
    np.testing.assert_array_equal(numpy(doubled), boxes * 2)
    assert numpy(count).tolist() == [3, 3]


def test_batch_slice_works_on_symbolic_tensors():
    boxes = keras.Input((3, 4), batch_size=2)
    model = keras.Model(boxes, utils.batch_slice([boxes], lambda b: b + 1.0, 2))
    assert numpy(model(np.zeros((2, 3, 4), np.float32))).tolist() == np.ones((2, 3, 4)).tolist()


def test_batch_slice_needs_a_batch():
    with pytest.raises(ValueError, match="batch_size = 0"):
        utils.batch_slice(np.zeros((2, 3)), lambda x: x, 0)


def test_batch_pack_joins_the_first_rows_of_each_image():
    x = np.arange(12).reshape(2, 3, 2)
    assert numpy(modellib.batch_pack_graph(x, np.array([1, 2]), 2)).tolist() == [[0, 1], [6, 7], [8, 9]]
    assert numpy(modellib.batch_pack_graph(x, np.array([0, 0]), 2)).shape == (0, 2)
    assert numpy(modellib.batch_pack_graph(x, np.array([1, 2]), 1)).tolist() == [[0, 1]]


def test_trim_zeros_says_which_rows_it_kept():
    rows, kept = modellib.trim_zeros_graph(np.array([[0, 0, 0, 0], [0, 0, 1, 1]], np.float32), name="trim")
    assert numpy(rows).tolist() == [[0, 0, 1, 1]] and numpy(kept).tolist() == [False, True]


def test_log2():
    np.testing.assert_allclose(numpy(modellib.log2_graph(ops.convert_to_tensor([1.0, 8.0]))), [0.0, 3.0], atol=1e-6)


def test_deltas_are_unbounded_unless_a_limit_is_given():
    box, deltas = np.array([[0.0, 0, 1, 1]]), np.array([[0.0, 0, 10, 0]])
    assert numpy(modellib.apply_box_deltas_graph(box, deltas))[0, 2] > 1e4
    got = numpy(modellib.apply_box_deltas_graph(box, deltas, max_log=np.log(3.0)))[0]
    np.testing.assert_allclose(got, [-1, 0, 2, 1], atol=1e-6)


def test_parse_image_meta_graph_takes_the_vector_apart():
    meta = modellib.compose_image_meta(7, (30, 40, 3), (64, 64, 3), (8, 0, 56, 64), 1.6, [1, 0, 1])
    parts = modellib.parse_image_meta_graph(ops.convert_to_tensor(meta[None], dtype="float32"))
    same = modellib.parse_image_meta(meta[None])
    assert set(parts) == set(same)
    for name, value in parts.items():
        np.testing.assert_allclose(numpy(value), same[name], rtol=1e-6)


def test_the_mask_loss_takes_fewer_masks_than_rois():
    class_ids = np.array([[1, 1, 0, 0]])
    masks, predictions = np.ones((1, 4, 2, 2), np.float32), np.full((1, 4, 2, 2, 2), 0.5, np.float32)
    whole = numpy(modellib.mrcnn_mask_loss_graph(masks, class_ids, predictions))
    assert numpy(modellib.mrcnn_mask_loss_graph(masks[:, :2], class_ids, predictions[:, :2])) == pytest.approx(np.log(2))
    assert whole == pytest.approx(np.log(2))


# --- Arrays


def test_resize_needs_no_scikit_image_with_the_originals_defaults():
    transform = pytest.importorskip("skimage.transform")
    rng = np.random.default_rng(0)
    for image in (rng.integers(0, 256, (9, 7, 3), np.uint8), rng.random((6, 8)), rng.random((6, 8)).astype(np.float32)):
        for keep in (False, True):
            got = utils.resize(image, (13, 5), preserve_range=keep)
            right = transform.resize(image, (13, 5), order=1, mode="constant", preserve_range=keep, anti_aliasing=False)
            assert got.dtype == right.dtype
            np.testing.assert_allclose(got, right, rtol=1e-5, atol=1e-5 * max(1, float(image.max())))


def test_resize_interpolates_bool_masks():
    got = utils.resize(np.array([[True, False], [True, False]]), (2, 1))
    assert got.tolist() == [[0.5], [0.5]]


def test_resize_hands_other_settings_to_scikit_image():
    pytest.importorskip("skimage")
    got = utils.resize(np.array([[1.0, 3.0]]), (1, 4), order=0, mode="edge")
    assert got.tolist() == [[1.0, 1.0, 3.0, 3.0]]


def test_mold_mask_gives_what_the_network_trains_on(config):
    _, _, mask = one_instance()
    np.testing.assert_array_equal(utils.mold_mask(mask * 255, config), utils.minimize_mask(utils.extract_bboxes(mask), mask, (14, 14)))
    config.USE_MINI_MASK = False
    np.testing.assert_array_equal(utils.mold_mask(mask[..., 0], config), mask[..., 0])
    with pytest.raises(ValueError, match="instances"):
        utils.mold_mask(np.zeros(3), config)


def test_mold_and_unmold_image_are_inverse(config):
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    molded = modellib.mold_image(image, config)
    np.testing.assert_array_equal(modellib.unmold_image(molded.astype(np.float32), config), image)
    one_less = modellib.unmold_image(np.full((1, 1, 3), -0.2) - config.MEAN_PIXEL + 8, config, rounding=False)
    assert one_less.tolist() == [[[7, 7, 7]]]


@pytest.mark.parametrize("empty", [np.zeros((0, 4)), np.array([[5.0, 5, 5, 5]])])
def test_overlaps_of_nothing_are_0_with_a_way_back(empty):
    assert not utils.compute_overlaps(empty, empty).any()
    assert not numpy(modellib.overlaps_graph(empty, empty)).any()
    back = utils.compute_overlaps(empty, empty, undefined=np.nan)
    np.testing.assert_array_equal(numpy(modellib.overlaps_graph(empty, empty, undefined=np.nan)), back)


def test_a_mirrored_sample_is_consistent(dataset, config):
    from mrcnn.legacy import data

    sample = samples.load(dataset, config, 0)
    mirrored = data._mirror(sample)
    np.testing.assert_array_equal(mirrored.boxes, utils.extract_bboxes(mirrored.masks))
    for one, other in zip(data._mirror(mirrored), sample, strict=True):
        np.testing.assert_array_equal(one, other)


def test_refine_masks_gives_shared_pixels_to_the_smallest_and_fits_the_boxes():
    masks = np.zeros((2, 4, 3))
    masks[:, :, 0] = masks[:, :2, 1] = masks[0, 0, 2] = 1
    rois = np.array([[0, 0, 2, 4], [0, 0, 2, 2], [0, 0, 1, 1]])
    refined, fitted = utils.refine_masks(masks, rois)
    assert refined.dtype == bool and refined.transpose(2, 0, 1).astype(int).tolist() == [
        [[0, 0, 1, 1], [0, 0, 1, 1]], [[0, 1, 0, 0], [1, 1, 0, 0]], [[1, 0, 0, 0], [0, 0, 0, 0]],
    ]  # fmt: skip
    assert fitted.tolist() == [[0, 2, 2, 4], [0, 0, 2, 2], [0, 0, 1, 1]] and rois[0].tolist() == [0, 0, 2, 4]
    refined, fitted = utils.refine_masks(masks[:, :, [1, 1]], rois[[1, 1]])
    assert refined.any(axis=(0, 1)).tolist() == [True, False] and fitted.tolist() == rois[[1, 1]].tolist()
    refined, fitted = utils.refine_masks(masks[:, :, :0], rois[:0])
    assert refined.shape == (2, 4, 0) and fitted.shape == (0, 4)
    with pytest.raises(ValueError, match=r"\(2, 4, 3\) and \(1, 4\)"):
        utils.refine_masks(masks, rois[:1])
