"""The door at the original's address: `from mrcnn import model as modellib`. Everything here lives elsewhere and is only named."""

from mrcnn.data import augment as _augment
from mrcnn.data.images import compose_meta as compose_image_meta
from mrcnn.legacy.arrays import mold_image, parse_image_meta, unmold_image
from mrcnn.legacy.data import (
    DataGenerator,
    build_detection_targets,
    build_rpn_targets,
    compute_backbone_shapes,
    data_generator,
    generate_random_rois,
    load_image_gt,
)
from mrcnn.legacy.graphs import (
    apply_box_deltas_graph,
    batch_pack_graph,
    clip_boxes_graph,
    denorm_boxes_graph,
    log2_graph,
    norm_boxes_graph,
    overlaps_graph,
    parse_image_meta_graph,
    refine_detections_graph,
    trim_zeros_graph,
)
from mrcnn.legacy.layers import (
    DetectionLayer,
    DetectionTargetLayer,
    ProposalLayer,
    build_fpn_mask_graph,
    detection_targets_graph,
    fpn_classifier_graph,
)
from mrcnn.legacy.losses import (
    mrcnn_bbox_loss_graph,
    mrcnn_class_loss_graph,
    mrcnn_mask_loss_graph,
    rpn_bbox_loss_graph,
    rpn_class_loss_graph,
    smooth_l1_loss,
)
from mrcnn.log import log
from mrcnn.mask_rcnn import HEAD_LAYERS, MaskRCNN
from mrcnn.nn.layers import BatchNorm
from mrcnn.nn.resnet import conv_block, identity_block, resnet_graph
from mrcnn.nn.roi_align import PyramidROIAlign
from mrcnn.nn.rpn import build_rpn_model, rpn_graph
from mrcnn.training.mean_average_precision import MeanAveragePrecisionCallback

_augment.restore_numpy_names()  # so that a script's own `import imgaug`, after this one, works under NumPy 2

__all__ = [
    "HEAD_LAYERS",
    "BatchNorm",
    "DataGenerator",
    "DetectionLayer",
    "DetectionTargetLayer",
    "MaskRCNN",
    "MeanAveragePrecisionCallback",
    "ProposalLayer",
    "PyramidROIAlign",
    "apply_box_deltas_graph",
    "batch_pack_graph",
    "build_detection_targets",
    "build_fpn_mask_graph",
    "build_rpn_model",
    "build_rpn_targets",
    "clip_boxes_graph",
    "compose_image_meta",
    "compute_backbone_shapes",
    "conv_block",
    "data_generator",
    "denorm_boxes_graph",
    "detection_targets_graph",
    "fpn_classifier_graph",
    "generate_random_rois",
    "identity_block",
    "load_image_gt",
    "log",
    "log2_graph",
    "mold_image",
    "mrcnn_bbox_loss_graph",
    "mrcnn_class_loss_graph",
    "mrcnn_mask_loss_graph",
    "norm_boxes_graph",
    "overlaps_graph",
    "parse_image_meta",
    "parse_image_meta_graph",
    "refine_detections_graph",
    "resnet_graph",
    "rpn_bbox_loss_graph",
    "rpn_class_loss_graph",
    "rpn_graph",
    "smooth_l1_loss",
    "trim_zeros_graph",
    "unmold_image",
]
