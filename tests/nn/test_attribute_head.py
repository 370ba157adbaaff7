"""The attribute head's targets and loss, by hand."""

import math

import numpy as np
import pytest
from backend_tools import arrays, compiled, gradient
from keras import ops

from mrcnn.nn import attribute_head, detections, targets

pytestmark = pytest.mark.portable


def loss(of, logits):
    found = attribute_head.mrcnn_attribute_loss(ops.convert_to_tensor(np.float32(of)), ops.convert_to_tensor(np.float32(logits)))
    return float(arrays(found))


def test_loss_is_the_mean_over_what_is_known():
    """A logit of log 3 is a probability of 3/4: log 4/3 if it has the attribute, log 4 if not; 0 is log 2 either way."""
    targets_of_two = [[[1, 0, -1], [0, -1, 1]]]
    logits = [[[math.log(3), math.log(3), 90], [0, -90, 0]]]
    assert loss(targets_of_two, logits) == pytest.approx((math.log(4 / 3) + math.log(4) + 2 * math.log(2)) / 4, rel=1e-6)


def test_loss_of_nothing_known_is_zero_with_a_finite_gradient():
    nothing = np.full((1, 2, 3), -1, np.float32)
    assert loss(nothing, np.full((1, 2, 3), 50.0)) == 0.0
    found = gradient(lambda x: attribute_head.mrcnn_attribute_loss(ops.convert_to_tensor(nothing), x), np.full((1, 2, 3), 50, np.float32))[0]
    assert not found.any()


def test_loss_of_extreme_logits_is_finite_and_linear():
    assert loss([[[0.0, 1.0]]], [[[1000.0, -1000.0]]]) == pytest.approx(1000.0)
    assert loss([[[1.0, 0.0]]], [[[1000.0, -1000.0]]]) == pytest.approx(0.0)


def test_targets_are_those_of_the_roi_s_object_and_unknown_elsewhere():
    left, right, apart = [0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0.0, 0.6, 0.2, 0.9]
    layer = targets.DetectionTargets(6, 0.5, (4, 4), [0.1, 0.1, 0.2, 0.2], True)
    of_gt = np.int8([[[1, 0, -1], [0, 1, 1], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]])
    inputs = [
        np.float32([[right, apart, left], [apart, apart, apart]]), np.int32([[3, 4, 0], [0, 0, 0]]),
        np.float32([[left, right, [0] * 4], [[0] * 4] * 3]), np.ones((2, 8, 8, 3), bool), of_gt,
    ]  # fmt: skip
    call = compiled(lambda *i: layer(list(i), training=False))
    _, class_ids, _, masks, found = (np.asarray(a) for a in arrays(call(*(ops.convert_to_tensor(v) for v in inputs))))
    assert found.shape == (2, 3, 3) and found.shape[1] == masks.shape[1]
    expected = {3: [1, 0, -1], 4: [0, 1, 1], 0: [-1, -1, -1]}
    assert sorted(class_ids[0, :3].tolist()) == [0, 3, 4]
    for image in range(2):
        assert [row.tolist() for row in found[image]] == [expected[i] for i in class_ids[image, :3].tolist()]


def test_a_detection_has_the_answers_of_its_own_roi():
    """Three rois, the second the surest, the first of class 0: ranking and dropping must not mix the rows."""
    boxes = np.float32([[[0.0, 0.0, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9], [0.1, 0.6, 0.3, 0.9]]])
    probs = np.float32([[[0.8, 0.1, 0.1], [0.05, 0.05, 0.9], [0.3, 0.6, 0.1]]])
    meta = np.float32([[0, 64, 64, 3, 64, 64, 3, 0, 0, 64, 64, 1, 1, 1, 1]])
    answers = np.float32([[[1, 10], [2, 20], [3, 30]]])
    layer = detections.DetectionLayer(4, 0.5, 0.3)
    call = compiled(lambda *i: layer(list(i)))
    inputs = (boxes, probs, np.zeros((1, 3, 3, 4), np.float32), meta, answers)
    found, chosen = arrays(call(*(ops.convert_to_tensor(v) for v in inputs)))
    assert np.asarray(found)[0, :, 4].tolist() == [2, 1, 0, 0]
    assert np.asarray(chosen)[0, :2].tolist() == [[2, 20], [3, 30]]
