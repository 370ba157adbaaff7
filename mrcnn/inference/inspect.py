"""Looking inside a network: inner tensors by name, their values, and which layers still hold what they were built with."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from mrcnn.log import log
from mrcnn.nn import rpn
from mrcnn.nn.layers import BoxLayer

# Names in the original's graph that its notebooks ask for, and what ProposalLayer calls them.
_KEPT_ANCHORS = "post_nms_anchor_ix"
_PROPOSAL_STAGES = {
    "pre_nms_anchors": "pre_nms_anchors",
    "refined_anchors": "refined_anchors",
    "refined_anchors_clipped": "refined_anchors_clipped",
    "rpn_non_max_suppression": _KEPT_ANCHORS,
}


@keras.saving.register_keras_serializable("mrcnn")
class ProposalStage(BoxLayer):
    """One intermediate result of a ProposalLayer, for inspection. Rows of post_nms_anchor_ix without a proposal are -1.

    Args:
        proposals: Configuration of the ProposalLayer.
        stage: Key of `ProposalLayer.stages`.
    """

    def __init__(self, proposals: dict[str, Any], stage: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.proposals, self.stage = proposals, stage
        self._layer = rpn.ProposalLayer.from_config(proposals)

    def build(self, input_shape: Any) -> None:
        self._layer.build(input_shape)
        self.built = True

    def call(self, inputs: list[Any]) -> Any:
        stages = self._layer.stages(inputs)
        if self.stage == _KEPT_ANCHORS:
            return keras.ops.where(stages["kept"], stages[self.stage], -1)
        return stages[self.stage]

    def compute_output_spec(self, inputs: list[Any]) -> keras.KerasTensor:
        batch = inputs[0].shape[0]
        if self.stage == _KEPT_ANCHORS:
            return keras.KerasTensor((batch, self._layer.proposal_count), "int32")
        return keras.KerasTensor((batch, None, 4), "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "proposals": self.proposals, "stage": self.stage}


def ancestor(model: keras.Model, name: str) -> Any:
    """Find a tensor by its name in the original's graph.

    Args:
        model: The network.
        name: "layer/…:0"; of "ROI/…" the steps pre_nms_anchors, refined_anchors, refined_anchors_clipped and rpn_non_max_suppression are known
            ("rpn_non_max_suppression/NonMaxSuppressionV3:0" as well), of any other layer its output.

    Returns:
        A symbolic tensor for `run_graph`, or None if there is none of this name.
    """
    layer_name, _, rest = name.split(":")[0].partition("/")
    try:
        layer = model.get_layer(layer_name)
    except ValueError:
        return None
    if not isinstance(layer, rpn.ProposalLayer) or not rest:
        return layer.output
    stage = _PROPOSAL_STAGES.get(rest.split("/")[0])
    return ProposalStage(layer.get_config(), stage)(layer.input) if stage else None


def _is_kept_anchors(tensor: keras.KerasTensor) -> bool:
    operation = tensor._keras_history.operation
    return isinstance(operation, ProposalStage) and operation.stage == _KEPT_ANCHORS


def run_graph(
    model: keras.Model, molded_images: np.ndarray, image_metas: np.ndarray, anchors: np.ndarray, outputs: Sequence[tuple[str, Any]]
) -> OrderedDict[str, np.ndarray]:
    """Compute tensors of the network.

    Args:
        model: Inference network, or a training network (its targets are fed as zeros).
        molded_images: [B, H, W, C].
        image_metas: [B, 12 + K].
        anchors: [A, 4] in the unit square.
        outputs: (name, symbolic tensor) pairs, `keras_model.get_layer(…).output`, say.

    Returns:
        The values by name, in order; each is also logged. Of the tensor "ROI/rpn_non_max_suppression" (see `ancestor`) those of the first image,
        [kept] without padding: the original's graph had an operation an image, and that name was the first one's.

    Raises:
        ValueError: a tensor is None, or not of this network.
    """
    pairs = OrderedDict(outputs)
    for name, tensor in pairs.items():
        if not isinstance(tensor, keras.KerasTensor):
            raise ValueError(f"run_graph: {name!r} is {tensor!r}; a tensor of the network is expected, keras_model.get_layer(name).output, say")
    feeds = {
        "input_image": molded_images.astype(np.float32),
        "input_image_meta": np.asarray(image_metas, np.float32),
        "input_anchors": np.repeat(anchors[None], len(molded_images), axis=0),
    }
    for tensor in model.inputs:
        shape = [len(molded_images), *(len(anchors) if side is None else side for side in tensor.shape[1:])]
        feeds.setdefault(tensor.name, np.zeros(shape, tensor.dtype))
    probe = keras.Model(model.inputs, list(pairs.values()))
    values = probe.predict_on_batch([feeds[tensor.name] for tensor in model.inputs])
    results = OrderedDict((name, np.asarray(value)) for name, value in zip(pairs, values, strict=True))
    for name, tensor in pairs.items():
        if _is_kept_anchors(tensor):
            results[name] = results[name][0][results[name][0] >= 0]
    for name, value in results.items():
        log(name, value)
    return results


class Fingerprint:
    """Remembers a few values of each layer of a new network, to tell later which layers are still as they were built.

    Works whatever way the weights came: loaded, trained, or set by hand. A layer that once was found changed is not looked at again: looking at
    all 110 of a ResNet50 network takes 27 ms, and `detect` asks each time.

    Args:
        model: A network just built.
    """

    def __init__(self, model: keras.Model):
        self._values = {name: _sample(variable) for name, variable in _kernels(model).items()}

    def unchanged(self, model: keras.Model) -> list[str]:
        """Names of the layers that still hold their first values."""
        if self._values:
            kernels = _kernels(model)
            self._values = {name: values for name, values in self._values.items() if np.array_equal(_sample(kernels[name]), values)}
        return list(self._values)

    def require_changed(self, model: keras.Model) -> None:
        """Refuse a network with layers that were never loaded or trained.

        Raises:
            ValueError: names some of them and says what to do.
        """
        random = self.unchanged(model)
        if random:
            shown = ", ".join(random[:4]) + (f" and {len(random) - 4} more" if len(random) > 4 else "")
            raise ValueError(
                f"{len(random)} layers hold random weights: {shown}. They were neither loaded nor trained (excluded when loading, perhaps), so "
                "detections would mean nothing. Load a trained checkpoint first: load_weights(path, by_name=True). To go on all the same, set "
                "allow_random_weights = True on the model."
            )


def _kernels(model: keras.Model) -> dict[str, Any]:
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found |= _kernels(layer)
        elif getattr(layer, "kernel", None) is not None:
            found[layer.name] = layer.kernel
    return found


def _sample(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.reshape(variable, (-1,))[:64]))
