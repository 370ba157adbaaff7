"""benchmarks.paste: the contestants do the same work."""

import numpy as np
import pytest

from benchmarks import paste as work
from mrcnn.ops import paste


def test_the_original_way_gives_our_planes():
    pytest.importorskip("skimage")
    masks, boxes = work.scene(1, count=12, shape=(150, 200))
    np.testing.assert_array_equal(work.pasted_by_skimage(masks, boxes, (150, 200)), paste.planes(masks, boxes, (150, 200)))


def test_boxes_are_inside_the_photo_and_have_an_area():
    _, boxes = work.scene(2, count=500)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= work.SHAPE).all() and (boxes[:, 2:] > boxes[:, :2]).all()


def test_memory_beyond_the_result_is_what_was_given_back():
    megabyte = 2**20

    def call():
        scratch = np.ones(300 * megabyte, np.uint8)
        return scratch[: 100 * megabyte].copy()

    memory = work.memory_beyond_result(call)
    assert memory["result_mb"] == 100
    for name in ("beyond_mb", "temporary_mb"):
        assert memory[name] == pytest.approx(300, abs=30)  # pages that were resident before, or are kept for the next array
