"""Targets of the heads: which proposals train them, and what they should have answered.

Source: Fast R-CNN, section 2.3 (sampling); Mask R-CNN, section 3.1 (positive from IoU 0.5, mask targets cut by the roi).
"""

from typing import Any

import keras
from keras import ops

from mrcnn.nn.layers import BoxLayer
from mrcnn.ops import boxes as box_ops
from mrcnn.ops import roi_align, sampling, tensor_boxes

Tensor = Any

POSITIVE_IOU = 0.5


@keras.saving.register_keras_serializable("mrcnn")
class DetectionTargets(BoxLayer):
    """Sample rois among the proposals and build their targets.

    Args:
        num_rois: R, rows of the result.
        positive_ratio: Largest share of positives.
        mask_shape: Height and width of the mask targets.
        std_dev: Divisors of the deltas, [4].
        use_mini_mask: Whether gt_masks are crops of their boxes, or as large as the image.
        negatives_fill: Negatives fill what positives leave. False: at most (1 / ratio - 1) per positive, as in the original.
        stop_gradient: No gradient from the box targets into the proposals. False: as in the original.
        crowd_overlap: Measure by which a roi lies in a crowd and is no negative, see `match`.
        seed: Of the sampling, which is a function of (seed, number of training calls), and always the same in validation.

    Call with [proposals [B, P, 4], gt_class_ids [B, N] int32 (crowds negative, 0 padding), gt_boxes [B, N, 4], gt_masks [B, h, w, N]], boxes in the
    unit square. Returns, positives first, then negatives, then zero rows:
        rois [B, R, 4], target_class_ids [B, R] int32, target_bbox [B, R, 4], and target_mask [B, M, *mask_shape] (0 or 1) for the first M rows,
        M = `num_positives`: only positives have a mask, and no more rows than these can be positive.
    With a fifth input, gt_attributes [B, N, A] (1, 0, or -1 for unknown), also target_attributes [B, M, A] float32: those of a positive's object,
    -1 in other rows.
    """

    def __init__(
        self, num_rois: int, positive_ratio: float, mask_shape: tuple[int, int], std_dev: Any, use_mini_mask: bool, negatives_fill: bool = True,
        stop_gradient: bool = True, seed: int = 0, crowd_overlap: str = "ioa", **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.num_rois, self.positive_ratio, self.mask_shape = num_rois, positive_ratio, tuple(mask_shape)
        self.std_dev, self.use_mini_mask = [float(s) for s in std_dev], use_mini_mask
        self.negatives_fill, self.stop_gradient, self.seed = negatives_fill, stop_gradient, seed
        self.crowd_overlap = crowd_overlap
        self.num_positives = int(num_rois * positive_ratio)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: list[Tensor], training: bool | None = None) -> tuple[Tensor, ...]:
        proposals, gt_class_ids, gt_boxes, gt_masks, *attributes = inputs
        gt_class_ids = ops.cast(gt_class_ids, "int32")
        fixed = ops.stop_gradient(proposals)
        is_positive, is_negative, assigned = match(fixed, gt_class_ids, gt_boxes, self.crowd_overlap)
        order, positive, negative = self._sample(is_positive, is_negative, training)

        rois = sampling.take_rows(proposals, order)  # [B, R, 4]
        rois = ops.where(ops.logical_or(positive, negative)[..., None], rois, 0.0)
        assigned = ops.where(positive, sampling.take_rows(assigned, order), 0)  # [B, R]
        class_ids = ops.where(positive, sampling.take_rows(gt_class_ids, assigned), 0)
        matched = sampling.take_rows(gt_boxes, assigned)
        deltas = self._deltas(rois, matched, positive)
        masks = self._masks(ops.stop_gradient(rois), matched, positive, assigned, gt_masks)
        targets = (ops.stop_gradient(rois) if self.stop_gradient else rois), class_ids, deltas, masks
        return (*targets, *(self._attributes(of_gt, positive, assigned) for of_gt in attributes))

    def _sample(self, is_positive: Tensor, is_negative: Tensor, training: bool | None) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of the result: indices into the proposals [B, R] int32, and which are positive and negative, [B, R] bool."""
        seed = self.seed_generator if training else self.seed
        priorities = keras.random.uniform(ops.shape(is_positive), seed=seed, dtype="float32")
        positives, positive = sampling.random_subset(is_positive, priorities, self.num_positives)
        negatives, negative = sampling.random_subset(is_negative, priorities, self.num_rois)
        count = ops.sum(ops.cast(positive, "int32"), axis=1)
        room = self.num_rois - count if self.negatives_fill else sampling.negatives_for(count, self.positive_ratio)
        negative = ops.logical_and(negative, ops.arange(self.num_rois, dtype="int32")[None] < room[:, None])
        category = ops.concatenate([2 * ops.cast(positive, "int32"), ops.cast(negative, "int32")], axis=1)
        order = sampling.valid_first(category, self.num_rois)
        category = sampling.take_rows(category, order)
        return sampling.take_rows(ops.concatenate([positives, negatives], axis=1), order), category == 2, category == 1

    def _deltas(self, rois: Tensor, matched: Tensor, positive: Tensor) -> Tensor:
        positive = positive[..., None]
        unit = ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0], dtype="float32")
        rois = ops.where(positive, rois, unit)  # no logarithm of nothing, whose gradient would be nan
        matched = ops.where(positive, matched, unit)
        deltas = tensor_boxes.encode(ops.stop_gradient(rois) if self.stop_gradient else rois, matched)
        return ops.where(positive, deltas / ops.convert_to_tensor(self.std_dev, dtype="float32"), 0.0)

    def _masks(self, rois: Tensor, matched: Tensor, positive: Tensor, assigned: Tensor, gt_masks: Tensor) -> Tensor:
        count = self.num_positives
        rois, matched, assigned = rois[:, :count], matched[:, :count], assigned[:, :count]
        if self.use_mini_mask:
            rois = _within(rois, matched)
        masks = ops.transpose(ops.cast(gt_masks, "float32"), (0, 3, 1, 2))  # [B, N, h, w]
        batch, num_gt, height, width = ops.shape(masks)
        images = ops.arange(batch, dtype="int32")[:, None] * num_gt + assigned  # [B, M]
        masks = ops.reshape(masks, (-1, height, width))
        crops = roi_align.crop_each(masks, ops.reshape(images, (-1,)), ops.reshape(rois, (-1, 4)), self.mask_shape)
        crops = ops.round(ops.reshape(crops, (-1, count, *self.mask_shape)))
        return ops.where(positive[:, :count, None, None], crops, 0.0)

    def _attributes(self, of_gt: Tensor, positive: Tensor, assigned: Tensor) -> Tensor:
        count = self.num_positives
        chosen = sampling.take_rows(ops.cast(of_gt, "float32"), assigned[:, :count])
        return ops.where(positive[:, :count, None], chosen, -1.0)

    def compute_output_spec(self, inputs: list[Tensor], training: bool | None = None) -> tuple[keras.KerasTensor, ...]:
        batch, rois = inputs[0].shape[0], self.num_rois
        attributes = [keras.KerasTensor((batch, self.num_positives, one.shape[-1]), "float32") for one in inputs[4:]]
        return (
            keras.KerasTensor((batch, rois, 4), "float32"), keras.KerasTensor((batch, rois), "int32"),
            keras.KerasTensor((batch, rois, 4), "float32"), keras.KerasTensor((batch, self.num_positives, *self.mask_shape), "float32"),
            *attributes,
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        names = ("num_rois", "positive_ratio", "mask_shape", "std_dev", "use_mini_mask", "negatives_fill", "stop_gradient", "seed", "crowd_overlap")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def match(proposals: Tensor, gt_class_ids: Tensor, gt_boxes: Tensor, crowd_overlap: str = "ioa") -> tuple[Tensor, Tensor, Tensor]:
    """Sort proposals by their overlap with the ground truth.

    Args:
        proposals: [B, P, 4]; zero rows are padding.
        gt_class_ids: [B, N] int32; negative: crowd, 0: padding.
        gt_boxes: [B, N, 4].
        crowd_overlap: "ioa": a proposal lies in a crowd if half of its area does, as COCO's evaluation measures it. "iou": if its IoU with the crowd
            is 0.001 or more, as in the original, for which a proposal that fills less than a thousandth of a crowd's box lies outside of it.

    Returns:
        positive [B, P] bool (IoU >= 0.5 with an instance), negative [B, P] bool (below, and in no crowd), and assigned [B, P] int32, the
        instance of largest IoU.
    """
    real = ops.any(ops.not_equal(proposals, 0.0), axis=-1)
    real_gt = ops.any(ops.not_equal(gt_boxes, 0.0), axis=-1)
    is_instance = ops.logical_and(gt_class_ids > 0, real_gt)[:, None]
    is_crowd = ops.logical_and(gt_class_ids < 0, real_gt)[:, None]
    overlaps = tensor_boxes.iou(proposals, gt_boxes)  # [B, P, N]
    of_instances = ops.where(is_instance, overlaps, 0.0)
    best = ops.max(of_instances, axis=-1)
    of_crowds = tensor_boxes.ioa(proposals, gt_boxes) if crowd_overlap == "ioa" else overlaps
    in_crowd = ops.max(ops.where(is_crowd, of_crowds, 0.0), axis=-1) >= box_ops.CROWD_LIMITS[crowd_overlap]
    positive = ops.logical_and(best >= POSITIVE_IOU, real)
    negative = ops.logical_and(ops.logical_and(best < POSITIVE_IOU, real), ops.logical_not(in_crowd))
    return positive, negative, ops.cast(ops.argmax(of_instances, axis=-1), "int32")


def _within(rois: Tensor, boxes: Tensor) -> Tensor:
    """Rois in the unit square of the boxes they belong to: [B, M, 4]."""
    y1, x1, y2, x2 = ops.unstack(rois, 4, axis=-1)
    by1, bx1, by2, bx2 = ops.unstack(boxes, 4, axis=-1)
    height = ops.where(by2 > by1, by2 - by1, 1.0)
    width = ops.where(bx2 > bx1, bx2 - bx1, 1.0)
    return ops.stack([(y1 - by1) / height, (x1 - bx1) / width, (y2 - by1) / height, (x2 - bx1) / width], axis=-1)
