"""Decide which weight of a file goes to which variable, before a byte of data is read."""

import difflib
import logging
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from mrcnn.weights import channels, layout, mismatch, names
from mrcnn.weights.layout import FileLayout, Weight
from mrcnn.weights.model_layers import NamedVariable
from mrcnn.weights.report import LoadReport

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assignment:
    """One weight of the file and the variable that receives it."""

    layer: str
    weight: Weight
    variable: Any


def match(
    file: FileLayout,
    model: dict[str, list[NamedVariable]],
    own_facts: layout.Facts,
    *,
    by_name: bool,
    excluded: frozenset[str],
) -> tuple[list[Assignment], LoadReport]:
    """Pair the weights of a file with those of a model.

    Args:
        file: from `layout.describe`.
        model: from `model_layers.weights_of`.
        own_facts: the model's measures.
        by_name: take what both have, and fit conv1 to other channels (see `channels`); else both must hold the same layers
            (or as many of the same shapes, in order).
        excluded: layers to leave alone, or single layers inside rpn_model.

    Returns:
        The assignments in the model's order, and the report that holds once they are made.

    Raises:
        ValueError: file and model do not fit. One message with all differences, their cause and the remedy.
    """
    _check_names(excluded, file, model)
    if by_name:
        backbones = [
            names.backbone_of(layer for layer in layers if layer not in excluded) for layers in (file.layers, model)
        ]
        warning = mismatch.depth_warning(file, *backbones)
        if warning:
            logger.warning(warning)
    pairs = _by_name(file, model, excluded) if by_name else _by_position(file, model, own_facts)
    assignments: list[Assignment] = []
    differences: list[mismatch.Difference] = []
    left_out = {layer for layer in model if layer in excluded}
    for layer, source in pairs.items():
        kept = [item for item in model[layer] if _owner(item[0]) not in excluded]
        stored = [weight for weight in file.layers[source] if _owner(weight.name) not in excluded]
        if len(kept) < len(model[layer]):
            left_out.add(layer)
        for weight, item in _pair_weights(stored, kept):
            stored_shape = weight.shape if weight else None
            own_shape = tuple(item[1].shape) if item else None
            if by_name and channels.adaptable(layer, stored_shape, own_shape):
                logger.warning(channels.describe(os.path.basename(file.path), own_shape[2]))
                assignments.append(Assignment(layer, weight, item[1]))
            elif stored_shape == own_shape and weight and item:
                assignments.append(Assignment(layer, weight, item[1]))
            else:
                differences.append(mismatch.Difference(layer, item[0] if item else weight.name, stored_shape, own_shape))
    if differences:
        raise ValueError(mismatch.explain(file, own_facts, differences))
    return assignments, LoadReport(
        path=file.path,
        loaded=tuple(layer for layer in pairs if layer not in left_out),
        missing_in_file=tuple(layer for layer in model if layer not in pairs and layer not in left_out),
        excluded=tuple(layer for layer in model if layer in left_out),
        unused_in_file=tuple(layer for layer in file.layers if layer not in pairs.values() and layer not in excluded),
    )


def excluded_names(exclude: Iterable[str] | str | None) -> frozenset[str]:
    """Read an `exclude` argument: layer names, one name, or None."""
    return frozenset([exclude] if isinstance(exclude, str) else exclude or ())


def _by_name(file: FileLayout, model: Collection[str], excluded: frozenset[str]) -> dict[str, str]:
    """Pair equal names, model layer -> file layer."""
    pairs = {layer: layer for layer in model if layer in file.layers and layer not in excluded}
    if not pairs:
        raise ValueError(
            f"No layer of {file.path} has a name in this network. The file has {mismatch.some(list(file.layers))}; "
            f"the network has {mismatch.some(list(model))}. It is {file.kind_text}."
        )
    return pairs


def _by_position(file: FileLayout, model: dict[str, list[NamedVariable]], own: layout.Facts) -> dict[str, str]:
    """Pair the same layers in any order; else, where names differ, layers of the same shapes in the same order."""
    if set(file.layers) == set(model):
        return {layer: layer for layer in model}
    shapes_in_file = [[weight.shape for weight in weights] for weights in file.layers.values()]
    own_shapes = [[tuple(variable.shape) for _, variable in items] for items in model.values()]
    if shapes_in_file == own_shapes:
        return dict(zip(model, file.layers, strict=True))
    raise ValueError(mismatch.explain_layers(file, own, model))


def _pair_weights(stored: list[Weight], own: list[NamedVariable]) -> list[tuple[Weight | None, NamedVariable | None]]:
    """Pair the weights of one layer: by the ends of their names where these agree, else by position."""
    for parts in (1, 2):
        ends = {_end(weight.name, parts): weight for weight in stored}
        own_ends = [_end(name, parts) for name, _ in own]
        if len(ends) == len(stored) and len(set(own_ends)) == len(own) and set(ends) == set(own_ends):
            return [(ends[end], item) for end, item in zip(own_ends, own, strict=True)]
    missing = len(own) - len(stored)
    return list(zip(stored + [None] * missing, own + [None] * -missing, strict=True))


def _end(name: str, parts: int) -> str:
    return "/".join(name.removesuffix(":0").split("/")[-parts:])


def _owner(weight_name: str) -> str:
    """The layer that a weight belongs to, inside a nested model too."""
    return weight_name.split("/")[-2] if "/" in weight_name else ""


def _check_names(excluded: Iterable[str], file: FileLayout, model: dict[str, list[NamedVariable]]) -> None:
    """Warn of an excluded layer that exists nowhere: most likely a typing error."""
    known = {*file.layers, *model, *names.HEAD_LAYERS, *names.RPN_LAYERS}
    for name in sorted(set(excluded) - known):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        logger.warning("exclude: neither %s nor the network has a layer %s%s", os.path.basename(file.path), name, hint)
