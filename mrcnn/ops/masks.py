"""Arithmetic on masks: resizing, mini-masks, overlap; and the bilinear resampling that masks and images share.

Masks are [H, W, N] bool. Resampling follows what the original library called in scikit-image 0.16, because mini-masks
and pasted masks must come out equal: bilinear, half-pixel centres, no anti-aliasing, zeros beyond the border, the
result clipped to the input's range. A sample at the border of an enlarged image is therefore mixed with zero;
cv2.resize repeats the border instead, which `resize_bilinear` corrects.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mrcnn.ops import boxes as box_ops


def resize_bilinear(image: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Resize an image or a mask with bilinear interpolation.

    Args:
        image: [H, W] or [H, W, C], any dtype but complex; not empty.
        shape: (height, width) wanted, at least one pixel each.

    Returns:
        [height, width] or [height, width, C]: float64 for float64 input, float32 for any other.

    Source: skimage.transform.resize(order=1, mode="constant", clip=True, preserve_range=True, anti_aliasing=False).

    >>> resize_bilinear(np.array([[0, 4], [0, 4]]), (2, 1)).tolist()
    [[2.0], [2.0]]
    """
    source = image if image.dtype in (np.float32, np.float64) else image.astype(np.float32)
    height, width = int(shape[0]), int(shape[1])
    result = cv2.resize(source, (width, height), interpolation=cv2.INTER_LINEAR).reshape(
        height, width, *image.shape[2:]
    )
    for axis, (before, after) in enumerate(zip(image.shape[:2], (height, width), strict=True)):
        if after > before:
            _mix_border_with_zero(result, axis, before)
    return np.clip(result, source.min(), source.max(), out=result)


def resize_mask(
    masks: np.ndarray,
    scale: float,
    padding: Sequence[Sequence[int]],
    crop: Sequence[int] | None = None,
) -> np.ndarray:
    """Resize masks along with their image: nearest neighbour, then cut or pad.

    Args:
        masks: [H, W, N], any dtype.
        scale: factor that the image was resized by.
        padding: [(top, bottom), (left, right), (0, 0)] pixels of zeros to add.
        crop: (y, x, height, width) to cut out instead of padding, or None.

    Returns:
        [height, width, N] in the dtype of masks.

    Source: scipy.ndimage.zoom(order=0), pixel for pixel, including that its last row or column is empty when i * (H -
    1) / (height - 1) rounds to more than H - 1 (about 3 % of sizes).

    >>> resize_mask(np.array([[[1], [2]]]), 2, [(0, 0), (1, 0), (0, 0)])[..., 0].tolist()
    [[0, 1, 1, 2, 2], [0, 1, 1, 2, 2]]
    """
    masks = np.asarray(masks)
    rows, columns = (nearest(size, scale) for size in masks.shape[:2])
    if scale != 1:
        masks = masks.take(np.maximum(rows, 0), axis=0).take(np.maximum(columns, 0), axis=1)
        masks[rows < 0] = 0
        masks[:, columns < 0] = 0
    if crop is not None:
        y, x, height, width = crop
        return masks[y : y + height, x : x + width]
    return np.pad(masks, [tuple(int(n) for n in pair) for pair in padding], mode="constant")


def nearest(size: int, scale: float) -> np.ndarray:
    """Return which source row (or column) `resize_mask` takes for each of its own.

    Args:
        size: rows of the source.
        scale: factor of the resizing.

    Returns:
        [rows of the result] int64, ascending; -1 at the end for a row that stays empty.

    >>> nearest(2, 2).tolist(), nearest(4, 0.5).tolist()
    ([0, 0, 1, 1], [0, 3])
    """
    new_size = max(1, round(size * scale))
    if new_size == 1:
        return np.zeros(1, np.int64)
    places = np.arange(new_size) * ((size - 1) / (new_size - 1))
    return np.where(places > size - 1, -1, np.floor(places + 0.5)).astype(np.int64)


def minimize(boxes: np.ndarray, masks: np.ndarray, mini_shape: Sequence[int]) -> np.ndarray:
    """Cut each mask to its box and shrink it, to save memory in training.

    Args:
        boxes: [N, (y1, x1, y2, x2)] whole pixels.
        masks: [H, W, N]; what is not zero is mask.
        mini_shape: (height, width) of the mini-masks.

    Returns:
        [height, width, N] bool. A box without area gives an empty mini-mask. Deviation: the original fails there.

    >>> masks = np.zeros((8, 8, 1), bool)
    >>> masks[2:6, 2:4] = True
    >>> minimize(np.array([[2, 2, 6, 6]]), masks, (2, 2))[..., 0].tolist()
    [[True, False], [True, False]]
    """
    height, width = int(mini_shape[0]), int(mini_shape[1])
    result = np.zeros((height, width, masks.shape[-1]), bool)
    for i, (y1, x1, y2, x2) in enumerate(np.asarray(boxes, np.int64)[: masks.shape[-1]]):
        part = masks[y1:y2, x1:x2, i].astype(bool)
        if part.size:
            result[..., i] = resize_bilinear(part, (height, width)) > 0.5
    return result


def expand(boxes: np.ndarray, mini_masks: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Put mini-masks back at their boxes; what `minimize` lost stays lost.

    Args:
        boxes: [N, (y1, x1, y2, x2)] whole pixels.
        mini_masks: [height, width, N] bool or numbers.
        image_shape: (H, W) of the image, more values are ignored.

    Returns:
        [H, W, N] bool; more than half is mask. A box that reaches outside is cut, one without area gives an empty mask.
        Deviation: the original fails there.

    >>> expand(np.array([[0, 1, 2, 3]]), np.ones((1, 1, 1)), (2, 4))[..., 0].astype(int).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """
    result = np.zeros((int(image_shape[0]), int(image_shape[1]), mini_masks.shape[-1]), bool)
    for i, box in enumerate(np.asarray(boxes, np.int64)[: mini_masks.shape[-1]]):
        place, values = _resize_into(mini_masks[..., i], box, result.shape)
        result[(*place, i)] = values > 0.5
    return result


def overlaps(masks1: np.ndarray, masks2: np.ndarray, *, undefined: float = 0.0) -> np.ndarray:
    """Return the intersection over union of every pair of masks.

    Args:
        masks1: [H, W, N] bool or numbers; more than 0.5 is mask.
        masks2: [H, W, M] likewise.
        undefined: value of a pair of empty masks (0/0). Deviation: the original gives nan; pass np.nan for that.

    Returns:
        [N, M] float32 in 0..1.

    Raises:
        ValueError: the masks differ in height or width though there are some on both sides.

    >>> one = np.array([[[1], [1], [0]]])
    >>> overlaps(one, np.array([[[0, 0], [1, 0], [1, 0]]])).round(3).tolist()
    [[0.3330000042915344, 0.0]]
    """
    masks1, masks2 = np.asarray(masks1), np.asarray(masks2)
    if not masks1.shape[-1] or not masks2.shape[-1]:
        return np.zeros((masks1.shape[-1], masks2.shape[-1]), np.float32)
    if masks1.shape[:2] != masks2.shape[:2]:
        raise ValueError(f"Masks of different images cannot overlap: {masks1.shape[:2]} and {masks2.shape[:2]} pixels.")
    flat1, flat2 = (_planes(m > 0.5).reshape(m.shape[-1], -1).astype(np.float32) for m in (masks1, masks2))
    intersection = flat1 @ flat2.T
    union = flat1.sum(axis=1)[:, None] + flat2.sum(axis=1)[None] - intersection
    return np.divide(intersection, union, out=np.full_like(union, undefined), where=union > 0)


def _planes(masks: np.ndarray) -> np.ndarray:
    """Return masks [H, W, N] as [N, H, W]."""
    return np.moveaxis(masks, -1, 0)


def _mix_border_with_zero(image: np.ndarray, axis: int, size: int) -> None:
    """Scale the samples that lie beyond the outermost pixel centres of an image that had `size` pixels along axis."""
    count = image.shape[axis]
    beyond = 0.5 - (np.arange(count // 2 + 1) + 0.5) * size / count
    share = (1 - beyond[beyond > 0]).astype(image.dtype).reshape(-1, *[1] * (image.ndim - 1 - axis))
    first, last = slice(len(share)), slice(count - len(share), count)
    for place, factor in ((first, share), (last, share[::-1])):
        image[place if axis == 0 else (slice(None), place)] *= factor


def _resize_into(
    mask: np.ndarray, box: np.ndarray, image_shape: Sequence[int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Resize a small mask to a box, computing only what falls on the image.

    Returns:
        The slices of the image that are covered, and the float32 values to put there; both are empty for a box without
        area or off the image.
    """
    y1, x1, y2, x2 = (int(v) for v in box)
    top, left, bottom, right = (int(v) for v in box_ops.clip(box, (0, 0, *image_shape[:2])))
    place = slice(top, max(top, bottom)), slice(left, max(left, right))
    if bottom <= top or right <= left:
        return place, np.zeros((place[0].stop - top, place[1].stop - left), np.float32)
    mask = np.asarray(mask, np.float32)
    if y2 - y1 <= 2 * image_shape[0] and x2 - x1 <= 2 * image_shape[1]:
        values = resize_bilinear(mask, (y2 - y1, x2 - x1))
        return place, values[top - y1 : bottom - y1, left - x1 : right - x1]
    # A box that dwarfs the image: the same numbers by weights, for the visible samples only.
    rows = _weights(mask.shape[0], y2 - y1, top - y1, bottom - y1)
    columns = _weights(mask.shape[1], x2 - x1, left - x1, right - x1)
    return place, np.clip(rows @ mask @ columns.T, mask.min(), mask.max())


def _weights(size: int, new_size: int, start: int, stop: int) -> np.ndarray:
    """Return the bilinear weights [stop - start, size] of samples start…stop out of new_size."""
    places = (np.arange(start, stop) + 0.5) * (size / new_size) - 0.5
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(size))).astype(np.float32)
