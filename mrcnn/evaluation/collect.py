"""The judge's walk: a data set, once, in order, through a detector; detections and truth kept as run lengths."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from mrcnn.data import images, samples
from mrcnn.evaluation.collected import Collected, CollectedImage, checked_scores
from mrcnn.ops import rle
from mrcnn.results import Detections

logger = logging.getLogger(__name__)

Loaded = TypeVar("Loaded")


class Truth(NamedTuple):
    """An image [H, W, C] with its instances: encodings, class ids [N] int32; `real` [L] bool: which of those the data set lists are no padding."""

    image_id: int
    image: np.ndarray
    rles: list[dict[str, Any]]
    class_ids: np.ndarray
    real: np.ndarray


def from_dataset(
    detect: Callable[[list[np.ndarray]], Sequence[Mapping[str, np.ndarray]]], dataset: Any, *, image_ids: Sequence[int] | None = None,
    at_once: int = 1, channels: int = 3, progress: Callable[[int, int], None] = lambda done, total: None,
) -> Collected:  # fmt: skip
    """Detect on the images of a data set, in order, and keep what was found beside what is there.

    An image that cannot be loaded or judged is logged with its reason and left out of every figure. At most `at_once`
    photos are in memory at a time. Masks are run lengths on both sides; only a data set without `load_rles` shows its
    planes, for as long as it takes to encode them.

    Args:
        detect: Takes a list of images and returns the detections of each; `model.detect` with lazy masks.
        dataset: Prepared data set.
        image_ids: Which images. None: all.
        at_once: Photos handed to `detect` together.
        channels: Of the images, as `detect` expects them.
        progress: Called with the number of images done, and of all.

    Raises:
        ValueError: no image could be used; the message gives the first reasons.
    """
    ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)]
    if not ids:
        raise ValueError("The data set to judge has no images. Add some and call prepare().")
    collected = Collected(list(dataset.class_names))
    for done, batch in batches(
        lambda image_id: load(dataset, image_id, channels), ids, at_once, lambda image_id, error: _leave_out(collected, dataset, image_id, error)
    ):
        if batch:
            _judge(detect, dataset, batch, collected)
        progress(done, len(ids))
    if not collected.images:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in collected.left_out[:3])
        raise ValueError(f"None of the {len(ids)} images can be judged. The first reasons: {reasons}")
    return collected


def batches(
    load: Callable[[int], Loaded], image_ids: Sequence[int], at_once: int, left_out: Callable[[int, Exception], None]
) -> Iterator[tuple[int, list[Loaded]]]:
    """Load images one after the other, and yield how many are done with those that came since; none after a bad image that nobody waited with.

    Args:
        load: Of an image id.
        image_ids: In this order.
        at_once: Images in memory at a time.
        left_out: Told of an image that could not be loaded, and why.

    >>> [(done, batch) for done, batch in batches(lambda i: 6 // i, [1, 0, 2, 3], 2, lambda i, error: print(i, error))]
    0 integer division or modulo by zero
    [(3, [6, 3]), (4, [2])]
    """
    batch: list[Loaded] = []
    for done, image_id in enumerate(image_ids, start=1):
        try:
            batch.append(load(int(image_id)))
        except Exception as error:  # whatever a user's load_image or load_mask raises
            left_out(int(image_id), error)
        if not batch or len(batch) == at_once or done == len(image_ids):
            yield done, batch
            batch = []


def _judge(detect: Callable, dataset: Any, batch: list[Truth], collected: Collected) -> None:
    """Detect on a batch; if that is refused, on one image after the other, to find the one that is at fault."""
    try:
        found = detect([one.image for one in batch])
    except (ValueError, TypeError) as error:
        if len(batch) == 1:
            _leave_out(collected, dataset, batch[0].image_id, error)
            return
        for one in batch:
            _judge(detect, dataset, [one], collected)
        return
    collected.images += [_beside(dataset, one, detections) for one, detections in zip(batch, found, strict=True)]


def _leave_out(collected: Collected, dataset: Any, image_id: int, error: Exception) -> None:
    reason = f"{type(error).__name__}: {error}"
    collected.left_out.append((image_name(dataset, image_id), reason))
    logger.warning("Left out of the evaluation: image %s: %s", image_id, reason)


def image_name(dataset: Any, image_id: int) -> str:
    """Return the path of an image, or the id its source has for it."""
    info = dataset.image_info[image_id]
    return str(info.get("path") or info.get("id", image_id))


def load(dataset: Any, image_id: int, channels: int) -> Truth:
    """Load an image with its truth as run lengths; instances of class id 0, padding, are left out.

    Raises:
        ValueError: it is no image of so many channels, or its masks are of another size; and whatever the data set raises.
    """
    image = images.check(dataset.load_image(image_id), image_id, channels)
    found = samples.instances(dataset, image_id)
    masks, class_ids = found.masks, found.class_ids
    if len(class_ids) and found.shape != image.shape[:2]:
        raise ValueError(f"its masks are of {found.shape}, the image of {image.shape[:2]} pixels (height, width)")
    real = class_ids != 0  # 0 is padding
    rles = rle.encode_coco(masks[:, :, real]) if isinstance(masks, np.ndarray) else [rle.checked_coco(masks[i]) for i in np.flatnonzero(real)]
    return Truth(image_id, image, rles, class_ids[real], real)


def _beside(dataset: Any, truth: Truth, detections: Mapping[str, np.ndarray]) -> CollectedImage:
    found = Detections.from_mapping(detections)
    height, width = truth.image.shape[:2]
    wrong = found["class_ids"][(found["class_ids"] < 1) | (found["class_ids"] >= dataset.num_classes)]
    if len(wrong):
        raise ValueError(
            f"The detector returned class id {wrong[0]}, the data set has ids 1 to {dataset.num_classes - 1}: judge a network with the "
            "data's own classes, in their order"
        )
    return CollectedImage(
        truth.image_id, image_name(dataset, truth.image_id), height, width,
        truth.class_ids, rle.boxes_coco(truth.rles), truth.rles, rle.area_coco(truth.rles),
        found["class_ids"], checked_scores(found["scores"], truth.image_id), found["rois"], found.rles,
    )  # fmt: skip
