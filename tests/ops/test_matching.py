import numpy as np
import pytest

from mrcnn.ops import matching


def test_the_better_prediction_chooses_first_and_the_other_takes_what_is_left():
    pred_match, gt_match = matching.greedy(np.array([[0.7, 0.6], [0.9, 0.5]]), 0.5)
    assert pred_match.tolist() == [0, 1]
    assert gt_match.tolist() == [0, 1]


def test_a_duplicate_matches_nothing():
    pred_match, gt_match = matching.greedy(np.array([[0.6], [0.9]]), 0.5)
    assert pred_match.tolist() == [0, -1]
    assert gt_match.tolist() == [0]


def test_an_overlap_equal_to_the_threshold_matches_and_one_below_does_not():
    pred_match, _ = matching.greedy(np.array([[0.5, 0.0], [0.0, np.nextafter(0.5, 0)]]), 0.5)
    assert pred_match.tolist() == [0, -1]


@pytest.mark.parametrize("threshold", [0.7, np.float64(0.7), np.arange(0.5, 1, 0.05)[4]])
def test_seven_tenths_reach_seven_tenths_in_float32_too(threshold):
    overlaps = np.array([[7.0]], np.float32) / np.float32(10)
    assert matching.greedy(overlaps, threshold)[0].tolist() == [0]


def test_nan_matches_nothing():
    assert matching.greedy(np.array([[np.nan]]), 0.0)[0].tolist() == [-1]


def test_incompatible_pairs_do_not_match_however_much_they_overlap():
    pred_match, _ = matching.greedy(np.array([[0.9, 0.6]]), 0.5, compatible=np.array([[False, True]]))
    assert pred_match.tolist() == [1]


def test_of_equal_overlaps_the_last_instance_is_taken():
    assert matching.greedy(np.array([[0.8, 0.8, 0.1]]), 0.5)[0].tolist() == [1]


def test_a_crowd_takes_any_number_but_only_what_no_instance_takes():
    overlaps = np.array([[0.6, 1.0], [0.6, 1.0], [0.0, 1.0], [0.0, 0.4]])
    pred_match, gt_match = matching.greedy(overlaps, 0.5, reusable=np.array([False, True]))
    assert pred_match.tolist() == [0, 1, 1, -1]
    assert gt_match.tolist() == [0, 1]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_without_predictions_or_instances_nothing_matches(shape):
    pred_match, gt_match = matching.greedy(np.zeros(shape), 0.5)
    assert pred_match.tolist() == [-1] * shape[0]
    assert gt_match.tolist() == [-1] * shape[1]


def test_overlaps_that_are_no_matrix_are_refused():
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        matching.greedy(np.zeros(3), 0.5)


def test_rank_puts_the_best_first_and_of_equal_scores_the_last():
    assert matching.rank(np.array([0.1, 0.5, 0.9, 0.5])).tolist() == [2, 3, 1, 0]


def test_rank_of_nothing_is_nothing():
    assert matching.rank(np.zeros(0)).tolist() == []
