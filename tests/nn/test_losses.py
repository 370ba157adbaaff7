"""The five losses, by hand."""

import math

import numpy as np
import pytest
from backend_tools import arrays, gradient
from keras import ops

from mrcnn.nn import losses

pytestmark = pytest.mark.portable


def value(loss, *inputs, **options):
    return float(arrays(loss(*(ops.convert_to_tensor(i) for i in inputs), **options)))


def test_smooth_l1_is_square_below_one_and_linear_above():
    found = arrays(losses.smooth_l1(ops.convert_to_tensor(np.float32([0, 0, 0, 0])), ops.convert_to_tensor(np.float32([0, 0.5, -1, 3]))))
    assert found.tolist() == [0, 0.125, 0.5, 2.5]


def test_rpn_class_loss_leaves_neutral_anchors_out():
    """Logits (0, 0) cost log 2 either way; (0, log 3) cost log 4/3 as object and log 4 as background."""
    match = np.int32([[1, -1, 0, -1]])[..., None]
    logits = np.float32([[[0, math.log(3)], [0, math.log(3)], [99, -99], [0, 0]]])
    assert value(losses.rpn_class_loss, match, logits) == pytest.approx((math.log(4 / 3) + math.log(4) + math.log(2)) / 3, rel=1e-5)


FOCAL_MATCH = np.int32([[1, -1, 0], [-1, -1, 1]])[..., None]
FOCAL_LOGITS = np.float32([[[0, math.log(3)], [0, math.log(3)], [99, -99]], [[math.log(9), 0], [0, 0], [0, 0]]])
RIGHT = [0.75, 0.25, 0.9, 0.5, 0.5]  # probabilities of the right answers of the five that count


def test_focal_loss_by_hand():
    """(1 - p)² · -log p, divided by the two positives of the batch, not by the five anchors."""
    expected = sum((1 - p) ** 2 * -math.log(p) for p in RIGHT) / 2
    assert value(losses.rpn_class_loss, FOCAL_MATCH, FOCAL_LOGITS, gamma=2.0) == pytest.approx(expected, rel=1e-5)


def test_alpha_weighs_positives_and_one_minus_alpha_negatives():
    factors = [0.25, 0.75, 0.75, 0.75, 0.25]
    expected = sum(a * (1 - p) ** 2 * -math.log(p) for a, p in zip(factors, RIGHT, strict=True)) / 2
    assert value(losses.rpn_class_loss, FOCAL_MATCH, FOCAL_LOGITS, gamma=2.0, alpha=0.25) == pytest.approx(expected, rel=1e-5)


def test_gamma_of_zero_is_the_cross_entropy_to_the_bit():
    plain = value(losses.rpn_class_loss, FOCAL_MATCH, FOCAL_LOGITS)
    assert value(losses.rpn_class_loss, FOCAL_MATCH, FOCAL_LOGITS, gamma=0.0) == plain
    assert plain == pytest.approx(sum(-math.log(p) for p in RIGHT) / 5, rel=1e-5)


def test_focal_loss_tends_to_the_cross_entropy_of_the_anchors_over_the_positives():
    plain = value(losses.rpn_class_loss, FOCAL_MATCH, FOCAL_LOGITS)
    assert value(losses.rpn_class_loss, FOCAL_MATCH, FOCAL_LOGITS, gamma=1e-6) == pytest.approx(plain * 5 / 2, rel=1e-4)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_loss_of_certain_anchors_has_a_finite_gradient(gamma):
    """Right and wrong beyond float32's probabilities, without a positive in the batch, and none that counts."""
    logits = np.float32([[[200, -200], [-200, 200], [0, 0]]])
    for match in ([-1, -1, 0], [1, 1, 0], [0, 0, 0]):
        labels = ops.convert_to_tensor(np.int32([match])[..., None])
        assert math.isfinite(value(losses.rpn_class_loss, labels, logits, gamma=gamma, alpha=0.25))
        found = gradient(lambda x, labels=labels: losses.rpn_class_loss(labels, x, gamma, 0.25), logits)[0]
        assert np.isfinite(found).all() and not found[0, 2].any() and found.any() == any(match)


def test_focal_loss_without_positives_is_the_sum_of_the_negatives():
    match = np.int32([[-1, -1]])[..., None]
    logits = np.float32([[[math.log(9), 0], [0, 0]]])
    expected = 0.01 * -math.log(0.9) + 0.25 * math.log(2)
    assert value(losses.rpn_class_loss, match, logits, gamma=2.0) == pytest.approx(expected, rel=1e-5)


def test_rpn_bbox_loss_pairs_targets_with_positive_anchors_in_order():
    """Image 0: anchors 1 and 3 positive; image 1: anchor 0. Differences 0.5, 2 and 1 in one coordinate each: (0.125 + 1.5 + 0.5) / 12."""
    match = np.int32([[0, 1, -1, 1], [1, -1, -1, 0]])[..., None]
    deltas = np.zeros((2, 4, 4), "float32")
    deltas[0, 0], deltas[0, 2] = 50, 50  # not positive
    targets = np.zeros((2, 3, 4), "float32")
    targets[0, 0, 0], targets[0, 1, 3], targets[1, 0, 2] = 0.5, 2, 1
    targets[0, 2], targets[1, 1:] = 77, 77  # rows beyond the positives
    assert value(losses.rpn_bbox_loss, targets, match, deltas) == pytest.approx(2.125 / 12)


def test_rpn_bbox_loss_ignores_positives_beyond_the_targets():
    match = np.ones((1, 3, 1), "int32")
    deltas = np.float32([[[1, 0, 0, 0], [2, 0, 0, 0], [60, 0, 0, 0]]])
    assert value(losses.rpn_bbox_loss, np.zeros((1, 2, 4), "float32"), match, deltas) == pytest.approx((0.5 + 1.5) / 8)


def test_rpn_bbox_loss_where_the_number_of_anchors_is_unknown():
    if ops.convert_to_tensor(0.0).__class__.__module__.split(".")[0] != "tensorflow":
        pytest.skip("open shapes are TensorFlow's")
    import tensorflow as tf

    match = np.int32([[0, 1, -1, 1], [1, -1, -1, 0]])[..., None]
    rng = np.random.default_rng(0)
    targets, deltas = rng.standard_normal((2, 3, 4)).astype("float32"), rng.standard_normal((2, 4, 4)).astype("float32")
    signature = [tf.TensorSpec((2, 3, 4)), tf.TensorSpec((2, None, 1), tf.int32), tf.TensorSpec((2, None, 4))]
    graph = tf.function(losses.rpn_bbox_loss, input_signature=signature)
    assert float(graph(targets, match, deltas)) == pytest.approx(value(losses.rpn_bbox_loss, targets, match, deltas))


CLASS_IDS = np.int32([[1, 0], [2, 0]])
LOGITS = np.float32([[[0, 2, 0], [1, 0, 0]], [[0, 0, 3], [0, 5, 0]]])  # predicted 1, 0 and 2, 1


def cross_entropy(logits, class_id):
    return math.log(np.exp(logits).sum()) - logits[class_id]


def test_class_loss_counts_rois_whose_predicted_class_the_images_source_knows():
    """Image 0 knows all; image 1 knows 0 and 1, and its first roi is predicted as 2."""
    active = np.int32([[1, 1, 1], [1, 1, 0]])
    costs = [cross_entropy(LOGITS[0, 0], 1), cross_entropy(LOGITS[0, 1], 0), cross_entropy(LOGITS[1, 1], 0)]
    assert value(losses.mrcnn_class_loss, CLASS_IDS, LOGITS, active) == pytest.approx(np.mean(costs), rel=1e-5)


def test_class_loss_asks_whether_the_predicted_class_is_known_not_the_targets():
    """Of a source without class 2: the first roi is taken for a 2 and is a 1, the second is taken for a 1 and is a 2."""
    logits = np.float32([[[0, 0, 3], [0, 5, 0]]])
    found = value(losses.mrcnn_class_loss, np.int32([[1, 2]]), logits, np.int32([[1, 1, 0]]))
    assert found == pytest.approx(cross_entropy(logits[0, 1], 2), rel=1e-5)


def test_class_loss_of_the_original_takes_the_first_images_classes_for_all():
    active = np.int32([[1, 1, 0], [1, 1, 1]])
    costs = [cross_entropy(LOGITS[0, 0], 1), cross_entropy(LOGITS[0, 1], 0), cross_entropy(LOGITS[1, 1], 0)]
    assert value(losses.mrcnn_class_loss, CLASS_IDS, LOGITS, active, per_image=False) == pytest.approx(np.mean(costs), rel=1e-5)


def test_class_loss_leaves_padding_rows_out():
    valid = np.float32([[1, 0], [0, 0]])
    found = value(losses.mrcnn_class_loss, CLASS_IDS, LOGITS, np.ones((2, 3), "int32"), valid=ops.convert_to_tensor(valid))
    assert found == pytest.approx(cross_entropy(LOGITS[0, 0], 1), rel=1e-5)


def test_class_loss_layer_takes_zero_rois_for_padding():
    meta = np.zeros((2, 15), "float32")
    meta[:, 12:] = 1
    rois = np.zeros((2, 2, 4), "float32")
    rois[0, 0] = [0, 0.25, 0.5, 1]  # at the border
    inputs = [ops.convert_to_tensor(v) for v in (CLASS_IDS, LOGITS, meta, rois)]
    assert float(arrays(losses.MrcnnClassLoss()(inputs))[0]) == pytest.approx(cross_entropy(LOGITS[0, 0], 1), rel=1e-5)
    everything = np.mean([cross_entropy(LOGITS[i, j], CLASS_IDS[i, j]) for i in range(2) for j in range(2)])
    assert float(arrays(losses.MrcnnClassLoss(ignore_padding=False)(inputs))[0]) == pytest.approx(everything, rel=1e-5)


ALL = np.ones((2, 3), "int32")
WEIGHTS = [0.5, 2.0, 7.0]


def test_class_weights_give_the_mean_weighted_by_the_targets_class():
    """sum(w * loss) / sum(w), as PyTorch's weighted cross entropy: targets 1, 0, 2, 0 weigh 2, 0.5, 7, 0.5."""
    costs = [cross_entropy(LOGITS[i, j], CLASS_IDS[i, j]) for i in range(2) for j in range(2)]
    expected = (2 * costs[0] + 0.5 * costs[1] + 7 * costs[2] + 0.5 * costs[3]) / 10
    assert value(losses.mrcnn_class_loss, CLASS_IDS, LOGITS, ALL, class_weights=WEIGHTS) == pytest.approx(expected, rel=1e-5)


def test_only_ratios_of_class_weights_matter():
    plain = value(losses.mrcnn_class_loss, CLASS_IDS, LOGITS, ALL)
    assert value(losses.mrcnn_class_loss, CLASS_IDS, LOGITS, ALL, class_weights=[3.0] * 3) == pytest.approx(plain, rel=1e-6)


def test_class_weights_leave_padding_and_inactive_classes_out():
    """Image 0's first roi is padding, image 1 knows 0 and 1, and its first roi is predicted as 2: targets 0 and 0 are left."""
    found = value(
        losses.mrcnn_class_loss, CLASS_IDS, LOGITS, np.int32([[1, 1, 1], [1, 1, 0]]), valid=ops.convert_to_tensor(np.float32([[0, 1], [1, 1]])),
        class_weights=WEIGHTS,
    )  # fmt: skip
    assert found == pytest.approx((cross_entropy(LOGITS[0, 1], 0) + cross_entropy(LOGITS[1, 1], 0)) / 2, rel=1e-5)


def test_gradient_of_a_roi_is_its_share_of_the_weights():
    def of(weights):
        inputs = [ops.convert_to_tensor(v) for v in (CLASS_IDS, ALL)]
        return gradient(lambda logits: losses.mrcnn_class_loss(inputs[0], logits, inputs[1], class_weights=weights), LOGITS)[0]

    plain, weighted = of(None), of(WEIGHTS)
    np.testing.assert_allclose(weighted, plain * (np.float32(WEIGHTS)[CLASS_IDS] / 10 * 4)[..., None], rtol=1e-5)


def test_targets_of_weight_zero_alone_give_a_loss_and_gradient_of_zero():
    def loss(logits):
        return losses.mrcnn_class_loss(ops.zeros((2, 2), "int32"), logits, ops.convert_to_tensor(ALL), class_weights=[0.0, 1.0, 1.0])

    assert float(arrays(loss(ops.convert_to_tensor(LOGITS)))) == 0
    assert not gradient(loss, LOGITS)[0].any()


def test_class_loss_layer_takes_weights():
    meta = np.zeros((2, 15), "float32")
    meta[:, 12:] = 1
    inputs = [ops.convert_to_tensor(v) for v in (CLASS_IDS, LOGITS, meta, np.full((2, 2, 4), 0.5, "float32"))]
    expected = value(losses.mrcnn_class_loss, CLASS_IDS, LOGITS, ALL, class_weights=WEIGHTS)
    assert float(arrays(losses.MrcnnClassLoss(class_weights=WEIGHTS)(inputs))[0]) == pytest.approx(expected, rel=1e-6)


def test_bbox_loss_is_that_of_the_rois_own_class():
    class_ids = np.int32([[2, 0, 1]])
    deltas = np.full((1, 3, 3, 4), 40, "float32")
    deltas[0, 0, 2], deltas[0, 2, 1] = [1, 0, 0, 0], [0, 0, 0, 3]
    assert value(losses.mrcnn_bbox_loss, np.zeros((1, 3, 4), "float32"), class_ids, deltas) == pytest.approx((0.5 + 2.5) / 8)


def test_mask_loss_is_that_of_the_rois_own_class():
    class_ids = np.int32([[1, 0]])
    masks = np.full((1, 2, 1, 2, 2), 0.999, "float32")
    masks[0, 0, 0, :, 1] = [0.8, 0.25]
    targets = np.float32([[[[1, 0]], [[1, 1]]]])
    assert value(losses.mrcnn_mask_loss, targets, class_ids, masks) == pytest.approx(-(math.log(0.8) + math.log(0.75)) / 2, rel=1e-5)


def test_mask_loss_of_certain_and_wrong_masks_is_finite():
    targets, masks = np.float32([[[[1, 0]]]]), np.float32([[[[[0, 0], [0, 1]]]]])
    found = value(losses.mrcnn_mask_loss, targets, np.int32([[1]]), masks)
    assert 15 < found < 17  # -log of 1e-7, in float32


NOTHING = {
    "rpn_class_loss": (losses.rpn_class_loss, [np.zeros((2, 3, 1), "int32"), np.ones((2, 3, 2), "float32")], 1),
    "rpn_bbox_loss": (
        losses.rpn_bbox_loss, [np.ones((2, 2, 4), "float32"), -np.ones((2, 3, 1), "int32"), np.full((2, 3, 4), 1e30, "float32")], 2
    ),
    "mrcnn_class_loss": (losses.mrcnn_class_loss, [CLASS_IDS, LOGITS, np.zeros((2, 3), "int32")], 1),
    "mrcnn_bbox_loss": (
        losses.mrcnn_bbox_loss, [np.ones((2, 2, 4), "float32"), np.zeros((2, 2), "int32"), np.ones((2, 2, 3, 4), "float32")], 2
    ),
    "mrcnn_mask_loss": (
        losses.mrcnn_mask_loss, [np.ones((2, 2, 3, 3), "float32"), np.zeros((2, 2), "int32"), np.zeros((2, 2, 3, 3, 3), "float32")], 2
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
def test_loss_and_gradient_are_zero_where_nothing_contributes(name):
    loss, inputs, place = NOTHING[name]
    assert value(loss, *inputs) == 0

    def of_prediction(prediction):
        return loss(*[prediction if i == place else ops.convert_to_tensor(v) for i, v in enumerate(inputs)])

    np.testing.assert_array_equal(gradient(of_prediction, inputs[place])[0], np.zeros(inputs[place].shape))


def test_mask_loss_layer_pairs_masks_with_the_first_rois():
    """Three rois, masks of the first one alone, which is a 1."""
    inputs = [np.ones((1, 1, 1, 1), "float32"), np.int32([[1, 2, 2]]), np.float32([[[[[0.5, 0.8, 0.3]]]]])]
    assert float(arrays(losses.MrcnnMaskLoss()([ops.convert_to_tensor(v) for v in inputs]))[0]) == pytest.approx(-math.log(0.8), rel=1e-5)
