"""What the programs in this folder share: words of their command lines, weights, the end of a run, photos in and pictures out.

A program puts the folder above this one on the path before it imports this, so that it runs from anywhere. Nothing here imports TensorFlow before a
command runs: --help and refusals come at once.
"""

import argparse
import math
import os
import re
import sys

import cv2
import numpy as np

from mrcnn.commands.words import add_thresholds  # noqa: F401  (one of the options that a program may add)
from mrcnn.config import read_setting
from mrcnn.data import images
from mrcnn.training import stages as training_stages

ROOT_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEFAULT_LOGS_DIR = os.path.join(ROOT_DIR, "logs")
LAYER_GROUPS = ("heads", "3+", "4+", "5+", "all")
WEIGHTS_HELP = "a .h5 file, coco, imagenet, imagenet:FILE, last (newest checkpoint under --logs) or none"
SETTINGS_HELP = "a parameter of mrcnn.config.Config, such as OPTIMIZER=adamw or PRECISION=mixed_bfloat16; may come several times"
EXAMPLE_STAGES = training_stages.EXAMPLE
#: Detections that a ranking wants: a threshold cuts the end of the curve off and lowers the figure.
RANKED_CONFIDENCE = 0.05


# --- The command line ------------------------------------------------------------------------------------------------------


def run(program, command, options):
    """Run a command; what the user can mend ends with a message and status 1.

    Args:
        program: its name, such as "balloon.py".
        command: function of the options.
        options: as argparse returns them; debug is optional.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        command(options)
    except KeyboardInterrupt:
        goes_on = " What was saved is kept; the same command with --weights last goes on." if options.command == "train" else ""
        print(f"\n{program} {options.command}: stopped.{goes_on}")
        sys.exit(130)
    except (OSError, ValueError, FloatingPointError) as error:
        if getattr(options, "debug", False):
            raise
        sys.exit(f"{program} {options.command}: {error}")


def add_weights(parser, default=None, **others):
    """Add --weights; without a default it must be given."""
    said = f". Default: {default}" if default else ""
    parser.add_argument("--weights", required=default is None, default=default, metavar="WEIGHTS", help=WEIGHTS_HELP + said, **others)


def add_logs(parser):
    """Add --logs."""
    parser.add_argument("--logs", default=DEFAULT_LOGS_DIR, metavar="DIR", help="folder of the runs. Default: logs/ beside samples/")


def add_settings(parser, text=SETTINGS_HELP, read=None):
    """Add --set NAME=VALUE, whose pairs are gathered in a list; `read` reads one."""
    parser.add_argument("--set", dest="settings", type=read or setting, action="append", default=[], metavar="NAME=VALUE", help=text)


def add_stages(parser, default):
    """Add --stages; `default` tells in words what is done without it."""
    text = f"layers:rate:epochs[:schedule], …; for example {EXAMPLE_STAGES}. Default: {default}"
    parser.add_argument("--stages", type=stages, metavar="STAGES", help=text)


def stages(text):
    """Read "heads:1e-3:5,4+:1e-3:10:cosine" as a list of the library's Stages.

    >>> stages("heads:1e-3:5,all:1e-4:15")[1].learning_rate
    0.0001
    """
    try:
        found = training_stages.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    for stage in found:
        layers(stage.layers)
        learning_rate(str(stage.learning_rate))
    return found


def setting(text):
    """Read "NAME=VALUE" as (name, value); the value is Python's notation of a number, text, tuple, list, bool or None.

    >>> setting("RPN_ANCHOR_SCALES=(16,32,64,128,256)")
    ('RPN_ANCHOR_SCALES', (16, 32, 64, 128, 256))
    """
    try:
        return read_setting(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def layers(text):
    """Read a group of layers, or a regular expression of layer names."""
    if text in LAYER_GROUPS:
        return text
    wanted = f"write one of {', '.join(LAYER_GROUPS)}, or a regular expression of layer names such as (mrcnn_.*)|(fpn_.*)"
    if not re.search(r"[.*|()\[\]\\]", text):
        raise argparse.ArgumentTypeError(f"layers {text!r}: {wanted}")
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"layers {text!r} is no regular expression ({error}): {wanted}") from error
    return text


def learning_rate(text):
    """Read a number above 0 and below 1."""
    rate = _number(text)
    if rate is None or not 0 < rate < 1:
        raise argparse.ArgumentTypeError(f"learning rate {text!r}: write a number above 0 and below 1, such as 1e-3")
    return rate


def count(text):
    """Read a whole number of at least 1."""
    if not re.fullmatch(r"\d+", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number of at least 1")
    return int(text)


def whole(text):
    """Read a whole number of at least 0."""
    if not re.fullmatch(r"\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number of at least 0")
    return int(text)


def share(text):
    """Read a number above 0 and below 1."""
    found = _number(text)
    if found is None or not 0 < found < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number above 0 and below 1, such as 0.1")
    return found


def _number(text):
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


# --- Networks --------------------------------------------------------------------------------------------------------------


def configured(config, settings):
    """Give a configuration the values of --set, (name, value) each, and return it."""
    for name, value in dict(settings).items():
        setattr(config, name, value)
    return config


def require_weights(weights, logs, name, whole_epochs=True):
    """Refuse weights that are not there before a network is built for them, which takes a while.

    Args:
        weights: as --weights takes it.
        logs: folder of the runs.
        name: NAME of the configuration, whose newest run "last" is.
        whole_epochs: False: "last" may be the weights of a training left inside an epoch.

    Raises:
        FileNotFoundError: no such file, or no such run.
    """
    if weights.lower() == "last":
        from mrcnn.training import session
        from mrcnn.weights import layout

        session.last(logs, name, describe=layout.describe, whole_epochs=whole_epochs)
        return
    path = weights[len("imagenet:") :] if weights.lower().startswith("imagenet:") else weights
    if weights.lower() not in ("coco", "imagenet", "none") and not os.path.isfile(path):
        raise FileNotFoundError(f"Weight file not found: {path}. --weights takes {WEIGHTS_HELP}.")


def training_model(config, options):
    """Return a MaskRCNN to train, with the weights that --weights names."""
    require_weights(options.weights, options.logs, config.NAME, whole_epochs=False)
    from mrcnn import model as modellib

    model = modellib.MaskRCNN(mode="training", config=config, model_dir=options.logs)
    model.load_initial_weights(options.weights)
    return model


def inference_model(config, options, weights=None):
    """Return a MaskRCNN to detect, with `weights` or those that --weights names; "none" loads nothing yet. With --thresholds it is wrapped, see
    `with_thresholds`.

    Raises:
        FileNotFoundError: the weights are not there.
        ValueError: they don't fit.
    """
    weights = weights or options.weights
    require_weights(weights, options.logs, config.NAME)
    from mrcnn import model as modellib

    model = modellib.MaskRCNN(mode="inference", config=config, model_dir=options.logs)
    if weights != "none":
        print(f"Loading weights {model.load_initial_weights(weights)}")
    return with_thresholds(model, options)


def with_thresholds(model, options):
    """Return what detects with the thresholds that --thresholds asks for; the model itself without, or where the command has no such option.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they are of other weights or classes.
    """
    asked = getattr(options, "thresholds", None)
    if asked is None:
        return model
    from mrcnn.inference.thresholds import WithThresholds

    return WithThresholds(model, asked or None)


def map_after_each_epoch(model, config, options, dataset, limit=50):
    """Return the callback that measures the mAP on at most `limit` images of a data set after each epoch.

    `config` is that of detection; its minimum confidence is lowered to RANKED_CONFIDENCE.
    """
    from mrcnn import model as modellib

    config.DETECTION_MIN_CONFIDENCE = min(config.DETECTION_MIN_CONFIDENCE, RANKED_CONFIDENCE)
    measured = inference_model(config, options, "none")
    return modellib.MeanAveragePrecisionCallback(model, measured, dataset, calculate_at_every_X_epoch=1, dataset_limit=limit)


def fit(model, train, val, plan, **others):
    """Train in stages, and say so where there is nothing left to do.

    Raises:
        ValueError: all epochs of the stages were done already.
    """
    if model.fit_stages(train, val, plan, **others) is None:
        raise ValueError(f"Nothing is left to train: {model.epoch} epochs are done. Ask for more with --stages, {EXAMPLE_STAGES} say.")


# --- Photos in, pictures out -----------------------------------------------------------------------------------------------


def find_photos(path):
    """Read a photo, or all photos of a folder: [(path, [H, W, 3] uint8 RGB)].

    Files of a folder that are no photos are named and left out.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: the file is no photo, or the folder holds none.
    """
    if not os.path.isdir(path):
        return [(path, images.read(path))]
    found = []
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.is_file():
            try:
                found.append((entry.path, images.read(entry.path)))
            except ValueError:
                print(f"Left out, not a photo: {entry.path}")
    if not found:
        raise ValueError(f"The folder {path} holds no photo.")
    return found


def write_picture(path: str, picture: np.ndarray) -> None:
    """Write [H, W, 3] uint8 RGB as a file.

    Raises:
        OSError: it can't be written.
    """
    if not cv2.imwrite(path, picture[:, :, ::-1]):
        raise OSError(f"{path} could not be written: check the folder and the free space.")
