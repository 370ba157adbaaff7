"""Functions on tensors with the original's names and arguments: boxes, image_meta, refinement, batches.

They take tensors of the backend, arrays, or symbolic tensors of a functional model. Two of them (`trim_zeros_graph`, `batch_pack_graph`) return as
many rows as the values ask for, which XLA can't compile; the network itself uses none of these.
"""

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from mrcnn.config import Config
from mrcnn.nn import detections, layers
from mrcnn.ops import tensor_boxes

Tensor = Any


def log2_graph(x: Tensor) -> Tensor:
    """Logarithm to base 2, element by element."""
    return ops.log2(x)


def trim_zeros_graph(boxes: Tensor, name: str = "trim_zeros") -> tuple[Tensor, Tensor]:
    """Drop the rows that are zero throughout.

    Args:
        boxes: [N, 4].
        name: For old scripts; tensors have no names any more.

    Returns:
        The other rows [kept, 4], and which those are, [N] bool.
    """
    real = ops.any(ops.not_equal(boxes, 0), axis=1)
    return ops.take(boxes, ops.nonzero(real)[0], axis=0), real


def batch_pack_graph(x: Tensor, counts: Tensor, num_rows: int) -> Tensor:
    """Join the first counts[i] entries of each row.

    Args:
        x: [B, N, ...].
        counts: [B] whole numbers, at most N.
        num_rows: Rows to take part, B or fewer.

    Returns:
        [sum of counts, ...].
    """
    x, counts = ops.convert_to_tensor(x)[:num_rows], ops.convert_to_tensor(counts)[:num_rows]
    chosen = ops.arange(x.shape[1], dtype="int32")[None] < ops.cast(counts, "int32")[:, None]  # [num_rows, N]
    places = ops.nonzero(ops.reshape(chosen, (-1,)))[0]
    return ops.take(ops.reshape(x, (-1, *x.shape[2:])), places, axis=0)


def batch_slice(inputs: Any, graph_fn: Callable[..., Any], batch_size: int, names: Sequence[str] | None = None) -> Any:
    """Run a function of one image on each image of a batch, and stack the results.

    Args:
        inputs: A tensor [B, ...], or a list of them.
        graph_fn: Takes one slice of each input, returns a tensor or a list or tuple of tensors.
        batch_size: B.
        names: For old scripts; tensors have no names any more.

    Returns:
        A tensor [B, ...], or a list of them where graph_fn returns several.

    Raises:
        ValueError: batch_size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_slice: batch_size = {batch_size}; at least 1 is expected, the size of the batch (config.IMAGES_PER_GPU)")
    tensors = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    results = [graph_fn(*[tensor[i] for tensor in tensors]) for i in range(batch_size)]
    if not isinstance(results[0], (list, tuple)):
        return ops.stack(results, axis=0)
    stacked = [ops.stack(list(parts), axis=0) for parts in zip(*results, strict=True)]
    return stacked[0] if len(stacked) == 1 else stacked


def apply_box_deltas_graph(boxes: Tensor, deltas: Tensor, max_log: float | None = None) -> Tensor:
    """Apply deltas to boxes, both [N, 4].

    max_log bounds log(dh) and log(dw), as config.BOX_DELTA_MAX_LOG does in the network; None, like the original, does not. See `tensor_boxes.decode`.
    """
    return tensor_boxes.decode(_float(boxes), _float(deltas), None if max_log is None else float(max_log))


def clip_boxes_graph(boxes: Tensor, window: Tensor) -> Tensor:
    """Clip boxes [N, 4] to a window [(y1, x1, y2, x2)] of the same unit."""
    return tensor_boxes.clip(_float(boxes), window)


def overlaps_graph(boxes1: Tensor, boxes2: Tensor, undefined: float = 0.0) -> Tensor:
    """Intersection over union of every pair.

    Args:
        boxes1: [N, 4].
        boxes2: [M, 4].
        undefined: Value of a pair of boxes without area. float("nan") gives the original's result.

    Returns:
        [N, M] float32.
    """
    boxes1, boxes2 = _float(boxes1), _float(boxes2)
    overlaps = tensor_boxes.iou(boxes1, boxes2)
    if undefined == 0.0:
        return overlaps
    total = tensor_boxes.area(boxes1)[:, None] + tensor_boxes.area(boxes2)[None]
    return ops.where(total > 0.0, overlaps, undefined)


def box_refinement_graph(box: Tensor, gt_box: Tensor) -> Tensor:
    """Deltas [N, (dy, dx, log(dh), log(dw))] that turn `box` into `gt_box`, both [N, 4]."""
    return tensor_boxes.encode(_float(box), _float(gt_box))


def norm_boxes_graph(boxes: Tensor, shape: Tensor) -> Tensor:
    """Pixels to the unit square: boxes [..., 4], shape (height, width); float32. See `tensor_boxes.normalize`."""
    return tensor_boxes.normalize(ops.convert_to_tensor(boxes), shape[0], shape[1])


def denorm_boxes_graph(boxes: Tensor, shape: Tensor) -> Tensor:
    """Unit square to whole pixels: boxes [..., 4], shape (height, width); int32. See `tensor_boxes.denormalize`."""
    return tensor_boxes.denormalize(ops.convert_to_tensor(boxes), shape[0], shape[1])


def parse_image_meta_graph(meta: Tensor) -> dict[str, Tensor]:
    """Take image_meta vectors [B, 12 + K] apart.

    Returns:
        image_id [B], original_image_shape [B, 3], image_shape [B, 3], window [B, 4], scale [B], active_class_ids [B, K], in the dtype of meta.
    """
    return {
        "image_id": meta[:, 0],
        "original_image_shape": meta[:, 1:4],
        "image_shape": meta[:, 4:7],
        "window": layers.windows(meta),
        "scale": meta[:, 11],
        "active_class_ids": layers.active_classes(meta),
    }


def refine_detections_graph(rois: Tensor, probs: Tensor, deltas: Tensor, window: Tensor, config: Config) -> Tensor:
    """Detections of one image.

    Args:
        rois: [R, 4] in the unit square.
        probs: [R, K].
        deltas: [R, K, 4].
        window: [(y1, x1, y2, x2)] in the unit square.
        config: DETECTION_*, BBOX_STD_DEV and BOX_DELTA_MAX_LOG are read.

    Returns:
        [DETECTION_MAX_INSTANCES, (y1, x1, y2, x2, class id, score)] float32, best first, zero rows at the end.
    """
    rois, probs, deltas, window = (ops.expand_dims(_float(tensor), 0) for tensor in (rois, probs, deltas, window))
    return detections.refine(
        rois, probs, deltas, window, max_instances=config.DETECTION_MAX_INSTANCES, min_confidence=config.DETECTION_MIN_CONFIDENCE,
        nms_threshold=config.DETECTION_NMS_THRESHOLD, std_dev=config.BBOX_STD_DEV, max_log=config.BOX_DELTA_MAX_LOG,
        nms_method=config.DETECTION_NMS_METHOD, nms_sigma=config.DETECTION_SOFT_NMS_SIGMA, nms_per_class=config.DETECTION_NMS_PER_CLASS,
    )[0]  # fmt: skip


def _float(tensor: Tensor) -> Tensor:
    return ops.cast(tensor, "float32")
