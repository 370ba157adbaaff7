"""Matplotlib figures without surprises: they work headless, never block a script, and appear once in a notebook.

Where the caller passes axes, functions draw on them and show nothing. Otherwise they make a figure and end with
`finish`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import contourpy
import matplotlib
import numpy as np
from matplotlib import patches, patheffects
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn.results import WAITING, EncodedMasks, SmallMasks
from mrcnn.visualize import colors

NOTEBOOKS = ("inline", "nbagg", "ipympl")
WITHOUT_SCREEN = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")
GRAY = (0.85, 0.85, 0.85)
_UNDERLAY = [patheffects.withStroke(linewidth=3.5, foreground=(0, 0, 0, 0.55))]  # light lines are seen on light photos too
_TITLE_LINE = 0.3  # inches that a line of a title takes
_LEAST_TITLE = 5.0  # points
_LEAST_SIDE = 2.0  # inches: a photo of one row of pixels still gets a figure


class Label(NamedTuple):
    """A text that stands at the upper left corner of something, in the pixels of the photo.

    Attributes:
        x, y: The corner.
        text: What is written.
        color: (red, green, blue) of what it names; the plate behind the text has it.
    """

    x: float
    y: float
    text: str
    color: colors.Color


def axes_or_new(ax: Axes | None, figsize: tuple[float, float]) -> tuple[Axes, bool]:
    """Return (axes to draw on, whether they are new)."""
    if ax is not None:
        return ax, False
    _, ax = plt.subplots(1, figsize=figsize)
    return ax, True


def photo_axes(ax: Axes | None, figsize: tuple[float, float], image_shape: Sequence[int], title: str = "") -> tuple[Axes, bool]:
    """Return (axes to draw a photo on, whether they are new).

    New ones fill their figure, which has the photo's proportions and is no wider and no higher than figsize.
    """
    if ax is not None:
        return ax, False
    height, width = image_shape[:2]
    above = _TITLE_LINE * (title.count("\n") + 1) + 0.1 if title else 0.05
    scale = min(figsize[0] / width, max(figsize[1] - above, 0.1) / height)
    size = (max(width * scale, _LEAST_SIDE), max(height * scale, _LEAST_SIDE) + above)
    figure, ax = plt.subplots(figsize=size)
    figure.subplots_adjust(left=0, bottom=0, right=1, top=1 - above / size[1])
    return ax, True


def finish(figure: Figure, new: bool) -> Figure | None:
    """Show a figure that was made here, if there is a screen to show it on, and return it.

    Without a screen (Agg) the figure stays pyplot's current one, so that `plt.savefig` works afterwards. A window opens
    without blocking. A notebook shows it, and None is returned: a figure as the last value of a cell would appear a
    second time. That holds for a figure of the caller's too, which the notebook shows at the end of the cell.
    """
    backend = matplotlib.get_backend().lower()
    if any(name in backend for name in NOTEBOOKS):
        if new:
            plt.show()
        return None
    if new and backend not in WITHOUT_SCREEN:
        plt.show(block=False)
    return figure


def draw_photo(ax: Axes, image: np.ndarray, title: str = "") -> None:
    """Put an image on axes with a small margin, in which outlines at the border can be seen."""
    height, width = image.shape[:2]
    margin = min(10.0, 0.01 * max(height, width))
    ax.set_xlim(-margin, width + margin)
    ax.set_ylim(height + margin, -margin)
    ax.axis("off")
    ax.imshow(image)
    text = ax.set_title(title, parse_math=False)  # names of files and classes may hold a $
    if title:
        wide = text.get_window_extent().width / (0.98 * ax.figure.bbox.width)
        text.set_fontsize(max(_LEAST_TITLE, text.get_fontsize() / max(1.0, wide)))  # a long line on a small figure


def draw_rectangle(ax: Axes, box: np.ndarray, color: colors.Color, style: str = "-", alpha: float = 0.8) -> None:
    """Draw the outline of a (y1, x1, y2, x2) box around its pixels."""
    y1, x1, y2, x2 = (float(v) for v in box)
    ax.add_patch(
        patches.Rectangle(
            (x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1,
            linewidth=2, alpha=alpha, linestyle=style, edgecolor=color, facecolor="none",
            path_effects=_UNDERLAY if color == GRAY else None,
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


def write(ax: Axes, labels: Sequence[Label], size: int = 11) -> None:
    """Write white texts on plates of their instances' colours, so that they are read on any photo.

    Each stands on the upper edge of its box. Those that would leave the photo are moved into it, and those that would cover another one are moved
    down, the next free place up or down being taken.

    Args:
        ax: Axes with a photo, see `draw_photo`.
        labels: The first ones get the best places. Empty texts are left out.
        size: Points.
    """
    labels = [label for label in labels if label.text]
    if not labels:
        return
    ax.apply_aspect()  # the place of the photo in the figure, as drawing will find it
    to_pixels, scale = ax.transData, ax.figure.dpi / 72
    frame = ax.get_window_extent()
    taken: list[tuple[float, float, float, float]] = []
    for x, y, text, color in labels:
        plate = {"facecolor": tuple(0.6 * c for c in color[:3]), "alpha": 0.8, "pad": 1.5, "edgecolor": "none"}
        drawn = ax.text(x, y, text, color="w", size=size, verticalalignment="bottom", bbox=plate, clip_on=False, parse_math=False)
        extent = drawn.get_window_extent()
        pad = 1.5 * scale
        left, bottom = to_pixels.transform((x, y))
        wide, high = extent.width + 2 * pad, extent.height + 2 * pad
        place = _free(left - pad, bottom - pad, wide, high, (frame.x0, frame.y0, frame.x1, frame.y1), taken)
        taken.append((*place, wide, high))
        shift = place[0] + pad - left, place[1] + pad - bottom
        if max(abs(shift[0]), abs(shift[1])) > 0.5:
            drawn.set_position(to_pixels.inverted().transform((left + shift[0], bottom + shift[1])))


def class_label(class_names: Sequence[str] | Mapping[int, str], class_id: int) -> str:
    """Return the name of a class, or "class 7" where the names do not reach that far. Crowds have negative ids: "shoe (crowd)"."""
    number = abs(int(class_id))
    try:
        name = str(class_names[number])
    except (IndexError, KeyError):
        name = f"class {number}"
    return f"{name} (crowd)" if class_id < 0 else name


def masks_of(masks: Any, image_shape: Sequence[int], num: int) -> np.ndarray | SmallMasks | EncodedMasks:
    """Bring what users pass as masks to something that has planes: see `plane`.

    Args:
        masks: [H, W, N] of any dtype, a list of N planes [H, W], `SmallMasks` or `EncodedMasks` that wait, or None or anything
            empty where there are none.
        image_shape: (H, W) of the image.
        num: How many instances there are; 0 makes anything empty acceptable.

    Returns:
        [H, W, N], or the masks that wait.
    """
    if isinstance(masks, WAITING):
        return masks
    if masks is None:
        masks = np.zeros((*image_shape[:2], 0), bool)
    if isinstance(masks, (list, tuple)) and len(masks) and all(np.ndim(mask) == 2 for mask in masks):
        masks = np.stack(masks, axis=-1)
    masks = np.asarray(masks)
    return np.zeros((*image_shape[:2], 0), bool) if num == 0 and masks.size == 0 else masks


def plane(masks: np.ndarray | SmallMasks | EncodedMasks, i: int) -> np.ndarray:
    """Return the mask of one instance, [H, W] bool. Masks that wait are pasted one at a time and never all at once."""
    if isinstance(masks, WAITING):
        return masks.select(np.array([i])).planes()[:, :, 0]
    return np.asarray(masks[:, :, i]) > 0.5


def _free(
    x: float, y: float, wide: float, high: float, frame: tuple[float, float, float, float], taken: Sequence[tuple[float, float, float, float]]
) -> tuple[float, float]:
    """Return the place nearest below or above (x, y), within the frame, where a plate covers no other one: left and bottom, y upwards."""
    x = min(max(x, frame[0]), max(frame[2] - wide, frame[0]))
    highest = max(frame[3] - high, frame[1])
    y = min(max(y, frame[1]), highest)
    steps = int(max(frame[3] - frame[1], high) / high * 4) + 1
    for step in range(steps):
        for candidate in (y - step * high / 4, y + step * high / 4):
            if frame[1] <= candidate <= highest and not any(
                x < tx + tw and tx < x + wide and candidate < ty + th and ty < candidate + high for tx, ty, tw, th in taken
            ):
                return x, candidate
    return x, y  # so many labels that there is no free place
