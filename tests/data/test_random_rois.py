"""Random rois for training the heads without the RPN."""

import numpy as np
import pytest

from mrcnn.data import random_rois
from mrcnn.ops import boxes

SHAPE = (100, 160, 3)
GT = np.int32([[20, 20, 40, 60], [60, 90, 95, 150]])


def draw(count, gt_boxes, shape=SHAPE, seed=0):
    return random_rois.generate(shape, count, gt_boxes, np.random.default_rng(seed))


@pytest.mark.parametrize("gt_boxes", [GT, GT[:1], GT[:0], None], ids=["two", "one", "none", "nothing"])
@pytest.mark.parametrize("count", [1, 7, 200])
def test_rois_lie_in_the_image_and_have_area(count, gt_boxes):
    if gt_boxes is None:
        gt_boxes = np.zeros((0, 4))
    rois = draw(count, gt_boxes)
    assert rois.shape == (count, 4) and rois.dtype == np.int32
    assert (rois[:, 2:] > rois[:, :2]).all() and rois.min() >= 0
    assert rois[:, 2].max() <= 100 and rois[:, 3].max() <= 160


def test_nine_tenths_lie_within_one_size_of_an_instance():
    rois = draw(200, GT[:1])
    near = rois[:180]  # rows 0 to 60, columns 0 to 100
    assert near[:, 2].max() <= 60 and near[:, 3].max() <= 100
    assert rois[180:, 3].max() > 100


def test_each_instance_gets_its_share_and_some_positives():
    rois = draw(400, GT)
    overlaps = boxes.iou(rois, GT)
    assert ((overlaps[:180, 0] >= 0.5).sum() > 0) and ((overlaps[180:360, 1] >= 0.5).sum() > 0)


@pytest.mark.parametrize("box", [[0, 0, 1, 1], [99, 159, 100, 160], [0, 0, 100, 160], [50, 50, 50, 50]])
def test_instances_at_the_border_of_one_pixel_and_of_no_area(box):
    rois = draw(300, np.int32([box]))
    assert (rois[:, 2:] > rois[:, :2]).all() and rois.min() >= 0 and (rois[:, 2:] <= [100, 160]).all()


def test_image_of_one_pixel():
    assert draw(3, np.int32([[0, 0, 1, 1]]), shape=(1, 1)).tolist() == [[0, 0, 1, 1]] * 3


def test_same_generator_gives_the_same_rois_and_boxes_stay_as_they_are():
    before = GT.copy()
    np.testing.assert_array_equal(draw(50, GT), draw(50, GT))
    assert not np.array_equal(draw(50, GT), draw(50, GT, seed=1))
    np.testing.assert_array_equal(GT, before)
