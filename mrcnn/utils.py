"""The door at the original's address: `from mrcnn import utils`. Everything here lives elsewhere and is only named. Loads no Keras."""

from collections.abc import Callable, Sequence
from typing import Any

from mrcnn.data.dataset import Dataset
from mrcnn.data.images import resize as resize_image
from mrcnn.evaluation.matching import compute_matches, compute_recall
from mrcnn.evaluation.precision import compute_ap, compute_ap_range
from mrcnn.legacy.arrays import (
    box_refinement,
    expand_mask,
    extract_bboxes,
    generate_pyramid_anchors,
    minimize_mask,
    mold_mask,
    refine_masks,
    resize,
    resize_mask,
    trim_zeros,
    unmold_mask,
)
from mrcnn.ops.anchors import generate as generate_anchors
from mrcnn.ops.boxes import decode as apply_box_deltas
from mrcnn.ops.boxes import denormalize as denorm_boxes
from mrcnn.ops.boxes import iou as compute_overlaps
from mrcnn.ops.boxes import iou_with_one as compute_iou
from mrcnn.ops.boxes import non_max_suppression
from mrcnn.ops.boxes import normalize as norm_boxes
from mrcnn.ops.masks import overlaps as compute_overlaps_masks
from mrcnn.weights.download import COCO_MODEL_URL, download_trained_weights

__all__ = [
    "COCO_MODEL_URL",
    "Dataset",
    "apply_box_deltas",
    "batch_slice",
    "box_refinement",
    "box_refinement_graph",
    "compute_ap",
    "compute_ap_range",
    "compute_iou",
    "compute_matches",
    "compute_overlaps",
    "compute_overlaps_masks",
    "compute_recall",
    "denorm_boxes",
    "download_trained_weights",
    "expand_mask",
    "extract_bboxes",
    "generate_anchors",
    "generate_pyramid_anchors",
    "minimize_mask",
    "mold_mask",
    "non_max_suppression",
    "norm_boxes",
    "refine_masks",
    "resize",
    "resize_image",
    "resize_mask",
    "trim_zeros",
    "unmold_mask",
]


def batch_slice(inputs: Any, graph_fn: Callable[..., Any], batch_size: int, names: Sequence[str] | None = None) -> Any:
    """Run a function of one image on each image of a batch [B, …], and stack the results. See `legacy.graphs.batch_slice`."""
    from mrcnn.legacy import graphs

    return graphs.batch_slice(inputs, graph_fn, batch_size, names)


def box_refinement_graph(box: Any, gt_box: Any) -> Any:
    """Deltas that turn `box` into `gt_box`, both tensors [N, 4]. See `legacy.graphs.box_refinement_graph`."""
    from mrcnn.legacy import graphs

    return graphs.box_refinement_graph(box, gt_box)
