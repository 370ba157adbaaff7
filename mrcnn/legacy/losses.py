"""The losses with the original's names and arguments; see `nn.losses` for what they compute.

Each returns a scalar float32, 0 where nothing contributes.
"""

from typing import Any

from keras import ops

from mrcnn.config import Config
from mrcnn.nn import losses

Tensor = Any


def smooth_l1_loss(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Smooth L1, element by element, in the shape of the arguments."""
    return losses.smooth_l1(_float(y_true), _float(y_pred))


def rpn_class_loss_graph(rpn_match: Tensor, rpn_class_logits: Tensor) -> Tensor:
    """Cross entropy of the anchors: rpn_match [B, A, 1] of 1, -1 and 0 (neutral), rpn_class_logits [B, A, 2]."""
    return losses.rpn_class_loss(ops.convert_to_tensor(rpn_match), _float(rpn_class_logits))


def rpn_bbox_loss_graph(config: Config | None, target_bbox: Tensor, rpn_match: Tensor, rpn_bbox: Tensor) -> Tensor:
    """Smooth L1 of the positive anchors' deltas.

    Args:
        config: Not read: the original took the batch size from it.
        target_bbox: [B, T, 4]: row i belongs to the i-th positive anchor of its image.
        rpn_match: [B, A, 1].
        rpn_bbox: [B, A, 4].
    """
    return losses.rpn_bbox_loss(_float(target_bbox), ops.convert_to_tensor(rpn_match), _float(rpn_bbox))


def mrcnn_class_loss_graph(
    target_class_ids: Tensor, pred_class_logits: Tensor, active_class_ids: Tensor, original_behaviour: bool = False
) -> Tensor:
    """Cross entropy of the rois whose predicted class is active.

    Args:
        target_class_ids: [B, R] whole numbers; every roi counts, padding too, which can't be told from background here.
        pred_class_logits: [B, R, K].
        active_class_ids: [B, K], 1 for the classes of the image's source.
        original_behaviour: True: the active classes of the first image limit the whole batch, as in the original.

    Deviation: 0 instead of nan where no active class is predicted.
    """
    return losses.mrcnn_class_loss(
        ops.convert_to_tensor(target_class_ids), _float(pred_class_logits), _float(active_class_ids), per_image=not original_behaviour
    )


def mrcnn_bbox_loss_graph(target_bbox: Tensor, target_class_ids: Tensor, pred_bbox: Tensor) -> Tensor:
    """Smooth L1 of the positive rois' deltas at their class: target_bbox [B, R, 4], target_class_ids [B, R], pred_bbox [B, R, K, 4]."""
    return losses.mrcnn_bbox_loss(_float(target_bbox), ops.convert_to_tensor(target_class_ids), _float(pred_bbox))


def mrcnn_mask_loss_graph(target_masks: Tensor, target_class_ids: Tensor, pred_masks: Tensor) -> Tensor:
    """Binary cross entropy of the positive rois' masks at their class.

    Args:
        target_masks: [B, R, h, w], 0 or 1.
        target_class_ids: [B, R].
        pred_masks: [B, R, h, w, K] in [0, 1]. Of M < R rows, as in this library's training graph, the first M rois count.
    """
    rows = pred_masks.shape[1]
    return losses.mrcnn_mask_loss(_float(target_masks)[:, :rows], ops.convert_to_tensor(target_class_ids)[:, :rows], _float(pred_masks))


def _float(tensor: Tensor) -> Tensor:
    return ops.cast(tensor, "float32")
