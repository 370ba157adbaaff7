"""Region proposal network: the shared head on P2…P6, the anchors, and the proposals chosen from it.

Source: Faster R-CNN (Ren et al. 2015), section 3; one scale a level as in Feature Pyramid Networks, section 4.1.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mrcnn.nn.layers import BoxLayer
from mrcnn.ops import nms, sampling, tensor_boxes

Tensor = Any

HIDDEN_CHANNELS = 512
#: Probability of an object that anchors start with under the focal loss (Lin et al. 2017, section 4.1).
FOCAL_PRIOR = 0.01


def rpn_graph(feature_map: Tensor, anchors_per_location: int, anchor_stride: int) -> list[Tensor]:
    """Head of the RPN on one level.

    Args:
        feature_map: [B, H, W, C].
        anchors_per_location: Number of ratios.
        anchor_stride: 1, or 2 for anchors at every second cell.

    Returns:
        logits [B, anchors, (background, object)], probs likewise, and deltas [B, anchors, (dy, dx, log(dh), log(dw))]; all float32 whatever the
        precision: the eight bits of bfloat16 would tie the best of 262,000 scores.
    """
    shared = layers.Conv2D(
        HIDDEN_CHANNELS, 3, padding="same", activation="relu", strides=anchor_stride, name="rpn_conv_shared"
    )(feature_map)  # fmt: skip
    x = layers.Conv2D(2 * anchors_per_location, 1, dtype="float32", name="rpn_class_raw")(shared)
    logits = layers.Reshape((-1, 2), dtype="float32")(x)
    probs = layers.Activation("softmax", dtype="float32")(logits)
    x = layers.Conv2D(4 * anchors_per_location, 1, dtype="float32", name="rpn_bbox_pred")(shared)
    return [logits, probs, layers.Reshape((-1, 4), dtype="float32")(x)]


def build_rpn_model(anchor_stride: int, anchors_per_location: int, depth: int) -> keras.Model:
    """The head as a model of its own, "rpn_model", that all levels share. Input [B, H, W, depth], outputs as `rpn_graph`."""
    feature_map = layers.Input(shape=(None, None, depth), name="input_rpn_feature_map")
    return keras.Model(feature_map, rpn_graph(feature_map, anchors_per_location, anchor_stride), name="rpn_model")


def build(
    pyramid: list[Tensor], *, anchor_stride: int, anchors_per_location: int, prior: float | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Apply the head to every level and join the results, P2 first.

    Args:
        pyramid: [P2, …, P6], [B, H, W, C] each.
        anchor_stride: 1, or 2 for every second cell.
        anchors_per_location: Ratios.
        prior: Probability of an object that every anchor starts with, by the bias of rpn_class_raw: for the focal loss, whose sum over some hundred
            thousand negatives at one half would swamp the first steps (Lin et al. 2017, section 3.3). None: one half.

    Returns:
        rpn_class_logits [B, A, 2], rpn_class [B, A, 2], rpn_bbox [B, A, 4].
    """
    head = build_rpn_model(anchor_stride, anchors_per_location, pyramid[0].shape[-1])
    if prior is not None:
        head.get_layer("rpn_class_raw").bias.assign(np.tile([0.0, -math.log((1.0 - prior) / prior)], anchors_per_location))
    outputs = [head(level) for level in pyramid]
    names = ("rpn_class_logits", "rpn_class", "rpn_bbox")
    joined = [layers.Concatenate(axis=1, name=n, dtype="float32")(list(o)) for n, o in zip(names, zip(*outputs, strict=True), strict=True)]
    return tuple(joined)


@keras.saving.register_keras_serializable("mrcnn")
class AnchorsLayer(BoxLayer):
    """Anchors of the image's pyramid, in the unit square. Their order: level, y, x, ratio.

    Args:
        scales: Side of the square anchor of each level, pixels.
        ratios: Width / height.
        strides: Of each level, pixels.
        anchor_stride: 1, or 2 for every second cell.

    Call with [image [B, H, W, C], P2, …, P6]; returns [B, A, 4] float32.
    """

    def __init__(self, scales: list[float], ratios: list[float], strides: list[int], anchor_stride: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.scales, self.ratios, self.strides, self.anchor_stride = list(scales), list(ratios), list(strides), anchor_stride

    def call(self, inputs: list[Tensor]) -> Tensor:
        image, *pyramid = inputs
        shape = ops.shape(image)
        levels = [self._level(feature, *values) for feature, *values in zip(pyramid, self.scales, self.strides, strict=True)]
        boxes = tensor_boxes.normalize(ops.concatenate(levels, axis=0), shape[1], shape[2])
        return ops.broadcast_to(boxes[None], (shape[0], *ops.shape(boxes)))

    def _level(self, feature: Tensor, scale: float, stride: int) -> Tensor:
        _, rows, columns, _ = ops.shape(feature)
        roots = np.sqrt(np.asarray(self.ratios, "float64"))
        half_height, half_width = (ops.convert_to_tensor(half, "float32") for half in (scale / roots / 2, scale * roots / 2))
        y = ops.cast(ops.arange(0, rows, self.anchor_stride) * stride, "float32")[:, None, None]
        x = ops.cast(ops.arange(0, columns, self.anchor_stride) * stride, "float32")[None, :, None]
        y, x = y + ops.zeros_like(x), x + ops.zeros_like(y)  # [rows, columns, 1]
        boxes = ops.stack([y - half_height, x - half_width, y + half_height, x + half_width], axis=-1)
        return ops.reshape(boxes, (-1, 4))  # [rows * columns * ratios, 4]

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        count = 0
        for _, rows, columns, _ in input_shape[1:]:
            if rows is None or columns is None:
                return (input_shape[0][0], None, 4)
            count += -(-rows // self.anchor_stride) * -(-columns // self.anchor_stride) * len(self.ratios)
        return (input_shape[0][0], count, 4)

    def get_config(self) -> dict[str, Any]:
        own = {"scales": self.scales, "ratios": self.ratios, "strides": self.strides, "anchor_stride": self.anchor_stride}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("mrcnn")
class ProposalLayer(BoxLayer):
    """Choose proposals: the best anchors by score, their deltas applied, clipped to the image, suppressed.

    Args:
        proposal_count: Rows of the result.
        nms_threshold: Intersection over union above which the lesser proposal is dropped.
        pre_nms_limit: Best anchors that take part.
        std_dev: Factors of the deltas, [4].
        max_log: See `tensor_boxes.decode`.

    Call with [rpn_probs [B, A, 2], rpn_bbox [B, A, 4], anchors [B, A, 4]]; returns [B, proposal_count, 4] in the unit square, zero rows at the end.
    """

    def __init__(
        self, proposal_count: int, nms_threshold: float, pre_nms_limit: int = 6000, std_dev: Any = (0.1, 0.1, 0.2, 0.2), max_log: float | None = None,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.proposal_count, self.nms_threshold, self.pre_nms_limit = proposal_count, nms_threshold, pre_nms_limit
        self.std_dev, self.max_log = [float(s) for s in std_dev], max_log

    def call(self, inputs: list[Tensor]) -> Tensor:
        stages = self.stages(inputs)
        return ops.where(stages["kept"][..., None], sampling.take_rows(stages["refined_anchors_clipped"], stages["post_nms_anchor_ix"]), 0.0)

    def stages(self, inputs: list[Tensor]) -> dict[str, Tensor]:
        """What happens on the way, for inspection.

        Returns:
            pre_nms_anchor_ix [B, limit] int32, the best anchors, best first; pre_nms_anchors, refined_anchors, refined_anchors_clipped:
            [B, limit, 4] of these; post_nms_anchor_ix [B, proposal_count] int32 into them and kept [B, proposal_count] bool.
        """
        probs, deltas, anchors = inputs
        scores = probs[..., 1]
        limit = ops.minimum(self.pre_nms_limit, ops.shape(scores)[1]) if scores.shape[1] is None else min(self.pre_nms_limit, scores.shape[1])
        _, order = ops.top_k(scores, limit)
        anchors = sampling.take_rows(anchors, order)
        deltas = sampling.take_rows(deltas, order) * ops.convert_to_tensor(self.std_dev, dtype="float32")
        refined = tensor_boxes.decode(anchors, deltas, self.max_log)
        clipped = tensor_boxes.clip(refined, (0.0, 0.0, 1.0, 1.0))
        everything = ops.ones_like(clipped[..., 0], dtype="bool")
        indices, kept = nms.non_max_suppression(clipped, everything, self.nms_threshold, self.proposal_count)
        return {
            "pre_nms_anchor_ix": order, "pre_nms_anchors": anchors, "refined_anchors": refined, "refined_anchors_clipped": clipped,
            "post_nms_anchor_ix": indices, "kept": kept,
        }  # fmt: skip

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return (input_shape[0][0], self.proposal_count, 4)

    def get_config(self) -> dict[str, Any]:
        own = {
            "proposal_count": self.proposal_count, "nms_threshold": self.nms_threshold, "pre_nms_limit": self.pre_nms_limit,
            "std_dev": self.std_dev, "max_log": self.max_log,
        }  # fmt: skip
        return {**super().get_config(), **own}
