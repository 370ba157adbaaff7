"""Anchor recall: equal to the slow way, by class and size; what is proposed is measured."""

import numpy as np
import pytest
from doctor_data import SIDE, PhotoConfig, Photos, bad, examine, only

from mrcnn.doctor import anchor_fit, check_anchors
from mrcnn.ops import anchors
from mrcnn.ops import boxes as box_ops


def random_boxes(count, height, width, seed=0):
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(np.log(2), np.log(min(height, width)), (count, 2)))
    centre = rng.uniform(0, 1, (count, 2)) * (height, width)
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1).clip(0, [height, width] * 2).round()


@pytest.mark.parametrize(("height", "width", "stride"), [(128, 128, 1), (192, 64, 1), (128, 192, 2)])
def test_the_best_iou_is_that_of_all_anchors(height, width, stride):
    config = PhotoConfig()
    config.RPN_ANCHOR_STRIDE, scales, ratios = stride, (7, 20, 33, 64, 90), (0.4, 1, 2.2)
    boxes = random_boxes(200, height, width)
    shapes = anchors.feature_shapes((height, width), config.BACKBONE_STRIDES)
    every = anchors.generate_pyramid(scales, ratios, shapes, config.BACKBONE_STRIDES, stride)
    objects = anchor_fit.Objects.of(config, boxes, np.full((200, 2), (height, width)))
    np.testing.assert_allclose(objects.best_iou(scales, ratios), box_ops.iou(boxes, every).max(axis=1), atol=1e-12)


def test_objects_of_inputs_of_several_sizes_are_each_measured_on_their_own_grid():
    config, boxes = PhotoConfig(), np.array([[0, 0, 60, 60], [190, 10, 250, 70]])
    both = anchor_fit.Objects.of(config, boxes, np.array([[64, 64], [256, 128]]))
    alone = [anchor_fit.Objects.of(config, boxes[i : i + 1], np.array([shape])) for i, shape in enumerate(((64, 64), (256, 128)))]
    scales, ratios = (20, 30, 40, 60, 90), (1.0,)
    assert both.best_iou(scales, ratios).tolist() == [float(one.best_iou(scales, ratios)[0]) for one in alone]


def test_recall_is_the_share_of_objects():
    fit = anchor_fit.Fit((1,), (1,), np.array([0.2, 0.5, 0.7, 0.9]))
    assert fit.recall(0.5) == 0.75 and fit.recall(0.7) == 0.5


def test_the_proposal_fits_better_and_its_recall_is_that_of_its_rounded_values():
    config = PhotoConfig()
    config.RPN_ANCHOR_SCALES = (64, 80, 100, 110, 128)
    objects = anchor_fit.Objects.of(config, random_boxes(300, SIDE, SIDE), np.full((300, 2), SIDE))
    own, better = anchor_fit.fit(config, objects), anchor_fit.propose(config, objects)
    assert better.recall(0.5) > own.recall(0.5) + 0.1 and len(better.scales) == 5 and len(better.ratios) == 3
    assert better.iou.tolist() == objects.best_iou(better.scales, better.ratios).tolist()
    assert anchor_fit.propose(config, objects).says() == better.says()


def test_the_proposal_never_lowers_the_recall_at_half():
    for seed in range(3):
        config, boxes = PhotoConfig(), random_boxes(60, SIDE, SIDE, seed)
        config.RPN_ANCHOR_RATIOS = [0.5, 1, 2]
        objects = anchor_fit.Objects.of(config, boxes, np.full((60, 2), SIDE))
        assert anchor_fit.propose(config, objects).recall(0.5) >= anchor_fit.fit(config, objects).recall(0.5)


def test_anchors_that_fit_few_objects_are_an_error_with_better_ones():
    report = examine(Photos(), Photos(4, seed=1), RPN_ANCHOR_SCALES=(64, 80, 100, 110, 128))
    found = only(report, "anchors.recall")
    assert found.severity == "error" and "RPN_ANCHOR_SCALES = (" in found.advice and "in validation" in found.advice
    own, better = report.anchors.own, report.anchors.better
    assert own.recall(0.5) < 0.5 < 0.9 < better.recall(0.5) and f"{better.recall(0.5):.1%} (0.7: {better.recall(0.7):.1%})" in found.advice


def test_anchors_that_others_beat_are_a_note():
    report = examine(Photos(), RPN_ANCHOR_SCALES=(16, 24, 32, 48, 64), RPN_ANCHOR_RATIOS=[0.5, 1, 2])
    assert bad(report) == {} and "anchors.better" in [finding.check for finding in report.findings]


def test_rows_are_of_all_sizes_and_classes():
    fits = [anchor_fit.Fit((1,), (1,), np.array(iou)) for iou in ([0.2, 0.6, 0.8], [0.9, 0.9, 0.9])]
    found = check_anchors.Anchors(*fits, np.array([1, 2, 2]), np.array([10, 2000, 2000]), ["BG", "hat", "shoe"])
    rows = {name: values for name, *values in found.rows()}
    assert rows["all"] == [3, 2 / 3, 1 / 3, 1, 1] and rows["hat"] == [1, 0, 0, 1, 1] and rows["shoe"] == [2, 1, 0.5, 1, 1]
    assert rows["medium"] == [2, 1, 0.5, 1, 1] and found.num_sizes == 3


def test_crowds_and_masks_without_a_pixel_need_no_anchor():
    photos = Photos()
    photos.masks[0][0] = np.zeros((SIDE, SIDE), bool)
    photos.classes[1][1] = -2
    assert len(examine(photos).anchors.own.iou) == 22


@pytest.mark.parametrize("mode", ["pad64", "crop"])
def test_other_ways_of_resizing_are_measured_too(mode):
    report = examine(Photos(), IMAGE_RESIZE_MODE=mode)
    assert bad(report) == {} and report.anchors.own.recall(0.5) == 1
