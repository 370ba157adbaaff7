"""mrcnn.ops.overlaps: suppression by masks, and masks made disjoint, on run lengths."""

import numpy as np
import pytest

from mrcnn.ops import overlaps, rle


def random_blobs(seed, count, height=20, width=24):
    rng = np.random.default_rng(seed)
    masks = np.zeros((height, width, count), bool)
    for i in range(count):
        y, x = rng.integers(0, height), rng.integers(0, width)
        masks[y : y + rng.integers(0, 12), x : x + rng.integers(0, 12), i] = True  # some are empty
    return masks


def slow_apart(masks, order):
    """As the kernels do it, plane by plane."""
    masks, taken = masks.copy(), np.zeros(masks.shape[:2], bool)
    for i in order:
        masks[:, :, i] &= ~taken
        taken |= masks[:, :, i]
    return masks


def slow_nms(masks, scores, threshold, groups):
    kept = []
    for i in np.argsort(-scores, kind="stable").tolist():
        rivals = [j for j in kept if groups is None or groups[j] == groups[i]]
        shares = [(masks[..., i] & masks[..., j]).sum() / max((masks[..., i] | masks[..., j]).sum(), 1) for j in rivals]
        if all(share <= threshold for share in shares):
            kept.append(i)
    return kept


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("groups", [None, [0, 1, 0, 1, 0, 1, 0, 1, 0]])
def test_nms_keeps_what_the_slow_version_keeps(seed, groups):
    masks, scores = random_blobs(seed, 9), np.random.default_rng(seed).random(9).round(1)  # some scores are equal
    kept = overlaps.non_max_suppression(rle.encode_coco(masks), scores, 0.1, groups)
    assert kept.tolist() == slow_nms(masks, scores, 0.1, groups)


def test_nms_keeps_a_mask_at_the_threshold_and_drops_one_above():
    """IoU 2 / 4."""
    whole, half = {"size": [1, 4], "counts": [0, 4]}, {"size": [1, 4], "counts": [0, 2, 2]}
    assert overlaps.non_max_suppression([whole, half], np.array([0.5, 0.4]), 0.5).tolist() == [0, 1]
    assert overlaps.non_max_suppression([whole, half], np.array([0.4, 0.5]), 0.49).tolist() == [1]


def test_nms_of_no_masks():
    assert overlaps.non_max_suppression([], np.zeros(0), 0.5).tolist() == []


@pytest.mark.parametrize("seed", range(4))
def test_apart_gives_what_planes_give(seed):
    masks = random_blobs(seed, 9)
    order = np.random.default_rng(seed).permutation(9)
    parts = rle.decode_coco(overlaps.apart(rle.encode_coco(masks), order))
    np.testing.assert_array_equal(parts, slow_apart(masks, order))
    assert parts.sum(axis=2).max() == 1 and (parts.any(axis=2) == masks.any(axis=2)).all()


def test_apart_of_none_and_of_one():
    one = {"size": [1, 4], "counts": [0, 4]}
    assert overlaps.apart([], []) == [] and overlaps.apart([one], [0]) == [one]


def test_apart_refuses_an_order_that_leaves_one_out():
    with pytest.raises(ValueError, match=r"each of the 2 masks once; got \[0, 0\]"):
        overlaps.apart([{"size": [1, 1], "counts": [1]}] * 2, [0, 0])


@pytest.mark.parametrize("mask", [np.zeros((3, 2)), np.ones((3, 2)), np.eye(3), 1 - np.eye(3)], ids=["empty", "full", "begins", "ends"])
def test_complement_turns_every_pixel_and_back(mask):
    encoded = rle.encode_coco(mask)
    assert (rle.decode_coco(overlaps.complement(encoded)) == (mask == 0)).all()
    assert rle.decode_coco(overlaps.complement(overlaps.complement(encoded))).tolist() == mask.astype(bool).tolist()
