"""Anchors of a configuration, by NumPy alone: worker processes make them without a deep-learning framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mrcnn.ops import anchors

if TYPE_CHECKING:
    from mrcnn.config import Config


def feature_shapes(config: Config, image_shape: Any) -> np.ndarray:
    """Height and width of P2…P6 for a molded image: [5, 2] int."""
    if config.COMPUTE_BACKBONE_SHAPE is not None:
        return np.asarray(config.COMPUTE_BACKBONE_SHAPE(image_shape))
    return anchors.feature_shapes(image_shape, config.BACKBONE_STRIDES)


def pixel_anchors(config: Config, image_shape: Sequence[int]) -> np.ndarray:
    """Anchors of a molded image in pixels: [A, 4] float64, by level, y, x, ratio."""
    shapes = feature_shapes(config, image_shape)
    return anchors.generate_pyramid(config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, shapes, config.BACKBONE_STRIDES, config.RPN_ANCHOR_STRIDE)


class PixelAnchors:
    """`pixel_anchors` of any size, kept by size. Travels to worker processes, which make their own."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._by_size: dict[tuple[int, int], np.ndarray] = {}

    def __call__(self, image_shape: Sequence[int]) -> np.ndarray:
        """Anchors [A, 4] float64 in pixels of a molded image (H, W, …)."""
        size = (int(image_shape[0]), int(image_shape[1]))
        if size not in self._by_size:
            self._by_size[size] = pixel_anchors(self.config, image_shape)
        return self._by_size[size]

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config, "_by_size": {}}
