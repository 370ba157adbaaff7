"""The weights of a Keras model as a weight file sees them: by layer, named and ordered like the original's."""

from collections.abc import Iterator
from typing import Any

from mrcnn.weights import layout, names

# A weight's name in the file, and the Keras variable.
NamedVariable = tuple[str, Any]


def weights_of(model: Any) -> dict[str, list[NamedVariable]]:
    """Collect the float weights of a model's layers.

    A model nested in the network is one layer whose weights carry their own layer's name: rpn_conv_shared/kernel:0.
    Random state (integer seeds) is no weight.

    Args:
        model: a built keras.Model.

    Returns:
        Layer name -> (name in the file, variable), in file order. Layers without weights are left out.

    Raises:
        ValueError: the model has no weights, or two of a layer's weights would get one name.
    """
    found = {}
    for layer in model.layers:
        weights = [(f"{name}:0", variable) for name, variable in _weights(layer) if "float" in str(variable.dtype)]
        if len({name for name, _ in weights}) < len(weights):
            raise ValueError(f"Layer {layer.name} has several weights of one name: {[name for name, _ in weights]}.")
        if weights:
            found[layer.name] = weights
    if not found:
        raise ValueError("The network has no weights. Build it (call it, or give it an input shape) first.")
    return {name: found[name] for name in names.file_order(found)}


def facts_of(weights: dict[str, list[NamedVariable]]) -> layout.Facts:
    """Derive the measures of a model from the shapes of its weights."""
    return layout.facts_of(
        {layer: [(name, tuple(variable.shape)) for name, variable in items] for layer, items in weights.items()}
    )


def _weights(layer: Any) -> Iterator[NamedVariable]:
    """Yield the weights of one layer of the network, with their names in its group."""
    if getattr(layer, "layers", None):
        inner = {child.name: child for child in layer.layers}
        if layer.name == names.RPN_MODEL:
            inner = {name: inner[name] for name in sorted(inner, key=_rpn_rank)}
        for child in inner.values():
            yield from _weights(child)
        return
    for variable in layer.weights:
        # A layer made of layers: what follows its own name in the variable's path tells them apart.
        _, own, inside = variable.path.rpartition(f"{layer.name}/")
        yield f"{layer.name}/{inside if own else variable.name}", variable


def _rpn_rank(name: str) -> int:
    return names.RPN_LAYERS.index(name) if name in names.RPN_LAYERS else len(names.RPN_LAYERS)
