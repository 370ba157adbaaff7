"""What a legacy Keras HDF5 weight file holds, read without reading a single weight.

The layout: a root attribute layer_names, per layer a group with an attribute weight_names, and each weight a dataset at
group/weight name, such as /conv1/conv1/kernel:0. A model nested in the network (the RPN) is one group. Files written by
`model.save` have all that under model_weights, beside optimizer_weights. Keras splits an attribute that exceeds 64 kB
into layer_names0, layer_names1, and so on.

The file may come from anywhere: links out of it, virtual datasets and sizes no weight has are refused here.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import h5py
import numpy as np

from mrcnn.weights import names

MAX_WEIGHT_BYTES = 4 << 30
_MAX_RANK = 8
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_KIND = {
    "mask_rcnn": "Mask R-CNN weights (RGB input)",
    "imagenet": "an ImageNet ResNet backbone (BGR input as Keras trained it)",
    "other": "weights of another network",
}


@dataclass(frozen=True)
class Weight:
    """One weight of a file: its name as in weight_names, its dataset's path, shape and dtype."""

    name: str
    path: str
    shape: tuple[int, ...]
    dtype: np.dtype


@dataclass(frozen=True)
class Facts:
    """What the shapes of a network's weights tell about it; None for what cannot be told."""

    backbone: str | None = None
    num_classes: int | None = None
    anchors_per_location: int | None = None
    pyramid_size: int | None = None
    head_size: int | None = None
    pool_size: int | None = None
    input_channels: int | None = None
    norm: str | None = None
    num_attributes: int | None = None


@dataclass(frozen=True)
class FileLayout:
    """The layers of a file that have weights, in the file's order.

    Attributes:
        path: the file.
        layers: layer name -> its weights.
        facts: what the shapes imply.
        kind: "mask_rcnn", "imagenet" (a ResNet without pyramid, RPN and heads) or "other".
        keras_version: the root attribute, or "".
    """

    path: str
    layers: dict[str, tuple[Weight, ...]]
    facts: Facts
    kind: str
    keras_version: str = ""

    @property
    def kind_text(self) -> str:
        """Say what kind of file this is."""
        return _KIND[self.kind]

    @property
    def num_parameters(self) -> int:
        """Count the numbers in the file."""
        return sum(int(np.prod(weight.shape)) for weights in self.layers.values() for weight in weights)


def describe(path: str | os.PathLike[str]) -> FileLayout:
    """Read the structure of a weight file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no legacy Keras weight file, or is damaged, or points outside itself. The message says which.
    """
    path = os.fspath(path)
    with open_file(path) as file:
        root = _root(file, path)
        layers = {}
        for layer in _attribute(root, "layer_names", path):
            if layer in layers:
                raise ValueError(f"{path} lists layer {layer} twice: the file is damaged.")
            group = _hard_member(root, layer, path)
            if not isinstance(group, h5py.Group):
                raise ValueError(f"{path}: {layer} is a dataset where a layer's group is expected.")
            layers[layer] = tuple(_weight(group, name, path) for name in _attribute(group, "weight_names", path))
        layers = {layer: weights for layer, weights in layers.items() if weights}
        version = _text(root.attrs.get("keras_version", file.attrs.get("keras_version", "")))
    if not layers:
        raise ValueError(f"{path} lists no layer with weights.")
    shapes = {layer: [(weight.name, weight.shape) for weight in weights] for layer, weights in layers.items()}
    return FileLayout(path, layers, facts_of(shapes), _kind(layers), version)


@contextlib.contextmanager
def open_file(path: str) -> Iterator[h5py.File]:
    """Open a weight file for reading; what HDF5 finds wrong with it becomes a ValueError naming the file."""
    _check_signature(path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        remedy = "Download or copy it again."
        if "truncated" in str(error):
            raise ValueError(f"{path} is truncated ({os.path.getsize(path):,} bytes: {error}). {remedy}") from error
        raise ValueError(f"{path} is a damaged HDF5 file: {error}. {remedy}") from error


def read(path: str, weights: Iterable[Weight]) -> Iterator[np.ndarray]:
    """Read weights one after the other, so that one at a time is in memory.

    Args:
        path: the file.
        weights: as `describe` gave them, their shapes already compared with where they shall go.

    Yields:
        Each weight, float32.

    Raises:
        ValueError: the file cannot be read, or changed since it was described.
    """
    with open_file(path) as file:
        for weight in weights:
            dataset = file[weight.path]
            if dataset.shape != weight.shape:
                raise ValueError(f"{path} changed while it was being read: {weight.path} is {dataset.shape} now.")
            array = np.empty(weight.shape, np.float32)
            if array.size:
                dataset.read_direct(array)
            yield array


def facts_of(shapes: Mapping[str, Iterable[tuple[str, tuple[int, ...]]]]) -> Facts:
    """Derive a network's measures from its weights' shapes.

    Args:
        shapes: layer -> (weight name, shape); a weight of the RPN is named "rpn_class_raw/kernel:0".
    """
    shapes = {layer: list(weights) for layer, weights in shapes.items()}
    kernels = {}
    for layer, weights in shapes.items():
        for name, shape in weights:
            parts = name.removesuffix(":0").split("/")
            if parts[-1] == "kernel":
                owner = parts[-2] if layer == names.RPN_MODEL and len(parts) > 1 else layer
                kernels[names.from_keras_applications(owner) or owner] = shape

    def size(layer: str, axis: int, divisor: int = 1) -> int | None:
        return kernels[layer][axis] // divisor if kernels.get(layer) else None

    return Facts(
        backbone=names.backbone_of(names.from_keras_applications(layer) or layer for layer in shapes),
        num_classes=size("mrcnn_class_logits", -1) or size("mrcnn_bbox_fc", -1, 4) or size("mrcnn_mask", -1),
        anchors_per_location=size("rpn_class_raw", -1, 2) or size("rpn_bbox_pred", -1, 4),
        pyramid_size=size("fpn_p2", -1),
        head_size=size("mrcnn_class_conv1", -1),
        pool_size=size("mrcnn_class_conv1", 0),
        input_channels=size("conv1", 2) if len(kernels.get("conv1", ())) == 4 else None,
        norm=_norm(shapes),
        num_attributes=size("mrcnn_attributes", -1),
    )


def _norm(shapes: Mapping[str, list[tuple[str, tuple[int, ...]]]]) -> str | None:
    """Tell Config.NORM from a layer that is not a custom backbone's: BatchNorm stores statistics, GroupNorm has none."""
    for layer, weights in shapes.items():
        if (names.from_keras_applications(layer) or layer) in ("mrcnn_class_bn1", "mrcnn_mask_bn1", "bn_conv1"):
            return "batch" if any("moving_mean" in name for name, _ in weights) else "group"
    return None


def summary(described: FileLayout) -> str:
    """Describe a file in a few lines for a person."""
    facts = described.facts
    lines = [
        f"{described.path}: {described.kind_text}",
        f"{len(described.layers)} layers with weights, {described.num_parameters:,} parameters"
        + (f", Keras {described.keras_version}" if described.keras_version else ""),
    ]
    labels = {
        "backbone": "backbone",
        "num_classes": "NUM_CLASSES (background included)",
        "anchors_per_location": "anchors per location",
        "pyramid_size": "TOP_DOWN_PYRAMID_SIZE",
        "head_size": "FPN_CLASSIF_FC_LAYERS_SIZE",
        "pool_size": "POOL_SIZE",
        "input_channels": "image channels",
        "norm": "NORM",
        "num_attributes": "NUM_ATTRIBUTES",
    }
    for field, label in labels.items():
        value = getattr(facts, field)
        if value is not None:
            lines.append(f"{label}: {value}")
    return "\n".join(lines)


def _check_signature(path: str) -> None:
    """Refuse what is no HDF5 file, saying what it is instead."""
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder; a weight file (.h5) is expected.")
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no weight file {path}.")
    with open(path, "rb") as file:
        head = file.read(64)
    if head.startswith(_SIGNATURE):
        return
    kinds = {
        b"PK\x03\x04": "a zip archive, perhaps a .keras file: only weights in HDF5 files can be read, as save_weights('name.h5') writes them",
        b"version https://git-lfs": "a Git LFS pointer, not the file itself: run git lfs pull",
        b"\x80": "a pickle, perhaps of PyTorch: only Keras .h5 weights can be loaded",
    }
    found = next((what for start, what in kinds.items() if head.startswith(start)), None)
    if found is None:
        page = head.lstrip().startswith(b"<")
        found = "a web page, so the download went wrong" if page else f"something that starts with {head[:8]!r}"
    raise ValueError(f"{path} is not an HDF5 file but {found}." if head else f"{path} is empty.")


def _root(file: h5py.File, path: str) -> h5py.Group:
    """The group that carries layer_names."""
    for name in (None, "model_weights"):
        if name is None or name in file:
            group = file if name is None else _hard_member(file, name, path)
            if "layer_names" in group.attrs or "layer_names0" in group.attrs:
                return group
    if "layers" in file or "_layer_checkpoint_dependencies" in file:
        raise ValueError(
            f"{path} was written by Keras 3's own save_weights (.weights.h5), which keeps no layer names. Load it with "
            "Keras into the model that wrote it and write that with mrcnn.weights.legacy_h5.save."
        )
    raise ValueError(f"{path} is an HDF5 file but holds no Keras weights: it has no attribute layer_names.")


def _attribute(group: h5py.Group, name: str, path: str) -> list[str]:
    """Read a list of names that Keras may have split over name0, name1 and so on."""
    if name in group.attrs:
        return [_text(item) for item in np.ravel(group.attrs[name])]
    values: list[str] = []
    part = 0
    while f"{name}{part}" in group.attrs:
        values += [_text(item) for item in np.ravel(group.attrs[f"{name}{part}"])]
        part += 1
    if part == 0:
        raise ValueError(f"{path}: group {group.name} has no attribute {name}: not a weight file, or damaged.")
    return values


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _hard_member(group: h5py.Group, name: str, path: str) -> h5py.Group | h5py.Dataset:
    """Follow a path inside the file, refusing soft and external links on the way."""
    member = group
    for part in name.split("/"):
        if not part:
            continue
        if not isinstance(member, h5py.Group) or part not in member:
            raise ValueError(f"{path} lists {group.name.rstrip('/')}/{name} but does not hold it: the file is damaged.")
        link = member.get(part, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{path}: {member.name.rstrip('/')}/{part} is a link ({type(link).__name__}): refused.")
        member = member[part]
    return member


def _weight(group: h5py.Group, name: str, path: str) -> Weight:
    dataset = _hard_member(group, name, path)
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{path}: {group.name}/{name} is a group where a weight is expected.")
    where = f"{path}: {dataset.name}"
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{where} takes its data from another file: refused.")
    if dataset.dtype.kind != "f":
        raise ValueError(f"{where} has dtype {dataset.dtype}; weights are floats.")
    if len(dataset.shape) > _MAX_RANK or dataset.nbytes > MAX_WEIGHT_BYTES:
        raise ValueError(f"{where} has shape {dataset.shape}, {dataset.nbytes:,} bytes: no weight is that large.")
    if dataset.chunks is None and dataset.id.get_storage_size() != dataset.nbytes:
        raise ValueError(f"{where} was never written: whatever wrote the file did not finish.")
    return Weight(name, dataset.name, tuple(dataset.shape), dataset.dtype)


def _kind(layers: Iterable[str]) -> str:
    if any(names.is_detector_layer(layer) for layer in layers):
        return "mask_rcnn"
    backbone = names.backbone_of(names.from_keras_applications(layer) or layer for layer in layers)
    return "imagenet" if backbone in ("resnet", "resnet50", "resnet101") else "other"
