"""mrcnn.ops.runs: what pycocotools writes."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mrcnn.ops import runs


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (1, 9), (60, 80), (1500, 1700)])
def test_edges_give_what_the_masks_give(shape):
    rng = np.random.default_rng(shape[0])
    masks = [np.zeros(shape, bool), np.ones(shape, bool), rng.random(shape) < 0.3, rng.random(shape) < 0.999]
    masks[3][: shape[0] // 2] = False
    edges = []
    for mask in masks:
        pixels = np.concatenate([[False], mask.T.ravel(), [False]])
        edges.append(np.flatnonzero(pixels[1:] != pixels[:-1]))
    owner = np.repeat(np.arange(4), [len(one) for one in edges])
    encoded = runs.encode(owner, np.concatenate(edges), 4, shape)
    assert encoded == coco_mask.encode(np.asfortranarray(np.stack(masks, axis=-1).astype(np.uint8)))


def test_no_edges_of_no_masks():
    assert runs.encode(np.zeros(0, np.int64), np.zeros(0, np.int64), 0, (3, 4)) == []


def test_what_is_turned_twice_is_not_turned():
    assert runs.odd(np.array([0, 0, 1, 4, 4, 4, 7, 7, 7, 7])).tolist() == [1, 4]
    assert runs.odd(np.zeros(0, np.int64)).tolist() == []
