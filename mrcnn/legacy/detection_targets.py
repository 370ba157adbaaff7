"""Targets of the heads for rois drawn by the data generator, in NumPy and in pixels. (The network builds its own, see `nn.targets`.)

Source: Fast R-CNN (Girshick 2015), section 2.3: a share of the rois has IoU >= 0.5 with an instance, the others are background. Mask R-CNN (He et
al. 2017), section 3: the mask target is what the roi cuts out of the instance's mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrcnn.nn.targets import POSITIVE_IOU
from mrcnn.ops import boxes as box_ops
from mrcnn.ops import masks as mask_ops

if TYPE_CHECKING:
    from mrcnn.config import Config


def build(
    rois: np.ndarray, gt_class_ids: np.ndarray, gt_boxes: np.ndarray, gt_masks: np.ndarray, config: Config, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Choose rois and say what the heads should answer for each.

    Args:
        rois: [P, (y1, x1, y2, x2)] whole pixels; those without area are left out.
        gt_class_ids: [N]; negative for crowds, in which rois may not lie to be background.
        gt_boxes: [N, (y1, x1, y2, x2)] whole pixels.
        gt_masks: [H, W, N], or the mini-masks with USE_MINI_MASK.
        config: TRAIN_ROIS_PER_IMAGE (R), ROI_POSITIVE_RATIO, BBOX_STD_DEV, NUM_CLASSES (K), MASK_SHAPE (h, w), USE_MINI_MASK and CROWD_OVERLAP
            are read.
        rng: For the choice.

    Returns:
        rois [R, 4] int32, class_ids [R] int32, deltas [R, K, (dy, dx, log(dh), log(dw))] float32 and masks [R, h, w, K] float32 (0 or 1), the last
        two zero but at the roi's class: positives, then negatives, then zero rows. Deviation: the original repeats negatives in their place.

    Raises:
        ValueError: There are no rois.
    """
    rois, gt_class_ids = np.asarray(rois, np.int32).reshape(-1, 4), np.asarray(gt_class_ids)
    rois = rois[(rois[:, 2:] > rois[:, :2]).all(axis=1)]
    if not len(rois):
        raise ValueError("build_detection_targets needs rois [P, (y1, x1, y2, x2)] in pixels; there is none with an area.")
    overlaps = box_ops.iou(rois, gt_boxes)
    overlaps_with_instances = np.where(gt_class_ids > 0, overlaps, 0.0)
    best = overlaps_with_instances.max(axis=1, initial=0.0)
    of_crowds = box_ops.ioa(rois, gt_boxes) if config.CROWD_OVERLAP == "ioa" else overlaps
    in_crowd = np.where(gt_class_ids < 0, of_crowds, 0.0).max(axis=1, initial=0.0) >= box_ops.CROWD_LIMITS[config.CROWD_OVERLAP]

    count = config.TRAIN_ROIS_PER_IMAGE
    positives = _choose(best >= POSITIVE_IOU, int(count * config.ROI_POSITIVE_RATIO), rng)
    negatives = _choose((best < POSITIVE_IOU) & ~in_crowd, count - len(positives), rng)
    chosen = np.concatenate([positives, negatives])

    result_rois, class_ids = np.zeros((count, 4), np.int32), np.zeros(count, np.int32)
    deltas = np.zeros((count, config.NUM_CLASSES, 4), np.float32)
    masks = np.zeros((count, *config.MASK_SHAPE, config.NUM_CLASSES), np.float32)
    result_rois[: len(chosen)] = rois[chosen]
    if not len(positives):
        return result_rois, class_ids, deltas, masks
    rows, target = np.arange(len(positives)), overlaps_with_instances[positives].argmax(axis=1)
    class_ids[rows] = gt_class_ids[target]
    deltas[rows, class_ids[rows]] = box_ops.encode(rois[positives], np.asarray(gt_boxes)[target]) / np.asarray(config.BBOX_STD_DEV)
    for row, instance in zip(rows, target, strict=True):
        whole = _whole_mask(gt_boxes[instance], gt_masks[..., instance], rois[positives[row]], config)
        masks[row, :, :, class_ids[row]] = mask_ops.minimize(rois[positives[row]][None], whole, config.MASK_SHAPE)[..., 0]
    return result_rois, class_ids, deltas, masks


def _choose(candidates: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of up to `limit` of the candidates [P] bool, in rising order."""
    places = np.flatnonzero(candidates)
    return np.sort(rng.choice(places, limit, replace=False)) if len(places) > limit else places


def _whole_mask(box: np.ndarray, mask: np.ndarray, roi: np.ndarray, config: Config) -> np.ndarray:
    """An instance's mask [H, W, 1] in pixels of the image, as far as its box and the roi reach."""
    if not config.USE_MINI_MASK:
        return mask[..., None]
    return mask_ops.expand(np.asarray(box)[None], mask[..., None], np.maximum(box, roi)[2:])
