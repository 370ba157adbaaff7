"""The command line: python -m mrcnn COMMAND.

Each command imports what it needs when it runs, so that --help answers at once.
"""

import argparse
import sys
from collections.abc import Sequence


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
    parser.add_argument(
        "--class", dest="classes", action="append", default=[], metavar="NAME[=NEW]", help="take this class; repeat it. Default: all"
    )
    parser.add_argument(
        "--option", dest="options", action="append", default=[], metavar="NAME=VALUE", help="of the format, such as class_name=nucleus; repeat it"
    )
    parser.add_argument("--strict", action="store_true", help="stop at the first broken annotation, instead of counting them")
    parser.add_argument("--keep-missing", action="store_true", help="keep images whose photo isn't there, where the format tells their size")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT")
    parser.set_defaults(run=_convert)


def _convert(options: argparse.Namespace) -> int:
    import logging

    from mrcnn.data.formats.convert import convert

    logging.basicConfig(level=logging.INFO, format="%(message)s")  # what was left out or changed, on standard error
    asked = {name: value for name, value in vars(options).items() if name not in ("command", "run")}
    print(convert(**asked))
    return 0
