import numpy as np
import pytest
from small_detections import collected_image as image

from mrcnn.evaluation import semantic
from mrcnn.evaluation.collected import Collected


def figures(*images, names=("BG", "a", "b"), score=0.5):
    return semantic.evaluate(Collected(list(names), list(images)), score=score)


def test_figures_by_hand():
    # 10 x 10 pixels: class 1 has the upper 4 rows, found as the upper 5; class 2 the last 2, not found
    found = figures(image([(1, 0, 0, 4, 10), (2, 8, 0, 10, 10)], [(1, 0.9, 0, 0, 5, 10)], size=(10, 10)))
    assert found.iou == {0: 30 / 60, 1: 40 / 50, 2: 0.0}
    assert found.accuracy == {0: 30 / 40, 1: 1.0, 2: 0.0}
    assert found.pixel_accuracy == pytest.approx(0.7)
    assert found.mean_accuracy == pytest.approx((0.75 + 1 + 0) / 3)
    assert found.mean_iou == pytest.approx((0.5 + 0.8 + 0) / 3)
    assert found.frequency_weighted_iou == pytest.approx(0.4 * 0.5 + 0.4 * 0.8)


def test_images_add_up_pixel_by_pixel():
    one, other = image([(1, 0, 0, 4, 10)], [], size=(10, 10)), image([(1, 0, 0, 6, 10)], [(1, 0.9, 0, 0, 6, 10)], 1, size=(10, 10))
    assert figures(one, other).iou[1] == 60 / 100


def test_the_instance_does_not_matter():
    halves = image([(1, 0, 0, 10, 10)], [(1, 0.9, 0, 0, 10, 5), (1, 0.8, 0, 5, 10, 10)], size=(10, 20))
    assert figures(halves).iou[1] == 1


def test_a_better_scored_class_has_the_pixel():
    both = image([(1, 0, 0, 10, 10)], [(1, 0.8, 0, 0, 10, 10), (2, 0.9, 0, 0, 10, 5)], size=(10, 10))
    found = figures(both)
    assert found.iou[1] == 0.5 and found.iou[2] == 0 and found.pixel_accuracy == 0.5


def test_crowds_are_void():
    crowd = image([(1, 0, 0, 5, 10), (-1, 5, 0, 10, 10)], [(1, 0.9, 0, 0, 10, 10)], size=(10, 10))
    found = figures(crowd)
    assert found.iou[1] == found.pixel_accuracy == 1 and np.isnan(found.iou[0])


def test_an_empty_image_is_all_background():
    found = figures(image([], [], size=(10, 10)))
    assert found.pixel_accuracy == found.mean_iou == 1 and np.isnan(found.iou[1])
