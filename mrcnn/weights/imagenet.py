"""ResNet weights trained on ImageNet, as keras.applications publishes them, for the backbone.

Three things are translated (He et al. 2015 is the network; the files are Keras' port of its Caffe weights):

- names: conv4_block2_0_bn, or res4b_branch1 as older files have it;
- channels: the files were trained on BGR images, this library feeds RGB, so conv1's input axis is reversed. The
  original never did that. A file of ResNet50 whose conv1 is already reversed is recognised;
- batch normalization: trained with epsilon 1.001e-5, the network here has 1e-3 (as the weights that the original
  published need). The moving variance is lowered by the difference; where it is smaller than that (140 of 15,296
  channels of ResNet50's stages 1 to 4) it becomes 0 and gamma takes the rest. Either way
  gamma / sqrt(variance + epsilon) stays what it was.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn import fetch as downloads
from mrcnn.weights import layout, legacy_h5, matching, model_layers, names
from mrcnn.weights.report import LoadReport

FILE_EPSILON = 1.001e-5
_URL = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
# Backbone -> MD5 of the file without the classification layers, as in keras.applications.
_MD5 = {"resnet50": "4d473c1dd8becc155b73f8504c6f6626", "resnet101": "88cf7a10940856eca736dc7b7e228a21"}
# SHA-256 of ResNet50's conv1 kernel (float32, little endian) with its input axis reversed, in RGB order.
_RGB_CONV1 = frozenset({"68965b520f61920c34a0a29a71bd8ce8e6e7109e689374e25bf45c33946b80bd"})


def fetch(
    backbone: str, folder: str | os.PathLike[str] | None = None, progress: downloads.Progress | None = None
) -> str:
    """Return the path of Keras' ImageNet file for a backbone, downloading it where it is not there yet.

    Args:
        backbone: "resnet50" or "resnet101".
        folder: where it is kept; None is where Keras itself keeps it (~/.keras/models, or under KERAS_HOME).
        progress: called with (bytes so far, bytes in all).

    Raises:
        ValueError: Keras publishes no file for this backbone.
        downloads.DownloadError: it cannot be had; the message says how to put it there by hand.
    """
    if backbone not in _MD5:
        raise ValueError(
            f"There is no ImageNet file for BACKBONE = {backbone!r}, only for {' and '.join(_MD5)}. "
            "Give a local file instead (--weights imagenet:PATH), or start from none."
        )
    if folder is None:
        folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    name = f"{backbone}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    path = os.path.join(os.fspath(folder), name)
    downloads.fetch(_URL + name, path, md5=_MD5[backbone], progress=progress)
    return path


def load(
    model: Any, path: str | os.PathLike[str], *, exclude: Iterable[str] | str | None = (), channel_order: str = "auto"
) -> LoadReport:
    """Load a ResNet's ImageNet weights into the backbone of a network that takes RGB images.

    Args:
        model: a built keras.Model with layers named conv1, bn_conv1, res2a_branch2a and so on.
        path: a legacy Keras HDF5 file, with or without classification layers; it may lack stages.
        exclude: layers to leave as they are, by their names here.
        channel_order: "bgr" or "rgb", the images that the file was trained on; "auto" knows Keras' files.

    Returns:
        What was loaded and what was not.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of another kind or does not fit; or channel_order is none of the three.
    """
    if channel_order not in ("auto", "bgr", "rgb"):
        raise ValueError(f'channel_order is {channel_order!r}; "auto", "bgr" or "rgb" is expected.')
    file = layout.describe(path)
    renamed = {names.from_keras_applications(layer) or layer: weights for layer, weights in file.layers.items()}
    file = layout.FileLayout(file.path, renamed, file.facts, file.kind, file.keras_version)
    if file.kind != "imagenet":
        raise ValueError(f"{file.path} is not an ImageNet ResNet file but {file.kind_text}.")
    weights = model_layers.weights_of(model)
    own = model_layers.facts_of(weights)
    if {file.facts.backbone, own.backbone} == {"resnet50", "resnet101"}:
        raise ValueError(f"{file.path} holds a {file.facts.backbone}; this network has BACKBONE = {own.backbone!r}.")
    assignments, report = matching.match(file, weights, own, by_name=True, excluded=matching.excluded_names(exclude))
    epsilons = {layer.name: layer.epsilon for layer in model.layers if hasattr(layer, "epsilon")}
    legacy_h5.assign(file.path, assignments, _Translation(file, epsilons, channel_order))
    return report


class _Translation:
    """Turn values of an ImageNet file into those of a network with RGB input and its own epsilon."""

    def __init__(self, file: layout.FileLayout, epsilons: dict[str, float], channel_order: str):
        self.epsilons = epsilons
        self.channel_order = channel_order
        stored = {
            layer: weight
            for layer, weights in file.layers.items()
            for weight in weights
            if layer in epsilons and _kind_of(weight.name) == "moving_variance"
        }
        self.variances = dict(zip(stored, layout.read(file.path, stored.values()), strict=True))

    def __call__(self, layer: str, name: str, array: np.ndarray) -> np.ndarray:
        kind = _kind_of(name)
        if layer == "conv1" and kind == "kernel" and array.shape[2] == 3 and self._is_bgr(array):
            return np.ascontiguousarray(array[:, :, ::-1])
        if layer in self.variances and kind in ("gamma", "moving_variance"):
            variance, gamma_factor = shift_epsilon(self.variances[layer], self.epsilons[layer])
            return variance if kind == "moving_variance" else array * gamma_factor
        return array

    def _is_bgr(self, kernel: np.ndarray) -> bool:
        if self.channel_order != "auto":
            return self.channel_order == "bgr"
        return hashlib.sha256(np.ascontiguousarray(kernel, "<f4").tobytes()).hexdigest() not in _RGB_CONV1


def shift_epsilon(variance: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Express batch normalization trained with FILE_EPSILON with another epsilon.

    Args:
        variance: [C] float32 moving variances of the file.
        epsilon: of the layer that receives them.

    Returns:
        (variances for that layer [C] float32, factors for gamma [C] float32, 1 wherever the variance could be shifted).

    Example:
        >>> variance, factor = shift_epsilon(np.float32([0.5, 0.0]), 1e-3)
        >>> [f"{value:.5f}" for value in variance], factor.round(2).tolist()
        (['0.49901', '0.00000'], [1.0, 10.0])
    """
    true_scale = variance.astype(np.float64) + FILE_EPSILON
    shifted = np.maximum(true_scale - epsilon, 0.0)
    return shifted.astype(np.float32), np.sqrt((shifted + epsilon) / true_scale).astype(np.float32)


def _kind_of(weight_name: str) -> str:
    return weight_name.split("/")[-1].removesuffix(":0")
