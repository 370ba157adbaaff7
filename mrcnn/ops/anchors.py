"""Anchors: the boxes of fixed size and ratio that the RPN classifies, one set per place of each pyramid level.

Order: levels P2…P6, then y, x, ratio (and scale, where a level has several). Centres lie at i * stride without a
half-cell offset, as in the original library, because published weights were trained so. Source: Faster R-CNN section
3.1.1, Feature Pyramid Networks section 4.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def feature_shapes(image_shape: Sequence[int], strides: Sequence[int]) -> np.ndarray:
    """Return the height and width of each pyramid level.

    Args:
        image_shape: (H, W) pixels of the network's input, more values are ignored.
        strides: pixels per cell, one per level.

    Returns:
        [levels, (height, width)] int64, rounded up.

    >>> feature_shapes((64, 130), (4, 64)).tolist()
    [[16, 33], [1, 3]]
    """
    height, width = image_shape[0], image_shape[1]
    shapes = [[math.ceil(height / stride), math.ceil(width / stride)] for stride in strides]
    return np.array(shapes, np.int64).reshape(-1, 2)


def generate(
    scales: ArrayLike, ratios: ArrayLike, shape: Sequence[int], feature_stride: int, anchor_stride: int = 1
) -> np.ndarray:
    """Return the anchors of one level.

    Args:
        scales: one side length in pixels, or several.
        ratios: widths divided by heights; the area stays scale².
        shape: (height, width) of the feature map in cells.
        feature_stride: pixels per cell.
        anchor_stride: 1 sets anchors on each cell, 2 on every other.

    Returns:
        [A, (y1, x1, y2, x2)] float64 pixels; anchors at the border reach outside the image.

    >>> generate(8, [1], (1, 2), 4).tolist()
    [[-4.0, -4.0, 4.0, 4.0], [-4.0, 0.0, 4.0, 8.0]]
    """
    scales, ratios = np.meshgrid(np.asarray(scales), np.asarray(ratios))
    roots = np.sqrt(ratios.ravel())
    sizes = np.stack([scales.ravel() / roots, scales.ravel() * roots], axis=1)  # [ratios · scales, (height, width)]
    y, x = (np.arange(0, cells, anchor_stride) * feature_stride for cells in shape[:2])
    centres = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 1, 2)
    return np.concatenate([centres - 0.5 * sizes, centres + 0.5 * sizes], axis=2).reshape(-1, 4)


def generate_pyramid(
    scales: Sequence[float],
    ratios: ArrayLike,
    shapes: Sequence[Sequence[int]],
    strides: Sequence[int],
    anchor_stride: int = 1,
) -> np.ndarray:
    """Return the anchors of all levels, one scale per level.

    Args:
        scales: side lengths in pixels, one per level.
        ratios: widths divided by heights, for every level.
        shapes: [levels, (height, width)] cells, see `feature_shapes`.
        strides: pixels per cell, one per level.
        anchor_stride: as in `generate`.

    Returns:
        [A, (y1, x1, y2, x2)] float64 pixels, finest level first.

    Raises:
        ValueError: scales, shapes and strides differ in number.

    >>> generate_pyramid([8, 16], [1], [(2, 2), (1, 1)], [4, 8]).shape
    (5, 4)
    """
    if not len(scales) == len(shapes) == len(strides):
        raise ValueError(
            f"Anchors need one scale, one feature shape and one stride per level; got {len(scales)} scales, "
            f"{len(shapes)} shapes and {len(strides)} strides. Make RPN_ANCHOR_SCALES as long as BACKBONE_STRIDES."
        )
    levels = zip(scales, shapes, strides, strict=True)
    return np.concatenate(
        [generate(scale, ratios, shape, stride, anchor_stride) for scale, shape, stride in levels], axis=0
    )
