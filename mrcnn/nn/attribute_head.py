"""Attribute head: which attributes an object has, any number of them, from the box head's shared features.

A sigmoid for each attribute where the class has a softmax: attributes don't exclude one another. Source: Jia et al., Fashionpedia (ECCV 2020),
Attribute-Mask R-CNN: attributes beside class and box, trained with binary cross entropy. The mean over known entries and the features are ours.
"""

from typing import Any

import keras
from keras import layers, ops

from mrcnn.nn.losses import _LossLayer, _mean_where

Tensor = Any

LAYER = "mrcnn_attributes"


def build(shared: Tensor, num_attributes: int) -> Tensor:
    """Build the head.

    Args:
        shared: [B, R, width] features of the box head, see `box_head.features`.
        num_attributes: A.

    Returns:
        Logits [B, R, A] float32, whatever the precision.
    """
    return layers.Dense(num_attributes, dtype="float32", name=LAYER)(shared)


def mrcnn_attribute_loss(target_attributes: Tensor, logits: Tensor) -> Tensor:
    """Binary cross entropy of the attributes that are known; 0 where none is.

    A mean over all known entries, rois and attributes alike: unlike a sum over attributes it keeps its balance with the other losses whatever
    their number.

    Args:
        target_attributes: [B, R, A], 1 has, 0 has not, -1 unknown, as rois without an object are.
        logits: [B, R, A].

    Returns:
        Scalar float32.
    """
    targets, logits = ops.cast(target_attributes, "float32"), ops.cast(logits, "float32")
    # log(1 + exp(x)) - t x, in the form that overflows for no x
    loss = ops.maximum(logits, 0.0) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))
    return _mean_where(loss, ops.cast(targets >= 0.0, "float32"))


@keras.saving.register_keras_serializable("mrcnn")
class MrcnnAttributeLoss(_LossLayer):
    """`mrcnn_attribute_loss` of [target_attributes, logits]."""

    loss = staticmethod(mrcnn_attribute_loss)
