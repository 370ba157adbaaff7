"""Run-length encodings of masks: the "start length" strings of Kaggle's competitions, and COCO's, which pycocotools
reads and writes.

Both run down the columns: pixel (y, x) of an image H high has number x * H + y. Kaggle counts from 1; some kernels
count from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from mrcnn.ops import boxes as box_ops
from mrcnn.ops import runs


def decode(text: str, shape: Sequence[int], *, first_pixel: int = 1) -> np.ndarray:
    """Read a "start length start length …" string.

    Args:
        text: pairs of whole numbers separated by blanks; an empty string is an empty mask.
        shape: (H, W) of the image.
        first_pixel: number of the first pixel, 1 or 0.

    Returns:
        [H, W] bool.

    Raises:
        ValueError: something that is not a whole number, an odd count, a run without length, runs that overlap or lie
            outside the image. The message says which.

    >>> decode("1 2 6 1", (3, 2)).astype(int).tolist()
    [[1, 0], [1, 0], [0, 1]]
    """
    height, width = int(shape[0]), int(shape[1])
    starts, lengths = _runs(text, first_pixel)
    _check_runs(starts, lengths, height, width, first_pixel)
    edges = np.zeros(height * width + 1, np.int8)
    edges[starts] += 1
    edges[starts + lengths] -= 1
    return np.cumsum(edges[:-1], dtype=np.int8).astype(bool).reshape(width, height).T


def encode(mask: np.ndarray, *, first_pixel: int = 1) -> str:
    """Write a mask as a "start length start length …" string; the inverse of `decode`.

    Args:
        mask: [H, W]; what is not zero is mask.
        first_pixel: number of the first pixel, 1 or 0.

    Returns:
        Runs in ascending order, none touching the next; an empty string for an empty mask.

    Raises:
        ValueError: mask is not two-dimensional, or first_pixel is neither 0 nor 1.

    >>> encode(np.array([[1, 0], [1, 0], [0, 1]]))
    '1 2 6 1'
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f"A run-length string holds one mask [height, width]; got an array of shape {mask.shape}.")
    _check_first_pixel(first_pixel)
    pixels = np.concatenate([[False], mask.astype(bool).T.ravel(), [False]])
    edges = np.flatnonzero(pixels[1:] != pixels[:-1])
    starts, stops = edges[::2], edges[1::2]
    runs = np.stack([starts + first_pixel, stops - starts], axis=1)
    return " ".join(str(number) for number in runs.ravel())


def encode_coco(masks: np.ndarray) -> dict[str, Any] | list[dict[str, Any]]:
    """Write masks as COCO run-length encodings.

    Args:
        masks: [H, W] or [H, W, N]; what is not zero is mask.

    Returns:
        {"size": [H, W], "counts": bytes} for one mask, a list of N for several.

    Raises:
        ValueError: masks has neither two nor three dimensions.

    >>> encode_coco(np.ones((2, 3), bool))["size"]
    [2, 3]
    """
    masks = np.asarray(masks)
    if masks.ndim not in (2, 3):
        raise ValueError(f"Masks must be [height, width] or [height, width, instances]; got shape {masks.shape}.")
    if masks.ndim == 2:
        return encode_coco(masks[..., None])[0]
    height, num = masks.shape[0], masks.shape[-1]
    planes = np.ascontiguousarray(np.moveaxis(masks.astype(bool, copy=False), -1, 0))  # [N, H, W]
    edges = [np.zeros(0, np.int64)]
    for plane, (y1, x1, y2, x2) in zip(planes, box_ops.from_masks(np.moveaxis(planes, 0, -1)).tolist(), strict=True):
        part = np.zeros((x2 - x1, y2 - y1 + 2), bool)  # the box alone, lying down, with a border of background
        part[:, 1:-1] = plane[y1:y2, x1:x2].T
        column, row = np.divmod(np.flatnonzero(part[:, 1:] != part[:, :-1]), y2 - y1 + 1)
        edges.append(runs.odd((column + x1) * height + row + y1))
    owner = np.repeat(np.arange(num), [len(one) for one in edges[1:]])
    return runs.encode(owner, np.concatenate(edges), num, masks.shape[:2])


def decode_coco(encoded: dict[str, Any] | Sequence[dict[str, Any]], shape: Sequence[int] | None = None) -> np.ndarray:
    """Read COCO run-length encodings, compressed (bytes or text) or not (a list of counts).

    Args:
        encoded: one encoding, or a list of encodings of one size.
        shape: (H, W) wanted for an empty list, and checked against the encodings' own size otherwise; None takes
            theirs.

    Returns:
        [H, W] bool for one encoding, [H, W, N] for a list.

    Raises:
        ValueError: an encoding lacks size or counts, its size isn't shape, or the counts don't fill it.

    >>> decode_coco({"size": [2, 2], "counts": [1, 2, 1]}).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    if isinstance(encoded, dict):
        return decode_coco([encoded], shape)[..., 0]
    sizes = {tuple(int(n) for n in _checked(one)["size"]) for one in encoded}
    wanted = sizes if shape is None else {(int(shape[0]), int(shape[1]))}
    if len(sizes) > 1 or (sizes and sizes != wanted):
        raise ValueError(f"COCO masks of {sorted(sizes)} pixels do not fit an image of {sorted(wanted)}.")
    height, width = next(iter(wanted), (0, 0))
    masks = np.zeros((height, width, len(encoded)), bool)
    for i, one in enumerate(encoded):
        runs.paint(_counts(one), masks[..., i])
    return masks


def paint_coco(encoded: dict[str, Any], plane: np.ndarray) -> bool:
    """Read an encoding into a plane that is there. What is outside the mask's box is not touched, which saves time and memory.

    Args:
        encoded: one encoding, compressed or not.
        plane: [H, W] bool, set to True where the mask is.

    Returns:
        Whether the mask has any pixel.

    Raises:
        ValueError: the counts don't fill the encoding's size, or that isn't the plane's.

    >>> plane = np.zeros((2, 3), bool)
    >>> paint_coco({"size": [2, 3], "counts": [1, 2, 3]}, plane)
    True
    """
    size = tuple(int(n) for n in _checked(encoded)["size"])
    if plane.shape != size:
        raise ValueError(f"A COCO mask of {size} pixels does not fit a plane of {plane.shape}.")
    return runs.paint(_counts(encoded), plane)


def checked_coco(encoded: dict[str, Any]) -> dict[str, Any]:
    """Return an encoding in pycocotools' own form, after reading all its counts.

    Raises:
        ValueError: it lacks size or counts, or the counts don't fill the size.

    >>> checked_coco({"size": [2, 2], "counts": "121"})
    {'size': [2, 2], 'counts': b'121'}
    """
    try:
        _counts(_checked(encoded))
        return _compressed(encoded)
    except (TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"A COCO mask is {{'size': [height, width], 'counts': …}}; got {str(encoded)[:80]}.") from error


def to_coco(text: str, shape: Sequence[int], *, first_pixel: int = 1) -> dict[str, Any]:
    """Write a "start length start length …" string as a COCO encoding, without its plane; arguments and errors as `decode`.

    >>> to_coco("2 1 3 1", (2, 2))
    {'size': [2, 2], 'counts': b'121'}
    """
    height, width = int(shape[0]), int(shape[1])
    starts, lengths = _runs(text, first_pixel)
    _check_runs(starts, lengths, height, width, first_pixel)
    edges = runs.odd(np.sort(np.concatenate([starts, starts + lengths])))  # runs that touch become one
    return runs.encode(np.zeros(len(edges), np.int64), edges, 1, (height, width))[0]


def area_coco(encoded: dict[str, Any] | Sequence[dict[str, Any]]) -> np.ndarray:
    """Return the number of mask pixels of an encoding, or of each of a list.

    Args:
        encoded: one encoding, or a list.

    Returns:
        [] or [N] int64.

    >>> int(area_coco({"size": [2, 2], "counts": [1, 2, 1]}))
    2
    """
    if isinstance(encoded, dict):
        return np.asarray(coco_mask.area(_compressed(encoded)), np.int64)
    return np.array([coco_mask.area(_compressed(one)) for one in encoded], np.int64)


def iou_coco(
    encoded1: Sequence[dict[str, Any]], encoded2: Sequence[dict[str, Any]], crowd: np.ndarray | None = None
) -> np.ndarray:
    """Return the intersection over union of every pair of encodings, 0 where both are empty.

    Args:
        encoded1: N encodings.
        encoded2: M encodings, of the same size.
        crowd: [M] bool; with a crowd it is the share of the first one inside it. None: there is none.

    Returns:
        [N, M] float64 in 0..1.

    >>> half, whole = {"size": [2, 2], "counts": [0, 2, 2]}, {"size": [2, 2], "counts": [0, 4]}
    >>> iou_coco([half], [half, whole]).tolist()
    [[1.0, 0.5]]
    """
    if not len(encoded1) or not len(encoded2):
        return np.zeros((len(encoded1), len(encoded2)))
    crowd = np.zeros(len(encoded2), bool) if crowd is None else np.asarray(crowd)
    sides = [[_compressed(one) for one in side] for side in (encoded1, encoded2)]
    return np.asarray(coco_mask.iou(*sides, crowd.astype(np.uint8).tolist()))


def boxes_coco(encoded: Sequence[dict[str, Any]]) -> np.ndarray:
    """Return the tight box around each encoding.

    Args:
        encoded: list of encodings.

    Returns:
        [N, (y1, x1, y2, x2)] int32 pixels; an empty mask gives (0, 0, 0, 0).

    >>> boxes_coco([{"size": [2, 3], "counts": [2, 2, 2]}]).tolist()
    [[0, 1, 2, 2]]
    """
    if not len(encoded):
        return np.zeros((0, 4), np.int32)
    x, y, width, height = np.asarray(coco_mask.toBbox([_compressed(one) for one in encoded])).T
    boxes = np.stack([y, x, y + height, x + width], axis=1).astype(np.int32)
    return boxes * ((width > 0) & (height > 0))[:, None].astype(np.int32)


def merge_coco(encoded: Sequence[dict[str, Any]], *, intersect: bool = False) -> dict[str, Any]:
    """Unite encodings of one size.

    Args:
        encoded: one or more encodings.
        intersect: keep what all have in common instead of what any has.

    Returns:
        One encoding.

    Raises:
        ValueError: there is nothing to merge, or sizes differ.

    >>> halves = [{"size": [2, 2], "counts": [0, 2, 2]}, {"size": [2, 2], "counts": [2, 2]}]
    >>> int(area_coco(merge_coco(halves)))
    4
    """
    compressed = [_compressed(one) for one in encoded]
    sizes = {tuple(one["size"]) for one in compressed}
    if len(sizes) != 1:
        raise ValueError(f"Only masks of one size can be merged; got {len(compressed)} of sizes {sorted(sizes)}.")
    return coco_mask.merge(compressed, intersect=intersect)


def counts_coco(encoded: dict[str, Any]) -> np.ndarray:
    """Return the run lengths of an encoding, compressed or not: [C] int64, of background and mask in turns.

    Raises:
        ValueError: it lacks size or counts, or the counts don't fill the size.

    >>> counts_coco({"size": [2, 2], "counts": b"121"}).tolist()
    [1, 2, 1]
    """
    return _counts(_checked(encoded))


def _check_first_pixel(first_pixel: int) -> None:
    if first_pixel not in (0, 1):
        raise ValueError(f"The first pixel has number 0 or 1; got first_pixel={first_pixel!r}.")


def _runs(text: str, first_pixel: int) -> tuple[np.ndarray, np.ndarray]:
    """Split a string into starts (counted from 0) and lengths."""
    _check_first_pixel(first_pixel)
    if not isinstance(text, str):
        raise ValueError(f"A run-length string is text such as '1 3 10 5'; got {type(text).__name__} {text!r}.")
    words = text.split()
    for place, word in enumerate(words):
        if not (word.isascii() and word.removeprefix("-").isdigit()):
            raise ValueError(f"Run-length string: value {place + 1} is {word!r}, not a whole number.")
    if len(words) % 2:
        raise ValueError(f"Run-length string holds {len(words)} values; starts and lengths come in pairs.")
    # Python integers first: a value that int64 cannot hold must be reported, not wrapped.
    numbers = [int(word) for word in words]
    limit = np.iinfo(np.int64).max // 4
    for place, number in enumerate(numbers):
        if abs(number) > limit:
            raise ValueError(f"Run-length string: value {place + 1} is {number}, larger than any image.")
    pairs = np.array(numbers, np.int64).reshape(-1, 2)
    return pairs[:, 0] - first_pixel, pairs[:, 1]


def _check_runs(starts: np.ndarray, lengths: np.ndarray, height: int, width: int, first_pixel: int) -> None:
    """Refuse runs without length, outside the image or over each other."""

    def name(i: int) -> str:
        return f"Run-length string: run {i + 1} (start {starts[i] + first_pixel}, length {lengths[i]})"

    outside = np.flatnonzero((lengths < 1) | (starts < 0) | (starts + lengths > height * width))
    if outside.size:
        raise ValueError(
            f"{name(outside[0])} is not inside an image of height {height} and width {width}, whose pixels are "
            f"numbered {first_pixel}…{height * width - 1 + first_pixel}. Check which of height and width comes first, "
            "and first_pixel."
        )
    order = np.argsort(starts, kind="stable")
    over = np.flatnonzero((starts + lengths)[order][:-1] > starts[order][1:])
    if over.size:
        raise ValueError(f"{name(order[over[0]])} overlaps run {order[over[0] + 1] + 1}; runs must not overlap.")


def _checked(encoded: dict[str, Any]) -> dict[str, Any]:
    """Return the encoding if it has the form of one."""
    if not isinstance(encoded, dict) or "size" not in encoded or "counts" not in encoded:
        raise ValueError(f"A COCO mask is {{'size': [height, width], 'counts': …}}; got {str(encoded)[:80]}.")
    return encoded


def _counts(encoded: dict[str, Any]) -> np.ndarray:
    """Return the run lengths of an encoding, beginning with background, and check that they fill its size.

    Compressed ones are read here because pycocotools' decode does not notice a text cut short, and warns under NumPy 2.
    """
    height, width = (int(n) for n in encoded["size"])
    counts = encoded["counts"]
    if isinstance(counts, bytes | str):
        counts = runs.counts(counts.encode() if isinstance(counts, str) else counts)
    try:
        counts = np.array(counts, np.int64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"COCO mask: counts are whole numbers; got {str(counts)[:60]}.") from None
    if counts.sum() != height * width or counts.min(initial=0) < 0:
        raise ValueError(f"COCO mask: the counts add up to {counts.sum()}, not to {height} · {width} pixels.")
    return counts


def _compressed(encoded: dict[str, Any]) -> dict[str, Any]:
    """Bring an encoding to pycocotools' own form."""
    height, width = (int(n) for n in _checked(encoded)["size"])
    counts = encoded["counts"]
    if isinstance(counts, bytes | str):
        return {"size": [height, width], "counts": counts.encode() if isinstance(counts, str) else counts}
    return coco_mask.frPyObjects({"size": [height, width], "counts": _counts(encoded).tolist()}, height, width)
