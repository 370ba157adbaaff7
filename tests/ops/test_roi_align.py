"""Cutting rois out of feature maps: values, gradients and determinism of both implementations, and the aligned sampling."""

import numpy as np
import pytest
import slow_reference
from backend_tools import TENSORFLOW, arrays, compiled, gradient
from keras import ops

from mrcnn.ops import roi_align

pytestmark = pytest.mark.portable

SIZES = [(16, 24), (8, 12), (4, 6)]
BOXES = np.array(
    [
        [0.1, 0.2, 0.6, 0.7], [0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 1.0, 1.0], [0.0, 0.33, 0.27, 1.0], [0.9, 0.8, 1.3, 1.2], [1.2, 1.2, 1.5, 1.5],
        [-0.4, -0.1, 0.3, 0.2], [0.4, 0.4, 0.4, 0.4], [0.0, 0.0, 0.0, 0.0], [0.8, 0.7, 0.3, 0.1], [0.1, 0.2, 0.6, 0.7],
        [0.123, 0.456, 1.0, 0.999],
    ], "float32",
)  # fmt: skip


def portable(features, boxes, levels, size):
    return roi_align.crop_portable(features, boxes, levels, size)


def kernel(features, boxes, levels, size):
    from mrcnn.ops import _tensorflow

    return _tensorflow.crop(features, boxes, levels, size)


IMPLEMENTATIONS = [portable, *([kernel] if TENSORFLOW else [])]
each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS, ids=lambda f: f.__name__)


def pyramid(seed=0, batch=2, channels=3, sizes=SIZES):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((batch, *size, channels)).astype("float32") for size in sizes]


def rois(batch=2, levels=3, boxes=BOXES):
    """Every box on every level, in another order for each image."""
    boxes = np.tile(boxes, (levels, 1))
    level = np.repeat(np.arange(levels), len(boxes) // levels)
    orders = [np.random.default_rng(i).permutation(len(boxes)) for i in range(batch)]
    return np.stack([boxes[o] for o in orders]), np.stack([level[o] for o in orders]).astype("int32")


def run(implementation, features, boxes, levels, size):
    call = compiled(lambda features, boxes, levels: implementation(features, boxes, levels, size))
    return call([ops.convert_to_tensor(f) for f in features], ops.convert_to_tensor(boxes), ops.convert_to_tensor(levels))


def crop(sampling):
    """`roi_align.crop` in the form of an implementation."""
    return lambda features, boxes, levels, size: roi_align.crop(features, boxes, levels, size, sampling)


def slow(features, boxes, levels, size, one=slow_reference.crop_and_resize):
    return np.stack([[one(features[lv][b], box, size) for box, lv in zip(boxes[b], levels[b], strict=True)] for b in range(len(boxes))])


@each_implementation
@pytest.mark.parametrize("size", [(7, 7), (3, 5), (1, 1), (1, 2)])
@pytest.mark.parametrize("batch", [1, 2])
def test_values_are_those_of_the_slow_version(implementation, size, batch):
    features, (boxes, levels) = pyramid(batch=batch), rois(batch)
    result = arrays(run(implementation, features, boxes, levels, size))
    np.testing.assert_allclose(result, slow(features, boxes, levels, size), atol=1e-4)  # positions are float32: 1e-6 of 24 cells


@each_implementation
def test_gradient_is_the_transpose_of_the_slow_version(implementation):
    """The crop is linear in the maps: its gradient for random upstream values is found by cropping unit maps."""
    sizes, size = [(3, 4), (2, 2)], (2, 3)
    features, (boxes, levels) = pyramid(batch=2, channels=2, sizes=sizes), rois(2, 2)
    upstream = np.random.default_rng(5).standard_normal((2, boxes.shape[1], *size, 2)).astype("float32")
    found = gradient(lambda *maps: ops.sum(ops.multiply(run(implementation, maps, boxes, levels, size), upstream)), *features)
    for level, feature in enumerate(features):
        expected = np.zeros(feature.shape)
        for index in np.ndindex(*feature.shape):
            unit = [np.zeros_like(f) for f in features]
            unit[level][index] = 1.0
            image = index[0]
            response = slow([u[image : image + 1] for u in unit], boxes[image : image + 1], levels[image : image + 1], size)
            expected[index] = (response[0] * upstream[image]).sum()
        np.testing.assert_allclose(found[level], expected, atol=1e-4)


@each_implementation
def test_gradient_has_the_same_bits_in_each_call_though_rois_overlap(implementation):
    check_same_bits(implementation)


def test_gradient_of_aligned_has_the_same_bits_in_each_call_though_rois_overlap():
    check_same_bits(crop("aligned"))


def check_same_bits(implementation):
    features = pyramid(batch=1, channels=16)
    near = np.repeat([[0.2, 0.2, 0.7, 0.7]], 150, axis=0) + np.random.default_rng(1).random((150, 1)) * 0.01
    boxes = np.concatenate([near, near])[None].astype("float32")
    levels = np.zeros((1, 300), "int32")
    upstream = np.random.default_rng(2).standard_normal((1, 300, 7, 7, 16)).astype("float32") * 1e3

    def total(*maps):
        return ops.sum(ops.multiply(run(implementation, maps, boxes, levels, (7, 7)), upstream))

    first = gradient(total, *features)
    for _ in range(5):
        for a, b in zip(first, gradient(total, *features), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("sampling", roi_align.SAMPLINGS)
def test_no_gradient_flows_into_the_boxes(sampling):
    features, (boxes, levels) = pyramid(), rois()
    maps, levels = [ops.convert_to_tensor(f) for f in features], ops.convert_to_tensor(levels)
    assert not gradient(lambda b: ops.sum(roi_align.crop(maps, b, levels, (3, 3), sampling)), boxes)[0].any()


@pytest.mark.parametrize("sampling", roi_align.SAMPLINGS)
def test_levels_that_no_roi_uses_have_a_gradient_of_zero(sampling):
    features, boxes = pyramid(batch=1), BOXES[None, :2]
    levels = ops.ones((1, 2), "int32")
    found = gradient(lambda *maps: ops.sum(roi_align.crop(list(maps), ops.convert_to_tensor(boxes), levels, (3, 3), sampling)), *features)
    assert found[1].any() and not found[0].any() and not found[2].any()


@each_implementation
def test_row_on_the_far_border_is_never_lost_to_rounding(implementation):
    """The last sample may compute to an ulp beyond the map; the original returns 0 there for some sizes and machines."""
    for side in (5, 13, 32, 100):
        features = [np.ones((1, side, side, 1), "float32")]
        starts = np.linspace(0, 0.95, 40)
        boxes = np.stack([starts, starts[::-1], np.ones(40), np.ones(40)], axis=1)[None].astype("float32")
        assert arrays(run(implementation, features, boxes, np.zeros((1, 40), "int32"), (7, 7))).min() > 0.999


@each_implementation
def test_map_of_one_cell(implementation):
    result = arrays(run(implementation, [np.full((1, 1, 1, 2), 3.0, "float32")], BOXES[None, :4], np.zeros((1, 4), "int32"), (3, 3)))
    np.testing.assert_array_equal(result, np.full((1, 4, 3, 3, 2), 3.0))


def test_corners_of_the_whole_map_are_its_corner_cells():
    feature = np.arange(12, dtype="float32").reshape(1, 3, 4, 1)
    whole = np.array([[[0, 0, 1, 1]]], "float32")
    for implementation in IMPLEMENTATIONS:
        result = arrays(run(implementation, [feature], whole, np.zeros((1, 1), "int32"), (2, 2)))
        np.testing.assert_allclose(result[0, 0, :, :, 0], [[0, 3], [8, 11]], atol=1e-5)


def test_outside_is_zero_for_crop_and_resize_and_the_border_for_aligned():
    feature, box = np.full((1, 8, 8, 1), 5.0, "float32"), np.array([[[1.5, 1.5, 2.0, 2.0]]], "float32")
    values = {s: arrays(run(crop(s), [feature], box, np.zeros((1, 1), "int32"), (2, 2))) for s in roi_align.SAMPLINGS}
    assert not values["crop_and_resize"].any()
    assert (values["aligned"] == 5.0).all()


@pytest.mark.parametrize("batch", [1, 2])
def test_aligned_is_the_slow_version(batch):
    features, (boxes, levels) = pyramid(batch=batch), rois(batch)
    result = run(crop("aligned"), features, boxes, levels, (3, 4))
    np.testing.assert_allclose(arrays(result), slow(features, boxes, levels, (3, 4), slow_reference.aligned), atol=1e-4)


def test_aligned_of_a_ramp_is_the_ramp_at_the_centres_of_the_bins():
    """Cell (y, x) of the map has the value y + 0.5 at its centre. The box spans rows 4 to 12 of 16: bins of 2, centres 5, 7, 9, 11."""
    ramp = np.broadcast_to((np.arange(16) + 0.5)[:, None, None], (16, 16, 1))[None].astype("float32")
    box = np.array([[[4 / 16, 2 / 16, 12 / 16, 10 / 16]]], "float32")
    result = arrays(run(crop("aligned"), [ramp], box, np.zeros((1, 1), "int32"), (4, 4)))
    np.testing.assert_allclose(result[0, 0, :, 0, 0], [5, 7, 9, 11], atol=1e-5)
    np.testing.assert_allclose(result[0, 0, :, 3, 0], [5, 7, 9, 11], atol=1e-5)


def test_aligned_gradient_shares_each_bin_among_its_samples():
    """A map of constant gradient: every sample has weight 1/4 on each bin, so all weights sum to the number of bins."""
    feature = pyramid(batch=1, sizes=[(8, 8)], channels=1)[0]
    box, level = ops.convert_to_tensor(BOXES[None, :1]), ops.zeros((1, 1), "int32")
    found = gradient(lambda f: ops.sum(roi_align.crop([f], box, level, (3, 4), "aligned")), feature)
    np.testing.assert_allclose(found[0].sum(), 12.0, rtol=1e-5)


@pytest.mark.parametrize("sampling", roi_align.SAMPLINGS)
def test_result_has_the_dtype_of_the_features(sampling):
    features, (boxes, levels) = [ops.cast(f, "bfloat16") for f in pyramid()], rois()
    result = run(crop(sampling), features, boxes, levels, (3, 3))
    assert "bfloat16" in str(result.dtype)
    full = run(crop(sampling), [ops.cast(f, "float32") for f in features], boxes, levels, (3, 3))
    np.testing.assert_allclose(arrays(ops.cast(result, "float32")), arrays(full), atol=0.05)  # bfloat16 keeps 8 bits


def test_crop_each_cuts_out_of_the_mask_of_each_box():
    masks = np.random.default_rng(0).random((3, 10, 12)).astype("float32")
    indices = np.array([2, 0, 0, 1], "int32")
    result = arrays(compiled(lambda *a: roi_align.crop_each(*a, (5, 6)))(*map(ops.convert_to_tensor, (masks, indices, BOXES[:4]))))
    expected = [slow_reference.crop_and_resize(masks[i][..., None], box, (5, 6))[..., 0] for i, box in zip(indices, BOXES[:4], strict=True)]
    np.testing.assert_allclose(result, expected, atol=1e-4)


@pytest.mark.portable
def test_boxes_that_are_not_finite_are_no_error():
    """Numbers gone wrong in training reach the losses, which name them; a gather with such an index would fail before."""
    features = [ops.ones((1, 4, 4, 2))]
    boxes = ops.convert_to_tensor(np.array([[[np.nan, 0, np.inf, 1], [0, 0, 1, 1]]], np.float32))
    for crop in (roi_align.crop, roi_align.crop_portable):
        crops = arrays(crop(features, boxes, ops.zeros((1, 2), "int32"), (2, 2)))
        np.testing.assert_array_equal(crops[0, 1], 1.0)
    masks = arrays(roi_align.crop_each(ops.ones((1, 4, 4)), ops.zeros(2, "int32"), boxes[0], (2, 2)))
    np.testing.assert_array_equal(masks[1], 1.0)


@pytest.mark.parametrize("sampling", roi_align.SAMPLINGS)
def test_gradient_is_that_of_finite_differences(sampling):
    """The crop is linear in the maps, so a difference of 1 either way gives the slope itself, up to the rounding of float32."""
    sizes, size = [(4, 5), (2, 3)], (2, 2)
    features, (boxes, levels) = pyramid(batch=1, channels=1, sizes=sizes), rois(1, 2, BOXES[:8])
    upstream = np.random.default_rng(7).standard_normal((1, boxes.shape[1], *size, 1)).astype("float32")
    boxes, levels = ops.convert_to_tensor(boxes), ops.convert_to_tensor(levels)
    function = compiled(lambda *maps: ops.sum(ops.multiply(roi_align.crop(list(maps), boxes, levels, size, sampling), upstream)))
    found = gradient(function, *features)
    for level, feature in enumerate(features):
        for index in np.ndindex(*feature.shape):
            ends = []
            for change in (1.0, -1.0):
                moved = [f.copy() for f in features]
                moved[level][index] += change
                ends.append(float(arrays(function(*[ops.convert_to_tensor(m) for m in moved]))))
            np.testing.assert_allclose(found[level][index], (ends[0] - ends[1]) / 2, atol=1e-4)
