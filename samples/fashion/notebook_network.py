"""A small network for the notebooks: it learns the embedded scenes in about three minutes of processor time, and is kept for the next notebook.

    from samples.fashion import notebook_network
    path = notebook_network.weights(MODEL_DIR)      # trains where MODEL_DIR has no such run
"""

import functools
import glob
import os

import keras

from mrcnn import model as modellib
from mrcnn.data.synthetic import CLASS_NAMES, SceneDataset
from samples.fashion import fashion_config

#: Where the notebooks keep runs, unless MRCNN_LOGS names a folder.
DEFAULT_LOGS_DIR = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "logs")
LEARNING_RATE = 2e-3
STAGES = ((32, 1), (48, 1), (96, 1), (128, 1))


class NotebookConfig(fashion_config.Small):
    """The fashion sample's small variant, made narrower: most garments are found, though fewer than by `fashion.py train`."""

    NAME = "notebook"
    NUM_CLASSES = 1 + len(CLASS_NAMES)
    BACKBONE = staticmethod(functools.partial(fashion_config.light_backbone, stages=STAGES))
    TOP_DOWN_PYRAMID_SIZE = 48
    FPN_CLASSIF_FC_LAYERS_SIZE = 128
    RPN_TRAIN_ANCHORS_PER_IMAGE = 96
    PRE_NMS_LIMIT = 500
    POST_NMS_ROIS_TRAINING = 150
    POST_NMS_ROIS_INFERENCE = 60
    TRAIN_ROIS_PER_IMAGE = 24
    STEPS_PER_EPOCH = 500


class NotebookInferenceConfig(NotebookConfig):
    """One image at a time, and no detection that the network itself doubts."""

    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0.5


def training_scenes():
    """600 scenes, prepared."""
    return _scenes(600, seed=0)


def validation_scenes():
    """24 scenes that `weights` never trains on, prepared."""
    return _scenes(24, seed=1)


def weights(model_dir):
    """Return the newest checkpoint of this network under a folder of runs; train one epoch where there is none."""
    runs = os.path.join(model_dir, f"{NotebookConfig.NAME}*", f"mask_rcnn_{NotebookConfig.NAME}_*.h5")
    found = sorted(glob.glob(runs))  # a run's folder has its date in its name
    if found:
        return found[-1]
    model = modellib.MaskRCNN("training", NotebookConfig(), model_dir)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, NotebookConfig.STEPS_PER_EPOCH)
    model.train(training_scenes(), None, learning_rate=rate, epochs=1, layers="all")
    return model.find_last()


def _scenes(count, seed):
    scenes = SceneDataset()
    scenes.load(count, seed=seed)
    scenes.prepare()
    return scenes
