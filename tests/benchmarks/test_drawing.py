"""The contest of drawing draws the same instances in each way."""

import numpy as np

from benchmarks import drawing


def test_masks_that_wait_and_planes_of_either_layout_give_the_same_picture():
    calls = drawing.contestants(3, shape=(72, 96))
    pictures = {name: call() for name, call in calls.items()}
    np.testing.assert_array_equal(pictures["planes"], pictures["masks that wait"])
    np.testing.assert_array_equal(pictures["planes"], pictures["stacked planes"])
    assert pictures["planes"].shape == (72, 96, 3)
    assert pictures["display_instances"].shape[2] == 4 and np.ptp(pictures["display_instances"]) > 0
