"""Thresholds of detection chosen for F1, class by class, from candidates that were gathered once.

What is chosen: the least score, the overlap from which on a lesser detection of the class is dropped (NMS), the least probability of a mask's pixel,
and the least area of a mask. What for: F1, the harmonic mean of precision and recall, averaged over some IoUs. Not for average precision: that
ranks every detection, so whatever drops some can only lower it; a threshold is for those who use the set of detections and not its ranking.

A lesser candidate never changes what becomes of a better one, in suppression as in matching: one pass over the ranked candidates tells F1 at every
score. The other three are searched one at a time. Candidates are ranked and kept with the score left aside, so that a score's threshold afterwards
gives what detection with this threshold gives.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.evaluation import bootstrap
from mrcnn.evaluation.bootstrap import Interval
from mrcnn.ops import matching

#: Quantiles of a class's own areas that are tried as least area, beside 0.
AREA_QUANTILES = (0.01, 0.02, 0.05, 0.1)
_ROUNDS = 4
# First entry of the generator's seed for the halves: others are the loader's, the splits' and the doctor's.
_STREAM = 4


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a class's detections have to pass.

    Attributes:
        score: Least score.
        nms: IoU of boxes above which the lesser one is dropped.
        mask: Least probability of a pixel of the mask.
        min_area: Least number of the mask's pixels, in the photo.
    """

    score: float
    nms: float
    mask: float = 0.5
    min_area: float = 0.0


class Grid(NamedTuple):
    """Values that candidates were gathered for: `nms` and `mask`, both rising."""

    nms: tuple[float, ...]
    mask: tuple[float, ...]


class Image(NamedTuple):
    """One image's candidates, best first, and its truth.

    Attributes:
        class_ids: [C] int.
        scores: [C] float32.
        kept: [nms, C] bool, whether suppression within the class keeps it, at each value of the grid.
        real: [C] bool; False for a candidate without area, which takes a place among the most confident and is then dropped.
        areas: [mask, C] int, pixels of its mask.
        overlaps: [mask, C, N] float, IoU of its mask with each instance of its class, with crowds the share inside; 0 for other classes.
        gt_class_ids: [N] int.
        gt_crowd: [N] bool.
        gt_areas: [N] int.
    """

    class_ids: np.ndarray
    scores: np.ndarray
    kept: np.ndarray
    real: np.ndarray
    areas: np.ndarray
    overlaps: np.ndarray
    gt_class_ids: np.ndarray
    gt_crowd: np.ndarray
    gt_areas: np.ndarray


class Counts(NamedTuple):
    """Of a class: right detections, false alarms and missed instances, each [IoUs] int."""

    right: np.ndarray
    wrong: np.ndarray
    missed: np.ndarray

    @property
    def precision(self) -> float:
        """Mean over the IoUs; 0 where nothing was detected."""
        return float(np.mean(self.right / np.maximum(self.right + self.wrong, 1)))

    @property
    def recall(self) -> float:
        """Mean over the IoUs; 0 where there is nothing to find."""
        return float(np.mean(self.right / np.maximum(self.right + self.missed, 1)))

    @property
    def f1(self) -> float:
        """Mean over the IoUs of 2 right / (2 right + wrong + missed); nan where nothing is to be found."""
        return float(_f1s(np.stack(self)))


@dataclasses.dataclass(frozen=True)
class Tuned:
    """What was chosen and what it is worth.

    Attributes:
        settings: {class id: Setting}, of every class.
        shared: What all classes together would take.
        origins: {class id: "own", "shared" (too few instances for one of its own) or "kept" (what was there: neither is better, see `tune`)}.
        before, after, crossed: {class id: Counts}: with the setting that was there; with `settings`, on the images that they were chosen on; and
            cross-fitted: each half of the images with what the other half would choose.
        intervals: {"before", "crossed", "gain"}: 95 % bootstrap interval over the images of the classes' mean F1 before and cross-fitted, and of the
            latter less the former. What was chosen stays as it is in every draw: the spread of choosing on other images is not in it.
        ious: IoUs of masks that F1 is averaged over.
        num_images: Images.
    """

    settings: dict[int, Setting]
    shared: Setting
    origins: dict[int, str]
    before: dict[int, Counts]
    after: dict[int, Counts]
    crossed: dict[int, Counts]
    intervals: dict[str, Interval]
    ious: tuple[float, ...]
    num_images: int

    @property
    def gain(self) -> float:
        """Mean F1 of the classes, cross-fitted, less that before."""
        return mean_f1(self.crossed) - mean_f1(self.before)


def mean_f1(counts: Mapping[int, Counts]) -> float:
    """Return the mean over the classes that have instances; nan without."""
    return _mean(np.stack([np.stack(value) for value in counts.values()]))


def _f1s(counts: np.ndarray) -> np.ndarray:
    """Return F1, the mean over the IoUs, of right, wrong and missed [..., 3, IoUs]: [...], nan where nothing is to be found."""
    right, wrong, missed = np.moveaxis(counts, -2, 0)
    values = np.mean(2 * right / np.maximum(2 * right + wrong + missed, 1), axis=-1)
    return np.where((right + missed).any(axis=-1), values, np.nan)


def _mean(counts: np.ndarray) -> float:
    """Return the mean F1 of the classes that have instances, of [classes, 3, IoUs]; nan without."""
    values = _f1s(counts)
    values = values[~np.isnan(values)]
    return float(np.mean(values)) if len(values) else float("nan")


def tune(
    images: Sequence[Image], grid: Grid, before: Setting, num_classes: int, *, max_instances: int, ious: Sequence[float] = (0.5, 0.75),
    min_instances: int = 20, seed: int = 0,
) -> Tuned:  # fmt: skip
    """Choose settings, and measure what they are worth.

    A class has a setting of its own, or with few instances what all classes together would take; and it keeps what was there where this finds its own
    instances worse (or, for a setting of its own, no better): what suits the many may ruin a rare class. The halves of the cross-fitted figure choose
    in the same way, from the other half alone.

    Args:
        images: Candidates and truth.
        grid: That the candidates were gathered for.
        before: What detection had; its nms and mask are in the grid. The search starts from it and leaves it only for a higher F1.
        num_classes: K, background included.
        max_instances: Detections of an image at most. The search leaves it aside; the figures hold it.
        ious: IoUs of masks that count.
        min_instances: A class with fewer, crowds not counted, takes what all classes together would take.
        seed: Of the halves.

    Raises:
        ValueError: there are not two images, or nothing to find on them.
    """
    if len(images) < 2 or not any((~image.gt_crowd).any() for image in images):
        raise ValueError(f"Tuning needs at least two images and an instance on them; got {len(images)} images.")
    ious = tuple(float(iou) for iou in ious)
    classes = range(1, num_classes)

    counted = {class_id: _Class(images, class_id).num_instances for class_id in classes}
    alone = {class_id for class_id, number in counted.items() if number >= max(min_instances, 1)}  # in the halves too, which hold fewer
    settings, shared, origins = _choose(images, grid, before, classes, alone, ious)
    order = np.random.default_rng([_STREAM, seed]).permutation(len(images))
    places = [np.sort(part) for part in (order[: len(order) // 2], order[len(order) // 2 :])]
    halves = [[images[i] for i in part] for part in places]
    of_halves = [
        _each(half, grid, _choose(other, grid, before, classes, alone, ious)[0], ious, max_instances) for half, other in (halves, halves[::-1])
    ]
    first = _each(images, grid, dict.fromkeys(classes, before), ious, max_instances)
    crossed = np.concatenate(of_halves)[np.argsort(np.concatenate(places))]  # in the order of `images`: a draw takes the same ones of both
    return Tuned(
        settings=settings, shared=shared, origins=origins, before=_summed(first, classes), crossed=_summed(crossed, classes),
        after=measure(images, grid, settings, ious, max_instances), intervals=_intervals(first, crossed, seed), ious=ious, num_images=len(images),
    )  # fmt: skip


def _intervals(before: np.ndarray, crossed: np.ndarray, seed: int) -> dict[str, Interval]:
    """Return the intervals that `Tuned` has, of counts [images, classes, 3, IoUs] of the same images."""
    figures = {
        "before": lambda draw: _mean(np.tensordot(draw, before, 1)),
        "crossed": lambda draw: _mean(np.tensordot(draw, crossed, 1)),
        "gain": lambda draw: _mean(np.tensordot(draw, crossed, 1)) - _mean(np.tensordot(draw, before, 1)),
    }
    return {name: bootstrap.of(figure, len(before), seed=seed) for name, figure in figures.items()}


def _choose(
    images: Sequence[Image], grid: Grid, before: Setting, classes: Sequence[int], alone: set[int], ious: Sequence[float]
) -> tuple[dict[int, Setting], Setting, dict[int, str]]:
    """Return settings, the shared one and origins, as `Tuned` has them; classes of `alone` have a setting of their own if there is an instance."""
    of_class = {class_id: _Class(images, class_id) for class_id in classes}
    shared = _search(list(of_class.values()), grid, before, ious)
    settings, origins = dict.fromkeys(classes, shared), dict.fromkeys(classes, "shared")
    for class_id, only in of_class.items():
        now = _f1(only, grid, before, ious)
        if class_id in alone and only.num_instances:
            settings[class_id], origins[class_id] = _search([only], grid, shared, ious), "own"
            kept = now >= _f1(only, grid, settings[class_id], ious) - 1e-9
        else:
            kept = now > _f1(only, grid, shared, ious) + 1e-9  # as good: what the other classes say; without an instance nan, and no reason to keep
        if kept:
            settings[class_id], origins[class_id] = before, "kept"
    return settings, shared, origins


def measure(
    images: Sequence[Image], grid: Grid, settings: Mapping[int, Setting], ious: Sequence[float], max_instances: int
) -> dict[int, Counts]:
    """Count what detection with some settings gets right and wrong, class by class.

    Args:
        images, grid, ious: As in `tune`.
        settings: {class id: Setting}; nms and mask are values of the grid.
        max_instances: The most confident so many of an image are taken, before those with too small an area are dropped.
    """
    return _summed(_each(images, grid, settings, ious, max_instances), settings)


def _summed(counts: np.ndarray, classes: Iterable[int]) -> dict[int, Counts]:
    """Return the counts [images, classes, 3, IoUs] of all images together."""
    return {class_id: Counts(*rows) for class_id, rows in zip(classes, counts.sum(axis=0), strict=True)}


def _each(images: Sequence[Image], grid: Grid, settings: Mapping[int, Setting], ious: Sequence[float], max_instances: int) -> np.ndarray:
    """Return what `measure` counts, image by image: [images, classes, 3, IoUs] int."""
    counts = np.zeros((len(images), len(settings), 3, len(ious)), np.int64)
    for number, image in enumerate(images):
        passing = np.zeros(len(image.scores), bool)
        for class_id, setting in settings.items():
            of_class = (image.class_ids == class_id) & (image.scores >= np.float32(setting.score))
            passing |= of_class & image.kept[grid.nms.index(setting.nms)]
        passing[np.flatnonzero(passing)[max_instances:]] = False
        for k, (class_id, setting) in enumerate(settings.items()):
            for _, overlaps, chosen, crowd in _Class([image], class_id).of_images(grid, setting, passing):
                counts[number, k] += _count(overlaps[chosen], crowd, ious)
    return counts


def _count(overlaps: np.ndarray, crowd: np.ndarray, ious: Sequence[float]) -> np.ndarray:
    """Return (right, wrong, missed) [3, IoUs] of one class on one image."""
    counts = np.zeros((3, len(ious)), np.int64)
    for k, iou in enumerate(ious):
        states = _states(overlaps, crowd, iou)
        right = int((states == 1).sum())
        counts[:, k] = right, int((states == 0).sum()), int((~crowd).sum()) - right
    return counts


def _states(overlaps: np.ndarray, crowd: np.ndarray, iou: float) -> np.ndarray:
    """Return [C] int of detections, best first: 1 right, 0 wrong, -1 inside a crowd, which doesn't count."""
    if not overlaps.size:
        return np.zeros(len(overlaps), np.int64)
    match, _ = matching.greedy(overlaps, iou, reusable=crowd)
    return np.where(match < 0, 0, np.where(crowd[match], -1, 1))


class _Class:
    """One class's candidates and instances on the images that have either."""

    def __init__(self, images: Sequence[Image], class_id: int):
        self._rows = []
        for image in images:
            mine, truth = np.flatnonzero(image.class_ids == class_id), np.flatnonzero(image.gt_class_ids == class_id)
            if len(mine) or len(truth):
                self._rows.append((image, mine, truth))
        self.num_instances = sum(int((~image.gt_crowd[truth]).sum()) for image, _, truth in self._rows)

    def areas(self) -> np.ndarray:
        """Return areas of the instances, crowds left out."""
        return np.concatenate([np.zeros(0), *(image.gt_areas[truth][~image.gt_crowd[truth]] for image, _, truth in self._rows)])

    def of_images(self, grid: Grid, setting: Setting, passing: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield for each image scores [c] and overlaps [c, n] of the class's candidates, which of them are chosen [c] bool, and which instances are
        crowds [n] bool. Without `passing` (of the one image, [C] bool) those that suppression keeps, whatever their score."""
        nms, mask = grid.nms.index(setting.nms), grid.mask.index(setting.mask)
        for image, mine, truth in self._rows:
            kept = image.kept[nms, mine] if passing is None else passing[mine]
            chosen = kept & image.real[mine] & (image.areas[mask, mine] >= setting.min_area)
            yield image.scores[mine], image.overlaps[mask][np.ix_(mine, truth)], chosen, image.gt_crowd[truth]


def _f1(only: _Class, grid: Grid, setting: Setting, ious: Sequence[float]) -> float:
    """Return F1 of one class with a setting, the limit of detections of an image left aside; nan without an instance."""
    counts = np.zeros((3, len(ious)), np.int64)
    for scores, overlaps, chosen, crowd in only.of_images(grid, setting):
        counts += _count(overlaps[chosen & (scores >= np.float32(setting.score))], crowd, ious)
    return Counts(*counts).f1


def _search(classes: Sequence[_Class], grid: Grid, start: Setting, ious: Sequence[float]) -> Setting:
    """Return the setting of highest F1 for some classes together, their detections and instances counted as one; changed one value at a time."""
    instance_areas = np.concatenate([each.areas() for each in classes])
    if not len(instance_areas):
        return start
    areas = sorted({0.0, start.min_area, *(float(np.floor(np.quantile(instance_areas, share))) for share in AREA_QUANTILES)})
    best, best_f1 = _with_best_score(classes, grid, start, ious)
    for _ in range(_ROUNDS):
        before = best
        for name, values in (("nms", grid.nms), ("mask", grid.mask), ("min_area", areas)):
            for value in _nearest_first(values, getattr(best, name)):
                setting, f1 = _with_best_score(classes, grid, dataclasses.replace(best, **{name: value}), ious)
                if f1 > best_f1 + 1e-9:
                    best, best_f1 = setting, f1
        if best == before:
            break
    return best


def _nearest_first(values: Sequence[float], now: float) -> list[float]:
    """Return the values by their distance from one: of equally good ones the search takes the first."""
    return sorted(values, key=lambda value: abs(value - now))


def _with_best_score(classes: Sequence[_Class], grid: Grid, setting: Setting, ious: Sequence[float]) -> tuple[Setting, float]:
    """Return the setting with the score of highest F1, and this F1. The score lies halfway between two candidates', the setting's own where it is as
    good as any."""
    scores, states, instances = [np.zeros(0, np.float32)], [np.zeros((0, len(ious)), np.int64)], sum(each.num_instances for each in classes)
    for each in classes:
        for values, overlaps, chosen, crowd in each.of_images(grid, setting):
            scores.append(values[chosen])
            states.append(np.stack([_states(overlaps[chosen], crowd, iou) for iou in ious], axis=1))
    ranked, state = np.concatenate(scores), np.concatenate(states)
    order = np.argsort(-ranked, kind="stable")
    ranked, state = ranked[order].astype(np.float64), state[order]
    right, wrong = np.cumsum(state == 1, axis=0), np.cumsum(state == 0, axis=0)
    f1 = np.concatenate([[0.0], np.mean(2 * right / (right + wrong + instances), axis=1)])  # of the best 0, 1, … candidates
    ends = np.concatenate([[True], ranked[1:] < ranked[:-1], [True]]) if len(ranked) else np.array([True])  # equal scores stay together
    now = int((ranked >= np.float32(setting.score)).sum())
    best = int(np.argmax(np.where(ends, f1, -1)))
    if f1[now] >= f1[best] - 1e-9:
        return setting, float(f1[now])
    above, below = ranked[best - 1] if best else 1.0, ranked[best] if best < len(ranked) else 0.0
    score = (above + below) / 2 if best < len(ranked) else min(float(above), setting.score)
    return dataclasses.replace(setting, score=_rounded(score, below, above)), float(f1[best])


def _rounded(score: float, below: float, above: float) -> float:
    """Return the score with as few digits as keep it between two others."""
    for digits in range(2, 7):
        if below < round(score, digits) <= above:
            return round(score, digits)
    return score
