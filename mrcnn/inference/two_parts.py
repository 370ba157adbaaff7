"""The inference network in two parts that share its layers: all but the last choice, and the mask head on boxes of the caller's.

Detection with thresholds of another origin than the network's DetectionLayer chooses between the two, in NumPy.
"""

from collections.abc import Sequence

import keras
import numpy as np

from mrcnn.config import Config
from mrcnn.inference import candidates, predict
from mrcnn.ops import boxes


class TwoParts:
    """Both parts.

    Args:
        model: Inference network. Its weights are used as they are at the time of a call.
        config: Of the model.

    Attributes:
        predictor: Of the first part; its answers are rois [R, 4], mrcnn_class [R, K], mrcnn_bbox [R, K, 4], the pyramid that masks are cut from,
            and of a network with NUM_ATTRIBUTES their logits [R, A].
        max_instances, min_confidence, nms_threshold: Of the network's DetectionLayer.

    Raises:
        ValueError: the network has soft suppression, or one across classes.
    """

    def __init__(self, model: keras.Model, config: Config):
        self._detection = model.get_layer("mrcnn_detection")
        candidates.require_hard_suppression(self._detection.nms_method, self._detection.nms_per_class)
        rois, meta, *pyramid = model.get_layer("roi_align_mask").input
        class_ids = model.get_layer("mask_used_rows").input[1]
        first = keras.Model(model.inputs, [*self._detection.input[:3], *pyramid, *self._detection.input[4:]])
        self._before_logits = 3 + len(pyramid)
        self._masks = keras.Model([rois, class_ids, meta, *pyramid], model.get_layer("mrcnn_mask").output)
        self.predictor = predict.Predictor(first, config)
        self.max_instances = self._detection.max_instances
        self.min_confidence = float(self._detection.min_confidence or 0)
        self.nms_threshold = float(self._detection.nms_threshold)

    def candidates_of(self, outputs: Sequence[np.ndarray], molded: predict.Molded) -> candidates.Candidates:
        """Return the candidates of an image, from the first part's answers for it."""
        window = boxes.normalize(np.asarray(molded.window), molded.image.shape)
        return candidates.of_image(self._detection, *outputs[:3], window)

    def attributes_of(self, chosen: candidates.Candidates, outputs: Sequence[np.ndarray]) -> np.ndarray | None:
        """Return the probabilities [n, A] of the attributes of these candidates; None where the network has no head for them."""
        logits = outputs[self._before_logits :]
        return 0.5 * (1 + np.tanh(0.5 * logits[0][chosen.rows])) if logits else None

    def rows(
        self, chosen: candidates.Candidates, outputs: Sequence[np.ndarray], molded: predict.Molded
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what the network would give for these candidates: detections [n, 6] and masks [n, h, w, K] float32.

        The mask head runs on as many at a time as the network has rows.
        """
        detections = np.concatenate([chosen.boxes, chosen.class_ids[:, None], chosen.scores[:, None]], axis=1).astype(np.float32)
        size, masks = self.max_instances, []
        shared = [value[None] for value in (molded.meta.astype(np.float32), *outputs[3 : self._before_logits])]
        for first in range(0, len(detections), size):
            part = np.zeros((size, 6), np.float32)
            part[: len(detections) - first] = detections[first : first + size]
            masks.append(np.asarray(self._masks.predict_on_batch([part[None, :, :4], part[None, :, 4], *shared]))[0])
        shape = self._masks.output.shape[2:]
        return detections, np.concatenate([np.zeros((0, *shape), np.float32), *masks])[: len(detections)]
