"""Sampling rois and building their targets."""

import math

import numpy as np
import pytest
from backend_tools import arrays, compiled, gradient
from keras import ops

from mrcnn.nn import targets

portable = pytest.mark.portable

STD_DEV = [0.1, 0.1, 0.2, 0.2]
GT_BOX = [0.25, 0.25, 0.75, 0.75]
NEAR = [0.25, 0.25, 0.75, 0.70]  # IoU 0.9 with it
FAR = [0.0, 0.0, 0.2, 0.2]
PADDING = [0.0, 0.0, 0.0, 0.0]


def run(proposals, class_ids, boxes, masks=None, training=False, layer=None, **options):
    """Targets of [B, P, 4] proposals as arrays: rois, class ids, deltas, masks."""
    proposals, class_ids, boxes = np.float32(proposals), np.int32(class_ids), np.float32(boxes)
    masks = np.ones((len(boxes), 8, 8, boxes.shape[1]), bool) if masks is None else masks
    options = {"num_rois": 6, "positive_ratio": 0.5, "mask_shape": (4, 4), "std_dev": STD_DEV, "use_mini_mask": True} | options
    layer = layer or targets.DetectionTargets(**options)
    inputs = [ops.convert_to_tensor(v) for v in (proposals, class_ids, boxes, masks)]
    call = (lambda *i: layer(list(i), training=True)) if training else compiled(lambda *i: layer(list(i), training=False))
    return [np.asarray(a) for a in arrays(call(*inputs))]


@portable
def test_by_hand():
    """One box, class 3: one proposal fits it, one lies apart, one is padding."""
    rois, class_ids, deltas, masks = run([[FAR, PADDING, NEAR]], [[3, 0]], [[GT_BOX, PADDING]])
    np.testing.assert_allclose(rois[0], np.float32([NEAR, FAR, *[PADDING] * 4]))
    assert class_ids[0].tolist() == [3, 0, 0, 0, 0, 0]
    # The centre moves by 0.025 in x of a width of 0.45, the width grows by 10/9; both divided by std_dev.
    np.testing.assert_allclose(deltas[0, 0], [0, 0.025 / 0.45 / 0.1, 0, math.log(10 / 9) / 0.2], atol=1e-5)
    assert not deltas[0, 1:].any()
    assert masks.shape == (1, 3, 4, 4) and masks[0, 0].all() and not masks[0, 1:].any()


@portable
@pytest.mark.parametrize("use_mini_mask", [True, False])
def test_mask_is_cut_by_the_roi(use_mini_mask):
    """The left half of the box is mask; the roi is the box, then the box without its left quarter."""
    masks = np.zeros((1, 64, 64, 1), bool)
    if use_mini_mask:
        masks[0, :, :32, 0] = True
    else:
        masks[0, 16:48, 16:32, 0] = True
    shifted = [0.25, 0.375, 0.75, 0.75]
    options = {"use_mini_mask": use_mini_mask, "mask_shape": (8, 8)}
    whole = run([[GT_BOX]], [[1]], [[GT_BOX]], masks, **options)[3][0, 0]
    assert whole[2:6].sum(axis=1).tolist() == [4.0] * 4 and whole[2:6, :4].all()
    part = run([[shifted]], [[1]], [[GT_BOX]], masks, **options)[3][0, 0]
    assert part[2:6, :2].all() and not part[2:6, 3:].any()
    assert set(np.unique(part)) <= {0.0, 1.0}


@portable
def test_mask_of_a_wide_box_is_cut_by_its_own_width():
    """A box four times as wide as high, its left half mask; the roi leaves out its left quarter, so the mask ends after a third of it."""
    masks = np.zeros((1, 64, 64, 1), bool)
    masks[0, :, :32, 0] = True
    part = run([[[0.25, 0.25, 0.5, 1.0]]], [[1]], [[[0.25, 0.0, 0.5, 1.0]]], masks, mask_shape=(8, 8))[3][0, 0]
    assert part[:, :3].all() and not part[:, 3:].any()


@portable
def test_roi_is_assigned_to_the_instance_it_overlaps_most():
    boxes = [[0.0, 0.0, 0.5, 0.5], [0.0, 0.1, 0.5, 0.6]]
    _, class_ids, _, _ = run([[[0.0, 0.09, 0.5, 0.59]]], [[1, 2]], [boxes])
    assert class_ids[0, 0] == 2


def test_overlap_of_exactly_half_is_positive():
    _, class_ids, _, _ = run([[[0.0, 0.0, 0.5, 0.25]]], [[1]], [[[0.0, 0.0, 0.5, 0.5]]])
    assert class_ids[0, 0] == 1


def crowd_of(num_proposals, seed):
    """Random proposals [1, P, 4], a third of them near one of two boxes."""
    rng = np.random.default_rng(seed)
    boxes = np.float32([[0.1, 0.1, 0.4, 0.5], [0.5, 0.3, 0.9, 0.8]])
    near = boxes[rng.integers(0, 2, num_proposals // 3)] + rng.normal(0, 0.01, (num_proposals // 3, 4))
    corners = rng.random((num_proposals - len(near), 2)) * 0.7
    apart = np.concatenate([corners, corners + 0.1 + rng.random(corners.shape) * 0.1], axis=-1)
    return rng.permutation(np.concatenate([near, apart]))[None].astype("float32"), boxes[None]


@pytest.mark.parametrize(("num_proposals", "negatives_fill"), [(90, True), (90, False), (21, True), (21, False)])
def test_counts_of_positives_and_negatives(num_proposals, negatives_fill):
    proposals, boxes = crowd_of(num_proposals, 1)
    available = num_proposals // 3
    rois, class_ids, deltas, masks = run(proposals, [[1, 2]], boxes, num_rois=40, positive_ratio=0.33, negatives_fill=negatives_fill)
    positives, filled = (class_ids[0] > 0).sum(), rois[0].any(axis=1).sum()
    assert positives == min(13, available)  # floor(40 * 0.33)
    room = 40 - positives if negatives_fill else positives * 100 // 33 - positives
    assert filled - positives == min(room, num_proposals - available)
    assert (class_ids[0, :positives] > 0).all() and not class_ids[0, positives:].any()
    assert rois[0, :filled].any(axis=1).all() and not rois[0, filled:].any()
    assert not deltas[0, positives:].any() and not masks[0, positives:].any()
    assert len(np.unique(rois[0, :filled], axis=0)) == filled  # none twice


def test_negatives_that_touch_a_crowd_are_dropped():
    crowd, touching = [0.5, 0.5, 1.0, 1.0], [0.5, 0.5, 0.7, 0.7]
    rois, class_ids, _, _ = run([[touching, FAR]], [[1, -1]], [[[0.0, 0.6, 0.3, 0.9], crowd]])
    np.testing.assert_allclose(rois[0, :2], np.float32([FAR, PADDING]))
    assert not class_ids.any()


@portable
@pytest.mark.parametrize(("crowd_overlap", "expected"), [("ioa", [True, False, True]), ("iou", [False, True, True])])
def test_which_rois_lie_in_a_crowd(crowd_overlap, expected):
    """One that fills a 2500th of the crowd, one of the crowd's size of which an eighth lies in it, and one of which half does."""
    small, beside, half = [0.1, 0.1, 0.112, 0.112], [0.54, 0.0, 1.0, 0.6], [0.49, 0.2, 0.7, 0.4]
    crowd = [0.0, 0.0, 0.6, 0.6]
    arguments = np.float32([[small, beside, half, PADDING]]), np.int32([[-1, 0]]), np.float32([[crowd, PADDING]])
    positive, negative, _ = arrays(targets.match(*map(ops.convert_to_tensor, arguments), crowd_overlap))
    assert not positive.any() and negative[0].tolist() == [*(not inside for inside in expected), False]


@portable
def test_a_roi_in_a_crowd_that_fits_an_instance_is_positive_and_its_mask_is_the_instances():
    """The crowd's box is the roi itself and its mask is full; the instance overlaps it less, and its mask is the upper half."""
    masks = np.zeros((1, 8, 8, 2), bool)
    masks[0, :, :, 0] = True
    masks[0, :4, :, 1] = True
    _, class_ids, deltas, found = run([[NEAR, FAR]], [[-1, 2]], [[NEAR, GT_BOX]], masks)
    assert class_ids[0].tolist() == [2, 0, 0, 0, 0, 0] and deltas[0, 0].any()
    assert found[0, 0, :2].all() and not found[0, 0, 2:].any() and not found[0, 1:].any()


def test_rois_in_a_crowd_alone_train_nothing():
    results = run([[NEAR, [0.3, 0.3, 0.4, 0.4]]], [[-2]], [[GT_BOX]])
    assert not any(r.any() for r in results)


def test_nothing_is_positive_for_a_crowd():
    rois, class_ids, _, _ = run([[GT_BOX, FAR]], [[-1]], [[GT_BOX]])
    assert not class_ids.any()
    np.testing.assert_allclose(rois[0, 0], FAR)


@portable
def test_without_ground_truth_all_are_negative():
    rois, class_ids, deltas, masks = run([[GT_BOX, FAR, PADDING]], [[0, 0]], [[PADDING, PADDING]])
    assert rois[0].any(axis=1).sum() == 2 and not class_ids.any() and not deltas.any() and not masks.any()


def test_without_ground_truth_the_original_has_no_rois():
    rois, *rest = run([[GT_BOX, FAR]], [[0]], [[PADDING]], negatives_fill=False)
    assert not rois.any() and not any(r.any() for r in rest)


def test_without_proposals_all_is_zero():
    assert not any(r.any() for r in run([[PADDING] * 3], [[1]], [[GT_BOX]]))


def test_ground_truth_without_area_harms_nothing():
    results = run([[GT_BOX, [0.3, 0.3, 0.3, 0.3]]], [[1, 2]], [[GT_BOX, [0.3, 0.3, 0.3, 0.3]]])
    assert all(np.isfinite(r).all() for r in results)
    assert results[1][0].tolist() == [1, 0, 0, 0, 0, 0]


def test_validation_is_constant_and_training_varies_but_repeats_from_its_seed():
    proposals, boxes = crowd_of(60, 2)
    options = {"num_rois": 10, "positive_ratio": 0.33, "mask_shape": (4, 4), "std_dev": STD_DEV, "use_mini_mask": True}
    layers = [targets.DetectionTargets(**options, seed=3) for _ in range(2)]
    series = [[run(proposals, [[1, 2]], boxes, training=True, layer=layer)[0] for _ in range(3)] for layer in layers]
    np.testing.assert_array_equal(series[0], series[1])
    assert not np.array_equal(series[0][0], series[0][1]) and not np.array_equal(series[0][1], series[0][2])
    still = [run(proposals, [[1, 2]], boxes, layer=layer)[0] for layer in layers * 2]
    for other in still[1:]:
        np.testing.assert_array_equal(still[0], other)
    different = run(proposals, [[1, 2]], boxes, training=True, layer=targets.DetectionTargets(**options, seed=4))[0]
    assert not np.array_equal(different, series[0][0])


@portable
@pytest.mark.parametrize("output", [0, 2])
def test_no_gradient_of_rois_or_deltas_reaches_the_proposals_unless_it_is_asked_for(output):
    """The rois are the proposals, so their sum has a gradient of 1; a target is a constant (Girshick 2015, section 2.3)."""
    inputs = [ops.convert_to_tensor(v) for v in (np.int32([[1]]), np.float32([[GT_BOX]]), np.ones((1, 8, 8, 1), bool))]
    for stop in (True, False):
        layer = targets.DetectionTargets(4, 0.5, (4, 4), STD_DEV, True, stop_gradient=stop)
        found = gradient(lambda x, layer=layer: ops.sum(layer([x, *inputs], training=False)[output]), np.float32([[NEAR, FAR]]))[0]
        assert found.any() != stop


def test_images_of_a_batch_do_not_mix():
    """With fewer proposals than slots nothing is left to chance but the order: compare as sets."""
    proposals, boxes = zip(*(crowd_of(12, seed) for seed in (5, 6)), strict=True)
    masks = np.random.default_rng(0).random((2, 8, 8, 2)) < 0.5
    class_ids = [[1, 2], [3, 1]]
    options = {"num_rois": 16, "positive_ratio": 0.5}
    both = run(np.concatenate(proposals), class_ids, np.concatenate(boxes), masks, **options)
    for i in range(2):
        alone = run(proposals[i], class_ids[i : i + 1], boxes[i], masks[i : i + 1], **options)
        assert rows(*(r[i] for r in both)) == rows(*(r[0] for r in alone))


def rows(rois, class_ids, deltas, masks):
    padded = np.zeros((len(rois), *masks.shape[1:]), "float32")
    padded[: len(masks)] = masks
    return sorted(map(tuple, np.concatenate([rois, class_ids[:, None], deltas, padded.reshape(len(rois), -1)], axis=1).round(4).tolist()))
