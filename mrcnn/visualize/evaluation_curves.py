"""Plots of an evaluation: precision over recall by IoU and by class, and the confusion matrix. For files: nothing is shown."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MAX_CLASSES = 30  # of a plot


def plot_precision_recall(recalls: np.ndarray, precisions: np.ndarray, iou_thresholds: Sequence[float], *, title: str = "") -> Figure:
    """Draw precision over recall, the mean over classes, a line for each IoU.

    Args:
        recalls: [R].
        precisions: [T, R, K]; nan for classes without instances.
        iou_thresholds: [T].
        title: Above the plot.

    Returns:
        The figure, not shown.
    """
    figure, ax = _new((7, 5), title)
    for i, threshold in enumerate(iou_thresholds):
        line = _mean_of_known(precisions[i])
        color = (0.1, 0.2 + 0.7 * i / max(1, len(iou_thresholds) - 1), 0.8 - 0.5 * i / max(1, len(iou_thresholds) - 1))
        ax.plot(recalls, line, color=color, label=f"IoU {threshold:.2f}: {_mean_of_known(line):.3f}")
    return _finished(figure, ax, "recall", "precision")


def plot_classes(recalls: np.ndarray, precisions: Mapping[str, np.ndarray], *, title: str = "") -> Figure:
    """Draw precision over recall, a line for each class, the best ones first in the legend.

    Args:
        recalls: [R].
        precisions: {class: [R]}; classes with nan, those without instances, are left out, and all beyond `MAX_CLASSES`.
        title: Above the plot.

    Returns:
        The figure, not shown.
    """
    known = {name: values for name, values in precisions.items() if not np.isnan(values).any()}
    shown = dict(list(known.items())[:MAX_CLASSES])
    more = f" ({len(shown)} of {len(known)} classes)" if len(known) > len(shown) else ""
    figure, ax = _new((8, 5), title + more)
    for number, (name, values) in enumerate(sorted(shown.items(), key=lambda item: -item[1].mean())):
        ax.plot(recalls, values, color=f"C{number % 10}", linestyle=("-", "--", ":")[number // 10 % 3], label=f"{name}: {values.mean():.3f}")
    return _finished(figure, ax, "recall", "precision")


def plot_confusion(names: Sequence[str], counts: np.ndarray, *, title: str = "") -> Figure:
    """Draw a confusion matrix, each row as shares of its sum; classes that are on neither side are left out, and all beyond `MAX_CLASSES`.

    Args:
        names: [K], the background first.
        counts: [K, K] int, row truth, column detection.
        title: Above the plot.

    Returns:
        The figure, not shown.

    Raises:
        ValueError: counts are not [K, K].
    """
    counts = np.asarray(counts)
    if counts.shape != (len(names), len(names)):
        raise ValueError(f"counts must be [{len(names)}, {len(names)}], a row a class; got {counts.shape}")
    total = counts.sum(axis=0) + counts.sum(axis=1)
    order = np.argsort(-total[1:], kind="stable")[: MAX_CLASSES - 1] + 1
    order = np.concatenate([[0], np.sort(order[total[order] > 0])]).astype(int)
    part = counts[np.ix_(order, order)]
    share = part / np.maximum(1, counts[order].sum(axis=1))[:, None]
    side = 2.5 + 0.33 * len(order)
    figure, ax = _new((side + 0.8, side), title)
    drawn = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    labels = [str(names[i]) if i else "background" for i in order]
    ax.set_xticks(np.arange(len(order)), labels, rotation=90, fontsize=8)
    ax.set_yticks(np.arange(len(order)), labels, fontsize=8)
    if len(order) <= 16:
        for row, column in zip(*np.nonzero(part), strict=True):
            ink = "white" if share[row, column] > 0.5 else "black"
            ax.text(column, row, str(part[row, column]), ha="center", va="center", fontsize=7, color=ink)
    ax.set(xlabel="detection", ylabel="truth")
    figure.colorbar(drawn, ax=ax, shrink=0.7, label="share of the row")
    figure.tight_layout()
    return figure


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no class has instances: an empty plot says so
        return np.nanmean(values, axis=-1)


def _new(size: tuple[float, float], title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size)
    ax = figure.add_subplot()
    ax.set_title(title, fontsize=10)
    return figure, ax


def _finished(figure: Figure, ax: Axes, x: str, y: str) -> Figure:
    ax.set(xlabel=x, ylabel=y, xlim=(0, 1.02), ylim=(0, 1.05))
    ax.grid(alpha=0.3)
    if ax.lines:
        ax.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)  # beside the plot: curves go everywhere
    figure.tight_layout()
    return figure
