"""How well a network tells the attributes of what it has found: F1 and average precision, attribute by attribute.

Only instances that were found count (a detection of their class overlaps them enough): what was missed, and what was
seen where nothing is, is the business of mAP. Entries whose truth is unknown count nowhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mrcnn import results
from mrcnn.evaluation import matching as image_matching
from mrcnn.evaluation import precision
from mrcnn.evaluation.bootstrap import LEVEL, SAMPLES, Interval
from mrcnn.ops import matching


@dataclasses.dataclass(frozen=True)
class AttributeScores:
    """Figures of a data set; those of an attribute without a positive are nan and are left out of the means.

    Attributes:
        known: [A] int, found instances for which the truth is known.
        positives: [A] int, those of them that have the attribute.
        f1, precision, recall: [A] at the threshold. Precision is nan where the attribute is said of nothing.
        ap: [A], of the ranking of the found instances by probability; that of a random ranking is positives / known.
        majority_f1: [A], of saying of each instance what most instances of its class have, the truth of these very images known.
        always_f1: [A], of saying it of everything.
        num_found, num_instances: instances that were found, and all, crowds not counted.
    """

    known: np.ndarray
    positives: np.ndarray
    f1: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    ap: np.ndarray
    majority_f1: np.ndarray
    always_f1: np.ndarray
    num_found: int
    num_instances: int

    def mean(self, figure: str) -> float:
        """Mean of a figure ("f1", "ap", …) over the attributes that have a positive; nan where none has."""
        values = getattr(self, figure)[self.positives > 0]
        return float(np.nanmean(values)) if len(values) and not np.isnan(values).all() else float("nan")

    def table(self, names: Sequence[str]) -> str:
        """Return the figures as text: a line for each of the attributes [A], those with most positives first."""
        width = max(map(len, names), default=0)
        head = f"{'attribute':{width}}  share     F1  precision recall     AP   F1 of the majority of the class, of saying it always"
        lines = [head]
        for i in np.argsort(-self.positives, kind="stable"):
            figures = (self.f1[i], self.precision[i], self.recall[i], self.ap[i], self.majority_f1[i], self.always_f1[i])
            one, two, three, four, five, six = ("  –  " if np.isnan(value) else f"{value:.3f}" for value in figures)
            share = self.positives[i] / self.known[i] if self.known[i] else 0.0
            lines.append(f"{names[i]:{width}}  {share:5.3f}  {one}  {two}     {three}  {four}   {five} {six}")
        means = (f"{self.mean(figure):.3f}" for figure in ("f1", "ap", "majority_f1", "always_f1"))
        lines.append("mean: F1 {}, AP {}; of the majority {}, of saying it always {}".format(*means))
        lines.append(f"over the {self.num_found} of {self.num_instances} instances that were found")
        return "\n".join(lines)


class AttributeAccumulator:
    """Gather, image by image, what was said of the instances that were found.

    Example: one instance, found, with the first attribute; the second one's truth is unknown.
        >>> mask = np.ones((2, 2, 1), bool)
        >>> found = results.Detections([[0, 0, 2, 2]], [1], [0.9], mask, attributes=[[0.8, 0.3]])
        >>> accumulator = AttributeAccumulator(2)
        >>> accumulator.add([1], [[1, -1]], found, mask)
        >>> scores = accumulator.result()
        >>> scores.f1.tolist(), scores.known.tolist()
        ([1.0, nan], [1, 0])
    """

    def __init__(self, num_attributes: int, min_confidence: float = 0.5, iou_threshold: float = 0.5) -> None:
        """Start without images.

        Args:
            num_attributes: A.
            min_confidence: probability from which on an attribute is said of an instance.
            iou_threshold: least IoU of the masks by which an instance is found.

        Raises:
            ValueError: one of them is out of range.
        """
        if num_attributes < 1 or not 0 < min_confidence < 1 or not 0 < iou_threshold <= 1:
            raise ValueError(
                f"num_attributes = {num_attributes}, min_confidence = {min_confidence}, iou_threshold = {iou_threshold}: at least 1, a number "
                "between 0 and 1, and one above 0 and at most 1 are expected"
            )
        self.num_attributes, self.min_confidence, self.iou_threshold = num_attributes, min_confidence, iou_threshold
        self._truth: list[np.ndarray] = []  # per image [found, A]
        self._told: list[np.ndarray] = []
        self._class_ids: list[np.ndarray] = []
        self._instances: list[int] = []

    @property
    def num_images(self) -> int:
        """How many images were added."""
        return len(self._truth)

    def add(
        self, gt_class_ids: np.ndarray, gt_attributes: np.ndarray, detections: Mapping[str, np.ndarray],
        gt_masks: np.ndarray | Sequence[dict[str, Any]],
    ) -> None:  # fmt: skip
        """Match the detections of one image to its instances, the most confident first, and keep what was said of these.

        Args:
            gt_class_ids: [N] int, negative for crowds, which are left out.
            gt_attributes: [N, A], 1 has, 0 has not, -1 unknown.
            detections: what detect() returned for this image, with `attributes` [P, A].
            gt_masks: [H, W, N] bool, or N COCO encodings.

        Raises:
            ValueError: the detections tell no or other attributes, or the arrays disagree in N.
        """
        found = results.Detections.from_mapping(detections)
        class_ids, truth, shape = np.asarray(gt_class_ids).astype(np.int64), np.asarray(gt_attributes), np.shape(gt_masks)
        truth = truth.reshape(len(class_ids), -1) if len(class_ids) else np.zeros((0, self.num_attributes), np.int8)
        told = None if found.attributes is None else found.attributes.shape
        if told is None or told[1] != self.num_attributes or truth.shape[1] != self.num_attributes or shape[-1] != len(class_ids):
            raise ValueError(
                f"gt_attributes [N, {self.num_attributes}], gt_masks [H, W, N] and detections with attributes [P, {self.num_attributes}] are "
                f"expected; got {truth.shape}, {shape} and {'none' if told is None else told}"
            )
        real = class_ids > 0
        class_ids, truth, masks = class_ids[real], truth[real], image_matching.chosen_masks(gt_masks, real)
        order = np.argsort(-found["scores"], kind="stable")
        compatible = found["class_ids"][:, None] == class_ids[None, :]
        overlaps = image_matching.compatible_overlaps(found, masks, compatible, np.zeros(len(class_ids), bool))
        pred_match, _ = matching.greedy(overlaps[order], self.iou_threshold, compatible[order])
        hit = pred_match >= 0
        self._truth.append(truth[pred_match[hit]])
        self._told.append(found.attributes[order][hit])
        self._class_ids.append(class_ids[pred_match[hit]])
        self._instances.append(len(class_ids))

    def result(self, counts: np.ndarray | None = None) -> AttributeScores:
        """Compute the figures over the images added so far.

        Args:
            counts: [images] int, how often each image counts; None: once each.

        Raises:
            ValueError: no image was added.
        """
        if not self.num_images:
            raise ValueError("No image was added: there is nothing to measure.")
        counts = np.ones(self.num_images, np.int64) if counts is None else np.asarray(counts)
        rows = np.repeat(np.arange(sum(map(len, self._truth))), np.repeat(counts, [len(one) for one in self._truth]))
        truth, told = np.concatenate(self._truth)[rows], np.concatenate(self._told)[rows]
        class_ids = np.concatenate(self._class_ids)[rows]
        known, positive = truth >= 0, truth == 1
        said = told >= self.min_confidence
        f1, precisions, recalls = _rates(said & known, positive)
        always = np.ones_like(known)
        return AttributeScores(
            known=known.sum(axis=0), positives=positive.sum(axis=0), f1=f1, precision=precisions, recall=recalls,
            ap=np.array([_ap(told[:, i], positive[:, i], known[:, i]) for i in range(self.num_attributes)]),
            majority_f1=_rates(_majority(class_ids, positive, known) & known, positive)[0], always_f1=_rates(always & known, positive)[0],
            num_found=len(rows), num_instances=int(np.dot(counts, self._instances)),
        )  # fmt: skip

    def interval(self, figure: str = "f1", *, samples: int = SAMPLES, level: float = LEVEL, seed: int = 0) -> Interval:
        """Return the mean of a figure over the attributes, and how far it may be off because the images happened to be these.

        Args:
            figure: "f1", "ap", "majority_f1", …
            samples: draws of the images, with replacement; see `bootstrap`.
            level: share of the draws inside the interval.
            seed: of the draws.

        Raises:
            ValueError: no image, or no found instance has an attribute.
        """
        value = self.result().mean(figure)
        if np.isnan(value):
            raise ValueError("No instance that was found has a known attribute: there is no figure to draw an interval around.")
        rng, images = np.random.default_rng(seed), self.num_images
        draws = (np.bincount(rng.integers(images, size=images), minlength=images) for _ in range(samples))
        figures = np.array([self.result(counts).mean(figure) for counts in draws])
        low, high = np.quantile(figures[~np.isnan(figures)], [(1 - level) / 2, (1 + level) / 2])
        return Interval(value, float(low), float(high), level, samples)


def _rates(said: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return F1, precision and recall of each attribute, nan where undefined; said and positive [N, A] bool."""
    hits, told, there = (said & positive).sum(axis=0), said.sum(axis=0), positive.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(there > 0, 2 * hits / (told + there), np.nan)
        return f1, np.where(told > 0, hits / told, np.nan), np.where(there > 0, hits / there, np.nan)


def _ap(told: np.ndarray, positive: np.ndarray, known: np.ndarray) -> float:
    """Return the average precision of one attribute; nan without a positive."""
    told, positive = told[known], positive[known]
    if not positive.any():
        return float("nan")
    return precision.average_precision(positive[np.argsort(-told, kind="stable")], int(positive.sum()))[0]


def _majority(class_ids: np.ndarray, positive: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return what most known instances of each one's class have: [N, A] bool."""
    said = np.zeros_like(positive)
    for class_id in np.unique(class_ids):
        own = class_ids == class_id
        said[own] = positive[own].sum(axis=0) * 2 > known[own].sum(axis=0)
    return said
