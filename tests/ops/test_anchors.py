"""mrcnn.ops.anchors: hand-worked numbers and properties."""

import numpy as np
import pytest

from mrcnn.ops import anchors, boxes


def test_a_ratio_is_width_over_height_and_keeps_the_area():
    tall, wide = anchors.generate(8, [0.25, 4], (1, 1), 4)
    assert tall.tolist() == [-8, -2, 8, 2]
    assert wide.tolist() == [-2, -8, 2, 8]


def test_order_is_row_column_ratio():
    centres = anchors.generate(2, [1, 4], (2, 2), 10).reshape(2, 2, 2, 4)[..., :2] + [1, 1]
    assert centres[:, :, 0].tolist() == [[[0, 0], [0, 10]], [[10, 0], [10, 10]]]


def test_ratios_go_before_scales():
    areas = boxes.area(anchors.generate([2, 4], [1, 4], (1, 1), 1))
    assert areas.tolist() == [4, 16, 4, 16]


def test_an_anchor_stride_of_two_takes_every_other_cell():
    every = anchors.generate(8, [1], (5, 4), 4).reshape(5, 4, 4)
    assert anchors.generate(8, [1], (5, 4), 4, 2).tolist() == every[::2, ::2].reshape(-1, 4).tolist()


def test_feature_shapes_round_up():
    assert anchors.feature_shapes((100, 128, 3), [4, 64]).tolist() == [[25, 32], [2, 2]]


def test_a_pyramid_joins_its_levels():
    pyramid = anchors.generate_pyramid([8, 16], [1, 2], [(2, 3), (1, 2)], [4, 8])
    levels = [anchors.generate(8, [1, 2], (2, 3), 4), anchors.generate(16, [1, 2], (1, 2), 8)]
    assert pyramid.tolist() == np.concatenate(levels).tolist()


def test_a_level_without_scale_is_refused():
    with pytest.raises(ValueError, match="1 scales, 2 shapes and 2 strides"):
        anchors.generate_pyramid([8], [1], [(2, 2), (1, 1)], [4, 8])
