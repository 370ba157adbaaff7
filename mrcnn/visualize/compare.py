"""Pictures that hold predictions against ground truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn.ops import masks as mask_ops
from mrcnn.ops import matching
from mrcnn.results import WAITING
from mrcnn.visualize import figures, instances

GT_COLOR = (0.0, 1.0, 0.0, 0.8)
PREDICTION_COLOR = (1.0, 0.0, 0.0, 1.0)


def display_differences(
    image: np.ndarray,
    gt_box: np.ndarray,
    gt_class_id: np.ndarray,
    gt_mask: np.ndarray,
    pred_box: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: np.ndarray,
    class_names: Sequence[str],
    title: str = "",
    ax: Axes | None = None,
    show_mask: bool = True,
    show_box: bool = True,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.5,
) -> Figure | None:
    """Show ground truth in green and predictions in red, each with its score and IoU.

    The IoU is that with the instance it matched, or the largest with any instance where it matched none.

    Args:
        image: [H, W, 3] RGB.
        gt_box: [N, (y1, x1, y2, x2)] pixels.
        gt_class_id: [N] int.
        gt_mask: [H, W, N] bool.
        pred_box: [P, (y1, x1, y2, x2)] pixels.
        pred_class_id: [P] int.
        pred_score: [P] float.
        pred_mask: [H, W, P] bool.
        class_names: The name of each class id.
        title: Text above the image; "" explains the colours.
        ax: Axes to draw on instead of a new figure.
        show_mask: Whether to fill and outline the masks.
        show_box: Whether to draw the boxes.
        iou_threshold: The least IoU of a match.
        score_threshold: Predictions with a lower score match nothing.

    Returns:
        The figure; None in a notebook, which has shown it.

    Raises:
        ValueError: Parts disagree in number or size.
    """
    gt_box, pred_box = np.asarray(gt_box).reshape(-1, 4), np.asarray(pred_box).reshape(-1, 4)
    pred_score, gt_class_id, pred_class_id = np.asarray(pred_score), np.asarray(gt_class_id, int), np.asarray(pred_class_id, int)
    gt_mask, pred_mask = _planes(gt_mask, image, len(gt_box)), _planes(pred_mask, image, len(pred_box))
    instances.check_instances(image, gt_box, gt_mask, gt_class_id)
    instances.check_instances(image, pred_box, pred_mask, pred_class_id, scores=pred_score)
    captions = _captions(gt_class_id, gt_mask, pred_class_id, pred_score, pred_mask, iou_threshold, score_threshold)
    return instances.display_instances(
        image,
        np.concatenate([gt_box, pred_box]),
        np.concatenate([gt_mask > 0.5, pred_mask > 0.5], axis=2),
        np.concatenate([gt_class_id, pred_class_id]), class_names,
        title=title or "Ground truth and detections\nground truth green, prediction red, caption: score / IoU",
        ax=ax, show_mask=show_mask, show_bbox=show_box,
        colors=[GT_COLOR] * len(gt_box) + [PREDICTION_COLOR] * len(pred_box),
        captions=[""] * len(gt_box) + captions,
    )  # fmt: skip


def _planes(masks: np.ndarray, image: np.ndarray, num: int) -> np.ndarray:
    """Return [H, W, N] of what users pass: masks of no instance may have no size, those that wait are pasted."""
    masks = figures.masks_of(masks, np.shape(image), num)
    if isinstance(masks, WAITING):
        return masks.planes()
    return masks if masks.shape[-1] else np.zeros((*np.shape(image)[:2], 0), bool)


def _captions(
    gt_class_id: np.ndarray,
    gt_mask: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: np.ndarray,
    iou_threshold: float,
    score_threshold: float,
) -> list[str]:
    """Return "score / IoU" of each prediction, in the order in which they came."""
    overlaps = mask_ops.overlaps(pred_mask, gt_mask)  # [P, N]
    compatible = (pred_class_id[:, None] == gt_class_id[None, :]) & (pred_score >= score_threshold)[:, None]
    order = matching.rank(pred_score)
    match = np.full(len(pred_score), -1)
    match[order], _ = matching.greedy(overlaps[order], iou_threshold, compatible[order])
    best = overlaps.max(axis=1) if overlaps.shape[1] else np.zeros(len(pred_score))
    ious = [overlaps[i, match[i]] if match[i] >= 0 else best[i] for i in range(len(pred_score))]
    return [f"{score:.2f} / {iou:.2f}" for score, iou in zip(pred_score, ious, strict=True)]


def plot_overlaps(
    gt_class_ids: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    overlaps: np.ndarray,
    class_names: Sequence[str],
    threshold: float = 0.5,
) -> Figure | None:
    """Show the overlap of each prediction with each instance as a table of shades.

    Cells above the threshold say whether the classes agree ("match") or not ("wrong").

    Args:
        gt_class_ids: [N] int. 0 is padding and left out.
        pred_class_ids: [P] int. 0 is padding and left out.
        pred_scores: [P] float.
        overlaps: [P, N] IoU, rows in the order of pred_class_ids.
        class_names: The name of each class id.
        threshold: The IoU above which a cell is judged.

    Returns:
        The figure; None in a notebook, which has shown it.

    Raises:
        ValueError: overlaps does not have a row a prediction and a column an instance.
    """
    gt_class_ids, pred_class_ids = np.asarray(gt_class_ids, int), np.asarray(pred_class_ids, int)
    gt_class_ids, pred_class_ids = gt_class_ids[gt_class_ids != 0], pred_class_ids[pred_class_ids != 0]
    overlaps = np.asarray(overlaps)
    overlaps = overlaps if overlaps.size else np.zeros((len(pred_class_ids), len(gt_class_ids)))
    if overlaps.shape != (len(pred_class_ids), len(gt_class_ids)) or len(pred_scores) < len(pred_class_ids):
        raise ValueError(
            f"overlaps must be [predictions, instances] = [{len(pred_class_ids)}, {len(gt_class_ids)}] with a score for each "
            f"prediction, got {overlaps.shape} and {len(pred_scores)} scores"
        )
    size = (max(12.0, 2.5 + 0.6 * len(gt_class_ids)), max(10.0, 2 + 0.4 * len(pred_class_ids)))  # cells that hold their text
    ax, new = figures.axes_or_new(None, size)
    if overlaps.size:
        ax.imshow(overlaps, interpolation="nearest", cmap="Blues", vmin=0, vmax=1, aspect="auto")
    names = [f"{figures.class_label(class_names, k)} ({pred_scores[i]:.2f})" for i, k in enumerate(pred_class_ids)]
    ax.set_yticks(np.arange(len(pred_class_ids)), names, parse_math=False)
    truths = [figures.class_label(class_names, k) for k in gt_class_ids]
    ax.set_xticks(np.arange(len(gt_class_ids)), truths, rotation=90, parse_math=False)
    for i, j in np.ndindex(*overlaps.shape):
        verdict = ""
        if overlaps[i, j] > threshold:
            verdict = "match" if gt_class_ids[j] == pred_class_ids[i] else "wrong"
        shade = "white" if overlaps[i, j] > 0.5 else "black"
        ax.text(j, i, f"{overlaps[i, j]:.3f}\n{verdict}", ha="center", va="center", fontsize=9, color=shade)
    ax.set_xlabel("Ground truth")
    ax.set_ylabel("Predictions")
    ax.figure.tight_layout()
    return figures.finish(ax.figure, new)
