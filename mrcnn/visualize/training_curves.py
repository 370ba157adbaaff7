"""The course of trainings as a figure for a file: one run with its validation, or several over one another.

Drawn on figures of their own, not pyplot's: any thread may do it, nothing opens or stays, whatever backend the program uses.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

LOSSES = {
    "loss": "total loss",
    "rpn_class_loss": "RPN class loss",
    "rpn_bbox_loss": "RPN box loss",
    "mrcnn_class_loss": "class loss",
    "mrcnn_bbox_loss": "box loss",
    "mrcnn_mask_loss": "mask loss",
}
#: Names under which the mAP of validation is known, the one that counts first.
MEAN_AVERAGE_PRECISIONS = ("val_map", "val_mean_average_precision")
PER_IMAGE = "val_mean_average_precision_per_image"
LEARNING_RATE = "learning_rate"

# Of Okabe and Ito's palette, told apart by those who see fewer colours. Training is dark and solid, validation light and dashed with points: so they
# differ in grey too.
TRAINING = {"color": "#005b94", "linewidth": 1.8}
VALIDATION = {"color": "#e69f00", "linewidth": 2.0, "linestyle": (0, (4, 1.5))}
RUN_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
RUN_LINES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
_STAGE = {"color": "0.45", "linewidth": 1.0, "linestyle": (0, (1, 2))}
_STAGE_ROW = 13.0  # points between names of stages that stand above one another
_LOG_RATIO = 30.0  # values that differ by more than this are drawn on a logarithmic scale
_LOG_SPAN = 1e4  # the most of it that is shown, from the greatest value down
_FEW = 40  # epochs up to which each is marked by a point

Columns = Mapping[str, Sequence[float]]


def draw_run(metrics: Columns, stages: Sequence[tuple[int, str]] = (), title: str = "") -> Figure:
    """Draw a run: the total loss, the five losses, each in training and validation, mAP and learning rate.

    Args:
        metrics: A value an epoch under epoch, loss, val_loss, rpn_class_loss, …; nan leaves a gap, absent names leave their line out.
        stages: [(epochs done before, layers)]: where other layers began to train; a vertical line at each but the first.
        title: Above it all.

    Returns:
        The figure, 1600 × 900 pixels, two rows of four panels.

    Raises:
        ValueError: there is no column "epoch", or no row.
    """

    def loss(ax: Axes, name: str) -> None:
        _line(ax, metrics, name, label="training", **TRAINING)
        _line(ax, metrics, f"val_{name}", label="validation", points=True, **VALIDATION)

    def precision(ax: Axes) -> None:
        _line(ax, metrics, PER_IMAGE, label="mean over images", color="0.6", linewidth=1.2)
        name = map_name(metrics)
        if name:
            _line(ax, metrics, name, label="mean over classes", points=True, **VALIDATION)
            value, epoch = best(metrics, name, max)
            ax.plot(epoch, value, marker="*", markersize=13, color="#d55e00", linestyle="", zorder=5, label=f"best: {value:.3f} at epoch {epoch:.0f}")

    def rate(ax: Axes) -> None:
        _line(ax, metrics, LEARNING_RATE, points=True, **TRAINING)

    figure, axes = _figure(loss, precision, rate, title)
    lengths = [_epochs(metrics)[-1]]
    _finish(axes, lengths)
    for ax in axes:
        for start, _ in stages[1:]:
            ax.axvline(start + 0.5, **_STAGE)
    _name_stages(axes[0], [(start, layers) for start, layers in stages if start < lengths[0]])
    return figure


def draw_runs(runs: Mapping[str, Columns], title: str = "") -> Figure:
    """Draw several runs over one another, to compare them: validation as strong lines, training as thin ones of the same colour.

    Args:
        runs: The metrics of each run, as `draw_run` takes them, by its name.
        title: Above it all.

    Returns:
        The figure, 1600 × 900 pixels, two rows of four panels.

    Raises:
        ValueError: no run, or one without the column "epoch" or without a row.
    """
    if not runs:
        raise ValueError("no run to draw")
    ways = [{"color": color, "linestyle": line} for line, color in itertools.product(RUN_LINES, RUN_COLORS)]
    styles = dict(zip(runs, itertools.cycle(ways), strict=False))

    def loss(ax: Axes, name: str) -> None:
        for run, metrics in runs.items():
            validated = np.isfinite(metrics.get(f"val_{name}", [math.nan])).any()
            _line(ax, metrics, name, label=None if validated else run, linewidth=0.9, alpha=0.6, **styles[run])
            _line(ax, metrics, f"val_{name}", label=run, linewidth=2.0, **styles[run])

    def precision(ax: Axes) -> None:
        for run, metrics in runs.items():
            name = map_name(metrics)
            if name:
                _line(ax, metrics, name, label=run, linewidth=2.0, **styles[run])

    def rate(ax: Axes) -> None:
        for run, metrics in runs.items():
            _line(ax, metrics, LEARNING_RATE, label=run, linewidth=1.5, **styles[run])

    figure, axes = _figure(loss, precision, rate, title)
    _finish(axes, [_epochs(metrics)[-1] for metrics in runs.values()])
    return figure


def map_name(metrics: Columns) -> str | None:
    """Name of the mAP among the figures of a run, or None."""
    return next((name for name in MEAN_AVERAGE_PRECISIONS if np.isfinite(metrics.get(name, [math.nan])).any()), None)


def best(metrics: Columns, name: str, choose: Callable[..., tuple[float, float]]) -> tuple[float, float]:
    """The best value of a column and its epoch: `choose` is max or min; of equal ones the first counts.

    Raises:
        ValueError: the column holds no number.
    """
    pairs = zip(np.asarray(metrics[name], float).tolist(), _epochs(metrics).tolist(), strict=True)
    return choose((pair for pair in pairs if math.isfinite(pair[0])), key=lambda pair: pair[0])


def png(figure: Figure, dpi: float | str = "figure") -> bytes:
    """The figure as a PNG file's content, with its own dots an inch or others."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    return content.getvalue()


def _figure(
    loss: Callable[[Axes, str], None], precision: Callable[[Axes], None], rate: Callable[[Axes], None], title: str
) -> tuple[Figure, list[Axes]]:
    """Make the figure and draw its eight panels."""
    figure = Figure(figsize=(16, 9), dpi=100)
    FigureCanvasAgg(figure)
    place = {"left": 0.04, "right": 0.985, "bottom": 0.06, "top": 0.92, "wspace": 0.2, "hspace": 0.22}  # a layout engine would double the time
    axes = list(figure.subplots(2, 4, gridspec_kw=place).flat)
    order = [axes[i] for i in (0, 1, 2, 4, 5, 6)]
    for ax, (name, heading) in zip(order, LOSSES.items(), strict=True):
        loss(ax, name)
        ax.set_title(heading)
    precision(axes[3])
    axes[3].set_title("mean average precision, IoU 0.5")
    rate(axes[7])
    axes[7].set_title("learning rate")
    if title:
        figure.suptitle(title, fontsize=14)
    return figure, axes


def _epochs(metrics: Columns) -> np.ndarray:
    epochs = np.asarray(metrics.get("epoch", ()), float)
    if not len(epochs):
        raise ValueError(f"a run's figures need a column 'epoch' with at least one row; it holds {sorted(metrics)}")
    return epochs


def _line(ax: Axes, metrics: Columns, name: str, *, points: bool = False, **style: object) -> None:
    """Draw a column over the epochs; a single value as a point. Nothing where it is absent or holds no number."""
    epochs, values = _epochs(metrics), np.asarray(metrics.get(name, ()), float)
    if not np.isfinite(values).any():
        return
    values = np.where(np.isfinite(values), values, math.nan)
    alone = np.isfinite(values).sum() == 1 or len(values) == 1
    marker = "o" if alone or (points and len(values) <= _FEW) else ""
    ax.plot(epochs, values, marker=marker, markersize=4.5, **style)


def _finish(axes: list[Axes], lengths: Sequence[float]) -> None:
    """Scales, grids and legends of the panels."""
    for number, ax in enumerate(axes):
        ax.grid(color="0.88", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        ax.set_xlim(0.5, max(lengths) + 0.5)
        if number >= 4:
            ax.set_xlabel("epoch")
        if not ax.lines:
            ax.text(0.5, 0.5, "no figures", transform=ax.transAxes, ha="center", va="center", color="0.45")
            ax.set_yticks([])
        elif number == 3:
            ax.set_ylim(-0.02, 1.02)
        else:
            _scale(ax)
    for ax in (axes[0], axes[3]):
        if ax.get_legend_handles_labels()[0]:
            ax.legend(framealpha=0.8, edgecolor="none", fontsize=10, loc="best" if ax is axes[3] else "upper right")


def _name_stages(ax: Axes, stages: Sequence[tuple[int, str]]) -> None:
    """Write at each stage's beginning what it trains, at the foot of the panel; names that would meet stand above one another."""
    frame, taken = ax.get_window_extent(), []
    for start, layers in stages:
        text = ax.annotate(  # x in epochs, y in shares of the panel
            layers, (start + 0.5, 0), (4, 4), ax.get_xaxis_transform(), "offset points", fontsize=10, color="0.25"
        )  # fmt: skip
        extent = text.get_window_extent()
        points = 72 / ax.figure.dpi
        left = 4 + min(0.0, (frame.x1 - extent.x1) * points)
        first, last = extent.x0 * points + left - 4, extent.x1 * points + left
        row = next(row for row in itertools.count() if not any(row == other and first < right and begin < last for other, begin, right in taken))
        taken.append((row, first, last))
        text.set_position((left, 4 + _STAGE_ROW * row))


def _scale(ax: Axes) -> None:
    """From 0, or logarithmic where values of very different size would hide each other."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in ax.lines])
    positive = values[values > 0]  # nan is not
    if len(positive) and positive.max() > _LOG_RATIO * positive.min():
        ax.set_yscale("log")
        if positive.max() > _LOG_SPAN * positive.min():  # the end of a cosine is almost 0: what lies that low says no more
            ax.set_ylim(bottom=positive.max() / _LOG_SPAN)
        shown = min(positive.max() / positive.min(), _LOG_SPAN)
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if shown < 100 * _LOG_RATIO else (1.0,)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        top = float(np.nanmax(values))
        ax.set_ylim(0, 1.08 * top if top > 0 else 1.0)
        if top < 0.01:
            ax.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))  # one power of ten above the axis, short numbers beside it
        else:
            ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
