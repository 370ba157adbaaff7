"""Functions on NumPy arrays with the original's names and argument names; what they do is in `ops` and `data`.

Only what has another name or another order of arguments there needs an adapter. Loads no Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.data import images as image_ops
from mrcnn.ops import anchors, boxes, overlaps, paste, rle
from mrcnn.ops import masks as mask_ops
from mrcnn.ops.waiting import EncodedMasks

if TYPE_CHECKING:
    from mrcnn.config import Config


def extract_bboxes(mask: np.ndarray) -> np.ndarray:
    """Return the tight box around each mask: [H, W, N] to [N, (y1, x1, y2, x2)] int32. See `ops.boxes.from_masks`."""
    return boxes.from_masks(mask)


def box_refinement(box: np.ndarray, gt_box: np.ndarray) -> np.ndarray:
    """Return the deltas [N, (dy, dx, log(dh), log(dw))] float32 that turn `box` into `gt_box`, both [N, 4]. See `ops.boxes.encode`."""
    return boxes.encode(box, gt_box)


def trim_zeros(x: np.ndarray) -> np.ndarray:
    """Drop the rows of [N, values] that are zero throughout. See `ops.boxes.trim_zeros`."""
    return boxes.trim_zeros(x)


def generate_pyramid_anchors(
    scales: Sequence[float],
    ratios: Sequence[float],
    feature_shapes: Sequence[Sequence[int]],
    feature_strides: Sequence[int],
    anchor_stride: int = 1,
) -> np.ndarray:
    """Return the anchors of all levels in pixels, [A, (y1, x1, y2, x2)] float64. See `ops.anchors.generate_pyramid`."""
    return anchors.generate_pyramid(scales, ratios, feature_shapes, feature_strides, anchor_stride)


def resize_mask(
    mask: np.ndarray, scale: float, padding: Sequence[Sequence[int]], crop: Sequence[int] | None = None
) -> np.ndarray:
    """Resize masks [H, W, N] along with their image, by what `resize_image` returned. See `ops.masks.resize_mask`."""
    return mask_ops.resize_mask(mask, scale, padding, crop)


def minimize_mask(bbox: np.ndarray, mask: np.ndarray, mini_shape: Sequence[int]) -> np.ndarray:
    """Cut masks [H, W, N] to their boxes [N, 4] and shrink them to mini_shape: [h, w, N] bool. See `ops.masks.minimize`."""
    return mask_ops.minimize(bbox, mask, mini_shape)


def expand_mask(bbox: np.ndarray, mini_mask: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Put mini-masks [h, w, N] back at their boxes [N, 4]: [H, W, N] bool. See `ops.masks.expand`."""
    return mask_ops.expand(bbox, mini_mask, image_shape)


def mold_mask(mask: np.ndarray, config: Config) -> np.ndarray:
    """Bring masks to the form that the network trains on. (The original only announced this function: it returned None.)

    Args:
        mask: [H, W, N], or [H, W] for one instance; what is not zero is mask.
        config: USE_MINI_MASK and MINI_MASK_SHAPE are read.

    Returns:
        bool, the mini-masks of the instances with USE_MINI_MASK, else the whole masks; [H, W] stays without the last axis.

    Raises:
        ValueError: neither two nor three axes.
    """
    mask = np.asarray(mask) != 0
    if mask.ndim == 2:
        return mold_mask(mask[..., None], config)[..., 0]
    if mask.ndim != 3:
        raise ValueError(f"mold_mask takes masks [height, width, instances]; got an array of shape {mask.shape}.")
    return mask_ops.minimize(boxes.from_masks(mask), mask, config.MINI_MASK_SHAPE) if config.USE_MINI_MASK else mask


def unmold_mask(mask: np.ndarray, bbox: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Paste a mask [h, w] of the mask head into its box: [H, W] bool. See `ops.paste.plane`."""
    return paste.plane(mask, bbox, image_shape)


def resize(
    image: np.ndarray,
    output_shape: Sequence[int],
    order: int = 1,
    mode: str = "constant",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool = False,
    anti_aliasing_sigma: float | None = None,
) -> np.ndarray:
    """Resize as `skimage.transform.resize` does, with the original's defaults.

    With the defaults scikit-image isn't needed: the same bilinear values come from OpenCV, 50 times faster, and bool images work (scikit-image
    refuses to interpolate them). Any other order, mode, cval, clip or anti_aliasing is handed to scikit-image.

    Args:
        image: [H, W] or [H, W, C].
        output_shape: (height, width), or with the channels.
        order, mode, cval, clip, anti_aliasing, anti_aliasing_sigma: See scikit-image.
        preserve_range: False: whole numbers are divided by the largest of their dtype.

    Returns:
        [height, width] or [height, width, C] float: float32 for float32 input, else float64.

    Raises:
        ImportError: scikit-image is needed and not installed.
    """
    image = np.asarray(image)
    plain = order == 1 and mode == "constant" and cval == 0 and clip and not anti_aliasing
    if plain and image.ndim in (2, 3) and tuple(output_shape[2:]) in ((), image.shape[2:]) and image.dtype.kind in "buf":
        floats = image.astype(np.float32 if image.dtype == np.float32 else np.float64)
        if image.dtype.kind == "u" and not preserve_range:
            floats /= np.iinfo(image.dtype).max
        return mask_ops.resize_bilinear(floats, output_shape[:2])
    try:
        from skimage import transform
    except ImportError as error:
        raise ImportError(
            f"utils.resize(order={order}, mode={mode!r}, cval={cval}, clip={clip}, anti_aliasing={anti_aliasing}) needs scikit-image ({error}). "
            "pip install scikit-image, or keep the defaults, which don't."
        ) from error
    return transform.resize(
        image, output_shape, order=order, mode=mode, cval=cval, clip=clip, preserve_range=preserve_range, anti_aliasing=anti_aliasing,
        anti_aliasing_sigma=anti_aliasing_sigma,
    )  # fmt: skip


def parse_image_meta(meta: np.ndarray) -> dict[str, np.ndarray]:
    """Take image_meta vectors [B, 12 + K] apart. See `data.images.parse_meta`."""
    return image_ops.parse_meta(meta)


def mold_image(images: np.ndarray, config: Config) -> np.ndarray:
    """Subtract config.MEAN_PIXEL from images [..., C]: float64. See `data.images.mold`."""
    return image_ops.mold(np.asarray(images), config.MEAN_PIXEL)


def unmold_image(normalized_images: np.ndarray, config: Config, rounding: bool = True) -> np.ndarray:
    """Add config.MEAN_PIXEL again: [..., C] uint8. rounding=False truncates as the original does. See `data.images.unmold`."""
    return image_ops.unmold(normalized_images, config.MEAN_PIXEL, rounding=rounding)


def refine_masks(masks: np.ndarray, rois: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give pixels that several masks have to the smallest of them, and fit the boxes: what the kernels for iMaterialist do before a submission.

    `Detections.without_overlaps` does it without planes, and can prefer the higher score. Deviations from the kernels' function: it changes
    its arguments, and its boxes end on the last pixel instead of behind it.

    Args:
        masks: [H, W, N], 0 or not.
        rois: [N, (y1, x1, y2, x2)].

    Returns:
        masks [H, W, N] bool and rois [N, 4], copies, in the same order; a mask that others cover ends empty and keeps its box.

    Raises:
        ValueError: masks and rois don't agree in N.
    """
    masks, rois = np.asarray(masks).astype(bool), np.array(rois)
    if masks.ndim != 3 or rois.shape != (masks.shape[2], 4):
        raise ValueError(f"refine_masks takes masks [H, W, N] and rois [N, 4]; got {masks.shape} and {rois.shape}")
    encoded = rle.encode_coco(masks)
    parts = overlaps.apart(encoded, np.argsort(rle.area_coco(encoded), kind="stable"))
    filled = rle.area_coco(parts) > 0
    rois[filled] = rle.boxes_coco(parts)[filled]
    return EncodedMasks(parts, masks.shape[:2]).planes(), rois
