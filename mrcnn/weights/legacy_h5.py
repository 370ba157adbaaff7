"""Read and write weights in the layout of Keras 2's HDF5 files, the one that the original writes.

Files written here load in the original, by name and by position, and the other way round; `layout` describes the form.
Names and shapes are compared and every value is checked to be finite before the first variable changes, so a load
that raises leaves the network as it was.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from mrcnn import files
from mrcnn.weights import channels, layout, matching, model_layers
from mrcnn.weights.report import LoadReport

# What the layout is: Keras reads these two attributes to decide on conversions, none of which is wanted.
_KERAS_VERSION = b"2.2.5"
_BACKEND = b"tensorflow"
# HDF5 keeps an attribute in the object header, which holds 64 kB.
_MAX_ATTRIBUTE_BYTES = 64512

# (model's layer, name of the weight in the file, value in the file) -> value for the model
Transform = Callable[[str, str, np.ndarray], np.ndarray]


def load(
    model: Any,
    path: str | os.PathLike[str] | layout.FileLayout,
    *,
    by_name: bool = False,
    exclude: Iterable[str] | str | None = (),
) -> LoadReport:
    """Load a Mask R-CNN weight file as it stands. `loader.load` also takes ImageNet files.

    Args:
        model: a built keras.Model.
        path: a legacy Keras HDF5 file, or what `layout.describe` said about it.
        by_name: load the layers that file and model both have; conv1 of a file for RGB is fitted to another number of
            channels, which is logged. Otherwise both must have the same layers, or as many of the same shapes in the same
            order.
        exclude: layers to leave as they are; implies by_name. A layer inside rpn_model may be named too.

    Returns:
        What was loaded and what was not.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, does not fit, or holds values that are not finite. The model is unchanged.
    """
    excluded = matching.excluded_names(exclude)
    weights = model_layers.weights_of(model)
    assignments, report = matching.match(
        path if isinstance(path, layout.FileLayout) else layout.describe(path),
        weights,
        model_layers.facts_of(weights),
        by_name=by_name or bool(excluded),
        excluded=excluded,
    )
    assign(report.path, assignments)
    return report


def assign(path: str, assignments: Sequence[matching.Assignment], transform: Transform | None = None) -> None:
    """Move weights from a file into variables, after checking that all of them are finite.

    The file is read twice, which is cheaper than holding it: the second time it comes from the system's cache.

    Args:
        path: the file that the assignments were made for.
        assignments: from `matching.match`.
        transform: changes values on their way; None leaves them.
    """
    weights = [item.weight for item in assignments]
    for item, array in zip(assignments, layout.read(path, weights), strict=True):
        if array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
            count = int(array.size - np.isfinite(array).sum())
            raise ValueError(
                f"{path}: {item.weight.path} holds {count} values that are not finite (NaN or infinity): the training "
                "that wrote it had diverged. Use an earlier checkpoint."
            )
    for item, array in zip(assignments, layout.read(path, weights), strict=True):
        if transform is not None:
            array = transform(item.layer, item.weight.name, array)
        if channels.adaptable(item.layer, array.shape, tuple(item.variable.shape)):
            array = channels.adapt(array, item.variable.shape[2])
        item.variable.assign(array)


def save(model: Any, path: str | os.PathLike[str], *, values: Mapping[str, np.ndarray] | None = None) -> None:
    """Write a model's weights, atomically: the path holds the old file or the complete new one, never a part.

    Args:
        model: a built keras.Model.
        path: where to write; an existing file is replaced.
        values: what to write in place of the values of some variables, by the variables' paths.

    Raises:
        OSError: the folder does not exist or cannot be written to, or the disk is full.
    """
    path = os.fspath(path)
    weights = model_layers.weights_of(model)
    with files.replacing(path) as partial:
        try:
            with h5py.File(partial, "w") as file:
                _write(file, weights, values or {})
        except RuntimeError as error:  # what h5py makes of a disk that is full when the file is closed
            found = re.search(r"errno = (\d+), error message = '([^']+)'", str(error))
            raise (OSError(int(found[1]), found[2], path) if found else OSError(f"{path}: {error}")) from error


def _write(file: h5py.File, weights: dict[str, list[model_layers.NamedVariable]], values: Mapping[str, np.ndarray]) -> None:
    file.attrs["backend"] = np.bytes_(_BACKEND)
    file.attrs["keras_version"] = np.bytes_(_KERAS_VERSION)
    _write_names(file, "layer_names", list(weights))
    for layer, items in weights.items():
        group = file.create_group(layer)
        _write_names(group, "weight_names", [name for name, _ in items])
        for name, variable in items:
            value = values[variable.path] if variable.path in values else variable.numpy()
            group.create_dataset(name, data=np.asarray(value, np.float32))


def _write_names(group: h5py.Group, attribute: str, values: Sequence[str]) -> None:
    """Store a list of names, in several attributes where one cannot hold it."""
    encoded = np.asarray([value.encode("utf-8") for value in values])
    parts = -(-encoded.nbytes // _MAX_ATTRIBUTE_BYTES)
    if parts <= 1:
        group.attrs[attribute] = encoded
        return
    for i, part in enumerate(np.array_split(encoded, parts)):
        group.attrs[f"{attribute}{i}"] = part
