"""Detections and ground truth of squares, to be counted by hand."""

import numpy as np

from mrcnn import results
from mrcnn.evaluation.collected import CollectedImage
from mrcnn.ops import rle


def squares(*corners, size=(8, 10), side=2):
    boxes = np.array([[y, x, y + side, x + side] for y, x in corners], np.int32).reshape(-1, 4)
    masks = np.zeros((*size, len(corners)), bool)
    for i, (y, x) in enumerate(corners):
        masks[y : y + side, x : x + side, i] = True
    return boxes, masks


def detections(corners, class_ids, scores):
    boxes, masks = squares(*corners)
    return results.Detections(boxes, class_ids, scores, masks)


def encoded(y1, x1, y2, x2, size=(100, 120)):
    plane = np.zeros(size, bool)
    plane[y1:y2, x1:x2] = True
    return rle.encode_coco(plane)


def collected_image(truth, found, image_id=0, size=(100, 120)):
    """Boxes (class id, y1, x1, y2, x2) of the truth, (class id, score, …) of the detections; masks fill them."""
    gt, rles = [encoded(*one[1:], size) for one in truth], [encoded(*one[2:], size) for one in found]
    return CollectedImage(
        image_id, f"{image_id}.jpg", *size, [one[0] for one in truth], [one[1:] for one in truth], gt, rle.area_coco(gt),
        [one[0] for one in found], [one[1] for one in found], [one[2:] for one in found], rles,
    )  # fmt: skip
