"""Each parameter of Config has one reader: a dead option, or one that two places translate each in its own way, is found here."""

import re
from pathlib import Path

import pytest

from mrcnn import config

PACKAGE = Path(config.__file__).parent
NOT_READERS = ("config.py", "config_checks.py")  # they define and validate every parameter

# Parameters that several modules read, with the reason.
SEVERAL = {
    "BACKBONE": "build makes it; mask_rcnn and weights ask which ImageNet file fits it",
    "BACKBONE_STRIDES": "the graph's anchors and the loader's are two computations, held equal by a test",
    "RPN_ANCHOR_SCALES": "likewise",
    "RPN_ANCHOR_RATIOS": "likewise",
    "RPN_ANCHOR_STRIDE": "likewise",
    "BATCH_SIZE": "every place that makes batches",
    "NUM_CLASSES": "layers, data sets and results are checked against it",
    "ATTRIBUTE_MIN_CONFIDENCE": "detections are made from the network's answers, or from candidates with thresholds",
    "DETECTION_MIN_CONFIDENCE": "build makes the layer; an evaluation says what it left out",
    "DETECTION_MAX_INSTANCES": "likewise",
    "DETECTION_NMS_METHOD": "build makes the layer; thresholds that it can't be used with are refused before output begins",
    "DETECTION_NMS_PER_CLASS": "likewise",
    "IMAGE_CHANNEL_COUNT": "the network's input, and the images made for it",
    "IMAGE_MIN_DIM": "photos are molded for training and for detection",
    "IMAGE_MAX_DIM": "likewise",
    "IMAGE_MIN_SCALE": "likewise",
    "IMAGE_RESIZE_MODE": "likewise, and the network's input is open for varying sizes",
    "MEAN_PIXEL": "likewise",
    "USE_MINI_MASK": "masks are made by the loader and cut by the graph",
    "MINI_MASK_SHAPE": "likewise",
    "MAX_GT_INSTANCES": "rows that the loader fills and the graph takes",
    "NUM_ATTRIBUTES": "columns that the loader fills and the graph takes",
    "RPN_TRAIN_ANCHORS_PER_IMAGE": "rows that the loader fills and the graph takes",
    "RPN_BBOX_STD_DEV": "the loader divides by it, the graph multiplies",
    "POST_NMS_ROIS_TRAINING": "rows of the graph, and of the rois fed with USE_RPN_ROIS off",
    "USE_RPN_ROIS": "likewise",
    "SEED": "initial weights, loader and sampling each start from it",
    "WEIGHT_DECAY": "SGD has it in the loss, AdamW in the optimizer",
    "OPTIMIZER": "likewise",
    "WEIGHT_DECAY_BIASES": "likewise",
    "CROWD_OVERLAP": "anchors are labelled by the loader, rois by the graph",
    "RPN_FOCAL_GAMMA": "the loader then keeps all anchors, the graph weighs them",
}


# Read by Config's own derived values, or by scripts only, which hand it to train().
ELSEWHERE = {"GPU_COUNT": "BATCH_SIZE", "IMAGES_PER_GPU": "BATCH_SIZE", "LEARNING_RATE": "train(learning_rate=config.LEARNING_RATE)"}


def parameters():
    return sorted(name for name, value in vars(config.Config).items() if name.isupper())


def readers(name):
    """Modules that read config.NAME (or getattr(config, "NAME")).

    Left out are the historic functions, which repeat the old signatures, and the doctor, which judges every parameter.
    """
    read = re.compile(rf"\b[a-z_]*config\.{name}\b|getattr\([^)]*[\"']{name}[\"']")
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if place not in NOT_READERS and not place.startswith(("legacy", "doctor/")) and read.search(path.read_text()):
            found.append(place)
    return found


@pytest.mark.parametrize("name", parameters())
def test_parameter_has_one_reader_or_a_reason_for_several(name):
    found = readers(name)
    if name in ELSEWHERE:
        assert not found, f"Config.{name} is read by {found}, and by {ELSEWHERE[name]}"
    elif name in SEVERAL:
        assert found, f"Config.{name} is read nowhere: a dead option"
    else:
        assert len(found) == 1, f"Config.{name} is read by {found or 'no module: a dead option'}"


def test_list_of_exceptions_names_parameters_only():
    assert set(SEVERAL) | set(ELSEWHERE) <= set(parameters())
