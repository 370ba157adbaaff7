"""Cutting regions out of feature maps: bilinear samples of boxes in the unit square.

Two samplings (Config.ROI_ALIGN):

- `crop_and_resize`: what the original calls RoIAlign, and what its weights were trained with: ONE sample a bin, at corner-aligned positions
  `y1 * (H - 1) + i * (y2 - y1) * (H - 1) / (size - 1)`, 0 outside the map.
- `aligned`: RoIAlign with 2 x 2 samples a bin, averaged, half-pixel centres, clamped to the map (Mask R-CNN, section 3; the sampling as in
  Detectron2's ROIAlignV2). Its boxes are fractions of the image, pixels / size.

All levels are read from one table of feature vectors, so that each roi costs one pass whatever its level. No gradient flows into the boxes.

Where the last sample of a box that ends on the border computes to an ulp beyond it, the original returns 0 for the whole row or column. Here a sample
within `BORDER_TOLERANCE` pixels of the border is taken as on it.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any

BORDER_TOLERANCE = 1e-3
SAMPLINGS = ("crop_and_resize", "aligned")


def crop(features: list[Tensor], boxes: Tensor, levels: Tensor, size: tuple[int, int], sampling: str = "crop_and_resize") -> Tensor:
    """Cut boxes out of the level of a pyramid that each belongs to.

    Args:
        features: Per level [B, H, W, C].
        boxes: [B, R, 4] float32, (y1, x1, y2, x2): for crop_and_resize in the unit square of `tensor_boxes.normalize`, for aligned
            fractions of the image.
        levels: [B, R] int32, index into `features`.
        size: Height and width of the result.
        sampling: One of `SAMPLINGS`.

    Returns:
        [B, R, height, width, C] in the dtype of the features.
    """
    boxes = ops.stop_gradient(boxes)
    if keras.backend.backend() == "tensorflow" and sampling == "crop_and_resize":
        from mrcnn.ops import _tensorflow

        return _tensorflow.crop(features, boxes, levels, size)
    return crop_portable(features, boxes, levels, size, sampling)


def crop_portable(features: list[Tensor], boxes: Tensor, levels: Tensor, size: tuple[int, int], sampling: str = "crop_and_resize") -> Tensor:
    """`crop` in plain keras.ops."""
    samples = size if sampling == "crop_and_resize" else (2 * size[0], 2 * size[1])
    channels = features[0].shape[-1]
    table = ops.concatenate([ops.reshape(f, (-1, channels)) for f in features], axis=0)  # [sum B*H*W, C]
    result = 0.0
    for rows, weights in corners(features, boxes, levels, samples, sampling):
        result = result + ops.take(table, rows, axis=0) * ops.cast(weights, table.dtype)[..., None]
    if sampling == "aligned":
        shape = (-1, boxes.shape[1], size[0], 2, size[1], 2, channels)
        result = ops.mean(ops.reshape(result, shape), axis=(3, 5))
    return result


def corners(
    features: list[Tensor], boxes: Tensor, levels: Tensor, samples: tuple[int, int], sampling: str, images: Tensor | None = None
) -> list[tuple[Tensor, Tensor]]:
    """Rows and weights of the four neighbours of each sample, in the table of all levels' feature vectors.

    Args:
        features: Per level [B, H, W, C]; only the shapes are read.
        boxes: [B, R, 4] float32.
        levels: [B, R] int32.
        samples: Number of samples in y and x.
        sampling: One of `SAMPLINGS`.
        images: [B, 1] int32, the map of each row of boxes. None: the rows in order.

    Returns:
        Four pairs of rows [B, R, h, w] int32 and weights [B, R, h, w] float32.
    """
    batch = ops.shape(features[0])[0]
    heights = ops.stack([ops.cast(ops.shape(f)[1], "int32") for f in features])
    widths = ops.stack([ops.cast(ops.shape(f)[2], "int32") for f in features])
    first_rows = ops.cumsum(batch * heights * widths) - batch * heights * widths
    height, width = ops.take(heights, levels), ops.take(widths, levels)  # [B, R]
    images = ops.arange(batch, dtype="int32")[:, None] if images is None else images
    first = ops.take(first_rows, levels) + images * height * width  # [B, R]

    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
    y, y_inside = _positions(y1, y2, height, samples[0], sampling)  # [B, R, h]
    x, x_inside = _positions(x1, x2, width, samples[1], sampling)  # [B, R, w]
    top, bottom, below = _neighbours(y, height)
    left, right, beside = _neighbours(x, width)

    result = []
    for row, row_weight in ((top, 1.0 - below), (bottom, below)):
        for column, column_weight in ((left, 1.0 - beside), (right, beside)):
            index = first[..., None, None] + row[..., :, None] * width[..., None, None] + column[..., None, :]
            weight = (row_weight * y_inside)[..., :, None] * (column_weight * x_inside)[..., None, :]
            result.append((index, weight))
    return result


def _positions(low: Tensor, high: Tensor, extent: Tensor, samples: int, sampling: str) -> tuple[Tensor, Tensor]:
    """Sample positions [B, R, samples] in cells of the map, and 1 where they lie on it, else 0."""
    steps = ops.arange(samples, dtype="float32")
    last = ops.cast(extent, "float32") - 1.0
    if sampling == "aligned":
        bins = (high - low) * (last + 1.0) / samples
        positions = (low * (last + 1.0))[..., None] + (steps + 0.5) * bins[..., None] - 0.5
        return positions, ops.ones_like(positions)  # `_neighbours` clamps
    if samples > 1:
        # In this order of operations the positions agree with TensorFlow's kernel to the last bit.
        positions = (low * last)[..., None] + steps * ((high - low) * last / (samples - 1))[..., None]
    else:
        positions = (0.5 * (low + high) * last)[..., None]
    inside = ops.logical_and(positions >= -BORDER_TOLERANCE, positions <= last[..., None] + BORDER_TOLERANCE)
    return positions, ops.cast(inside, "float32")


def _neighbours(positions: Tensor, extent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Lower and upper cell [B, R, samples] int32 and the weight of the upper one; positions are clamped to the map."""
    last = ops.cast(extent, "float32")[..., None] - 1.0
    positions = ops.where(ops.isfinite(positions), positions, 0.0)  # no cell has the number nan; the losses show it
    positions = ops.maximum(ops.minimum(positions, last), 0.0)
    lower = ops.floor(positions)
    upper = ops.minimum(lower + 1.0, last)
    return ops.cast(lower, "int32"), ops.cast(upper, "int32"), positions - lower


def crop_each(masks: Tensor, indices: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut boxes out of single-channel images, each out of its own (corner-aligned samples, 0 outside): mask targets.

    Args:
        masks: [M, H, W] float32.
        indices: [N] int32, the image of each box.
        boxes: [N, 4] float32, in the unit square of its image.
        size: Height and width of the result.

    Returns:
        [N, height, width] float32.
    """
    features = [masks[..., None]]
    levels = ops.zeros((ops.shape(boxes)[0], 1), dtype="int32")
    table = ops.reshape(masks, (-1,))
    result = 0.0
    for rows, weights in corners(features, ops.stop_gradient(boxes)[:, None], levels, size, "crop_and_resize", indices[:, None]):
        result = result + ops.take(table, rows[:, 0], axis=0) * weights[:, 0]
    return result
