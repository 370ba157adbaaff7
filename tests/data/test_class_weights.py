"""Weights of the classes from their counts."""

import numpy as np
import pytest

from mrcnn.data import class_weights

COUNTS = [7, 100, 10, 1]


def test_inverse_frequency_by_hand():
    """1/100, 1/10 and 1, times 111 / 3, so that each class weighs 37 in all."""
    np.testing.assert_allclose(class_weights.from_counts(COUNTS), [1, 0.37, 3.7, 37])


def test_square_root_by_hand():
    """Counts 16 and 4: 1/4 and 1/2, of which the instances' mean is (16/4 + 4/2) / 20 = 0.3."""
    np.testing.assert_allclose(class_weights.from_counts([0, 16, 4], "sqrt"), [1, 0.25 / 0.3, 0.5 / 0.3])


def test_effective_number_by_hand():
    """β = 1/2: effective numbers of 1, 2 and 3 instances are 1, 1.5 and 1.75."""
    raw = np.array([1, 1 / 1.5, 1 / 1.75])
    expected = raw * 6 / (raw * [1, 2, 3]).sum()
    np.testing.assert_allclose(class_weights.from_counts([0, 1, 2, 3], "effective", beta=0.5)[1:], expected)


def test_effective_number_runs_from_no_weights_to_the_inverse_frequency():
    np.testing.assert_allclose(class_weights.from_counts(COUNTS, "effective", beta=0.0), np.ones(4))
    np.testing.assert_allclose(class_weights.from_counts(COUNTS, "effective", beta=1 - 1e-9), class_weights.from_counts(COUNTS), rtol=1e-6)


@pytest.mark.parametrize("method", class_weights.METHODS)
def test_instances_together_weigh_what_they_do_without_weights_and_rare_ones_more(method):
    weights = class_weights.from_counts(COUNTS, method)
    assert (weights[1:] * COUNTS[1:]).sum() == pytest.approx(111) and weights[0] == 1
    assert weights[1] < weights[2] < weights[3]


@pytest.mark.parametrize("method", class_weights.METHODS)
def test_equal_counts_give_equal_weights(method):
    np.testing.assert_allclose(class_weights.from_counts([0, 5, 5, 5], method), np.ones(4))


def test_a_class_without_instances_changes_nothing_for_the_others():
    with_empty = class_weights.from_counts([0, 90, 0, 10])
    np.testing.assert_allclose(with_empty[[0, 1, 3]], class_weights.from_counts([0, 90, 10]))
    assert with_empty[2] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([5],), r"\[NUM_CLASSES\] whole numbers"), (([0, -1],), "whole numbers"), (([0, 1.5],), "whole numbers"), (([0, np.nan],), "whole numbers"),
        (([[1, 2]],), "whole numbers"), (([9, 0, 0],), "no class has an instance"), ((COUNTS, "log"), "method 'log': one of inverse"),
        ((COUNTS, "effective", 1.0), "beta = 1.0"),
    ],
)  # fmt: skip
def test_what_no_weights_follow_from_is_refused(arguments, message):
    counts, *rest = arguments
    keywords = dict(zip(("method", "beta"), rest, strict=False))
    with pytest.raises(ValueError, match=message):
        class_weights.from_counts(counts, **keywords)
