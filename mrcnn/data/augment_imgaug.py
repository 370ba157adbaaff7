"""Augmenters of imgaug 0.4.0, applied to image and masks.

imgaug changes pixels by one augmenter tree. On masks only what moves pixels may act, and by the same draw; colours must
not. A tree in which something moves pixels of the image but could not move those of the masks is refused.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

_CONTAINERS = frozenset(("Sequential", "SomeOf", "OneOf", "Sometimes"))
_MOVERS = frozenset(
    "Fliplr Flipud CropAndPad Crop Pad Affine Rotate ScaleX ScaleY ShearX ShearY TranslateX TranslateY PiecewiseAffine "
    "PerspectiveTransform ElasticTransformation Rot90".split()
)

#: Classes of imgaug that act on masks: containers, and what moves pixels. The original's list had Fliplr, Flipud, CropAndPad,
#: Affine and PiecewiseAffine; the other movers it let act on the image alone.
MASK_AUGMENTERS = _CONTAINERS | _MOVERS

_GEOMETRIC_MODULES = ("imgaug.augmenters.geometric", "imgaug.augmenters.flip", "imgaug.augmenters.size")
# Its namesakes elsewhere are not meant: pillike.Affine goes through Pillow, which knows no masks of N channels.
_MASK_MODULES = (*_GEOMETRIC_MODULES, "imgaug.augmenters.meta")
# It moves pixels though it lives elsewhere.
_MOVES = ("imgaug.augmenters.imgcorruptlike", "ElasticTransform")
_SCTYPES = {
    "int": [np.int8, np.int16, np.int32, np.int64],
    "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
    "float": [np.float16, np.float32, np.float64],
    "complex": [np.complex64, np.complex128],
    "others": [bool, object, bytes, str, np.void],
}


def import_imgaug() -> ModuleType:
    """Import imgaug 0.4.0, which expects names that NumPy 2 dropped.

    Raises:
        ImportError: imgaug is not installed; the message says how to install it.
    """
    restore_numpy_names()
    try:
        return importlib.import_module("imgaug")
    except ImportError as error:
        raise ImportError(
            f"Augmentation by imgaug needs imgaug 0.4.0 ({error}). Install it without its own OpenCV: "
            "pip install --no-deps imgaug==0.4.0 && pip install imageio scikit-image scipy shapely six"
        ) from error


def restore_numpy_names() -> None:
    """Give NumPy 2 the names back that imgaug 0.4.0 reads: sctypes when it is imported, complex in clouds and fog."""
    if not hasattr(np, "sctypes"):
        np.sctypes = _SCTYPES
    if "complex" not in vars(np):  # hasattr would ask NumPy's __getattr__, which answers with an error of its own
        np.complex = complex


def is_augmenter(augmentation: Any) -> bool:
    """Say whether something is an augmenter of imgaug. Imports nothing: who holds one has imported imgaug."""
    return any(parent.__module__ == "imgaug.augmenters.meta" for parent in type(augmentation).__mro__)


def check(augmentation: Any) -> None:
    """Refuse what cannot be applied to image and masks alike.

    Args:
        augmentation: an augmenter of imgaug.

    Raises:
        ImportError: imgaug is not installed.
        ValueError: it holds an augmenter that would move the image's pixels but not the masks', or one of which that
            cannot be known.
    """
    import_imgaug()
    for augmenter, reached in _walk(augmentation, True):
        name = type(augmenter).__name__
        if _unknown(augmenter):
            raise ValueError(
                f"Augmenter {name} ({augmenter.name}) is code of your own: whether masks must follow it cannot be known. Pass a "
                "list instead, augmentation=[…, function], with your code as a function of (image, masks, rng)."
            )
        if _moves_pixels(augmenter) and not (reached and _acts_on_masks(augmenter)):
            why = "inside an augmenter that masks don't pass" if _acts_on_masks(augmenter) else "which masks can't follow"
            raise ValueError(
                f"Augmenter {name} ({augmenter.name}) moves pixels of the image, {why}. To move pixels use only "
                f"{', '.join(sorted(_MOVERS))}, inside nothing but {', '.join(sorted(_CONTAINERS))}."
            )


def apply(
    augmentation: Any, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray]:
    """Apply one draw of an augmenter to an image and its masks.

    Args:
        augmentation: an augmenter of imgaug that passes `check`; it is not changed.
        image: [H, W, C] uint8.
        masks: [H, W, N] bool, N at least 1.
        rng: the draw follows from it, whatever thread this runs in. None: from imgaug's own global state.

    Returns:
        The image, and the masks as bool. Sizes are whatever the augmenter made of them.
    """
    imgaug = import_imgaug()
    if rng is not None:
        augmentation = augmentation.deepcopy()
        augmentation.seed_(int(rng.integers(2**31)))
    drawn = augmentation.to_deterministic()
    image = drawn.augment_images([image])[0]
    # The nodes of `drawn` are copies. What they fill new pixels with is meant for the image; in a mask it would be object.
    for augmenter, _ in _walk(drawn, True):
        for name in ("cval", "pad_cval"):
            if hasattr(augmenter, name):
                setattr(augmenter, name, imgaug.parameters.Deterministic(0))
    hooks = imgaug.HooksImages(activator=lambda images, augmenter, parents, default: _acts_on_masks(augmenter))
    # As a list: imgaug takes a single array of more than 31 channels for a batch, and warns.
    masks = drawn.augment_images([masks.astype(np.uint8)], hooks=hooks)[0]
    return image, masks.astype(bool)


def _acts_on_masks(augmenter: Any) -> bool:
    kind = type(augmenter)
    return kind.__name__ in MASK_AUGMENTERS and kind.__module__ in _MASK_MODULES


def _moves_pixels(augmenter: Any) -> bool:
    """Say whether an augmenter comes from one of imgaug's geometric modules, by itself or through a parent class."""
    parents = [(parent.__module__, parent.__name__) for parent in type(augmenter).__mro__]
    return any(module in _GEOMETRIC_MODULES for module, _ in parents) or _MOVES in parents


def _unknown(augmenter: Any) -> bool:
    """Say whether an augmenter runs code that imgaug does not hold."""
    kind = type(augmenter)
    return kind.__name__ == "Lambda" or not kind.__module__.startswith("imgaug.")


def _walk(augmenter: Any, reached: bool) -> Iterator[tuple[Any, bool]]:
    """Yield each augmenter of a tree, and whether masks get as far as it."""
    yield augmenter, reached
    for children in augmenter.get_children_lists():
        for child in children:
            yield from _walk(child, reached and _acts_on_masks(augmenter))
