"""The variants of the fashion sample: which network, at which size, trained how."""

import numpy as np

from mrcnn.config import Config


class FashionConfig(Config):
    """What the variants on photos share. The Dataset resizes photo and masks to the square itself."""

    NAME = "fashion"
    NUM_CLASSES = 1 + 46  # iMaterialist 2019; fashion.py sets what the data really holds
    GPU_COUNT = 1
    IMAGES_PER_GPU = 4
    IMAGE_RESIZE_MODE = "none"
    RPN_ANCHOR_SCALES = (16, 32, 64, 128, 256)
    STEPS_PER_EPOCH = 100
    VALIDATION_STEPS = 50
    STAGES = "heads:1e-3:10,all:1e-3:20"
    MAP_IMAGES = 50  # images that the mAP after each epoch is computed on; None for all
    # mAP ranks detections by score: a threshold cuts the end of the curve off and lowers the figure. So detections are
    # kept from 0.05 on; pictures show those from SHOWN_CONFIDENCE on.
    DETECTION_MIN_CONFIDENCE = 0.05
    SHOWN_CONFIDENCE = 0.5
    DETECTION_BATCH = 1  # images that detection takes at once


class Resnet50At1024(FashionConfig):
    """Published by the first users: ResNet50 at 1024 px."""

    BACKBONE = "resnet50"
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 1024


class Resnet101At512(FashionConfig):
    """Published by the first users: ResNet101 at 512 px."""

    BACKBONE = "resnet101"
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 512


class Resnet50At256(FashionConfig):
    """The same idea for a laptop: ResNet50 at 256 px, fewer proposals."""

    BACKBONE = "resnet50"
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 256
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    POST_NMS_ROIS_TRAINING = 1000
    POST_NMS_ROIS_INFERENCE = 300
    TRAIN_ROIS_PER_IMAGE = 64
    DETECTION_MAX_INSTANCES = 50


def light_backbone(input_image, stage5=True, train_bn=None, stages=None):
    """Build a ResNet of basic blocks (two 3×3 convolutions each) with few channels, to train from scratch at 128 px.

    Layer names follow the project's (res2a_branch2a …), so that --layers 3+, 4+ and 5+ mean what they mean elsewhere.

    Args:
        input_image: [B, H, W, 3], H and W multiples of 64.
        stage5: part of the interface of a callable BACKBONE; stage 5 is always built.
        train_bn: mode of BatchNorm.
        stages: (channels, blocks) of stages 2 to 5; None: LIGHT_STAGES.

    Returns:
        [C1, C2, C3, C4, C5], strides 4, 4, 8, 16 and 32.
    """
    from keras import layers

    from mrcnn.model import BatchNorm

    def convolve(x, filters, kernel, stride, name, bn_name):
        x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
        return BatchNorm(train_bn=train_bn, momentum=0.95, name=bn_name)(x)  # a short run: statistics must follow fast

    def block(x, filters, stride, name):
        shortcut = x
        x = layers.Activation("relu")(convolve(x, filters, 3, stride, f"res{name}_branch2a", f"bn{name}_branch2a"))
        x = convolve(x, filters, 3, 1, f"res{name}_branch2b", f"bn{name}_branch2b")
        if stride != 1 or shortcut.shape[-1] != filters:
            shortcut = convolve(shortcut, filters, 1, stride, f"res{name}_branch1", f"bn{name}_branch1")
        return layers.Activation("relu")(layers.Add()([x, shortcut]))

    x = layers.Rescaling(1 / 64)(input_image)
    x = layers.Activation("relu")(convolve(x, 24, 3, 2, "conv1", "bn_conv1"))
    outputs = [layers.MaxPooling2D(3, strides=2, padding="same")(x)]
    for stage, (filters, blocks) in enumerate(stages or LIGHT_STAGES, start=2):
        x = outputs[-1]
        for number in range(blocks):
            x = block(x, filters, 2 if number == 0 and stage > 2 else 1, f"{stage}{'abc'[number]}")
        outputs.append(x)
    return outputs


#: (channels, blocks) of stages 2 to 5.
LIGHT_STAGES = ((64, 2), (96, 2), (160, 2), (256, 2))


def light_backbone_shape(image_shape):
    """Return height and width of P2…P6 for an image [H, W, C]: [5, 2] int."""
    strides = np.array([4, 8, 16, 32, 64])
    return -(-np.array(image_shape[:2])[None, :] // strides[:, None])


class Small(FashionConfig):
    """For the embedded scenes: a light backbone from scratch, a narrow pyramid, 128 px, minutes on two cores."""

    BACKBONE = staticmethod(light_backbone)
    COMPUTE_BACKBONE_SHAPE = staticmethod(light_backbone_shape)
    BACKBONE_STRIDES = [4, 8, 16, 32, 64]
    TOP_DOWN_PYRAMID_SIZE = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 256
    IMAGE_RESIZE_MODE = "square"  # the scenes are drawn at this size: nothing is resized, and the shapes are static
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    # Small steps and AdamW: for 2400 views mAP is 0.54 with SGD and batches of 8, 0.68 with batches of 4, 0.77 with AdamW.
    IMAGES_PER_GPU = 4
    STEPS_PER_EPOCH = 125
    VALIDATION_STEPS = 5
    OPTIMIZER = "adamw"
    WEIGHT_DECAY = 0.01
    LEARNING_RATE = 0.001
    TRAIN_BN = True  # from scratch, the statistics must be learned
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 128
    PRE_NMS_LIMIT = 1000
    POST_NMS_ROIS_TRAINING = 300
    POST_NMS_ROIS_INFERENCE = 100
    TRAIN_ROIS_PER_IMAGE = 32  # a third of them positive; the mask head, which runs on these, is most of a step
    MAX_GT_INSTANCES = 24
    DETECTION_MAX_INSTANCES = 24
    # Garments are 10 to 60 px: masks of 14 x 14 cells are fine enough, and cost a quarter of 28 x 28.
    MASK_POOL_SIZE = 7
    MASK_SHAPE = [14, 14]
    MINI_MASK_SHAPE = (28, 28)
    # Warm up, then fall along a cosine.
    STAGES = "all:1e-3:1,all:2e-3:3,all:15e-4:1,all:1e-3:1,all:5e-4:1,all:1e-4:1"
    MAP_IMAGES = 50
    DETECTION_BATCH = 10


VARIANTS = {
    "small": Small,
    "resnet50-256": Resnet50At256,
    "resnet101-512": Resnet101At512,
    "resnet50-1024": Resnet50At1024,
}


def make_config(variant, num_classes, batch=None, steps=None, validation_steps=None, seed=0, settings=None):
    """Return the configuration of a variant for data with `num_classes` classes, background included.

    `settings`, {parameter: value}, is what --set asked for.
    """
    config = VARIANTS[variant]()
    for name, value in (settings or {}).items():
        setattr(config, name, value)
    config.NUM_CLASSES = num_classes
    config.SEED = seed
    if batch is not None:
        config.IMAGES_PER_GPU = batch
    if steps is not None:
        config.STEPS_PER_EPOCH = steps
    if validation_steps is not None:
        config.VALIDATION_STEPS = None if validation_steps == "all" else validation_steps
    return config
