"""The doors: every public name of the contract is at its old address, documented, and takes the arguments it took."""

import importlib
import inspect
import subprocess
import sys

import numpy as np
import pytest

UTILS = """
Dataset extract_bboxes compute_iou compute_overlaps compute_overlaps_masks non_max_suppression apply_box_deltas box_refinement
box_refinement_graph resize_image resize_mask minimize_mask expand_mask mold_mask unmold_mask generate_anchors generate_pyramid_anchors
trim_zeros compute_matches compute_ap compute_ap_range compute_recall batch_slice download_trained_weights norm_boxes denorm_boxes resize
"""
MODEL = """
MaskRCNN MeanAveragePrecisionCallback load_image_gt build_detection_targets build_rpn_targets generate_random_rois data_generator DataGenerator
compose_image_meta parse_image_meta parse_image_meta_graph mold_image unmold_image log
BatchNorm ProposalLayer PyramidROIAlign DetectionTargetLayer DetectionLayer
compute_backbone_shapes identity_block conv_block resnet_graph rpn_graph build_rpn_model fpn_classifier_graph build_fpn_mask_graph
detection_targets_graph refine_detections_graph apply_box_deltas_graph clip_boxes_graph overlaps_graph log2_graph trim_zeros_graph batch_pack_graph
norm_boxes_graph denorm_boxes_graph smooth_l1_loss rpn_class_loss_graph rpn_bbox_loss_graph mrcnn_class_loss_graph mrcnn_bbox_loss_graph
mrcnn_mask_loss_graph
"""
VISUALIZE = """
display_images random_colors apply_mask display_instances display_differences draw_rois draw_box display_top_masks plot_precision_recall plot_overlaps
draw_boxes display_table display_weight_stats
"""
OF_MASK_RCNN = """
build find_last load_weights get_imagenet_weights compile set_trainable set_log_dir train mold_inputs unmold_detections detect detect_molded
get_anchors ancestor find_trainable_layer get_trainable_layers run_graph
"""
OF_DATASET = """
add_class add_image image_reference prepare map_source_class_id get_source_class_id source_image_link load_image load_mask
"""
CONFIG = """
NAME GPU_COUNT IMAGES_PER_GPU STEPS_PER_EPOCH VALIDATION_STEPS BACKBONE COMPUTE_BACKBONE_SHAPE BACKBONE_STRIDES FPN_CLASSIF_FC_LAYERS_SIZE
TOP_DOWN_PYRAMID_SIZE NUM_CLASSES RPN_ANCHOR_SCALES RPN_ANCHOR_RATIOS RPN_ANCHOR_STRIDE RPN_NMS_THRESHOLD RPN_TRAIN_ANCHORS_PER_IMAGE PRE_NMS_LIMIT
POST_NMS_ROIS_TRAINING POST_NMS_ROIS_INFERENCE USE_MINI_MASK MINI_MASK_SHAPE IMAGE_RESIZE_MODE IMAGE_MIN_DIM IMAGE_MAX_DIM IMAGE_MIN_SCALE
IMAGE_CHANNEL_COUNT MEAN_PIXEL TRAIN_ROIS_PER_IMAGE ROI_POSITIVE_RATIO POOL_SIZE MASK_POOL_SIZE MASK_SHAPE MAX_GT_INSTANCES RPN_BBOX_STD_DEV
BBOX_STD_DEV DETECTION_MAX_INSTANCES DETECTION_MIN_CONFIDENCE DETECTION_NMS_THRESHOLD LEARNING_RATE LEARNING_MOMENTUM WEIGHT_DECAY LOSS_WEIGHTS
USE_RPN_ROIS TRAIN_BN GRADIENT_CLIP_NORM BATCH_SIZE IMAGE_SHAPE IMAGE_META_SIZE
"""
NAMES = [(f"mrcnn.{door}", name) for door, names in (("utils", UTILS), ("model", MODEL), ("visualize", VISUALIZE)) for name in names.split()]
NAMES += [("mrcnn.config", "Config"), ("mrcnn.parallel_model", "ParallelModel")]

# How old scripts call them: these arguments, in this order, with these defaults.
SIGNATURES = {
    "mrcnn.utils": [
        "resize_image(image, min_dim=None, max_dim=None, min_scale=None, mode='square')",
        "resize_mask(mask, scale, padding, crop=None)",
        "minimize_mask(bbox, mask, mini_shape)",
        "expand_mask(bbox, mini_mask, image_shape)",
        "mold_mask(mask, config)",
        "unmold_mask(mask, bbox, image_shape)",
        "extract_bboxes(mask)",
        "compute_iou(box, boxes, box_area, boxes_area)",
        "compute_overlaps(boxes1, boxes2)",
        "compute_overlaps_masks(masks1, masks2)",
        "non_max_suppression(boxes, scores, threshold)",
        "apply_box_deltas(boxes, deltas)",
        "box_refinement(box, gt_box)",
        "box_refinement_graph(box, gt_box)",
        "generate_anchors(scales, ratios, shape, feature_stride, anchor_stride)",
        "generate_pyramid_anchors(scales, ratios, feature_shapes, feature_strides, anchor_stride)",
        "trim_zeros(x)",
        "norm_boxes(boxes, shape)",
        "denorm_boxes(boxes, shape)",
        "compute_matches(gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks,"
        " iou_threshold=0.5, score_threshold=0.0)",
        "compute_ap(gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks, iou_threshold=0.5)",
        "compute_ap_range(gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask, iou_thresholds=None, verbose=1)",
        "compute_recall(pred_boxes, gt_boxes, iou)",
        "batch_slice(inputs, graph_fn, batch_size, names=None)",
        "download_trained_weights(coco_model_path, verbose=1)",
        "resize(image, output_shape, order=1, mode='constant', cval=0, clip=True, preserve_range=False,"
        " anti_aliasing=False, anti_aliasing_sigma=None)",
        "Dataset(class_map=None)",
    ],
    "mrcnn.model": [
        "MaskRCNN(mode, config, model_dir)",
        "MaskRCNN.load_weights(self, filepath, by_name=False, exclude=None)",
        "MaskRCNN.train(self, train_dataset, val_dataset, learning_rate, epochs, layers, augmentation=None, custom_callbacks=None,"
        " no_augmentation_sources=None)",
        "MaskRCNN.set_trainable(self, layer_regex, keras_model=None, indent=0, verbose=1)",
        "MaskRCNN.set_log_dir(self, model_path=None)",
        "MaskRCNN.compile(self, learning_rate, momentum)",
        "MaskRCNN.detect(self, images, verbose=0)",
        "MaskRCNN.detect_molded(self, molded_images, image_metas, verbose=0)",
        "MaskRCNN.unmold_detections(self, detections, mrcnn_mask, original_image_shape, image_shape, window)",
        "MaskRCNN.mold_inputs(self, images)",
        "MaskRCNN.get_anchors(self, image_shape)",
        "MaskRCNN.ancestor(self, tensor, name, checked=None)",
        "MaskRCNN.run_graph(self, images, outputs, image_metas=None)",
        "load_image_gt(dataset, config, image_id, augment=False, augmentation=None, use_mini_mask=False)",
        "build_detection_targets(rpn_rois, gt_class_ids, gt_boxes, gt_masks, config)",
        "build_rpn_targets(image_shape, anchors, gt_class_ids, gt_boxes, config)",
        "generate_random_rois(image_shape, count, gt_class_ids, gt_boxes)",
        "data_generator(dataset, config, shuffle=True, augment=False, augmentation=None, random_rois=0, batch_size=1, detection_targets=False,"
        " no_augmentation_sources=None)",
        "DataGenerator(dataset, config, shuffle=True, augmentation=None)",
        "compose_image_meta(image_id, original_image_shape, image_shape, window, scale, active_class_ids)",
        "parse_image_meta(meta)",
        "parse_image_meta_graph(meta)",
        "mold_image(images, config)",
        "unmold_image(normalized_images, config)",
        "log(text, array=None)",
        "compute_backbone_shapes(config, image_shape)",
        "resnet_graph(input_image, architecture, stage5=False, train_bn=True)",
        "rpn_graph(feature_map, anchors_per_location, anchor_stride)",
        "build_rpn_model(anchor_stride, anchors_per_location, depth)",
        "identity_block(input_tensor, kernel_size, filters, stage, block, use_bias=True, train_bn=True)",
        "conv_block(input_tensor, kernel_size, filters, stage, block, strides=(2, 2), use_bias=True, train_bn=True)",
        "fpn_classifier_graph(rois, feature_maps, image_meta, pool_size, num_classes, train_bn=True, fc_layers_size=1024)",
        "build_fpn_mask_graph(rois, feature_maps, image_meta, pool_size, num_classes, train_bn=True)",
        "detection_targets_graph(proposals, gt_class_ids, gt_boxes, gt_masks, config)",
        "refine_detections_graph(rois, probs, deltas, window, config)",
        "ProposalLayer(proposal_count, nms_threshold, config=None)",
        "PyramidROIAlign(pool_shape)",
        "DetectionTargetLayer(config)",
        "DetectionLayer(config=None)",
        "batch_pack_graph(x, counts, num_rows)",
        "trim_zeros_graph(boxes, name='trim_zeros')",
        "log2_graph(x)",
        "apply_box_deltas_graph(boxes, deltas)",
        "clip_boxes_graph(boxes, window)",
        "overlaps_graph(boxes1, boxes2)",
        "norm_boxes_graph(boxes, shape)",
        "denorm_boxes_graph(boxes, shape)",
        "smooth_l1_loss(y_true, y_pred)",
        "rpn_class_loss_graph(rpn_match, rpn_class_logits)",
        "rpn_bbox_loss_graph(config, target_bbox, rpn_match, rpn_bbox)",
        "mrcnn_class_loss_graph(target_class_ids, pred_class_logits, active_class_ids)",
        "mrcnn_bbox_loss_graph(target_bbox, target_class_ids, pred_bbox)",
        "mrcnn_mask_loss_graph(target_masks, target_class_ids, pred_masks)",
    ],
    "mrcnn.visualize": [
        "display_images(images, titles=None, cols=4, cmap=None, norm=None, interpolation=None)",
        "random_colors(N, bright=True)",
        "apply_mask(image, mask, color, alpha=0.5)",
        "display_instances(image, boxes, masks, class_ids, class_names, scores=None, title='', figsize=(16, 16), ax=None, show_mask=True,"
        " show_bbox=True, colors=None, captions=None)",
        "display_differences(image, gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask, class_names, title='', ax=None,"
        " show_mask=True, show_box=True, iou_threshold=0.5, score_threshold=0.5)",
        "draw_rois(image, rois, refined_rois, mask, class_ids, class_names, limit=10)",
        "draw_box(image, box, color)",
        "display_top_masks(image, mask, class_ids, class_names, limit=4)",
        "plot_precision_recall(AP, precisions, recalls)",
        "plot_overlaps(gt_class_ids, pred_class_ids, pred_scores, overlaps, class_names, threshold=0.5)",
        "draw_boxes(image, boxes=None, refined_boxes=None, masks=None, captions=None, visibilities=None, title='', ax=None)",
        "display_table(table)",
        "display_weight_stats(model)",
    ],
}


@pytest.mark.parametrize(("address", "name"), NAMES, ids=[f"{address}.{name}" for address, name in NAMES])
def test_a_public_name_is_there_and_documented(address, name):
    found = getattr(importlib.import_module(address), name)
    assert callable(found)
    assert (found.__doc__ or "").strip()


@pytest.mark.parametrize("address", ["mrcnn.utils", "mrcnn.model", "mrcnn.visualize"])
def test_a_door_lists_what_it_holds(address):
    door = importlib.import_module(address)
    assert {name for module, name in NAMES if module == address} <= set(door.__all__)
    assert all(hasattr(door, name) for name in door.__all__)


@pytest.mark.parametrize(("address", "text"), [(address, text) for address, texts in SIGNATURES.items() for text in texts])
def test_the_historic_arguments_are_accepted_in_their_order(address, text):
    """Parameters may follow that the original did not have; each must have a default."""
    path, arguments = text.split("(", 1)
    found = importlib.import_module(address)
    for part in path.split("."):
        found = getattr(found, part)
    historic = {}
    exec(f"def call({arguments}: pass", historic)
    wanted = list(inspect.signature(historic["call"]).parameters.values())
    own = [p for p in inspect.signature(found).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    assert [p.name for p in own[: len(wanted)]] == [p.name for p in wanted]
    for parameter, historic_one in zip(own, wanted, strict=False):
        if historic_one.default is not inspect.Parameter.empty:
            assert parameter.default == historic_one.default, parameter.name
    assert all(p.default is not inspect.Parameter.empty for p in own[len(wanted) :])


@pytest.mark.parametrize("name", OF_MASK_RCNN.split())
def test_mask_rcnn_has_the_historic_methods(name):
    from mrcnn.model import MaskRCNN

    assert (getattr(MaskRCNN, name).__doc__ or "").strip()


@pytest.mark.parametrize("name", OF_DATASET.split())
def test_dataset_has_the_historic_methods(name):
    from mrcnn.utils import Dataset

    assert (getattr(Dataset, name).__doc__ or "").strip()


def test_dataset_has_the_historic_attributes_once_prepared():
    from mrcnn.utils import Dataset

    dataset = Dataset(object())  # kernels pass self
    dataset.add_class("toy", 1, "square")
    dataset.add_image("toy", 0, None)
    dataset.prepare()
    attributes = "image_ids image_info class_info class_names class_ids num_classes num_images sources source_class_ids class_from_source_map"
    assert [name for name in attributes.split() if not hasattr(dataset, name)] == []


def test_config_has_the_historic_attributes():
    from mrcnn.config import Config

    config = Config()
    assert [name for name in CONFIG.split() if not hasattr(config, name)] == []
    assert callable(config.display) and set(CONFIG.split()) <= set(config.to_dict())


def test_the_address_of_the_coco_weights_is_the_published_one():
    from mrcnn import utils

    assert utils.COCO_MODEL_URL == "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"


def test_parallel_model_names_the_new_way():
    from mrcnn.parallel_model import ParallelModel

    with pytest.raises(NotImplementedError, match="GPU_COUNT = 1.*DataParallel"):
        ParallelModel(None, 2)


def test_importing_utils_loads_no_keras():
    code = "import sys, mrcnn.utils; sys.exit(bool({'keras', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_mutable_default_is_no_part_of_a_signature():
    from mrcnn import model, utils

    for door in (model, utils):
        for name in door.__all__:
            found = getattr(door, name)
            if callable(found):
                defaults = [p.default for p in inspect.signature(found).parameters.values()]
                assert not any(isinstance(default, (list, dict, np.ndarray)) for default in defaults), name
