import cv2
import numpy as np

from mrcnn.evaluation import boundary
from mrcnn.ops import rle


def slow(mask, ratio=0.02):
    """Pixels of the mask that are at most d pixels from what is not mask, the outside of the image included."""
    d = boundary.distance(*mask.shape, ratio)
    padded = np.pad(mask, d)
    height, width = mask.shape
    inner = np.ones_like(mask)
    for dy in range(2 * d + 1):
        for dx in range(2 * d + 1):
            inner &= padded[dy : dy + height, dx : dx + width]
    return mask & ~inner


def test_boundaries_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    masks = np.zeros((70, 90, 6), bool)
    masks[:, :, 0] = True  # touches every border
    masks[3, 4, 1] = True
    masks[20:50, 30:31, 2] = True
    masks[..., 3] = cv2.GaussianBlur(rng.random((70, 90)), (0, 0), 6) > 0.5
    masks[40:, 60:, 4] = True  # mask 5 is empty
    found = rle.decode_coco(boundary.boundaries(rle.encode_coco(masks), ratio=0.05))
    for i in range(6):
        np.testing.assert_array_equal(found[..., i], slow(masks[..., i], ratio=0.05), str(i))


def test_no_mask_has_no_boundary():
    assert boundary.boundaries([]) == []
    assert boundary.reduced(np.zeros((0, 2)), [], [], np.zeros(2, bool)).shape == (0, 2)


def test_pairs_below_the_least_overlap_and_crowds_keep_theirs():
    masks = np.zeros((100, 100, 3), bool)
    masks[10:90, 10:90, 0] = masks[12:92, 10:90, 1] = masks[0:30, 0:30, 2] = True
    encoded = rle.encode_coco(masks)
    overlaps = rle.iou_coco(encoded[:1], encoded)
    lower = boundary.reduced(overlaps, encoded[:1], encoded, np.zeros(3, bool), least=0.5)
    assert lower[0, 0] == 1 and lower[0, 1] < overlaps[0, 1] and lower[0, 2] == overlaps[0, 2]
    crowd = boundary.reduced(overlaps, encoded[:1], encoded, np.array([False, True, False]), least=0.5)
    assert crowd[0, 1] == overlaps[0, 1]


def test_an_image_has_a_boundary_of_one_pixel_at_least():
    assert boundary.distance(4, 4) == 1 and boundary.distance(480, 640) == 16
