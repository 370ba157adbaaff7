"""Instances of an image as segments that do not overlap, and how the segments of two sides share the pixels.

Instances may overlap, segments may not. Where detections overlap, the one with the highest score has the pixel (of equal
scores the first one); where instances of the ground truth do, the smallest one, which is in front as a rule. What only a
crowd covers is void: nobody knows what it is, pixel by pixel.

Each image becomes one table of counts, from which panoptic quality and the figures of semantic segmentation are read. Two
planes of an image are there for a moment, none a mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.evaluation.collected import Collected, CollectedImage, Encoding
from mrcnn.evaluation.confusion import cuts
from mrcnn.ops import rle


class Table(NamedTuple):
    """Pixels that segments of two sides share. Row and column 0 are what no segment covers.

    Attributes:
        shared: [G + 1, S + 1] int64 pixels.
        gt_class_ids: [G + 1] int, row 0: 0.
        crowd: [G + 1] bool, void segments of one class; row 0: False.
        class_ids: [S + 1] int of the predicted segments, column 0: 0.
    """

    shared: np.ndarray
    gt_class_ids: np.ndarray
    crowd: np.ndarray
    class_ids: np.ndarray


def tables(collected: Collected, score: float | Mapping[int, float], purpose: str) -> Iterator[Table]:
    """Yield the table of each image.

    Args:
        collected: Detections and truth, with masks.
        score: Detections below count nowhere; one for all or {class id: score}.
        purpose: What asks, for the message.

    Raises:
        ValueError: there are boxes only.
    """
    if not collected.has_masks:
        raise ValueError(f"{purpose} needs masks of every instance and detection; these have boxes only.")
    for image in collected.images:
        yield table(image, cuts(score, image.class_ids))


def table(image: CollectedImage, least: np.ndarray) -> Table:
    """Lay the segments of an image over one another.

    Args:
        image: With masks.
        least: [P] the least score of each detection that counts.

    Example: the second of two detections has what the first leaves of the cat.
        >>> left, all_ = {"size": [2, 2], "counts": b"022"}, {"size": [2, 2], "counts": b"04"}
        >>> box = [0, 0, 2, 2]
        >>> one = CollectedImage(7, "a", 2, 2, [1], [box], [all_], [4], [1, 1], [0.9, 0.8], [box] * 2, [left, all_])
        >>> table(one, np.array([0.5, 0.5])).shared.tolist()
        [[0, 0, 0], [0, 2, 2]]
    """
    kept = np.flatnonzero(image.scores >= least)
    kept = kept[np.argsort(-image.scores[kept], kind="stable")]
    order = np.lexsort((rle.area_coco(image.gt_rles), image.crowd))  # crowds last, the small ones first
    shape = (image.height, image.width)
    truth, found = plane([image.gt_rles[i] for i in order], shape), plane([image.rles[i] for i in kept], shape)
    gt_class_ids, crowd = image.gt_class_ids[order], image.crowd[order]
    return count(truth, found, np.abs(gt_class_ids), crowd, image.class_ids[kept])


def plane(encoded: Sequence[Encoding], shape: tuple[int, int]) -> np.ndarray:
    """Paint masks over one another, the first one in front: [H, W] int32, 0 for nothing, i + 1 for the i-th."""
    painted, mask = np.zeros(shape, np.int32), np.zeros(shape, bool)
    boxes = rle.boxes_coco(encoded)
    for i in range(len(encoded) - 1, -1, -1):
        y1, x1, y2, x2 = boxes[i].tolist()
        rle.paint_coco(encoded[i], mask)
        part = mask[y1:y2, x1:x2]
        painted[y1:y2, x1:x2][part] = i + 1
        part[...] = False
    return painted


def count(truth: np.ndarray, found: np.ndarray, gt_class_ids: np.ndarray, crowd: np.ndarray, class_ids: np.ndarray) -> Table:
    """Count what two planes share.

    Args:
        truth: [H, W] int, 0 for nothing, else the number of a segment, from 1 on.
        found: [H, W] int likewise.
        gt_class_ids, crowd: [G] of the segments of truth, in the order of their numbers.
        class_ids: [S] of those of found.
    """
    rows, columns = len(gt_class_ids) + 1, len(class_ids) + 1
    shared = np.bincount((truth.astype(np.int64) * columns + found).ravel(), minlength=rows * columns).reshape(rows, columns)
    return Table(
        shared, np.concatenate([[0], gt_class_ids]).astype(np.int64), np.concatenate([[False], crowd]).astype(bool),
        np.concatenate([[0], class_ids]).astype(np.int64),
    )  # fmt: skip
