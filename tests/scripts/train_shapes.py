"""Train on toy shapes and look at a detection, the way scripts for the original did. Usage: train_shapes.py LOGS_FOLDER"""

import glob
import math
import os
import random
import sys

import cv2
import keras.layers as KL
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

import mrcnn.model as modellib  # noqa: E402
from mrcnn import utils, visualize  # noqa: E402
from mrcnn.config import Config  # noqa: E402
from mrcnn.model import log  # noqa: E402

MODEL_DIR = sys.argv[1]


def small_backbone(input_image, stage5=True, train_bn=None):
    """C1..C5 of a network that trains in seconds."""
    x, stages = input_image, []
    for number, (stride, filters) in enumerate([(4, 8), (1, 8), (2, 8), (2, 16), (2, 16)], start=1):
        x = KL.Conv2D(filters, (3, 3), strides=(stride, stride), padding="same", name=f"res{number}a_branch2a")(x)
        x = modellib.BatchNorm(name=f"bn{number}a_branch2a")(x, training=train_bn)
        x = KL.Activation("relu")(x)
        stages.append(x)
    return stages


class ShapesConfig(Config):
    NAME = "Shapes"
    GPU_COUNT = 1
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 3
    BACKBONE = staticmethod(small_backbone)
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 64
    RPN_ANCHOR_SCALES = (8, 16, 32, 48, 64)
    TOP_DOWN_PYRAMID_SIZE = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 16
    TRAIN_ROIS_PER_IMAGE = 16
    POST_NMS_ROIS_TRAINING = 50
    POST_NMS_ROIS_INFERENCE = 30
    MAX_GT_INSTANCES = 4
    MINI_MASK_SHAPE = (14, 14)
    STEPS_PER_EPOCH = int(8 / IMAGES_PER_GPU)
    VALIDATION_STEPS = 1
    IMAGE_PADDING = True  # of an older version


class InferenceConfig(ShapesConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0
    DETECTION_MAX_INSTANCES = 5


class ShapesDataset(utils.Dataset):
    def __init__(self):
        super().__init__(self)

    def load_shapes(self, count, height, width):
        for number, name in enumerate(["square", "circle", "triangle"], start=1):
            self.add_class("shapes", number, name)
        for i in range(count):
            spec = [random.choice([info["name"] for info in self.class_info[1:]]) for _ in range(random.randint(1, 2))]
            places = [(name, random.randint(14, width - 14), random.randint(14, height - 14), random.randint(7, 12)) for name in spec]
            self.add_image("shapes", image_id=i, path=None, width=width, height=height, shapes=places)

    def load_image(self, image_id):
        info = self.image_info[image_id]
        image = np.ones([info["height"], info["width"], 3], dtype=np.uint8) * np.array([40, 120, 90], dtype=np.uint8)
        for shape in info["shapes"]:
            image = self.draw(image, shape, (220, 60, 40))
        return image

    def image_reference(self, image_id):
        info = self.image_info[image_id]
        if info["source"] == "shapes":
            return info["shapes"]
        return super(self.__class__, self).image_reference(image_id)

    def load_mask(self, image_id):
        info = self.image_info[image_id]
        shapes = info["shapes"]
        mask = np.zeros([info["height"], info["width"], len(shapes)], dtype=np.uint8)
        for i, shape in enumerate(shapes):
            mask[:, :, i : i + 1] = self.draw(mask[:, :, i : i + 1].copy(), shape, 1)
        occlusion = np.logical_not(mask[:, :, -1]).astype(np.uint8)
        for i in range(len(shapes) - 2, -1, -1):
            mask[:, :, i] = mask[:, :, i] * occlusion
            occlusion = np.logical_and(occlusion, np.logical_not(mask[:, :, i]))
        class_ids = np.array([self.class_names.index(shape[0]) for shape in shapes])
        return mask.astype(np.uint8), class_ids.astype(np.int32)

    def draw(self, image, shape, color):
        name, x, y, s = shape
        if name == "square":
            return cv2.rectangle(image, (x - s, y - s), (x + s, y + s), color, -1)
        if name == "circle":
            return cv2.circle(image, (x, y), s, color, -1)
        points = np.array([[(x, y - s), (x - s / math.sin(math.radians(60)), y + s), (x + s / math.sin(math.radians(60)), y + s)]], dtype=np.int32)
        return cv2.fillPoly(image, points, color)


random.seed(1)
config = ShapesConfig()
config.display()

dataset_train = ShapesDataset()
dataset_train.load_shapes(8, config.IMAGE_SHAPE[0], config.IMAGE_SHAPE[1])
dataset_train.prepare()
dataset_val = ShapesDataset()
dataset_val.load_shapes(3, config.IMAGE_SHAPE[0], config.IMAGE_SHAPE[1])
dataset_val.prepare()

for image_id in np.random.choice(dataset_train.image_ids, 2):
    image = dataset_train.load_image(image_id)
    mask, class_ids = dataset_train.load_mask(image_id)
    visualize.display_top_masks(image, mask, class_ids, dataset_train.class_names)
    print(dataset_train.image_reference(image_id))
plt.close("all")

model = modellib.MaskRCNN(mode="training", config=config, model_dir=MODEL_DIR)
model.train(dataset_train, dataset_val, learning_rate=config.LEARNING_RATE, epochs=2, layers="heads")
model.keras_model.save_weights(os.path.join(MODEL_DIR, "mask_rcnn_shapes.h5"))

checkpoints = sorted(glob.glob(os.path.join(MODEL_DIR, "shapes*", "mask_rcnn_shapes_*.h5")))
assert [os.path.basename(path) for path in checkpoints] == ["mask_rcnn_shapes_0001.h5", "mask_rcnn_shapes_0002.h5"], checkpoints

inference_config = InferenceConfig()
model = modellib.MaskRCNN(mode="inference", config=inference_config, model_dir=MODEL_DIR)
model_path = model.find_last()
assert model_path == checkpoints[-1]
print("Loading weights from ", model_path)
model.load_weights(model_path, by_name=True)
assert model.epoch == 2

image_id = random.choice(dataset_val.image_ids)
original_image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(dataset_val, inference_config, image_id, use_mini_mask=False)
log("original_image", original_image)
log("image_meta", image_meta)
log("gt_class_id", gt_class_id)
log("gt_bbox", gt_bbox)
log("gt_mask", gt_mask)
results = model.detect([original_image], verbose=1)
r = results[0]
_, ax = plt.subplots(1, 1, figsize=(4, 4))
visualize.display_instances(original_image, r["rois"], r["masks"], r["class_ids"], dataset_val.class_names, r["scores"], ax=ax)
plt.savefig(os.path.join(MODEL_DIR, "detections.png"))
plt.close("all")
assert r["masks"].shape == original_image.shape[:2] + (len(r["class_ids"]),)

# "last" of the command lines: a training model that would go on where the run ended.
model = modellib.MaskRCNN(mode="training", config=config, model_dir=MODEL_DIR)
model.load_weights(model.find_last(), by_name=True)
assert model.epoch == 2
assert model.log_dir == os.path.dirname(model_path)
assert model.checkpoint_path.format(epoch=3).endswith("mask_rcnn_shapes_0003.h5")
