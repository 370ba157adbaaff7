"""Colours for instances and classes, and masks laid over images in them."""

from __future__ import annotations

import colorsys
import functools
import random
from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.colors import to_rgb

NUM_CLASS_COLORS = 64

Color = Sequence[float]
"""(red, green, blue), each from 0 to 1; a fourth value, opacity, is allowed where matplotlib draws."""


def random_colors(N: int, bright: bool = True, seed: int | None = None) -> list[tuple[float, float, float]]:
    """Return colours that differ as much as N hues can, in random order.

    Args:
        N: How many.
        bright: False takes them at 70 % of full brightness.
        seed: None draws the order from Python's `random`, as the original did; a number fixes it.

    Returns:
        A list of N (red, green, blue), each from 0 to 1.
    """
    value = 1.0 if bright else 0.7
    colors = [colorsys.hsv_to_rgb(i / max(N, 1), 1.0, value) for i in range(N)]
    (random if seed is None else random.Random(seed)).shuffle(colors)
    return colors


def class_color(class_id: int) -> tuple[float, float, float]:
    """Return (red, green, blue) of a class, each from 0 to 1, the same in every picture. Small ids differ most; after 64 colours repeat."""
    return _class_colors()[int(class_id) % NUM_CLASS_COLORS]


def named(color: Color | str) -> Color:
    """Return a colour as numbers; text is a name or "#rrggbb" as matplotlib knows them.

    Raises:
        ValueError: matplotlib knows no such colour.
    """
    return to_rgb(color) if isinstance(color, str) else color


def apply_mask(image: np.ndarray, mask: np.ndarray, color: Color, alpha: float = 0.5) -> np.ndarray:
    """Blend a colour into the pixels of a mask, in place.

    Args:
        image: [H, W, 3 or more] with values from 0 to 255, any dtype; the first three channels are changed.
        mask: [H, W] bool, or numbers of which 1 is mask.
        color: (red, green, blue), each from 0 to 1.
        alpha: From 0 (nothing changes) to 1 (the colour alone).

    Returns:
        `image` itself.

    Raises:
        ValueError: Image and mask have different sizes.
    """
    mask = np.asarray(mask)
    if image.ndim != 3 or image.shape[:2] != mask.shape:
        raise ValueError(
            f"image must be [H, W, C] and mask [H, W] of the same size, got {image.shape} and {mask.shape}"
        )
    inside = mask == 1
    blended = image[inside][:, :3] * (1 - alpha) + alpha * 255 * np.asarray(color[:3], np.float64)
    image[inside, :3] = blended.astype(image.dtype)
    return image


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Return a copy of an image of any kind as [H, W, 3] uint8.

    Gray images get three equal channels, channels beyond the third are dropped. Floats up to 1 count as 0 … 1, others
    as 0 … 255.

    Raises:
        ValueError: The array has neither two nor three dimensions, or no pixel.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(f"an image is [H, W] or [H, W, C] with at least one pixel, got shape {image.shape}")
    if image.ndim == 2:
        image = image[:, :, None]
    if image.shape[2] < 3:
        image = np.repeat(image[:, :, :1], 3, axis=2)
    image = image[:, :, :3]
    if image.dtype == np.uint8:
        return image.copy()
    if image.dtype == bool or (image.dtype.kind == "f" and image.max() <= 1.0 and image.min() >= 0.0):
        image = image * 255.0
    return np.clip(np.rint(np.nan_to_num(image)), 0, 255).astype(np.uint8)


@functools.cache
def _class_colors() -> list[tuple[float, float, float]]:
    """Return 64 colours, each as far as possible from all before it to the eye (distance in CIE L*a*b*)."""
    candidates = np.array(
        [colorsys.hsv_to_rgb(i / 36, s, v) for i in range(36) for s, v in ((1, 1), (0.55, 1), (1, 0.7), (0.6, 0.75))],
        np.float32,
    )
    lab = cv2.cvtColor(candidates[None], cv2.COLOR_RGB2Lab)[0]  # [candidates, (L*, a*, b*)]
    chosen = [0]
    while len(chosen) < NUM_CLASS_COLORS:
        nearest = np.linalg.norm(lab[:, None] - lab[chosen], axis=2).min(axis=1)
        chosen.append(int(nearest.argmax()))
    return [tuple(float(c) for c in candidates[i]) for i in chosen]
