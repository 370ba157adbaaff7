"""What a Config must satisfy before a network is built from it."""

import inspect
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mrcnn.config import Config

LOSS_NAMES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")
ATTRIBUTE_LOSS = "mrcnn_attribute_loss"
RESIZE_MODES = ("square", "pad64", "none", "crop")
BACKBONES = ("resnet50", "resnet101")
OPTIMIZERS = ("sgd", "adamw")
NORMS = ("batch", "group", "sync_batch")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
NON_FINITE = ("stop", "skip")
NMS_METHODS = ("hard", "linear", "gaussian")
# Switches whose readers ask for true or false only. A text from a command line, "no" or "false", would be true.
SWITCHES = (
    "USE_RPN_ROIS", "USE_MINI_MASK", "TRAIN_EMPTY_IMAGES", "RPN_FORCED_MATCH_OWN_BOX", "RPN_IGNORE_ZERO_OVERLAP", "ROI_NEGATIVES_FILL",
    "STOP_TARGET_GRADIENT", "CLASS_LOSS_IGNORES_PADDING", "ACTIVE_CLASSES_PER_IMAGE", "WEIGHT_DECAY_DIVIDED_BY_SIZE",
)  # fmt: skip


def check(config: "Config") -> None:
    """Raise ValueError for the first impossible value, naming it, what is expected and what to set."""
    _check_identity(config)
    _check_switches(config)
    _check_image_size(config)
    _check_anchors(config)
    _check_counts(config)
    _check_fractions(config)
    _check_suppression(config)
    _check_masks(config)
    _check_losses(config)
    _check_updates(config)
    _check_loader(config)


def _refuse(config: "Config", name: str, expected: str, remedy: str = "") -> None:
    message = f"{type(config).__name__}.{name} = {getattr(config, name)!r}: {expected}."
    raise ValueError(f"{message} {remedy}".rstrip())


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and math.isfinite(value)


def _is_word(value: Any, words: tuple[str, ...]) -> bool:
    """Whether it is one of the words; comparing an array with them would end in NumPy's error."""
    return isinstance(value, str) and value in words


def _numbers(config: "Config", name: str, expected: str, remedy: str = "") -> np.ndarray:
    """Value as a float array; refused if it isn't made of finite numbers."""
    try:
        values = np.asarray(getattr(config, name), dtype=float)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        _refuse(config, name, expected, remedy)
    return values


def _check_identity(config: "Config") -> None:
    if not isinstance(config.NAME, str) or not config.NAME.strip():
        _refuse(config, "NAME", "a name for the experiment is expected", 'Set NAME = "fashion", say: run folders and checkpoints carry it.')
    if any(c in config.NAME for c in '/\\:*?"<>|'):
        _refuse(config, "NAME", "it becomes part of file names and must not contain / \\ : * ? \" < > |")
    if not _is_whole(config.NUM_CLASSES) or config.NUM_CLASSES < 2:
        _refuse(config, "NUM_CLASSES", "at least 2 are expected, background included", "Set NUM_CLASSES = 1 + the number of your classes.")
    if not _is_number(config.GPU_COUNT) or config.GPU_COUNT != 1:
        _refuse(config, "GPU_COUNT", "training on several devices is not supported yet", "Set GPU_COUNT = 1 and IMAGES_PER_GPU to the batch size.")
    if not callable(config.BACKBONE):
        if not _is_word(config.BACKBONE, BACKBONES):
            _refuse(config, "BACKBONE", f"one of {', '.join(BACKBONES)} or a callable (input_image, stage5, train_bn) -> [C1…C5] is expected")
    if config.COMPUTE_BACKBONE_SHAPE is not None and not callable(config.COMPUTE_BACKBONE_SHAPE):
        _refuse(config, "COMPUTE_BACKBONE_SHAPE", "None or a callable image_shape -> [5, 2] is expected")
    _check_no_method(config, "BACKBONE", None, stage5=True, train_bn=None)
    _check_no_method(config, "COMPUTE_BACKBONE_SHAPE", None)
    if config.TRAIN_BN is not None and not isinstance(config.TRAIN_BN, bool):  # 0 would not be the False that build asks for
        _refuse(config, "TRAIN_BN", "None, False or True is expected")
    if not _is_word(config.NORM, NORMS):
        _refuse(config, "NORM", f"one of {', '.join(NORMS)} is expected")
    if not isinstance(config.FOLD_BATCH_NORM, bool):
        _refuse(config, "FOLD_BATCH_NORM", "True or False is expected")
    if config.PRECISION is not None and not _is_word(config.PRECISION, PRECISIONS):
        _refuse(config, "PRECISION", f"None or one of {', '.join(PRECISIONS)} is expected")


def _check_no_method(config: "Config", name: str, *arguments: Any, **named: Any) -> None:
    """Refuse a function that its place in the class body has made a method: it would get the configuration as its first argument."""
    function = getattr(config, name)
    if not inspect.ismethod(function) or function.__self__ is not config:
        return
    try:
        inspect.signature(function).bind(*arguments, **named)
    except TypeError as error:
        remedy = f"Write {name} = staticmethod({function.__func__.__name__}), or set it in __init__."
        _refuse(config, name, f"in a class body a function gets the configuration as its first argument ({error})", remedy)


def _check_switches(config: "Config") -> None:
    for name in SWITCHES:
        value = getattr(config, name)
        if not isinstance(value, (bool, np.bool_)) and not (_is_whole(value) and value in (0, 1)):
            _refuse(config, name, "True or False is expected")


def _check_image_size(config: "Config") -> None:
    if not _is_whole(config.IMAGE_CHANNEL_COUNT) or config.IMAGE_CHANNEL_COUNT < 1:
        _refuse(config, "IMAGE_CHANNEL_COUNT", "a whole number of at least 1 is expected")
    mode = config.IMAGE_RESIZE_MODE
    if not _is_word(mode, RESIZE_MODES):
        _refuse(config, "IMAGE_RESIZE_MODE", f"one of {', '.join(RESIZE_MODES)} is expected")
    names = {"square": ("IMAGE_MAX_DIM",), "crop": ("IMAGE_MIN_DIM",), "pad64": ("IMAGE_MIN_DIM",), "none": ("IMAGE_MAX_DIM",)}[mode]
    for name in names:
        value = getattr(config, name)
        if not _is_whole(value) or value < 64 or value % 64:
            below = max(64, int(float(value)) // 64 * 64) if _is_number(value) or str(value).isdigit() else 512
            _refuse(
                config, name, f"a multiple of 64 is expected in resize mode {mode!r}, since the pyramid halves the image six times",
                f"Set {below} or {below + 64}.",
            )  # fmt: skip
    if config.IMAGE_MIN_DIM is not None and (not _is_whole(config.IMAGE_MIN_DIM) or config.IMAGE_MIN_DIM < 0):
        _refuse(config, "IMAGE_MIN_DIM", "a whole number of pixels, or None, is expected")
    shape = np.asarray(config.IMAGE_SHAPE)
    if shape.shape != (3,) or shape[2] != config.IMAGE_CHANNEL_COUNT or (mode != "pad64" and (shape[:2] % 64).any()):
        _refuse(config, "IMAGE_SHAPE", "[height, width, IMAGE_CHANNEL_COUNT] with height and width multiples of 64 is expected")
    if _numbers(config, "MEAN_PIXEL", "numbers, one a channel, are expected").shape not in ((config.IMAGE_CHANNEL_COUNT,), ()):
        _refuse(
            config, "MEAN_PIXEL", f"{config.IMAGE_CHANNEL_COUNT} values are expected, one a channel (IMAGE_CHANNEL_COUNT)",
            "Set as many values as the images have channels.",
        )  # fmt: skip


def _check_anchors(config: "Config") -> None:
    strides = _numbers(config, "BACKBONE_STRIDES", "five rising whole numbers are expected", "Set [4, 8, 16, 32, 64].").ravel()
    scales = _numbers(config, "RPN_ANCHOR_SCALES", "five positive numbers are expected", "Set (32, 64, 128, 256, 512), say.")
    strides = [int(s) if s == int(s) else float(s) for s in strides]
    if len(strides) != 5 or any(not _is_whole(s) or s < 1 for s in strides) or sorted(set(strides)) != strides:
        _refuse(config, "BACKBONE_STRIDES", "five rising whole numbers are expected, the strides of P2…P6", "Set [4, 8, 16, 32, 64].")
    if scales.ndim != 1 or len(scales) != len(strides) or not (scales.astype(float) > 0).all():
        _refuse(
            config, "RPN_ANCHOR_SCALES", f"one positive scale for each of the {len(strides)} strides {strides} (P2…P6) is expected",
            "Set RPN_ANCHOR_SCALES = (32, 64, 128, 256, 512), say.",
        )  # fmt: skip
    ratios = _numbers(config, "RPN_ANCHOR_RATIOS", "a list of positive width / height ratios is expected", "Set [0.5, 1, 2], say.")
    if ratios.ndim != 1 or not len(ratios) or not (ratios > 0).all():
        _refuse(config, "RPN_ANCHOR_RATIOS", "a list of positive width / height ratios is expected", "Set [0.5, 1, 2], say.")
    if not _is_number(config.RPN_ANCHOR_STRIDE) or config.RPN_ANCHOR_STRIDE not in (1, 2, 4):
        _refuse(config, "RPN_ANCHOR_STRIDE", "1, 2 or 4 is expected (2: anchors at every second cell)", "Set 1.")
    for name in ("RPN_BBOX_STD_DEV", "BBOX_STD_DEV"):
        std_dev = _numbers(config, name, "four positive numbers (dy, dx, log dh, log dw) are expected")
        if std_dev.shape != (4,) or not (std_dev > 0).all():
            _refuse(config, name, "four positive numbers (dy, dx, log dh, log dw) are expected", "Set np.array([0.1, 0.1, 0.2, 0.2]).")


def _check_counts(config: "Config") -> None:
    counts = (
        "IMAGES_PER_GPU", "STEPS_PER_EPOCH", "FPN_CLASSIF_FC_LAYERS_SIZE", "TOP_DOWN_PYRAMID_SIZE", "RPN_TRAIN_ANCHORS_PER_IMAGE",
        "PRE_NMS_LIMIT", "POST_NMS_ROIS_TRAINING", "POST_NMS_ROIS_INFERENCE", "MAX_GT_INSTANCES", "TRAIN_ROIS_PER_IMAGE", "POOL_SIZE",
        "MASK_POOL_SIZE", "DETECTION_MAX_INSTANCES",
    )  # fmt: skip
    for name in counts:
        value = getattr(config, name)
        if not _is_whole(value) or value < 1:
            _refuse(config, name, "a whole number of at least 1 is expected")
    if not _is_whole(config.BATCH_SIZE) or config.BATCH_SIZE < 1:
        _refuse(config, "BATCH_SIZE", "a whole number of at least 1 is expected", "Leave it to IMAGES_PER_GPU.")
    if not _is_whole(config.NUM_ATTRIBUTES) or config.NUM_ATTRIBUTES < 0:
        _refuse(config, "NUM_ATTRIBUTES", "a whole number of at least 0 is expected (0: no attribute head)")
    if config.IMAGE_META_SIZE != 12 + config.NUM_CLASSES:
        _refuse(config, "IMAGE_META_SIZE", f"12 + NUM_CLASSES = {12 + config.NUM_CLASSES} is expected", "Leave it to NUM_CLASSES.")
    if config.VALIDATION_STEPS is not None and (not _is_whole(config.VALIDATION_STEPS) or config.VALIDATION_STEPS < 0):
        _refuse(config, "VALIDATION_STEPS", "a whole number of at least 0 is expected (0: no validation), or None for the whole data set")
    if not isinstance(config.DETERMINISTIC, bool):
        _refuse(config, "DETERMINISTIC", "True or False is expected")
    if config.KEEP_LAST is not None and (not _is_whole(config.KEEP_LAST) or config.KEEP_LAST < 1):
        _refuse(config, "KEEP_LAST", "a whole number of at least 1, or None for all, is expected")
    if config.KEEP_BEST is not None and (not isinstance(config.KEEP_BEST, str) or config.KEEP_LAST is None):
        remedy = 'Set KEEP_LAST = 1, KEEP_BEST = "val_loss", say.'
        _refuse(config, "KEEP_BEST", "the name of a figure, with KEEP_LAST set, or None is expected", remedy)
    if config.TIME_LIMIT is not None and (not _is_number(config.TIME_LIMIT) or config.TIME_LIMIT <= 0):
        _refuse(config, "TIME_LIMIT", "a number of seconds above 0, or None, is expected", "Set 8 * 3600 for eight hours.")
    if not _is_whole(config.SEED) or config.SEED < 0:
        _refuse(config, "SEED", "a whole number of at least 0 is expected")


def _check_fractions(config: "Config") -> None:
    for name in ("RPN_NMS_THRESHOLD", "DETECTION_NMS_THRESHOLD", "DETECTION_MIN_CONFIDENCE"):
        value = getattr(config, name)
        if value is None and name == "DETECTION_MIN_CONFIDENCE":
            continue
        if not _is_number(value) or not 0 <= value <= 1:
            _refuse(config, name, "a number from 0 to 1 is expected")
    if not _is_number(config.ATTRIBUTE_MIN_CONFIDENCE) or not 0 < config.ATTRIBUTE_MIN_CONFIDENCE < 1:
        _refuse(config, "ATTRIBUTE_MIN_CONFIDENCE", "a number between 0 and 1 is expected", "Set 0.5.")
    if not _is_number(config.ROI_POSITIVE_RATIO) or not 0 < config.ROI_POSITIVE_RATIO <= 1:
        _refuse(config, "ROI_POSITIVE_RATIO", "a ratio above 0 and at most 1 is expected", "Set 0.33.")
    if int(config.TRAIN_ROIS_PER_IMAGE * config.ROI_POSITIVE_RATIO) < 1:
        _refuse(
            config, "TRAIN_ROIS_PER_IMAGE", f"times ROI_POSITIVE_RATIO = {config.ROI_POSITIVE_RATIO} it leaves no room for a positive roi",
            "Raise one of the two until their product is at least 1.",
        )  # fmt: skip
    for name in ("LEARNING_RATE", "LEARNING_MOMENTUM", "WEIGHT_DECAY", "IMAGE_MIN_SCALE"):
        value = getattr(config, name)
        if (value is None and name == "IMAGE_MIN_SCALE") or (_is_number(value) and value >= 0):
            continue
        _refuse(config, name, "a number of at least 0 is expected")
    if config.GRADIENT_CLIP_NORM is not None and not (_is_number(config.GRADIENT_CLIP_NORM) and config.GRADIENT_CLIP_NORM > 0):
        _refuse(config, "GRADIENT_CLIP_NORM", "a positive number, or None for no clipping, is expected")
    _check_balance(config)
    if config.BOX_DELTA_MAX_LOG is not None and not (_is_number(config.BOX_DELTA_MAX_LOG) and config.BOX_DELTA_MAX_LOG > 0):
        _refuse(config, "BOX_DELTA_MAX_LOG", "a positive number, or None for no limit, is expected")


def _check_suppression(config: "Config") -> None:
    if not _is_word(config.DETECTION_NMS_METHOD, NMS_METHODS):
        _refuse(config, "DETECTION_NMS_METHOD", f"one of {', '.join(NMS_METHODS)} is expected")
    if not _is_number(config.DETECTION_SOFT_NMS_SIGMA) or config.DETECTION_SOFT_NMS_SIGMA <= 0:
        _refuse(config, "DETECTION_SOFT_NMS_SIGMA", "a number above 0 is expected", "Set 0.5, the paper's.")
    if not isinstance(config.DETECTION_NMS_PER_CLASS, bool):
        _refuse(config, "DETECTION_NMS_PER_CLASS", "True or False is expected")


def _check_balance(config: "Config") -> None:
    threshold, ratio = config.REPEAT_THRESHOLD, config.EMPTY_IMAGES_RATIO
    if threshold is not None and not (_is_number(threshold) and 0 < threshold <= 1):
        _refuse(config, "REPEAT_THRESHOLD", "a share of the images, above 0 and at most 1, or None is expected", "Set 0.001, say.")
    if ratio is not None and not (_is_number(ratio) and 0 <= ratio < 1):
        _refuse(config, "EMPTY_IMAGES_RATIO", "a share of the images, from 0 to below 1, or None for all is expected", "Set 0.1, say.")
    if ratio and not config.TRAIN_EMPTY_IMAGES:
        _refuse(config, "EMPTY_IMAGES_RATIO", "TRAIN_EMPTY_IMAGES is False, so no image without instances is shown", "Set one of the two.")


def _check_masks(config: "Config") -> None:
    shape = _numbers(config, "MASK_SHAPE", "[height, width] is expected").ravel()
    if tuple(shape) != (2 * config.MASK_POOL_SIZE, 2 * config.MASK_POOL_SIZE):
        side = 2 * config.MASK_POOL_SIZE
        _refuse(
            config, "MASK_SHAPE", f"the mask head doubles MASK_POOL_SIZE = {config.MASK_POOL_SIZE}, so [{side}, {side}] is expected",
            f"Set MASK_SHAPE = [{side}, {side}] or MASK_POOL_SIZE to half of it.",
        )  # fmt: skip
    mini = _numbers(config, "MINI_MASK_SHAPE", "(height, width) in whole pixels is expected", "Set (56, 56).") if config.USE_MINI_MASK else ()
    if config.USE_MINI_MASK and (mini.shape != (2,) or (mini < 1).any() or (mini != mini.astype(int)).any()):
        _refuse(config, "MINI_MASK_SHAPE", "(height, width) in whole pixels is expected", "Set (56, 56).")
    if not _is_word(config.CROWD_OVERLAP, ("ioa", "iou")):
        _refuse(config, "CROWD_OVERLAP", "'ioa' or 'iou' is expected")
    if not _is_word(config.ROI_ALIGN, ("crop_and_resize", "aligned")):
        _refuse(config, "ROI_ALIGN", "'crop_and_resize' or 'aligned' is expected")


def _check_losses(config: "Config") -> None:
    if not _is_word(config.OPTIMIZER, OPTIMIZERS):
        _refuse(config, "OPTIMIZER", f"one of {', '.join(OPTIMIZERS)} is expected")
    weights = config.LOSS_WEIGHTS
    unknown = sorted(set(weights) - {*LOSS_NAMES, ATTRIBUTE_LOSS}) if isinstance(weights, dict) else None
    if unknown is None or unknown:
        _refuse(config, "LOSS_WEIGHTS", f"a dict with keys among {', '.join(LOSS_NAMES)} is expected")
    if ATTRIBUTE_LOSS in weights and not config.NUM_ATTRIBUTES:
        _refuse(config, "LOSS_WEIGHTS", f"{ATTRIBUTE_LOSS} belongs to the attribute head, but NUM_ATTRIBUTES is 0", "Set NUM_ATTRIBUTES.")
    for name, value in weights.items():
        if not _is_number(value) or value < 0:
            _refuse(config, "LOSS_WEIGHTS", f"{name} must be a number of at least 0")
    _check_focal(config)
    _check_class_weights(config)


def _check_focal(config: "Config") -> None:
    gamma, alpha = config.RPN_FOCAL_GAMMA, config.RPN_FOCAL_ALPHA
    if gamma is not None and not (_is_number(gamma) and gamma >= 0):
        _refuse(config, "RPN_FOCAL_GAMMA", "None or a number of at least 0 is expected", "Set 2.0, the paper's.")
    if alpha is not None and not (_is_number(alpha) and 0 < alpha < 1):
        _refuse(config, "RPN_FOCAL_ALPHA", "None or a number between 0 and 1 is expected", "Set 0.25, the paper's.")
    if alpha is not None and not gamma:
        _refuse(config, "RPN_FOCAL_ALPHA", f"it belongs to the focal loss, but RPN_FOCAL_GAMMA is {gamma!r}", "Set RPN_FOCAL_GAMMA = 2.0, say.")


def _check_class_weights(config: "Config") -> None:
    weights, count = config.CLASS_WEIGHTS, config.NUM_CLASSES
    if weights is None:
        return
    expected = f"None, {count} numbers (NUM_CLASSES, background first) or a dict {{class id: weight}} with ids below {count} is expected"
    if isinstance(weights, dict):
        if not all(_is_whole(key) and 0 <= key < count for key in weights):
            _refuse(config, "CLASS_WEIGHTS", expected)
        values = [*weights.values(), *([1.0] if len(weights) < count else [])]
    else:
        if isinstance(weights, str) or not hasattr(weights, "__len__") or len(weights) != count:
            _refuse(config, "CLASS_WEIGHTS", expected)
        values = list(weights)
    if not all(_is_number(value) and value >= 0 for value in values) or not any(value > 0 for value in values):
        _refuse(config, "CLASS_WEIGHTS", "numbers of at least 0, one of them above, are expected")


def _check_updates(config: "Config") -> None:
    if config.WEIGHT_DECAY_BIASES is not None and not isinstance(config.WEIGHT_DECAY_BIASES, bool):
        _refuse(config, "WEIGHT_DECAY_BIASES", "None, False or True is expected")
    if not _is_whole(config.GRADIENT_ACCUMULATION) or config.GRADIENT_ACCUMULATION < 1:
        _refuse(config, "GRADIENT_ACCUMULATION", "a whole number of at least 1 is expected (1: each batch is an update)")
    if config.EMA_DECAY is not None and not (_is_number(config.EMA_DECAY) and 0 < config.EMA_DECAY < 1):
        _refuse(config, "EMA_DECAY", "a number between 0 and 1, or None for no average, is expected", "Set 0.999, say.")
    if not _is_word(config.ON_NON_FINITE, NON_FINITE):
        _refuse(config, "ON_NON_FINITE", f"one of {', '.join(NON_FINITE)} is expected")


def _check_loader(config: "Config") -> None:
    if not _is_whole(config.LOADER_WORKERS) or config.LOADER_WORKERS < 0:
        _refuse(config, "LOADER_WORKERS", "a whole number of at least 0 is expected (0: no worker, 1: one)")
    if not isinstance(config.LOADER_PROCESSES, bool):
        _refuse(config, "LOADER_PROCESSES", "True or False is expected")
    if config.LOADER_PROCESSES and not config.LOADER_WORKERS:
        _refuse(config, "LOADER_PROCESSES", "LOADER_WORKERS is 0, so there are none", "Set LOADER_WORKERS = 2, say.")
    if not _is_whole(config.LOADER_QUEUE) or config.LOADER_QUEUE < 1:
        _refuse(config, "LOADER_QUEUE", "a whole number of at least 1 is expected")
    if not _is_number(config.LOADER_TIMEOUT) or config.LOADER_TIMEOUT <= 0:
        _refuse(config, "LOADER_TIMEOUT", "a number of seconds above 0 is expected", "Set 45, say.")
