"""The original library's way of doing things, as plain reference versions written anew from what it did, to be timed against.

Images are resampled by scikit-image, masks by scipy.ndimage.zoom or one by one, and anchors meet all boxes in one float64 matrix. Training's mask
head on all sampled rois is a setting in training.py; masks enlarged one by one are in paste.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.ndimage
import skimage.io
import skimage.transform


def read(path: str) -> np.ndarray:
    """Photo of a file: [H, W, 3] uint8."""
    return skimage.io.imread(path)


def resize_square(image: np.ndarray, side: int) -> tuple[np.ndarray, float, list[tuple[int, int]]]:
    """Scale a photo into a square and pad it: the square uint8, the scale, and the padding of each axis."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale != 1:
        shape = (round(height * scale), round(width * scale))
        image = skimage.transform.resize(image, shape, order=1, mode="constant", preserve_range=True, anti_aliasing=False)
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    padding = [(top, side - image.shape[0] - top), (left, side - image.shape[1] - left), (0, 0)]
    return np.pad(image, padding).astype(np.uint8), scale, padding


def mold(image: np.ndarray, mean_pixel: np.ndarray) -> np.ndarray:
    """Subtract the mean."""
    return image.astype(np.float32) - mean_pixel


def resize_masks(masks: np.ndarray, scale: float, padding: Sequence[tuple[int, int]]) -> np.ndarray:
    """Scale and pad [H, W, N] masks like their photo."""
    return np.pad(scipy.ndimage.zoom(masks, (scale, scale, 1), order=0), padding)


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """Box of each of [H, W, N] masks, by a loop: [N, (y1, x1, y2, x2)] int32."""
    boxes = np.zeros((masks.shape[-1], 4), np.int32)
    for i in range(len(boxes)):
        columns, rows = np.flatnonzero(masks[..., i].any(axis=0)), np.flatnonzero(masks[..., i].any(axis=1))
        if len(columns):
            boxes[i] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    return boxes


def minimize(boxes: np.ndarray, masks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cut each of [H, W, N] masks to its box and shrink it: [h, w, N] bool."""
    mini = np.zeros((*shape, masks.shape[-1]), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        crop = masks[y1:y2, x1:x2, i].astype(bool)
        small = skimage.transform.resize(crop.astype(float), shape, order=1, mode="constant", anti_aliasing=False)
        mini[..., i] = np.around(small).astype(bool)
    return mini


def rpn_targets(
    anchors: np.ndarray, boxes: np.ndarray, num_anchors: int, std_dev: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Label [A, 4] anchors 1, -1 or 0 by their overlap with [N, 4] boxes, and encode the positive ones in a loop.

    Returns:
        Labels [A] int32, deltas [num_anchors, 4] float64.
    """
    overlaps = _overlaps(anchors, boxes)  # [A, N]
    nearest = overlaps.argmax(axis=1)
    highest = overlaps[np.arange(len(anchors)), nearest]
    labels = np.zeros(len(anchors), np.int32)
    labels[highest < 0.3] = -1
    labels[np.argwhere(overlaps == overlaps.max(axis=0))[:, 0]] = 1
    labels[highest >= 0.7] = 1
    for label, limit in ((1, num_anchors // 2), (-1, None)):
        places = np.flatnonzero(labels == label)
        surplus = len(places) - (limit if limit is not None else num_anchors - np.sum(labels == 1))
        if surplus > 0:
            labels[rng.choice(places, surplus, replace=False)] = 0
    deltas = np.zeros((num_anchors, 4))
    for row, place in enumerate(np.flatnonzero(labels == 1)):
        anchor, box = anchors[place], boxes[nearest[place]]
        size, wanted = anchor[2:] - anchor[:2], box[2:] - box[:2]
        shift = (box[:2] + 0.5 * wanted - anchor[:2] - 0.5 * size) / size
        deltas[row] = np.concatenate([shift, np.log(wanted / size)]) / std_dev
    return labels, deltas


def _overlaps(anchors: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of all pairs, a column a box: [A, N] float64."""
    areas = (anchors[:, 2] - anchors[:, 0]) * (anchors[:, 3] - anchors[:, 1])
    overlaps = np.zeros((len(anchors), len(boxes)))
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        height = np.maximum(np.minimum(anchors[:, 2], y2) - np.maximum(anchors[:, 0], y1), 0)
        width = np.maximum(np.minimum(anchors[:, 3], x2) - np.maximum(anchors[:, 1], x1), 0)
        shared = height * width
        overlaps[:, i] = shared / (areas + (y2 - y1) * (x2 - x1) - shared)
    return overlaps
