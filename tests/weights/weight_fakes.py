"""Small networks and files with the original's layer names, for the tests of mrcnn.weights."""

import importlib.util
from pathlib import Path

import keras

GOLDEN = Path(__file__).parents[1] / "golden"


def _load_make_weights():
    spec = importlib.util.spec_from_file_location("make_weights", GOLDEN / "make_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_weights = _load_make_weights()


def small_layout(name="resnet50_coco", num_classes=None, anchors_per_location=None, all_blocks=False):
    """A recorded layout with a sixteenth of the channels and few blocks: 0.5 MB instead of 180, and quick to build."""
    layout = make_weights.load_layout(GOLDEN / f"layout_{name}.json")
    if not all_blocks:
        kept = [g for g in layout["groups"] if "_branch" not in g["layer"] or _is_kept(g["layer"], name)]
        layout["groups"] = kept
        layout["layer_names"] = [group["layer"] for group in kept]
    for group in layout["groups"]:
        for weight in group["weights"]:
            weight["shape"] = [size // 16 if size % 64 == 0 else size for size in weight["shape"]]
    return make_weights.adapt_layout(layout, num_classes, anchors_per_location)


def _is_kept(layer, name):
    """The first block of each stage, and the last of stage 4, which tells a ResNet's depth."""
    block = layer.split("_")[0].removeprefix("res").removeprefix("bn")
    return block[1] == "a" or block == ("4w" if name.startswith("resnet101") else "4f")


def weighted(layout):
    """(layer, [(weight name, shape)]) of the layers that have weights."""
    return [
        (g["layer"], [(w["name"], tuple(w["shape"])) for w in g["weights"]]) for g in layout["groups"] if g["weights"]
    ]


class Holder(keras.layers.Layer):
    """A layer that only holds weights of given names and shapes."""

    def __init__(self, shapes, **kwargs):
        super().__init__(**kwargs)
        self.shapes = shapes

    def build(self, input_shape):
        for name, shape in self.shapes:
            self.add_weight(name=name, shape=shape, trainable=not name.startswith("moving_"), initializer="zeros")

    def call(self, inputs):
        return inputs


def chain(layers, name=None):
    """A functional model that passes its input through the layers."""
    x = keras.Input((1,))
    y = x
    for layer in layers:
        y = layer(y)
    return keras.Model(x, y, name=name)


def model_of(layout, rename=None):
    """A model with the weighted layers of a layout, in another order than the file's (by name)."""
    rename = rename or {}
    layers = []
    for layer, weights in weighted(layout):
        if layer == "rpn_model":
            inner = {}
            for name, shape in weights:
                inner.setdefault(name.split("/")[0], []).append((name.split("/")[1][:-2], shape))
            layers.append(chain([Holder(shapes, name=n) for n, shapes in reversed(inner.items())], name=layer))
        else:
            shapes = [(name.split("/")[-1][:-2], shape) for name, shape in weights]
            layers.append(Holder(shapes, name=rename.get(layer, layer)))
    return chain(sorted(layers, key=lambda layer: layer.name) if not rename else layers)


def variable(model, layer, weight):
    """The value of a weight, found by the names that Keras gives it."""
    found = model.get_layer("rpn_model").get_layer(layer) if layer.startswith("rpn_") else model.get_layer(layer)
    return next(v for v in found.weights if v.name == weight).numpy()


def is_zero(model):
    """Whether nothing was ever loaded into a model made here."""
    return not any(v.numpy().any() for v in model.weights)
