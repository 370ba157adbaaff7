"""Plots of what data sets hold: classes, instances an image, sizes of objects, classes that come together.

For files and reports: the figures are their caller's alone, pyplot knows nothing of them (`figure.savefig(path)`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Classes that fit under one another, or beside one another in a matrix; of more the commonest are shown.
MAX_CLASSES = 60
_BINS = 40


def plot_classes(class_names: Sequence[str], counts: Mapping[str, np.ndarray], *, quantity: str = "instances") -> Figure:
    """Draw how many instances (or images) each class has, the commonest on top; classes without any are left out.

    Args:
        class_names: [K] without the background.
        counts: A series a data set: {name: [K]}. Several are drawn as shares, so that they can be compared.
        quantity: What is counted.

    Returns:
        The figure.

    Raises:
        ValueError: a series has another length than there are classes, or there is none.
    """
    series = _series(counts, len(class_names))
    several = len(series) > 1
    first = next(iter(series.values()))
    order = _commonest(first, np.sum(list(series.values()), axis=0) > 0)
    figure, ax = _new((7, 1.4 + 0.24 * len(order) * max(1, 0.6 * len(series))))
    places, height = np.arange(len(order)), 0.8 / len(series)
    for number, (name, values) in enumerate(series.items()):
        shown = 100 * values[order] / max(1, values.sum()) if several else values[order]
        ax.barh(places + (number - (len(series) - 1) / 2) * height, shown, height, label=f"{name} ({int(values.sum())})")
        if not several:
            ax.bar_label(ax.containers[0], padding=2, fontsize=8)
    ax.set_yticks(places, [str(class_names[i]) for i in order], fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel(f"share of {quantity}, %" if several else quantity)
    left = len(class_names) - len(order)
    ax.set_title(f"{quantity} of each class" + (f", {len(order)} of {len(class_names)}" if left else ""))
    ax.margins(x=0.12, y=0.01)
    return _done(figure, ax, several)


def plot_instances_per_image(counts: Mapping[str, np.ndarray], *, limit: int | None = None) -> Figure:
    """Draw how many images have 0, 1, 2 … instances, as a share.

    Args:
        counts: A series a data set: {name: [N] instances of each image}.
        limit: Draw a line there (MAX_GT_INSTANCES); None: none.

    Returns:
        As `plot_classes`.

    Raises:
        ValueError: there is no series.
    """
    series = _series(counts)
    most = max(int(values.max(initial=0)) for values in series.values())
    edges = np.arange(most + 2) - 0.5 if most < 2 * _BINS else np.linspace(-0.5, most + 0.5, _BINS)
    figure, ax = _new((7, 3.2))
    for name, values in series.items():
        weights = np.full(len(values), 100 / max(1, len(values)))
        ax.hist(values, edges, weights=weights, label=f"{name} (mean {values.mean() if len(values) else 0:.1f})", alpha=0.6)
    if limit is not None and limit <= 2 * most:
        ax.axvline(limit + 0.5, color="C3", linestyle="--", label=f"MAX_GT_INSTANCES = {limit}")
    ax.set(title="instances an image", xlabel="instances", ylabel="share of images, %")
    return _done(figure, ax, True)


def plot_sizes(sides: Mapping[str, np.ndarray], *, scales: Sequence[float] = (), title: str = "sizes of objects") -> Figure:
    """Draw how large objects are: the side of the square with the area of each one's box, on a logarithmic scale.

    Args:
        sides: A series a data set: {name: [M] pixels}.
        scales: Draw a line at each (RPN_ANCHOR_SCALES).
        title: Text above.

    Returns:
        As `plot_classes`.

    Raises:
        ValueError: there is no series.
    """
    series = _series(sides)
    everything = np.maximum(np.concatenate([*series.values(), np.asarray(scales, float)]), 1)
    least, most = (everything.min(), everything.max()) if len(everything) else (8.0, 256.0)
    edges = np.geomspace(least, max(1.01 * most, 2 * least), _BINS)
    figure, ax = _new((7, 3.2))
    for name, values in series.items():
        weights = np.full(len(values), 100 / max(1, len(values)))
        middle = f"median {np.median(values):.0f} px" if len(values) else "none"
        ax.hist(np.maximum(values, 1), edges, weights=weights, label=f"{name} ({middle})", alpha=0.6)
    for number, scale in enumerate(scales):
        ax.axvline(scale, color="C3", linestyle="--", label="anchors" if not number else None)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set(title=title, xlabel="√(height · width) of the box, px", ylabel="share of instances, %")
    return _done(figure, ax, True)


def plot_together(class_names: Sequence[str], together: np.ndarray) -> Figure:
    """Draw which classes come on the same image: of the images with a row's class, the share with a column's; classes on no image are left out.

    Args:
        class_names: [K] without the background.
        together: [K, K] images that show both; the diagonal has the images of each class.

    Returns:
        As `plot_classes`.

    Raises:
        ValueError: `together` is not [K, K].
    """
    together = np.asarray(together)
    if together.shape != (len(class_names), len(class_names)):
        raise ValueError(f"together must be [{len(class_names)}, {len(class_names)}], a row a class; got {together.shape}")
    images = np.diagonal(together)
    order = _commonest(images, images > 0)
    share = together[np.ix_(order, order)] / np.maximum(1, images[order])[:, None]
    side = 2.2 + 0.26 * len(order)
    figure, ax = _new((side + 0.6, side))
    drawn = ax.imshow(share, cmap="viridis", vmin=0, vmax=1)
    names = [str(class_names[i]) for i in order]
    ax.set_xticks(np.arange(len(order)), names, rotation=90, fontsize=8)
    ax.set_yticks(np.arange(len(order)), names, fontsize=8)
    ax.set_title("of images with the row's class, share with the column's", fontsize=9)
    figure.colorbar(drawn, ax=ax, shrink=0.7)
    figure.tight_layout()
    return figure


def _commonest(counts: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the places of the classes that are there, the commonest first, at most `MAX_CLASSES`; where none is, of all."""
    order = np.argsort(-counts, kind="stable")
    kept = order[there[order]] if there.any() else order
    return kept[:MAX_CLASSES]


def _new(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size)
    return figure, figure.add_subplot()


def _series(counts: Mapping[str, np.ndarray], length: int | None = None) -> dict[str, np.ndarray]:
    series = {name: np.asarray(values) for name, values in counts.items()}
    wrong = [name for name, values in series.items() if values.ndim != 1 or (length is not None and len(values) != length)]
    if wrong or not series:
        raise ValueError(f"each series is a list of {length if length is not None else 'N'} numbers; got {[v.shape for v in series.values()]}")
    return series


def _done(figure: Figure, ax: Axes, legend: bool) -> Figure:
    ax.grid(axis="both", alpha=0.2)
    if legend:
        ax.legend(fontsize=8)
    figure.tight_layout()
    return figure
