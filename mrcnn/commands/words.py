"""Words that commands of `python -m mrcnn` and the programs in samples/ have in common."""

import argparse


def add_thresholds(parser: argparse._ActionsContainer) -> None:
    """Add --thresholds: None where it isn't given, "" for the file beside the weights; see `inference.thresholds.WithThresholds`."""
    parser.add_argument(
        "--thresholds", nargs="?", const="", metavar="FILE", help="those of each class that tune chose. Without FILE: those beside the weights"
    )
