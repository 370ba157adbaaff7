"""A photo small enough to look at pixel by pixel, with two instances."""

import numpy as np

NAMES = ["BG", "shirt", "shoe"]


def scene(num=2):
    """A gray 20 × 30 image with two squares, a shirt and a shoe."""
    image = np.full((20, 30, 3), 128, np.uint8)
    boxes = np.array([[2, 3, 8, 9], [10, 15, 18, 27]], np.int32)[:num]
    masks = np.zeros((20, 30, num), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return image, boxes, masks, np.array([1, 2], np.int32)[:num]
