"""K-fold and subsets that keep the class distribution: iterative stratification of images with several classes.

What is kept even is the number of IMAGES that show a class: an image is what a split hands out, and instances of one
image come together. The report shows instances too. Images without instances count as a class of their own, so that
they are spread likewise; crowds count as nothing.

Source: Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data, ECML PKDD 2011, algorithm 1. Three
additions: images without any label are a label, images of a group stay together, and a sample has its size exactly. One
change: of parts that want a label equally, the paper takes the one that wants most images, whatever they show; here the
image's other labels decide first (703 street photos, 24 classes, 5 folds, mean of six seeds: the largest deviation is
2.7 images instead of 7.5). The package iterative-stratification (BSD-3) has none of it, and needs scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mrcnn.data.counts import instance_counts
from mrcnn.data.dataset import Dataset, Subset

# First entry of the generator's seed: another stream than the order of the images and the items have.
_SPLIT = 2
HALF_AN_IMAGE = 0.5


@dataclass(frozen=True)
class Folds:
    """A K-fold split of a data set; folds are numbered from 1. `print` it for the report.

    Attributes:
        dataset: what is split.
        fold_of: [num_images] int64, the fold in which each image is held out, 1…num_folds.
        num_folds: K.
        report: how even it is.
    """

    dataset: Dataset
    fold_of: np.ndarray
    num_folds: int
    report: Report

    def datasets(self, fold: int) -> tuple[Subset, Subset]:
        """Return (training, validation) of one fold: all images but its own, and its own.

        Args:
            fold: 1…num_folds.

        Raises:
            ValueError: there is no such fold.
        """
        if not 1 <= fold <= self.num_folds:
            raise ValueError(f"Fold {fold} of {self.num_folds}: folds are numbered 1 to {self.num_folds}.")
        own = self.fold_of == fold
        return self.dataset.subset(np.flatnonzero(~own)), self.dataset.subset(np.flatnonzero(own))

    def __str__(self) -> str:
        return str(self.report)


def kfold(dataset: Dataset, num_folds: int, seed: int = 0, groups: Sequence | None = None) -> Folds:
    """Split a data set into folds with the same share of each class.

    Classes come first: folds differ by about an image of each class, and therefore by some per cent in size.

    Args:
        dataset: prepared; `image_class_ids` of every image is asked.
        num_folds: K, at least 2.
        seed: the split follows from it and the data alone.
        groups: [num_images] the group of each image (the source photo, the person); images of a group stay in one fold.
            Classes are then as even as the groups allow.

    Raises:
        ValueError: fewer images (or groups) than folds, or groups of another number than images.

    >>> photos = Dataset()
    >>> for number in range(4):
    ...     photos.add_image("fashion", number, path=f"{number}.jpg")
    >>> photos.add_class("fashion", 1, "hat")
    >>> photos.prepare()
    >>> photos.image_class_ids = lambda image_id: np.array([[1], [1], [], []][image_id], int)
    >>> folds = kfold(photos, 2)
    >>> sorted(folds.fold_of[:2].tolist()), sorted(folds.fold_of[2:].tolist())  # a hat in each, and a photo without
    ([1, 2], [1, 2])
    """
    counts = instance_counts(dataset)
    if isinstance(num_folds, bool) or num_folds != int(num_folds) or num_folds < 2:
        raise ValueError(f"{num_folds!r} folds: a whole number of at least 2 is expected.")
    num_folds = int(num_folds)
    parts = assign(counts, fold_sizes(len(counts), num_folds), seed, groups)
    shares = {f"fold {fold}": 1 / num_folds for fold in range(1, num_folds + 1)}
    return Folds(dataset, parts + 1, num_folds, Report.of(dataset, counts, parts, shares))


def sample(dataset: Dataset, size: int, seed: int = 0) -> tuple[Subset, Report]:
    """Draw a number of images with the same share of each class as all have.

    Args:
        dataset: prepared; `image_class_ids` of every image is asked.
        size: number of images; from the number there are on, all are taken.
        seed: the draw follows from it and the data alone.

    Returns:
        The images drawn, in the order of the data set, and how even the draw is.

    Raises:
        ValueError: a size below 1.
    """
    counts = instance_counts(dataset)
    if isinstance(size, bool) or size != int(size) or size < 1:
        raise ValueError(f"A sample of {size!r} images: a whole number of at least 1 is expected.")
    size, parts = min(int(size), len(counts)), np.zeros(len(counts), np.int64)
    if size < len(counts):
        parts = assign(counts, [size, len(counts) - size], seed)
        parts = 1 - _of_size(_labels(counts), parts == 0, size).astype(np.int64)
    share = size / max(1, len(counts))
    report = Report.of(dataset, counts, parts, {"sample": share, "left out": 1 - share})
    return dataset.subset(np.flatnonzero(parts == 0)), report


def fold_sizes(num_images: int, num_folds: int) -> list[int]:
    """Return the sizes that folds aim at: equal, the first ones one larger where it doesn't divide.

    >>> fold_sizes(11, 3)
    [4, 4, 3]
    """
    return [num_images // num_folds + (fold < num_images % num_folds) for fold in range(num_folds)]


def assign(counts: np.ndarray, sizes: Sequence[int], seed: int = 0, groups: Sequence | None = None) -> np.ndarray:
    """Assign images to parts by iterative stratification: always the rarest class that is left, image by image, to the
    part that wants it most.

    Args:
        counts: [N, K] instances of each class on each image, as of `instance_counts`.
        sizes: [P] images of each part; their sum is N. Classes come first: sizes are met nearly.
        seed: images and ties come in an order drawn from it.
        groups: [N], see `kfold`.

    Returns:
        [N] int64, the part of each image, 0…P - 1.

    Raises:
        ValueError: groups of another number than images, or fewer images or groups than parts.

    >>> assign(np.array([[0, 1], [0, 3], [0, 0], [0, 0]]), [2, 2])[:2].sum()  # the class once in each part
    np.int64(1)
    """
    labels = _labels(counts)
    units = _units(len(labels), groups)
    num_units = int(units.max(initial=-1)) + 1
    if num_units < len(sizes):
        raise ValueError(f"{len(sizes)} parts need as many {'images' if groups is None else 'groups'}; there are {num_units}.")
    weights = np.bincount(units, minlength=num_units)  # [U] images of each unit
    wishes = np.zeros((num_units, labels.shape[1]), np.int64)  # [U, L] images of each label in each unit
    np.add.at(wishes, units, labels)
    rng = np.random.default_rng([_SPLIT, seed])
    return _stratify(wishes, weights, np.asarray(sizes, np.int64), rng)[units]


def _labels(counts: np.ndarray) -> np.ndarray:
    """Return [N, L] 0 or 1: which classes an image shows, and in column 0 that it shows none."""
    shown = (counts > 0).astype(np.int64)
    shown[:, 0] = ~shown[:, 1:].any(axis=1)
    return shown


def _units(num_images: int, groups: Sequence | None) -> np.ndarray:
    """Return [N] the number of each image's group, each image its own without groups."""
    if groups is None:
        return np.arange(num_images)
    if len(groups) != num_images:
        raise ValueError(f"groups names {len(groups)} images; the data set has {num_images}.")
    return np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)


def _stratify(wishes: np.ndarray, weights: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Assign units [U] to parts [P]; see `assign`. Large groups come first, while the rest can still make up for them.

    A unit goes where its rarest label is wanted most; of parts that differ by half an image at most, where all its labels
    together are, each as a share of its images; of equal ones, where most images are wanted; then at random.
    """
    total = np.maximum(1, wishes.sum(axis=0))
    wanted = sizes[:, None] / max(1, sizes.sum()) * wishes.sum(axis=0)  # [P, L] images of each label still wanted
    room = sizes.copy()
    part_of = np.full(len(weights), -1, np.int64)
    order = rng.permutation(len(weights))
    order = order[np.argsort(-weights[order], kind="stable")]
    while (part_of < 0).any():
        left = wishes[part_of < 0].sum(axis=0)
        label = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
        for unit in order[(part_of[order] < 0) & (wishes[order, label] > 0)]:
            best = _largest(wanted[:, label], np.arange(len(room)), HALF_AN_IMAGE)
            best = _largest(wanted @ (wishes[unit] / total), best)
            best = _largest(room, best)
            part = int(best[rng.integers(len(best))] if len(best) > 1 else best[0])
            part_of[unit] = part
            wanted[part] -= wishes[unit]
            room[part] -= weights[unit]
    return part_of


def _largest(values: np.ndarray, among: np.ndarray, slack: float = 1e-9) -> np.ndarray:
    """Return those of the indices `among` whose value is the largest, or less by up to `slack`."""
    return among[values[among] >= values[among].max() - slack]


def _of_size(labels: np.ndarray, chosen: np.ndarray, size: int) -> np.ndarray:
    """Take images out of a choice [N] bool, or add some, until it has a size: each time the image that leaves labels [N, L]
    nearest to their shares, by the sum of squared distances, each divided by the label's images."""
    chosen, total = chosen.copy(), labels.sum(axis=0)
    distance = labels[chosen].sum(axis=0) - total * size / len(labels)
    while (missing := size - np.count_nonzero(chosen)) != 0:
        sign = 1 if missing > 0 else -1
        cost = labels @ ((1 + 2 * sign * distance) / np.maximum(1, total))  # what one more, or less, adds to that sum
        image = int(np.argmin(np.where(chosen == (missing < 0), cost, np.inf)))
        chosen[image] = missing > 0
        distance = distance + sign * labels[image]
    return chosen


@dataclass(frozen=True)
class Report:
    """How evenly parts share the classes.

    Attributes:
        class_names: [L] "no instances", then the classes that are there.
        part_names: [P]
        sizes: [P] images of each part.
        images: [L, P] images that show the class.
        instances: [L, P] its instances.
        deviation: [L] the largest distance of a part's number of such images from its fair share (a K-th of the images
            of the class; for a sample, its share of all images of that number), in images.
        relative_deviation: [L] the largest such distance as a share of the part's fair share; 0 for a class without
            images.
    """

    class_names: list[str]
    part_names: list[str]
    sizes: np.ndarray
    images: np.ndarray
    instances: np.ndarray
    deviation: np.ndarray
    relative_deviation: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, counts: np.ndarray, parts: np.ndarray, shares: Mapping[str, float]) -> Report:
        """Count a split: `counts` [N, K] as of `instance_counts`, `parts` [N] the part of each image, from 0; `shares`
        names the parts and says what share of the images of each class each was to have."""
        labels = _labels(counts)
        member = parts[:, None] == np.arange(len(shares))  # [N, P]
        images, instances = labels.T @ member, np.maximum(counts, 0).T @ member
        there = images.sum(axis=1) > 0
        there[0] = True
        sizes = member.sum(axis=0)
        fair = images.sum(axis=1, keepdims=True) * np.array(list(shares.values()))
        distance = np.abs(images - fair)
        names = ["no instances", *dataset.class_names[1:]]
        return cls(
            [name for name, kept in zip(names, there, strict=True) if kept],
            list(shares),
            sizes,
            images[there],
            instances[there],
            distance.max(axis=1)[there],
            np.divide(distance, fair, out=np.zeros_like(fair), where=fair > 0).max(axis=1)[there],
        )

    def __str__(self) -> str:
        width = max(12, *(len(name) for name in self.class_names))
        columns = "".join(f"{name:>10}" for name in self.part_names)
        lines = [f"{'images with':{width}}{'all':>9}{columns}{'deviation':>12}{'instances':>12}"]
        lines.append(f"{'any':{width}}{self.sizes.sum():9}" + "".join(f"{size:10}" for size in self.sizes))
        for row, name in enumerate(self.class_names):
            counts = "".join(f"{count:10}" for count in self.images[row])
            deviation = f"{self.deviation[row]:6.1f} {self.relative_deviation[row]:4.0%}"
            lines.append(f"{name:{width}}{self.images[row].sum():9}{counts}{deviation:>12}{self.instances[row].sum():12}")
        worst = int(np.argmax(self.deviation))
        lines.append(f"Largest deviation from a fair share: {self.deviation[worst]:.1f} images ({self.class_names[worst]}).")
        return "\n".join(lines)
