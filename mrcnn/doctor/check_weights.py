"""Findings about a weight file that training shall start from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mrcnn.doctor.findings import Finding
from mrcnn.weights import layout

if TYPE_CHECKING:
    from mrcnn.config import Config


def check(path: str, config: Config) -> Iterator[Finding]:
    """Yield where a weight file does not fit a configuration, by its layers' shapes; no weight is read.

    Args:
        path: a legacy Keras .h5 file.
        config: of the network.
    """
    try:
        described = layout.describe(path)
    except (OSError, ValueError) as error:
        yield Finding("weights.unreadable", "error", str(error), "Give a .h5 file of Mask R-CNN or ImageNet weights.")
        return
    if described.kind == "other":
        yield Finding("weights.other", "error", f"{path} holds weights of another network.", "Give Mask R-CNN or ImageNet ResNet weights.")
        return
    facts = described.facts
    classes = facts.num_classes
    if classes is not None and classes != config.NUM_CLASSES:
        what = f"{path} was trained with {classes} classes, NUM_CLASSES is {config.NUM_CLASSES}: its heads don't fit."
        advice = "Load it with exclude=modellib.HEAD_LAYERS, so that these heads start afresh, and train stage heads first."
        yield Finding("weights.heads", "warning", what, advice)
    for name, stored, own, advice in _measures(facts, config):
        if stored is not None and stored != own:
            severity = "warning" if name == "input_channels" else "error"
            yield Finding(f"weights.{name}", severity, f"{path} has {name.replace('_', ' ')} {stored}, the configuration {own}.", advice)


def _measures(facts: layout.Facts, config: Config) -> Iterator[tuple[str, object, object, str]]:
    """Yield (what, in the file, in the configuration, advice) of each measure that must agree."""
    if isinstance(config.BACKBONE, str) and facts.backbone in ("resnet50", "resnet101"):
        yield "backbone", facts.backbone, config.BACKBONE, f"Set BACKBONE = {facts.backbone!r}, or take other weights."
    ratios = facts.anchors_per_location
    yield "anchors_per_location", ratios, len(config.RPN_ANCHOR_RATIOS), f"Give RPN_ANCHOR_RATIOS {ratios} values, or exclude rpn_model."
    for name, stored, parameter in (
        ("pyramid_size", facts.pyramid_size, "TOP_DOWN_PYRAMID_SIZE"),
        ("head_size", facts.head_size, "FPN_CLASSIF_FC_LAYERS_SIZE"),
        ("pool_size", facts.pool_size, "POOL_SIZE"),
        ("input_channels", facts.input_channels, "IMAGE_CHANNEL_COUNT"),
    ):
        yield name, stored, getattr(config, parameter), f"Set {parameter} = {stored}, or exclude the layers that differ."
    if described_norm := facts.norm:
        own = "group" if config.NORM == "group" else "batch"
        yield "norm", described_norm, own, f"Set NORM = {described_norm!r}."
