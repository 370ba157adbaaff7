"""The command line: python -m mrcnn COMMAND.

Each command imports what it needs when it runs, so that --help answers at once.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

from mrcnn.commands import words

_WEIGHTS = "the .h5 file; a run's folder, for its newest checkpoint; last, for that of the newest run under --logs (with --config: of its NAME)"
_CONFIG = "Default: that of the weights' run, else the library's"
_SETTING = "a parameter of mrcnn.config.Config, such as IMAGE_MAX_DIM=512; may come several times"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `python -m mrcnn`; None takes them from sys.argv.

    Returns:
        The exit status: 0, or 1 with a message on standard error when the input is at fault.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (OSError, ValueError) as error:
        print(f"mrcnn {options.command}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mrcnn", description="Mask R-CNN for Keras 3.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_weights(commands)
    _add_curves(commands)
    _add_convert(commands)
    _add_doctor(commands)
    _add_detect(commands)
    _add_evaluate(commands)
    _add_tune(commands)
    _add_explain(commands)
    return parser


def _add_weights(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("weights", help="describe a weight file: network, classes, layers, shapes")
    parser.add_argument("file", help="a legacy Keras .h5 file, such as mask_rcnn_coco.h5")
    parser.add_argument("--layers", action="store_true", help="also list each layer's weights with their shapes")
    parser.set_defaults(run=_weights)


def _weights(options: argparse.Namespace) -> int:
    from mrcnn.weights import layout

    described = layout.describe(options.file)
    print(layout.summary(described))
    if options.layers:
        for name, weights in described.layers.items():
            for weight in weights:
                print(f"{name:24} {weight.name:40} {str(weight.shape):20} {weight.dtype}")
    return 0


def _add_curves(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("curves", help="draw the curves of a run, or of several over one another")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run, such as logs/cells20260101T1200, or its metrics.csv")
    parser.add_argument("--output", help="the picture. Default: curves.png, of one run in its folder, of several in the current one")
    parser.set_defaults(run=_curves)


def _curves(options: argparse.Namespace) -> int:
    from mrcnn.training import curves

    if len(options.runs) == 1:
        print(curves.draw(options.runs[0], options.output))
    else:
        print(curves.compare(options.runs, options.output or curves.FILE))
    return 0


def _add_convert(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("convert", help="write a data set in another format, such as VIA as COCO json; see docs/formats.md")
    parser.add_argument("sources", nargs="+", metavar="IN", help="file or folder; several become one data set")
    parser.add_argument("target", metavar="OUT", help="file, or for yolo a folder, to make")
    readers = "coco, cvat, imaterialist, index_masks, labelme, png_masks, supervisely, via or yolo"
    parser.add_argument("--from", dest="read_as", required=True, metavar="FORMAT", help=readers)
    parser.add_argument("--to", dest="write_as", required=True, metavar="FORMAT", help="coco, imaterialist or yolo")
    parser.add_argument("--images", metavar="FOLDER", help="of the photos, if they are not where the format has them")
    _add_reading(parser)
    parser.add_argument("--strict", action="store_true", help="stop at the first broken annotation, instead of counting them")
    parser.add_argument("--keep-missing", action="store_true", help="keep images whose photo isn't there, where the format tells their size")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT")
    parser.set_defaults(run=_convert)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """Add what reading a format takes."""
    parser.add_argument(
        "--class", dest="classes", action="append", default=[], metavar="NAME[=NEW]", help="take this class; repeat it. Default: all"
    )
    parser.add_argument(
        "--option", dest="options", action="append", default=[], metavar="NAME=VALUE", help="of the format, such as class_name=nucleus; repeat it"
    )


def _convert(options: argparse.Namespace) -> int:
    import logging

    from mrcnn.data.formats.convert import convert

    logging.basicConfig(level=logging.INFO, format="%(message)s")  # what was left out or changed, on standard error
    asked = {name: value for name, value in vars(options).items() if name not in ("command", "run")}
    print(convert(**asked))
    return 0


def _add_doctor(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("doctor", help="say what is wrong with data, configuration and weights, before training")
    parser.add_argument("--format", required=True, help="of the annotations: coco, via, labelme, …; one of mrcnn.data.formats.FORMATS")
    parser.add_argument("--train", required=True, metavar="PATH", help="annotations of training, a file or a folder")
    parser.add_argument("--val", metavar="PATH", help="annotations of validation")
    parser.add_argument("--images", metavar="DIR", help="folder of the photos, where the format doesn't say")
    _add_reading(parser)
    parser.add_argument("--val-images", metavar="DIR", help="that of validation, if it is another")
    _add_config(parser, "Default: the library's Config")
    parser.add_argument("--weights", metavar="FILE", help="the .h5 file that training shall start from")
    parser.add_argument("--html", metavar="FILE", help="also write the report as a page with pictures")
    parser.add_argument("--limit", type=_count, metavar="N", help="look at so many images of each data set, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0, help="of that draw. Default: 0")
    parser.add_argument("--no-cost", action="store_true", help="no estimate of memory and time, for which the network is built")
    parser.add_argument("--measure", action="store_true", help="take training steps and measure them; may take minutes")
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from mrcnn.doctor import command

    return command.run(options)


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("evaluate", help="measure a network, or a file of results: AP, F1, confusion, PQ, mIoU; see docs/evaluation.md")
    network = parser.add_argument_group("a network on a data set")
    network.add_argument("--weights", metavar="FILE", help=f"{_WEIGHTS}, or coco")
    network.add_argument("--format", help="of the annotations: coco, via, labelme, …; one of mrcnn.data.formats.FORMATS")
    network.add_argument("--data", metavar="PATH", help="annotations to judge by, a file or a folder")
    _add_reading(network)
    network.add_argument("--classes-of", metavar="PATH", help="annotations of training: their classes, in their order. Default: of --data")
    _add_config(network, settings=f"{_SETTING}. DETECTION_MIN_CONFIDENCE is 0 unless it is set here")
    _add_logs(network)
    network.add_argument("--limit", type=_count, metavar="N", help="judge so many images, spread evenly")
    results = parser.add_argument_group("files")
    results.add_argument("--ground-truth", metavar="FILE", help='COCO "instances" json')
    results.add_argument("--results", metavar="FILE", help="COCO results json, of masks or boxes")
    results.add_argument("--collected", metavar="FILE", help="what --keep has written")
    parser.add_argument("--images", metavar="DIR", help="folder of the photos, where the format doesn't say; with files, for the pictures")
    parser.add_argument("--kinds", nargs="+", choices=("segm", "bbox", "boundary"), help="of COCO's figures. Default: all where there are masks")
    parser.add_argument("--iou", type=float, action="append", help="of the class-wise mAP; may come several times. Default: 0.5 and 0.75")
    parser.add_argument(
        "--score", type=_score, default=0.5, metavar="SCORE",
        help="least score in the confusion matrix, PQ and mIoU; best: each class's own with the best F1. Default: 0.5",
    )  # fmt: skip
    parser.add_argument("--samples", type=int, default=1000, metavar="N", help="draws of the bootstrap intervals; 0: none. Default: 1000")
    parser.add_argument("--seed", type=int, default=0, help="of the draws. Default: 0")
    parser.add_argument("--output", metavar="FOLDER", help="write evaluation.json, per_class.csv, confusion.csv and report.html there")
    parser.add_argument("--keep", action="store_true", help="also write detections and truth, to measure again without the network")
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from mrcnn.commands import evaluate

    return evaluate.run(options)


def _score(text: str) -> float | str:
    if text == "best":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number, or best") from None


def _add_detect(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("detect", help="find the objects on photos, in a video or before a camera; see docs/detecting.md")
    parser.add_argument("sources", nargs="*", metavar="PHOTO", help="photos, folders of photos, or one video file")
    parser.add_argument("--camera", type=int, metavar="N", help="a camera instead, 0 for the first; Ctrl-C or --frames ends it")
    parser.add_argument("--weights", required=True, metavar="FILE", help=f"{_WEIGHTS}. A config.json beside it says what network it is")
    _add_logs(parser)
    _add_config(parser)
    parser.add_argument("--classes", metavar="NAMES", help="a,b,c or a file with one a line. Default: those of the run, or COCO's 80")
    parser.add_argument("--batch", type=_count, default=1, metavar="N", help="images the network takes at once. Default: 1")
    looks = parser.add_argument_group("how to look")
    looks.add_argument("--min-score", type=_share, metavar="S", help="leave out lower scores. Default: the configuration's DETECTION_MIN_CONFIDENCE")
    words.add_thresholds(looks)
    looks.add_argument("--flip", action="store_true", help="also look at the mirrored photo, and fuse")
    looks.add_argument("--scales", type=_numbers, metavar="S,S,…", help="sizes to look at, factors of the usual one, such as 0.75,1,1.5, and fuse")
    looks.add_argument(
        "--tile", type=_count, nargs="?", const=0, metavar="PIXELS", help="look at tiles of large photos. Without PIXELS: of the network's size"
    )
    looks.add_argument("--overlap", type=_share, default=0.25, metavar="S", help="share of a tile that the next one sees too. Default: 0.25")
    looks.add_argument("--no-whole", action="store_true", help="with --tile: don't look at the whole photo besides")
    looks.add_argument("--mask-nms", type=_share, metavar="IOU", help="drop a mask that a better one of its class overlaps by more")
    looks.add_argument("--no-overlaps", choices=("smallest", "best"), help="every pixel in one mask: the smallest one's, or the best one's")
    output = parser.add_argument_group("what to write")
    output.add_argument("--output", required=True, metavar="DIR", help="folder; it always gets detections.jsonl, a line for each image")
    output.add_argument(
        "--save", nargs="+", choices=("pictures", "coco", "imaterialist", "video", "jsonl"), metavar="WHAT",
        help="pictures, coco (results json), imaterialist (submission CSV), video, or jsonl for nothing besides. Default: pictures, or video",
    )  # fmt: skip
    output.add_argument("--coco-ids", metavar="FILE", help="COCO annotations that give the results their image and category ids")
    output.add_argument("--resume", action="store_true", help="leave out the photos that have a line in detections.jsonl")
    output.add_argument("--overwrite", action="store_true", help="begin anew in a folder that has detections")
    output.add_argument("--recursive", action="store_true", help="also the folders within folders")
    output.add_argument("--every", type=_count, default=1, metavar="N", help="of a video: each Nth frame")
    output.add_argument("--frames", type=_count, metavar="N", help="of a video: so many frames at most")
    output.add_argument("--codec", default="mp4v", metavar="FOUR", help="of the video written. Default: mp4v")
    output.add_argument("--fps", type=float, metavar="N", help="of the video written. Default: the source's, divided by --every")
    output.add_argument("--video-name", metavar="NAME", help="of the video written; its suffix says the container. Default: NAME_detections.mp4")
    parser.set_defaults(run=_detect)


def _detect(options: argparse.Namespace) -> int:
    from mrcnn.commands import detect

    return detect.run(options)


def _share(text: str) -> float:
    (number,) = _numbers(text) if "," not in text else (-1.0,)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number from 0 to 1")
    return number


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number, or several with commas between") from None


def _add_tune(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("tune", help="choose score, NMS, mask and area thresholds of each class on a validation set; see docs/thresholds.md")
    _add_network(parser)
    _add_data(parser, required=True)
    parser.add_argument("--output", metavar="FILE", help="the thresholds. Default: beside the weights, WEIGHTS.thresholds.json")
    parser.add_argument("--iou", nargs="+", type=float, default=[0.5, 0.75], help="IoU of masks that F1 is averaged over. Default: 0.5 0.75")
    parser.add_argument("--min-instances", type=_count, default=20, metavar="N", help="a class with fewer takes what all share. Default: 20")
    parser.set_defaults(run=_tune)


def _tune(options: argparse.Namespace) -> int:
    from mrcnn.commands import tune

    return tune.run(options)


def _add_explain(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("explain", help="say at which stage of detection objects are lost; see docs/explain.md")
    parser.add_argument("photos", nargs="*", metavar="PHOTO", help="photos; or a data set with --format and --data, whose objects are looked for")
    _add_network(parser)
    _add_data(parser, required=False)
    parser.add_argument("--box", type=_place(4), action="append", default=[], metavar="Y1,X1,Y2,X2[,CLASS]", help="look for it (pixels); repeat it")
    parser.add_argument("--point", type=_place(2), action="append", default=[], metavar="Y,X[,CLASS]", help="likewise, what lies at a pixel")
    parser.add_argument("--list", action="store_true", help="of a data set: also each lost object")
    parser.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> int:
    from mrcnn.commands import explain

    return explain.run(options)


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", required=True, metavar="FILE", help=f"{_WEIGHTS}, or coco")
    _add_config(parser)
    _add_logs(parser)


def _add_config(parser: argparse._ActionsContainer, default: str = _CONFIG, settings: str = _SETTING) -> None:
    """Add --config and --set."""
    parser.add_argument("--config", metavar="FILE.py:CLASS", help=f"your subclass of Config. The file is run. {default}")
    parser.add_argument("--set", dest="settings", type=_setting, action="append", default=[], metavar="NAME=VALUE", help=settings)


def _add_logs(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--logs", default="logs", metavar="DIR", help="where --weights last looks. Default: logs")


def _add_data(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--format", required=required, help="of the annotations: coco, via, labelme, …; one of mrcnn.data.formats.FORMATS")
    parser.add_argument("--data", required=required, metavar="PATH", help="annotations, a file or a folder")
    parser.add_argument("--images", metavar="DIR", help="folder of the photos, where the format doesn't say")
    _add_reading(parser)
    parser.add_argument("--limit", type=_count, metavar="N", help="look at so many images, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0, help="of that draw, and of halves. Default: 0")


def _place(count: int) -> Callable[[str], list[float]]:
    """Return a reader of so many numbers with commas between, and perhaps a class id."""

    def read(text: str) -> list[float]:
        try:
            numbers = [float(part) for part in text.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) not in (count, count + 1) or not all(map(math.isfinite, numbers)) or (len(numbers) > count and not numbers[-1].is_integer()):
            raise argparse.ArgumentTypeError(f"{text!r}: write {count} numbers with commas between, in pixels, and a class id if you like")
        return numbers

    return read


def _setting(text: str) -> tuple[str, Any]:
    from mrcnn.config import read_setting

    try:
        return read_setting(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number of at least 1")
    return int(text)
