"""From class probabilities and box deltas to detections."""

import numpy as np
import pytest
from backend_tools import arrays, compiled
from keras import ops

from mrcnn.nn import detections

pytestmark = pytest.mark.portable

WINDOW = [0.0, 0.0, 1.0, 1.0]
A, A_SHIFTED, B = [0.1, 0.1, 0.3, 0.3], [0.1, 0.11, 0.3, 0.31], [0.6, 0.6, 0.9, 0.9]
FARTHER = [0.1, 0.6, 0.3, 0.9]


def one_hot(class_id, score, classes=3):
    """Probabilities with `score` at the class and the rest shared."""
    probs = np.full(classes, (1 - score) / (classes - 1))
    probs[class_id] = score
    return probs


def refine(rois, probs, deltas=None, window=WINDOW, **options):
    """Detections [D, 6] of one image."""
    rois, probs = np.float32([rois]), np.float32([probs])
    deltas = np.zeros((*probs.shape, 4), "float32") if deltas is None else np.float32([deltas])
    options = {"max_instances": 4, "min_confidence": 0.5, "nms_threshold": 0.3, "std_dev": [0.1, 0.1, 0.2, 0.2]} | options
    call = compiled(lambda *values: detections.refine(*values, **options))
    return arrays(call(*(ops.convert_to_tensor(v) for v in (rois, probs, deltas, np.float32([window])))))[0]


def test_by_hand_best_first_and_zeros_at_the_end():
    found = refine([A, B], [one_hot(1, 0.7), one_hot(2, 0.9)])
    np.testing.assert_allclose(found[:2], np.float32([[*B, 2, 0.9], [*A, 1, 0.7]]), atol=1e-6)
    assert not found[2:].any()


def test_deltas_of_the_best_class_are_applied():
    """dy = 1 with std_dev 0.1 moves the box by a tenth of its height, 0.02."""
    deltas = np.full((1, 3, 4), 9.0)
    deltas[0, 1] = [1, 0, 0, 0]
    found = refine([A], [one_hot(1, 0.8)], deltas)
    np.testing.assert_allclose(found[0], [0.12, 0.1, 0.32, 0.3, 1, 0.8], atol=1e-6)


def test_background_is_no_detection():
    assert not refine([A, B], [one_hot(0, 0.9), one_hot(0, 0.6)]).any()


def test_lesser_box_of_the_same_class_is_suppressed_but_not_of_another():
    same = refine([A, A_SHIFTED], [one_hot(1, 0.7), one_hot(1, 0.8)])
    np.testing.assert_allclose(same[:, 5], [0.8, 0, 0, 0], atol=1e-6)
    other = refine([A, A_SHIFTED], [one_hot(1, 0.7), one_hot(2, 0.8)])
    assert other[:, 4].tolist() == [2, 1, 0, 0]


def test_boxes_are_clipped_to_the_window():
    found = refine([[0.0, 0.0, 0.5, 1.0]], [one_hot(1, 0.9)], window=[0.1, 0.2, 0.9, 0.8])
    np.testing.assert_allclose(found[0, :4], [0.1, 0.2, 0.5, 0.8], atol=1e-6)


def test_the_window_of_a_wide_image_is_normalized_by_its_own_sides():
    """101 x 201 pixels, so 100 and 200 steps; the photo lies from (10, 20) to (91, 181)."""
    meta = np.float32([[0, 80, 160, 3, 101, 201, 3, 10, 20, 91, 181, 1, 1, 1, 1]])
    inputs = [np.float32([[WINDOW]]), np.float32([[one_hot(1, 0.9)]]), np.zeros((1, 1, 3, 4), "float32"), meta]
    layer = detections.DetectionLayer(1, 0.5, 0.3)
    found = arrays(compiled(lambda *values: layer(list(values)))(*(ops.convert_to_tensor(v) for v in inputs)))
    np.testing.assert_allclose(found[0, 0, :4], [0.1, 0.1, 0.9, 0.9], atol=1e-6)


def test_box_outside_the_window_has_no_area_left():
    found = refine([[0.0, 0.0, 0.05, 0.1]], [one_hot(1, 0.9)], window=[0.1, 0.2, 0.9, 0.8])
    np.testing.assert_allclose(found[0, :4], [0.1, 0.2, 0.1, 0.2], atol=1e-6)


@pytest.mark.parametrize(("min_confidence", "expected"), [(None, [0.9, 0.5, 0.4]), (0.0, [0.9, 0.5, 0.4]), (0.5, [0.9, 0.5]), (0.95, [])])
def test_min_confidence(min_confidence, expected):
    """A score equal to the limit stays."""
    found = refine([A, B, FARTHER], [one_hot(1, 0.5), one_hot(2, 0.9), one_hot(1, 0.4)], min_confidence=min_confidence)
    np.testing.assert_allclose(found[: len(expected), 5], expected, atol=1e-6)
    assert not found[len(expected) :].any()




def test_no_more_than_max_instances_and_these_are_the_best():
    rois = [[0.1 * i, 0.0, 0.1 * i + 0.05, 0.1] for i in range(9)]
    found = refine(rois, [one_hot(1, 0.5 + 0.05 * i) for i in range(9)], max_instances=3)
    np.testing.assert_allclose(found[:, 5], [0.9, 0.85, 0.8], atol=1e-6)


def test_more_room_than_rois():
    assert refine([A], [one_hot(1, 0.9)], max_instances=7).any(axis=1).sum() == 1


def test_huge_delta_stays_finite_under_the_limit():
    found = refine([A], [one_hot(1, 0.9)], np.full((1, 3, 4), 900.0), max_log=4.0)
    assert np.isfinite(found).all()


# As high and wide as A, 0.2, and 0.1 beside it: IoU 0.1 / 0.3.
NEAR = [0.1, 0.2, 0.3, 0.4]


def test_without_classes_the_lesser_box_of_another_class_is_suppressed_too():
    found = refine([A, A_SHIFTED, B], [one_hot(1, 0.7), one_hot(2, 0.8), one_hot(1, 0.6)], nms_per_class=False)
    assert found[:, 4].tolist() == [2, 1, 0, 0]
    np.testing.assert_allclose(found[:2, :4], [A_SHIFTED, B], atol=1e-6)


def test_linear_soft_nms_by_hand():
    """With the best box, LEFT has IoU 0.19 / 0.21 and NEAR 1 / 3; LEFT with NEAR 0.09 / 0.31 = 0.29, below 0.3, so it is lowered once only."""
    left = [0.1, 0.09, 0.3, 0.29]
    found = refine([A, left, NEAR], [one_hot(1, 0.9), one_hot(1, 0.8), one_hot(1, 0.7)], nms_method="linear", min_confidence=0)
    np.testing.assert_allclose(found[:3, 5], [0.9, 0.7 * 2 / 3, 0.8 * (1 - 19 / 21)], atol=1e-6)
    np.testing.assert_allclose(found[:3, :4], [A, NEAR, left], atol=1e-6)


def test_gaussian_soft_nms_by_hand():
    """exp(-(1/3)^2 / 0.5) = exp(-2/9) = 0.8007: 0.8 becomes 0.6406, and the box of another class keeps its 0.7 and its place before it."""
    found = refine([A, NEAR, A], [one_hot(1, 0.9), one_hot(1, 0.8), one_hot(2, 0.7)], nms_method="gaussian")
    np.testing.assert_allclose(found[:, 5], [0.9, 0.7, 0.8 * np.exp(-2 / 9), 0], atol=1e-6)
    assert found[:, 4].tolist() == [1, 2, 1, 0]
    together = refine([A, NEAR, A], [one_hot(1, 0.9), one_hot(1, 0.8), one_hot(2, 0.7)], nms_method="gaussian", nms_per_class=False)
    np.testing.assert_allclose(together[:, 5], [0.9, 0.8 * np.exp(-2 / 9), 0, 0], atol=1e-6)  # 0.7 exp(-2) is below 0.5


def test_soft_nms_cuts_by_the_final_score():
    """0.8 exp(-2/9) = 0.64 stays at 0.6 and falls at 0.7, though 0.8 was above."""
    rois, probs = [A, NEAR], [one_hot(1, 0.9), one_hot(1, 0.8)]
    assert refine(rois, probs, nms_method="gaussian", min_confidence=0.6)[:, 5].astype(bool).tolist() == [True, True, False, False]
    assert refine(rois, probs, nms_method="gaussian", min_confidence=0.7)[:, 5].astype(bool).tolist() == [True, False, False, False]


@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_soft_nms_of_nothing_and_of_one(method):
    assert not refine([A, B], [one_hot(0, 0.9), one_hot(0, 0.6)], nms_method=method, min_confidence=0).any()
    found = refine([A], [one_hot(1, 0.9)], nms_method=method)
    np.testing.assert_allclose(found[0], [*A, 1, 0.9], atol=1e-6)
    assert not found[1:].any()


def test_linear_soft_nms_drops_an_exact_copy():
    """Its IoU is 1, so its score becomes 0."""
    assert refine([A, A], [one_hot(1, 0.9), one_hot(1, 0.8)], nms_method="linear", min_confidence=0).any(axis=1).sum() == 1


def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match="nms_method = 'soft': one of hard, linear, gaussian"):
        detections.DetectionLayer(4, 0.5, 0.3, nms_method="soft")
