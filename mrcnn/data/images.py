"""Images: resizing to the network's input, subtracting the mean, and the meta vector that travels with each. Files are
read in `reading`; `read` stands here too.

An image is [H, W, C] uint8, RGB. "Molded" is resized, padded and mean-subtracted; the `window` is the real image inside
the padding, (y1, x1, y2, x2) pixels. Numbers follow the original library: sizes are rounded half to even, pixels
interpolated without anti-aliasing and cut (not rounded) to whole numbers.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mrcnn.data.reading import read
from mrcnn.ops import masks as mask_ops

__all__ = ["Resized", "check", "check_all", "compose_meta", "mold", "parse_meta", "read", "require", "resize", "resized_size", "to_rgb", "unmold"]

logger = logging.getLogger(__name__)

RESIZE_MODES = ("none", "square", "pad64", "crop")

# Weights of cv2 are float32: a sum that should be a whole number can come out just below it, and would then be cut to
# the number before.
_ROUNDING_NOISE = 1e-3


class Resized(NamedTuple):
    """What `resize` returns; unpacks as the original's five values."""

    image: np.ndarray
    window: tuple[int, int, int, int]
    scale: float
    padding: list[tuple[int, int]]
    crop: tuple[int, int, int, int] | None


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Bring an array to three channels.

    Args:
        image: [H, W], [H, W, 1], [H, W, 3] or [H, W, 4].

    Returns:
        [H, W, 3] in the same dtype: grey is repeated, a fourth channel dropped.

    Raises:
        ValueError: any other shape.

    >>> to_rgb(np.array([[7]])).tolist()
    [[[7, 7, 7]]]
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[-1] not in (1, 3, 4):
        raise ValueError(f"An image is [height, width] or [height, width, 1, 3 or 4]; got an array of {image.shape}.")
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., :3]


def resize(
    image: np.ndarray,
    min_dim: int | None = None,
    max_dim: int | None = None,
    min_scale: float | None = None,
    mode: str = "square",
    *,
    rng: np.random.Generator | None = None,
) -> Resized:
    """Bring an image to the size of the network's input.

    Args:
        image: [H, W, C], any real dtype, which is kept.
        min_dim: the shorter side is enlarged to this, never reduced.
        max_dim: side of the result in mode square; the longer side is reduced to fit.
        min_scale: least factor, whatever min_dim says; max_dim wins over it in mode square.
        mode: none (as it is), square (padded to max_dim), pad64 (padded to multiples of 64) or crop (a random square of
            side min_dim).
        rng: where the crop's place comes from. None: Python's `random`, as in the original.

    Returns:
        image; window (y1, x1, y2, x2); scale, the int 1 where nothing was resized; padding [(top, bottom), (left,
        right), (0, 0)]; crop (y, x, height, width) or None.

    Raises:
        ValueError: unknown mode, a missing or impossible size, an image without pixels.

    >>> resized = resize(np.zeros((30, 40, 3), np.uint8), min_dim=64, max_dim=64)
    >>> resized.image.shape, resized.window, resized.scale
    ((64, 64, 3), (8, 0, 56, 64), 1.6)
    """
    image = np.asarray(image)
    _check_resize(image, min_dim, max_dim, mode)
    height, width = image.shape[:2]
    if mode == "none":
        return Resized(image, (0, 0, height, width), 1, [(0, 0), (0, 0), (0, 0)], None)
    scale = _scale(height, width, min_dim, max_dim, min_scale, mode)
    if scale != 1:
        height, width = _scaled(height, width, scale)
        image = _resample(image, (height, width))
    if mode == "crop":
        y, x = (_draw(rng, side - min_dim) for side in (height, width))
        image = image[y : y + min_dim, x : x + min_dim]
        return Resized(image, (0, 0, min_dim, min_dim), scale, [(0, 0)] * 3, (y, x, min_dim, min_dim))
    wanted = _padded(height, width, max_dim, mode)
    top, left = (wanted[0] - height) // 2, (wanted[1] - width) // 2
    padding = [(top, wanted[0] - height - top), (left, wanted[1] - width - left), (0, 0)]
    image = np.pad(image, padding, mode="constant")
    return Resized(image, (top, left, height + top, width + left), scale, padding, None)


def resized_size(
    height: int, width: int, min_dim: int | None = None, max_dim: int | None = None, min_scale: float | None = None, mode: str = "square"
) -> tuple[int, int]:
    """Height and width of what `resize` returns for an image of this size, without resizing one. Arguments as there; mode is not crop.

    >>> resized_size(30, 40, min_dim=64, mode="pad64")
    (64, 128)
    """
    if mode == "none":
        return height, width
    return _padded(*_scaled(height, width, _scale(height, width, min_dim, max_dim, min_scale, mode)), max_dim, mode)


def mold(image: np.ndarray, mean_pixel: Sequence[float], *, out: np.ndarray | None = None) -> np.ndarray:
    """Subtract the mean, after padding: the padding becomes -mean_pixel, which published weights expect.

    Args:
        image: [..., C] RGB.
        mean_pixel: [C], or one number for all.
        out: float array of the image's shape to write to; the difference is taken in float64 and rounded once.

    Returns:
        [..., C] float64, or `out`.

    Raises:
        ValueError: the image's channels and mean_pixel differ in number.

    >>> mold(np.array([[[10, 20, 30]]]), [1.5, 20, 0]).tolist()
    [[[8.5, 0.0, 30.0]]]
    """
    mean_pixel = np.asarray(mean_pixel, np.float64)
    if mean_pixel.ndim and image.shape[-1:] != mean_pixel.shape:
        raise ValueError(
            f"The image has shape {image.shape}, MEAN_PIXEL {mean_pixel.size} values. Set MEAN_PIXEL to one value per "
            "channel, and IMAGE_CHANNEL_COUNT to their number."
        )
    return np.subtract(image, mean_pixel, out=out, dtype=np.float64, casting="same_kind")


def unmold(image: np.ndarray, mean_pixel: Sequence[float], *, rounding: bool = True) -> np.ndarray:
    """Add the mean again, for display.

    Args:
        image: [..., C] molded.
        mean_pixel: [C].
        rounding: round and clip to 0…255. Deviation: the original truncates, which makes about half of the values one
            too small; False does so too.

    Returns:
        [..., C] uint8.

    >>> unmold(np.array([[[8.4, 0.0, 300.0]]]), [1.5, 20, 0]).tolist()
    [[[10, 20, 255]]]
    """
    image = np.asarray(image) + np.asarray(mean_pixel)
    return (np.clip(np.rint(image), 0, 255) if rounding else image).astype(np.uint8)


def check_all(inputs: Sequence[np.ndarray], channels: int) -> list[np.ndarray]:
    """Return a list of images as arrays [H, W, C] that the network can take.

    Args:
        inputs: What the caller passed.
        channels: IMAGE_CHANNEL_COUNT.

    Raises:
        ValueError, TypeError: it is no list of images: None, or one photo, whose rows would pass for grey images; or see `check`.
    """
    if inputs is None:
        raise ValueError("A list of images is expected; got None.")
    if isinstance(inputs, np.ndarray) and inputs.ndim == 3:
        raise ValueError(f"A list of images is expected; got one array of shape {inputs.shape}. Pass [image].")
    return [check(image, i, channels) for i, image in enumerate(inputs)]


def check(image: Any, index: int, channels: int) -> np.ndarray:
    """Return the image as an array the network can take.

    Args:
        image: What the caller passed.
        index: Its place in the list, for messages.
        channels: IMAGE_CHANNEL_COUNT.

    Raises:
        ValueError: not an image of the configuration's channels, empty, or not finite.
        TypeError: not an array.
    """
    if image is None:
        raise ValueError(f"images[{index}] is None: an image that could not be read, perhaps (cv2.imread returns None then). Check its path.")
    if isinstance(image, (str, bytes)):
        raise TypeError(f"images[{index}] is the text {image!r}: detect takes arrays. Read the file first, with mrcnn.data.images.read(path), say.")
    array = np.asarray(image)
    if array.dtype == object or array.dtype.kind not in "uifb":
        came = f"{type(image).__name__} of dtype {array.dtype}"
        raise TypeError(f"images[{index}] is {came}: an array [height, width, {channels}] of numbers is expected")
    if channels == 3 and (array.ndim == 2 or (array.ndim == 3 and array.shape[-1] == 4)):
        array = to_rgb(array)
    elif channels == 1 and array.ndim == 2:
        array = array[..., None]
    require(array, channels, f"images[{index}]")
    if array.dtype.kind == "f" and 0 < array.max() <= 1:
        logger.warning("images[%d] has values from %g to %g: 0 to 255 is expected. Multiply it by 255.", index, array.min(), array.max())
    return array


def require(image: np.ndarray, channels: int, name: str, remedy: str = "") -> None:
    """Refuse an array that the network cannot take.

    Args:
        image: Of any shape and dtype.
        channels: IMAGE_CHANNEL_COUNT.
        name: What it is, for messages.
        remedy: What to do about another shape.

    Raises:
        ValueError: it is not [H, W, channels] numbers, has no pixels, or holds values that are not finite.

    >>> require(np.zeros((4, 0, 3)), 3, "images[2]")
    Traceback (most recent call last):
    ...
    ValueError: images[2] has shape (4, 0, 3): it has no pixels.
    """
    if image.ndim != 3 or image.shape[-1] != channels or image.dtype.kind not in "uifb":
        raise ValueError(
            f"{name} has shape {image.shape} and dtype {image.dtype}: numbers [height, width, {channels}] are expected "
            f"(IMAGE_CHANNEL_COUNT = {channels}).{remedy}"
        )
    if not image.size:
        raise ValueError(f"{name} has shape {image.shape}: it has no pixels.")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ValueError(f"{name} holds values that are not finite (nan or infinite).")


def compose_meta(
    image_id: int,
    original_image_shape: Sequence[int],
    image_shape: Sequence[int],
    window: Sequence[int],
    scale: float,
    active_class_ids: Sequence[int],
) -> np.ndarray:
    """Put what is known of an image into one vector.

    Args:
        image_id: index in the dataset.
        original_image_shape: (H, W, C) before resizing.
        image_shape: (H, W, C) of the network's input.
        window: (y1, x1, y2, x2) of the real image inside the padding, pixels.
        scale: factor of the resizing.
        active_class_ids: [K], 1 for each class of the image's source.

    Returns:
        [12 + K]: image_id, original shape (3), shape (3), window (4), scale, active classes. int64 if all are whole
        numbers, else float64.

    >>> compose_meta(7, (3, 4, 3), (8, 8, 3), (2, 2, 5, 6), 1, [1, 0]).tolist()
    [7, 3, 4, 3, 8, 8, 3, 2, 2, 5, 6, 1, 1, 0]
    """
    parts = [image_id, *original_image_shape, *image_shape, *window, scale, *active_class_ids]
    return np.array([np.asarray(part)[()] for part in parts])


def parse_meta(metas: np.ndarray) -> dict[str, np.ndarray]:
    """Take vectors of `compose_meta` apart.

    Args:
        metas: [B, 12 + K].

    Returns:
        image_id [B], original_image_shape [B, 3], image_shape [B, 3], window [B, 4] and active_class_ids [B, K] as
        int32, scale [B] as float32.

    >>> parse_meta(np.array([[7, 3, 4, 3, 8, 8, 3, 2, 2, 5, 6, 1.5, 1, 0]]))["window"].tolist()
    [[2, 2, 5, 6]]
    """
    metas = np.asarray(metas)
    return {
        "image_id": metas[:, 0].astype(np.int32),
        "original_image_shape": metas[:, 1:4].astype(np.int32),
        "image_shape": metas[:, 4:7].astype(np.int32),
        "window": metas[:, 7:11].astype(np.int32),
        "scale": metas[:, 11].astype(np.float32),
        "active_class_ids": metas[:, 12:].astype(np.int32),
    }


def _check_resize(image: np.ndarray, min_dim: Any, max_dim: Any, mode: str) -> None:
    """Refuse what cannot be resized."""
    if mode not in RESIZE_MODES:
        raise ValueError(f"IMAGE_RESIZE_MODE {mode!r} is unknown; use one of {', '.join(RESIZE_MODES)}.")
    if image.ndim != 3 or not image.size:
        raise ValueError(f"An image to resize is [height, width, channels], not empty; got an array of {image.shape}.")
    if mode == "square" and not max_dim:
        raise ValueError(f"Mode square pads to a side of IMAGE_MAX_DIM pixels; it is {max_dim!r}. Set it.")
    if mode == "pad64" and (not min_dim or min_dim % 64):
        raise ValueError(f"Mode pad64 needs an IMAGE_MIN_DIM that is a multiple of 64; it is {min_dim!r}.")
    if mode == "crop" and not min_dim:
        raise ValueError(f"Mode crop cuts squares of side IMAGE_MIN_DIM; it is {min_dim!r}. Set it.")


def _scale(height: int, width: int, min_dim, max_dim, min_scale, mode: str) -> float:
    """Return the factor to resize by; the int 1 if there is nothing to do, so that meta vectors stay whole."""
    scale = 1
    if min_dim:
        scale = max(scale, min_dim / min(height, width))
    if min_scale and scale < min_scale:
        scale = min_scale
    if mode == "square" and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    return scale


def _scaled(height: int, width: int, scale: float) -> tuple[int, int]:
    return max(1, round(height * scale)), max(1, round(width * scale))


def _padded(height: int, width: int, max_dim: int | None, mode: str) -> tuple[int, int]:
    return (max_dim, max_dim) if mode == "square" else (_multiple_of_64(height), _multiple_of_64(width))


def _resample(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize and keep the dtype, whole numbers by truncation."""
    resampled = mask_ops.resize_bilinear(image, shape)
    if image.dtype.kind == "u":  # nothing below zero: the cast cuts, in a third of the time
        resampled += _ROUNDING_NOISE
    elif image.dtype.kind == "i":
        resampled = np.trunc(resampled + np.copysign(_ROUNDING_NOISE, resampled))
    elif image.dtype == bool:
        return resampled > 0.5
    return resampled.astype(image.dtype)


def _draw(rng: np.random.Generator | None, largest: int) -> int:
    """Draw a whole number from 0 to largest, both included."""
    return random.randint(0, largest) if rng is None else int(rng.integers(0, largest + 1))


def _multiple_of_64(side: int) -> int:
    return -(-side // 64) * 64
