"""What the heads answer for one image, before anything is dropped: the last stage of detection in NumPy.

`nn.detections.refine` does the same inside the network and keeps its result only. Explaining asks what it dropped, and
tuning what other thresholds would keep; both start from these candidates. Mask R-CNN, section 3.1, inference.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from mrcnn.nn.detections import DetectionLayer
from mrcnn.ops import suppression, tensor_boxes

#: In place of who suppresses a candidate: its score is too low to take part.
BELOW = -2


class Candidates(NamedTuple):
    """Rois of one image that a class other than background has won, best first.

    Attributes:
        rows: [C] int64, which roi each one is.
        boxes: [C, 4] float32, refined by the class's deltas and clipped to the window; in the unit square of the molded image.
        class_ids: [C] int32, the arg-max of the class probabilities.
        scores: [C] float32, that probability.
    """

    rows: np.ndarray
    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray

    def select(self, indices: np.ndarray) -> "Candidates":
        """Return those at some places."""
        return Candidates(*(values[indices] for values in self))


def require_hard_suppression(nms_method: str, nms_per_class: bool) -> None:
    """Refuse suppression that lowers scores in place of dropping boxes, or works across classes: `chosen` does neither.

    Args:
        nms_method: DETECTION_NMS_METHOD.
        nms_per_class: DETECTION_NMS_PER_CLASS.

    Raises:
        ValueError: says which parameter.
    """
    if nms_method != "hard":
        raise ValueError(
            f"DETECTION_NMS_METHOD = {nms_method!r}: explain, tune and thresholds know the 'hard' one only. Set it so (the weights stay), or "
            "do without them."
        )
    if not nms_per_class:
        raise ValueError(
            "DETECTION_NMS_PER_CLASS = False: explain, tune and thresholds know suppression within each class only. Set it to True (the weights "
            "stay), or do without them."
        )


def of_image(layer: DetectionLayer, rois: np.ndarray, probs: np.ndarray, deltas: np.ndarray, window: np.ndarray) -> Candidates:
    """Find the candidates of one image; the arithmetic on boxes is the network's own.

    Args:
        layer: The network's DetectionLayer, for the deltas' factors and limit.
        rois: [R, 4] in the unit square of the molded image.
        probs: [R, K].
        deltas: [R, K, 4].
        window: [4] in the unit square.
    """
    class_ids = probs.argmax(axis=-1).astype(np.int32)
    scores = probs.max(axis=-1, initial=0).astype(np.float32)
    chosen = deltas[np.arange(len(rois)), class_ids] * np.asarray(layer.std_dev, np.float32)
    refined = tensor_boxes.decode(ops.convert_to_tensor(rois, "float32"), ops.convert_to_tensor(chosen, "float32"), layer.max_log)
    refined = ops.convert_to_numpy(tensor_boxes.clip(refined, np.asarray(window, np.float32)))
    rows = np.flatnonzero(class_ids > 0)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    return Candidates(rows, refined[rows], class_ids[rows], scores[rows])


def chosen(candidates: Candidates, *, min_confidence: Any, nms_threshold: Any, max_instances: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose detections among the candidates of one image, as the network does.

    Args:
        candidates: C of them.
        min_confidence: Least score; a number, None for none, or [K], one a class.
        nms_threshold: Intersection over union above which the lesser candidate of a class is dropped; a number, or [K].
        max_instances: How many at most.

    Returns:
        indices [D] int64 of the chosen candidates, best first; and suppressed_by [C] int64: -1 where nothing suppresses, the index of the better
        candidate where one does, BELOW where the score is too low to take part.
    """
    least, limits = (_of_class(value, candidates.class_ids) for value in (min_confidence, nms_threshold))
    confident = np.flatnonzero(candidates.scores >= least)
    by = suppression.suppressors(candidates.boxes[confident], limits[confident], candidates.class_ids[confident])
    suppressed_by = np.full(len(candidates.scores), BELOW, np.int64)
    suppressed_by[confident] = np.where(by >= 0, confident[by], suppression.KEPT)
    return np.flatnonzero(suppressed_by == suppression.KEPT)[:max_instances], suppressed_by


def _of_class(value: Any, class_ids: np.ndarray) -> np.ndarray:
    """Return [C] float32: the value, or of [K] values the one of each candidate's class."""
    value = np.asarray(0.0 if value is None else value, np.float32)
    return value[class_ids] if value.ndim else np.full(len(class_ids), value)
