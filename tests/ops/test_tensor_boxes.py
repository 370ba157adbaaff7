"""Box arithmetic on tensors: by hand, and against its NumPy twin."""

import math

import numpy as np
import pytest
from backend_tools import arrays, compiled, gradient
from keras import ops

from mrcnn.ops import boxes, tensor_boxes

pytestmark = pytest.mark.portable


def random_boxes(seed, *shape):
    rng = np.random.default_rng(seed)
    corners = rng.random((*shape, 2)) * 90
    return np.concatenate([corners, corners + 1 + rng.random((*shape, 2)) * 60], axis=-1).astype("float32")


def call(function, *values, **options):
    return arrays(compiled(lambda *tensors: function(*tensors, **options))(*(ops.convert_to_tensor(v) for v in values)))


def test_area_by_hand_and_of_inverted_boxes_zero():
    assert call(tensor_boxes.area, np.float32([[0, 0, 2, 3], [1, 1, 1, 5], [4, 0, 2, 3], [4, 4, 2, 2]])).tolist() == [6, 0, 0, 0]


def test_iou_by_hand():
    """[0, 0, 2, 2] and [0, 1, 2, 3] share 2 of 6."""
    found = call(tensor_boxes.iou, np.float32([[0, 0, 2, 2]]), np.float32([[0, 1, 2, 3], [0, 0, 2, 2], [5, 5, 6, 6], [2, 0, 4, 2]]))
    np.testing.assert_allclose(found, [[1 / 3, 1, 0, 0]], rtol=1e-6)


def test_iou_is_that_of_the_numpy_twin_image_by_image():
    a, b = random_boxes(0, 2, 7), random_boxes(1, 2, 5)
    found = call(tensor_boxes.iou, a, b)
    for i in range(2):
        np.testing.assert_allclose(found[i], boxes.iou(a[i], b[i]), atol=1e-6)


def test_ioa_is_that_of_the_numpy_twin_image_by_image():
    first, second = random_boxes(2, 2, 5), random_boxes(3, 2, 4)
    first[0, 0] = 0.5  # no area
    found = call(tensor_boxes.ioa, first, second)
    for i in range(2):
        np.testing.assert_allclose(found[i], boxes.ioa(first[i], second[i]), atol=1e-5)
    assert not found[0, 0].any()


def test_iou_without_area_is_zero_and_its_gradient_finite():
    flat = np.float32([[1, 1, 1, 1], [0, 0, 0, 5], [0, 0, 2, 2]])
    assert call(tensor_boxes.iou, flat, flat).tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
    found = gradient(lambda a: ops.sum(tensor_boxes.iou(a, ops.convert_to_tensor(flat))), flat)
    assert np.isfinite(found[0]).all()


def test_iou_of_no_boxes():
    assert call(tensor_boxes.iou, np.zeros((2, 0, 4), "float32"), np.zeros((2, 3, 4), "float32")).shape == (2, 0, 3)


def test_encode_by_hand():
    """10 x 10 at (0, 0) to 20 x 5 at (5, 10): the centre moves by (10, 7.5), the height doubles, the width halves."""
    found = call(tensor_boxes.encode, np.float32([0, 0, 10, 10]), np.float32([5, 10, 25, 15]))
    np.testing.assert_allclose(found, [1.0, 0.75, math.log(2), math.log(0.5)], rtol=1e-6)


@pytest.mark.parametrize("shape", [(50,), (2, 9), (2, 3, 4)])
def test_decode_inverts_encode(shape):
    a, b = random_boxes(2, *shape), random_boxes(3, *shape)
    deltas = call(tensor_boxes.encode, a, b)
    np.testing.assert_allclose(call(tensor_boxes.decode, a, deltas), b, atol=1e-3)  # of boxes up to 150


def test_encode_and_decode_are_those_of_the_numpy_twin():
    a, b = random_boxes(4, 20), random_boxes(5, 20)
    deltas = boxes.encode(a, b)
    np.testing.assert_allclose(call(tensor_boxes.encode, a, b), deltas, atol=1e-6)
    np.testing.assert_allclose(call(tensor_boxes.decode, a, deltas), boxes.decode(a, deltas), atol=1e-4)


def test_decode_limits_the_logarithm_from_above_only():
    box, limit = np.float32([0, 0, 1, 1]), math.log(1000 / 16)
    grown = call(tensor_boxes.decode, box, np.float32([0, 0, 800.0, 90.0]), max_log=limit)
    np.testing.assert_allclose(grown[2:] - grown[:2], [62.5, 62.5], rtol=1e-5)
    assert not np.isfinite(call(tensor_boxes.decode, box, np.float32([0, 0, 800.0, 0]))).all()  # the original
    shrunk = call(tensor_boxes.decode, box, np.float32([0, 0, -9.0, 0]), max_log=limit)
    np.testing.assert_allclose(shrunk[2] - shrunk[0], math.exp(-9), rtol=1e-2)


def test_gradient_of_a_limited_delta_is_finite():
    box = ops.convert_to_tensor(np.float32([0, 0, 1, 1]))
    found = gradient(lambda d: ops.sum(tensor_boxes.decode(box, d, 4.0) ** 2), np.float32([0, 0, 800.0, 1.0]))[0]
    assert np.isfinite(found).all() and found[2] == 0 and found[3] != 0


def test_clip_to_one_window_and_to_a_window_an_image():
    values = np.float32([[[-3, 2, 5, 99], [20, 20, 30, 30]]] * 2)
    assert call(tensor_boxes.clip, values, window=(0, 0, 10, 10))[0].tolist() == [[0, 2, 5, 10], [10, 10, 10, 10]]
    windows = ops.convert_to_tensor(np.float32([[0, 0, 10, 10], [1, 3, 25, 25]]))[:, None]
    found = call(tensor_boxes.clip, values, window=windows)
    assert found[1].tolist() == [[1, 3, 5, 25], [20, 20, 25, 25]]
    np.testing.assert_array_equal(found[0], boxes.clip(values[0], (0, 0, 10, 10)))


def test_normalize_and_back_are_those_of_the_numpy_twin():
    pixels = np.random.default_rng(6).integers(0, 90, (2, 8, 4)).astype("int32")
    unit = call(tensor_boxes.normalize, pixels, height=100, width=51)
    np.testing.assert_allclose(unit, boxes.normalize(pixels, (100, 51)), atol=1e-6)
    np.testing.assert_array_equal(call(tensor_boxes.denormalize, unit, height=100, width=51), pixels)


def test_whole_image_is_the_unit_square():
    assert call(tensor_boxes.normalize, np.float32([0, 0, 100, 50]), height=100, width=50).tolist() == [0, 0, 1, 1]
    assert call(tensor_boxes.denormalize, np.float32([0, 0, 1, 1]), height=100, width=50).tolist() == [0, 0, 100, 50]


def test_denormalize_rounds_half_to_even():
    assert call(tensor_boxes.denormalize, np.float32([0.5, 1.5, 1.5, 2.5]), height=2, width=2).tolist() == [0, 2, 2, 4]
