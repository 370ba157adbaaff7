"""Box arithmetic on tensors, in `keras.ops` (its NumPy twin is `ops.boxes`).

Boxes are (y1, x1, y2, x2) float32, in whatever unit both arguments share. All functions take any leading shape.
"""

from typing import Any

from keras import ops

Tensor = Any


def area(boxes: Tensor) -> Tensor:
    """Area of [..., 4] boxes: [...]. Inverted boxes count as empty."""
    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
    return ops.maximum(y2 - y1, 0.0) * ops.maximum(x2 - x1, 0.0)


def iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union of every pair.

    Args:
        boxes1: [..., N, 4] float32.
        boxes2: [..., M, 4] float32.

    Returns:
        [..., N, M] float32; 0 for a pair without area (the original: nan).
    """
    intersection = _intersection(boxes1, boxes2)
    union = ops.expand_dims(area(boxes1), -1) + ops.expand_dims(area(boxes2), -2) - intersection
    return ops.where(union > 0.0, intersection / ops.where(union > 0.0, union, 1.0), 0.0)


def ioa(boxes: Tensor, regions: Tensor) -> Tensor:
    """Share of each box's own area that lies in each region: intersection over the box's area, COCO's overlap with a crowd.

    Args:
        boxes: [..., N, 4] float32.
        regions: [..., M, 4] float32.

    Returns:
        [..., N, M] float32; 0 for a box without area.
    """
    own = ops.expand_dims(area(boxes), -1)
    return ops.where(own > 0.0, _intersection(boxes, regions) / ops.where(own > 0.0, own, 1.0), 0.0)


def _intersection(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Common area of every pair: [..., N, M]."""
    a, b = ops.expand_dims(boxes1, -2), ops.expand_dims(boxes2, -3)
    height = ops.minimum(a[..., 2], b[..., 2]) - ops.maximum(a[..., 0], b[..., 0])
    width = ops.minimum(a[..., 3], b[..., 3]) - ops.maximum(a[..., 1], b[..., 1])
    return ops.maximum(height, 0.0) * ops.maximum(width, 0.0)


def encode(boxes: Tensor, gt_boxes: Tensor) -> Tensor:
    """Deltas that turn `boxes` into `gt_boxes`.

    Args:
        boxes: [..., 4] float32.
        gt_boxes: [..., 4] float32.

    Returns:
        [..., (dy, dx, log(dh), log(dw))] float32.

    Source: R-CNN (Girshick et al. 2014), appendix C, equations 6 to 9.
    """
    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
    gt_y1, gt_x1, gt_y2, gt_x2 = ops.unstack(gt_boxes, 4, axis=-1)
    height, width = y2 - y1, x2 - x1
    gt_height, gt_width = gt_y2 - gt_y1, gt_x2 - gt_x1
    dy = (gt_y1 + 0.5 * gt_height - (y1 + 0.5 * height)) / height
    dx = (gt_x1 + 0.5 * gt_width - (x1 + 0.5 * width)) / width
    return ops.stack([dy, dx, ops.log(gt_height / height), ops.log(gt_width / width)], axis=-1)


def decode(boxes: Tensor, deltas: Tensor, max_log: float | None = None) -> Tensor:
    """Apply deltas to boxes: the inverse of `encode`.

    Args:
        boxes: [..., 4] float32.
        deltas: [..., (dy, dx, log(dh), log(dw))] float32.
        max_log: limit of log(dh) and log(dw), so that exp stays finite. None: no limit, as in the original.

    Returns:
        [..., 4] float32.

    Source: R-CNN, appendix C, equations 1 to 4; the limit as in Detectron.
    """
    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
    dy, dx, log_dh, log_dw = ops.unstack(deltas, 4, axis=-1)
    if max_log is not None:
        log_dh, log_dw = ops.minimum(log_dh, float(max_log)), ops.minimum(log_dw, float(max_log))
    height, width = y2 - y1, x2 - x1
    center_y = y1 + 0.5 * height + dy * height
    center_x = x1 + 0.5 * width + dx * width
    height, width = height * ops.exp(log_dh), width * ops.exp(log_dw)
    y1, x1 = center_y - 0.5 * height, center_x - 0.5 * width
    return ops.stack([y1, x1, y1 + height, x1 + width], axis=-1)


def clip(boxes: Tensor, window: Tensor) -> Tensor:
    """Clip [..., 4] boxes into windows that broadcast against them: [..., 4] or [4]."""
    wy1, wx1, wy2, wx2 = ops.unstack(ops.convert_to_tensor(window, dtype=boxes.dtype), 4, axis=-1)
    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)

    def between(value: Tensor, low: Tensor, high: Tensor) -> Tensor:
        return ops.maximum(ops.minimum(value, high), low)

    return ops.stack([between(y1, wy1, wy2), between(x1, wx1, wx2), between(y2, wy1, wy2), between(x2, wx1, wx2)], axis=-1)


def normalize(boxes: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Pixels to the unit square of the original: (y1, x1, y2 - 1, x2 - 1) / (h - 1, w - 1, h - 1, w - 1).

    Args:
        boxes: [..., 4] in pixels, y2 and x2 outside the box.
        height: Scalar or a tensor that broadcasts against [...].
        width: Like height.

    Returns:
        [..., 4] float32.
    """
    y1, x1, y2, x2 = ops.unstack(ops.cast(boxes, "float32"), 4, axis=-1)
    h, w = ops.cast(height, "float32") - 1.0, ops.cast(width, "float32") - 1.0
    return ops.stack([y1 / h, x1 / w, (y2 - 1.0) / h, (x2 - 1.0) / w], axis=-1)


def denormalize(boxes: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Unit square to whole pixels (round half to even): the inverse of `normalize`, [..., 4] int32."""
    y1, x1, y2, x2 = ops.unstack(ops.cast(boxes, "float32"), 4, axis=-1)
    h, w = ops.cast(height, "float32") - 1.0, ops.cast(width, "float32") - 1.0
    return ops.cast(ops.round(ops.stack([y1 * h, x1 * w, y2 * h + 1.0, x2 * w + 1.0], axis=-1)), "int32")
