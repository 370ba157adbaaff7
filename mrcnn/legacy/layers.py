"""The layers with the original's constructors, and the builders of the heads with the original's arguments.

The original's layers read a Config while they ran; these read it once, when they are made, and keep plain values, so that they serialise.
"""

from typing import Any

import keras
from keras import ops

from mrcnn.config import Config
from mrcnn.nn import box_head, detections, mask_head, rpn, targets

Tensor = Any


def _arguments(config: Config | None, attributes: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a layer: those given, else read from the config (without one: Config's defaults)."""
    source = Config if config is None else config
    return {**{name: getattr(source, attribute) for name, attribute in attributes.items()}, **given}


@keras.saving.register_keras_serializable("mrcnn.legacy")
class ProposalLayer(rpn.ProposalLayer):
    """Choose proposals; see `nn.rpn.ProposalLayer`.

    Args:
        proposal_count: Rows of the result.
        nms_threshold: Intersection over union above which the lesser proposal is dropped.
        config: PRE_NMS_LIMIT, RPN_BBOX_STD_DEV and BOX_DELTA_MAX_LOG are read. None: Config's defaults.
        **kwargs: name, or the arguments of `nn.rpn.ProposalLayer`.
    """

    def __init__(self, proposal_count: int, nms_threshold: float, config: Config | None = None, **kwargs: Any):
        attributes = {"pre_nms_limit": "PRE_NMS_LIMIT", "std_dev": "RPN_BBOX_STD_DEV", "max_log": "BOX_DELTA_MAX_LOG"}
        super().__init__(proposal_count, nms_threshold, **_arguments(config, attributes, kwargs))


@keras.saving.register_keras_serializable("mrcnn.legacy")
class DetectionLayer(detections.DetectionLayer):
    """From the heads' answers to detections; see `nn.detections.DetectionLayer`.

    Args:
        config: DETECTION_*, BBOX_STD_DEV and BOX_DELTA_MAX_LOG are read. None: Config's defaults.
        **kwargs: name, or the arguments of `nn.detections.DetectionLayer`.
    """

    def __init__(self, config: Config | None = None, **kwargs: Any):
        attributes = {
            "max_instances": "DETECTION_MAX_INSTANCES", "min_confidence": "DETECTION_MIN_CONFIDENCE", "nms_threshold": "DETECTION_NMS_THRESHOLD",
            "std_dev": "BBOX_STD_DEV", "max_log": "BOX_DELTA_MAX_LOG",
        }  # fmt: skip
        super().__init__(**_arguments(config, attributes, kwargs))


@keras.saving.register_keras_serializable("mrcnn.legacy")
class DetectionTargetLayer(targets.DetectionTargets):
    """Sample rois and build their targets; see `nn.targets.DetectionTargets`. Here target_mask has a row for every roi, as in the original.

    Args:
        config: TRAIN_ROIS_PER_IMAGE, ROI_POSITIVE_RATIO, MASK_SHAPE, BBOX_STD_DEV, USE_MINI_MASK, ROI_NEGATIVES_FILL, STOP_TARGET_GRADIENT,
            CROWD_OVERLAP and SEED are read. None: Config's defaults.
        **kwargs: name, or the arguments of `nn.targets.DetectionTargets`.
    """

    def __init__(self, config: Config | None = None, **kwargs: Any):
        attributes = {
            "num_rois": "TRAIN_ROIS_PER_IMAGE", "positive_ratio": "ROI_POSITIVE_RATIO", "mask_shape": "MASK_SHAPE", "std_dev": "BBOX_STD_DEV",
            "use_mini_mask": "USE_MINI_MASK", "negatives_fill": "ROI_NEGATIVES_FILL", "stop_gradient": "STOP_TARGET_GRADIENT", "seed": "SEED",
            "crowd_overlap": "CROWD_OVERLAP",
        }  # fmt: skip
        super().__init__(**_arguments(config, attributes, kwargs))

    def call(self, inputs: list[Tensor], training: bool | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """rois [B, R, 4], target_class_ids [B, R], target_deltas [B, R, 4], target_mask [B, R, *MASK_SHAPE]."""
        rois, class_ids, deltas, masks = super().call(inputs, training=training)
        masks = ops.pad(masks, ((0, 0), (0, self.num_rois - self.num_positives), (0, 0), (0, 0)))
        return rois, class_ids, deltas, masks

    def compute_output_spec(self, inputs: list[Tensor], training: bool | None = None) -> tuple[keras.KerasTensor, ...]:
        *others, masks = super().compute_output_spec(inputs, training)
        return (*others, keras.KerasTensor((masks.shape[0], self.num_rois, *masks.shape[2:]), "float32"))


def detection_targets_graph(
    proposals: Tensor, gt_class_ids: Tensor, gt_boxes: Tensor, gt_masks: Tensor, config: Config
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Targets of one image.

    Args:
        proposals: [P, 4] in the unit square, zero rows are padding.
        gt_class_ids: [N] whole numbers; negative for crowds, 0 for padding.
        gt_boxes: [N, 4] in the unit square.
        gt_masks: [h, w, N].
        config: As `DetectionTargetLayer`. The sampling follows from config.SEED: every call draws the same.

    Returns:
        rois [R, 4], target_class_ids [R] int32, target_deltas [R, 4], target_mask [R, *MASK_SHAPE]: positives, negatives, zero rows.
    """
    layer = DetectionTargetLayer(config)
    batched = [ops.expand_dims(tensor, 0) for tensor in (proposals, gt_class_ids, gt_boxes, gt_masks)]
    return tuple(result[0] for result in layer(batched))


def fpn_classifier_graph(
    rois: Tensor, feature_maps: list[Tensor], image_meta: Tensor, pool_size: int, num_classes: int, train_bn: bool | None = True,
    fc_layers_size: int = 1024,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Class and box head for rois [B, R, 4] on [P2, P3, P4, P5]: logits and probabilities [B, R, K], deltas [B, R, K, 4].

    See `nn.box_head.build`, where fc_layers_size is `width`.
    """
    return box_head.build(
        rois, list(feature_maps), image_meta, pool_size=pool_size, num_classes=num_classes, train_bn=train_bn, width=fc_layers_size
    )


def build_fpn_mask_graph(
    rois: Tensor, feature_maps: list[Tensor], image_meta: Tensor, pool_size: int, num_classes: int, train_bn: bool | None = True
) -> Tensor:
    """Mask head for rois [B, R, 4] on [P2, P3, P4, P5]: [B, R, 2 * pool_size, 2 * pool_size, K] from 0 to 1. See `nn.mask_head.build`."""
    return mask_head.build(rois, None, list(feature_maps), image_meta, pool_size=pool_size, num_classes=num_classes, train_bn=train_bn)
