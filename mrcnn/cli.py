"""The command line: python -m mrcnn COMMAND.

Each command imports what it needs when it runs, so that --help answers at once.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any


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
    parser.add_argument("--config", metavar="FILE.py:CLASS", help="your subclass of Config. The file is run. Default: the library's Config")
    parser.add_argument(
        "--set", dest="settings", type=_setting, action="append", default=[], metavar="NAME=VALUE",
        help="a parameter of mrcnn.config.Config, such as IMAGE_MAX_DIM=512; may come several times",
    )  # fmt: skip
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
    parser.add_argument("--weights", required=True, metavar="FILE", help="the trained .h5 file")
    parser.add_argument("--config", metavar="FILE.py:CLASS", help="your subclass of Config. The file is run. Default: the library's Config")
    parser.add_argument(
        "--set", dest="settings", type=_setting, action="append", default=[], metavar="NAME=VALUE",
        help="a parameter of mrcnn.config.Config, such as IMAGE_MAX_DIM=512; may come several times",
    )  # fmt: skip


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
        if len(numbers) not in (count, count + 1) or (len(numbers) > count and not numbers[-1].is_integer()):
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
