"""How far a mean average precision may be off because the images happened to be these: percentile bootstrap intervals.

Images are drawn anew with replacement, as many as there are, and the figure is computed of each draw; the interval holds
the middle share of the figures. It tells the spread from the choice of images, not that from training anew with another
seed.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 (resampling) and 13 (percentile
intervals). The image is the unit that is drawn: its instances are not independent of one another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.evaluation import precision
from mrcnn.evaluation.accumulator import APAccumulator

SAMPLES = 1000
LEVEL = 0.95
_AT_ONCE = 20_000_000  # predictions times draws that are in memory together


@dataclasses.dataclass(frozen=True)
class Interval:
    """A figure and the interval around it.

    Attributes:
        value: the figure over the images as they are.
        low, high: ends of the interval.
        level: share of the draws inside, 0.95 say.
        samples: number of draws.
    """

    value: float
    low: float
    high: float
    level: float
    samples: int

    def __str__(self) -> str:
        """Return "0.956 (0.943 – 0.967)"."""
        return f"{self.value:.3f} ({self.low:.3f} – {self.high:.3f})"


def mean_average_precision(
    accumulator: APAccumulator, *, samples: int = SAMPLES, level: float = LEVEL, seed: int = 0, class_ids: list[int] | None = None
) -> Interval:
    """Return the class-wise mAP and its interval.

    Args:
        accumulator: holds the images.
        samples: draws.
        level: share of the draws inside the interval, 0 to 1.
        seed: of the draws: equal seeds draw equal images, of as many images.
        class_ids: mean over these classes only, the rare ones say; None: all that have instances. A class that a draw
            has no instance of is left out of that draw's mean, as `APAccumulator.result` does.

    Raises:
        ValueError: no image, no instance of these classes, or an impossible number.

    Example: of two images one is found and one missed; a draw holds the first one 0, 1 or 2 times.
        >>> from mrcnn import results
        >>> mask, box = np.ones((2, 2, 1), bool), [[0, 0, 2, 2]]
        >>> accumulator = APAccumulator(num_classes=2)
        >>> accumulator.add([1], results.Detections(box, [1], [0.9], mask), gt_masks=mask)
        >>> accumulator.add([1], results.Detections.empty(2, 2), gt_masks=mask)
        >>> print(mean_average_precision(accumulator))
        0.500 (0.000 – 1.000)
    """
    value = _mean(accumulator, None, class_ids)
    drawn = [_mean(accumulator, counts, class_ids) for counts in _draws(accumulator, samples, level, seed)]
    return _interval(value, drawn, level, class_ids)


def difference(
    accumulator: APAccumulator, baseline: APAccumulator, *, samples: int = SAMPLES, level: float = LEVEL, seed: int = 0,
    class_ids: list[int] | None = None,
) -> Interval:  # fmt: skip
    """Return by how much mAP exceeds that of a baseline on the same images, and its interval.

    Both are computed of the same draws, so what makes an image hard for both falls out: the interval is narrower than
    two separate ones suggest.

    Args:
        accumulator, baseline: hold the same images, added in the same order.
        samples, level, seed, class_ids: as in `mean_average_precision`.

    Raises:
        ValueError: the ground truth differs, or see `mean_average_precision`.
    """
    if not accumulator.same_truth(baseline):
        raise ValueError("A paired interval needs the same images in the same order on both sides; their instances differ.")
    value = _mean(accumulator, None, class_ids) - _mean(baseline, None, class_ids)
    drawn = [
        _mean(accumulator, counts, class_ids) - _mean(baseline, counts, class_ids)
        for counts in _draws(accumulator, samples, level, seed)
    ]
    return _interval(value, drawn, level, class_ids)


def of(
    figure: Callable[[np.ndarray], float], images: int, *, samples: int = SAMPLES, level: float = LEVEL, seed: int = 0
) -> Interval:  # fmt: skip
    """Return any figure and its interval.

    Args:
        figure: Takes [images] int, how often each image counts, and returns the figure; nan where there is none.
        images: How many there are.
        samples, level, seed: as in `mean_average_precision`.

    Raises:
        ValueError: no image, an impossible number, or the images as they are have no such figure.

    Example: of ten images nine are right.
        >>> right = np.arange(10) < 9
        >>> print(of(lambda counts: counts @ right / counts.sum(), 10))
        0.900 (0.700 – 1.000)
    """
    value = float(figure(np.ones(images, np.int64)))
    drawn = [float(figure(counts)) for counts in _counts(images, samples, level, seed)]
    return _interval(value, drawn, level, None)


def of_rankings(
    rankings: Sequence[APAccumulator], *, samples: int = SAMPLES, level: float = LEVEL, seed: int = 0
) -> Interval:  # fmt: skip
    """Return the class-wise mAP averaged over several IoU thresholds, and its interval: COCO's AP from ten of them.

    Computes what `mean_average_precision` computes of each of them and averages, for all draws at once.

    Args:
        rankings: The same images at each threshold, interpolation "coco".
        samples, level, seed: as in `mean_average_precision`.

    Raises:
        ValueError: nothing to average, other images, an impossible number, or another interpolation.
    """
    first = rankings[0] if rankings else None
    if first is None or any(not one.same_truth(first) or one.interpolation != "coco" for one in rankings):
        raise ValueError('of_rankings needs accumulators of the same images with interpolation "coco".')
    draws = np.concatenate([np.ones((1, first.num_images), np.int64), _counts(first.num_images, samples, level, seed)])
    sums, classes = np.zeros(len(draws)), np.zeros(len(draws))
    for one in rankings:
        for ranked in one.ranked().values():
            instances = draws @ ranked.instances
            step = max(1, _AT_ONCE // max(1, len(ranked.images)))
            for start in range(0, len(draws), step) if instances.any() else ():
                part = slice(start, start + step)
                sums[part] += precision.coco_average_precisions(ranked.correct, instances[part], draws[part][:, ranked.images])
            classes += instances > 0
    figures = np.where(classes > 0, sums / np.maximum(classes, 1), np.nan)
    return _interval(float(figures[0]), figures[1:].tolist(), level, None)


def _mean(accumulator: APAccumulator, counts: np.ndarray | None, class_ids: list[int] | None) -> float:
    result = accumulator.result(counts)
    if class_ids is None:
        return result.map
    found = [result.per_class[class_id] for class_id in class_ids if class_id in result.per_class]
    return float(np.mean(found)) if found else float("nan")


def _draws(accumulator: APAccumulator, samples: int, level: float, seed: int) -> list[np.ndarray]:
    return _counts(accumulator.num_images, samples, level, seed)


def _counts(images: int, samples: int, level: float, seed: int) -> list[np.ndarray]:
    """Draw: how often each image comes, [images] int64, once for each sample."""
    if samples < 1 or not 0 < level < 1:
        raise ValueError(f"samples = {samples}, level = {level}: at least one sample and a level between 0 and 1 are expected")
    if not images:
        raise ValueError("No image was added: there is nothing to draw from")
    rng = np.random.default_rng(seed)
    return [np.bincount(rng.integers(images, size=images), minlength=images) for _ in range(samples)]


def _interval(value: float, drawn: list[float], level: float, class_ids: list[int] | None) -> Interval:
    if np.isnan(value):
        raise ValueError(f"No image has an instance of {'any class' if class_ids is None else f'the classes {class_ids}'}: there is no figure")
    figures = np.array(drawn)
    figures = figures[~np.isnan(figures)]  # draws without any instance have no figure
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), level, len(drawn))
