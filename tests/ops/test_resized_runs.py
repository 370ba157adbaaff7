"""mrcnn.ops.resized_runs: pixel for pixel what resizing the decoded planes gives."""

import numpy as np
import pytest

from mrcnn.ops import masks as mask_ops
from mrcnn.ops import resized_runs, rle


def some_masks(height, width, rng):
    masks = np.zeros((height, width, 6), bool)
    masks[: height // 2, 1 : width // 3, 0] = True
    masks[..., 1] = rng.random((height, width)) < 0.5
    masks[..., 2] = True
    masks[-1, -1, 3] = masks[0, 0, 3] = True
    masks[:, width // 2, 4] = True  # mask 5 is empty
    return masks


@pytest.mark.parametrize("scale", [1, 0.3, 0.5, 1.6, 64 / 37, 2])
@pytest.mark.parametrize("shape", [(30, 40), (41, 29), (1, 7), (7, 1)])
def test_decoding_at_another_size_is_resizing_what_was_decoded(shape, scale):
    masks = some_masks(*shape, np.random.default_rng(0))
    padding = [(3, 2), (1, 0), (0, 0)]
    found = resized_runs.decode(rle.encode_coco(masks), shape, scale, padding)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, mask_ops.resize_mask(masks, scale, padding))


@pytest.mark.parametrize("scale", [1, 2.2])
def test_crops_are_cut_as_from_planes(scale):
    masks = some_masks(30, 40, np.random.default_rng(1))
    arguments = (scale, [(0, 0)] * 3, (5, 7, 20, 20))
    np.testing.assert_array_equal(resized_runs.decode(rle.encode_coco(masks), (30, 40), *arguments), mask_ops.resize_mask(masks, *arguments))


def test_random_sizes_with_rows_that_stay_empty_are_met():
    rng, met = np.random.default_rng(2), 0
    for _ in range(60):
        shape, scale = rng.integers(2, 90, 2), float(rng.uniform(0.2, 3))
        met += any((mask_ops.nearest(int(n), scale) < 0).any() for n in shape)
        masks = some_masks(*shape, rng)
        found = resized_runs.decode(rle.encode_coco(masks), shape, scale, [(0, 0)] * 3)
        np.testing.assert_array_equal(found, mask_ops.resize_mask(masks, scale, [(0, 0)] * 3))
    assert met  # the rounding of scipy that leaves the last line empty


def test_no_mask_gives_no_plane():
    assert resized_runs.decode([], (30, 40), 0.5, [(1, 1), (2, 2), (0, 0)]).shape == (17, 24, 0)


def test_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 2\) pixels does not fit an image of \(3, 3\)"):
        resized_runs.decode([{"size": [2, 2], "counts": [4]}], (3, 3), 1, [(0, 0)] * 3)
