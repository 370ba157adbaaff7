"""Augmentation of an image together with its masks. Three kinds, alone or mixed in a list:

- functions of (image, masks, rng): those of `augment_transforms` (flip, scale_jitter, large_scale_jitter, crop, colour,
  copy_paste), fast and free of further packages, or one's own;
- augmenters of imgaug, as in the original: `augment_imgaug`;
- a Compose of albumentations: `augment_albumentations`.

    augmentation=[augment.flip, partial(augment.scale_jitter, scales=(0.5, 2)), augment.copy_paste, augment.colour]

The network's size stays. Class ids stay in step with masks, boxes are taken from the masks afterwards, and the window (the
real image inside the padding) moves with the pixels.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mrcnn.data import augment_albumentations, augment_imgaug
from mrcnn.data.augment_imgaug import MASK_AUGMENTERS, import_imgaug, restore_numpy_names
from mrcnn.data.augment_transforms import (
    AugmentationError,
    colour,
    copy_paste,
    crop,
    flip,
    flip_horizontal,
    large_scale_jitter,
    scale_jitter,
)
from mrcnn.ops import boxes as box_ops

__all__ = [
    "MASK_AUGMENTERS", "AugmentationError", "Example", "apply", "check", "colour", "copy_paste", "crop", "flip", "flip_horizontal",
    "import_imgaug", "large_scale_jitter", "restore_numpy_names", "scale_jitter", "wants_another",
]  # fmt: skip

#: Functions whose effect on the window is known: it moves as a mask does, or stays. After others it is the whole image.
_MOVING = (flip, flip_horizontal, scale_jitter, large_scale_jitter, crop)
_STAYING = (colour,)


class Example(NamedTuple):
    """An image with its instances, on its way through augmentation.

    Attributes:
        image: [H, W, C].
        masks: [H, W, N] bool.
        class_ids: [N], negative for crowds.
        window: (y1, x1, y2, x2) pixels: the real image inside the padding.
        attributes: [N, A] of the instances, or None where nobody asks for them.
    """

    image: np.ndarray
    masks: np.ndarray
    class_ids: np.ndarray
    window: tuple[int, int, int, int]
    attributes: np.ndarray | None = None


class _State(NamedTuple):
    """An Example whose window has become a plane of pixels, the last of `planes` [H, W, N + 1] bool: so it moves with them."""

    image: np.ndarray
    planes: np.ndarray
    class_ids: np.ndarray
    attributes: np.ndarray | None

    @property
    def masks(self) -> np.ndarray:
        return self.planes[..., :-1]


#: Draws another image of the same source, or None where none can be had.
Another = Callable[[np.random.Generator], Example | None]


def check(augmentation: Any) -> None:
    """Refuse what cannot be applied to image and masks alike.

    Args:
        augmentation: None; a function of (image, masks, rng); an augmenter of imgaug; a Compose of albumentations; or a list
            of these.

    Raises:
        ImportError: imgaug is not installed.
        ValueError: it is nothing of the kind, or imgaug or albumentations would do to the image what masks can't follow.
    """
    for step in _steps(augmentation):
        if isinstance(step, type):
            raise ValueError(f"augmentation holds the class {step.__name__}, not an instance: write {step.__name__}(…).")
        if augment_imgaug.is_augmenter(step):
            augment_imgaug.check(step)
        elif augment_albumentations.is_pipeline(step):
            augment_albumentations.check(step)
        elif not _takes_three(step):
            raise ValueError(
                "augmentation must be an augmenter of imgaug, such as imgaug.augmenters.Fliplr(0.5), a Compose of "
                "albumentations, a function of (image, masks, rng), such as mrcnn.data.augment.flip, or a list of these; "
                f"got {step!r}."
            )


def wants_another(augmentation: Any) -> bool:
    """Say whether a second image is needed."""
    return any(_function(step) is copy_paste for step in _steps(augmentation))


def apply(
    augmentation: Any, example: Example, *, rng: np.random.Generator | None = None, another: Another | None = None
) -> Example:
    """Apply one draw of an augmentation to an image with its instances.

    Args:
        augmentation: what passes `check`; it is not changed.
        example: its image is uint8 for imgaug and albumentations.
        rng: everything random follows from it, whatever thread this runs in. None: from the global states of NumPy and of
            imgaug.
        another: gives the second image for copy_paste. It passes what stands before copy_paste in the list. None, or where
            it returns None: nothing is pasted.

    Returns:
        The example changed, of the same size; instances may be empty now, and some may have come in addition.

    Raises:
        ImportError, ValueError: see `check`.
        AugmentationError: the augmentation changed the size, the dtype or the number of masks, or has an impossible option.
    """
    check(augmentation)
    steps, state, own_rng = _steps(augmentation), _opened(example), rng
    if rng is None and not all(augment_imgaug.is_augmenter(step) for step in steps):
        own_rng = np.random.default_rng(np.random.randint(2**31, size=4))
    for number, step in enumerate(steps):
        if _function(step) is copy_paste:
            other = another(own_rng) if another is not None else None
            if other is None:
                continue
            pasted = _opened(other)
            for earlier in steps[:number]:
                if _function(earlier) is not copy_paste:
                    pasted = _stepped(earlier, pasted, own_rng, own_rng)
            state = _pasted(step, state, pasted, own_rng)
        else:
            state = _stepped(step, state, own_rng, rng)
    return Example(state.image, state.masks, state.class_ids, _window(state.planes[..., -1:], example.window), state.attributes)


def _stepped(step: Any, state: _State, own_rng: np.random.Generator | None, rng: np.random.Generator | None) -> _State:
    """Apply one step that needs no second image, and hold it to the contract."""
    try:
        image, planes = _applied(step, state, own_rng, rng)
    except AugmentationError:
        raise
    except Exception as error:  # the image is not at fault: it must not be left out
        raise AugmentationError(f"Augmentation {_name(step)} failed: {type(error).__name__}: {error}") from error
    changed = _State(image, planes, state.class_ids, state.attributes)
    _check_result(step, state, image, changed.masks)
    return changed


def _applied(step: Any, state: _State, own_rng: np.random.Generator | None, rng: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
    """Return image and planes after a step."""
    image, planes = state.image, state.planes
    if augment_imgaug.is_augmenter(step):
        image, planes = augment_imgaug.apply(step, image, planes, rng)
    elif augment_albumentations.is_pipeline(step):
        image, masks, real = augment_albumentations.apply(step, image, state.masks, planes[..., -1:], own_rng)
        planes = _joined(masks, real)
    elif _function(step) in _MOVING:
        image, planes = step(image, planes, own_rng)
    elif _function(step) in _STAYING:
        image, _ = step(image, state.masks, own_rng)
    else:
        result = step(image, state.masks, own_rng)
        if not isinstance(result, tuple) or len(result) != 2:
            raise AugmentationError(f"Augmentation {_name(step)} returned {type(result).__name__}; (image, masks) is expected.")
        _check_result(step, state, *result)
        image, planes = result[0], _joined(result[1], np.ones_like(planes[..., :1]))
    return image, planes


def _pasted(step: Any, state: _State, other: _State, rng: np.random.Generator) -> _State:
    """Apply copy_paste; what is pasted is real, in the padding too."""
    # In place of class ids it gets numbers of the same sign, which tell afterwards which instances were taken.
    all_ids = np.concatenate([state.class_ids, other.class_ids])
    numbers = np.sign(all_ids) * np.arange(1, len(all_ids) + 1)
    count = len(state.class_ids)
    image, masks, taken = step(state.image, state.masks, numbers[:count], (other.image, other.masks, numbers[count:]), rng)
    rows = np.concatenate([np.arange(count), np.abs(taken[count:]) - 1])
    new = masks[..., count:].any(axis=-1, keepdims=True)
    attributes = None if state.attributes is None else np.concatenate([state.attributes, other.attributes])[rows]
    return _State(image, _joined(masks, state.planes[..., -1:] | new), all_ids[rows].astype(state.class_ids.dtype), attributes)


def _check_result(step: Any, before: _State, image: Any, masks: Any) -> None:
    """Hold the result of a step to the contract."""
    name = _name(step)
    for what, array in (("image", image), ("masks", masks)):
        if not isinstance(array, np.ndarray):
            raise AugmentationError(f"Augmentation {name} returned {type(array).__name__} for the {what}; an array is expected.")
    if image.shape != before.image.shape or masks.shape != before.masks.shape:
        raise AugmentationError(
            f"Augmentation {name} changed the image from {before.image.shape} to {image.shape} and the masks from "
            f"{before.masks.shape} to {masks.shape}; sizes and the number of masks must stay. Pass keep_size=True where it has "
            "that option, or cut and pad to the network's size."
        )
    if image.dtype != before.image.dtype or masks.dtype != bool:
        raise AugmentationError(
            f"Augmentation {name} turned the image from {before.image.dtype} into {image.dtype} and the masks into {masks.dtype}; "
            f"{before.image.dtype} and bool are expected. MEAN_PIXEL is subtracted later."
        )


def _opened(example: Example) -> _State:
    y1, x1, y2, x2 = example.window
    real = np.zeros((*example.image.shape[:2], 1), bool)
    real[y1:y2, x1:x2] = True
    return _State(example.image, _joined(example.masks, real), example.class_ids, example.attributes)


def _joined(masks: np.ndarray, real: np.ndarray) -> np.ndarray:
    return np.concatenate([masks, real], axis=-1)


def _window(real: np.ndarray, before: Sequence[int]) -> tuple[int, int, int, int]:
    """Return the box around the real pixels; where none is left, the window of before, because none has no area."""
    if not real.any():
        return tuple(before)
    return tuple(int(side) for side in box_ops.from_masks(real)[0])


def _steps(augmentation: Any) -> tuple[Any, ...]:
    if augmentation is None:
        return ()
    # An augmenter of imgaug may itself be a list: Sequential.
    one = augment_imgaug.is_augmenter(augmentation) or not isinstance(augmentation, list | tuple)
    return (augmentation,) if one else tuple(augmentation)


def _function(step: Any) -> Any:
    """Return the function inside partials."""
    while hasattr(step, "func"):
        step = step.func
    return step


def _name(step: Any) -> str:
    return getattr(step, "name", None) or getattr(_function(step), "__name__", type(step).__name__)


def _takes_three(step: Any) -> bool:
    """Say whether something can be called with (image, masks, rng); copy_paste takes what the loader gives it."""
    if not callable(step):
        return False
    if _function(step) is copy_paste:
        return True
    try:
        inspect.signature(step).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True
