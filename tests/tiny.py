"""A network and a data set that train in seconds: coloured squares and discs of 64 px."""

import numpy as np

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset


def backbone(input_image, stage5=True, train_bn=None):
    """Five stages of one convolution each."""
    return five_stages(input_image, (8, 8, 12, 16, 16), "a_branch2a", train_bn)


def five_stages(input_image, filters, name, train_bn):
    """C1…C5 of one convolution each, strides 4, 4, 8, 16, 32; layers are called res1 to res5 and bn1 to bn5, with `name` behind."""
    from keras import layers

    from mrcnn.nn.layers import BatchNorm

    x, stages = input_image, []
    for stage, (stride, count) in enumerate(zip((4, 1, 2, 2, 2), filters, strict=True), start=1):
        x = layers.Conv2D(count, 3, strides=stride, padding="same", name=f"res{stage}{name}")(x)
        x = BatchNorm(train_bn=train_bn, name=f"bn{stage}{name}")(x)
        x = layers.Activation("relu")(x)
        stages.append(x)
    return stages


class TinyConfig(Config):
    """Smallest sensible network."""

    NAME = "Tiny"
    NUM_CLASSES = 3
    BACKBONE = staticmethod(backbone)
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    IMAGES_PER_GPU = 2
    STEPS_PER_EPOCH = 3
    VALIDATION_STEPS = 2
    TOP_DOWN_PYRAMID_SIZE = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 16
    RPN_ANCHOR_SCALES = (8, 16, 24, 32, 64)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    POST_NMS_ROIS_TRAINING = 40
    POST_NMS_ROIS_INFERENCE = 30
    TRAIN_ROIS_PER_IMAGE = 12
    MAX_GT_INSTANCES = 5
    DETECTION_MAX_INSTANCES = 6
    DETECTION_MIN_CONFIDENCE = 0
    MASK_POOL_SIZE = 4
    MASK_SHAPE = [8, 8]
    MINI_MASK_SHAPE = (14, 14)
    TRAIN_BN = None


class Squares(Dataset):
    """`count` images with two instances each; every `empty`-th has none."""

    def __init__(self, count=6, size=(64, 64), empty=0):
        super().__init__()
        self.size, self.empty = size, empty
        self.add_class("tiny", 1, "square")
        self.add_class("tiny", 2, "disc")
        for i in range(count):
            self.add_image("tiny", i, path=f"tiny/{i}")
        self.prepare()

    def instances(self, image_id):
        rng = np.random.default_rng(image_id)
        height, width = self.size
        y, x = np.mgrid[:height, :width]
        if self.empty and image_id % self.empty == 0:
            return np.zeros((height, width, 0), bool), np.zeros(0, np.int32)
        masks = []
        for kind in (1, 2):
            radius = rng.integers(6, 12)
            cy, cx = rng.integers(radius, height - radius), rng.integers(radius, width - radius)
            distance = np.maximum(abs(y - cy), abs(x - cx)) if kind == 1 else np.hypot(y - cy, x - cx)
            masks.append(distance < radius)
        return np.stack(masks, axis=-1), np.array([1, 2], np.int32)

    def load_image(self, image_id):
        image = np.full((*self.size, 3), 90, np.uint8)
        masks, class_ids = self.instances(image_id)
        for mask, class_id in zip(np.moveaxis(masks, -1, 0), class_ids, strict=True):
            image[mask] = (220, 40, 40) if class_id == 1 else (40, 60, 230)
        return image

    def load_mask(self, image_id):
        return self.instances(image_id)
