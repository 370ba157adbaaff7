"""Config: defaults of the contract, derived values, the ways scripts subclass it, and warnings."""

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest

from mrcnn.config import ORIGINAL_BEHAVIOUR, Config, read_setting

# As ../shared/COMPATIBILITY.md lists them.
CONTRACT = {
    "NAME": None, "GPU_COUNT": 1, "IMAGES_PER_GPU": 2, "STEPS_PER_EPOCH": 1000, "VALIDATION_STEPS": 50, "BACKBONE": "resnet101",
    "COMPUTE_BACKBONE_SHAPE": None, "BACKBONE_STRIDES": [4, 8, 16, 32, 64], "FPN_CLASSIF_FC_LAYERS_SIZE": 1024, "TOP_DOWN_PYRAMID_SIZE": 256,
    "NUM_CLASSES": 1, "RPN_ANCHOR_SCALES": (32, 64, 128, 256, 512), "RPN_ANCHOR_RATIOS": [0.5, 1, 2], "RPN_ANCHOR_STRIDE": 1,
    "RPN_NMS_THRESHOLD": 0.7, "RPN_TRAIN_ANCHORS_PER_IMAGE": 256, "PRE_NMS_LIMIT": 6000, "POST_NMS_ROIS_TRAINING": 2000,
    "POST_NMS_ROIS_INFERENCE": 1000, "USE_MINI_MASK": True, "MINI_MASK_SHAPE": (56, 56), "IMAGE_RESIZE_MODE": "square", "IMAGE_MIN_DIM": 800,
    "IMAGE_MAX_DIM": 1024, "IMAGE_MIN_SCALE": 0, "IMAGE_CHANNEL_COUNT": 3, "TRAIN_ROIS_PER_IMAGE": 200, "ROI_POSITIVE_RATIO": 0.33,
    "POOL_SIZE": 7, "MASK_POOL_SIZE": 14, "MASK_SHAPE": [28, 28], "MAX_GT_INSTANCES": 100, "DETECTION_MAX_INSTANCES": 100,
    "DETECTION_MIN_CONFIDENCE": 0.7, "DETECTION_NMS_THRESHOLD": 0.3, "LEARNING_RATE": 0.001, "LEARNING_MOMENTUM": 0.9, "WEIGHT_DECAY": 0.0001,
    "LOSS_WEIGHTS": {
        "rpn_class_loss": 1.0, "rpn_bbox_loss": 1.0, "mrcnn_class_loss": 1.0, "mrcnn_bbox_loss": 1.0, "mrcnn_mask_loss": 1.0,
    },
    "USE_RPN_ROIS": True, "TRAIN_BN": False, "GRADIENT_CLIP_NORM": 5.0,
}  # fmt: skip
CONTRACT_ARRAYS = {"MEAN_PIXEL": [123.7, 116.8, 103.9], "RPN_BBOX_STD_DEV": [0.1, 0.1, 0.2, 0.2], "BBOX_STD_DEV": [0.1, 0.1, 0.2, 0.2]}
# Parameters that the original has not, and that correct nothing.
OWN = {
    "SEED", "OPTIMIZER", "FOLD_BATCH_NORM", "PRECISION", "DETERMINISTIC", "KEEP_LAST", "KEEP_BEST", "TIME_LIMIT",
    "WEIGHT_DECAY_BIASES", "GRADIENT_ACCUMULATION", "EMA_DECAY", "ON_NON_FINITE",
    "NORM", "CLASS_WEIGHTS", "RPN_FOCAL_GAMMA", "RPN_FOCAL_ALPHA", "REPEAT_THRESHOLD", "EMPTY_IMAGES_RATIO",
    "LOADER_WORKERS", "LOADER_PROCESSES", "LOADER_QUEUE", "LOADER_TIMEOUT", "NUM_ATTRIBUTES", "ATTRIBUTE_MIN_CONFIDENCE",
    "DETECTION_NMS_METHOD", "DETECTION_SOFT_NMS_SIGMA", "DETECTION_NMS_PER_CLASS",
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRACT)
def test_default_is_that_of_the_contract(name):
    value = getattr(Config, name)
    assert value == CONTRACT[name] and type(value) is type(CONTRACT[name])
    assert getattr(Config(), name) == CONTRACT[name]


@pytest.mark.parametrize("name", CONTRACT_ARRAYS)
def test_default_array_is_that_of_the_contract(name):
    assert isinstance(getattr(Config, name), np.ndarray)
    assert getattr(Config(), name).tolist() == CONTRACT_ARRAYS[name]


def test_every_parameter_beyond_the_contract_is_a_correction_or_listed():
    own = {name for name, value in vars(Config).items() if name.isupper() and not isinstance(value, property)}
    assert own == set(CONTRACT) | set(CONTRACT_ARRAYS) | set(ORIGINAL_BEHAVIOUR) | OWN


def test_corrections_are_on_by_default_and_original_behaviour_turns_all_off():
    config = Config()
    assert config.CROWD_OVERLAP == "ioa"
    assert config.ROI_ALIGN == "crop_and_resize"  # published weights need it
    assert config.BOX_DELTA_MAX_LOG == pytest.approx(math.log(62.5)) and config.WEIGHT_DECAY_DIVIDED_BY_SIZE is False
    on = set(ORIGINAL_BEHAVIOUR) - {"ROI_ALIGN", "CROWD_OVERLAP", "BOX_DELTA_MAX_LOG", "WEIGHT_DECAY_DIVIDED_BY_SIZE"}
    assert all(getattr(config, name) is True for name in on)
    assert config.original_behaviour() is config
    assert {name: getattr(config, name) for name in ORIGINAL_BEHAVIOUR} == ORIGINAL_BEHAVIOUR
    assert Config().ROI_NEGATIVES_FILL is True


class FashionConfig(Config):
    NAME = "fashion"
    NUM_CLASSES = 46 + 1
    IMAGES_PER_GPU = 4
    GPU_COUNT = 1
    IMAGE_MIN_DIM = 512
    IMAGE_MAX_DIM = 512
    IMAGE_RESIZE_MODE = "none"
    RPN_ANCHOR_SCALES = tuple(s // 2 for s in Config.RPN_ANCHOR_SCALES)
    STEPS_PER_EPOCH = 400 // IMAGES_PER_GPU


class InferenceConfig(FashionConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1


def test_derived_values_follow_when_read():
    config = FashionConfig()
    assert (config.BATCH_SIZE, config.IMAGE_META_SIZE, config.IMAGE_SHAPE.tolist()) == (4, 59, [512, 512, 3])
    config.IMAGES_PER_GPU, config.NUM_CLASSES, config.IMAGE_MAX_DIM, config.IMAGE_CHANNEL_COUNT = 3, 5, 640, 4
    assert (config.BATCH_SIZE, config.IMAGE_META_SIZE, config.IMAGE_SHAPE.tolist()) == (3, 17, [640, 640, 4])


def test_side_of_a_crop_is_the_lesser_one():
    config = Config()
    config.IMAGE_RESIZE_MODE, config.IMAGE_MIN_DIM = "crop", 256
    assert config.IMAGE_SHAPE.tolist() == [256, 256, 3]


def test_derived_values_can_be_set_on_the_instance_and_in_the_class():
    config = FashionConfig()
    config.BATCH_SIZE, config.IMAGE_META_SIZE, config.IMAGE_SHAPE = 7, 20, [64, 128, 3]
    assert (config.BATCH_SIZE, config.IMAGE_META_SIZE, config.IMAGE_SHAPE.tolist()) == (7, 20, [64, 128, 3])

    class Fixed(Config):
        BATCH_SIZE = 9
        IMAGE_SHAPE = np.array([128, 64, 3])

    assert Fixed().BATCH_SIZE == 9 and Fixed().IMAGE_SHAPE.tolist() == [128, 64, 3]


def test_subclass_of_a_subclass():
    config = InferenceConfig()
    assert (config.NAME, config.NUM_CLASSES, config.BATCH_SIZE, config.STEPS_PER_EPOCH) == ("fashion", 47, 1, 100)
    assert config.RPN_ANCHOR_SCALES == (16, 32, 64, 128, 256)


def test_subclass_with_an_init_of_its_own():
    class Computed(FashionConfig):
        def __init__(self, count):
            self.IMAGES_PER_GPU = count
            super().__init__()
            self.BACKBONE_SHAPES = np.array([[1, 1]])

    assert Computed(3).BATCH_SIZE == 3


def test_a_function_that_became_a_method_is_refused_and_a_method_is_not():
    class Plain(FashionConfig):
        BACKBONE = lambda image, stage5=True, train_bn=None: [image] * 5  # noqa: E731

    class Shapes(FashionConfig):
        def COMPUTE_BACKBONE_SHAPE(image_shape):  # noqa: N802
            return []

    class Method(FashionConfig):
        def BACKBONE(self, image, stage5=True, train_bn=None):  # noqa: N802
            return [image] * 5

    with pytest.raises(ValueError, match=r"Plain.BACKBONE = .*multiple values for argument 'stage5'.*Write BACKBONE = staticmethod\("):
        Plain().validate()
    with pytest.raises(ValueError, match="Shapes.COMPUTE_BACKBONE_SHAPE.*too many positional.*staticmethod"):
        Shapes().validate()
    Method().validate()


@pytest.mark.parametrize("name", ["LOSS_WEIGHTS", "MEAN_PIXEL", "BACKBONE_STRIDES", "RPN_ANCHOR_RATIOS", "MASK_SHAPE", "BBOX_STD_DEV"])
def test_mutable_values_are_not_shared_between_instances(name):
    first, second = Config(), Config()
    assert getattr(first, name) is not getattr(second, name) and getattr(first, name) is not getattr(Config, name)


def test_a_change_of_a_mutable_value_stays_on_its_instance():
    config = Config()
    config.LOSS_WEIGHTS["mrcnn_mask_loss"] = 9.0
    config.MEAN_PIXEL[0] = 0
    assert Config().LOSS_WEIGHTS["mrcnn_mask_loss"] == 1.0 and Config.MEAN_PIXEL[0] == 123.7


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("IMAGE_PER_GPU", "IMAGES_PER_GPU"), ("NUM_CLASS", "NUM_CLASSES"), ("STEPS_PER_EPOCHS", "STEPS_PER_EPOCH"),
        ("LEARNIN_RATE", "LEARNING_RATE"),
    ],
)  # fmt: skip
def test_near_miss_warns_with_the_right_name(wrong, right):
    with pytest.warns(UserWarning, match=rf"{wrong} is not a parameter of mrcnn; did you mean {right}\?"):
        type("MyConfig", (Config,), {wrong: 3})()
    config = Config()
    with pytest.warns(UserWarning, match=rf"did you mean {right}\?"):
        setattr(config, wrong, 3)
    assert getattr(config, wrong) == 3


def test_unknown_names_that_scripts_carry_earn_no_warning():
    names = ("IMAGE_PADDING", "BACKBONE_SHAPES", "RPN_TRAIN_ANCHORS", "EPOCHS", "NUM_CATS", "IMAGE_SIZE", "dataset_dir", "RESULTS_DIR")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = type("MyConfig", (Config,), {name: 1 for name in names})()
        for name in names:
            setattr(config, name, 2)


def test_to_dict_holds_every_attribute_and_no_method():
    class MyConfig(FashionConfig):
        IMAGE_PADDING = True

        def describe(self):
            return self.NAME

        @staticmethod
        def BACKBONE(input_image, stage5=True, train_bn=None):  # noqa: N802
            return []

    config = MyConfig()
    config.EXTRA = "x"
    values = config.to_dict()
    assert set(CONTRACT) | {"IMAGE_PADDING", "EXTRA", "BATCH_SIZE", "IMAGE_SHAPE", "IMAGE_META_SIZE", "ROI_ALIGN"} <= set(values)
    assert not {"describe", "validate", "to_dict", "display", "original_behaviour"} & set(values)
    assert list(values) == sorted(values)
    assert values["BATCH_SIZE"] == 4 and values["BACKBONE"] is MyConfig.BACKBONE


def test_display_prints_each_attribute(capsys):
    FashionConfig().display()
    lines = capsys.readouterr().out.splitlines()
    assert "Configurations:" in lines
    assert any(line.split() == ["NUM_CLASSES", "47"] for line in lines)
    assert any(line.split() == ["BATCH_SIZE", "4"] for line in lines)


def test_importing_it_loads_no_framework():
    code = "import sys, mrcnn.config; print([m for m in ('tensorflow', 'keras', 'jax', 'torch') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


REFUSED = [
    ({"NAME": None}, r"NAME = None.*Set NAME ="),
    ({"NAME": "a/b"}, r"NAME = 'a/b'.*must not contain"),
    ({"NUM_CLASSES": 1}, r"NUM_CLASSES = 1: at least 2.*Set NUM_CLASSES = 1 \+ the number of your classes"),
    ({"NUM_CLASSES": 2.0}, r"NUM_CLASSES = 2\.0"),
    ({"GPU_COUNT": 2}, r"GPU_COUNT = 2.*Set GPU_COUNT = 1"),
    ({"BACKBONE": "resnet52"}, r"BACKBONE = 'resnet52': one of resnet50, resnet101 or a callable"),
    ({"COMPUTE_BACKBONE_SHAPE": 3}, r"COMPUTE_BACKBONE_SHAPE = 3: None or a callable"),
    ({"TRAIN_BN": "no"}, r"TRAIN_BN = 'no': None, False or True"),
    ({"TRAIN_BN": 0}, r"TRAIN_BN = 0: None, False or True"),
    ({"NORM": "layer"}, r"NORM = 'layer': one of batch, group, sync_batch"),
    ({"IMAGE_RESIZE_MODE": "pad"}, r"IMAGE_RESIZE_MODE = 'pad': one of square, pad64, none, crop"),
    ({"IMAGE_MAX_DIM": 1000}, r"IMAGE_MAX_DIM = 1000: a multiple of 64.*Set 960 or 1024"),
    ({"IMAGE_MAX_DIM": 30}, r"IMAGE_MAX_DIM = 30.*Set 64 or 128"),
    ({"IMAGE_MAX_DIM": "512"}, r"IMAGE_MAX_DIM = '512'"),
    ({"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 500}, r"IMAGE_MIN_DIM = 500: a multiple of 64.*'crop'.*Set 448 or 512"),
    ({"IMAGE_RESIZE_MODE": "pad64", "IMAGE_MIN_DIM": 500}, r"IMAGE_MIN_DIM = 500: a multiple of 64"),
    ({"IMAGE_SHAPE": np.array([100, 128, 3])}, r"IMAGE_SHAPE = array\(\[100, 128,   3\]\): .*multiples of 64"),
    ({"IMAGE_CHANNEL_COUNT": 0}, r"IMAGE_CHANNEL_COUNT = 0"),
    ({"IMAGE_CHANNEL_COUNT": "three"}, r"IMAGE_CHANNEL_COUNT = 'three': a whole number"),
    ({"USE_MINI_MASK": "false"}, r"USE_MINI_MASK = 'false': True or False"),
    ({"ROI_NEGATIVES_FILL": None}, r"ROI_NEGATIVES_FILL = None: True or False"),
    ({"TRAIN_EMPTY_IMAGES": 2}, r"TRAIN_EMPTY_IMAGES = 2: True or False"),
    ({"IMAGE_CHANNEL_COUNT": 4}, r"MEAN_PIXEL = .*: 4 values are expected.*Set as many values"),
    ({"BACKBONE_STRIDES": [4, 8, 16, 32]}, r"BACKBONE_STRIDES = \[4, 8, 16, 32\]: five.*Set \[4, 8, 16, 32, 64\]"),
    ({"BACKBONE_STRIDES": [4, 8, 8, 32, 64]}, r"BACKBONE_STRIDES"),
    ({"RPN_ANCHOR_SCALES": (32, 64, 128, 256)}, r"RPN_ANCHOR_SCALES = \(32, 64, 128, 256\): one positive scale for each of the 5 strides.*Set"),
    ({"RPN_ANCHOR_SCALES": (32, 64, 128, 256, 0)}, r"RPN_ANCHOR_SCALES"),
    ({"RPN_ANCHOR_RATIOS": [0.5, 0, 2]}, r"RPN_ANCHOR_RATIOS = \[0\.5, 0, 2\]: a list of positive.*Set \[0\.5, 1, 2\]"),
    ({"RPN_ANCHOR_RATIOS": []}, r"RPN_ANCHOR_RATIOS"),
    ({"RPN_ANCHOR_STRIDE": 3}, r"RPN_ANCHOR_STRIDE = 3"),
    ({"BBOX_STD_DEV": [0.1, 0.1, 0.2]}, r"BBOX_STD_DEV = \[0\.1, 0\.1, 0\.2\]: four positive"),
    ({"RPN_BBOX_STD_DEV": [0.1, 0.1, 0.2, 0]}, r"RPN_BBOX_STD_DEV"),
    ({"IMAGES_PER_GPU": 0}, r"IMAGES_PER_GPU = 0: a whole number of at least 1"),
    ({"STEPS_PER_EPOCH": 12.5}, r"STEPS_PER_EPOCH = 12\.5"),
    ({"VALIDATION_STEPS": -1}, r"VALIDATION_STEPS = -1.*0: no validation"),
    ({"REPEAT_THRESHOLD": 0}, r"REPEAT_THRESHOLD = 0: a share of the images.*None.*Set 0\.001"),
    ({"REPEAT_THRESHOLD": 1.5}, r"REPEAT_THRESHOLD = 1\.5"),
    ({"EMPTY_IMAGES_RATIO": 1}, r"EMPTY_IMAGES_RATIO = 1: a share of the images, from 0 to below 1"),
    ({"EMPTY_IMAGES_RATIO": 0.1, "TRAIN_EMPTY_IMAGES": False}, r"EMPTY_IMAGES_RATIO = 0\.1: TRAIN_EMPTY_IMAGES is False"),
    ({"POST_NMS_ROIS_TRAINING": 0}, r"POST_NMS_ROIS_TRAINING = 0"),
    ({"SEED": -1}, r"SEED = -1"),
    ({"RPN_NMS_THRESHOLD": 1.5}, r"RPN_NMS_THRESHOLD = 1\.5: a number from 0 to 1"),
    ({"DETECTION_MIN_CONFIDENCE": float("nan")}, r"DETECTION_MIN_CONFIDENCE = nan"),
    ({"ROI_POSITIVE_RATIO": 0}, r"ROI_POSITIVE_RATIO = 0: a ratio above 0.*Set 0\.33"),
    ({"TRAIN_ROIS_PER_IMAGE": 2}, r"TRAIN_ROIS_PER_IMAGE = 2.*no room for a positive roi"),
    ({"LEARNING_RATE": -1}, r"LEARNING_RATE = -1"),
    ({"WEIGHT_DECAY": None}, r"WEIGHT_DECAY = None"),
    ({"GRADIENT_CLIP_NORM": 0}, r"GRADIENT_CLIP_NORM = 0.*None for no clipping"),
    ({"BOX_DELTA_MAX_LOG": 0}, r"BOX_DELTA_MAX_LOG = 0"),
    ({"PRECISION": "float16"}, r"PRECISION = 'float16': None or one of float32, mixed_bfloat16, mixed_float16"),
    ({"WEIGHT_DECAY_BIASES": 1}, r"WEIGHT_DECAY_BIASES = 1: None, False or True"),
    ({"GRADIENT_ACCUMULATION": 0}, r"GRADIENT_ACCUMULATION = 0: a whole number of at least 1"),
    ({"GRADIENT_ACCUMULATION": True}, r"GRADIENT_ACCUMULATION = True"),
    ({"EMA_DECAY": 1.0}, r"EMA_DECAY = 1\.0: a number between 0 and 1, or None.*Set 0\.999"),
    ({"ON_NON_FINITE": "ignore"}, r"ON_NON_FINITE = 'ignore': one of stop, skip"),
    ({"MASK_SHAPE": [56, 56]}, r"MASK_SHAPE = \[56, 56\]: .*\[28, 28\] is expected.*Set MASK_SHAPE = \[28, 28\]"),
    ({"MINI_MASK_SHAPE": (56,)}, r"MINI_MASK_SHAPE = \(56,\).*Set \(56, 56\)"),
    ({"ROI_ALIGN": "bilinear"}, r"ROI_ALIGN = 'bilinear'"),
    ({"DETECTION_NMS_METHOD": "soft"}, r"DETECTION_NMS_METHOD = 'soft': one of hard, linear, gaussian"),
    ({"DETECTION_SOFT_NMS_SIGMA": 0}, r"DETECTION_SOFT_NMS_SIGMA = 0: a number above 0"),
    ({"DETECTION_NMS_PER_CLASS": 1}, r"DETECTION_NMS_PER_CLASS = 1: True or False"),
    ({"CROWD_OVERLAP": "box"}, r"CROWD_OVERLAP = 'box': 'ioa' or 'iou'"),
    ({"LOSS_WEIGHTS": {"mask_loss": 1}}, r"LOSS_WEIGHTS = .*keys among rpn_class_loss"),
    ({"LOSS_WEIGHTS": {"mrcnn_mask_loss": -1}}, r"LOSS_WEIGHTS = .*mrcnn_mask_loss must be"),
    ({"RPN_FOCAL_GAMMA": -1}, r"RPN_FOCAL_GAMMA = -1: None or a number of at least 0"),
    ({"RPN_FOCAL_GAMMA": True}, r"RPN_FOCAL_GAMMA = True"),
    ({"RPN_FOCAL_GAMMA": 2, "RPN_FOCAL_ALPHA": 1}, r"RPN_FOCAL_ALPHA = 1: None or a number between 0 and 1"),
    ({"RPN_FOCAL_ALPHA": 0.25}, r"RPN_FOCAL_ALPHA = 0\.25: it belongs to the focal loss, but RPN_FOCAL_GAMMA is None.*Set RPN_FOCAL_GAMMA = 2"),
    ({"CLASS_WEIGHTS": 2.0}, r"CLASS_WEIGHTS = 2\.0: None, 2 numbers"),
    ({"CLASS_WEIGHTS": [1, 1, 1]}, r"CLASS_WEIGHTS = \[1, 1, 1\]: None, 2 numbers \(NUM_CLASSES, background first\)"),
    ({"CLASS_WEIGHTS": {2: 1.0}}, r"CLASS_WEIGHTS = .*ids below 2"),
    ({"CLASS_WEIGHTS": {"shirt": 1.0}}, r"CLASS_WEIGHTS"),
    ({"CLASS_WEIGHTS": [1, -1]}, r"CLASS_WEIGHTS = \[1, -1\]: numbers of at least 0"),
    ({"CLASS_WEIGHTS": np.array([1, np.nan])}, r"CLASS_WEIGHTS = .*numbers of at least 0"),
    ({"CLASS_WEIGHTS": {0: 0, 1: 0}}, r"CLASS_WEIGHTS = .*one of them above"),
    ({"NORM": np.array(["group", "batch"])}, r"NORM = array.*: one of batch, group, sync_batch is expected"),
    ({"PRECISION": np.array(["float32", "float32"])}, r"PRECISION = array.*: None or one of"),
    ({"RPN_ANCHOR_STRIDE": np.array([1, 2])}, r"RPN_ANCHOR_STRIDE = array.*: 1, 2 or 4 is expected"),
    ({"GPU_COUNT": np.array([1, 1])}, r"GPU_COUNT = array.*several devices"),
]


@pytest.mark.parametrize(("attributes", "message"), REFUSED, ids=lambda v: "-".join(v) if isinstance(v, dict) else "")
def test_impossible_value_is_refused_by_name_with_a_remedy(attributes, message):
    config = type("MyConfig", (Config,), {"NAME": "x", "NUM_CLASSES": 2, **attributes})()
    with pytest.raises(ValueError, match=r"MyConfig\." + message):
        config.validate()


ALLOWED = [
    {}, {"IMAGE_MIN_SCALE": None}, {"IMAGE_MIN_DIM": 0}, {"MASK_SHAPE": (28, 28)}, {"MASK_SHAPE": np.array([28, 28])}, {"USE_MINI_MASK": False},
    {"DETECTION_MIN_CONFIDENCE": None}, {"GRADIENT_CLIP_NORM": None}, {"VALIDATION_STEPS": 0}, {"LOSS_WEIGHTS": {}}, {"MEAN_PIXEL": 0.0},
    {"VALIDATION_STEPS": None}, {"REPEAT_THRESHOLD": 0.001, "EMPTY_IMAGES_RATIO": 0}, {"EMPTY_IMAGES_RATIO": 0, "TRAIN_EMPTY_IMAGES": False},
    {"IMAGE_CHANNEL_COUNT": 1, "MEAN_PIXEL": np.array([43.5])}, {"BACKBONE": lambda *a, **k: []}, {"TRAIN_BN": None}, {"WEIGHT_DECAY": 0},
    {"RPN_FOCAL_GAMMA": 2.0, "RPN_FOCAL_ALPHA": 0.25}, {"RPN_FOCAL_GAMMA": 0},
    {"CLASS_WEIGHTS": np.array([0.5, 2])}, {"CLASS_WEIGHTS": {1: 3}}, {"CLASS_WEIGHTS": {0: 0}}, {"CLASS_WEIGHTS": (1, 0)},
    {"IMAGE_RESIZE_MODE": "pad64", "IMAGE_MIN_DIM": 512, "IMAGE_MAX_DIM": 1000}, {"NUM_CLASSES": np.int64(3)}, {"ROI_POSITIVE_RATIO": 1},
    {"USE_MINI_MASK": 0, "TRAIN_EMPTY_IMAGES": np.True_}, {"IMAGE_MAX_DIM": 512},  # below the inherited IMAGE_MIN_DIM, which then has no say
]  # fmt: skip


@pytest.mark.parametrize("attributes", ALLOWED, ids=lambda v: "-".join(v) or "defaults")
def test_unusual_but_possible_value_passes(attributes):
    type("MyConfig", (Config,), {"NAME": "x", "NUM_CLASSES": 2, **attributes})().validate()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEAN_PIXEL", None),
        ("MEAN_PIXEL", ["a", "b", "c"]),
        ("IMAGE_MIN_DIM", -5),
        ("IMAGE_MIN_DIM", "x"),
        ("RPN_ANCHOR_SCALES", ("a",) * 5),
        ("RPN_ANCHOR_RATIOS", "a"),
        ("RPN_ANCHOR_RATIOS", [1.0, float("inf")]),
        ("BACKBONE_STRIDES", None),
        ("MASK_SHAPE", None),
        ("MINI_MASK_SHAPE", None),
        ("BATCH_SIZE", 0),
        ("IMAGE_META_SIZE", 3),
    ],
)
def test_values_of_another_kind_are_refused_by_name(name, value):
    class Wrong(Config):
        NAME = "wrong"
        NUM_CLASSES = 2

    config = Wrong()
    setattr(config, name, value)
    with pytest.raises(ValueError, match=rf"Wrong\.{name} = "):
        config.validate()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RPN_ANCHOR_SCALES=(16,32,64,128,256)", ("RPN_ANCHOR_SCALES", (16, 32, 64, 128, 256))),
        ("OPTIMIZER=adamw", ("OPTIMIZER", "adamw")),
        (" TRAIN_BN = None ", ("TRAIN_BN", None)),
    ],
)
def test_a_setting_of_the_command_line_is_read_as_python_or_text(text, expected):
    assert read_setting(text) == expected


@pytest.mark.parametrize(
    ("text", "says"), [("OPTIMIZER", "write NAME=VALUE"), ("OPTIMIZER=", "write NAME=VALUE"), ("OPTIMISER=sgd", "there is OPTIMIZER")]
)
def test_a_setting_that_cannot_be_read_says_what_to_write(text, says):
    with pytest.raises(ValueError, match=says):
        read_setting(text)
