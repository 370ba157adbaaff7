"""Curves: precision over recall, and the course of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mrcnn.visualize import figures

LOSSES = ("loss", "rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss", "mrcnn_attribute_loss")
MEAN_AVERAGE_PRECISION = "val_mean_average_precision"


def plot_precision_recall(AP: float, precisions: np.ndarray, recalls: np.ndarray) -> Figure | None:
    """Draw precision over recall, as `compute_ap` returns them.

    Args:
        AP: Average precision at IoU 0.5, for the title.
        precisions: [P + 2] float from 0 to 1.
        recalls: [P + 2] float from 0 to 1.

    Returns:
        The figure; None in a notebook, which has shown it.
    """
    ax, new = figures.axes_or_new(None, (6, 5))
    ax.plot(recalls, precisions, marker=".", markersize=3)
    ax.set(title=f"Precision-Recall Curve. AP@50 = {AP:.3f}", xlabel="recall", ylabel="precision")
    ax.set_xlim(0, 1.1)
    ax.set_ylim(0, 1.1)
    ax.grid(alpha=0.3)
    return figures.finish(ax.figure, new)


def plot_history(history: Mapping[str, Sequence[float]]) -> Figure | None:
    """Draw the course of a training: the total loss, its parts, their validation twins and mAP.

    Args:
        history: What `keras_model.history.history` holds: a value an epoch under loss, val_loss, rpn_class_loss …, and
            val_mean_average_precision. Names that are absent are left out; nan leaves a gap.

    Returns:
        The figure, a panel for each loss and one for mAP; None in a notebook, which has shown it.

    Raises:
        ValueError: None of these names is there.
    """
    panels = [name for name in LOSSES if name in history or f"val_{name}" in history]
    panels += [MEAN_AVERAGE_PRECISION] if MEAN_AVERAGE_PRECISION in history else []
    if not panels:
        raise ValueError(f"history holds none of {LOSSES} and no {MEAN_AVERAGE_PRECISION}; it holds {sorted(history)}")
    epochs = max(len(history.get(key, ())) for name in panels for key in (name, f"val_{name}"))
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.2 * columns, 3.2 * rows), squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.axis("off")
    for ax, name in zip(axes.flat, panels, strict=False):
        if name == MEAN_AVERAGE_PRECISION:
            _curve(ax, history[name], "validation", "C1")
            ax.set_ylim(0, 1.02)
            ax.set_title("mean average precision")
        else:
            _curve(ax, history.get(name), "training", "C0")
            _curve(ax, history.get(f"val_{name}"), "validation", "C1")
            ax.set_ylim(bottom=0)
            ax.set_title("total loss" if name == "loss" else name)
        ax.grid(alpha=0.3)
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        ax.set_xlim(0.5, epochs + 0.5)
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    axes[0, 0].legend()
    figure.tight_layout()
    return figures.finish(figure, new=True)


def _curve(ax: Axes, values: Sequence[float] | None, label: str, color: str) -> None:
    """Draw the values of the epochs 1, 2 …; a single one as a point."""
    if values is not None and len(values):
        ax.plot(np.arange(1, len(values) + 1), values, label=label, color=color, marker="." if len(values) < 20 else "")
