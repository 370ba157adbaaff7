"""Say in one message why a weight file does not fit a network, and what to do."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mrcnn.weights import names
from mrcnn.weights.layout import Facts, FileLayout

# Facts -> the Config attribute that a person would set; None where the remedy is worded apart.
_ATTRIBUTES = {
    "backbone": "BACKBONE",
    "num_classes": "NUM_CLASSES",
    "anchors_per_location": "number of RPN_ANCHOR_RATIOS",
    "pyramid_size": "TOP_DOWN_PYRAMID_SIZE",
    "head_size": "FPN_CLASSIF_FC_LAYERS_SIZE",
    "pool_size": "POOL_SIZE",
    "input_channels": "IMAGE_CHANNEL_COUNT",
    "norm": "NORM",
    "num_attributes": "NUM_ATTRIBUTES",
}
_SHOWN = 8
_EXCLUDABLE = 12


@dataclass(frozen=True)
class Difference:
    """A weight whose shape in the file is not the model's; None where one of them lacks it."""

    layer: str
    weight: str
    in_file: tuple[int, ...] | None
    in_model: tuple[int, ...] | None


def explain(file: FileLayout, own: Facts, differences: Sequence[Difference]) -> str:
    """Explain weights of other shapes: the cause where the shapes tell it, each weight, the remedy."""
    causes = _causes(file.facts, own)
    lines = [f"{file.path} does not fit this network:"]
    lines += [f"  {_ATTRIBUTES[field]}: {stored} in the file, {here} here" for field, stored, here in causes]
    lines += [
        f"  {item.weight}: {_shape(item.in_file)} in the file, {_shape(item.in_model)} here"
        for item in differences[:_SHOWN]
    ]
    if len(differences) > _SHOWN:
        lines.append(f"  and {len(differences) - _SHOWN} more weights")
    layers = _layers_to_exclude(differences, classes=any(field == "num_classes" for field, _, _ in causes))
    remedies = [_setting(field, stored) for field, stored, _ in causes]
    if len(layers) <= _EXCLUDABLE:
        remedies.append(f"pass exclude={layers} to load the rest and start these layers afresh")
    else:
        remedies.append(f"exclude the {len(layers)} layers that differ")
    return "\n".join([*lines, _sentence(remedies)])


def explain_layers(file: FileLayout, own: Facts, model: Collection[str]) -> str:
    """Explain that file and model hold other layers, or the same number in another order."""
    causes = _causes(file.facts, own)
    only_file = [layer for layer in file.layers if layer not in model]
    only_model = [layer for layer in model if layer not in file.layers]
    lines = [f"{file.path} ({file.kind_text}) does not hold the same layers as this network:"]
    lines += [f"  {_ATTRIBUTES[field]}: {stored} in the file, {here} here" for field, stored, here in causes]
    lines.append(f"  only in the file: {some(only_file)}")
    lines.append(f"  only in the network: {some(only_model)}")
    remedies = [_setting(field, stored) for field, stored, _ in causes]
    return "\n".join([*lines, _sentence([*remedies, "pass by_name=True to load the layers that both have"])])


def some(layers: Sequence[str]) -> str:
    """Name a few of many layers."""
    if not layers:
        return "none"
    if len(layers) <= _SHOWN:
        return ", ".join(layers)
    return f"{', '.join(layers[: _SHOWN - 1])} and {len(layers) - _SHOWN + 1} more"


def depth_warning(file: FileLayout, file_backbone: str | None, own_backbone: str | None) -> str | None:
    """Word the warning for a ResNet loaded by name into one of another depth; None where there is no cause."""
    depths = ("resnet50", "resnet101")
    if file_backbone == own_backbone or file_backbone not in depths or own_backbone not in depths:
        return None
    return (
        f"{os.path.basename(file.path)} holds a {file_backbone}, this network is a {own_backbone}: stage 4 gets "
        f"weights trained at another depth. Set BACKBONE = {file_backbone!r} for the network of the file."
    )


def _causes(in_file: Facts, own: Facts) -> list[tuple[str, object, object]]:
    """(field, value in the file, value here) for each measure that both tell and that differs."""
    found = []
    for field in _ATTRIBUTES:
        stored, here = getattr(in_file, field), getattr(own, field)
        if stored != here and stored is not None and here is not None:
            found.append((field, stored, here))
    return found


def _setting(field: str, value: object) -> str:
    if field == "anchors_per_location":
        return f"give RPN_ANCHOR_RATIOS {value} values"
    if value in ("custom", "resnet"):
        return "use the BACKBONE that the file was trained with"
    return f"set {_ATTRIBUTES[field]} = {value!r}"


def _layers_to_exclude(differences: Sequence[Difference], classes: bool) -> list[str]:
    """The layers to start afresh; the historic list of four where the number of classes is among the causes."""
    layers = [
        item.weight.split("/")[-2] if item.layer == names.RPN_MODEL and "/" in item.weight else item.layer
        for item in differences
    ]
    heads = list(names.HEAD_LAYERS) if classes else []
    return heads + [layer for layer in dict.fromkeys(layers) if layer not in heads]


def _sentence(remedies: Sequence[str]) -> str:
    text = ", or ".join([" and ".join(remedies[:-1]), remedies[-1]] if len(remedies) > 1 else remedies)
    return f"{text[0].upper()}{text[1:]}."


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else str(shape)
