"""Every parameter of the library, with its reason. Subclass `Config`, set NAME and NUM_CLASSES, and override what differs.

The attributes and defaults up to GRADIENT_CLIP_NORM are those of the original library, so that subclasses written for it mean the same here.
The attributes after it each switch one defect of the original: the default is the corrected behaviour, `original_behaviour()` sets them all back.

Loads NumPy only: a data worker or a script that looks at a configuration pays nothing for TensorFlow.
"""

import ast
import copy
import difflib
import math
import warnings
from typing import Any

import numpy as np

from mrcnn import config_checks
from mrcnn.config_checks import LOSS_NAMES

#: Value of each defect switch that reproduces the numbers of the original library.
ORIGINAL_BEHAVIOUR = {
    "ROI_ALIGN": "crop_and_resize",
    "TRAIN_EMPTY_IMAGES": False,
    "RPN_FORCED_MATCH_OWN_BOX": False,
    "RPN_IGNORE_ZERO_OVERLAP": False,
    "ROI_NEGATIVES_FILL": False,
    "STOP_TARGET_GRADIENT": False,
    "CLASS_LOSS_IGNORES_PADDING": False,
    "ACTIVE_CLASSES_PER_IMAGE": False,
    "CROWD_OVERLAP": "iou",
    "BOX_DELTA_MAX_LOG": None,
    "WEIGHT_DECAY_DIVIDED_BY_SIZE": True,
}

# Attributes of older versions of the original that scripts still carry; known, unused, not worth a warning.
_HISTORIC = {"IMAGE_PADDING", "BACKBONE_SHAPES", "RPN_TRAIN_ANCHORS", "MAX_INSTANCES"}


class Config:
    """Parameters of the network, its training and its data.

    Override attributes in a subclass, or set them on an instance. Unknown attributes are allowed (scripts carry their own); one that nearly
    equals a known name earns a warning with the right name. `validate` is called where a network is built.

    Example:
        >>> class ShapesConfig(Config):
        ...     NAME = "shapes"
        ...     NUM_CLASSES = 1 + 3
        >>> config = ShapesConfig()
        >>> config.IMAGES_PER_GPU = 4
        >>> config.BATCH_SIZE
        4
    """

    # --- Run -----------------------------------------------------------------------------------------------------------
    # Name of the experiment: part of the run folder's and the checkpoints' names (in lower case there).
    NAME = None
    # Devices that share a batch. Only 1 works today; anything else is refused when the network is built.
    GPU_COUNT = 1
    # Images a device takes at once. About 2 fit on 12 GB at 1024 px.
    IMAGES_PER_GPU = 2
    # Training batches an epoch. An epoch ends with a checkpoint and a validation pass, so small values cost time.
    STEPS_PER_EPOCH = 1000
    # Validation batches at the end of every epoch, at most one pass of the data set. None: all of it. 0: no validation.
    VALIDATION_STEPS = 50
    # Seed of everything drawn at random: order of the images, sampling of anchors and rois, initial weights.
    SEED = 0
    # True: two runs give the same weights to the bit, and so does one that was stopped and resumed; somewhat slower. False: sums that threads add
    # in changing order differ in their last digits.
    DETERMINISTIC = False
    # Checkpoints of a run to keep, the newest. None: all.
    KEEP_LAST = None
    # With KEEP_LAST: figure whose best epoch is kept besides, "val_loss" or "val_mean_average_precision" say. None: none.
    KEEP_BEST = None
    # Seconds after the first call of train or fit_stages at which the process must be gone (a Kaggle or Colab wall): training saves and leaves
    # before. None: never.
    TIME_LIMIT = None

    # --- Network -------------------------------------------------------------------------------------------------------
    # "resnet50", "resnet101", or a callable (input_image, stage5=True, train_bn=None) -> [C1, C2, C3, C4, C5].
    BACKBONE = "resnet101"
    # With a callable BACKBONE: image_shape -> [5, (height, width)] of P2…P6. None: ceil(size / stride) for BACKBONE_STRIDES.
    COMPUTE_BACKBONE_SHAPE = None
    # Strides of P2…P6 in pixels.
    BACKBONE_STRIDES = [4, 8, 16, 32, 64]
    # Width of the two fully connected layers of the class and box head.
    FPN_CLASSIF_FC_LAYERS_SIZE = 1024
    # Channels of the feature pyramid.
    TOP_DOWN_PYRAMID_SIZE = 256
    # Classes, background (0) included.
    NUM_CLASSES = 1
    # BatchNorm: False keeps the stored statistics (right for small batches and pretrained weights); True or None uses each batch's while
    # training (needed from scratch) and the stored ones in validation and detection.
    TRAIN_BN = False
    # Normalisation in the ResNet and in the heads (a BACKBONE of your own has its own): "batch", the original's and what published weights were
    # trained with; "group", GroupNorm, also after the pyramid's convolutions, for training from scratch with few images a batch: TRAIN_BN does
    # nothing then, and files of the two kinds don't fit each other; "sync_batch", BatchNorm with the statistics of all devices' batches (the
    # same as "batch" on one device; TensorFlow only; the same files).
    NORM = "batch"
    # Where BatchNorm always uses its stored statistics (detection; training with TRAIN_BN = False), the convolution before it does its work too:
    # the same result but for the rounding of floats, in less time and memory. False: each layer by itself.
    FOLD_BATCH_NORM = True
    # "float32", or "mixed_bfloat16": weights, boxes, scores and losses in float32, convolutions in bfloat16; about twice as fast on processors that
    # know it (avx512_bf16, amx_bf16, recent GPUs), slower on others. "mixed_float16" likewise, for GPUs before them: training then searches for the
    # largest factor of the loss whose gradients float16 can hold. None: Keras' own setting (keras.config.set_dtype_policy), which is float32.
    PRECISION = None

    # --- Region proposals ----------------------------------------------------------------------------------------------
    # Side of a square anchor in pixels, one for each of P2…P6.
    RPN_ANCHOR_SCALES = (32, 64, 128, 256, 512)
    # Width / height of the anchors at each cell.
    RPN_ANCHOR_RATIOS = [0.5, 1, 2]
    # 1: anchors at each cell of the feature map; 2: at every second one.
    RPN_ANCHOR_STRIDE = 1
    # Proposals that overlap a better one by more than this are dropped. Higher: more proposals.
    RPN_NMS_THRESHOLD = 0.7
    # Anchors an image that train the RPN, at most half of them positive.
    RPN_TRAIN_ANCHORS_PER_IMAGE = 256
    # Focal loss (Lin et al. 2017) in place of the cross entropy of rpn_class_loss: its exponent, 2 in the paper, and the factor of the positives (1 -
    # factor for negatives), 0.25 there. All anchors then train, not a sample: at most RPN_TRAIN_ANCHORS_PER_IMAGE positives and every negative;
    # the sum is divided by the number of positives. None or 0: cross entropy of the sample, as the original.
    RPN_FOCAL_GAMMA = None
    RPN_FOCAL_ALPHA = None
    # Best anchors by score that enter non-maximum suppression.
    PRE_NMS_LIMIT = 6000
    # Proposals kept after it, in training and in detection.
    POST_NMS_ROIS_TRAINING = 2000
    POST_NMS_ROIS_INFERENCE = 1000
    # Divisors of the box deltas (dy, dx, log dh, log dw) of the RPN and of the box head.
    RPN_BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])
    BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])
    # False: the heads train on the rois fed by the generator in place of the RPN's.
    USE_RPN_ROIS = True

    # --- Images and masks ----------------------------------------------------------------------------------------------
    # square: scale to IMAGE_MIN_DIM…IMAGE_MAX_DIM, pad to a square. pad64: scale by IMAGE_MIN_DIM, pad to multiples of 64. none: as it is
    # (sides must be multiples of 64). crop: scale by IMAGE_MIN_DIM, then a random square of that side (training only).
    IMAGE_RESIZE_MODE = "square"
    IMAGE_MIN_DIM = 800
    IMAGE_MAX_DIM = 1024
    # Least factor of scaling, applied before the limits above. 0: none.
    IMAGE_MIN_SCALE = 0
    # Channels of the input. MEAN_PIXEL must have as many entries.
    IMAGE_CHANNEL_COUNT = 3
    # Subtracted from each pixel, RGB.
    MEAN_PIXEL = np.array([123.7, 116.8, 103.9])
    # Store training masks as MINI_MASK_SHAPE (height, width) crops of their boxes: little memory, slightly coarser edges.
    USE_MINI_MASK = True
    MINI_MASK_SHAPE = (56, 56)
    # Instances of an image that training uses; of more, a random subset.
    MAX_GT_INSTANCES = 100
    # Classes on a smaller share of the images than this are shown more often, by its square root (LVIS: 0.001). None: each image once a pass.
    REPEAT_THRESHOLD = None
    # Largest share of images without instances among those of a pass; of more, each pass takes a random part. None: all, as they come.
    EMPTY_IMAGES_RATIO = None

    # --- Loading -------------------------------------------------------------------------------------------------------
    # Workers that load batches while the network computes. 0: none, each batch is loaded when it is asked for. What training gets is the same.
    LOADER_WORKERS = 1
    # False: threads. True: processes (spawn), for a load_image or load_mask that is slow in Python itself; each holds a copy of the data set, whose
    # class must be at the top level of a module.
    LOADER_PROCESSES = False
    # Batches that are loaded ahead at most: their memory.
    LOADER_QUEUE = 4
    # Seconds after which a batch that training waits for is reported, with its images and where the worker is. It goes on waiting.
    LOADER_TIMEOUT = 45

    # --- Heads ---------------------------------------------------------------------------------------------------------
    # Rois an image that train the heads, at most ROI_POSITIVE_RATIO of them positive.
    TRAIN_ROIS_PER_IMAGE = 200
    ROI_POSITIVE_RATIO = 0.33
    # Side of the features cut out for the class and box head, and for the mask head.
    POOL_SIZE = 7
    MASK_POOL_SIZE = 14
    # Output of the mask head, height and width: twice MASK_POOL_SIZE.
    MASK_SHAPE = [28, 28]
    # Attributes that a head of its own says of each detection, any number of them at once ("striped", "long"): as many as the data set's
    # attribute_names. Its loss is LOSS_WEIGHTS["mrcnn_attribute_loss"], 1 if absent. 0: no such head, the original's network.
    NUM_ATTRIBUTES = 0

    # --- Detection -----------------------------------------------------------------------------------------------------
    DETECTION_MAX_INSTANCES = 100
    # Detections below this score are dropped. 0 keeps all.
    DETECTION_MIN_CONFIDENCE = 0.7
    # Detections of one class that overlap a better one by more than this are dropped.
    DETECTION_NMS_THRESHOLD = 0.3
    # What becomes of a detection that overlaps a better one: "hard", dropped above DETECTION_NMS_THRESHOLD; "linear", its score times 1 - IoU from
    # DETECTION_NMS_THRESHOLD on; "gaussian", its score times exp(-IoU^2 / DETECTION_SOFT_NMS_SIGMA), whatever the IoU. The two soft ones keep
    # neighbours that hide one another; DETECTION_MIN_CONFIDENCE then cuts the lowered scores, and 0.7 is too much for most of them.
    DETECTION_NMS_METHOD = "hard"
    # Width of "gaussian"; 0.5 is the paper's. Smaller: harder.
    DETECTION_SOFT_NMS_SIGMA = 0.5
    # False: detections of different classes suppress one another too, for one class an object.
    DETECTION_NMS_PER_CLASS = True
    # With NUM_ATTRIBUTES: an attribute is said of a detection, and written into a submission, from this probability on.
    ATTRIBUTE_MIN_CONFIDENCE = 0.5

    # --- Optimisation --------------------------------------------------------------------------------------------------
    LEARNING_RATE = 0.001
    LEARNING_MOMENTUM = 0.9
    # "sgd", as the original; "adamw" learns faster from scratch (LEARNING_MOMENTUM is SGD's alone).
    OPTIMIZER = "sgd"
    # Weight decay. SGD: the loss gains half this times the sum of the squared weights (BatchNorm's excluded). AdamW: decoupled from the loss, and
    # biases are excluded too; 0.01 to 0.05 are usual there.
    WEIGHT_DECAY = 0.0001
    # Factors of the five losses.
    LOSS_WEIGHTS = {name: 1.0 for name in LOSS_NAMES}
    # Whether weight decay takes biases too. None: as the original for "sgd" (it does), as usual for "adamw" (it doesn't).
    WEIGHT_DECAY_BIASES = None
    # Weights of the classes in the class loss, against imbalance: None, all the same; NUM_CLASSES numbers, background first; or {class id: weight},
    # 1 for the others. The loss is the weighted mean, sum(w * loss) / sum(w): only ratios matter. mrcnn.data.class_weights.from_counts makes them.
    CLASS_WEIGHTS = None
    # The gradient of all weights together is scaled down to this norm.
    GRADIENT_CLIP_NORM = 5.0
    # Batches whose gradients are averaged for one update: 8 of 2 images do what one of 16 does, in the memory of 2. STEPS_PER_EPOCH and schedules
    # of the learning rate go on counting batches. 1: each batch is an update.
    GRADIENT_ACCUMULATION = 1
    # Share that a moving average of the weights keeps at each update, 0.999 say, less in the first updates; saved as <run>/ema/ema_<name>_<epoch>.h5
    # and measured by the mAP callback too, as val_map_ema. None: no average.
    EMA_DECAY = None
    # A batch whose loss or gradient is not finite never changes the weights. "stop" ends the training there and names step, losses and images;
    # "skip" logs the same, goes on with the next batch, and stops after 10 in a row.
    ON_NON_FINITE = "stop"

    # --- Defects of the original, corrected by default (docs/compatibility.md; the comment ends with the original's value) -----------
    # RoIAlign samples: "crop_and_resize" one corner-aligned sample a bin, what published weights were trained with ("crop_and_resize").
    ROI_ALIGN = "crop_and_resize"
    # Images without instances train the RPN and the class head as negatives, instead of being skipped (False).
    TRAIN_EMPTY_IMAGES = True
    # An anchor made positive for a box that no other anchor fits regresses to that box, not to the one it overlaps most (False).
    RPN_FORCED_MATCH_OWN_BOX = True
    # A box that overlaps no anchor makes no anchor positive, instead of all that overlap nothing (False).
    RPN_IGNORE_ZERO_OVERLAP = True
    # Negative rois fill what positives leave of TRAIN_ROIS_PER_IMAGE, instead of being limited to (1 / ratio - 1) per positive, which
    # leaves none where there is no positive (False).
    ROI_NEGATIVES_FILL = True
    # No gradient flows from the heads' box targets back into the proposals (False).
    STOP_TARGET_GRADIENT = True
    # Padding rows of the rois don't count as background in the class loss (False).
    CLASS_LOSS_IGNORES_PADDING = True
    # Each image's own active classes limit its class loss, instead of those of the first image of the batch (False).
    ACTIVE_CLASSES_PER_IMAGE = True
    # Anchors and rois half of whose own area lies in a crowd are no negatives, as COCO's evaluation leaves detections there alone ("ioa"), instead of
    # those whose IoU with its box is 0.001 or more: a small one inside a large crowd would be a negative, a large one beside it none ("iou").
    CROWD_OVERLAP = "ioa"
    # Largest log(height ratio) and log(width ratio) a box delta may ask for, so that exp stays finite (None).
    BOX_DELTA_MAX_LOG = math.log(1000.0 / 16.0)
    # The original's L2 term: WEIGHT_DECAY * mean of the squares of each weight, which hardly decays anything (True).
    WEIGHT_DECAY_DIVIDED_BY_SIZE = False

    def __init__(self):
        for name in self._names():
            value = getattr(type(self), name, None)
            if isinstance(value, (dict, list, np.ndarray)):
                self.__dict__[name] = copy.deepcopy(value)  # a change on this instance stays on this instance
        for name in dir(type(self)):
            self._warn_of_near_miss(name)

    # --- Derived: computed when read, settable ---------------------------------------------------------------------------

    @property
    def BATCH_SIZE(self) -> int:  # noqa: N802 (historic name)
        """Images of one step: IMAGES_PER_GPU * GPU_COUNT."""
        return self.__dict__.get("BATCH_SIZE", self.IMAGES_PER_GPU * self.GPU_COUNT)

    @BATCH_SIZE.setter
    def BATCH_SIZE(self, value: int) -> None:  # noqa: N802
        self.__dict__["BATCH_SIZE"] = value

    @property
    def IMAGE_SHAPE(self) -> np.ndarray:  # noqa: N802
        """[height, width, channels] of the molded image in modes square, crop and (by convention) none: [3] int."""
        side = self.IMAGE_MIN_DIM if self.IMAGE_RESIZE_MODE == "crop" else self.IMAGE_MAX_DIM
        return self.__dict__.get("IMAGE_SHAPE", np.array([side, side, self.IMAGE_CHANNEL_COUNT]))

    @IMAGE_SHAPE.setter
    def IMAGE_SHAPE(self, value: Any) -> None:  # noqa: N802
        self.__dict__["IMAGE_SHAPE"] = np.asarray(value)

    @property
    def IMAGE_META_SIZE(self) -> int:  # noqa: N802
        """Length of the image_meta vector: 12 + NUM_CLASSES."""
        return self.__dict__.get("IMAGE_META_SIZE", 1 + 3 + 3 + 4 + 1 + self.NUM_CLASSES)

    @IMAGE_META_SIZE.setter
    def IMAGE_META_SIZE(self, value: int) -> None:  # noqa: N802
        self.__dict__["IMAGE_META_SIZE"] = value

    # --- Use -------------------------------------------------------------------------------------------------------------

    def original_behaviour(self) -> "Config":
        """Set every defect switch to the original library's behaviour, for comparing numbers with it. Returns self."""
        for name, value in ORIGINAL_BEHAVIOUR.items():
            setattr(self, name, value)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes, own and inherited, known and unknown, in alphabetical order."""
        return {name: getattr(self, name) for name in sorted(self._names())}

    def display(self) -> None:
        """Print all attributes, one a line."""
        print("\nConfigurations:")
        for name, value in self.to_dict().items():
            print(f"{name:30} {value}")
        print("\n")

    def validate(self) -> None:
        """Refuse values with which no network can be built or trained.

        Raises:
            ValueError: names the attribute, its value, what is expected and what to set.
        """
        config_checks.check(self)

    def _names(self) -> set[str]:
        return {n for n in {*dir(type(self)), *self.__dict__} if not n.startswith("_") and (n.isupper() or not callable(getattr(self, n)))}

    def __setattr__(self, name: str, value: Any) -> None:
        self._warn_of_near_miss(name)
        super().__setattr__(name, value)

    def _warn_of_near_miss(self, name: str) -> None:
        if not name.isupper() or name in _KNOWN or name in _HISTORIC:
            return
        close = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.88)
        if close:
            warnings.warn(
                f"{type(self).__name__}.{name} is not a parameter of mrcnn; did you mean {close[0]}? It is kept, but nothing reads it.",
                UserWarning,
                stacklevel=3,
            )


_KNOWN = sorted(name for name in vars(Config) if name.isupper())


def read_setting(text: str) -> tuple[str, Any]:
    """Read a parameter from a command line: "NAME=VALUE".

    Args:
        text: The value is Python's notation of a number, text, tuple, list, dict, bool or None; anything else is taken as text.

    Returns:
        Name and value; the value is not checked, see `Config.validate`.

    Raises:
        ValueError: the form is another, or Config has no such parameter; says what to write.

    >>> read_setting("RPN_ANCHOR_SCALES=(16,32,64,128,256)")
    ('RPN_ANCHOR_SCALES', (16, 32, 64, 128, 256))
    >>> read_setting("OPTIMIZER=adamw")
    ('OPTIMIZER', 'adamw')
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not value:
        raise ValueError(f"{text!r}: write NAME=VALUE, such as OPTIMIZER=adamw")
    if name not in _KNOWN:
        close = difflib.get_close_matches(name.upper(), _KNOWN, 3)
        raise ValueError(f"{name!r} is no parameter of Config" + (f"; there is {', '.join(close)}" if close else ""))
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
