"""IoU of every detection with every instance of an image, and the rankings that several thresholds make of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mrcnn.evaluation.accumulator import APAccumulator, box_overlaps
from mrcnn.evaluation.collected import Collected, CollectedImage
from mrcnn.ops import rle


def of_image(image: CollectedImage, kind: str = "segm") -> np.ndarray:
    """Return [P, N] float64, all classes against all: IoU, and with a crowd the share of the detection inside it.

    Args:
        image: Of `Collected`.
        kind: "segm" by masks or "bbox" by boxes.
    """
    if kind == "bbox":
        return box_overlaps(image.boxes, image.gt_boxes, image.crowd)
    return rle.iou_coco(image.rles, image.gt_rles, image.crowd)


def rankings(
    collected: Collected, thresholds: Sequence[float], kind: str = "segm", overlaps: Iterable[np.ndarray] | None = None, *, max_detections: int = 100
) -> list[APAccumulator]:
    """Match every image at every threshold, and return an accumulator for each: class-wise mAP at any IoU.

    `result().per_class` of each is COCOeval's AP of area "all".

    Args:
        collected: Detections and truth.
        thresholds: Least IoU that counts as found.
        kind: "segm" or "bbox".
        overlaps: Of each image, where they are known.
        max_detections: Of a class on an image, the most confident count.

    Example:
        >>> one = CollectedImage(7, "a", 9, 9, [1], [[0, 0, 4, 4]], None, [16], [1], [0.9], [[0, 0, 4, 3]], None)
        >>> [gathered.result().map for gathered in rankings(Collected(["BG", "cat"], [one]), [0.7, 0.8], "bbox")]
        [1.0, 0.0]
    """
    gathered = [APAccumulator(collected.num_classes, threshold, interpolation="coco") for threshold in thresholds]
    for image, found in zip(collected.images, overlaps or (of_image(one, kind) for one in collected.images), strict=True):
        rows = _most_confident(image, max_detections)
        for accumulator in gathered:
            accumulator.add_overlaps(image.gt_class_ids, image.class_ids[rows], image.scores[rows], found[rows])
    return gathered


def _most_confident(image: CollectedImage, limit: int) -> np.ndarray | slice:
    """Return the rows of the best detections of each class, in their order."""
    if len(image.class_ids) <= limit:
        return slice(None)
    order = np.lexsort((-image.scores, image.class_ids))
    class_ids = image.class_ids[order]
    place = np.arange(len(order)) - np.searchsorted(class_ids, class_ids)  # in its class
    return np.sort(order[place < limit])
