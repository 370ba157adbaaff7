"""Several networks as one detector: their detections of an image fused, class by class.

Boxes of one class that overlap are one object. Its box is the mean of theirs, weighted by score; its score is the mean of theirs, times the share of
the networks that found it, so that what all see ranks before what one sees; its mask is what the majority has, votes weighted by score.

Source: Solovyev, Wang and Gabruseva, Weighted boxes fusion, Image and Vision Computing 107, 2021, section 3 (with its score rescaling by
min(T, N) / N). The paper knows no masks: the vote is ours. The package ensemble-boxes (MIT) neither, and it brings numba and pandas.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.ops import boxes, moved_rle, rle
from mrcnn.ops.waiting import EncodedMasks
from mrcnn.results import Detections

#: Least IoU of a box with a fused box to be a part of it; the paper's best value.
IOU_THRESHOLD = 0.55


class Ensemble:
    """Models that detect together; takes the place of a MaskRCNN in inference mode for `detect` and for measuring.

    Args:
        models: Each with `detect` and the same classes: MaskRCNN in inference mode; their networks and image sizes may differ.
        iou_threshold: See `fuse`.

    Attributes:
        config: The first model's.

    Raises:
        ValueError: no model, or class counts that differ.
    """

    def __init__(self, models: Sequence[Any], iou_threshold: float = IOU_THRESHOLD):
        classes = sorted({model.config.NUM_CLASSES for model in models})
        if len(classes) != 1:
            raise ValueError(f"An ensemble needs models of the same classes; got {len(models)} models with NUM_CLASSES {classes}.")
        self.models, self.iou_threshold, self.config = list(models), iou_threshold, models[0].config

    def detect(self, images: Sequence[np.ndarray], verbose: int = 0) -> list[Detections]:
        """Detect with each model and fuse; as `MaskRCNN.detect`."""
        of_models = [model.detect(images, verbose=verbose) for model in self.models]
        return [fuse(of_image, self.iou_threshold) for of_image in zip(*of_models, strict=True)]


def fuse(detections: Sequence[Detections], iou_threshold: float = IOU_THRESHOLD) -> Detections:
    """Fuse what several detectors found on one image.

    Args:
        detections: One a detector; a detector that found nothing counts too.
        iou_threshold: A box belongs to the fused box of its class that it overlaps most, if by more than this IoU; else it starts a new one.

    Returns:
        The fused detections, best first, masks as `EncodedMasks`. Boxes are rounded to whole pixels.

    Raises:
        ValueError: no detections, or images of different sizes.

    Example: both see the object, the second sees another one as well.
        >>> mask = np.ones((10, 10, 1), bool)
        >>> one = Detections([[0, 0, 10, 10]], [1], [0.9], mask)
        >>> two = Detections([[0, 0, 10, 8], [0, 0, 2, 2]], [1, 1], [0.1, 0.5], mask[:, :, [0, 0]])
        >>> fused = fuse([one, two])
        >>> fused["scores"].tolist(), fused["rois"][0].tolist()  # (0.9 + 0.1) / 2, 0.5 / 2; 0.9 · 10 + 0.1 · 8 = 9.8
        ([0.5, 0.25], [0, 0, 10, 10])
    """
    sizes = sorted({found.image_shape for found in detections})
    if len(sizes) != 1:
        raise ValueError(f"fuse takes detections of one image; got {len(detections)} for images of (height, width) {sizes}.")
    rois = np.concatenate([found["rois"] for found in detections]).astype(np.float64)  # [N, 4]
    class_ids = np.concatenate([found["class_ids"] for found in detections])
    scores = np.concatenate([found["scores"] for found in detections]).astype(np.float64)
    clusters = _clusters(rois, class_ids, scores, iou_threshold)
    if not clusters:
        nothing = detections[0].select([])
        nothing.attributes = _mean_attributes(detections, scores, [])
        return nothing
    fused_scores = np.array([_score(scores[members], len(detections)) for members in clusters])
    ranked = np.argsort(-fused_scores, kind="stable")
    encoded = [one for found in detections for one in found.rles]  # planes of several detectors, all at once, may be gigabytes
    voted = [_vote(encoded, scores, clusters[i], sizes[0]) for i in ranked]
    return Detections(
        rois=np.rint([_mean_box(rois, scores, clusters[i]) for i in ranked]).astype(np.int32),
        class_ids=class_ids[[clusters[i][0] for i in ranked]],
        scores=fused_scores[ranked],
        masks=EncodedMasks(voted, sizes[0]),
        window=detections[0].window,
        attributes=_mean_attributes(detections, scores, [clusters[i] for i in ranked]),
        attribute_min_confidence=detections[0].attribute_min_confidence,
    )


def _clusters(rois: np.ndarray, class_ids: np.ndarray, scores: np.ndarray, iou_threshold: float) -> list[list[int]]:
    """Group boxes [N, 4] of one class that belong together, the most confident first: a list of indices for each object."""
    clusters: list[list[int]] = []
    fused = np.zeros((0, 4))
    for index in np.argsort(-scores, kind="stable").tolist():
        overlaps = boxes.iou(rois[index : index + 1], fused)[0] if len(fused) else np.zeros(0)
        same = np.array([class_ids[members[0]] == class_ids[index] for members in clusters], bool)
        overlaps = np.where(same, overlaps, 0.0)
        best = int(np.argmax(overlaps)) if len(overlaps) else -1
        if best >= 0 and overlaps[best] > iou_threshold:
            clusters[best].append(index)
            fused[best] = _mean_box(rois, scores, clusters[best])
        else:
            clusters.append([index])
            fused = np.concatenate([fused, rois[index : index + 1]])
    return clusters


def _weights(scores: np.ndarray, members: list[int]) -> np.ndarray:
    """Weights [M] of the members, their scores; equal ones where all scores are 0."""
    weights = np.maximum(scores[members], 0.0)
    return weights / weights.sum() if weights.sum() > 0 else np.full(len(members), 1 / len(members))


def _mean_box(rois: np.ndarray, scores: np.ndarray, members: list[int]) -> np.ndarray:
    return _weights(scores, members) @ rois[members]


def _mean_attributes(detections: Sequence[Detections], scores: np.ndarray, clusters: list[list[int]]) -> np.ndarray | None:
    """Return [N, A], the mean of the members' probabilities, weighted by score; None unless all detectors tell the same attributes."""
    if any(found.attributes is None for found in detections) or len({found.attributes.shape[1] for found in detections}) != 1:
        return None
    told = np.concatenate([found.attributes for found in detections])
    return np.array([_weights(scores, members) @ told[members] for members in clusters]).reshape(-1, told.shape[1])


def _score(scores: np.ndarray, num_detectors: int) -> float:
    return float(scores.mean() * min(len(scores), num_detectors) / num_detectors)


def _vote(encoded: list[dict[str, Any]], scores: np.ndarray, members: list[int], image_shape: tuple[int, int]) -> dict[str, Any]:
    """Return the encoding of the pixels that at least half of the weight has; of two equal members that is what either has."""
    around = rle.boxes_coco([encoded[member] for member in members])
    around = around[(around[:, 2] > around[:, 0])]
    if not len(around):
        return encoded[members[0]]
    (top, left), (bottom, right) = around[:, :2].min(axis=0).tolist(), around[:, 2:].max(axis=0).tolist()
    votes = np.zeros((bottom - top, right - left))
    for member, weight in zip(members, _weights(scores, members), strict=True):
        votes += weight * rle.decode_coco(moved_rle.move(encoded[member], (-top, -left), votes.shape))
    return moved_rle.move(rle.encode_coco(votes >= 0.5 - 1e-9), (top, left), image_shape)
