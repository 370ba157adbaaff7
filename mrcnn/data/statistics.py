"""What a data set holds, in figures: instances of each class, instances an image, sizes of objects, classes that come together.

Crowds are counted by themselves and are in no other figure: they train nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mrcnn.data import samples
from mrcnn.data.dataset import Dataset
from mrcnn.ops import boxes as box_ops

logger = logging.getLogger(__name__)

#: Borders between small, medium and large objects, in pixels of area: COCO's.
SMALL, LARGE = 32**2, 96**2
SIZES = ("small", "medium", "large")
COLUMNS = ("class", "images", "instances", "share", "area_10", "area_50", "area_90", "small", "medium", "large")


class Objects(NamedTuple):
    """The instances of an image.

    Attributes:
        image_id: of the data set.
        class_ids: [N] int, negative for crowds.
        areas: [N] pixels of each mask.
        sizes: [N, (height, width)] pixels of each box.
    """

    image_id: int
    class_ids: np.ndarray
    areas: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class Statistics:
    """Figures of some images.

    Attributes:
        class_names: [K], the background first.
        image_ids: [N] int64, the images that could be read.
        counts: [N, K] int64 instances of each class on each image; column 0 is 0.
        image_of: [M] int64 the row of `counts` that each instance belongs to.
        class_ids: [M] int64.
        areas: [M] int64 pixels.
        sizes: [M, (height, width)] int64 pixels of its box.
        num_crowds: crowds, which are in none of these.
    """

    class_names: list[str]
    image_ids: np.ndarray
    counts: np.ndarray
    image_of: np.ndarray
    class_ids: np.ndarray
    areas: np.ndarray
    sizes: np.ndarray
    num_crowds: int = 0

    @property
    def images_per_class(self) -> np.ndarray:
        """Return [K] the images that show each class; of the background, those that show none."""
        shown = (self.counts > 0).sum(axis=0)
        shown[0] = (self.counts.sum(axis=1) == 0).sum()
        return shown

    @property
    def instances_per_class(self) -> np.ndarray:
        """Return [K] instances; 0 of the background."""
        return self.counts.sum(axis=0)

    @property
    def instances_per_image(self) -> np.ndarray:
        """Return [N] instances."""
        return self.counts.sum(axis=1)

    def together(self) -> np.ndarray:
        """Return [K, K] the images that show both of two classes; the diagonal is `images_per_class`, the background left at 0."""
        shown = (self.counts > 0).astype(np.int64)
        return shown.T @ shown

    def of_images(self, image_ids: Sequence[int] | np.ndarray) -> Statistics:
        """Return the figures of some of the images, without reading them again. Crowds are then not known and 0."""
        rows = np.flatnonzero(np.isin(self.image_ids, image_ids))
        place = np.full(len(self.image_ids), -1, np.int64)
        place[rows] = np.arange(len(rows))
        kept = place[self.image_of] >= 0
        return Statistics(
            self.class_names, self.image_ids[rows], self.counts[rows], place[self.image_of[kept]], self.class_ids[kept],
            self.areas[kept], self.sizes[kept],
        )  # fmt: skip

    def table(self) -> list[list[object]]:
        """Return a row for each class but the background, with the columns `COLUMNS`.

        Areas are the 10th, 50th and 90th percentile of masks in pixels, "" without an instance; small, medium and large
        are numbers of instances below 32², up to and from 96² pixels.
        """
        total = max(1, len(self.class_ids))
        rows = []
        for class_id, name in enumerate(self.class_names[1:], start=1):
            areas = self.areas[self.class_ids == class_id]
            tenths = [round(float(value)) for value in np.percentile(areas, (10, 50, 90))] if len(areas) else [""] * 3
            of_size = np.bincount(size_class(areas), minlength=3).tolist()
            images = int(self.images_per_class[class_id])
            rows.append([name, images, len(areas), round(len(areas) / total, 4), *tenths, *of_size])
        return rows


def size_class(areas: np.ndarray) -> np.ndarray:
    """Return 0 small, 1 medium or 2 large for each area.

    Args:
        areas: pixels, of any shape.

    >>> size_class(np.array([1023, 1024, 9215, 9216])).tolist()
    [0, 1, 1, 2]
    """
    return (np.asarray(areas) >= SMALL).astype(np.int64) + (np.asarray(areas) >= LARGE)


def collect(class_names: Sequence[str], objects: Iterable[Objects]) -> Statistics:
    """Make the figures from the instances of each image.

    Args:
        class_names: [K], the background first.
        objects: one an image; left out are class ids outside 1…K - 1 (or negative, for crowds), and what has no pixel.

    >>> one = Objects(7, np.array([2, 2, -1]), np.array([12, 4, 99]), np.array([[3, 4], [2, 2], [9, 11]]))
    >>> found = collect(["BG", "hat", "shoe"], [one])
    >>> found.instances_per_class.tolist(), found.num_crowds
    ([0, 0, 2], 1)
    """
    names = list(class_names)
    ids, counts, image_of, classes, areas, sizes, crowds = [], [], [], [], [], [], 0
    for row, one in enumerate(objects):
        class_ids = np.asarray(one.class_ids, np.int64)
        crowds += int((class_ids < 0).sum())
        kept = (class_ids > 0) & (class_ids < len(names)) & (np.asarray(one.areas) > 0)
        ids.append(one.image_id)
        counts.append(np.bincount(class_ids[kept], minlength=len(names)))
        image_of.append(np.full(int(kept.sum()), row))
        classes.append(class_ids[kept])
        areas.append(np.asarray(one.areas)[kept])
        sizes.append(np.asarray(one.sizes).reshape(-1, 2)[kept])
    none = np.zeros(0, np.int64)
    return Statistics(
        names,
        np.array(ids, np.int64),
        np.array(counts, np.int64).reshape(-1, len(names)),
        np.concatenate([none, *image_of]).astype(np.int64),
        np.concatenate([none, *classes]).astype(np.int64),
        np.concatenate([none, *areas]).astype(np.int64),
        np.concatenate([none.reshape(0, 2), *sizes]).astype(np.int64),
        crowds,
    )


def gather(dataset: Dataset, progress: Callable[[int, int], None] | None = None) -> Statistics:
    """Read the masks of all images of a data set.

    Args:
        dataset: prepared.
        progress: told (images done, images) after each.

    Returns:
        The figures; images whose masks can't be read are left out, and a line in the log names each.
    """

    def each() -> Iterable[Objects]:
        for done, image_id in enumerate(dataset.image_ids, start=1):
            try:
                masks, class_ids = samples.load_instances(dataset, int(image_id))
                yield objects(int(image_id), masks, class_ids)
            except Exception as error:  # whatever a user's load_mask raises; training skips the image too
                logger.warning("Image %s is left out: %s: %s", image_id, type(error).__name__, error)
            if progress is not None:
                progress(done, len(dataset.image_ids))

    return collect(dataset.class_names, each())


def objects(image_id: int, masks: np.ndarray, class_ids: np.ndarray) -> Objects:
    """Measure the instances of an image.

    Args:
        image_id: of the data set.
        masks: [H, W, N] bool.
        class_ids: [N].
    """
    boxes = box_ops.from_masks(masks)
    return Objects(image_id, class_ids, masks.sum(axis=(0, 1)), boxes[:, 2:] - boxes[:, :2])
