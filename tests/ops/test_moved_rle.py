"""mrcnn.ops.moved_rle: run lengths of a part of an image as those of the whole."""

import numpy as np
import pytest

from mrcnn.ops import moved_rle, rle


def placed(mask, offset, shape):
    """The slow way: on a plane with room around it."""
    room = max(mask.shape) + max(shape)
    plane = np.zeros((shape[0] + 2 * room, shape[1] + 2 * room), bool)
    y, x = offset[0] + room, offset[1] + room
    plane[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return plane[room : room + shape[0], room : room + shape[1]]


@pytest.mark.parametrize("offset", [(0, 0), (3, 5), (6, 4), (-2, 1), (2, -3), (-4, -4), (8, 8), (15, 0), (0, -15)])
@pytest.mark.parametrize("kind", ["random", "full", "empty", "columns"])
def test_what_is_moved_equals_the_slow_way(offset, kind):
    mask = {
        "random": np.random.default_rng(1).random((6, 7)) < 0.5, "full": np.ones((6, 7), bool), "empty": np.zeros((6, 7), bool),
        "columns": np.arange(42).reshape(6, 7) % 7 < 3,
    }[kind]  # fmt: skip
    moved = moved_rle.move(rle.encode_coco(mask), offset, (12, 11))
    assert moved["size"] == [12, 11]
    np.testing.assert_array_equal(rle.decode_coco(moved), placed(mask, offset, (12, 11)))


def test_a_part_of_the_images_own_height_keeps_runs_that_touch_as_one():
    moved = moved_rle.move({"size": [3, 2], "counts": [0, 6]}, (0, 1), (3, 4))
    assert rle.counts_coco(moved).tolist() == [3, 6, 3]


def test_broken_counts_are_refused():
    with pytest.raises(ValueError, match="add up to 5"):
        moved_rle.move({"size": [2, 2], "counts": [1, 4]}, (0, 0), (4, 4))
