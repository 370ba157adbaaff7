"""Matplotlib figures without surprises: they work headless, never block a script, and appear once in a notebook.

Where the caller passes axes, functions draw on them and show nothing. Otherwise they make a figure and end with
`finish`.
"""

from __future__ import annotations

import contourpy
import matplotlib
import numpy as np
from matplotlib import patches
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn.visualize import colors

NOTEBOOKS = ("inline", "nbagg", "ipympl")
WITHOUT_SCREEN = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")


def axes_or_new(ax: Axes | None, figsize: tuple[float, float]) -> tuple[Axes, bool]:
    """Return (axes to draw on, whether they are new)."""
    if ax is not None:
        return ax, False
    _, ax = plt.subplots(1, figsize=figsize)
    return ax, True


def finish(figure: Figure, new: bool) -> Figure | None:
    """Show a figure that was made here, if there is a screen to show it on, and return it.

    Without a screen (Agg) the figure stays pyplot's current one, so that `plt.savefig` works afterwards. A window opens
    without blocking. A notebook shows it, and None is returned: a figure as the last value of a cell would appear a
    second time.
    """
    if not new:
        return figure
    backend = matplotlib.get_backend().lower()
    if any(name in backend for name in NOTEBOOKS):
        plt.show()
        return None
    if backend not in WITHOUT_SCREEN:
        plt.show(block=False)
    return figure


def draw_photo(ax: Axes, image: np.ndarray, title: str = "", margin: int = 10) -> None:
    """Put an image on axes with a small margin, in which outlines at the border can be seen."""
    height, width = image.shape[:2]
    ax.set_xlim(-margin, width + margin)
    ax.set_ylim(height + margin, -margin)
    ax.axis("off")
    ax.set_title(title)
    ax.imshow(image)


def draw_rectangle(ax: Axes, box: np.ndarray, color: colors.Color, style: str = "-", alpha: float = 0.8) -> None:
    """Draw the outline of a (y1, x1, y2, x2) box around its pixels."""
    y1, x1, y2, x2 = (float(v) for v in box)
    ax.add_patch(
        patches.Rectangle(
            (x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1,
            linewidth=2, alpha=alpha, linestyle=style, edgecolor=color, facecolor="none",
        )
    )  # fmt: skip


def draw_outline(ax: Axes, mask: np.ndarray, color: colors.Color) -> None:
    """Draw the outlines of a [H, W] mask, holes included, half-way between mask and background."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    padded = np.pad(part.astype(np.float64), 1)  # closes outlines at the border
    for line in contourpy.contour_generator(z=padded).lines(0.5):
        line = line + (columns[0] - 1, rows[0] - 1)  # [points, (x, y)]
        ax.add_patch(patches.Polygon(line, closed=True, facecolor="none", edgecolor=color, linewidth=1.5))


def write(ax: Axes, x: float, y: float, text: str, color: colors.Color, size: int = 11) -> None:
    """Write white text on a plate of the instance's colour, so that it is read on any photo."""
    plate = {"facecolor": tuple(0.6 * c for c in color[:3]), "alpha": 0.75, "pad": 1.5, "edgecolor": "none"}
    ax.text(x, y, text, color="w", size=size, verticalalignment="bottom", bbox=plate, clip_on=False)


def class_label(class_names: list[str] | dict[int, str], class_id: int) -> str:
    """Return the name of a class, or "class 7" where the names do not reach that far."""
    try:
        return str(class_names[int(class_id)])
    except (IndexError, KeyError):
        return f"class {int(class_id)}"
