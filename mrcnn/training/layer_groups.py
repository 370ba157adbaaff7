"""Which layers train: the historic names (heads, 3+, 4+, 5+, all) or a regular expression on layer names."""

import re
from collections.abc import Iterator
from typing import Any

import keras

from mrcnn.log import log

_HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)"
GROUPS = {
    "heads": _HEADS,
    "3+": rf"(res3.*)|(bn3.*)|(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|{_HEADS}",
    "4+": rf"(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|{_HEADS}",
    "5+": rf"(res5.*)|(bn5.*)|{_HEADS}",
    "all": ".*",
}


def pattern(layers: str) -> str:
    """Regular expression of a group name; any other text is one already.

    Raises:
        ValueError: not a regular expression.
    """
    layers = GROUPS.get(layers, layers)
    try:
        re.compile(layers)
    except re.error as error:
        raise ValueError(f"layers {layers!r}: one of {', '.join(GROUPS)} or a regular expression on layer names is expected ({error})") from None
    return layers


def trainable_layers(model: keras.Model) -> Iterator[Any]:
    """Layers that own weights, nested models opened."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from trainable_layers(layer)
        elif any("float" in str(weight.dtype) for weight in layer.weights):  # the state of a random generator is no weight
            yield layer


def set_trainable(model: keras.Model, layers: str, *, verbose: bool = True, indent: int = 0) -> list[str]:
    """Let the layers whose whole name matches train, and no others. The model must be compiled (again) afterwards.

    Args:
        model: Its nested models' layers are matched one by one.
        layers: Group name or regular expression.
        verbose: Print the layers chosen.
        indent: Spaces before each line.

    Returns:
        Names of the layers that train.

    Raises:
        ValueError: no layer matches.
    """
    if verbose:
        log(f"{' ' * indent}Selecting layers to train")
    chosen = matching(model, layers)
    for layer in trainable_layers(model):
        layer.trainable = layer.name in chosen
        if layer.trainable and verbose:
            log(f"{' ' * indent}{layer.name:20}   ({type(layer).__name__})")
    return chosen


def matching(model: keras.Model, layers: str) -> list[str]:
    """Names of the layers that a group name or regular expression means, in the network's order.

    Raises:
        ValueError: none matches.
    """
    expression = re.compile(pattern(layers))
    names = [layer.name for layer in trainable_layers(model)]
    chosen = [name for name in names if expression.fullmatch(name)]
    if not chosen:
        raise ValueError(
            f"layers {layers!r} matches no layer of the network, so nothing would train. One of {', '.join(GROUPS)} is expected, or a regular "
            f"expression: layers are named like {', '.join(names[:8])}…"
        )
    return chosen
