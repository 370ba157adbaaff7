"""The adapters to the original's names: arguments, forms and ways back; the arithmetic behind them is tested where it lives."""


import keras
import numpy as np
import pytest
from keras import ops
from tiny import Squares, TinyConfig

from mrcnn import model as modellib
from mrcnn import utils


@pytest.fixture
def config():
    return TinyConfig()


@pytest.fixture
def dataset():
    return Squares(4)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


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
