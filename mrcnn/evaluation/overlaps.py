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
    collected: Collected, thresholds: Sequence[float], kind: str = "segm", overlaps: Iterable[np.ndarray] | None = None
) -> list[APAccumulator]:
    """Match every image at every threshold, and return an accumulator for each: class-wise mAP at any IoU.

    With at most 100 detections of a class on an image, `result().per_class` is COCOeval's AP of area "all".

    Args:
        collected: Detections and truth.
        thresholds: Least IoU that counts as found.
        kind: "segm" or "bbox".
        overlaps: Of each image, where they are known.

    Example:
        >>> one = CollectedImage(7, "a", 9, 9, [1], [[0, 0, 4, 4]], None, [16], [1], [0.9], [[0, 0, 4, 3]], None)
        >>> [gathered.result().map for gathered in rankings(Collected(["BG", "cat"], [one]), [0.7, 0.8], "bbox")]
        [1.0, 0.0]
    """
    gathered = [APAccumulator(collected.num_classes, threshold, interpolation="coco") for threshold in thresholds]
    for image, found in zip(collected.images, overlaps or (of_image(one, kind) for one in collected.images), strict=True):
        for accumulator in gathered:
            accumulator.add_overlaps(image.gt_class_ids, image.class_ids, image.scores, found)
    return gathered
