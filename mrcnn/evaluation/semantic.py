"""The figures of semantic segmentation, from instances: pixels by class, whichever instance they belong to.

Overlapping instances become segments first, as `segments` says: the highest score has the pixel. Background is a class, as
in PASCAL VOC: it is what no instance covers. Void pixels, those that only a crowd covers, count nowhere.

Source: Long, Shelhamer and Darrell, Fully Convolutional Networks for Semantic Segmentation, CVPR 2015, section 5: with
n_ij pixels of class i taken for class j and t_i pixels of class i, pixel accuracy Σ n_ii / Σ t_i, mean accuracy the mean of
n_ii / t_i, mean IoU that of n_ii / (t_i + Σ_j n_ji - n_ii), frequency-weighted IoU the IoU weighted by t_i.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from mrcnn.evaluation import segments
from mrcnn.evaluation.collected import Collected
from mrcnn.evaluation.segments import Table


@dataclasses.dataclass(frozen=True)
class SemanticFigures:
    """Figures from 0 to 1; nan where there is no pixel.

    Attributes:
        mean_iou: Over classes with pixels on either side, the background among them.
        pixel_accuracy: Share of the pixels that have the right class.
        mean_accuracy: That share class by class, averaged over classes of the truth.
        frequency_weighted_iou: IoU weighted by the classes' pixels in the truth.
        iou: {class id: IoU}, 0 being the background.
        accuracy: {class id: share of its pixels that was found}.
    """

    mean_iou: float
    pixel_accuracy: float
    mean_accuracy: float
    frequency_weighted_iou: float
    iou: dict[int, float]
    accuracy: dict[int, float]


class Counts:
    """What images add up to: `add` each, then `result`.

    Args:
        num_classes: K, the background included.
    """

    def __init__(self, num_classes: int):
        self.num_classes = num_classes
        self._images: list[np.ndarray] = []

    def add(self, table: Table) -> None:
        """Count the pixels of an image."""
        shared, gt_ids = table.shared[~table.crowd], table.gt_class_ids[~table.crowd]
        hits = np.where(gt_ids[:, None] == table.class_ids[None, :], shared, 0).sum(axis=1)
        sums = ((gt_ids, hits), (gt_ids, shared.sum(axis=1)), (table.class_ids, shared.sum(axis=0)))
        self._images.append(np.stack([np.bincount(ids, weights, self.num_classes) for ids, weights in sums]))

    @property
    def images(self) -> np.ndarray:
        """[images, 3, K] float64: pixels rightly named, of the truth, and of the prediction, by class."""
        return np.array(self._images).reshape(-1, 3, self.num_classes)

    def result(self) -> SemanticFigures:
        """Return the figures."""
        sums = self.images.sum(axis=0)
        hits, truth, _ = sums
        iou, accuracy = _iou(sums), _share(hits, truth)
        total, nan = truth.sum(), float("nan")
        return SemanticFigures(
            mean_iou(sums), float(hits.sum() / total) if total else nan, _mean(accuracy), float(np.nansum(truth * iou) / total) if total else nan,
            dict(enumerate(iou.tolist())), dict(enumerate(accuracy.tolist())),
        )  # fmt: skip


def mean_iou(sums: np.ndarray) -> float:
    """Return the mean IoU from [3, K] sums as in `Counts.images`."""
    return _mean(_iou(sums))


def _iou(sums: np.ndarray) -> np.ndarray:
    hits, truth, found = sums
    return _share(hits, truth + found - hits)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def evaluate(collected: Collected, *, score: float | Mapping[int, float] = 0.5) -> SemanticFigures:
    """Return the figures of a data set.

    Args:
        collected: Detections and truth, with masks.
        score: Detections below count nowhere; one for all or {class id: score}.

    Raises:
        ValueError: there are boxes only.

    Example: of two columns the left one is a cat; both were said to be.
        >>> from mrcnn.evaluation.collected import CollectedImage
        >>> left, all_ = {"size": [2, 2], "counts": b"022"}, {"size": [2, 2], "counts": b"04"}
        >>> box = [0, 0, 2, 2]
        >>> one = CollectedImage(7, "a", 2, 2, [1], [box], [left], [2], [1], [0.9], [box], [all_])
        >>> figures = evaluate(Collected(["BG", "cat"], [one]))
        >>> figures.pixel_accuracy, figures.mean_accuracy, figures.iou, figures.mean_iou, figures.frequency_weighted_iou
        (0.5, 0.5, {0: 0.0, 1: 0.5}, 0.25, 0.25)
    """
    counts = Counts(collected.num_classes)
    for table in segments.tables(collected, score, "Semantic segmentation"):
        counts.add(table)
    return counts.result()
