import contextlib
import io

import numpy as np
import pytest
from small_detections import detections, squares

from mrcnn.evaluation import precision


def ap_of(gt, gt_ids, pred, pred_ids, scores, **options):
    gt_boxes, gt_masks = squares(*gt)
    found = detections(pred, pred_ids, scores)
    return precision.compute_ap(gt_boxes, np.array(gt_ids), gt_masks, *found.values(), **options)


# one image


def test_ap_is_the_area_under_the_envelope():
    # right, wrong, right; three instances. Precisions 1, 1/2, 2/3 at recalls 1/3, 1/3, 2/3; envelope 1, 2/3, 2/3.
    ap, precisions, recalls, overlaps = ap_of(
        [(0, 0), (0, 4), (4, 0)], [1, 1, 1], [(0, 0), (6, 6), (0, 4)], [1, 1, 1], [0.9, 0.8, 0.7]
    )
    assert ap == pytest.approx(1 / 3 + 2 / 9)
    assert precisions == pytest.approx([1, 1, 2 / 3, 2 / 3, 0])
    assert recalls == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 1])
    assert overlaps.shape == (3, 3)


def test_predictions_on_an_image_without_instances_are_worth_zero():
    ap, precisions, recalls, _ = ap_of([], [], [(0, 0)], [1], [0.9])
    assert ap == 0.0
    assert precisions.tolist() == [0, 0, 0]
    assert recalls.tolist() == [0, 0, 1]


def test_no_predictions_on_an_image_without_instances_are_worth_one():
    assert ap_of([], [], [], [], [])[0] == 1.0


def test_the_original_gives_nan_and_zero_for_an_image_without_instances():
    ap, _, recalls, _ = ap_of([], [], [(0, 0)], [1], [0.9], original_behaviour=True)
    assert np.isnan(ap)
    assert np.isnan(recalls[1])
    assert ap_of([], [], [], [], [], original_behaviour=True)[0] == 0.0


def test_nothing_found_is_worth_zero():
    assert ap_of([(0, 0)], [1], [], [], [])[0] == 0.0


@pytest.mark.parametrize("thresholds", [[0.3, 0.9], (0.3, 0.9), np.array([0.3, 0.9])])
def test_ap_range_is_the_mean_over_a_list_a_tuple_or_an_array(thresholds):
    gt_boxes, gt_masks = squares((0, 0))
    found = detections([(0, 1)], [1], [0.9])  # IoU 2 / 6
    assert precision.compute_ap_range(gt_boxes, [1], gt_masks, *found.values(), thresholds, verbose=0) == 0.5


def test_ap_range_by_default_goes_from_050_to_095_and_tells():
    gt_boxes, gt_masks = squares((0, 0))
    with contextlib.redirect_stdout(io.StringIO()) as out:
        mean = precision.compute_ap_range(gt_boxes, [1], gt_masks, *detections([(0, 0)], [1], [0.9]).values())
    lines = out.getvalue().splitlines()
    assert mean == 1.0
    assert lines[0] == "AP @0.50:\t 1.000"
    assert lines[-1] == "AP @0.50-0.95:\t 1.000"
    assert len(lines) == 11


def test_ap_range_without_thresholds_is_refused():
    gt_boxes, gt_masks = squares((0, 0))
    with pytest.raises(ValueError, match="empty"):
        precision.compute_ap_range(gt_boxes, [1], gt_masks, *detections([], [], []).values(), iou_thresholds=[])


def test_coco_interpolation_averages_101_points():
    # one of two instances, at once: precision 1 at the recalls 0 … 0.5, which are 51 of 101 points
    assert precision.average_precision(np.array([True]), 2, "coco")[0] == pytest.approx(51 / 101)
    assert precision.average_precision(np.array([True]), 2, "area")[0] == 0.5


def test_an_unknown_interpolation_is_refused():
    with pytest.raises(ValueError, match="'voc'"):
        precision.average_precision(np.array([True]), 1, "voc")
