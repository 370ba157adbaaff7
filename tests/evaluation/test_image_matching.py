import numpy as np
import pytest

from mrcnn import results
from mrcnn.evaluation import matching


def squares(*corners, size=(8, 10)):
    """Boxes of 2 × 2 pixels at these (y, x) with their masks."""
    boxes = np.array([[y, x, y + 2, x + 2] for y, x in corners], np.int32).reshape(-1, 4)
    masks = np.zeros((*size, len(corners)), bool)
    for i, (y, x) in enumerate(corners):
        masks[y : y + 2, x : x + 2, i] = True
    return boxes, masks


def detected(masks):
    """Detections with these masks."""
    num = masks.shape[2]
    return results.Detections(np.zeros((num, 4)), np.ones(num), np.ones(num), masks)


def match(gt, gt_ids, pred, pred_ids, scores, **options):
    gt_boxes, gt_masks = squares(*gt)
    pred_boxes, pred_masks = squares(*pred)
    return matching.compute_matches(
        gt_boxes, np.array(gt_ids), gt_masks, pred_boxes, np.array(pred_ids), np.array(scores), pred_masks, **options
    )


def test_indices_count_predictions_in_the_order_of_their_scores():
    gt_match, pred_match, overlaps = match([(0, 0), (4, 4)], [1, 1], [(4, 4), (0, 0)], [1, 1], [0.2, 0.8])
    assert gt_match.tolist() == [0, 1]
    assert pred_match.tolist() == [0, 1]
    assert overlaps.tolist() == [[1, 0], [0, 1]]


def test_the_class_must_agree():
    gt_match, pred_match, _ = match([(0, 0)], [1], [(0, 0), (0, 0)], [2, 1], [0.9, 0.1])
    assert pred_match.tolist() == [-1, 0]
    assert gt_match.tolist() == [1]


def test_score_threshold_is_compared_with_scores_and_keeps_lengths():
    gt_match, pred_match, overlaps = match([(0, 0)], [1], [(0, 0)], [1], [0.4], score_threshold=0.5)
    assert gt_match.tolist() == [-1]
    assert pred_match.tolist() == [-1]
    assert overlaps.shape == (1, 1)


def test_a_score_equal_to_the_threshold_counts():
    assert match([(0, 0)], [1], [(0, 0)], [1], [0.5], score_threshold=0.5)[1].tolist() == [0]


def test_the_original_compares_score_threshold_with_iou():
    shifted = {"gt": [(0, 0)], "gt_ids": [1], "pred": [(0, 1)], "pred_ids": [1], "scores": [0.1]}  # IoU 2 / 6
    assert match(**shifted, iou_threshold=0.3, score_threshold=0.05)[1].tolist() == [0]
    assert match(**shifted, iou_threshold=0.3, score_threshold=0.3, original_behaviour=True)[1].tolist() == [0]
    assert match(**shifted, iou_threshold=0.3, score_threshold=0.5, original_behaviour=True)[1].tolist() == [-1]


def test_padding_is_left_out_with_its_class_and_mask_wherever_it_stands():
    gt_boxes, gt_masks = squares((0, 0), (0, 0), (4, 4))
    gt_boxes[1] = 0
    pred_boxes, pred_masks = squares((4, 4))
    gt_match, pred_match, overlaps = matching.compute_matches(
        gt_boxes, np.array([1, 0, 2]), gt_masks, pred_boxes, np.array([2]), np.array([0.5]), pred_masks
    )
    assert gt_match.tolist() == [-1, 0]
    assert pred_match.tolist() == [1]
    assert overlaps.tolist() == [[0, 1]]


def test_a_crowd_is_matched_by_nothing():
    assert match([(0, 0)], [-1], [(0, 0)], [1], [0.5])[1].tolist() == [-1]


def test_empty_masks_on_both_sides_do_not_match():
    box = np.array([[0, 0, 2, 2]])
    empty = np.zeros((4, 4, 1), bool)
    _, pred_match, overlaps = matching.compute_matches(box, [1], empty, box, [1], [0.5], empty)
    assert overlaps.tolist() == [[0]]
    assert pred_match.tolist() == [-1]


@pytest.mark.parametrize(("num_gt", "num_pred"), [(0, 2), (2, 0), (0, 0)])
def test_no_instances_or_predictions_give_empty_sides(num_gt, num_pred):
    corners = [(0, 0), (4, 4)]
    gt_match, pred_match, overlaps = match(
        corners[:num_gt], [1] * num_gt, corners[:num_pred], [1] * num_pred, [0.5] * num_pred
    )
    assert gt_match.tolist() == [-1] * num_gt
    assert pred_match.tolist() == [-1] * num_pred
    assert overlaps.shape == (num_pred, num_gt)


def test_an_image_without_instances_may_have_masks_of_no_size():
    pred_boxes, pred_masks = squares((0, 0))
    no_masks = np.zeros((0, 0, 0), bool)  # what the base class Dataset.load_mask returns
    _, pred_match, _ = matching.compute_matches(
        np.zeros((0, 4)), np.zeros(0, int), no_masks, pred_boxes, [1], [0.5], pred_masks
    )
    assert pred_match.tolist() == [-1]


def test_masks_of_another_size_are_refused_with_both_sizes():
    boxes, masks = squares((0, 0))
    with pytest.raises(ValueError, match=r"\(8, 10\) and ground-truth masks \(56, 56\).*mini-masks"):
        matching.compute_matches(boxes, [1], np.ones((56, 56, 1), bool), boxes, [1], [0.5], masks)


def test_disagreeing_numbers_are_refused_with_all_shapes():
    boxes, masks = squares((0, 0))
    with pytest.raises(ValueError, match=r"got \(1, 4\), \(2,\), \(8, 10, 1\)"):
        matching.compute_matches(boxes, np.array([1, 2]), masks, boxes, [1], [0.5], masks)
    with pytest.raises(ValueError, match="pred_scores"):
        matching.compute_matches(boxes, [1], masks, boxes, [1], [0.5, 0.4], masks)


def test_recall_is_the_share_of_boxes_that_some_prediction_found():
    gt_boxes, _ = squares((0, 0), (4, 4))
    pred_boxes, _ = squares((0, 0), (0, 0), (0, 8))
    recall, positive_ids = matching.compute_recall(pred_boxes, gt_boxes, iou=0.5)
    assert recall == 0.5
    assert positive_ids.tolist() == [0, 1]


def test_recall_without_boxes_to_find_is_one():
    recall, positive_ids = matching.compute_recall(squares((0, 0))[0], np.zeros((0, 4)), iou=0.5)
    assert recall == 1.0
    assert positive_ids.tolist() == []


def test_recall_without_predictions_is_zero():
    recall, positive_ids = matching.compute_recall(np.zeros((0, 4)), squares((0, 0))[0], iou=0.5)
    assert recall == 0.0
    assert positive_ids.tolist() == []


def test_boxes_without_area_find_nothing():
    point = np.array([[1, 1, 1, 1]])
    recall, positive_ids = matching.compute_recall(point, point, iou=0.5)
    assert recall == 0.0
    assert positive_ids.tolist() == []


def test_share_inside_a_crowd_is_of_the_prediction():
    pred = np.zeros((4, 4, 2), bool)
    pred[:2, :2, 0] = True  # 4 pixels, 2 of them inside; the second one is empty
    crowd = np.zeros((4, 4, 1), bool)
    crowd[:, 1:] = True
    overlaps = matching.compatible_overlaps(detected(pred), crowd, np.ones((2, 1), bool), np.array([True]))
    assert overlaps.tolist() == [[0.5], [0.0]]


def test_overlaps_of_compatible_pairs_are_those_of_all_pairs():
    rng = np.random.default_rng(2)
    pred, gt = rng.random((9, 7, 5)) < 0.5, rng.random((9, 7, 4)) < 0.5
    gt[:, :, 3] = False
    compatible = rng.random((5, 4)) < 0.5
    found = matching.compatible_overlaps(detected(pred), gt, compatible, np.zeros(4, bool))
    np.testing.assert_allclose(found, np.where(compatible, matching.mask_overlaps(pred, gt), 0), rtol=1e-6)


def test_overlaps_of_masks_that_wait_are_those_of_their_planes():
    rng = np.random.default_rng(3)
    centres, sides = rng.uniform(0, 60, (9, 2)), rng.uniform(1, 50, (9, 2))
    boxes = np.rint(np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)).astype(np.int32)
    small = results.SmallMasks(rng.random((9, 28, 28)).astype(np.float32), boxes, (50, 60))
    waiting = results.Detections(boxes, np.ones(9), np.ones(9), small)
    gt = np.zeros((50, 60, 4), bool)
    gt[5:30, 10:40, 0] = gt[20:, 30:, 1] = gt[:, :, 2] = True
    compatible, crowd = rng.random((9, 4)) < 0.7, np.array([False, False, True, False])
    got = matching.compatible_overlaps(waiting, gt, compatible, crowd)
    assert not waiting.pasted
    right = matching.compatible_overlaps(detected(waiting["masks"]), gt, compatible, crowd)
    np.testing.assert_array_equal(got, right)
    assert right[:, :3].any(axis=0).all()
