"""Pipelines of albumentations 2.0 (`Compose`), applied to image and masks.

albumentations itself moves masks with the image and leaves them alone where only colours change. Here: its draws follow
from a generator in place of its own state, and what would spoil instances is refused. Nothing is imported: who passes a
Compose has imported albumentations. Set NO_ALBUMENTATIONS_UPDATE=1 before that, or it asks the network for its newest version.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

# Bytes are what the loader expects back: it subtracts MEAN_PIXEL itself.
_NOT_BYTES = frozenset(("Normalize", "ToFloat", "FromFloat", "ToTensorV2", "ToTensor3D"))
# Containers that hand masks to what they hold. SelectiveChannelTransform, for one, does not.
_CONTAINERS = frozenset(("Compose", "OneOf", "SomeOf", "RandomOrder", "OneOrOther", "Sequential"))
# These read boxes without saying so in targets_as_params.
_NEED_BOXES = frozenset(("AtLeastOneBBoxRandomCrop", "BBoxSafeRandomCrop", "RandomSizedBBoxSafeCrop"))


def is_pipeline(augmentation: Any) -> bool:
    """Say whether something is a transform of albumentations, or holds some."""
    names = {(parent.__module__.split(".")[0], parent.__name__) for parent in type(augmentation).__mro__}
    return bool(names & {("albumentations", "BaseCompose"), ("albumentations", "BasicTransform")})


def check(augmentation: Any) -> None:
    """Refuse what cannot be applied to an image and its instances.

    Args:
        augmentation: a Compose.

    Raises:
        ValueError: it is no Compose, has bbox_params or keypoint_params, or holds a transform that returns no bytes, needs
            more than image and masks, fills masks, or is code of one's own.
    """
    if "Compose" not in _parents(augmentation):
        raise ValueError(f"{type(augmentation).__name__} of albumentations stands alone: wrap it, Compose([…]).")
    if augmentation.processors:
        raise ValueError(
            f"Compose has parameters for {', '.join(augmentation.processors)}: leave bbox_params and keypoint_params out. Boxes "
            "are taken from the masks afterwards."
        )
    for container in _containers(augmentation):
        if type(container).__name__ not in _CONTAINERS:
            raise ValueError(
                f"{type(container).__name__} of albumentations may change the image and not its masks. Containers that hand masks on: "
                f"{', '.join(sorted(_CONTAINERS))}."
            )
    for transform in _leaves(augmentation):
        reason = _objection(transform)
        if reason:
            raise ValueError(f"{type(transform).__name__} of albumentations {reason}")


def apply(
    augmentation: Any, image: np.ndarray, masks: np.ndarray, real: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Apply one draw of a Compose.

    Args:
        augmentation: a Compose that passes `check`; it is not changed.
        image: [H, W, C] uint8.
        masks: [H, W, N] bool.
        real: [H, W, 1] bool, moved along without being an instance.
        rng: the draw follows from it, whatever thread or process this runs in.

    Returns:
        Image, masks and real. Sizes are whatever the transforms made of them.
    """
    pipeline = copy.deepcopy(augmentation)  # it keeps its draws in itself
    pipeline.set_random_seed(int(rng.integers(2**31)))
    planes = {"mask": real[..., 0].astype(np.uint8)}
    if masks.shape[-1]:
        planes["masks"] = np.ascontiguousarray(np.moveaxis(masks, -1, 0)).view(np.uint8)
    result = pipeline(image=image, **planes)
    real = np.asarray(result["mask"])[..., None].astype(bool)
    if not masks.shape[-1]:
        return result["image"], np.zeros((*real.shape[:2], 0), bool), real
    return result["image"], np.ascontiguousarray(np.moveaxis(np.asarray(result["masks"]), 0, -1)).astype(bool), real


def _objection(transform: Any) -> str | None:
    """Say what speaks against a transform; None where nothing does."""
    parents = _parents(transform)
    if "Lambda" in parents:
        return (
            "is code of your own: whether masks must follow it cannot be known. Pass a list instead, augmentation=[…, function], "
            "with your code as a function of (image, masks, rng)."
        )
    if parents & _NOT_BYTES:
        return "returns other numbers than bytes. Leave it out: the loader subtracts MEAN_PIXEL from 0…255 itself."
    needed = transform.targets_as_params or ["bboxes"] * bool(parents & _NEED_BOXES)
    if needed:
        return f"needs {', '.join(needed)}, which training does not hand it. Leave it out."
    if "ImageOnlyTransform" not in parents and not {"mask", "masks"} <= set(transform.targets):
        return "moves pixels, and knows no masks that could follow. Leave it out."
    for name in ("fill_mask", "mask_drop_value"):
        if np.any(getattr(transform, name, None) or 0):
            return f"has {name} = {getattr(transform, name)!r}: those pixels would be part of every instance. Leave {name} out."
    return None


def _parents(thing: Any) -> set[str]:
    return {parent.__name__ for parent in type(thing).__mro__}


def _containers(pipeline: Any) -> Iterator[Any]:
    """Yield a Compose and all containers in it."""
    yield pipeline
    for transform in pipeline.transforms:
        if "BaseCompose" in _parents(transform):
            yield from _containers(transform)


def _leaves(pipeline: Any) -> Iterator[Any]:
    """Yield the transforms inside a Compose, whatever containers lie between."""
    for transform in pipeline.transforms:
        if "BaseCompose" in _parents(transform):  # ColorJitter, too, has an attribute named transforms
            yield from _leaves(transform)
        else:
            yield transform
