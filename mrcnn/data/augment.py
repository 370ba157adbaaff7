"""Augmentation of an image together with its masks: imgaug's augmenters, where imgaug is installed, and a flip that
needs nothing.

imgaug changes pixels by one augmenter tree. On masks only what moves pixels may act, and by the same draw; colours must
not. A tree in which something moves pixels of the image but could not move those of the masks is refused.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

#: Classes of imgaug that act on masks: containers, and what moves pixels. The original's list.
MASK_AUGMENTERS = frozenset(
    ("Sequential", "SomeOf", "OneOf", "Sometimes", "Fliplr", "Flipud", "CropAndPad", "Affine", "PiecewiseAffine")
)

_CONTAINERS = frozenset(("Sequential", "SomeOf", "OneOf", "Sometimes"))
_GEOMETRIC_MODULES = ("imgaug.augmenters.geometric", "imgaug.augmenters.flip", "imgaug.augmenters.size")
_SCTYPES = {
    "int": [np.int8, np.int16, np.int32, np.int64],
    "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
    "float": [np.float16, np.float32, np.float64],
    "complex": [np.complex64, np.complex128],
    "others": [bool, object, bytes, str, np.void],
}


def import_imgaug() -> ModuleType:
    """Import imgaug 0.4.0, which expects a table that NumPy 2 dropped.

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
    """Give NumPy 2 the table back that imgaug 0.4.0 reads when it is imported."""
    if not hasattr(np, "sctypes"):
        np.sctypes = _SCTYPES


def check(augmentation: Any) -> None:
    """Refuse what cannot be applied to image and masks alike.

    Args:
        augmentation: an augmenter of imgaug, or None.

    Raises:
        ImportError: imgaug is not installed.
        ValueError: it is no augmenter, or it holds one that would move the image's pixels but not the masks'.
    """
    if augmentation is None:
        return
    imgaug = import_imgaug()
    augmenter_class = imgaug.augmenters.Augmenter
    if not isinstance(augmentation, augmenter_class):
        raise ValueError(
            f"augmentation must be an augmenter of imgaug, such as imgaug.augmenters.Fliplr(0.5); got {augmentation!r}."
        )
    for augmenter, reached in _walk(augmentation, True):
        name = type(augmenter).__name__
        if _moves_pixels(augmenter) and not (reached and name in MASK_AUGMENTERS):
            why = "inside an augmenter that masks don't pass" if name in MASK_AUGMENTERS else "which masks can't follow"
            raise ValueError(
                f"Augmenter {name} ({augmenter.name}) moves pixels of the image, {why}. To move pixels use only "
                f"{', '.join(sorted(MASK_AUGMENTERS - _CONTAINERS))}, inside nothing but "
                f"{', '.join(sorted(_CONTAINERS))}."
            )


def apply(
    augmentation: Any, image: np.ndarray, masks: np.ndarray, *, rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Apply one draw of an augmenter to an image and its masks.

    Args:
        augmentation: an augmenter of imgaug that passes `check`; it is not changed.
        image: [H, W, C] uint8.
        masks: [H, W, N] bool.
        rng: the draw follows from it, whatever thread this runs in. None: from imgaug's own global state.

    Returns:
        The image in its dtype, and the masks as bool.

    Raises:
        ValueError: the augmenter changed the shape of the image or of the masks.
    """
    check(augmentation)
    imgaug = import_imgaug()
    if rng is not None:
        augmentation = augmentation.deepcopy()
        augmentation.seed_(int(rng.integers(2**31)))
    drawn = augmentation.to_deterministic()
    hooks = imgaug.HooksImages(activator=lambda images, augmenter, parents, default: _acts_on_masks(augmenter))
    new_image, new_masks = drawn.augment_images([image])[0], masks
    if masks.shape[-1]:
        # As a list: imgaug takes a single array of more than 31 channels for a batch, and warns.
        new_masks = drawn.augment_images([masks.astype(np.uint8)], hooks=hooks)[0]
    if new_image.shape != image.shape or new_masks.shape != masks.shape:
        raise ValueError(
            f"Augmenter {augmentation.name} changed the image from {image.shape} to {new_image.shape} and the masks "
            f"from {masks.shape} to {new_masks.shape}; sizes must stay. Pass keep_size=True where it has that option."
        )
    return new_image, new_masks.astype(bool)


def flip_horizontal(image: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror an image and its masks, left to right.

    Args:
        image: [H, W, C].
        masks: [H, W, N].

    Returns:
        Both mirrored, as copies.

    >>> image, masks = flip_horizontal(np.array([[[1], [2]]]), np.array([[[True], [False]]]))
    >>> image[..., 0].tolist(), masks[..., 0].tolist()
    ([[2, 1]], [[False, True]])
    """
    return image[:, ::-1].copy(), masks[:, ::-1].copy()


def _acts_on_masks(augmenter: Any) -> bool:
    return type(augmenter).__name__ in MASK_AUGMENTERS


def _moves_pixels(augmenter: Any) -> bool:
    """Say whether an augmenter comes from one of imgaug's geometric modules, by itself or through a parent class."""
    if type(augmenter).__name__ in _CONTAINERS:
        return False
    return any(parent.__module__ in _GEOMETRIC_MODULES for parent in type(augmenter).__mro__)


def _walk(augmenter: Any, reached: bool) -> Iterator[tuple[Any, bool]]:
    """Yield each augmenter of a tree, and whether masks get as far as it."""
    yield augmenter, reached
    for children in augmenter.get_children_lists():
        for child in children:
            yield from _walk(child, reached and _acts_on_masks(augmenter))
