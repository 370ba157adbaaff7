"""One walk through a data set: each image and its masks are loaded once, measured, and let go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrcnn.data import attributes, images, reading, samples, statistics
from mrcnn.data.dataset import Dataset, Subset, rles_of
from mrcnn.doctor import findings, likeness, photo_files
from mrcnn.ops import boxes as box_ops
from mrcnn.ops import masks as mask_ops
from mrcnn.ops import rle

if TYPE_CHECKING:
    from mrcnn.config import Config

# First entry of the generator's seed: another stream than order, items, splits have (mrcnn.data).
_SAMPLE = 3
#: Boxes of two instances that overlap at least so much are compared pixel by pixel, and masks that do so are the same.
SAME_MASK = 0.95

_LONG = 40  # characters of a name that findings show

Progress = Callable[[str, int, int], None]


class Problem(NamedTuple):
    """Why an image or its masks can't be used. kind: "image", "load", "form", "size", "class_ids" or "attributes"."""

    kind: str
    text: str
    values: tuple[int, ...] = ()


class Instances(NamedTuple):
    """The instances of an image that can be measured.

    Attributes:
        places: [N] their places in what `load_mask` returned.
        class_ids: [N], negative for crowds.
        areas: [N] pixels.
        boxes: [N, (y1, x1, y2, x2)] pixels of the photo.
        resized_areas: [N] pixels at the network's size.
        resized_boxes: [N, (y1, x1, y2, x2)] there.
        mini_iou: [N] IoU of a mask with what is left of it as a mini-mask; nan where it has no pixel.
        finer_iou: [N] likewise with mini-masks of twice the height and width.
        twins: [(place, place)] of the same pixels.
        unseen: instances that `image_class_ids` names and `load_mask` doesn't return.
    """

    places: np.ndarray
    class_ids: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray
    resized_areas: np.ndarray
    resized_boxes: np.ndarray
    mini_iou: np.ndarray
    finer_iou: np.ndarray
    twins: list[tuple[int, int]]
    unseen: int


@dataclass
class Photo:
    """What the walk found of an image.

    Attributes:
        image_id: of the data set.
        name: as its owner knows it.
        problem: why the image can't be used, or None.
        mask_problem: likewise its masks.
        file: of `photo_files`, or None where it is no file.
        shape: (height, width, channels) of what `load_image` returned.
        dtype: of it.
        low, high: its least and largest value.
        mean: [C] of its pixels.
        print: of `likeness`.
        molded: (height, width) of the network's input.
        scale: factor of the resizing.
        instances: None where masks can't be used.
    """

    image_id: int
    name: str
    problem: Problem | None = None
    mask_problem: Problem | None = None
    file: photo_files.PhotoFile | None = None
    shape: tuple[int, ...] = ()
    dtype: Any = None
    low: float = 0.0
    high: float = 0.0
    mean: np.ndarray | None = None
    print: likeness.Print | None = None
    molded: tuple[int, int] = (0, 0)
    scale: float = 1.0
    instances: Instances | None = None

    @property
    def usable(self) -> bool:
        """Whether training can use it."""
        return self.problem is None and self.mask_problem is None


@dataclass
class Survey:
    """What the walk found of a data set.

    Attributes:
        dataset: prepared.
        subset: "training" or "validation".
        photos: those walked through.
        complete: False after Ctrl-C.
        counts: [num_images, K] instances a class of all images where these are known without masks (column 0: -1 where not), else None.
    """

    dataset: Dataset
    subset: str
    photos: list[Photo] = field(default_factory=list)
    complete: bool = True
    counts: np.ndarray | None = None

    @property
    def whole(self) -> bool:
        """Whether every image was looked at."""
        return len(self.photos) == len(self.dataset.image_ids)

    def statistics(self) -> statistics.Statistics:
        """Return the figures of the images that training can use, sizes in pixels of the photos."""
        return statistics.collect(
            findings.class_names(self.dataset),
            (
                statistics.Objects(p.image_id, p.instances.class_ids, p.instances.areas, p.instances.boxes[:, 2:] - p.instances.boxes[:, :2])
                for p in self.photos
                if p.usable
            ),
        )

    def joined(self, attribute: str) -> np.ndarray:
        """Return an attribute of the `Instances` of all usable photos, one after the other."""
        found = [getattr(p.instances, attribute) for p in self.photos if p.usable]
        return np.concatenate(found) if found else np.zeros((0, 4) if attribute.endswith("boxes") else 0)


def walk(
    dataset: Dataset, config: Config, subset: str, *, limit: int | None = None, seed: int = 0, progress: Progress | None = None
) -> Survey:
    """Load and measure the images of a data set.

    Args:
        dataset: prepared.
        config: sizes and modes of images and mini-masks.
        subset: its name in findings.
        limit: look at so many images only, drawn by the seed.
        seed: of that draw.
        progress: told (subset, images done, images) after each.

    Returns:
        What was found; of the images before Ctrl-C where that came.
    """
    found = Survey(dataset, subset)
    chosen = np.asarray(dataset.image_ids)
    if limit is not None and limit < len(chosen):
        chosen = np.sort(np.random.default_rng([_SAMPLE, seed]).permutation(chosen)[:limit])
    try:
        if names_classes(dataset):
            found.counts = _counts(dataset)
        for done, image_id in enumerate(chosen, start=1):
            found.photos.append(_photo(dataset, config, int(image_id)))
            if progress is not None:
                progress(subset, done, len(chosen))
    except KeyboardInterrupt:
        found.complete = False
    return found


def names_classes(dataset: Dataset) -> bool:
    """Say whether `image_class_ids` is the subclass's own, which needs no masks."""
    while isinstance(dataset, Subset):
        dataset = dataset.whole
    return type(dataset).image_class_ids is not Dataset.image_class_ids


def photo_name(dataset: Dataset, image_id: int) -> str:
    """Name an image as its owner knows it: its number here, and the source's id or file."""
    info = dataset.image_info[image_id]
    own, path = str(info["id"]), info.get("path")
    file = os.path.basename(str(path)) if path else ""
    return f"{image_id}: {_short(file or own)}" if not file or own in file else f"{image_id}: {_short(own)}, {_short(file)}"


def _short(name: str) -> str:
    return name if len(name) <= _LONG else f"{name[: _LONG // 2]}…{name[-_LONG // 2 + 1 :]}"


def _counts(dataset: Dataset) -> np.ndarray:
    """As `instance_counts`, silent: what can't be read is a finding of its own."""
    counts = np.zeros((len(dataset.image_ids), dataset.num_classes), np.int64)
    for row, image_id in enumerate(dataset.image_ids):
        try:
            ids = np.asarray(dataset.image_class_ids(int(image_id))).astype(np.int64)
            counts[row] = np.bincount(ids[(ids > 0) & (ids < dataset.num_classes)], minlength=dataset.num_classes)
        except Exception:  # whatever a user's method raises
            counts[row, 0] = -1
    return counts


def _photo(dataset: Dataset, config: Config, image_id: int) -> Photo:
    photo = Photo(image_id, photo_name(dataset, image_id))
    path = dataset.image_info[image_id].get("path")
    if isinstance(path, str | os.PathLike) and os.path.isfile(path):
        try:
            photo.file = photo_files.inspect(path)
        except OSError as error:
            photo.problem = Problem("image", f"{type(error).__name__}: {error}")
            return photo
    try:
        image = dataset.load_image(image_id)
    except Exception as error:  # whatever a user's load_image raises
        photo.problem = Problem("image", f"{type(error).__name__}: {error}")
        return photo
    photo.problem = _pixels(photo, image, config)
    if photo.problem is None:
        _masks(dataset, config, photo)
    return photo


def _pixels(photo: Photo, image: Any, config: Config) -> Problem | None:
    """Measure an image, and say why training can't use it."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or not image.size or image.dtype.kind not in "uifb":
        got = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        return Problem("image", f"load_image must return numbers [height, width, channels]; got {got}")
    photo.shape, photo.dtype = image.shape, image.dtype
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        return Problem("image", "it holds values that are not finite (nan or infinite)")
    photo.low, photo.high = float(image.min()), float(image.max())
    photo.mean = image.mean(axis=(0, 1), dtype=np.float64)
    photo.print = likeness.of(image)
    if image.shape[2] != config.IMAGE_CHANNEL_COUNT:
        return Problem("channels", f"{image.shape[2]} channels", (image.shape[2],))
    try:
        photo.molded, photo.scale, _ = resized(image.shape, config)
    except ValueError as error:
        return Problem("image", str(error))
    height, width = photo.molded
    if height % 64 or width % 64:
        return Problem("sides", f"{height} × {width} px at the network")
    return None


def resized(shape: tuple[int, ...], config: Config) -> tuple[tuple[int, int], float, list[tuple[int, int]]]:
    """Return height and width at the network, the factor, and the padding, without the image; a crop's place is left out."""
    mode = "none" if config.IMAGE_RESIZE_MODE == "crop" else config.IMAGE_RESIZE_MODE
    blank = np.broadcast_to(np.uint8(0), (*shape[:2], 1))
    if config.IMAGE_RESIZE_MODE == "crop":  # enlarged to the side of the square, which is then cut at random
        scale = max(1.0, config.IMAGE_MIN_DIM / min(shape[:2]), config.IMAGE_MIN_SCALE or 0)
        return (config.IMAGE_MIN_DIM, config.IMAGE_MIN_DIM), scale, [(0, 0)] * 3
    found = images.resize(
        blank, min_dim=config.IMAGE_MIN_DIM, max_dim=config.IMAGE_MAX_DIM, min_scale=config.IMAGE_MIN_SCALE, mode=mode
    )
    return found.image.shape[:2], float(found.scale), found.padding


def _masks(dataset: Dataset, config: Config, photo: Photo) -> None:
    """Measure the instances of an image, or note why that is not possible."""
    try:
        loaded = load(dataset, photo.image_id)
    except Exception as error:  # whatever a user's load_mask raises
        photo.mask_problem = Problem("load", f"{type(error).__name__}: {error}")
        return
    photo.mask_problem, found = _form(loaded, photo, dataset.num_classes)
    if found is None:
        return
    places = np.flatnonzero((found.class_ids != 0) & (np.abs(found.class_ids) < dataset.num_classes))
    unseen = 0
    if names_classes(dataset):
        try:
            unseen = max(0, len(dataset.image_class_ids(photo.image_id)) - len(found.class_ids))
        except Exception:  # the same masks could be loaded: nothing is missing that training needs
            unseen = 0
    if photo.mask_problem is None and len(getattr(dataset, "attribute_names", ())) == config.NUM_ATTRIBUTES:
        try:
            attributes.load(dataset, photo.image_id, len(found.class_ids), config.NUM_ATTRIBUTES)
        except Exception as error:  # whatever a user's load_attributes raises
            photo.mask_problem = Problem("attributes", f"{type(error).__name__}: {error}")
    none = samples.Instances(np.zeros((*photo.shape[:2], 0), bool), found.class_ids[:0])  # run lengths that are none tell no size
    photo.instances = measure(found.some(places) if len(places) else none, places, config, unseen)


def load(dataset: Dataset, image_id: int) -> Any:
    """Return what `load_rles` gives, as (encodings, class ids), or what `load_mask` gives; upright, as far as it has the form of masks.

    Planes of a hundred instances of a large photo would take a gigabyte, their run lengths nearly nothing.

    Raises:
        Exception: whatever a user's method raises.
        ValueError: run lengths are broken.
    """
    turned, encoded = dataset.mask_orientation(image_id), rles_of(dataset, image_id)
    if encoded is not None:
        masks, class_ids = encoded
        return samples.turned([rle.checked_coco(one) for one in masks], turned, photo_name(dataset, image_id)), class_ids
    loaded = dataset.load_mask(image_id)
    if isinstance(loaded, tuple | list) and len(loaded) == 2:
        masks = np.asarray(loaded[0])
        return reading.turn(masks, turned) if masks.ndim == 3 else masks, loaded[1]
    return loaded


def _form(loaded: Any, photo: Photo, num_classes: int) -> tuple[Problem | None, samples.Instances | None]:
    """Check what `load` returned; returns the problem, and the instances where they can be measured."""
    if not isinstance(loaded, tuple | list) or len(loaded) != 2:
        return Problem("form", f"load_mask must return (masks, class_ids); got {type(loaded).__name__}"), None
    masks, class_ids = loaded[0], np.asarray(loaded[1])
    shape = masks.shape if isinstance(masks, np.ndarray) else (*samples.Instances(masks, class_ids).shape, len(masks))
    if len(shape) != 3 or class_ids.ndim != 1 or len(class_ids) != shape[-1] or class_ids.dtype.kind not in "iuf":
        text = f"masks [height, width, N] and N class ids are expected; got {shape} and {class_ids.shape} {class_ids.dtype}"
        return Problem("form", text), None
    ids = class_ids.astype(np.int64)
    if not len(ids):
        return None, samples.Instances(np.zeros((*photo.shape[:2], 0), bool), ids)
    if shape[:2] != photo.shape[:2]:
        turned = shape[:2] == photo.shape[1::-1]
        text = f"masks {shape[0]} × {shape[1]}, image {photo.shape[0]} × {photo.shape[1]}" + (" (turned)" if turned else "")
        return Problem("size", text, (int(turned),)), None
    wrong = (ids != class_ids) | (np.abs(ids) >= num_classes) | (ids == 0)
    problem = None
    if wrong.any():
        bad = sorted(set(class_ids[wrong].tolist()))
        problem = Problem("class_ids", f"class id {', '.join(map(str, bad[:5]))}", tuple(np.flatnonzero(wrong).tolist()))
    return problem, samples.Instances(masks != 0 if isinstance(masks, np.ndarray) and masks.dtype != bool else masks, ids)


def measure(found: samples.Instances, places: np.ndarray, config: Config, unseen: int = 0) -> Instances:
    """Measure instances at the photo's size and at the network's.

    Args:
        found: upright.
        places: [N], see `Instances`.
        config: as `walk`.
        unseen: see `Instances`.
    """
    _, scale, padding = resized(found.shape, config)
    boxes, small = found.boxes(), found.resized(scale, padding, None)
    small_boxes = box_ops.from_masks(small)
    mini = np.asarray(config.MINI_MASK_SHAPE if config.USE_MINI_MASK else (56, 56))
    iou = np.full((2, len(places)), np.nan)
    for place, box in enumerate(small_boxes):
        part = _part(small, box, place)
        if part.size and config.USE_MINI_MASK:
            iou[0, place] = round_trip(part, mini)
            iou[1, place] = round_trip(part, 2 * mini) if iou[0, place] < 1 else 1.0
    return Instances(
        places, found.class_ids, found.areas(), boxes, small.sum(axis=(0, 1)), small_boxes, iou[0], iou[1], list(_twins(found, boxes, places)), unseen
    )


def round_trip(mask: np.ndarray, mini_shape: Any) -> float:
    """Return the IoU of a mask, cut to its box, with what a mini-mask leaves of it.

    Args:
        mask: [h, w] bool, with a pixel.
        mini_shape: (height, width) of the mini-mask.

    >>> round_trip(np.ones((9, 9), bool), (3, 3))
    1.0
    """
    box = np.array([[0, 0, *mask.shape]])
    back = mask_ops.expand(box, mask_ops.minimize(box, mask[..., None], mini_shape), mask.shape)[..., 0]
    return float((back & mask).sum() / (back | mask).sum())


def _twins(found: samples.Instances, boxes: np.ndarray, places: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the places of instances that cover the same pixels."""
    alike = box_ops.iou(boxes, boxes) >= SAME_MASK
    for one, other in np.argwhere(np.triu(alike, 1)):
        box = np.concatenate([np.minimum(boxes[one, :2], boxes[other, :2]), np.maximum(boxes[one, 2:], boxes[other, 2:])])
        if isinstance(found.masks, np.ndarray):
            a, b = _part(found.masks, box, one), _part(found.masks, box, other)
            same = (a & b).sum() >= SAME_MASK * (a | b).sum()
        else:
            same = rle.iou_coco([found.masks[one]], [found.masks[other]])[0, 0] >= SAME_MASK
        if same:
            yield int(places[one]), int(places[other])


def _part(masks: np.ndarray, box: np.ndarray, place: int) -> np.ndarray:
    y1, x1, y2, x2 = (int(v) for v in box)
    return masks[y1:y2, x1:x2, place]
