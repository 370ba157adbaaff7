"""Augmentations of our own: plain functions of (image, masks, rng) that keep the size.

    augmentation=[augment.flip, augment.large_scale_jitter, augment.copy_paste, augment.colour]
    augmentation=[partial(augment.flip, probability=0.3), partial(augment.scale_jitter, scales=(0.5, 2))]

An image is [H, W, C]; masks are [H, W, N] bool. Functions that move pixels move both alike: the image by OpenCV, the masks
by nearest neighbour. They return as many masks as they got, in their order; a mask that has lost all its pixels is dropped
after the last function. None changes its inputs. What is new is zero in the image, as the padding of `images.resize` is,
and no mask. `copy_paste` is the exception to the form: it takes a second image, which the loader supplies.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

# Luma of ITU-R BT.601, and the two chroma axes of YIQ: hue is an angle in their plane.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_TO_RGB = np.linalg.inv(_TO_YIQ)


class AugmentationError(ValueError):
    """An augmentation is set up wrong, whatever the image: training must stop, not skip the image."""


def flip(
    image: np.ndarray, masks: np.ndarray, rng: np.random.Generator, *, probability: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Mirror an image and its masks left to right, or leave them.

    Args:
        image: [H, W, C].
        masks: [H, W, N].
        rng: decides.
        probability: of mirroring, 0…1.

    Returns:
        Image and masks.

    >>> image, masks = flip(np.array([[[1], [2]]]), np.ones((1, 2, 0), bool), np.random.default_rng(0), probability=1)
    >>> image[..., 0].tolist()
    [[2, 1]]
    """
    return flip_horizontal(image, masks) if rng.random() < probability else (image, masks)


def flip_horizontal(image: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror an image and its masks, left to right.

    Args:
        image: [H, W, C].
        masks: [H, W, N], or mini-masks of another size.

    Returns:
        Both mirrored, as copies.

    >>> image, masks = flip_horizontal(np.array([[[1], [2]]]), np.array([[[True], [False]]]))
    >>> image[..., 0].tolist(), masks[..., 0].tolist()
    ([[2, 1]], [[False, True]])
    """
    masks = masks.take(np.arange(masks.shape[1])[::-1], axis=1)
    if image.dtype == np.uint8 and image.shape[-1] <= 4:
        return cv2.flip(image, 1).reshape(image.shape), masks
    return image[:, ::-1].copy(), masks


def scale_jitter(
    image: np.ndarray, masks: np.ndarray, rng: np.random.Generator, *, scales: Sequence[float] = (0.8, 1.25)
) -> tuple[np.ndarray, np.ndarray]:
    """Enlarge or reduce by a random factor, then cut or pad to the old size, at a random place.

    Args:
        image: [H, W, C].
        masks: [H, W, N] bool.
        rng: draws factor and place.
        scales: least and greatest factor, drawn evenly.

    Returns:
        Image and masks. A cut may take all pixels of an instance, or of all of them.

    Raises:
        AugmentationError: scales that are not 0 < least <= greatest.

    Source: "standard scale jittering" of Ghiasi et al. 2021 (Simple Copy-Paste), section 3.1. Deviations: what is reduced
    lies at a random place instead of the upper left corner, and the padding is zero instead of grey.
    """
    least, greatest = scales
    if not 0 < least <= greatest:
        raise AugmentationError(f"scales = {scales!r}: two factors above 0 are expected, the smaller one first, (0.8, 1.25) say.")
    factor = rng.uniform(least, greatest)
    height, width = image.shape[:2]
    if factor >= 1:
        part = max(1, round(height / factor)), max(1, round(width / factor))
        return _enlarged(image, masks, _place(rng, part, (height, width)))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    top, left, bottom, right = _place(rng, size, (height, width))
    new_image, new_masks = np.zeros_like(image), np.zeros_like(masks)
    new_image[top:bottom, left:right] = _resized_image(image, size)
    new_masks[top:bottom, left:right] = _resized_masks(masks, size)
    return new_image, new_masks


def large_scale_jitter(
    image: np.ndarray, masks: np.ndarray, rng: np.random.Generator, *, scales: Sequence[float] = (0.1, 2.0)
) -> tuple[np.ndarray, np.ndarray]:
    """`scale_jitter` over a far wider range.

    Source: Ghiasi et al. 2021, section 3.1; worth its while in long trainings only.
    """
    return scale_jitter(image, masks, rng, scales=scales)


def crop(
    image: np.ndarray, masks: np.ndarray, rng: np.random.Generator, *, least: float = 0.6
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a random rectangle out and stretch it to the old size.

    Args:
        image: [H, W, C].
        masks: [H, W, N] bool.
        rng: draws the rectangle.
        least: its sides are this share of the image's up to the whole, each drawn by itself; so the aspect changes.

    Returns:
        Image and masks. It is not looked at where instances are: some, or all, may lie outside and end as empty masks.

    Raises:
        AugmentationError: a share that is not in 0…1.
    """
    if not 0 < least <= 1:
        raise AugmentationError(f"least = {least!r}: a share of the sides above 0 and at most 1 is expected, 0.6 say.")
    height, width = image.shape[:2]
    part = max(1, round(height * rng.uniform(least, 1))), max(1, round(width * rng.uniform(least, 1)))
    return _enlarged(image, masks, _place(rng, part, (height, width)))


def colour(
    image: np.ndarray, masks: np.ndarray, rng: np.random.Generator, *, brightness: float = 0.2, contrast: float = 0.2,
    saturation: float = 0.2, hue: float = 0.02,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Change brightness, contrast, saturation and hue, in one pass over the pixels.

    Args:
        image: [H, W, 3] uint8 RGB.
        masks: returned as they are.
        rng: draws the four amounts, evenly.
        brightness: factors are 1 - this … 1 + this.
        contrast: likewise, about the image's mean luma.
        saturation: likewise; a factor of 0 gives grey.
        hue: turns by up to this share of the circle, either way. 0.5 reaches the complementary colour. It is turned in the
            chroma plane of YIQ, which keeps luma; HSV's hue would not.

    Returns:
        The image, rounded and cut to 0…255, and the masks. Padding changes with the rest.

    Raises:
        AugmentationError: another kind of image, or an amount that is out of range.
    """
    if image.dtype != np.uint8 or image.shape[-1] != 3:
        raise AugmentationError(f"colour takes [height, width, 3] uint8 RGB; got {image.dtype} of shape {image.shape}.")
    amounts = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
    for name, amount in amounts.items():
        if not 0 <= amount <= (0.5 if name == "hue" else 1):
            raise AugmentationError(f"{name} = {amount!r}: 0…{'0.5' if name == 'hue' else '1'} is expected; 0 leaves it as it is.")
    brighter, steeper, stronger = (1 + rng.uniform(-amount, amount) for amount in (brightness, contrast, saturation))
    angle = 2 * np.pi * rng.uniform(-hue, hue)
    chroma = stronger * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    in_yiq = np.eye(3)
    in_yiq[1:, 1:] = chroma
    matrix = steeper * brighter * (_TO_RGB @ in_yiq @ _TO_YIQ)
    mean = brighter * (_TO_YIQ[0] @ cv2.mean(image)[:3])
    return cv2.transform(image, np.column_stack([matrix, np.full(3, (1 - steeper) * mean)])), masks


def copy_paste(
    image: np.ndarray, masks: np.ndarray, class_ids: np.ndarray, other: tuple[np.ndarray, np.ndarray, np.ndarray],
    rng: np.random.Generator, *, probability: float = 0.5,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Paste some instances of another image over this one, where they are there.

    In a list of augmentations the loader supplies the other image, one of the same source, at random; it goes through
    what stands before copy_paste in the list, by draws of its own, as in the paper.

    Args:
        image: [H, W, C].
        masks: [H, W, N] bool.
        class_ids: [N], negative for crowds.
        other: the other image, its masks and its class ids. Another size is cut, or padded, below and to the right.
        rng: draws which instances.
        probability: that an instance of the other image is pasted. Crowds never are.

    Returns:
        Image, masks and class ids, the pasted instances last. What they hide is no longer part of the masks below; an
        instance that is hidden whole has an empty mask.

    Raises:
        AugmentationError: the images differ in their channels.

    Source: Ghiasi et al. 2021, section 3. As there, edges are not blended: it gains nothing.
    """
    other_image, other_masks, other_ids = other
    if other_image.shape[-1] != image.shape[-1]:
        raise AugmentationError(f"copy_paste: the images have {image.shape[-1]} and {other_image.shape[-1]} channels.")
    # One draw an instance, crowds included, so that the draws don't depend on who is one.
    chosen = np.flatnonzero((rng.random(len(other_ids)) < probability) & (np.asarray(other_ids) > 0))
    pasted = _fit(other_masks[..., chosen], image.shape[:2])
    cover = pasted.any(axis=-1, keepdims=True)
    image = np.where(cover, _fit(other_image, image.shape[:2]), image).astype(image.dtype, copy=False)
    masks = np.concatenate([masks & ~cover, pasted], axis=-1)
    return image, masks, np.concatenate([class_ids, other_ids[chosen]]).astype(class_ids.dtype)


def _place(rng: np.random.Generator, inner: Sequence[int], outer: Sequence[int]) -> tuple[int, int, int, int]:
    """Draw where a rectangle of one size lies in one of another: y1, x1, y2, x2."""
    y, x = (int(rng.integers(large - small + 1)) for small, large in zip(inner, outer, strict=True))
    return y, x, y + inner[0], x + inner[1]


def _enlarged(
    image: np.ndarray, masks: np.ndarray, part: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Stretch a part of image and masks to their whole size."""
    y1, x1, y2, x2 = part
    size = image.shape[:2]
    return _resized_image(image[y1:y2, x1:x2], size), _resized_masks(masks[y1:y2, x1:x2], size)


def _resized_image(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize by OpenCV: bilinear, and by area where less than half is left, which bilinear would sample with gaps."""
    if image.shape[:2] == tuple(size):
        return image
    reduced = 2 * size[0] < image.shape[0] or 2 * size[1] < image.shape[1]
    known = image if image.dtype in (np.uint8, np.float32, np.float64) else image.astype(np.float32)
    resized = cv2.resize(known, (size[1], size[0]), interpolation=cv2.INTER_AREA if reduced else cv2.INTER_LINEAR)
    if known is not image and image.dtype.kind in "iub":
        resized = np.rint(resized)
    return resized.reshape(*size, image.shape[-1]).astype(image.dtype, copy=False)


def _resized_masks(masks: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize by nearest neighbour, centres on centres. By indices, because OpenCV takes no more than 128 channels."""
    rows, columns = ((np.arange(new) * 2 + 1) * old // (2 * new) for old, new in zip(masks.shape[:2], size, strict=True))
    return masks.take(rows, axis=0).take(columns, axis=1)


def _fit(array: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Cut or pad with zeros below and to the right."""
    if array.shape[:2] == tuple(size):
        return array
    fitted = np.zeros((*size, array.shape[-1]), array.dtype)
    height, width = (min(pair) for pair in zip(array.shape[:2], size, strict=True))
    fitted[:height, :width] = array[:height, :width]
    return fitted
