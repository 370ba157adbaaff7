"""What is timed as the original's way does the same work as the library's: their results agree where the original has no defect."""

import numpy as np
import pytest

from benchmarks import scenes
from mrcnn.data import images, rpn_targets
from mrcnn.ops import anchors, boxes, masks

pytest.importorskip("skimage")
pytest.importorskip("scipy")

from benchmarks import original_way  # noqa: E402

SIZE = 128


@pytest.fixture(scope="module")
def scene():
    return scenes.scene(0, 160)


@pytest.fixture(scope="module")
def drawn(scene):
    return scenes.masks(scene).transpose(1, 2, 0)


def test_resizing_gives_the_same_picture(scene):
    resized, scale, padding = original_way.resize_square(scene.image[:120], SIZE)
    ours = images.resize(scene.image[:120], min_dim=SIZE, max_dim=SIZE, mode="square")
    assert (scale, padding) == (ours.scale, ours.padding)
    inside = np.abs(resized.astype(int) - ours.image)[padding[0][0] + 2 : -padding[0][1] - 2, 2:-2]
    assert inside.max() <= 1  # rounding


def test_resizing_gives_the_same_masks(drawn):
    padding = [(0, 0), (0, 0), (0, 0)]
    theirs, ours = original_way.resize_masks(drawn, 0.8, padding), masks.resize_mask(drawn, 0.8, padding)
    assert (theirs != ours).mean() < 0.01  # which of two pixels is nearer


def test_boxes_and_mini_masks_agree(drawn):
    found = original_way.boxes_of(drawn)
    np.testing.assert_array_equal(found, boxes.from_masks(drawn))
    theirs, ours = original_way.minimize(found, drawn, (56, 56)), masks.minimize(found, drawn, (56, 56))
    assert (theirs != ours).mean() < 0.001


def test_rpn_targets_agree(scene):
    shapes = anchors.feature_shapes((160, 160), [4, 8, 16, 32, 64])
    grid = anchors.generate_pyramid((32, 64, 128, 256, 512), [0.5, 1, 2], shapes, [4, 8, 16, 32, 64], 1)
    count, std_dev, ids = 10**6, np.array([0.1, 0.1, 0.2, 0.2]), np.arange(1, 9)  # so many that none is dropped at random
    theirs = original_way.rpn_targets(grid, scene.boxes.astype(float), count, std_dev, np.random.default_rng(0))
    ours = rpn_targets.build(
        grid, ids, scene.boxes, num_anchors=count, std_dev=std_dev, forced_match_own_box=False, rng=np.random.default_rng(0)
    )
    np.testing.assert_array_equal(theirs[0], ours[0])
    np.testing.assert_allclose(theirs[1], ours[1], atol=1e-5)  # float32
