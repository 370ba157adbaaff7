"""F1 and average precision of attributes, by hand."""

import numpy as np
import pytest

from mrcnn.evaluation.attributes import AttributeAccumulator
from mrcnn.ops import rle
from mrcnn.results import Detections


def squares(count):
    masks = np.zeros((4, 4 * count, count), bool)
    for i in range(count):
        masks[:, 4 * i : 4 * i + 4, i] = True
    return masks


def found(class_ids, told, scores=None, masks=None):
    masks = squares(len(class_ids)) if masks is None else masks
    rois = [[0, 4 * i, 4, 4 * i + 4] for i in range(len(class_ids))]
    scores = np.linspace(0.9, 0.5, len(class_ids)) if scores is None else scores
    return Detections(np.reshape(rois, (-1, 4)), class_ids, scores, masks, attributes=told)


def test_figures_by_hand():
    """Of four garments two are striped; striped is said of three, of one rightly. Red is known of two."""
    gathered = AttributeAccumulator(2)
    truth = [[1, 1], [0, 0], [1, -1], [0, -1]]
    gathered.add([1, 1, 1, 2], truth, found([1, 1, 1, 2], [[0.9, 0.2], [0.8, 0.7], [0.3, 0.9], [0.6, 0.9]]), squares(4))
    scores = gathered.result()
    assert scores.known.tolist() == [4, 2] and scores.positives.tolist() == [2, 1]
    assert scores.precision.tolist() == pytest.approx([1 / 3, 0]) and scores.recall.tolist() == [0.5, 0]
    assert scores.f1.tolist() == pytest.approx([2 / 5, 0])
    assert scores.ap.tolist() == pytest.approx([0.5 * 1 + 0.5 * 0.5, 0.5])  # ranks 1 and 4 of 4; 2 of 2
    # Of class 1 two of three are striped: the majority says it of all three. Always: of all four.
    assert scores.majority_f1.tolist() == pytest.approx([4 / 5, 0]) and scores.always_f1.tolist() == pytest.approx([4 / 6, 2 / 3])
    assert (scores.num_found, scores.num_instances) == (4, 4)
    assert scores.mean("f1") == pytest.approx(0.2)


def test_run_lengths_count_as_their_planes():
    gathered = [AttributeAccumulator(1), AttributeAccumulator(1)]
    for one, truth in zip(gathered, (squares(3), rle.encode_coco(squares(3))), strict=True):
        one.add([1, -1, 2], [[1], [0], [1]], found([1, 1, 2], [[0.9], [0.9], [0.2]]), truth)
    assert gathered[0].result().f1.tolist() == gathered[1].result().f1.tolist() == [pytest.approx(2 / 3)]


def test_only_what_was_found_counts_and_crowds_never():
    gathered = AttributeAccumulator(1)
    wrong_class = found([2, 1], [[0.9], [0.8]], masks=squares(3)[..., :2])  # the first is of another class, the third nobody saw
    gathered.add([1, 1, 1], [[0], [1], [1]], wrong_class, squares(3))
    gathered.add([-1], [[1]], found([1], [[0.9]]), squares(1))
    gathered.add([], np.zeros((0, 1)), found([], np.zeros((0, 1)), masks=np.zeros((4, 4, 0), bool)), np.zeros((4, 4, 0), bool))
    scores = gathered.result()
    assert (scores.num_found, scores.num_instances) == (1, 3) and scores.f1.tolist() == [1.0]


def test_the_surest_detection_speaks_for_an_instance():
    gathered = AttributeAccumulator(1)
    masks = squares(1)[..., [0, 0]]
    gathered.add([1], [[1]], Detections([[0, 0, 4, 4]] * 2, [1, 1], [0.3, 0.8], masks, attributes=[[0.1], [0.9]]), squares(1))
    assert gathered.result().f1.tolist() == [1.0]


def test_an_attribute_without_a_positive_is_in_no_mean():
    gathered = AttributeAccumulator(2)
    gathered.add([1], [[1, 0]], found([1], [[0.9, 0.9]]), squares(1))
    scores = gathered.result()
    assert np.isnan(scores.f1[1]) and np.isnan(scores.ap[1]) and scores.mean("f1") == scores.mean("ap") == 1.0
    empty = AttributeAccumulator(1)
    empty.add([1], [[-1]], found([1], [[0.9]]), squares(1))
    assert np.isnan(empty.result().mean("f1"))
    with pytest.raises(ValueError, match="no figure to draw an interval around"):
        empty.interval()


def test_interval_of_images_half_right():
    gathered = AttributeAccumulator(1)
    for said in (0.9, 0.1):
        gathered.add([1], [[1]], found([1], [[said]]), squares(1))
    interval = gathered.interval("recall", samples=200)
    assert (interval.value, interval.low, interval.high) == (0.5, 0.0, 1.0)


def test_table_names_the_attributes_most_frequent_first():
    gathered = AttributeAccumulator(2)
    gathered.add([1, 1], [[0, 1], [0, 1]], found([1, 1], [[0.1, 0.9], [0.2, 0.8]]), squares(2))
    head, first, second, means, last = gathered.result().table(["plain", "dots"]).splitlines()
    assert first.split()[:3] == ["dots", "1.000", "1.000"] and second.startswith("plain") and "–" in second
    assert means.startswith("mean: F1 1.000, AP 1.000") and last == "over the 2 of 2 instances that were found"


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="num_attributes = 0"):
        AttributeAccumulator(0)
    with pytest.raises(ValueError, match="No image was added"):
        AttributeAccumulator(1).result()
    without = Detections([[0, 0, 4, 4]], [1], [0.9], squares(1))
    for detections, truth in ((without, [[1, 0]]), (found([1], [[0.9]]), [[1, 0]]), (found([1], [[0.9, 0.1]]), [[1]])):
        with pytest.raises(ValueError, match="detections with attributes"):
            AttributeAccumulator(2).add([1], truth, detections, squares(1))
