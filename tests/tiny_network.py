"""A network small enough to build in a second, and batches for it."""

import numpy as np
import tiny

from mrcnn import build
from mrcnn.config import Config


def backbone(input_image, stage5=True, train_bn=None):
    """C1…C5 of four channels."""
    return tiny.five_stages(input_image, (4,) * 5, "a_branch1", train_bn)


class TinyConfig(Config):
    NAME = "tiny"
    NUM_CLASSES = 3
    IMAGES_PER_GPU = 1
    BACKBONE = staticmethod(backbone)
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 64
    TOP_DOWN_PYRAMID_SIZE = 8
    FPN_CLASSIF_FC_LAYERS_SIZE = 8
    RPN_ANCHOR_SCALES = (8, 16, 32, 48, 64)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 16
    PRE_NMS_LIMIT = 50
    POST_NMS_ROIS_TRAINING = 20
    POST_NMS_ROIS_INFERENCE = 10
    TRAIN_ROIS_PER_IMAGE = 8
    MAX_GT_INSTANCES = 4
    MINI_MASK_SHAPE = (14, 14)
    POOL_SIZE = 3
    MASK_POOL_SIZE = 4
    MASK_SHAPE = [8, 8]
    DETECTION_MAX_INSTANCES = 5


def config(**attributes):
    """A TinyConfig with other values."""
    return type("TinyConfig", (TinyConfig,), attributes)()


def network(mode, **attributes):
    """The network of a TinyConfig with other values, without files."""
    return build.build(config(**attributes), mode, saver=lambda model, path: None, loader=lambda *a, **k: None)


def training_batch(settings, size=(64, 64), seed=0):
    """Seven (or eight) arrays of the training graph: one box of class 1 an image, some positive anchors on it."""
    rng, batch = np.random.default_rng(seed), settings.BATCH_SIZE
    anchors = sum(-(-size[0] // s) * -(-size[1] // s) for s in settings.BACKBONE_STRIDES) * len(settings.RPN_ANCHOR_RATIOS)
    match = np.zeros((batch, anchors, 1), "int32")
    match[:, :4], match[:, 4:12] = 1, -1
    class_ids = np.zeros((batch, settings.MAX_GT_INSTANCES), "int32")
    boxes = np.zeros((batch, settings.MAX_GT_INSTANCES, 4), "float32")
    class_ids[:, 0], boxes[:, 0] = 1, [0, 0, size[0], size[1]]
    masks = settings.MINI_MASK_SHAPE if settings.USE_MINI_MASK else size
    meta = np.zeros((batch, settings.IMAGE_META_SIZE), "float32")
    meta[:, 1:12] = [*size, settings.IMAGE_CHANNEL_COUNT, *size, settings.IMAGE_CHANNEL_COUNT, 0, 0, *size, 1]
    meta[:, 12:] = 1
    arrays = [
        rng.standard_normal((batch, *size, settings.IMAGE_CHANNEL_COUNT)).astype("float32") * 50, meta, match,
        rng.standard_normal((batch, settings.RPN_TRAIN_ANCHORS_PER_IMAGE, 4)).astype("float32"), class_ids, boxes,
        rng.random((batch, *masks, settings.MAX_GT_INSTANCES)) < 0.5,
    ]  # fmt: skip
    if not settings.USE_RPN_ROIS:
        corners = rng.integers(0, 30, (batch, settings.POST_NMS_ROIS_TRAINING, 2))
        rois = np.concatenate([corners, corners + 30], axis=-1).astype("float32")
        rois[:, 0] = boxes[:, 0]
        arrays.append(rois)
    return arrays
