"""Suppression: the portable form and TensorFlow's kernel, both held to the greedy algorithm."""

import numpy as np
import pytest
import slow_reference
from backend_tools import TENSORFLOW, arrays, compiled
from keras import ops

from mrcnn.ops import nms

pytestmark = pytest.mark.portable


def random_boxes(seed, batch, count, zero_area=0.0, grid=None):
    """[B, N, 4] float32 in the unit square; on a grid IoUs repeat and ties are common."""
    rng = np.random.default_rng(seed)
    corners = rng.random((batch, count, 2))
    sizes = rng.random((batch, count, 2)) * 0.4
    sizes[rng.random((batch, count)) < zero_area] *= [0.0, 1.0]
    boxes = np.concatenate([corners, corners + sizes], axis=-1).clip(0, 1)
    if grid:
        boxes = np.round(boxes * grid) / grid
    return boxes.astype("float32")


def portable(boxes, valid, threshold, max_output):
    return compiled(lambda b, v: nms.select(nms.suppress(b, v, threshold), max_output))(ops.convert_to_tensor(boxes), ops.convert_to_tensor(valid))


def kernel(boxes, valid, threshold, max_output):
    from mrcnn.ops import _tensorflow

    return _tensorflow.non_max_suppression(ops.convert_to_tensor(boxes), ops.convert_to_tensor(valid), threshold, max_output)


IMPLEMENTATIONS = [portable, *([kernel] if TENSORFLOW else [])]
each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS, ids=lambda f: f.__name__)


def check(implementation, boxes, valid, threshold, max_output):
    indices, kept = arrays(implementation(boxes, valid, threshold, max_output))
    assert indices.shape == kept.shape == (len(boxes), max_output)
    assert indices.dtype == np.int32 and kept.dtype == bool
    for i in range(len(boxes)):
        expected = slow_reference.first_kept(slow_reference.greedy_nms(boxes[i], valid[i], threshold), max_output)
        np.testing.assert_array_equal(indices[i], expected[0])
        np.testing.assert_array_equal(kept[i], expected[1])


@each_implementation
@pytest.mark.parametrize(("batch", "count"), [(1, 1), (1, 32), (2, 5), (2, 33), (2, 96), (1, 90)])
def test_result_is_that_of_the_greedy_algorithm(implementation, batch, count, monkeypatch):
    monkeypatch.setattr(nms, "TILE", 32)  # several tiles, some not full
    check(implementation, random_boxes(count, batch, count), np.ones((batch, count), bool), 0.3, 30)


@each_implementation
def test_more_boxes_than_a_tile_of_the_real_size(implementation):
    check(implementation, random_boxes(3, 1, nms.TILE + 44), np.ones((1, nms.TILE + 44), bool), 0.5, 400)


@each_implementation
@pytest.mark.parametrize("seed", range(2))
def test_ties_and_equal_boxes(implementation, seed):
    """A grid of 4: most IoUs repeat, many boxes are equal, some have no area. 0.45 is no IoU that can be reached."""
    check(implementation, random_boxes(seed, 2, 90, zero_area=0.2, grid=4), np.ones((2, 90), bool), 0.45, 90)


@each_implementation
def test_rows_that_are_not_valid_neither_stay_nor_suppress(implementation):
    boxes = random_boxes(5, 2, 80)
    valid = np.random.default_rng(1).random((2, 80)) < 0.6
    check(implementation, boxes, valid, 0.3, 80)
    check(implementation, boxes, np.zeros((2, 80), bool), 0.3, 10)


@each_implementation
def test_overlap_equal_to_the_threshold_is_kept(implementation):
    """[0, 0, 2, 2] and [0, 0, 2, 4] share 4 of 8."""
    boxes = np.array([[[0, 0, 2, 2], [0, 0, 2, 4]]], "float32")
    valid = np.ones((1, 2), bool)
    assert arrays(implementation(boxes, valid, 0.5, 2)[1]).tolist() == [[True, True]]
    assert arrays(implementation(boxes, valid, 0.499, 2)[1]).tolist() == [[True, False]]


@each_implementation
def test_boxes_without_area_overlap_nothing(implementation):
    boxes = np.array([[[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 2, 2], [0, 0, 0, 2]]], "float32")
    assert arrays(implementation(boxes, np.ones((1, 4), bool), 0.1, 4)[1]).all()


def test_no_boxes():
    indices, kept = arrays(nms.non_max_suppression(ops.zeros((2, 0, 4)), ops.zeros((2, 0), "bool"), 0.5, 3))
    assert indices.tolist() == [[0, 0, 0]] * 2 and not kept.any()


@each_implementation
def test_room_for_fewer_and_for_more_than_there_are(implementation):
    boxes, valid = random_boxes(7, 2, 20), np.ones((2, 20), bool)
    check(implementation, boxes, valid, 0.5, 1)
    check(implementation, boxes, valid, 0.5, 50)


def test_a_suppressed_box_suppresses_nothing():
    """a overlaps b, b overlaps c, a and c are apart: b goes, c stays."""
    boxes = np.array([[[0, 0, 4, 4], [0, 2, 4, 6], [0, 4, 4, 8]]], "float32")
    for implementation in IMPLEMENTATIONS:
        assert arrays(implementation(boxes, np.ones((1, 3), bool), 0.3, 3)[0]).tolist() == [[0, 2, 0]]


def test_long_chain_settles_within_a_tile():
    """Each box overlaps only its neighbours: every second one stays, and the tile needs as many rounds as it has boxes."""
    count = 100
    left = np.arange(count) * 2.0
    boxes = np.stack([np.zeros(count), left, np.ones(count), left + 3.5], axis=1)[None].astype("float32")
    kept = arrays(compiled(lambda b, v: nms.suppress(b, v, 0.2))(ops.convert_to_tensor(boxes), ops.ones((1, count), "bool")))
    np.testing.assert_array_equal(kept[0], np.arange(count) % 2 == 0)


def test_the_last_box_of_a_tile_suppresses_in_the_next_tile(monkeypatch):
    """Tiles of 4; of six squares in a row number 4 lies on number 3."""
    monkeypatch.setattr(nms, "TILE", 4)
    boxes = np.array([[[0, x, 1, x + 1] for x in (0, 2, 4, 6, 6, 10)]], "float32")
    kept = arrays(compiled(lambda b, v: nms.suppress(b, v, 0.5))(ops.convert_to_tensor(boxes), ops.ones((1, 6), "bool")))
    assert kept[0].tolist() == [True, True, True, True, False, True]


@pytest.mark.parametrize("tile", [16, 256])
def test_groups_suppress_among_themselves_only(tile, monkeypatch):
    monkeypatch.setattr(nms, "TILE", tile)
    boxes = random_boxes(11, 2, 70)
    groups = np.random.default_rng(2).integers(1, 4, (2, 70)).astype("int32")
    valid = np.random.default_rng(3).random((2, 70)) < 0.8
    kept = arrays(compiled(lambda b, v, g: nms.suppress(b, v, 0.3, groups=g))(*map(ops.convert_to_tensor, (boxes, valid, groups))))
    for i in range(2):
        np.testing.assert_array_equal(kept[i], slow_reference.greedy_nms(boxes[i], valid[i], 0.3, groups[i]))


def test_the_backends_own_answer_is_the_portable_one():
    boxes, valid = random_boxes(13, 2, 150), np.random.default_rng(4).random((2, 150)) < 0.9
    own = arrays(compiled(lambda b, v: nms.non_max_suppression(b, v, 0.4, 60))(*map(ops.convert_to_tensor, (boxes, valid))))
    for a, b in zip(own, arrays(portable(boxes, valid, 0.4, 60)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_select_gives_rising_indices_then_zeros():
    kept = np.array([[False, True, False, True, True], [False] * 5])
    indices, filled = arrays(nms.select(ops.convert_to_tensor(kept), 4))
    assert indices.tolist() == [[1, 3, 4, 0], [0, 0, 0, 0]]
    assert filled.tolist() == [[True, True, True, False], [False] * 4]
    assert arrays(nms.select(ops.convert_to_tensor(kept), 2)[0]).tolist() == [[1, 3], [0, 0]]


def soft(boxes, scores, valid, max_output, groups=None, **options):
    tensors = [ops.convert_to_tensor(v) for v in (boxes, scores, valid, *([] if groups is None else [groups]))]
    call = compiled(lambda b, s, v, g=None: nms.soften(b, s, v, max_output, groups=g, **options))
    return arrays(call(*tensors))


@pytest.mark.parametrize("method", ["linear", "gaussian"])
@pytest.mark.parametrize(("batch", "count", "max_output"), [(2, 40, 12), (1, 7, 9)])
@pytest.mark.parametrize("classes", [None, 3])
def test_soft_suppression_is_that_of_the_papers_algorithm(method, batch, count, max_output, classes):
    rng = np.random.default_rng(count)
    boxes, scores = random_boxes(count, batch, count), rng.random((batch, count)).astype("float32")
    valid = rng.random((batch, count)) < 0.8
    groups = None if classes is None else rng.integers(0, classes, (batch, count)).astype("int32")
    options = {"method": method, "threshold": 0.3, "sigma": 0.5}
    indices, lowered, filled = soft(boxes, scores, valid, max_output, groups, **options)
    assert indices.shape == lowered.shape == filled.shape == (batch, max_output)
    for i in range(batch):
        own = None if groups is None else groups[i]
        expected, final = slow_reference.soft_nms(boxes[i], scores[i], valid[i], max_output, groups=own, **options)
        assert indices[i][filled[i]].tolist() == expected
        np.testing.assert_allclose(lowered[i][filled[i]], final, atol=1e-6)
        assert not indices[i][~filled[i]].any() and not lowered[i][~filled[i]].any()


def test_soft_suppression_of_no_boxes():
    indices, lowered, filled = soft(np.zeros((2, 0, 4), "float32"), np.zeros((2, 0), "float32"), np.zeros((2, 0), bool), 3,
                                    method="linear", threshold=0.3, sigma=0.5)  # fmt: skip
    assert not indices.any() and not lowered.any() and not filled.any()
