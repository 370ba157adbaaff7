"""mrcnn.data.rpn_targets: hand-worked labels, the two corrections and their ways back, and a slow obvious version."""

import numpy as np
import pytest

from mrcnn.data import rpn_targets
from mrcnn.ops import anchors as anchor_ops
from mrcnn.ops import boxes

STD_DEV = [0.1, 0.1, 0.2, 0.2]


def build(anchors, class_ids, gt_boxes, num_anchors=1000, seed=0, **kwargs):
    return rpn_targets.build(
        np.array(anchors, float),
        np.array(class_ids),
        np.array(gt_boxes),
        num_anchors=num_anchors,
        std_dev=STD_DEV,
        rng=np.random.default_rng(seed),
        **kwargs,
    )


def obvious(anchors, class_ids, gt_boxes, crowd_overlap):
    """Labels from the whole matrix, with both corrections."""
    crowd = class_ids < 0
    overlaps = boxes.iou(anchors, gt_boxes[~crowd])
    measure, limit = (boxes.ioa, 0.5) if crowd_overlap == "ioa" else (boxes.iou, 0.001)
    in_crowd = measure(anchors, gt_boxes[crowd]).max(axis=1, initial=0) >= limit
    match = np.zeros(len(anchors), int)
    match[(overlaps.max(axis=1, initial=0) < 0.3) & ~in_crowd] = -1
    match[overlaps.max(axis=1, initial=0) >= 0.7] = 1
    best = overlaps.max(axis=0)
    match[((overlaps == best) & (best > 0)).any(axis=1)] = 1
    return match


def test_thresholds_are_as_published():
    # IoU with [0, 0, 10, 10]: 1, 0.7, 0.5, 0.3, 0.29
    anchors = [[0, 0, 10, 10], [0, 0, 7, 10], [0, 0, 5, 10], [0, 0, 3, 10], [0, 0, 2.9, 10]]
    match, _ = build(anchors, [1], [[0, 0, 10, 10]])
    assert match.tolist() == [1, 1, 0, 0, -1]


def test_deltas_are_divided_by_the_standard_deviation():
    match, deltas = build([[0, 0, 10, 10]], [1], [[1, 0, 11, 10]])
    assert match.tolist() == [1] and deltas.dtype == np.float32
    np.testing.assert_allclose(deltas[0], [1, 0, 0, 0], atol=1e-6)
    assert not deltas[1:].any()


def test_every_anchor_that_ties_for_a_box_is_positive():
    match, _ = build([[0, 0, 10, 10], [0, 20, 10, 30], [50, 50, 60, 60]], [1], [[0, 10, 10, 20.0001]])
    assert match.tolist() == [-1, 1, -1]
    match, _ = build([[0, 0, 10, 12], [0, 18, 10, 30], [50, 50, 60, 60]], [1], [[0, 10, 10, 20]])
    assert match.tolist() == [1, 1, -1]


FORCED = {
    # The anchor is the best for both boxes; it overlaps the first more. The second box has no other anchor.
    "anchors": [[0, 0, 10, 10], [0, 0, 10, 9]],
    "class_ids": [1, 2],
    "gt_boxes": [[0, 0, 10, 9], [0, 6, 10, 20]],
}


def test_a_forced_anchor_regresses_to_the_box_it_was_forced_for():
    match, deltas = build(**FORCED)
    assert match.tolist() == [1, 1]
    expected = boxes.encode(np.array([[0, 0, 10, 10]]), np.array([[0, 6, 10, 20]])) / STD_DEV
    np.testing.assert_allclose(deltas[:1], expected, rtol=1e-5)


def test_a_forced_anchor_regresses_to_its_own_best_box_in_the_original():
    match, deltas = build(**FORCED, forced_match_own_box=False)
    assert match.tolist() == [1, 1]
    expected = boxes.encode(np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 9]])) / STD_DEV
    np.testing.assert_allclose(deltas[:1], expected, rtol=1e-5)


def test_a_box_that_overlaps_no_anchor_forces_none():
    anchors, gt_boxes = [[0, 0, 10, 10], [0, 50, 10, 60]], [[0, 0, 10, 10], [90, 90, 95, 95]]
    assert build(anchors, [1, 1], gt_boxes)[0].tolist() == [1, -1]
    assert build(anchors, [1, 1], gt_boxes, ignore_zero_overlap=False)[0].tolist() == [1, 1]


def test_a_box_without_area_forces_none_and_breaks_nothing():
    match, deltas = build([[0, 0, 10, 10], [50, 50, 60, 60]], [1], [[5, 5, 5, 9]])
    assert match.tolist() == [-1, -1] and not deltas.any()
    assert np.isfinite(build([[0, 0, 10, 10]], [1], [[5, 5, 5, 9]], ignore_zero_overlap=False)[1]).all()


def test_without_boxes_all_anchors_are_negative_up_to_the_number_that_trains():
    match, deltas = build(np.tile([[0, 0, 10, 10]], (50, 1)), [], np.zeros((0, 4)), num_anchors=20)
    assert np.count_nonzero(match == -1) == 20 and np.count_nonzero(match == 1) == 0
    assert deltas.shape == (20, 4) and not deltas.any()


def test_an_anchor_in_a_crowd_is_neutral():
    match, _ = build([[0, 0, 10, 10], [50, 50, 60, 60]], [-1], [[0, 0, 30, 30]])
    assert match.tolist() == [0, -1]


CROWDED = {
    # a small anchor inside a large crowd (IoU 1 / 1600), a large one that touches it (IoU 1 / 79, a fortieth of its area);
    # then half in it, a little less, and a little more
    "anchors": [[10, 10, 20, 20], [390, 0, 790, 400], [395, 0, 405, 10], [395.1, 0, 405.1, 10], [394.9, 0, 404.9, 10]],
    "class_ids": [-1],
    "gt_boxes": [[0, 0, 400, 400]],
}


def test_an_anchor_lies_in_a_crowd_from_half_of_its_own_area_on():
    assert build(**CROWDED)[0].tolist() == [0, -1, 0, -1, 0]


def test_an_anchor_lies_in_a_crowd_by_its_iou_in_the_original():
    """The small one ones are background inside the crowd, the large one beside it is not."""
    assert build(**CROWDED, crowd_overlap="iou")[0].tolist() == [-1, 0, -1, -1, -1]


def test_a_crowd_without_area_or_an_anchor_without_area_harms_nothing():
    match, _ = build([[5, 5, 5, 9], [0, 0, 10, 10]], [-1, -1], [[0, 0, 50, 50], [3, 3, 3, 9]])
    assert match.tolist() == [-1, 0]


def test_a_crowd_does_not_keep_an_anchor_from_being_positive():
    assert build([[0, 0, 10, 10]], [-1, 2], [[0, 0, 30, 30], [0, 0, 10, 10]])[0].tolist() == [1]


def test_a_crowd_may_stand_before_or_between_the_boxes():
    match, deltas = build([[0, 0, 10, 10]], [-1, 2, -3], [[70, 70, 90, 90], [1, 0, 11, 10], [70, 70, 90, 90]])
    np.testing.assert_allclose(deltas[0], [1, 0, 0, 0], atol=1e-6)


def test_at_most_half_of_the_anchors_are_positive():
    anchors = np.tile([[0, 0, 10, 10]], (30, 1)).tolist() + np.tile([[50, 50, 60, 60]], (30, 1)).tolist()
    match, deltas = build(anchors, [1], [[0, 0, 10, 10]], num_anchors=20)
    assert np.count_nonzero(match == 1) == 10 and np.count_nonzero(match == -1) == 10


def test_few_positives_leave_more_room_for_negatives():
    match, _ = build([[0, 0, 10, 10], *[[50, 50, 60, 60]] * 30], [1], [[0, 0, 10, 10]], num_anchors=20)
    assert np.count_nonzero(match == 1) == 1 and np.count_nonzero(match == -1) == 19


def test_without_sampling_every_negative_trains_and_positives_up_to_the_rows_of_their_deltas():
    anchors = np.tile([[0, 0, 10, 10]], (30, 1)).tolist() + np.tile([[50, 50, 60, 60]], (300, 1)).tolist()
    match, deltas = build(anchors, [1], [[1, 0, 11, 10]], num_anchors=20, sample=False)
    assert np.count_nonzero(match == 1) == 20 and np.count_nonzero(match == -1) == 300
    assert deltas.shape == (20, 4) and (deltas[:, 0] == 1).all()
    match, deltas = build(anchors[:3] + anchors[30:], [1], [[1, 0, 11, 10]], num_anchors=20, sample=False)
    assert np.count_nonzero(match == 1) == 3 and not deltas[3:].any()


def test_without_sampling_neutral_and_crowded_anchors_stay_neutral():
    match, _ = build([[0, 0, 5, 10], [50, 50, 60, 60], [90, 90, 99, 99]], [1, -1], [[0, 0, 10, 10], [40, 40, 70, 70]], sample=False)
    assert match.tolist() == [1, 0, -1]  # the only one that overlaps the box is its best


def test_sampling_follows_the_generator():
    anchors = np.tile([[50, 50, 60, 60]], (500, 1))
    draws = [build(anchors, [], np.zeros((0, 4)), 20, seed)[0].tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("crowd_overlap", ["ioa", "iou"])
@pytest.mark.parametrize("seed", range(6))
def test_labels_equal_the_slow_obvious_version(seed, crowd_overlap):
    rng = np.random.default_rng(seed)
    shapes = anchor_ops.feature_shapes((128, 128), [4, 8, 16, 32, 64])
    anchors = anchor_ops.generate_pyramid([16, 32, 64, 96, 128], [0.5, 1, 2], shapes, [4, 8, 16, 32, 64])
    corners = rng.integers(0, 100, (7, 2))
    gt_boxes = np.concatenate([corners, corners + rng.integers(1, 60, (7, 2))], axis=1).astype(np.int32)
    class_ids = rng.choice([1, 2, 3, -1], 7)
    match, deltas = build(anchors, class_ids, gt_boxes, num_anchors=10_000, crowd_overlap=crowd_overlap)
    assert match.tolist() == obvious(anchors, class_ids, gt_boxes, crowd_overlap).tolist()
    moved = boxes.decode(anchors[match == 1], deltas[: np.count_nonzero(match == 1)] * STD_DEV)
    assert (boxes.iou(moved, gt_boxes[class_ids > 0]).max(axis=1) > 0.999).all()
