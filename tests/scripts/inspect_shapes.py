"""Look into data and network, the way the original's inspect notebooks did. Usage: inspect_shapes.py LOGS_FOLDER"""

import os
import sys

import keras.layers as KL
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from mrcnn import model as modellib  # noqa: E402
from mrcnn import utils, visualize  # noqa: E402
from mrcnn.config import Config  # noqa: E402
from mrcnn.model import log  # noqa: E402
from mrcnn.visualize import display_images  # noqa: E402

MODEL_DIR = sys.argv[1]


def narrow(input_image, stage5=True, train_bn=None):
    c1 = KL.Activation("relu")(KL.Conv2D(8, 5, strides=4, padding="same", name="conv1")(input_image))
    c2 = KL.Conv2D(8, 3, padding="same", activation="relu", name="res2a_branch2a")(c1)
    c3 = KL.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="res3a_branch2a")(c2)
    c4 = KL.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="res4a_branch2a")(c3)
    c5 = KL.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="res5a_branch2a")(c4) if stage5 else None
    return [c1, c2, c3, c4, c5]


class BlobsConfig(Config):
    NAME = "blobs"
    IMAGES_PER_GPU = 1
    NUM_CLASSES = 1 + 2
    IMAGE_MIN_DIM = 100
    IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 64
    TRAIN_ROIS_PER_IMAGE = 20
    POST_NMS_ROIS_INFERENCE = 40
    TOP_DOWN_PYRAMID_SIZE = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 16
    MASK_POOL_SIZE = 7
    MASK_SHAPE = [14, 14]
    DETECTION_MIN_CONFIDENCE = 0


class BlobsDataset(utils.Dataset):
    def load_blobs(self, count):
        self.add_class("blobs", 1, "wide")
        self.add_class("blobs", 2, "tall")
        for i in range(count):
            self.add_image("blobs", image_id=f"blob{i}", path=None)

    def load_image(self, image_id):
        image = np.full((90, 120, 3), 60, np.uint8)
        image[self.load_mask(image_id)[0].any(axis=-1)] = [200, 180, 20]
        return image

    def load_mask(self, image_id):
        mask = np.zeros((90, 120, 2), dtype=bool)
        mask[20 + image_id : 35 + image_id, 10:60, 0] = True
        mask[30:80, 80 + image_id : 100 + image_id, 1] = True
        return mask, np.array([1, 2], dtype=np.int64)


config = BlobsConfig()
config.BACKBONE = narrow
dataset = BlobsDataset()
dataset.load_blobs(4)
dataset.prepare()
print(f"Image Count: {len(dataset.image_ids)}")
print(f"Class Count: {dataset.num_classes}")
for i, info in enumerate(dataset.class_info):
    print("{:3}. {:50}".format(i, info["name"]))

# --- Boxes, resizing, mini-masks
image_id = np.random.choice(dataset.image_ids, 1)[0]
image = dataset.load_image(image_id)
mask, class_ids = dataset.load_mask(image_id)
original_shape = image.shape
image, window, scale, padding, _ = utils.resize_image(
    image, min_dim=config.IMAGE_MIN_DIM, max_dim=config.IMAGE_MAX_DIM, mode=config.IMAGE_RESIZE_MODE
)
mask = utils.resize_mask(mask, scale, padding)
bbox = utils.extract_bboxes(mask)
print("image_id: ", image_id, dataset.image_reference(image_id))
print("Original shape: ", original_shape)
log("image", image)
log("mask", mask)
log("class_ids", class_ids)
log("bbox", bbox)
visualize.display_instances(image, bbox, mask, class_ids, dataset.class_names)
mini_mask = utils.minimize_mask(bbox, mask, config.MINI_MASK_SHAPE)
display_images([image] + [mini_mask[:, :, i] for i in range(mini_mask.shape[-1])])
expanded = utils.expand_mask(bbox, mini_mask, image.shape)
assert (expanded != mask).mean() < 0.01

image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(dataset, config, image_id, use_mini_mask=True)
assert mask.shape[:2] == config.MINI_MASK_SHAPE
image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(dataset, config, image_id, None)
visualize.display_instances(image, bbox, mask, class_ids, dataset.class_names)

# --- Anchors
backbone_shapes = modellib.compute_backbone_shapes(config, config.IMAGE_SHAPE)
anchors = utils.generate_pyramid_anchors(
    config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, backbone_shapes, config.BACKBONE_STRIDES, config.RPN_ANCHOR_STRIDE
)
anchors_per_level = [s[0] * s[1] * len(config.RPN_ANCHOR_RATIOS) // config.RPN_ANCHOR_STRIDE**2 for s in backbone_shapes]
print("Count: ", anchors.shape[0], "per level: ", anchors_per_level)
assert sum(anchors_per_level) == len(anchors)

# --- The data generator
g = modellib.data_generator(dataset, config, shuffle=True, random_rois=200, batch_size=4, detection_targets=True)
[normalized_images, image_meta, rpn_match, rpn_bbox, gt_class_ids, gt_boxes, gt_masks, rpn_rois, rois], [
    mrcnn_class_ids,
    mrcnn_bbox,
    mrcnn_mask,
] = next(g)
log("rois", rois)
log("mrcnn_class_ids", mrcnn_class_ids)
log("mrcnn_bbox", mrcnn_bbox)
log("mrcnn_mask", mrcnn_mask)
log("gt_class_ids", gt_class_ids)
log("rpn_match", rpn_match)
image_ids = modellib.parse_image_meta(image_meta)["image_id"]
b = 0
sample_image = modellib.unmold_image(normalized_images[b], config)
positive = np.where(rpn_match[b] == 1)[0]
refined_anchors = utils.apply_box_deltas(anchors[positive], rpn_bbox[b, : len(positive)] * config.RPN_BBOX_STD_DEV)
visualize.draw_boxes(sample_image, boxes=anchors[positive], refined_boxes=refined_anchors)
ids = mrcnn_class_ids[b, :, 0]
deltas = mrcnn_bbox[b, np.arange(mrcnn_bbox.shape[1]), ids, :]
refined_rois = utils.apply_box_deltas(rois[b].astype(np.float32), deltas[:, :4] * config.BBOX_STD_DEV)
roi_masks = mrcnn_mask[b, np.arange(mrcnn_mask.shape[1]), :, :, ids]
visualize.draw_rois(sample_image, rois[b], refined_rois, roi_masks, ids, dataset.class_names)
plt.close("all")

# --- The network, with weights of another model's file
path = os.path.join(MODEL_DIR, "blobs.h5")
modellib.MaskRCNN("training", config, MODEL_DIR).keras_model.save_weights(path)
model = modellib.MaskRCNN(mode="inference", model_dir=MODEL_DIR, config=config)
model.load_weights(path, by_name=True)
visualize.display_weight_stats(model)
model.keras_model.summary(print_fn=lambda *args, **kwargs: None)

image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(dataset, config, image_id, use_mini_mask=False)
results = model.detect([image], verbose=1)
results = model.detect_molded(np.expand_dims(modellib.mold_image(image, config), 0), np.expand_dims(image_meta, 0), verbose=1)
r = results[0]
visualize.display_differences(
    image, gt_bbox, gt_class_id, gt_mask, r["rois"], r["class_ids"], r["scores"], r["masks"], dataset.class_names, iou_threshold=0.5
)

assert model.get_anchors(image.shape).shape == anchors.shape
assert np.allclose(model.anchors, anchors)
target_rpn_match, target_rpn_bbox = modellib.build_rpn_targets(image.shape, model.anchors, gt_class_id, gt_bbox, model.config)
log("target_rpn_match", target_rpn_match)
log("target_rpn_bbox", target_rpn_bbox)
positive_anchor_ix = np.where(target_rpn_match[:] == 1)[0]
negative_anchor_ix = np.where(target_rpn_match[:] == -1)[0]
positive_anchors = model.anchors[positive_anchor_ix]
refined_anchors = utils.apply_box_deltas(positive_anchors, target_rpn_bbox[: positive_anchors.shape[0]] * model.config.RPN_BBOX_STD_DEV)
log("refined_anchors", refined_anchors)
_, ax = plt.subplots(1, figsize=(4, 4))
visualize.draw_boxes(image, boxes=positive_anchors, refined_boxes=refined_anchors, ax=ax)
assert utils.compute_overlaps(refined_anchors, gt_bbox).max(axis=1).min() > 0.99

pillar = model.keras_model.get_layer("ROI").output
nms_node = model.ancestor(pillar, "ROI/rpn_non_max_suppression:0")
if nms_node is None:
    nms_node = model.ancestor(pillar, "ROI/rpn_non_max_suppression/NonMaxSuppressionV3:0")
rpn = model.run_graph(
    [image],
    [
        ("rpn_class", model.keras_model.get_layer("rpn_class").output),
        ("pre_nms_anchors", model.ancestor(pillar, "ROI/pre_nms_anchors:0")),
        ("refined_anchors", model.ancestor(pillar, "ROI/refined_anchors:0")),
        ("refined_anchors_clipped", model.ancestor(pillar, "ROI/refined_anchors_clipped:0")),
        ("post_nms_anchor_ix", nms_node),
        ("proposals", model.keras_model.get_layer("ROI").output),
    ],
)
limit = 20
sorted_anchor_ids = np.argsort(rpn["rpn_class"][:, :, 1].flatten())[::-1]
visualize.draw_boxes(image, boxes=model.anchors[sorted_anchor_ids[:limit]], ax=ax)
ax = plt.subplots(1, figsize=(4, 4))[1]
h, w = config.IMAGE_SHAPE[:2]
pre_nms = utils.denorm_boxes(rpn["pre_nms_anchors"][0], image.shape[:2])
refined = utils.denorm_boxes(rpn["refined_anchors"][0], image.shape[:2])
visualize.draw_boxes(image, boxes=pre_nms[:limit], refined_boxes=refined[:limit], ax=ax)
ixs = rpn["post_nms_anchor_ix"][:limit]
kept = rpn["refined_anchors_clipped"][0, ixs]
proposals = rpn["proposals"][0, : len(kept)]
real = proposals.any(axis=1)
assert np.allclose(kept[real], proposals[real])
visualize.draw_boxes(image, refined_boxes=utils.denorm_boxes(kept, image.shape[:2]), ax=ax)

mrcnn = model.run_graph(
    [image],
    [
        ("proposals", model.keras_model.get_layer("ROI").output),
        ("probs", model.keras_model.get_layer("mrcnn_class").output),
        ("deltas", model.keras_model.get_layer("mrcnn_bbox").output),
        ("masks", model.keras_model.get_layer("mrcnn_mask").output),
        ("detections", model.keras_model.get_layer("mrcnn_detection").output),
        ("activations", model.keras_model.get_layer("res4a_branch2a").output),
    ],
)
det_class_ids = mrcnn["detections"][0, :, 4].astype(np.int32)
det_count = np.where(det_class_ids == 0)[0][0] if (det_class_ids == 0).any() else len(det_class_ids)
det_class_ids = det_class_ids[:det_count]
detections = mrcnn["detections"][0, :det_count]
captions = [f"{dataset.class_names[int(c)]} {s:.3f}" if c > 0 else "" for c, s in zip(detections[:, 4], detections[:, 5])]  # noqa: B905
det_boxes = utils.denorm_boxes(detections[:, :4], image.shape[:2])
det_mask_specific = np.array([mrcnn["masks"][0, i, :, :, c] for i, c in enumerate(det_class_ids)])
area = (det_boxes[:, 2] > det_boxes[:, 0]) & (det_boxes[:, 3] > det_boxes[:, 1])
det_masks = np.array([utils.unmold_mask(m, det_boxes[i], image.shape) for i, m in enumerate(det_mask_specific) if area[i]])
log("det_masks", det_masks)
visualize.draw_boxes(
    image, refined_boxes=det_boxes[:limit], visibilities=[2] * len(det_boxes[:limit]), captions=captions[:limit], title="Detections", ax=ax
)
display_images(np.transpose(mrcnn["activations"][0, :, :, :4], [2, 0, 1]), cols=4)
plt.close("all")
