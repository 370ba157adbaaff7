"""One training sample: an image and its instances, resized, augmented and checked.

The only place where what a user's `load_image` and `load_mask` return is looked at closely; everything after it trusts
the sample.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrcnn.data import attributes, augment, images, reading
from mrcnn.data.dataset import Dataset, rles_of
from mrcnn.ops import boxes as box_ops
from mrcnn.ops import masks as mask_ops
from mrcnn.ops import resized_runs, rle

if TYPE_CHECKING:
    from mrcnn.config import Config


class Sample(NamedTuple):
    """An image with its instances; unpacks as the original's five values.

    Attributes:
        image: [H, W, C] in the dtype that `load_image` returned, usually uint8.
        meta: [12 + K], see `images.compose_meta`.
        class_ids: [N] int32, negative for crowds.
        boxes: [N, (y1, x1, y2, x2)] int32 pixels.
        masks: [H, W, N] bool, or [mini height, mini width, N].
    """

    image: np.ndarray
    meta: np.ndarray
    class_ids: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray


class LabelledSample(NamedTuple):
    """A `Sample` with the attributes of its instances: [N, A] int8, see `attributes`."""

    image: np.ndarray
    meta: np.ndarray
    class_ids: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray
    attributes: np.ndarray


def load(
    dataset: Dataset,
    config: Config,
    image_id: int,
    *,
    augmentation: Any = None,
    use_mini_mask: bool = False,
    rng: np.random.Generator | None = None,
    another: augment.Another | None = None,
    num_attributes: int = 0,
) -> Sample | LabelledSample:
    """Load an image with its instances, bring it to the network's size, and augment it.

    Args:
        dataset: prepared dataset.
        config: IMAGE_MIN_DIM, IMAGE_MAX_DIM, IMAGE_MIN_SCALE, IMAGE_RESIZE_MODE and MINI_MASK_SHAPE are read.
        image_id: 0…dataset.num_images - 1.
        augmentation: what `augment.check` passes, or None.
        use_mini_mask: cut the masks to their boxes and shrink them to MINI_MASK_SHAPE.
        rng: crop and augmentation follow from it. None: from the global states of `random` and imgaug, as in the
            original.
        another: gives the second image that copy_paste needs. None: one of the same source is drawn.
        num_attributes: A, of which each instance is asked. 0: of none.

    Returns:
        A sample, a `LabelledSample` where attributes are asked for. Instances without a pixel left after cropping and augmentation are dropped.

    Raises:
        ValueError: image and masks differ in size, masks and class ids in number, or a class id is out of range.
        augment.AugmentationError: the augmentation is at fault, not the image.
        FileNotFoundError: there is no such image file.
    """
    example, original_shape, scale = _resized(dataset, config, image_id, rng, num_attributes)
    if augmentation is not None:
        if another is None:
            another = partial(_another, dataset, config, image_id, num_attributes=num_attributes)
        example = augment.apply(augmentation, example, rng=rng, another=another)
    image, masks, class_ids, window, labels = example
    boxes = box_ops.from_masks(masks)
    kept = boxes.any(axis=1)  # an empty mask has the box 0, 0, 0, 0
    if not kept.all():
        masks, class_ids, boxes = masks[..., kept], class_ids[kept], boxes[kept]
        labels = None if labels is None else labels[kept]
    if (class_ids == 0).any():
        raise ValueError(
            f"{_name(dataset, image_id)}: an instance has class id 0, the background. load_mask must return ids from 1 to "
            f"{dataset.num_classes - 1}, in the order of add_class."
        )
    if use_mini_mask:
        masks = mask_ops.minimize(boxes, masks, config.MINI_MASK_SHAPE)
    active = active_class_ids(dataset, image_id)
    meta = images.compose_meta(image_id, original_shape, image.shape, window, scale, active)
    sample = Sample(image, meta, class_ids, boxes, masks)
    return sample if labels is None else LabelledSample(*sample, labels)


def load_resized(
    dataset: Dataset, config: Config, image_id: int, rng: np.random.Generator | None = None, num_attributes: int = 0
) -> augment.Example:
    """Load an image with its instances, and bring it to the network's size: `load` without augmentation and targets.

    Args and Raises: as `load`.

    Returns:
        Image, masks [H, W, N] bool, class ids [N] int32, window, and attributes or None. Masks may be empty.
    """
    return _resized(dataset, config, image_id, rng, num_attributes)[0]


def image_ids_of_source(dataset: Dataset, source: str) -> np.ndarray:
    """Return the ids of a source's images, in the order of the dataset: [M] int."""
    return np.array([i for i in dataset.image_ids if dataset.image_info[i]["source"] == source], int)


def active_class_ids(dataset: Dataset, image_id: int) -> np.ndarray:
    """Say which classes are labelled in an image: those of its source, and the background.

    Args:
        dataset: prepared dataset.
        image_id: 0…dataset.num_images - 1.

    Returns:
        [K] int32, 1 or 0.

    Raises:
        ValueError: no class was added for the image's source.
    """
    source = dataset.image_info[image_id]["source"]
    if source not in dataset.source_class_ids:
        known = sorted(name for name in dataset.source_class_ids if name) or "none"
        raise ValueError(
            f"{_name(dataset, image_id)} comes from source {source!r}, which has no classes; sources with classes: "
            f"{known}. Call add_class({source!r}, …) before prepare."
        )
    active = np.zeros(dataset.num_classes, np.int32)
    active[dataset.source_class_ids[source]] = 1
    return active


class Instances(NamedTuple):
    """The instances of an image before resizing, upright.

    Attributes:
        masks: [H, W, N] bool, or N COCO encodings.
        class_ids: [N] int32, negative for crowds.
    """

    masks: np.ndarray | list[dict[str, Any]]
    class_ids: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the masks."""
        if isinstance(self.masks, np.ndarray):
            return self.masks.shape[:2]
        return tuple(int(side) for side in self.masks[0]["size"]) if self.masks else (0, 0)

    def areas(self) -> np.ndarray:
        """Pixels of each mask: [N] int64."""
        if isinstance(self.masks, np.ndarray):
            return np.count_nonzero(self.masks, axis=(0, 1))
        return rle.area_coco(self.masks)

    def boxes(self) -> np.ndarray:
        """Box of each mask: [N, (y1, x1, y2, x2)] int32, zeros where it is empty."""
        return box_ops.from_masks(self.masks) if isinstance(self.masks, np.ndarray) else rle.boxes_coco(self.masks)

    def plane(self, place: int) -> np.ndarray:
        """One mask as [H, W] bool."""
        return self.masks[..., place] if isinstance(self.masks, np.ndarray) else rle.decode_coco(self.masks[place])

    def some(self, places: np.ndarray) -> Instances:
        """Those at some places; itself where these are all, for a copy of the planes costs as much as they do."""
        if len(places) == len(self.class_ids):
            return self
        masks = self.masks[..., places] if isinstance(self.masks, np.ndarray) else [self.masks[place] for place in places]
        return Instances(masks, self.class_ids[places])

    def planes(self) -> np.ndarray:
        """The masks as [H, W, N] bool."""
        return self.masks if isinstance(self.masks, np.ndarray) else rle.decode_coco(self.masks)

    def resized(self, scale: float, padding: Any, crop: Any) -> np.ndarray:
        """The masks at another size, see `masks.resize_mask`; encodings go there without planes of the size they have."""
        if isinstance(self.masks, np.ndarray):
            return mask_ops.resize_mask(self.masks, scale, padding, crop)
        return resized_runs.decode(self.masks, self.shape, scale, padding, crop)


def load_instances(dataset: Dataset, image_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Load the instances of an image upright and in full size, checked for form but not against the image.

    Args:
        dataset: prepared dataset.
        image_id: 0…dataset.num_images - 1.

    Returns:
        masks [H, W, N] bool and class ids [N] int32.

    Raises:
        ValueError: see `instances`; or a run length encoding is broken.
    """
    found = instances(dataset, image_id)
    return found.planes(), found.class_ids


def instances(dataset: Dataset, image_id: int) -> Instances:
    """Load the instances of an image upright, as run lengths where the data set has these.

    Args:
        dataset: prepared dataset.
        image_id: 0…dataset.num_images - 1.

    Raises:
        ValueError: masks that are not [H, W, N] or differ in size, masks and class ids that differ in number, or a class id
            out of range.
    """
    encoded = rles_of(dataset, image_id)
    name = "load_mask" if encoded is None else "load_rles"
    loaded = dataset.load_mask(image_id) if encoded is None else encoded
    if not isinstance(loaded, tuple | list) or len(loaded) != 2:
        raise ValueError(f"{_name(dataset, image_id)}: {name} must return (masks, class_ids); got {type(loaded)}.")
    masks, class_ids = np.asarray(loaded[0]) if encoded is None else list(loaded[0]), np.asarray(loaded[1])
    if encoded is None and masks.ndim != 3:
        raise ValueError(
            f"{_name(dataset, image_id)}: masks must be [height, width, instances]; load_mask returned shape {masks.shape}."
        )
    count = masks.shape[-1] if encoded is None else len(masks)
    if class_ids.ndim != 1 or len(class_ids) != count:
        raise ValueError(
            f"{_name(dataset, image_id)}: {name} returned {count} masks but class ids of shape {class_ids.shape}; there "
            "must be one id per mask."
        )
    ids = _checked_ids(dataset, image_id, class_ids)
    if encoded is None:
        return Instances(reading.turn(masks if masks.dtype == bool else masks != 0, _orientation(dataset, image_id)), ids)
    return Instances(turned(masks, _orientation(dataset, image_id), _name(dataset, image_id)), ids)


def _checked_ids(dataset: Dataset, image_id: int, class_ids: np.ndarray) -> np.ndarray:
    ids = class_ids.astype(np.int32)
    wrong = (ids != class_ids) | (np.abs(ids) >= dataset.num_classes)
    if wrong.any():
        raise ValueError(
            f"{_name(dataset, image_id)}: class id {class_ids[wrong][0]} is out of range; the dataset has "
            f"{dataset.num_classes} classes, background included, so ids run from 1 to {dataset.num_classes - 1} "
            "(negative for crowds). Add the class with add_class, or map ids with map_source_class_id."
        )
    return ids


def _orientation(dataset: Dataset, image_id: int) -> int:
    return dataset.mask_orientation(image_id) if hasattr(dataset, "mask_orientation") else 1  # an object of the user's own


def turned(encoded: list[dict[str, Any]], orientation: int, name: str) -> list[dict[str, Any]]:
    """Turn encodings upright, one plane at a time, and check that they have one size."""
    sizes = sorted({tuple(one["size"]) if isinstance(one, dict) and "size" in one else type(one).__name__ for one in encoded}, key=str)
    if len(sizes) > 1 or not all(isinstance(size, tuple) for size in sizes):
        raise ValueError(f"{name}: load_rles must return COCO encodings {{'size': [height, width], 'counts': …}} of one size; got {sizes}.")
    if orientation == 1:
        return encoded
    return [rle.encode_coco(reading.turn(rle.decode_coco(one), orientation)) for one in encoded]


def _resized(
    dataset: Dataset, config: Config, image_id: int, rng: np.random.Generator | None, num_attributes: int
) -> tuple[augment.Example, tuple[int, ...], float]:
    """Return the image at the network's size with its instances; its shape before; the factor."""
    image = _load_image(dataset, image_id)
    found = _load_instances(dataset, image_id, image.shape)
    original_shape = image.shape
    image, window, scale, padding, crop = images.resize(
        image,
        min_dim=config.IMAGE_MIN_DIM,
        max_dim=config.IMAGE_MAX_DIM,
        min_scale=config.IMAGE_MIN_SCALE,
        mode=config.IMAGE_RESIZE_MODE,
        rng=rng,
    )
    masks = found.resized(scale, padding, crop)
    labels = attributes.load(dataset, image_id, len(found.class_ids), num_attributes) if num_attributes else None
    return augment.Example(image, masks, found.class_ids, window, labels), original_shape, scale


def _another(dataset: Dataset, config: Config, image_id: int, rng: np.random.Generator, num_attributes: int) -> augment.Example:
    """Draw an image of the same source. Not of another: its classes may not be labelled here, see `active_class_ids`."""
    same = image_ids_of_source(dataset, dataset.image_info[image_id]["source"])
    return load_resized(dataset, config, int(rng.choice(same)), rng, num_attributes)


def _load_image(dataset: Dataset, image_id: int) -> np.ndarray:
    image = dataset.load_image(image_id)
    if not isinstance(image, np.ndarray) or image.ndim != 3 or not image.size:
        got = f"shape {image.shape}" if isinstance(image, np.ndarray) else f"{type(image).__name__}"
        raise ValueError(f"{_name(dataset, image_id)}: load_image must return [height, width, channels]; got {got}.")
    return image


def _load_instances(dataset: Dataset, image_id: int, image_shape: tuple) -> Instances:
    """Load instances and check that they fit the image."""
    found = instances(dataset, image_id)
    if not len(found.class_ids):
        return Instances(np.zeros((*image_shape[:2], 0), bool), found.class_ids)
    if found.shape != tuple(image_shape[:2]):
        raise ValueError(
            f"{_name(dataset, image_id)}: the image has {image_shape[0]} × {image_shape[1]} pixels (height × width), its "
            f"masks {found.shape[0]} × {found.shape[1]}. {_remedy(dataset, image_id, found.shape, image_shape)}"
        )
    return found


def _remedy(dataset: Dataset, image_id: int, shape: tuple, image_shape: tuple) -> str:
    """Say what to do about masks of another size than their image."""
    general = "load_mask must draw in the size of load_image's result; look for height and width swapped."
    path = dataset.image_info[image_id].get("path")
    if shape != tuple(image_shape[1::-1]) or path is None:
        return general
    try:
        orientation = reading.header(path).orientation
    except (OSError, ValueError):  # an image that is no file, or is read in the user's own way
        return general
    if orientation < 5:
        return general
    return (
        f"The photo's EXIF tag turns it (orientation {orientation}), and load_image returns it upright. If the masks were drawn on "
        'the unturned pixels, set dataset.mask_frame = "stored" and they are turned alike (add_image(mask_frame="stored") for one '
        "image); if they were drawn on the upright photo, let load_mask use the height and width of the upright photo."
    )


def _name(dataset: Dataset, image_id: int) -> str:
    """Name an image as its owner knows it."""
    info = dataset.image_info[image_id]
    path = f", {info['path']}" if info.get("path") else ""
    return f"Image {image_id} (id {info['id']!r} of {info['source']!r}{path})"
