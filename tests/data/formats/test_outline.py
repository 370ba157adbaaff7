"""One polygon around a mask, rasterised again to the same pixels."""

import numpy as np
import pytest

from mrcnn.data.formats import shapes
from mrcnn.data.formats.outline import outline


def pixels(text):
    return np.array([[letter == "#" for letter in line] for line in text.split()])


HAND = {
    "one pixel": "... .#. ...",
    "hole": "##### #...# #.#.# #...# #####",
    "two parts": "##.. ##.. ...# ...#",
    "diagonal": "#.. .#. ..#",
    "chequered": "#.#. .#.# #.#. .#.#",
    "all": "### ### ###",
    "ring of diagonals": ".#. #.# .#.",
}


@pytest.mark.parametrize("case", HAND)
def test_hand_drawn_masks_come_back(case):
    mask = pixels(HAND[case])
    assert np.array_equal(shapes.decode(shapes.Polygons((outline(mask),)), *mask.shape), mask)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_random_masks_come_back(share):
    rng = np.random.default_rng(3)
    for _ in range(40):
        mask = rng.random(rng.integers(4, 30, 2)) < share
        mask[0, 0] = True
        assert np.array_equal(shapes.decode(shapes.Polygons((outline(mask),)), *mask.shape), mask)


def test_straight_sides_have_two_points():
    assert outline(pixels("...... .####. .####. ......")).tolist() == [[1, 1], [5, 1], [5, 3], [1, 3]]


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="no outline"):
        outline(np.zeros((3, 3), bool))
