"""The command line of the fashion sample. Imports no TensorFlow, so that --help and refusals come at once."""

import argparse
import math
import os
import re

import fashion_splits
from fashion_config import VARIANTS
from fashion_preview import AUGMENTATIONS

from mrcnn.config import read_setting
from mrcnn.training import stages as training_stages

LAYER_GROUPS = ("heads", "3+", "4+", "5+", "all")
WEIGHTS_HELP = "a .h5 file, coco, imagenet, imagenet:FILE, last (newest checkpoint under --logs) or none"
CHECKPOINTS_HELP = "checkpoints or run folders of this sample, or last"
AUGMENT_HELP = f"comma-separated, in the order in which they act: {', '.join(AUGMENTATIONS)}; or none"
SETTINGS_HELP = "a parameter of mrcnn.config.Config, such as OPTIMIZER=adamw or PRECISION=mixed_bfloat16; may come several times."
DERIVED = {
    "NUM_CLASSES": "follows from the data", "SEED": "has its own option, --seed", "NAME": "names the run folders of this sample",
    "LEARNING_RATE": "has its own options, --lr and --stages",
}  # fmt: skip
#: Options that are parameters of Config under another name.
AS_SETTINGS = {"deterministic": "DETERMINISTIC", "keep_last": "KEEP_LAST", "keep_best": "KEEP_BEST", "ema": "EMA_DECAY"}
NOT_TRAINED = {"weights": None, "stages": None, "layers": None, "lr": None, "epochs": None}  # what commands that don't train have not
EXAMPLE_STAGES = training_stages.EXAMPLE


def parse(arguments=None):
    """Read the command line; nonsense ends the program with a message that says what to write."""
    parser = argparse.ArgumentParser(
        prog="fashion.py",
        description="Find garments on people. Without --dataset: on embedded scenes, drawn from a seed.",
    )
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train | analyse | preview | detect | evaluate")
    train = commands.add_parser("train", help="train, with mAP after each epoch")
    _add_data(train)
    train.add_argument("--variant", choices=sorted(VARIANTS), help="default: small; with --dataset resnet50-256")
    train.add_argument("--weights", default=None, help=f"{WEIGHTS_HELP}. Default: none")
    train.add_argument("--layers", type=_layers, help="heads, 3+, 4+, 5+, all or a regular expression of layer names")
    train.add_argument("--lr", type=_learning_rate, help="learning rate")
    train.add_argument("--epochs", type=_count, help="epochs in total, those of a resumed run included")
    train.add_argument("--stages", type=stages, help=f"layers:rate:epochs[:schedule], …; for example {EXAMPLE_STAGES}")
    _add_run(train)
    train.add_argument("--batch", type=_count, help="images a step (IMAGES_PER_GPU)")
    train.add_argument("--steps", type=_count, help="steps an epoch (STEPS_PER_EPOCH)")
    train.add_argument("--validation-steps", type=_count_or_all, help="validation steps an epoch, or all (VALIDATION_STEPS)")
    train.add_argument("--map-limit", type=_count, help="images for the mAP after each epoch")
    train.add_argument("--folds", type=_count, help="cut the training images into so many folds, classes kept even")
    train.add_argument("--fold", type=_count, help="the fold held out for validation, from 1 to --folds")
    train.add_argument("--sample", type=_count, help="train on so many images, classes kept even (with --folds: cut these)")
    train.add_argument("--augment", type=augmentations, help=f"{AUGMENT_HELP}. A resumed run keeps its own. Default: none")
    _add_settings(train, f"{SETTINGS_HELP} A resumed run keeps its own")
    train.set_defaults(subset=None)

    analyse = commands.add_parser("analyse", help="tables and plots of the training photos: classes, instances, sizes")
    _add_data(analyse)
    analyse.add_argument("--variant", choices=sorted(VARIANTS), help="as of train: masks are measured at its size")
    analyse.add_argument("--sample", type=_count, help="also draw so many images, classes kept even, and compare them with all")
    analyse.add_argument("--output", required=True, help="folder for the tables and plots")
    analyse.set_defaults(subset=None, settings=[], **NOT_TRAINED)

    preview = commands.add_parser("preview", help="draw augmented photos as train with the same options will see them")
    _add_data(preview)
    preview.add_argument("--variant", choices=sorted(VARIANTS), help="as of train")
    preview.add_argument("--batch", type=_count, help="as of train")
    preview.add_argument("--steps", type=_count, help="as of train")
    preview.add_argument("--augment", type=augmentations, required=True, help=AUGMENT_HELP)
    preview.add_argument("--output", required=True, help="folder for the pictures")
    preview.add_argument("--photos", type=_count, default=4, help="rows of the sheet. Default: 4")
    preview.add_argument("--draws", type=_count, default=4, help="views of each photo. Default: 4")
    _add_settings(preview, "as of train")
    preview.set_defaults(subset=None, **NOT_TRAINED)

    detect = commands.add_parser("detect", help="draw the garments found on photos")
    detect.add_argument(
        "--weights", nargs="+", default=["last"], help=f"{CHECKPOINTS_HELP}; several detect together, as an ensemble. Default: last"
    )
    detect.add_argument("--image", required=True, help="a photo, or a folder of photos")
    detect.add_argument("--output", required=True, help="folder for the pictures and results.json")
    detect.add_argument(
        "--min-score", type=_share, default=None, help="show detections from this score on. Default: 0.5"
    )
    _add_logs(detect)

    evaluate = commands.add_parser("evaluate", help="mAP of a checkpoint, class by class")
    _add_data(evaluate)
    evaluate.add_argument(
        "--weights", nargs="+", default=["last"],
        help=f"{CHECKPOINTS_HELP}; several runs of one K-fold split: each on the fold it never saw, mean, spread and pooled. Default: last",
    )  # fmt: skip
    evaluate.add_argument(
        "--subset", choices=("train", "val", "test"), default="val",
        help="test: what no fold holds (val.csv, or the validation scenes), each run and all as an ensemble. Default: val",
    )  # fmt: skip
    evaluate.add_argument("--map-limit", type=_count, help="evaluate this many images only")
    evaluate.add_argument("--tune", action="store_true", help="also choose thresholds of each class, kept beside the checkpoint")
    options = parser.parse_args(arguments)
    options.settings = dict(getattr(options, "settings", ()))
    for option, name in AS_SETTINGS.items():
        if getattr(options, option, None):
            if name in options.settings:
                (train if options.command == "train" else parser).error(f"--{option.replace('_', '-')} and --set {name}: give one of them.")
            options.settings[name] = getattr(options, option)
    if options.command in ("train", "analyse", "preview"):
        _complete({"train": train, "analyse": analyse, "preview": preview}[options.command], options)
    return options


def default_variant(options):
    """Return the variant of a new run for which none is asked."""
    return "resnet50-256" if options.dataset else "small"


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
        _layers(stage.layers)
        _learning_rate(str(stage.learning_rate))
    return found


def duration(text):
    """Read "8h", "90m", "1h30m" or "300s" as seconds.

    >>> duration("1h30m")
    5400.0
    """
    parts = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text.strip())
    seconds = sum(float(n) * unit for n, unit in zip(parts.groups(), (3600, 60, 1), strict=True) if n) if parts else 0
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r}: write a time such as 8h, 90m, 1h30m or 300s")
    return seconds


def setting(text):
    """Read "NAME=VALUE" as (name, value); the value is Python's notation of a number, text, tuple, list, bool or None.

    >>> setting("RPN_ANCHOR_SCALES=(16,32,64,128,256)")
    ('RPN_ANCHOR_SCALES', (16, 32, 64, 128, 256))
    """
    try:
        name, value = read_setting(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if name in DERIVED:
        raise argparse.ArgumentTypeError(f"{name} {DERIVED[name]}: leave it out")
    return name, value


def augmentations(text):
    """Read "flip,jitter" as a list of names; "none" is the empty list.

    >>> augmentations("flip,colour")
    ['flip', 'colour']
    """
    if text.strip() == "none":
        return []
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in AUGMENTATIONS:
            raise argparse.ArgumentTypeError(f"{name!r} is no augmentation: write some of {', '.join(AUGMENTATIONS)}, or none")
    return names


def _add_data(parser):
    parser.add_argument("--dataset", help="folder in iMaterialist form (train.csv, label_descriptions.json, train/)")
    parser.add_argument(
        "--rle-from", type=int, choices=(0, 1), help="number of the first pixel in EncodedPixels. Default: 1"
    )
    parser.add_argument(
        "--val-share", type=_share, help="held back for validation where there is no val.csv. Default: 0.1"
    )
    parser.add_argument("--seed", type=_whole, help="of weights, order, sampling and that split. Default: 0")
    _add_logs(parser)


def _add_run(parser):
    """What keeps a long run safe."""
    parser.add_argument("--time-limit", type=duration, help="8h, 90m, …: save and leave cleanly before it is over; --weights last goes on")
    parser.add_argument("--deterministic", action="store_true", help="repeat and resume bit for bit; somewhat slower")
    parser.add_argument("--keep-last", type=_count, help="checkpoints to keep. Default: all")
    parser.add_argument("--keep-best", help="with --keep-last: also the epoch best by this figure, val_map or val_loss say")
    parser.add_argument("--ema", type=_share, help="also keep a moving average of the weights, 0.999 say, and measure it")


def _add_settings(parser, text):
    parser.add_argument("--set", dest="settings", type=setting, action="append", default=[], metavar="NAME=VALUE", help=text)


def _add_logs(parser):
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "logs")
    parser.add_argument(
        "--logs", default=os.path.normpath(default), help="folder of the runs. Default: logs/ beside samples/"
    )


def _complete(parser, options):
    """Fill in what depends on other options, and refuse contradictions."""
    single = [name for name in ("layers", "lr", "epochs") if getattr(options, name) is not None]
    if options.stages and single:
        parser.error(f"--stages says layers, rates and epochs: leave out --{single[0]}, or leave out --stages.")
    fashion_splits.check_options(parser, options)
    if getattr(options, "keep_best", None) and not options.settings.get("KEEP_LAST"):
        parser.error("--keep-best needs --keep-last: without it every checkpoint is kept.")
    if options.variant is None and options.command != "train":
        options.variant = default_variant(options)
    if not options.dataset:
        for name in ("rle_from", "val_share"):
            if getattr(options, name) is not None:
                parser.error(f"--{name.replace('_', '-')} needs --dataset: the embedded scenes have no CSV.")


def _layers(text):
    if text in LAYER_GROUPS:
        return text
    wanted = (
        f"write one of {', '.join(LAYER_GROUPS)}, or a regular expression of layer names such as (mrcnn_.*)|(fpn_.*)"
    )
    if not re.search(r"[.*|()\[\]\\]", text):
        raise argparse.ArgumentTypeError(f"layers {text!r}: {wanted}")
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"layers {text!r} is no regular expression ({error}): {wanted}") from error
    return text


def _learning_rate(text):
    rate = _number(text)
    if rate is None or not 0 < rate < 1:
        raise argparse.ArgumentTypeError(f"learning rate {text!r}: write a number above 0 and below 1, such as 1e-3")
    return rate


def _count(text):
    if not re.fullmatch(r"\d+", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number of at least 1")
    return int(text)


def _count_or_all(text):
    return text if text == "all" else _count(text)


def _whole(text):
    if not re.fullmatch(r"\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number of at least 0")
    return int(text)


def _share(text):
    share = _number(text)
    if share is None or not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number above 0 and below 1, such as 0.1")
    return share


def _number(text):
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
