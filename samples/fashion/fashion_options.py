"""The command line of the fashion sample. Imports no TensorFlow, so that --help and refusals come at once."""

import argparse
import re

import fashion_splits
from fashion_config import VARIANTS
from fashion_preview import AUGMENTATIONS

from samples import program
from samples.program import EXAMPLE_STAGES, SETTINGS_HELP, WEIGHTS_HELP, stages

CHECKPOINTS_HELP = "checkpoints or run folders of this sample, or last"
AUGMENT_HELP = f"comma-separated, in the order in which they act: {', '.join(AUGMENTATIONS)}; or none"
ATTRIBUTE_HELP = "of a run with --attributes: the probability from which on an attribute is told. Default: 0.5"
DERIVED = {
    "NUM_CLASSES": "follows from the data", "SEED": "has its own option, --seed", "NAME": "names the run folders of this sample",
    "LEARNING_RATE": "has its own options, --lr and --stages", "NUM_ATTRIBUTES": "has its own option, --attributes",
}  # fmt: skip
#: What preview says instead, as it has no such options.
NOT_SEEN = {"LEARNING_RATE": "changes nothing in these pictures", "NUM_ATTRIBUTES": "changes nothing in these pictures"}
#: Options that are parameters of Config under another name.
AS_SETTINGS = {"deterministic": "DETERMINISTIC", "keep_last": "KEEP_LAST", "keep_best": "KEEP_BEST", "ema": "EMA_DECAY"}
NOT_TRAINED = {"weights": None, "stages": None, "layers": None, "lr": None, "epochs": None}  # what commands that don't train have not


def parse(arguments=None):
    """Read the command line; nonsense ends the program with a message that says what to write."""
    parser = argparse.ArgumentParser(
        prog="fashion.py",
        description="Find garments on people. Without --dataset: on embedded scenes, drawn from a seed.",
    )
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train | analyse | preview | detect | evaluate | submit | check")
    completed = {"train": _add_train(commands), "analyse": _add_analyse(commands), "preview": _add_preview(commands)}
    for add in (_add_detect, _add_submit, _add_check, _add_evaluate):
        add(commands)
    options = parser.parse_args(arguments)
    options.settings = dict(getattr(options, "settings", ()))
    for option, name in AS_SETTINGS.items():
        if getattr(options, option, None):
            if name in options.settings:
                completed.get(options.command, parser).error(f"--{option.replace('_', '-')} and --set {name}: give one of them.")
            options.settings[name] = getattr(options, option)
    if options.command in completed:
        _complete(completed[options.command], options)
    return options


def default_variant(options):
    """Return the variant of a new run for which none is asked."""
    return "resnet50-256" if options.dataset else "small"


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


def setting(text, derived=DERIVED):
    """Read "NAME=VALUE" as `program.setting` does; parameters that follow from something else are refused, with the reasons of `derived`."""
    name, value = program.setting(text)
    if name in derived:
        raise argparse.ArgumentTypeError(f"{name} {derived[name]}: leave it out")
    return name, value


def _setting_of_preview(text):
    return setting(text, {**DERIVED, **NOT_SEEN})


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


def _add_train(commands):
    parser = commands.add_parser("train", help="train, with mAP after each epoch")
    _add_data(parser)
    parser.add_argument("--variant", choices=sorted(VARIANTS), help="default: small; with --dataset resnet50-256")
    parser.add_argument("--weights", default=None, help=f"{WEIGHTS_HELP}. Default: none")
    parser.add_argument("--layers", type=program.layers, help="heads, 3+, 4+, 5+, all or a regular expression of layer names")
    parser.add_argument("--lr", type=program.learning_rate, help="learning rate")
    parser.add_argument("--epochs", type=program.count, help="epochs in total, those of a resumed run included")
    parser.add_argument("--stages", type=stages, help=f"layers:rate:epochs[:schedule], …; for example {EXAMPLE_STAGES}")
    _add_run(parser)
    parser.add_argument("--batch", type=program.count, help="images a step (IMAGES_PER_GPU)")
    parser.add_argument("--steps", type=program.count, help="steps an epoch (STEPS_PER_EPOCH)")
    parser.add_argument("--validation-steps", type=_count_or_all, help="validation steps an epoch, or all (VALIDATION_STEPS)")
    parser.add_argument("--map-limit", type=program.count, help="images for the mAP after each epoch")
    parser.add_argument("--folds", type=program.count, help="cut the training images into so many folds, classes kept even")
    parser.add_argument("--fold", type=program.count, help="the fold held out for validation, from 1 to --folds")
    parser.add_argument("--sample", type=program.count, help="train on so many images, classes kept even (with --folds: cut these)")
    parser.add_argument("--augment", type=augmentations, help=f"{AUGMENT_HELP}. A resumed run keeps its own. Default: none")
    parser.add_argument(
        "--attributes", action="store_true",
        help='learn the attributes of ClassId ("6_12_44") too, on the scenes pattern and colour of the cloth; a resumed run goes on with it',
    )  # fmt: skip
    program.add_settings(parser, f"{SETTINGS_HELP}. A resumed run keeps its own", setting)
    parser.set_defaults(subset=None)
    return parser


def _add_analyse(commands):
    parser = commands.add_parser("analyse", help="tables and plots of the training photos: classes, instances, sizes")
    _add_data(parser)
    parser.add_argument("--variant", choices=sorted(VARIANTS), help="as of train: masks are measured at its size")
    parser.add_argument("--sample", type=program.count, help="also draw so many images, classes kept even, and compare them with all")
    parser.add_argument("--output", required=True, help="folder for the tables and plots")
    parser.set_defaults(subset=None, settings=[], **NOT_TRAINED)
    return parser


def _add_preview(commands):
    parser = commands.add_parser("preview", help="draw augmented photos as train with the same options will see them")
    _add_data(parser)
    parser.add_argument("--variant", choices=sorted(VARIANTS), help="as of train")
    parser.add_argument("--batch", type=program.count, help="as of train")
    parser.add_argument("--steps", type=program.count, help="as of train")
    parser.add_argument("--augment", type=augmentations, required=True, help=AUGMENT_HELP)
    parser.add_argument("--output", required=True, help="folder for the pictures")
    parser.add_argument("--photos", type=program.count, default=4, help="rows of the sheet. Default: 4")
    parser.add_argument("--draws", type=program.count, default=4, help="views of each photo. Default: 4")
    program.add_settings(parser, "as of train", _setting_of_preview)
    parser.set_defaults(subset=None, **NOT_TRAINED)
    return parser


def _add_detect(commands):
    parser = commands.add_parser("detect", help="draw the garments found on photos")
    _add_detection(parser, "show detections from this score on. Default: 0.5; with --thresholds what these say")
    parser.add_argument("--image", required=True, help="a photo, or a folder of photos")
    parser.add_argument("--output", required=True, help="folder for the pictures and results.json")


def _add_submit(commands):
    parser = commands.add_parser("submit", help="write the competition's CSV of a folder of photos, and check it")
    _add_detection(parser, "submit detections from this score on. Default: 0.5; with --thresholds what these say")
    parser.add_argument("--image", required=True, help="folder of photos, such as DATA/test; each gets a line")
    parser.add_argument("--output", required=True, help="the .csv file")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")


def _add_check(commands):
    parser = commands.add_parser("check", help="check the CSV of any program: overlaps, order, range, classes, missing photos")
    parser.add_argument("--submission", required=True, help="the .csv file")
    parser.add_argument("--image", required=True, help="folder of the photos that it has to tell of")
    parser.add_argument("--labels", help="label_descriptions.json: its categories and attributes are the ones there may be")


def _add_evaluate(commands):
    parser = commands.add_parser("evaluate", help="mAP of a checkpoint, class by class")
    _add_data(parser)
    parser.add_argument(
        "--weights", nargs="+", default=["last"],
        help=f"{CHECKPOINTS_HELP}; several runs of one K-fold split: each on the fold it never saw, mean, spread and pooled. Default: last",
    )  # fmt: skip
    parser.add_argument(
        "--subset", choices=("train", "val", "test"), default="val",
        help="test: what no fold holds (val.csv, or the validation scenes), each run and all as an ensemble. Default: val",
    )  # fmt: skip
    parser.add_argument("--map-limit", type=program.count, help="evaluate this many images only")
    parser.add_argument("--min-attribute", type=program.share, help=ATTRIBUTE_HELP)
    program.add_thresholds(parser)
    parser.add_argument("--tune", action="store_true", help="also choose thresholds of each class, kept beside the checkpoint")


def _add_data(parser):
    parser.add_argument("--dataset", help="folder in iMaterialist form (train.csv, label_descriptions.json, train/)")
    parser.add_argument(
        "--rle-from", type=int, choices=(0, 1), help="number of the first pixel in EncodedPixels. Default: 1"
    )
    parser.add_argument(
        "--val-share", type=program.share, help="held back for validation where there is no val.csv. Default: 0.1"
    )
    parser.add_argument("--seed", type=program.whole, help="of weights, order, sampling and that split. Default: 0")
    program.add_logs(parser)


def _add_detection(parser, of_score):
    parser.add_argument(
        "--weights", nargs="+", default=["last"], help=f"{CHECKPOINTS_HELP}; several detect together, as an ensemble. Default: last"
    )
    parser.add_argument("--min-score", type=program.share, default=None, help=of_score)
    parser.add_argument("--min-attribute", type=program.share, help=ATTRIBUTE_HELP)
    program.add_thresholds(parser)
    program.add_logs(parser)


def _add_run(parser):
    """What keeps a long run safe."""
    parser.add_argument("--time-limit", type=duration, help="8h, 90m, …: save and leave cleanly before it is over; --weights last goes on")
    parser.add_argument("--deterministic", action="store_true", help="repeat and resume bit for bit; somewhat slower")
    parser.add_argument("--keep-last", type=program.count, help="checkpoints to keep. Default: all")
    parser.add_argument("--keep-best", help="with --keep-last: also the epoch best by this figure, val_map or val_loss say")
    parser.add_argument("--ema", type=program.share, help="also keep a moving average of the weights, 0.999 say, and measure it")


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


def _count_or_all(text):
    return text if text == "all" else program.count(text)
