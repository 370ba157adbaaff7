"""Confusion matrix with background: what each instance was taken for, what each detection was.

Each image is matched twice, greedily, the most confident detection first: within classes, as for average precision; then
what is left, across classes. So an instance that was found is never counted as confused because a second detection of
another class lies on it. That second detection is a false alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from mrcnn.evaluation import overlaps as image_overlaps
from mrcnn.evaluation.collected import Collected, CollectedImage
from mrcnn.ops import matching


def matrix(
    collected: Collected, *, score: float | Mapping[int, float] = 0.5, iou_threshold: float = 0.5, kind: str = "segm",
    overlaps: Iterable[np.ndarray] | None = None,
) -> np.ndarray:  # fmt: skip
    """Count instances by class and by the class they were taken for.

    Args:
        collected: Detections and truth.
        score: Detections below count nowhere; one for all or {class id: score}.
        iou_threshold: Least IoU of a match.
        kind: "segm" or "bbox".
        overlaps: Of each image, as `overlaps.of_image` gives them, where they are known.

    Returns:
        [K, K] int64, row truth, column detection. Row 0 holds the false alarms (nothing was there), column 0 the misses
        (nothing was found). Crowds, and detections on crowds of any class, are not counted.

    Example: a cat taken for a dog.
        >>> from mrcnn.evaluation.collected import CollectedImage
        >>> one = CollectedImage(7, "a", 9, 9, [1], [[0, 0, 4, 4]], None, [16], [2], [0.9], [[0, 0, 4, 4]], None)
        >>> matrix(Collected(["BG", "cat", "dog"], [one]), kind="bbox").tolist()
        [[0, 0, 0], [0, 0, 1], [0, 0, 0]]
    """
    counts = np.zeros((collected.num_classes, collected.num_classes), np.int64)
    for image, found in zip(collected.images, overlaps or (image_overlaps.of_image(one, kind) for one in collected.images), strict=True):
        truth, detected = pairs(image, found, cuts(score, image.class_ids), iou_threshold)
        np.add.at(counts, (truth, detected), 1)
    return counts


def cuts(score: float | Mapping[int, float], class_ids: np.ndarray) -> np.ndarray:
    """Return the least score of each detection: [P]."""
    if isinstance(score, Mapping):
        return np.array([score.get(class_id, 0.0) for class_id in class_ids.tolist()], np.float64)
    return np.full(len(class_ids), float(score))


def pairs(image: CollectedImage, overlaps: np.ndarray, least: np.ndarray, iou_threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (truth, detected): [M] class ids of the entries that one image makes, 0 for background."""
    kept = np.flatnonzero(image.scores >= least)
    kept = kept[np.argsort(-image.scores[kept], kind="stable")]
    class_ids, overlaps, crowd = image.class_ids[kept], overlaps[kept], image.crowd
    same = class_ids[:, None] == np.abs(image.gt_class_ids)[None, :]
    match, taken = matching.greedy(overlaps, iou_threshold, same, reusable=crowd)
    free = (match < 0)[:, None] & (crowd | (taken < 0))[None, :]
    second, _ = matching.greedy(overlaps, iou_threshold, free, reusable=crowd)
    match = np.where(match < 0, second, match)
    on_crowd = np.concatenate([crowd, [False]])[match]  # -1 reads the last entry
    missed = np.setdiff1d(np.flatnonzero(~crowd), match)
    truth = np.concatenate([image.gt_class_ids, [0]])[match[~on_crowd]]
    detected = np.concatenate([class_ids[~on_crowd], np.zeros(len(missed), np.int64)])
    return np.concatenate([truth, image.gt_class_ids[missed]]), detected
