"""Choosing rows with static shapes."""

from fractions import Fraction

import numpy as np
import pytest
from backend_tools import arrays
from keras import ops

from mrcnn.ops import sampling

pytestmark = pytest.mark.portable


def tensors(*values):
    return [ops.convert_to_tensor(v) for v in values]


def test_take_rows_gathers_image_by_image():
    values = np.arange(24).reshape(2, 4, 3).astype("float32")
    found = arrays(sampling.take_rows(*tensors(values, np.int32([[3, 0], [1, 1]]))))
    np.testing.assert_array_equal(found, [[values[0, 3], values[0, 0]], [values[1, 1], values[1, 1]]])


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 1), (1, 4, 2, 3)])
def test_take_rows_of_any_rank_and_dtype(shape):
    values = np.random.default_rng(0).integers(0, 99, shape).astype("int32")
    indices = np.random.default_rng(1).integers(0, 4, (shape[0], 5)).astype("int32")
    found = arrays(sampling.take_rows(*tensors(values, indices)))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, np.stack([v[i] for v, i in zip(values, indices, strict=True)]))


def test_take_no_rows():
    assert arrays(sampling.take_rows(*tensors(np.zeros((2, 4, 3)), np.zeros((2, 0), "int32")))).shape == (2, 0, 3)


def test_random_subset_takes_the_candidates_of_highest_priority():
    candidates = np.array([[True, False, True, True], [False, False, True, False], [False] * 4])
    priorities = np.float32([[0.1, 0.9, 0.5, 0.3]] * 3)
    indices, valid = arrays(sampling.random_subset(*tensors(candidates, priorities), 2))
    assert indices.tolist() == [[2, 3], [2, 0], [0, 0]]
    assert valid.tolist() == [[True, True], [True, False], [False, False]]
    assert indices.dtype == np.int32 and valid.dtype == bool


def test_random_subset_with_more_slots_than_rows():
    indices, valid = arrays(sampling.random_subset(*tensors(np.array([[True, False, True]]), np.float32([[0.2, 0.3, 0.0]])), 5))
    assert indices.tolist() == [[0, 2, 0, 0, 0]] and valid.tolist() == [[True, True, False, False, False]]


def test_random_subset_of_no_rows():
    indices, valid = arrays(sampling.random_subset(ops.zeros((2, 0), "bool"), ops.zeros((2, 0)), 3))
    assert indices.tolist() == [[0, 0, 0]] * 2 and not valid.any()


def test_random_subset_is_uniform():
    """Of 6 candidates 3 are chosen: each half of the time, within 4 standard deviations of 2000 draws."""
    priorities = np.random.default_rng(0).random((2000, 8)).astype("float32")
    candidates = np.broadcast_to(np.arange(8) < 6, (2000, 8))
    indices, valid = arrays(sampling.random_subset(*tensors(candidates, priorities), 3))
    assert valid.all() and (np.diff(np.sort(indices), axis=1) > 0).all()
    shares = np.bincount(indices.ravel(), minlength=8) / 2000
    np.testing.assert_allclose(shares, [0.5] * 6 + [0, 0], atol=4 * 0.5 / 2000**0.5)


def test_valid_first_sorts_by_category_and_keeps_the_order_within():
    found = arrays(sampling.valid_first(ops.convert_to_tensor(np.int32([[0, 1, 2, 1, 2, 0], [0, 0, 0, 0, 0, 1]])), 5))
    assert found.tolist() == [[2, 4, 1, 3, 0], [5, 0, 1, 2, 3]]


@pytest.mark.parametrize("ratio", [0.33, 0.25, 0.05, 1.0, 0.5, 1 / 3])
def test_negatives_are_the_exact_whole_number(ratio):
    positives = np.arange(0, 400, dtype="int32")
    exact = Fraction(ratio).limit_denominator(10**6)
    expected = [int(Fraction(int(p)) / exact) - p for p in positives]
    found = arrays(sampling.negatives_for(ops.convert_to_tensor(positives), ratio))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)


def test_negatives_by_hand():
    assert arrays(sampling.negatives_for(ops.convert_to_tensor(np.int32([0, 1, 33, 66])), 0.33)).tolist() == [0, 2, 67, 134]
    assert arrays(sampling.negatives_for(ops.convert_to_tensor(np.int32([0, 5])), 1.0)).tolist() == [0, 0]
