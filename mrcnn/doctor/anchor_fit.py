"""How well anchors fit the objects of a data set, and better ones found by searching.

An anchor's box has a fixed size, and its centre lies on a grid. The overlap with an object grows as the centre comes
nearer along either axis, so the best anchor of a level and ratio is the one at the nearest place of the grid: the best
IoU of an object follows from a few comparisons, not from all anchors. A test holds it equal to
`mrcnn.ops.anchors.generate_pyramid` with `mrcnn.ops.boxes.iou`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.data import anchor_grid

if TYPE_CHECKING:
    from mrcnn.config import Config

THRESHOLDS = (0.5, 0.7)
#: Objects that the search looks at; the recall of what it finds is measured on all.
_SEARCHED = 2000
# First entry of the generator's seed: that of the doctor's samples.
_STREAM = 3
_KEPT = 4096  # overlaps of _SEARCHED objects each, 64 MB at most
_STEPS = (2.0**-0.5, 2.0**-0.25, 2.0**-0.125, 2.0**0.125, 2.0**0.25, 2.0**0.5)
_ROUNDS = 12
_LEAST_SCALE = 4


@dataclass(frozen=True)
class Objects:
    """Objects, and how far from each the nearest anchor of each level lies.

    Attributes:
        sizes: [N, (height, width)] pixels of the network's input.
        far: [levels, N, (y, x)] pixels from its centre to that of the nearest anchor.
    """

    sizes: np.ndarray
    far: np.ndarray

    @classmethod
    def of(cls, config: Config, boxes: np.ndarray, shapes: np.ndarray) -> Objects:
        """Find them.

        Args:
            config: strides.
            boxes: [N, (y1, x1, y2, x2)] pixels of the network's input.
            shapes: [N, (height, width)] of each one's input.
        """
        boxes, shapes = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(shapes).reshape(-1, 2)
        centres = (boxes[:, 2:] + boxes[:, :2]) / 2
        far = np.zeros((len(config.BACKBONE_STRIDES), len(boxes), 2))
        for shape in {tuple(shape) for shape in shapes.tolist()}:
            here = (shapes == shape).all(axis=1)
            grid = anchor_grid.feature_shapes(config, (*shape, config.IMAGE_CHANNEL_COUNT))
            for level, (cells, stride) in enumerate(zip(grid, config.BACKBONE_STRIDES, strict=True)):
                step = stride * config.RPN_ANCHOR_STRIDE
                last = (np.ceil(np.asarray(cells) / config.RPN_ANCHOR_STRIDE) - 1) * step
                far[level, here] = np.abs(np.clip(np.round(centres[here] / step) * step, 0, last) - centres[here])
        return cls(boxes[:, 2:] - boxes[:, :2], far)

    def iou(self, level: int, scale: float, ratio: float) -> np.ndarray:
        """Return [N] the best IoU of each object with an anchor of one level and ratio."""
        own = np.array([scale / np.sqrt(ratio), scale * np.sqrt(ratio)])
        sides = np.clip(np.minimum((own + self.sizes) / 2 - self.far[level], np.minimum(own, self.sizes)), 0, None)
        both = sides[:, 0] * sides[:, 1]
        return both / (own.prod() + self.sizes[:, 0] * self.sizes[:, 1] - both)

    def best_iou(self, scales: Sequence[float], ratios: Sequence[float]) -> np.ndarray:
        """Return [N] the best IoU of each object with any anchor, of one scale a level and these ratios."""
        return np.max([self.iou(level, scale, ratio) for level, scale in enumerate(scales) for ratio in ratios], axis=0)

    def some(self, places: np.ndarray) -> Objects:
        """Return those at some places."""
        return Objects(self.sizes[places], self.far[:, places])


@dataclass(frozen=True)
class Fit:
    """Anchors and how they fit.

    Attributes:
        scales: RPN_ANCHOR_SCALES.
        ratios: RPN_ANCHOR_RATIOS.
        iou: [N] the best IoU of each object with an anchor.
    """

    scales: tuple[float, ...]
    ratios: tuple[float, ...]
    iou: np.ndarray

    def recall(self, threshold: float) -> float:
        """Return the share of objects with an anchor of at least this IoU; nan without objects."""
        return float((self.iou >= threshold).mean()) if len(self.iou) else float("nan")

    def says(self) -> str:
        """Return the parameters as one would write them."""
        return f"RPN_ANCHOR_SCALES = {self.scales}, RPN_ANCHOR_RATIOS = {list(self.ratios)}"


def fit(config: Config, objects: Objects) -> Fit:
    """Measure the anchors of a configuration."""
    scales, ratios = _plain(config.RPN_ANCHOR_SCALES), _plain(config.RPN_ANCHOR_RATIOS)
    return Fit(scales, ratios, objects.best_iou(scales, ratios))


def propose(config: Config, objects: Objects, seed: int = 0) -> Fit:
    """Search scales and ratios that fit better, as many as the configuration has (so that weights still fit).

    From several starts (the configuration's own, the objects' sizes, powers of two) each value is moved up and down
    while the recall at 0.5 and 0.7 and the mean IoU together grow, the recall at 0.5 never below the configuration's own.
    Deterministic by the seed.

    Args:
        config: where the search starts.
        objects: at least one.
        seed: of the sample that is searched on.

    Returns:
        The best found, measured on all objects, its values rounded as they are said. It may be the configuration's own.
    """
    before, searched = fit(config, objects), objects
    if len(objects.sizes) > _SEARCHED:
        searched = objects.some(np.random.default_rng([_STREAM, seed]).choice(len(objects.sizes), _SEARCHED, replace=False))
    climber = _Climber(searched, (searched.best_iou(before.scales, before.ratios) >= THRESHOLDS[0]).mean())
    found = [climber.climb(*start) for start in _starts(searched.sizes, (before.scales, before.ratios))]
    scales, ratios = max(found, key=lambda each: each[1])[0]
    after = Fit(scales, ratios, objects.best_iou(scales, ratios))
    floor = before.recall(THRESHOLDS[0])
    return after if _score(after.iou, floor) > _score(before.iou, floor) else before


def _plain(values: object) -> tuple[float, ...]:
    """Return numbers as one would write them: 32, 0.5."""
    return tuple(int(v) if v == int(v) else round(float(v), 4) for v in np.ravel(values))


def _score(iou: np.ndarray, floor: float) -> float:
    """Say how well anchors fit; a recall at 0.5 below `floor` weighs more than all that could be won elsewhere."""
    low, high = (float((iou >= threshold).mean()) for threshold in THRESHOLDS)
    return low + high + float(iou.mean()) - 10 * max(0.0, floor - low)


def _starts(sizes: np.ndarray, own: tuple[tuple, tuple]) -> list[tuple[tuple, tuple]]:
    """Return places to search from: the configuration's own, and by the sizes and shapes of the objects."""
    sizes = np.maximum(sizes, 1)
    levels, count = len(own[0]), len(own[1])
    sides, shapes = np.sqrt(sizes.prod(axis=1)), sizes[:, 1] / sizes[:, 0]
    by_size = _scales(np.percentile(sides, 100 * (np.arange(levels) + 0.5) / levels))
    by_shape = _ratios(np.percentile(shapes, 100 * (np.arange(count) + 0.5) / count))
    doubled = _scales(np.median(sides) * 2.0 ** (np.arange(levels) - levels // 2))
    return [own, (by_size, own[1]), (by_size, by_shape), (doubled, own[1]), (doubled, by_shape)]


def _scales(values: np.ndarray) -> tuple[int, ...]:
    """Round to whole pixels, rising: the finest level has the smallest."""
    return tuple(int(max(_LEAST_SCALE, round(float(v)))) for v in np.sort(values))


def _ratios(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(max(0.1, min(10.0, round(float(v), 2)))) for v in np.sort(values))


class _Climber:
    """Searches scales and ratios; keeps the overlaps it has computed."""

    def __init__(self, objects: Objects, floor: float) -> None:
        self._floor = floor
        self._iou = functools.lru_cache(maxsize=_KEPT)(objects.iou)

    def score(self, scales: tuple, ratios: tuple) -> float:
        """How well these fit."""
        best = functools.reduce(np.maximum, (self._iou(level, s, r) for level, s in enumerate(scales) for r in ratios))
        return _score(best, self._floor)

    def climb(self, scales: tuple, ratios: tuple) -> tuple[tuple[tuple, tuple], float]:
        """Move one value at a time to where the score is best, until none gains."""
        best, best_score = (scales, ratios), self.score(scales, ratios)
        for _ in range(_ROUNDS):
            before = best_score
            for part, place in itertools.chain(((0, i) for i in range(len(scales))), ((1, i) for i in range(len(ratios)))):
                for step in _STEPS:
                    values = [np.array(values, float) for values in best]
                    values[part][place] *= step
                    tried = (_scales(values[0]), best[1]) if part == 0 else (best[0], _ratios(values[1]))
                    if tried != best and (found := self.score(*tried)) > best_score + 1e-9:
                        best, best_score = tried, found
            if best_score == before:
                break
        return best, best_score
