import numpy as np
import pytest
from small_detections import collected_image as image

from mrcnn.evaluation import confusion, operating, overlaps
from mrcnn.evaluation.accumulator import APAccumulator
from mrcnn.evaluation.collected import Collected


def matrix(truth, found, **wishes):
    return confusion.matrix(Collected(["BG", "a", "b"], [image(truth, found)]), **wishes).tolist()


A, B, FAR = (0, 0, 20, 20), (50, 50, 70, 70), (80, 80, 90, 90)


def test_found_missed_taken_for_another_and_invented():
    truth = [(1, *A), (2, *B), (1, *FAR)]
    found = [(1, 0.9, *A), (1, 0.8, *B), (2, 0.7, 30, 0, 40, 10)]
    assert matrix(truth, found) == [[0, 0, 1], [1, 1, 0], [0, 1, 0]]


def test_a_second_detection_of_another_class_is_a_false_alarm():
    assert matrix([(1, *A)], [(2, 0.9, *A), (1, 0.8, *A)]) == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_crowds_and_what_lies_on_them_are_not_counted():
    assert matrix([(-1, 0, 0, 60, 60)], [(1, 0.9, *A), (2, 0.8, 30, 30, 40, 40)]) == [[0] * 3] * 3


def test_a_cut_for_all_or_for_each_class():
    truth, found = [(1, *A), (2, *B)], [(1, 0.6, *A), (2, 0.6, *B)]
    assert matrix(truth, found, score=0.7) == [[0, 0, 0], [1, 0, 0], [1, 0, 0]]
    assert matrix(truth, found, score={1: 0.6, 2: 0.7}) == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert matrix(truth, found, score={2: 0.7}) == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]


def test_rows_hold_the_instances_and_columns_the_detections():
    rng = np.random.default_rng(0)
    images = []
    for i in range(5):
        corners = rng.integers(0, 60, (12, 2))
        boxes = [(int(y), int(x), int(y) + 30, int(x) + 30) for y, x in corners]
        truth = [(int(rng.integers(1, 3)), *box) for box in boxes[:5]]
        images.append(image(truth, [(int(rng.integers(1, 3)), float(rng.random()), *box) for box in boxes[3:]], i))
    counts = confusion.matrix(Collected(["BG", "a", "b"], images), score=0.2, iou_threshold=0.3)
    assert counts[1:].sum() == 25 and counts[0, 0] == 0
    assert counts[:, 1:].sum() == sum(int((one.scores >= 0.2).sum()) for one in images)


def test_an_image_with_nothing_counts_nothing():
    assert matrix([], []) == [[0] * 3] * 3


def ranked(scores, correct, instances):
    gathered = APAccumulator(num_classes=2)
    table = np.zeros((len(scores), instances))
    for column, row in enumerate(np.flatnonzero(correct)):
        table[row, column] = 1
    gathered.add_overlaps([1] * instances, [1] * len(scores), np.array(scores, float), table)
    return gathered


def test_the_best_point_is_the_highest_score_of_the_best_f1():
    point = operating.best(ranked([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], 2))[1]
    assert (point.score, point.precision, point.recall, point.f1) == (0.7, 2 / 3, 1.0, 0.8)
    assert (point.detections, point.found, point.instances) == (3, 2, 2)


def test_equal_scores_are_kept_together():
    point = operating.best(ranked([0.9, 0.9, 0.9], [1, 0, 0], 1))[1]
    assert (point.detections, point.precision, point.f1) == (3, 1 / 3, 0.5)


@pytest.mark.parametrize(("scores", "correct", "instances", "f1"), [([], [], 2, 0.0), ([0.5], [0], 2, 0.0), ([0.5], [0], 0, None)])
def test_a_class_without_a_right_detection_has_no_threshold(scores, correct, instances, f1):
    point = operating.best(ranked(scores, correct, instances))[1]
    assert point.score == float("inf") and point.detections == 0 and np.isnan(point.precision)
    assert np.isnan(point.f1) if f1 is None else point.f1 == f1


def test_cut_at_a_given_score():
    gathered = ranked([0.9, 0.8, 0.7], [1, 0, 1], 2)
    assert operating.at(gathered, 0.8)[1].precision == 0.5
    assert operating.at(gathered, {1: 0.9})[1].precision == 1 and operating.at(gathered, {})[1].recall == 1


def test_overlaps_of_boxes_and_masks_are_the_same_for_rectangles():
    one = image([(1, *A), (-2, *B)], [(1, 0.9, 5, 5, 25, 20), (2, 0.8, 55, 55, 75, 65)])
    np.testing.assert_allclose(overlaps.of_image(one, "segm"), overlaps.of_image(one, "bbox"))


def test_overlaps_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"overlaps \(1, 2\) of 1 detections"):
        APAccumulator(2).add_overlaps([1], [1], np.array([0.5]), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="num_classes is 2"):
        APAccumulator(2).add_overlaps([1], [2], np.array([0.5]), np.zeros((1, 1)))
