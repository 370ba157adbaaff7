"""Random rois around the ground truth, for training the heads without the RPN (USE_RPN_ROIS = False)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROUND_SHARE = 0.9  # of the rois lie around instances, the rest anywhere


def generate(image_shape: Sequence[int], count: int, gt_boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw rois, nine tenths of them around instances (corners up to one box size away), the rest anywhere.

    Args:
        image_shape: (H, W) pixels, more values are ignored.
        count: rois to draw.
        gt_boxes: [N, (y1, x1, y2, x2)] pixels. None: all rois lie anywhere.
        rng: randomness.

    Returns:
        [count, (y1, x1, y2, x2)] int32 pixels, inside the image, at least one pixel high and wide.

    >>> rois = generate((50, 60), 20, np.array([[10, 10, 20, 20]]), np.random.default_rng(0))
    >>> rois.shape, bool((rois[:, 2:] > rois[:, :2]).all())
    ((20, 4), True)
    """
    height, width = int(image_shape[0]), int(image_shape[1])
    gt_boxes = np.asarray(gt_boxes, np.int64).reshape(-1, 4)
    around = int(count * ROUND_SHARE) // max(len(gt_boxes), 1) if len(gt_boxes) else 0
    parts = []
    for y1, x1, y2, x2 in gt_boxes:
        h, w = max(y2 - y1, 1), max(x2 - x1, 1)
        parts.append(_draw(rng, around, (max(y1 - h, 0), min(y2 + h, height)), (max(x1 - w, 0), min(x2 + w, width))))
    parts.append(_draw(rng, count - around * len(gt_boxes), (0, height), (0, width)))
    return np.concatenate(parts).astype(np.int32)


def _draw(rng: np.random.Generator, count: int, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    """Boxes with both corners in the given half-open ranges."""
    y = np.sort(rng.integers(rows[0], rows[1] + 1, (count, 2)), axis=1)
    x = np.sort(rng.integers(columns[0], columns[1] + 1, (count, 2)), axis=1)
    for pair, (low, high) in ((y, rows), (x, columns)):
        flat = pair[:, 0] == pair[:, 1]
        pair[flat, 0] = np.maximum(pair[flat, 0] - 1, low)
        pair[flat, 1] = np.minimum(pair[flat, 0] + 1, high)
    return np.stack([y[:, 0], x[:, 0], y[:, 1], x[:, 1]], axis=1)
