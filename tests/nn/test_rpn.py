"""Anchors of the graph, and the choice of proposals."""

import keras
import numpy as np
import pytest
from backend_tools import arrays, compiled
from keras import ops

from mrcnn.nn import rpn
from mrcnn.ops import anchors, boxes

pytestmark = pytest.mark.portable

SCALES, RATIOS, STRIDES = (8, 16, 32, 64, 128), [0.5, 1, 2], [4, 8, 16, 32, 64]


@pytest.mark.parametrize("anchor_stride", [1, 2])
@pytest.mark.parametrize("size", [(64, 128), (192, 64)])
def test_anchors_of_the_graph_are_those_of_the_loader(size, anchor_stride):
    shapes = anchors.feature_shapes((*size, 3), STRIDES)
    inputs = [ops.zeros((2, *size, 3)), *[ops.zeros((2, *map(int, s), 1)) for s in shapes]]
    layer = rpn.AnchorsLayer(SCALES, RATIOS, STRIDES, anchor_stride)
    found = arrays(compiled(lambda *i: layer(list(i)))(*inputs))
    expected = boxes.normalize(anchors.generate_pyramid(SCALES, RATIOS, shapes, STRIDES, anchor_stride), size)
    np.testing.assert_allclose(found, np.stack([expected] * 2), atol=1e-6)


def propose(probs, deltas, anchor_boxes, **options):
    options = {"proposal_count": 3, "nms_threshold": 0.7, "pre_nms_limit": 10, "std_dev": [0.1, 0.1, 0.2, 0.2]} | options
    probs = np.stack([1 - np.float32(probs), np.float32(probs)], axis=-1)
    inputs = [ops.convert_to_tensor(np.float32(v)[None]) for v in (probs, deltas, anchor_boxes)]
    layer = rpn.ProposalLayer(**options)
    return arrays(compiled(lambda *i: layer(list(i)))(*inputs))[0]


A, B, C = [0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 0.9, 0.9], [0.1, 0.1, 0.3, 0.31]


def test_proposals_by_hand():
    """Best first; C overlaps A too much; dy = 1 moves B by 0.1 of its height 0.4."""
    found = propose([0.8, 0.9, 0.7], [[0] * 4, [1, 0, 0, 0], [0] * 4], [A, B, C])
    np.testing.assert_allclose(found, np.float32([[0.54, 0.5, 0.94, 0.9], A, [0] * 4]), atol=1e-6)


def test_only_the_best_before_suppression_take_part():
    found = propose([0.8, 0.9, 0.7], np.zeros((3, 4)), [A, B, C], pre_nms_limit=1)
    np.testing.assert_allclose(found, np.float32([B, [0] * 4, [0] * 4]))


def test_proposals_are_clipped_to_the_image():
    found = propose([0.9], [[0] * 4], [[-0.2, 0.5, 0.4, 1.7]])
    np.testing.assert_allclose(found[0], [0, 0.5, 0.4, 1], atol=1e-6)


def test_huge_deltas_stay_finite_under_the_limit():
    assert np.isfinite(propose([0.9], [[0, 0, 900, 900]], [A], max_log=4.0)).all()


def test_logits_probabilities_and_deltas_are_ordered_by_cell_then_ratio():
    """Kernel 0: the outputs are the biases, channel 2 * ratio + (background, object)."""
    model = rpn.build_rpn_model(1, 3, 4)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(np.zeros(layer.kernel.shape))
            layer.bias.assign(np.arange(layer.bias.shape[0], dtype="float32"))
    logits, probs, deltas = arrays(model(ops.zeros((1, 2, 2, 4))))
    np.testing.assert_array_equal(logits[0], [[0, 1], [2, 3], [4, 5]] * 4)
    np.testing.assert_allclose(probs.sum(-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(deltas[0], [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]] * 4)
