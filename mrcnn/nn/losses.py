"""The five losses, as functions and as the named layers of the training graph.

Source: Faster R-CNN, equation 1 (RPN); Fast R-CNN, equations 1 to 3 (class and box); Mask R-CNN, section 3 (mask). Each is a mean over what
contributes, and 0 where nothing does. (The focal loss, an option of the RPN's, is a sum over the number of positives.)
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from mrcnn.nn.layers import BoxLayer, active_classes
from mrcnn.ops import nms, sampling

Tensor = Any

EPSILON = 1e-7  # probabilities are kept this far from 0 and 1


def smooth_l1(targets: Tensor, predictions: Tensor) -> Tensor:
    """0.5 d² below |d| = 1, |d| - 0.5 above, element by element, in the shape of both […]. Source: Fast R-CNN, equation 3."""
    difference = ops.abs(targets - predictions)
    return ops.where(difference < 1.0, 0.5 * difference * difference, difference - 0.5)


def _mean_where(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the values weighted by chosen (0 or 1, or weights), 0 where that is 0 throughout; same shapes, chosen float32."""
    count = ops.sum(chosen)
    return ops.sum(ops.where(chosen > 0, values * chosen, 0.0)) / ops.where(count > 0, count, 1.0)


def _cross_entropy(class_ids: Tensor, logits: Tensor) -> Tensor:
    """[…] int32 and […, K] to […] float32."""
    return keras.losses.sparse_categorical_crossentropy(class_ids, ops.cast(logits, "float32"), from_logits=True)


def rpn_class_loss(rpn_match: Tensor, rpn_class_logits: Tensor, gamma: float | None = None, alpha: float | None = None) -> Tensor:
    """Cross entropy, or focal loss, of the anchors that are positive (1) or negative (-1); neutral ones (0) don't count.

    The cross entropy is a mean over the anchors that count. The focal loss, (1 - p)^gamma * cross entropy with p the probability of the right answer,
    is a sum divided by the number of positives in the batch (1 where there is none): nearly all anchors are easy negatives whose loss it takes away,
    and a mean over them would take the others' away too.

    Args:
        rpn_match: [B, A, 1] int32.
        rpn_class_logits: [B, A, 2].
        gamma: Focusing exponent; 2 is the paper's. None or 0: cross entropy.
        alpha: With gamma, factor of the positives' loss, and 1 - alpha that of the negatives; 0.25 is the paper's. None: 1 for both.

    Returns:
        Scalar float32.

    Source: Lin et al., Focal Loss for Dense Object Detection (2017), equation 5 and section 4 (normalisation).
    """
    match = ops.squeeze(rpn_match, -1)
    loss = _cross_entropy(ops.cast(match == 1, "int32"), rpn_class_logits)
    counts = ops.not_equal(match, 0)
    if not gamma:
        return _mean_where(loss, ops.cast(counts, "float32"))
    # 1 - p, kept above 0, where a gamma below 1 would have an infinite gradient
    loss = ops.maximum(-ops.expm1(-loss), EPSILON) ** float(gamma) * loss
    if alpha is not None:
        loss = loss * ops.where(match == 1, float(alpha), 1.0 - float(alpha))
    positives = ops.sum(ops.cast(match == 1, "float32"))
    return ops.sum(ops.where(counts, loss, 0.0)) / ops.maximum(positives, 1.0)


def rpn_bbox_loss(target_bbox: Tensor, rpn_match: Tensor, rpn_bbox: Tensor) -> Tensor:
    """Smooth L1 over the positive anchors.

    Args:
        target_bbox: [B, T, 4]: row i belongs to the i-th positive anchor of the image.
        rpn_match: [B, A, 1] int32.
        rpn_bbox: [B, A, 4].

    Returns:
        Scalar float32.
    """
    positive = ops.squeeze(rpn_match, -1) == 1
    indices, filled = nms.select(positive, target_bbox.shape[1])
    predictions = sampling.take_rows(ops.cast(rpn_bbox, "float32"), indices)
    chosen = ops.broadcast_to(ops.cast(filled, "float32")[..., None], ops.shape(predictions))
    return _mean_where(smooth_l1(ops.cast(target_bbox, "float32"), predictions), chosen)


def mrcnn_class_loss(
    target_class_ids: Tensor, class_logits: Tensor, active_class_ids: Tensor, valid: Tensor | None = None, per_image: bool = True,
    class_weights: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Cross entropy of the rois whose predicted class is one that the image's source knows.

    Args:
        target_class_ids: [B, R] int32.
        class_logits: [B, R, K].
        active_class_ids: [B, K], 1 for a class of the image's source.
        valid: [B, R] float32, 0 for padding rows. None: all count, as in the original.
        per_image: Whether each image's own active classes count, or, as in the original, those of the first for all.
        class_weights: [K] float32, of the target's class. The loss is sum(w * loss) / sum(w), as PyTorch's weighted cross entropy: a weighted mean
            stays in the range of the losses whatever unit the weights have, so the learning rate and the balance with the other four losses keep
            their meaning. None: all 1.

    Returns:
        Scalar float32.
    """
    predicted = ops.cast(ops.argmax(class_logits, axis=-1), "int32")
    active = ops.cast(active_class_ids, "float32")
    if not per_image:
        active = ops.broadcast_to(active[:1], ops.shape(active))
    counts = ops.take_along_axis(active, predicted, axis=1)  # [B, R]
    if valid is not None:
        counts = counts * valid
    class_ids = ops.cast(target_class_ids, "int32")
    if class_weights is not None:
        counts = counts * ops.take(ops.convert_to_tensor(class_weights, dtype="float32"), class_ids, axis=0)
    return _mean_where(_cross_entropy(class_ids, class_logits), counts)


def mrcnn_bbox_loss(target_bbox: Tensor, target_class_ids: Tensor, pred_bbox: Tensor) -> Tensor:
    """Smooth L1 of the positive rois' deltas at their class.

    Args:
        target_bbox: [B, R, 4].
        target_class_ids: [B, R]; positive rois have a class above 0.
        pred_bbox: [B, R, K, 4].

    Returns:
        Scalar float32.
    """
    class_ids = ops.cast(target_class_ids, "int32")
    predictions = ops.take_along_axis(ops.cast(pred_bbox, "float32"), class_ids[..., None, None], axis=2)[:, :, 0]  # [B, R, 4]
    chosen = ops.broadcast_to(ops.cast(class_ids > 0, "float32")[..., None], ops.shape(predictions))
    return _mean_where(smooth_l1(target_bbox, predictions), chosen)


def mrcnn_mask_loss(target_masks: Tensor, target_class_ids: Tensor, pred_masks: Tensor) -> Tensor:
    """Binary cross entropy of the positive rois' masks at their class.

    Args:
        target_masks: [B, R, h, w], 0 or 1.
        target_class_ids: [B, R]; positive rois have a class above 0.
        pred_masks: [B, R, h, w, K] in [0, 1].

    Returns:
        Scalar float32.
    """
    class_ids = ops.cast(target_class_ids, "int32")
    predictions = ops.take_along_axis(pred_masks, class_ids[..., None, None, None], axis=4)[..., 0]  # [B, R, h, w]
    predictions = ops.clip(ops.cast(predictions, "float32"), EPSILON, 1.0 - EPSILON)
    targets = ops.cast(target_masks, "float32")
    loss = -(targets * ops.log(predictions) + (1.0 - targets) * ops.log(1.0 - predictions))
    chosen = ops.broadcast_to(ops.cast(class_ids > 0, "float32")[..., None, None], ops.shape(loss))
    return _mean_where(loss, chosen)


class _LossLayer(BoxLayer):
    """A loss as a layer: returns [1] float32, so that `predict` can join batches."""

    def call(self, inputs: list[Tensor]) -> Tensor:
        return ops.reshape(self.loss(*inputs), (1,))

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int]:
        return (1,)


@keras.saving.register_keras_serializable("mrcnn")
class RpnClassLoss(_LossLayer):
    """`rpn_class_loss` of [rpn_match, rpn_class_logits].

    Args:
        gamma: See there.
        alpha: See there.
    """

    def __init__(self, gamma: float | None = None, alpha: float | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.gamma, self.alpha = gamma, alpha

    def loss(self, rpn_match: Tensor, rpn_class_logits: Tensor) -> Tensor:
        return rpn_class_loss(rpn_match, rpn_class_logits, self.gamma, self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gamma": self.gamma, "alpha": self.alpha}


@keras.saving.register_keras_serializable("mrcnn")
class RpnBboxLoss(_LossLayer):
    """`rpn_bbox_loss` of [target_bbox, rpn_match, rpn_bbox]."""

    loss = staticmethod(rpn_bbox_loss)


@keras.saving.register_keras_serializable("mrcnn")
class MrcnnBboxLoss(_LossLayer):
    """`mrcnn_bbox_loss` of [target_bbox, target_class_ids, mrcnn_bbox]."""

    loss = staticmethod(mrcnn_bbox_loss)


@keras.saving.register_keras_serializable("mrcnn")
class MrcnnMaskLoss(_LossLayer):
    """`mrcnn_mask_loss` of [target_mask, target_class_ids, mrcnn_mask]; the class ids may have more rows than there are masks."""

    @staticmethod
    def loss(target_masks: Tensor, target_class_ids: Tensor, pred_masks: Tensor) -> Tensor:
        return mrcnn_mask_loss(target_masks, target_class_ids[:, : target_masks.shape[1]], pred_masks)


@keras.saving.register_keras_serializable("mrcnn")
class MrcnnClassLoss(_LossLayer):
    """`mrcnn_class_loss` of [target_class_ids, mrcnn_class_logits, image_meta, rois].

    Args:
        ignore_padding: Zero rows of the rois don't count.
        per_image: See `mrcnn_class_loss`.
        class_weights: [K] numbers, or None; see there.
    """

    def __init__(self, ignore_padding: bool = True, per_image: bool = True, class_weights: Sequence[float] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.ignore_padding, self.per_image = ignore_padding, per_image
        self.class_weights = None if class_weights is None else [float(weight) for weight in class_weights]

    def loss(self, target_class_ids: Tensor, class_logits: Tensor, image_meta: Tensor, rois: Tensor) -> Tensor:
        valid = ops.cast(ops.any(ops.not_equal(rois, 0.0), axis=-1), "float32") if self.ignore_padding else None
        return mrcnn_class_loss(target_class_ids, class_logits, active_classes(image_meta), valid, self.per_image, self.class_weights)

    def get_config(self) -> dict[str, Any]:
        own = {"ignore_padding": self.ignore_padding, "per_image": self.per_image, "class_weights": self.class_weights}
        return {**super().get_config(), **own}
