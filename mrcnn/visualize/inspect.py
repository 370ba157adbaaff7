"""Pictures and tables for looking into a network: rois, refinements, masks by class, weights."""

from __future__ import annotations

import html
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn.ops import paste
from mrcnn.results import WAITING
from mrcnn.visualize import colors as palette
from mrcnn.visualize import figures, instances

logger = logging.getLogger(__name__)

GRAY = figures.GRAY


def draw_rois(
    image: np.ndarray,
    rois: np.ndarray,
    refined_rois: np.ndarray,
    mask: np.ndarray,
    class_ids: np.ndarray,
    class_names: Sequence[str],
    limit: int = 10,
) -> Figure | None:
    """Show rois, dotted, with their refined boxes, classes and masks; background rois in gray.

    Args:
        image: [H, W, 3] RGB.
        rois: [R, (y1, x1, y2, x2)] pixels. Rows of zeros are padding and not drawn.
        refined_rois: [R, (y1, x1, y2, x2)] pixels.
        mask: [R, h, w] mask of each roi within its box, from 0 to 1.
        class_ids: [R] int, 0 is background.
        class_names: The name of each class id.
        limit: At most so many rois are drawn, chosen at random but the same at each call.

    Returns:
        The figure; None in a notebook, which has shown it. The title counts positive and negative rois.

    Raises:
        ValueError: The arguments differ in the number of rois.
    """
    rois, refined_rois, class_ids = np.asarray(rois), np.asarray(refined_rois), np.asarray(class_ids)
    if len({len(rois), len(refined_rois), len(mask), len(class_ids)}) != 1:
        shapes = [np.shape(part) for part in (rois, refined_rois, mask, class_ids)]
        raise ValueError(f"rois, refined_rois, mask and class_ids must agree in their number, got {shapes}")
    real = np.flatnonzero(rois.any(axis=1)) if len(rois) else np.zeros(0, int)
    chosen = real if len(real) <= limit else np.sort(np.random.default_rng(0).choice(real, limit, replace=False))
    photo = palette.as_rgb(image)
    colors = dict(zip(chosen.tolist(), palette.random_colors(len(chosen), seed=0), strict=True))
    positive = [i for i in chosen.tolist() if class_ids[i] > 0]
    for i in positive:
        pasted = paste.plane(np.asarray(mask[i], np.float32), np.rint(rois[i]).astype(np.int32), photo.shape)
        palette.apply_mask(photo, pasted, colors[i])
    num_positive = int(np.count_nonzero(class_ids[real] > 0))
    share = num_positive / max(len(real), 1)
    title = f"{num_positive} positive and {len(real) - num_positive} negative rois (positive share {share:.2f})"
    ax, new = figures.photo_axes(None, (12, 12), photo.shape, title)
    figures.draw_photo(ax, photo, title)
    for i in chosen.tolist():
        figures.draw_rectangle(ax, rois[i], colors[i] if class_ids[i] > 0 else GRAY, style=":")
    for i in positive:
        _draw_refinement(ax, rois[i], refined_rois[i], colors[i])
    names = {i: figures.class_label(class_names, class_ids[i]) for i in positive}
    figures.write(ax, [figures.Label(refined_rois[i][1], refined_rois[i][0], names[i], colors[i]) for i in positive])
    return figures.finish(ax.figure, new)


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray | None = None,
    refined_boxes: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    captions: Sequence[str] | None = None,
    visibilities: Sequence[int] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Figure | None:
    """Show boxes, what they were refined to, their masks and captions.

    Args:
        image: [H, W, 3] RGB.
        boxes: [N, (y1, x1, y2, x2)] pixels, or None.
        refined_boxes: [N, (y1, x1, y2, x2)] pixels, or None. A line joins the upper left corners. Rows of zeros are
            left out.
        masks: [H, W, N] bool, or None.
        captions: N texts, or None.
        visibilities: N numbers: 0 gray and dotted, 1 in colour and dotted, 2 in colour. None: 1 where there are refined
            boxes.
        title: Text above the image.
        ax: Axes to draw on instead of a new figure.

    Returns:
        The figure; None in a notebook, which has shown it.

    Raises:
        ValueError: Neither boxes nor refined_boxes is given, or the arguments differ in number.
    """
    masks = masks.planes() if isinstance(masks, WAITING) else masks
    if boxes is None and refined_boxes is None:
        raise ValueError("draw_boxes needs boxes or refined_boxes (or both), got neither")
    planes = None if masks is None else np.moveaxis(np.asarray(masks), -1, 0)
    num = _agreed(boxes=boxes, refined_boxes=refined_boxes, captions=captions, visibilities=visibilities, masks=planes)
    colors = palette.random_colors(num, seed=0)
    photo = palette.as_rgb(image)
    ax, new = figures.photo_axes(ax, (12, 12), photo.shape, title)
    for i in range(num if masks is not None else 0):
        palette.apply_mask(photo, np.asarray(masks)[:, :, i] > 0.5, colors[i])
    figures.draw_photo(ax, photo, title)
    labels = []
    for i in range(num):
        visibility = 2 if refined_boxes is None else 1
        visibility = visibility if visibilities is None else int(visibilities[i])
        color, style, alpha = (GRAY, ":", 0.5) if visibility == 0 else (colors[i], "-" if visibility == 2 else ":", 1.0)
        place = None
        if boxes is not None and np.any(boxes[i]):
            place = boxes[i]
            figures.draw_rectangle(ax, place, color, style, alpha)
        if refined_boxes is not None and visibility > 0 and np.any(refined_boxes[i]):
            _draw_refinement(ax, place, refined_boxes[i], color)
            place = refined_boxes[i]
        if masks is not None:
            figures.draw_outline(ax, np.asarray(masks)[:, :, i] > 0.5, color)
        if captions is not None and place is not None and captions[i]:
            labels.append(figures.Label(place[1], place[0], str(captions[i]), color))
    figures.write(ax, labels)
    return figures.finish(ax.figure, new)


def _agreed(**parts: Sequence[object] | np.ndarray | None) -> int:
    """Return the number of boxes that the arguments given are for."""
    counts = {name: len(part) for name, part in parts.items() if part is not None}
    if len(set(counts.values())) != 1:
        raise ValueError(f"the arguments must agree in the number of boxes, got {counts}")
    return next(iter(counts.values()))


def display_top_masks(
    image: np.ndarray, mask: np.ndarray, class_ids: np.ndarray, class_names: Sequence[str], limit: int = 4
) -> Figure | None:
    """Show an image and beside it the masks of the classes that cover most of it, instances in different shades.

    Args:
        image: [H, W, 3] RGB.
        mask: [H, W, N] bool.
        class_ids: [N] int.
        class_names: The name of each class id.
        limit: How many classes. Where the image has fewer, panels stay empty.

    Returns:
        The figure; None in a notebook, which has shown it.

    Raises:
        ValueError: Masks and class ids differ in number, or mask and image in size.
    """
    class_ids = np.asarray(class_ids)
    mask = figures.masks_of(mask, np.shape(image), len(class_ids))
    mask = (mask.planes() if isinstance(mask, WAITING) else mask) > 0.5
    if mask.ndim != 3 or mask.shape[2] != len(class_ids) or (len(class_ids) and mask.shape[:2] != np.shape(image)[:2]):
        raise ValueError(
            f"mask must be [H, W, N] of the image's size with a class id each, got mask {mask.shape}, image "
            f"{np.shape(image)} and {len(class_ids)} class ids"
        )
    areas = {int(k): np.count_nonzero(mask[:, :, class_ids == k]) for k in np.unique(class_ids)}
    top = sorted((k for k in areas if areas[k]), key=lambda k: -areas[k])[:limit]
    images, titles = [palette.as_rgb(image)], ["{}x{} pixels".format(*np.shape(image)[:2])]
    for k in top:
        of_class = mask[:, :, class_ids == k]
        shades = np.arange(1, of_class.shape[2] + 1) / of_class.shape[2]
        images.append(np.max(of_class * shades, axis=2))
        titles.append(figures.class_label(class_names, k))
    missing = limit - len(top)
    images += [np.zeros(np.shape(image)[:2])] * missing
    titles += ["-"] * missing
    return instances.display_images(images, titles=titles, cols=limit + 1, cmap="Blues_r")


def display_table(table: Sequence[Sequence[Any]]) -> None:
    """Show rows of cells: as a table in a notebook, as aligned text elsewhere.

    Args:
        table: Rows of anything that can be written; rows may differ in length.
    """
    rows = [[str(cell) for cell in row] for row in table]
    if _in_notebook():
        from IPython import display  # present in any notebook

        cells = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
        display.display(display.HTML("<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"))
        return
    columns = max((len(row) for row in rows), default=0)
    widths = [max(len(row[k]) for row in rows if len(row) > k) for k in range(columns)]
    for row in rows:  # a display function, called for its output: print, not logging
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())  # noqa: T201


def display_weight_stats(model: Any) -> None:
    """Show a table of each weight's shape, least, greatest value and standard deviation, and what looks wrong about it.

    Args:
        model: Anything with `get_trainable_layers()`, as mrcnn.model.MaskRCNN has.
    """
    display_table([["WEIGHT NAME", "SHAPE", "MIN", "MAX", "STD"], *weight_stats(model.get_trainable_layers())])


def weight_stats(layers: Sequence[Any]) -> list[list[str]]:
    """Return [name, shape, min, max, std] of each weight of Keras layers, as text.

    A name carries a remark where all values are equal though no bias, beta or gamma ("dead?"), a value is beyond ±1000
    ("overflow?") or is no number ("nan!").
    """
    rows = []
    for layer in layers:
        for variable, values in zip(layer.weights, layer.get_weights(), strict=True):
            values = np.asarray(values, np.float64)
            short = str(variable.name).split("/")[-1].split(":")[0]
            name = f"{layer.name}/{short}"
            if not values.size:
                rows.append([name, str(values.shape), "", "", ""])
                continue
            least, greatest = values.min(), values.max()
            if not np.isfinite(values).all():
                name += " *** nan!"
            elif least == greatest and values.size > 1 and short.startswith(("kernel", "embeddings")):
                name += " *** dead?"
            elif max(abs(least), abs(greatest)) > 1000:
                name += " *** overflow?"
            numbers = (least, greatest, values.std() if np.isfinite(values).all() else np.nan)
            rows.append([name, str(values.shape), *(f"{number:+10.4f}" for number in numbers)])
    return rows


def _draw_refinement(ax: Axes, box: np.ndarray | None, refined: np.ndarray, color: palette.Color) -> None:
    """Draw a refined box and a line from the corner of the box that it came from."""
    figures.draw_rectangle(ax, refined, color, alpha=1.0)
    if box is not None:
        ax.plot([box[1], refined[1]], [box[0], refined[0]], color=color, linewidth=1)


def _in_notebook() -> bool:
    """Tell whether output goes to a Jupyter kernel."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None
