"""mrcnn.ops.waiting: masks that are not planes, and what they cost."""

import tracemalloc

import numpy as np

from mrcnn.ops import overlaps, paste, rle, waiting


def blobs(count, side, height, width):
    """Masks of the mask head: a disc in each box, boxes spread over the image."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    discs = np.repeat((1.0 - np.hypot(y, x)).astype(np.float32)[None], count, axis=0)
    corners = np.stack([rng.integers(0, height - side, count), rng.integers(0, width - side, count)], axis=1)
    return waiting.SmallMasks(discs, np.concatenate([corners, corners + side], axis=1), (height, width))


def test_encoded_masks_give_the_planes_that_were_encoded():
    masks = np.random.default_rng(0).random((5, 7, 3)) < 0.5
    encoded = waiting.EncodedMasks(rle.encode_coco(masks), (5, 7))
    assert encoded.shape == (5, 7, 3)
    np.testing.assert_array_equal(encoded.planes(), masks)
    np.testing.assert_array_equal(encoded.select(np.array([2, 0])).planes(), masks[:, :, [2, 0]])
    np.testing.assert_array_equal(encoded.select(np.array([True, False, True])).planes(), masks[:, :, [0, 2]])
    assert encoded.rles() == list(encoded.encoded) and waiting.EncodedMasks([], (5, 7)).planes().shape == (5, 7, 0)


def test_both_kinds_agree():
    small = blobs(4, 30, 60, 80)
    encoded = waiting.EncodedMasks(small.rles(), small.image_shape)
    assert small.shape == encoded.shape
    np.testing.assert_array_equal(small.planes(), encoded.planes())


def test_encoded_masks_can_be_pasted_one_by_one_like_small_ones():
    masks = np.random.default_rng(0).random((9, 7, 3)) < 0.3
    masks[:, :, 1] = False
    masks[:2, :, 0] = False
    encoded = waiting.EncodedMasks(rle.encode_coco(masks), (9, 7))
    assert len(encoded.masks) == 3 and encoded.masks[0].shape == (6, 4) and encoded.boxes[0].tolist() == [2, 1, 8, 5]
    for i in (0, 2):
        np.testing.assert_array_equal(paste.plane(encoded.masks[i], encoded.boxes[i], encoded.image_shape), masks[:, :, i])
    assert encoded.masks[1].size == 0 and not encoded.boxes[1].any()


def test_a_hundred_masks_of_a_large_photo_take_megabytes_as_run_lengths():
    """Their planes are 4,000 x 3,000 x 100 = 1.2 GB; made disjoint and suppressed besides, it stays below one of them."""
    small = blobs(100, 900, 4000, 3000)
    tracemalloc.start()
    try:
        encoded = small.rles()
        overlaps.apart(encoded, np.argsort(rle.area_coco(encoded), kind="stable"))
        overlaps.non_max_suppression(encoded, np.linspace(1, 0.5, 100), 0.5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12e6  # 4 MB were measured; one plane is 12 MB
