"""mrcnn.ops.suppression: hand-worked heaps, and the network's own suppression."""

import numpy as np
from keras import ops

from mrcnn.ops import nms, suppression

# IoU of neighbours 9 / 11, of the first and the third 8 / 12.
HEAP = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [0, 2, 10, 12]])


def test_what_a_dropped_box_overlaps_is_kept():
    assert suppression.suppressors(HEAP, 0.7).tolist() == [-1, 0, -1]


def test_the_best_box_that_overlaps_is_named():
    assert suppression.suppressors(HEAP[[0, 2, 1]], 0.7).tolist() == [-1, -1, 0]


def test_the_lesser_boxs_own_threshold_decides():
    assert suppression.suppressors(HEAP, np.array([0.9, 0.9, 0.5])).tolist() == [-1, -1, 0]


def test_groups_do_not_suppress_one_another():
    assert suppression.suppressors(HEAP, 0.5, groups=np.array([1, 2, 1])).tolist() == [-1, -1, 0]


def test_none_and_boxes_without_area():
    assert suppression.suppressors(np.zeros((0, 4)), 0.5).tolist() == []
    assert suppression.suppressors(np.array([[3, 3, 3, 9]] * 2), 0.0).tolist() == [-1, -1]


def test_equals_the_networks_suppression():
    rng = np.random.default_rng(0)
    corners = rng.random((400, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + rng.random((400, 2)).astype(np.float32) * 0.3], axis=1)
    groups = rng.integers(0, 3, 400).astype(np.int32)
    kept = nms.suppress(ops.convert_to_tensor(boxes[None]), np.ones((1, 400), bool), 0.3, groups=ops.convert_to_tensor(groups[None]))
    ours = suppression.suppressors(boxes, 0.3, groups) == suppression.KEPT
    np.testing.assert_array_equal(ours, ops.convert_to_numpy(kept)[0])
    assert 10 < ours.sum() < 390
