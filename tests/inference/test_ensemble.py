"""mrcnn.inference.ensemble: weighted box fusion with masks, by hand-worked numbers."""

from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn.inference import ensemble
from mrcnn.results import Detections, SmallMasks


def found(*instances, size=(20, 20)):
    """Detections of (box, class, score[, mask box]); a mask fills its box."""
    masks = np.zeros((*size, len(instances)), bool)
    for i, (box, _, _, *mask_box) in enumerate(instances):
        y1, x1, y2, x2 = mask_box[0] if mask_box else box
        masks[y1:y2, x1:x2, i] = True
    rois, class_ids, scores = ([instance[k] for instance in instances] for k in range(3))
    return Detections(np.array(rois, int).reshape(-1, 4), class_ids, scores, masks)


def test_box_is_the_mean_weighted_by_score_and_score_the_mean():
    fused = ensemble.fuse([found(((0, 0, 10, 10), 1, 0.6)), found(((2, 0, 12, 10), 1, 0.3))])  # IoU 8 / 12
    assert fused["rois"].tolist() == [[1, 0, 11, 10]]  # 2 · 0.3 / 0.9 = 0.67, rounded; 10.67 likewise
    assert fused["scores"].tolist() == pytest.approx([0.45]) and fused["class_ids"].tolist() == [1]
    thrice = ensemble.fuse([found(((0, 0, 10, 10), 1, 0.5))] * 2 + [found(((3, 0, 10, 10), 1, 0.5))])
    assert thrice["rois"].tolist() == [[1, 0, 10, 10]]


def test_what_few_see_loses_score():
    """One of three sees it: a third of 0.9. Two of three see the other: two thirds of the mean 0.6."""
    one = found(((0, 0, 5, 5), 1, 0.9), ((10, 10, 18, 18), 1, 0.7))
    two = found(((10, 10, 18, 18), 1, 0.5))
    fused = ensemble.fuse([one, two, Detections.empty(20, 20)])
    assert fused["scores"].tolist() == pytest.approx([0.4, 0.3])
    assert fused["rois"].tolist() == [[10, 10, 18, 18], [0, 0, 5, 5]]


def test_two_of_one_network_count_once_for_the_networks():
    """min(T, N) / N: three boxes of two networks are not more than all."""
    one = found(((0, 0, 10, 10), 1, 0.9), ((0, 0, 10, 9), 1, 0.6))
    fused = ensemble.fuse([one, found(((0, 0, 10, 10), 1, 0.6))])
    assert fused["scores"].tolist() == pytest.approx([0.7])


def test_classes_are_fused_apart():
    fused = ensemble.fuse([found(((0, 0, 10, 10), 1, 0.8)), found(((0, 0, 10, 10), 2, 0.6))])
    assert fused["class_ids"].tolist() == [1, 2] and fused["scores"].tolist() == pytest.approx([0.4, 0.3])


def test_boxes_that_overlap_too_little_stay_apart():
    detections = [found(((0, 0, 10, 10), 1, 0.8)), found(((0, 5, 10, 15), 1, 0.6))]  # IoU 1 / 3
    assert ensemble.fuse(detections).num == 2
    assert ensemble.fuse(detections, iou_threshold=0.3).num == 1


def test_a_box_joins_the_fused_box_it_overlaps_most():
    left, right = ((0, 0, 10, 10), 1, 0.9), ((0, 6, 10, 16), 1, 0.8)  # IoU 4 / 16: two objects
    middle = ((0, 4, 10, 14), 1, 0.4)  # IoU 6 / 14 and 8 / 12
    fused = ensemble.fuse([found(left), found(right), found(middle)], iou_threshold=0.4)
    assert fused.num == 2
    right_box = fused["rois"][0 if fused["scores"][0] == pytest.approx(0.4) else 1]
    assert right_box.tolist() == [0, 5, 10, 15]  # (0.8 · 6 + 0.4 · 4) / 1.2 = 5.33


def test_mask_is_what_the_majority_of_the_scores_has():
    box = (0, 0, 10, 10)
    fused = ensemble.fuse([
        found((box, 1, 0.4, (0, 0, 10, 4))),
        found((box, 1, 0.4, (0, 0, 10, 6))),
        found((box, 1, 0.1, (0, 0, 10, 9))),
    ])  # fmt: skip
    columns = fused["masks"][:10, :, 0].all(axis=0)
    assert columns[:6].all() and not fused["masks"][:, 6:].any()  # columns 4 and 5 have 0.5 of 0.9, column 6 has 0.1


def test_of_two_equal_votes_the_mask_is_what_either_has():
    box = (0, 0, 10, 10)
    fused = ensemble.fuse([found((box, 1, 0.4, (0, 0, 10, 4))), found((box, 1, 0.4, (0, 2, 10, 6)))])
    assert fused["masks"][:10, :6, 0].all() and not fused["masks"][:, 6:].any()


def test_one_network_with_nothing_to_fuse_is_left_as_it_is():
    one = found(((0, 0, 5, 5), 2, 0.9), ((10, 10, 18, 18), 1, 0.7))
    fused = ensemble.fuse([one])
    assert all(np.array_equal(fused[key], one[key]) for key in one)


def test_agreeing_networks_give_what_each_gives():
    one = found(((0, 0, 5, 5), 2, 0.9), ((10, 10, 18, 18), 1, 0.7))
    fused = ensemble.fuse([one, one, one])
    assert all(np.array_equal(fused[key], one[key]) for key in ("rois", "class_ids", "masks"))
    np.testing.assert_allclose(fused["scores"], one["scores"], rtol=1e-6)


def test_nothing_found_and_zero_scores():
    assert ensemble.fuse([Detections.empty(4, 6)] * 2).image_shape == (4, 6)
    fused = ensemble.fuse([found(((0, 0, 10, 10), 1, 0.0)), found(((0, 0, 10, 8), 1, 0.0))])
    assert fused["rois"].tolist() == [[0, 0, 10, 9]] and fused["scores"].tolist() == [0]


def test_boxes_without_area_stay_apart():
    assert ensemble.fuse([found(((3, 3, 3, 9), 1, 0.5)), found(((3, 3, 3, 9), 1, 0.4))]).num == 2


def test_masks_that_wait_are_pasted():
    waiting = Detections([[0, 0, 8, 8]], [1], [0.9], SmallMasks(np.ones((1, 4, 4), np.float32), np.array([[0, 0, 8, 8]]), (20, 20)))
    fused = ensemble.fuse([waiting, found(((0, 0, 8, 8), 1, 0.9))])
    assert fused["masks"][:8, :8].all() and fused["masks"].sum() == 64


def test_detections_of_different_images_are_refused():
    with pytest.raises(ValueError, match=r"2 for images of \(height, width\) \[\(4, 6\), \(6, 4\)\]"):
        ensemble.fuse([Detections.empty(4, 6), Detections.empty(6, 4)])
    with pytest.raises(ValueError, match="got 0"):
        ensemble.fuse([])


class Model:
    """Finds a square of its own score on every image."""

    def __init__(self, score, num_classes=3):
        self.score, self.config = score, SimpleNamespace(NUM_CLASSES=num_classes)

    def detect(self, images, verbose=0):
        return [found(((0, 0, 10, 10), 1, self.score)) for _ in images]


def test_ensemble_detects_on_each_image_with_each_model():
    models = ensemble.Ensemble([Model(0.9), Model(0.5)])
    results = models.detect([np.zeros((20, 20, 3))] * 3)
    assert len(results) == 3 and all(r["scores"].tolist() == pytest.approx([0.7]) for r in results)
    assert models.config is models.models[0].config


def test_models_of_other_classes_are_refused():
    with pytest.raises(ValueError, match=r"2 models with NUM_CLASSES \[3, 4\]"):
        ensemble.Ensemble([Model(0.9), Model(0.9, num_classes=4)])
    with pytest.raises(ValueError, match="0 models"):
        ensemble.Ensemble([])


def test_attributes_are_the_mean_weighted_by_score():
    mask = np.ones((10, 10, 1), bool)
    one = Detections([[0, 0, 10, 10]], [1], [0.9], mask, attributes=[[1.0, 0.5]])
    two = Detections([[0, 0, 10, 9]], [1], [0.3], mask, attributes=[[0.0, 0.5]])
    fused = ensemble.fuse([one, two])
    np.testing.assert_allclose(fused.attributes, [[0.75, 0.5]], rtol=1e-6)
    without = Detections([[0, 0, 10, 9]], [1], [0.3], mask)
    assert ensemble.fuse([one, without]).attributes is None


def test_of_nothing_attributes_are_told_too():
    """[0, A], as of a single network: who measures attributes over many images meets some without detections."""
    nothing = Detections(np.zeros((0, 4)), [], [], np.zeros((4, 6, 0), bool), (0, 0, 4, 6), np.zeros((0, 3)), 0.3)
    fused = ensemble.fuse([nothing, nothing])
    assert fused.attributes.shape == (0, 3) and fused.attribute_min_confidence == 0.3 and fused.window == (0, 0, 4, 6)
    assert ensemble.fuse([nothing, Detections.empty(4, 6)]).attributes is None
