"""Load a weight file of any kind that this library knows."""

import os
from collections.abc import Iterable
from typing import Any

from mrcnn.weights import imagenet, layout, legacy_h5
from mrcnn.weights.report import LoadReport


def load(
    model: Any, path: str | os.PathLike[str], *, by_name: bool = False, exclude: Iterable[str] | str | None = ()
) -> LoadReport:
    """Load Mask R-CNN weights, or a backbone's ImageNet weights, recognised by what the file holds.

    So `load(model, get_imagenet_weights(), by_name=True)`, as scripts for the original have it, gets the RGB order and
    the batch normalization right.

    Args:
        model: a built keras.Model.
        path: a legacy Keras HDF5 file.
        by_name: see `legacy_h5.load`; ImageNet files are always loaded by name.
        exclude: layers to leave as they are.

    Returns:
        What was loaded and what was not.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, does not fit, or holds values that are not finite. The model is unchanged.
    """
    described = layout.describe(path)
    if described.kind == "imagenet":
        return imagenet.load(model, path, exclude=exclude)
    return legacy_h5.load(model, described, by_name=by_name, exclude=exclude)
