"""Config to network: the only place that translates parameters into the arguments of the stages."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from mrcnn.config import LOSS_NAMES, Config
from mrcnn.config_checks import ATTRIBUTE_LOSS
from mrcnn.data.anchor_grid import feature_shapes
from mrcnn.nn import attribute_head, box_head, fpn, losses, mask_head, network, resnet, rpn, targets
from mrcnn.nn.detections import DetectionLayer
from mrcnn.nn.layers import BoxLayer, fold
from mrcnn.ops import tensor_boxes

Tensor = Any

logger = logging.getLogger(__name__)

MIXED_BATCHES = 4  # where molded sizes differ, this many batches of photos go to detect() at once: groups of one size fill up


@keras.saving.register_keras_serializable("mrcnn")
class NormalizeBoxes(BoxLayer):
    """Boxes in pixels of an image to its unit square. Call with [boxes [B, N, 4], image [B, H, W, C]]; returns [B, N, 4] float32."""

    def call(self, inputs: list[Tensor]) -> Tensor:
        boxes, image = inputs
        shape = ops.shape(image)
        normalized = tensor_boxes.normalize(boxes, shape[1], shape[2])
        real = ops.any(ops.not_equal(boxes, 0), axis=-1, keepdims=True)
        return ops.where(real, normalized, 0.0)  # padding rows stay zero

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return input_shape[0]


@dataclass
class _Trunk:
    """What both graphs share: inputs, pyramid and the RPN's answers."""

    image: Tensor
    meta: Tensor
    pyramid: list[Tensor]
    rpn_logits: Tensor
    rpn_probs: Tensor
    rpn_bbox: Tensor


def build(config: Config, mode: str, *, saver: network.Saver, loader: Callable[..., Any]) -> keras.Model:
    """Build the network of a configuration.

    Args:
        config: Validated here.
        mode: "training" or "inference".
        saver: See `network.MaskRCNNModel`.
        loader: Likewise.

    Returns:
        Training: inputs images, image_meta, rpn_match, rpn_bbox, gt_class_ids, gt_boxes, gt_masks (then gt_attributes with NUM_ATTRIBUTES, and rois
        if USE_RPN_ROIS is off); outputs rpn_class_logits, rpn_class, rpn_bbox, mrcnn_class_logits, mrcnn_class, mrcnn_bbox, mrcnn_mask, proposals,
        rois and the five losses, with NUM_ATTRIBUTES also mrcnn_attribute_loss.
        Inference: inputs images, image_meta, anchors; outputs detections [B, D, 6], mrcnn_class, mrcnn_bbox, mrcnn_mask, proposals, rpn_class,
        rpn_bbox, with NUM_ATTRIBUTES also the detections' attributes [B, D, A], probabilities.

    Raises:
        ValueError: the configuration is impossible, or the mode unknown.
    """
    if not isinstance(config, Config):
        raise ValueError(f"config is {config!r}: an instance of a Config subclass is expected, FashionConfig() with brackets, say")
    if mode not in ("training", "inference"):
        raise ValueError(f"mode {mode!r}: 'training' or 'inference' is expected")
    config.validate()
    if mode == "training" and config.NORM == "group" and config.TRAIN_BN is not False and not callable(config.BACKBONE):
        logger.warning("TRAIN_BN = %s does nothing: NORM = 'group' uses each image's own statistics and stores none.", config.TRAIN_BN)
    graph = _training if mode == "training" else _inference
    with _precision(config.PRECISION):
        trunk = _trunk(config, train_bn=False if mode == "inference" or config.TRAIN_BN is False else None)
        model = graph(config, trunk, {"name": "mask_rcnn", "saver": saver, "loader": loader})
    if config.FOLD_BATCH_NORM:
        fold(model)
    return model


def photos_at_once(config: Config) -> int:
    """Return how many photos of a data set go to `detect` together."""
    return config.BATCH_SIZE * (1 if image_size(config)[0] else MIXED_BATCHES)


def image_size(config: Config) -> tuple[int | None, int | None]:
    """Static height and width of the input; None where images differ in size."""
    if config.IMAGE_RESIZE_MODE in ("pad64", "none"):
        return None, None
    return int(config.IMAGE_SHAPE[0]), int(config.IMAGE_SHAPE[1])


@contextmanager
def _precision(policy: str | None) -> Iterator[None]:
    """Layers made inside take this policy where they name none; None: Keras' own setting."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy or before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _trunk(config: Config, train_bn: bool | None) -> _Trunk:
    image = layers.Input(shape=(*image_size(config), config.IMAGE_CHANNEL_COUNT), name="input_image", dtype="float32")
    meta = layers.Input(shape=(config.IMAGE_META_SIZE,), name="input_image_meta", dtype="float32")
    if callable(config.BACKBONE):
        stages = config.BACKBONE(image, stage5=True, train_bn=train_bn)
        _check_stages(stages)
    else:
        stages = resnet.resnet_graph(image, config.BACKBONE, stage5=True, train_bn=train_bn, norm=config.NORM)
    pyramid = fpn.build(list(stages[1:]), config.TOP_DOWN_PYRAMID_SIZE, config.NORM)
    _check_levels(config, image, pyramid)
    logits, probs, deltas = rpn.build(
        pyramid, anchor_stride=config.RPN_ANCHOR_STRIDE, anchors_per_location=len(config.RPN_ANCHOR_RATIOS),
        prior=rpn.FOCAL_PRIOR if config.RPN_FOCAL_GAMMA else None,
    )  # fmt: skip
    return _Trunk(image, meta, pyramid, logits, probs, deltas)


def _check_stages(stages: Any) -> None:
    if not isinstance(stages, (list, tuple)) or len(stages) != 5:
        found = f"{type(stages).__name__} of {len(stages)}" if isinstance(stages, (list, tuple)) else repr(stages)
        raise ValueError(f"BACKBONE returned {found}: five tensors C1…C5 are expected, strides 4, 4, 8, 16, 32")
    if any(s is None or len(s.shape) != 4 for s in stages[1:]):
        raise ValueError(f"BACKBONE returned {[getattr(s, 'shape', None) for s in stages]}: C2…C5 must be [B, H, W, C] tensors")


def _check_levels(config: Config, image: Tensor, pyramid: list[Tensor]) -> None:
    """Refuse strides that are not the network's: anchors would lie elsewhere than the loader's."""
    size, shapes = image.shape[1:3], [level.shape for level in pyramid]
    if None in size:
        size = (128, 128)
        shapes = keras.Model(image, pyramid).compute_output_shape((1, *size, image.shape[-1]))
    found = [tuple(shape[1:3]) for shape in shapes]
    expected = [tuple(int(side) for side in shape) for shape in feature_shapes(config, (*size, image.shape[-1]))]
    if found != expected:
        raise ValueError(
            f"{type(config).__name__}.BACKBONE_STRIDES = {list(config.BACKBONE_STRIDES)} (or COMPUTE_BACKBONE_SHAPE) gives P2…P6 of {expected} "
            f"cells for an image of {tuple(size)}, but the network's have {found}. Set the strides that BACKBONE really has: those of C2…C5, then "
            "twice C5's."
        )


def _proposals(config: Config, trunk: _Trunk, anchor_boxes: Tensor, count: int) -> Tensor:
    layer = rpn.ProposalLayer(
        count, config.RPN_NMS_THRESHOLD, pre_nms_limit=config.PRE_NMS_LIMIT, std_dev=config.RPN_BBOX_STD_DEV, max_log=config.BOX_DELTA_MAX_LOG,
        name="ROI",
    )  # fmt: skip
    return layer([trunk.rpn_probs, trunk.rpn_bbox, anchor_boxes])


def _box_head(config: Config, trunk: _Trunk, rois: Tensor, train_bn: bool | None) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Logits, probabilities and deltas of the classes, and the features that they share with the attributes."""
    shared = box_head.features(
        rois, trunk.pyramid[:4], trunk.meta, pool_size=config.POOL_SIZE, train_bn=train_bn, width=config.FPN_CLASSIF_FC_LAYERS_SIZE,
        sampling=config.ROI_ALIGN, norm=config.NORM,
    )  # fmt: skip
    return box_head.answers(shared, config.NUM_CLASSES), shared


def _attributes(config: Config, shared: Tensor) -> list[Tensor]:
    """Logits [B, R, A] of the attribute head; nothing where there is none."""
    return [attribute_head.build(shared, config.NUM_ATTRIBUTES)] if config.NUM_ATTRIBUTES else []


def _mask_head(config: Config, trunk: _Trunk, rois: Tensor, class_ids: Tensor, train_bn: bool | None) -> Tensor:
    return mask_head.build(
        rois, class_ids, trunk.pyramid[:4], trunk.meta, pool_size=config.MASK_POOL_SIZE, num_classes=config.NUM_CLASSES, train_bn=train_bn,
        sampling=config.ROI_ALIGN, norm=config.NORM,
    )  # fmt: skip


def _class_weights(config: Config) -> list[float] | None:
    """A weight for each class, background first; 1 for those that a dict leaves out."""
    weights = config.CLASS_WEIGHTS
    if weights is None:
        return None
    return [weights.get(i, 1.0) for i in range(config.NUM_CLASSES)] if isinstance(weights, dict) else list(weights)


def _inference(config: Config, trunk: _Trunk, options: dict[str, Any]) -> keras.Model:
    anchor_boxes = layers.Input(shape=(None, 4), name="input_anchors", dtype="float32")
    rois = _proposals(config, trunk, anchor_boxes, config.POST_NMS_ROIS_INFERENCE)
    (_, probs, deltas), shared = _box_head(config, trunk, rois, train_bn=False)
    attributes = _attributes(config, shared)
    detection_layer = DetectionLayer(
        config.DETECTION_MAX_INSTANCES, config.DETECTION_MIN_CONFIDENCE, config.DETECTION_NMS_THRESHOLD, std_dev=config.BBOX_STD_DEV,
        max_log=config.BOX_DELTA_MAX_LOG, nms_method=config.DETECTION_NMS_METHOD, nms_sigma=config.DETECTION_SOFT_NMS_SIGMA,
        nms_per_class=config.DETECTION_NMS_PER_CLASS, name="mrcnn_detection",
    )  # fmt: skip
    detections = detection_layer([rois, probs, deltas, trunk.meta, *attributes])
    if attributes:
        detections, chosen = detections
        attributes = [layers.Activation("sigmoid", dtype="float32", name="mrcnn_attribute_probabilities")(chosen)]
    masks = _mask_head(config, trunk, detections[..., :4], detections[..., 4], train_bn=False)
    return network.MaskRCNNModel(
        inputs=[trunk.image, trunk.meta, anchor_boxes],
        outputs=[detections, probs, deltas, masks, rois, trunk.rpn_probs, trunk.rpn_bbox, *attributes], **options,
    )  # fmt: skip


def _training(config: Config, trunk: _Trunk, options: dict[str, Any]) -> keras.Model:
    rpn_match = layers.Input(shape=(None, 1), name="input_rpn_match", dtype="int32")
    rpn_target = layers.Input(shape=(config.RPN_TRAIN_ANCHORS_PER_IMAGE, 4), name="input_rpn_bbox", dtype="float32")
    gt_class_ids = layers.Input(shape=(config.MAX_GT_INSTANCES,), name="input_gt_class_ids", dtype="int32")
    gt_boxes = layers.Input(shape=(config.MAX_GT_INSTANCES, 4), name="input_gt_boxes", dtype="float32")
    mask_size = tuple(config.MINI_MASK_SHAPE) if config.USE_MINI_MASK else image_size(config)
    gt_masks = layers.Input(shape=(*mask_size, config.MAX_GT_INSTANCES), name="input_gt_masks", dtype="bool")
    gt_attributes = []
    if config.NUM_ATTRIBUTES:
        shape = (config.MAX_GT_INSTANCES, config.NUM_ATTRIBUTES)
        gt_attributes = [layers.Input(shape=shape, name="input_gt_attributes", dtype="int8")]
    inputs = [trunk.image, trunk.meta, rpn_match, rpn_target, gt_class_ids, gt_boxes, gt_masks, *gt_attributes]

    anchor_boxes = rpn.AnchorsLayer(
        config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, config.BACKBONE_STRIDES, config.RPN_ANCHOR_STRIDE, name="anchors"
    )([trunk.image, *trunk.pyramid])
    proposals = _proposals(config, trunk, anchor_boxes, config.POST_NMS_ROIS_TRAINING)
    candidates = proposals
    if not config.USE_RPN_ROIS:
        inputs.append(layers.Input(shape=(config.POST_NMS_ROIS_TRAINING, 4), name="input_roi", dtype="float32"))
        candidates = NormalizeBoxes(name="input_roi_normalized")([inputs[-1], trunk.image])

    normalized_gt = NormalizeBoxes(name="gt_boxes_normalized")([gt_boxes, trunk.image])
    sampler = targets.DetectionTargets(
        config.TRAIN_ROIS_PER_IMAGE, config.ROI_POSITIVE_RATIO, config.MASK_SHAPE, config.BBOX_STD_DEV, config.USE_MINI_MASK,
        negatives_fill=config.ROI_NEGATIVES_FILL, stop_gradient=config.STOP_TARGET_GRADIENT, seed=config.SEED,
        crowd_overlap=config.CROWD_OVERLAP, name="proposal_targets",
    )  # fmt: skip
    rois, class_ids, deltas, masks, *target_attributes = sampler([candidates, gt_class_ids, normalized_gt, gt_masks, *gt_attributes])

    train_bn = False if config.TRAIN_BN is False else None
    (logits, probs, bbox), shared = _box_head(config, trunk, rois, train_bn)
    # Positives come first and are never more than the masks' rows: the heads of mask and attributes run on these alone.
    count = sampler.num_positives
    mask = _mask_head(config, trunk, rois[:, :count], class_ids[:, :count], train_bn)
    rois = layers.Identity(dtype="float32", name="output_rois")(rois)

    loss_outputs = [
        losses.RpnClassLoss(config.RPN_FOCAL_GAMMA, config.RPN_FOCAL_ALPHA, name=LOSS_NAMES[0])([rpn_match, trunk.rpn_logits]),
        losses.RpnBboxLoss(name=LOSS_NAMES[1])([rpn_target, rpn_match, trunk.rpn_bbox]),
        losses.MrcnnClassLoss(config.CLASS_LOSS_IGNORES_PADDING, config.ACTIVE_CLASSES_PER_IMAGE, _class_weights(config), name=LOSS_NAMES[2])(
            [class_ids, logits, trunk.meta, rois]
        ),
        losses.MrcnnBboxLoss(name=LOSS_NAMES[3])([deltas, class_ids, bbox]),
        losses.MrcnnMaskLoss(name=LOSS_NAMES[4])([masks, class_ids, mask]),
    ]
    loss_names = LOSS_NAMES
    if config.NUM_ATTRIBUTES:
        answers = _attributes(config, shared[:, :count])
        loss_names = (*LOSS_NAMES, ATTRIBUTE_LOSS)
        loss_outputs.append(attribute_head.MrcnnAttributeLoss(name=ATTRIBUTE_LOSS)([*target_attributes, *answers]))
    outputs = [trunk.rpn_logits, trunk.rpn_probs, trunk.rpn_bbox, logits, probs, bbox, mask, proposals, rois, *loss_outputs]
    return network.TrainingModel(
        inputs=inputs, outputs=outputs, loss_names=loss_names, loss_weights=config.LOSS_WEIGHTS,
        weight_decay=config.WEIGHT_DECAY if config.OPTIMIZER == "sgd" else 0.0,  # others decay the weights themselves
        decay_divided_by_size=config.WEIGHT_DECAY_DIVIDED_BY_SIZE, decay_biases=config.WEIGHT_DECAY_BIASES is not False, **options,
    )  # fmt: skip
