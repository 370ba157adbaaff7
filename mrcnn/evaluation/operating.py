"""Precision, recall and F1 of each class at every score, and at the score where F1 is best.

A threshold chosen where F1 is best on some images flatters these images: choose it on validation, report it on test.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mrcnn.evaluation.accumulator import APAccumulator, Ranked


@dataclasses.dataclass(frozen=True)
class Point:
    """A class cut at a score.

    Attributes:
        score: Detections with this score or more count; inf: none does.
        precision: Share of them that found an instance; nan without any.
        recall: Share of the instances that they found; nan without instances.
        f1: Harmonic mean, 2 · found / (detections + instances); nan without instances.
        detections: How many count.
        found: How many found an instance.
        instances: How many there are to find.
    """

    score: float
    precision: float
    recall: float
    f1: float
    detections: int
    found: int
    instances: int


def best(accumulator: APAccumulator) -> dict[int, Point]:
    """Return for each class the point of the best F1, at the highest such score: {class id: Point}.

    Detections of one score are kept or dropped together. Detections on crowds count nowhere.

    Args:
        accumulator: Holds the images, matched at its IoU.

    Example: right, wrong, right, of two instances; kept whole precision is 2/3 and recall 1.
        >>> gathered = APAccumulator(num_classes=2)
        >>> gathered.add_overlaps([1, 1], [1, 1, 1], np.array([0.9, 0.8, 0.7]), np.array([[0.9, 0], [0, 0], [0, 0.9]]))
        >>> best(gathered)[1]
        Point(score=0.7, precision=0.6666666666666666, recall=1.0, f1=0.8, detections=3, found=2, instances=2)
    """
    return {class_id: _best(ranked) for class_id, ranked in accumulator.ranked().items()}


def at(accumulator: APAccumulator, scores: float | dict[int, float]) -> dict[int, Point]:
    """Return each class cut at a score, one for all or {class id: score}.

    Args:
        accumulator: Holds the images, matched at its IoU.
        scores: A class that is not named is not cut.
    """
    ranks = accumulator.ranked()
    cuts = {class_id: scores if isinstance(scores, int | float) else scores.get(class_id, 0.0) for class_id in ranks}
    return {class_id: _point(ranked, int(np.count_nonzero(ranked.scores >= cuts[class_id])), cuts[class_id]) for class_id, ranked in ranks.items()}


def _best(ranked: Ranked) -> Point:
    instances = int(ranked.instances.sum())
    ends = np.flatnonzero(np.diff(ranked.scores, append=-np.inf))  # the last of each score
    if not instances or not len(ends):
        return _point(ranked, 0, float("inf"))
    found = np.cumsum(ranked.correct)[ends]
    f1 = 2 * found / (ends + 1 + instances)
    if not found[-1]:
        return _point(ranked, 0, float("inf"))
    end = ends[np.argmax(f1)]
    return _point(ranked, int(end) + 1, float(ranked.scores[end]))


def _point(ranked: Ranked, kept: int, score: float) -> Point:
    instances, found = int(ranked.instances.sum()), int(np.count_nonzero(ranked.correct[:kept]))
    nan = float("nan")
    return Point(
        float(score), found / kept if kept else nan, found / instances if instances else nan,
        2 * found / (kept + instances) if instances else nan, kept, found, instances,
    )  # fmt: skip
