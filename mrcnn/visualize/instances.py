"""Pictures of images and the instances on them, drawn with matplotlib under the original library's names."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mrcnn.results import EncodedMasks, SmallMasks
from mrcnn.visualize import colors as palette
from mrcnn.visualize import figures

logger = logging.getLogger(__name__)

_NONE = "no instances"
_WIDTH = 14.0  # inches of the figure of `display_images`
_GAP = 0.12  # inches between images
_LETTERS = 13  # of a title, in an inch


def display_images(
    images: Sequence[np.ndarray] | np.ndarray,
    titles: Sequence[str] | None = None,
    cols: int = 4,
    cmap: str | None = None,
    norm: Normalize | None = None,
    interpolation: str | None = None,
) -> Figure | None:
    """Show images side by side.

    Args:
        images: [H, W], [H, W, 1], [H, W, 3] or [H, W, 4] arrays, each of any size, bool, whole numbers or floats; or one of them.
            Colours of floats go from 0 to 1, or else from 0 to 255; images with one channel are shaded from their least to their greatest value.
            An array [N, H, W] or [N, H, W, C] is N images.
        titles: One text an image, or None.
        cols: Images in a row.
        cmap: Matplotlib colour map of images with one channel.
        norm: Matplotlib normalization of images with one channel.
        interpolation: Matplotlib interpolation.

    Returns:
        The figure; None in a notebook, which has shown it.

    Raises:
        ValueError: Titles and images differ in number, cols is not positive, or something is no image.
    """
    images = [_shown(image) for image in _several(images)]
    titles = [""] * len(images) if titles is None else [titles] if isinstance(titles, str) else list(titles)
    if len(titles) != len(images) or cols < 1:
        raise ValueError(
            f"one title an image and at least one column, got {len(images)} images, {len(titles)} titles, {cols}"
        )
    rows = max(1, -(-len(images) // cols))
    width = _WIDTH / cols
    titles = [textwrap.fill(str(title), max(8, int(width * _LETTERS))) if title else "" for title in titles]
    lines = max((title.count("\n") + 1 for title in titles if title), default=0)
    proportion = max((image.shape[0] / image.shape[1] for image in images), default=1.0)
    height = width * min(max(proportion, 0.1), 2.5) + _GAP
    top = 0.17 * lines
    total = rows * (height + top)
    figure, axes = plt.subplots(rows, cols, figsize=(_WIDTH, total), squeeze=False)
    figure.subplots_adjust(
        left=0.5 * _GAP / _WIDTH, right=1 - 0.5 * _GAP / _WIDTH, bottom=0.5 * _GAP / total, top=1 - (top + 0.5 * _GAP) / total,
        wspace=_GAP / (width - _GAP), hspace=(top + _GAP) / (height - _GAP),
    )  # fmt: skip
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        ax.set_title(title, fontsize=9, parse_math=False)
        ax.imshow(image, cmap=cmap, norm=norm, interpolation=interpolation)
    return figures.finish(figure, new=True)


def display_instances(
    image: np.ndarray, boxes: np.ndarray, masks: np.ndarray, class_ids: np.ndarray, class_names: Sequence[str], scores: np.ndarray | None = None,
    title: str = "", figsize: tuple[float, float] = (16, 16), ax: Axes | None = None, show_mask: bool = True, show_bbox: bool = True,
    colors: Sequence[palette.Color] | None = None, captions: Sequence[str] | None = None,
) -> Figure | None:  # fmt: skip
    """Show an image with the masks, boxes, classes and scores of its instances.

    Args:
        image: [H, W, 3] RGB; other images are brought to that.
        boxes: [N, (y1, x1, y2, x2)] pixels. An instance whose box is all zero is padding and not drawn.
        masks: [H, W, N] bool; a list of N planes; `results.SmallMasks` or `EncodedMasks`, pasted one after the other; or None, which draws none.
        class_ids: [N] int, negative for crowds.
        class_names: The name of each class id.
        scores: [N] float or None. A score of 0 is shown. Deviation: the original hides it.
        title: Text above the image.
        figsize: (width, height) in inches that a new figure has at most; it gets the image's proportions.
            Deviation: the original leaves the rest white.
        ax: Axes to draw on instead; then nothing is shown.
        show_mask: Whether to fill and outline the masks.
        show_bbox: Whether to draw the boxes.
        colors: N colours or more, (red, green, blue) from 0 to 1 or matplotlib's names. None: N different ones, the same at each call.
        captions: N texts to write instead of class and score, or None.

    Returns:
        The figure; None in a notebook, which has shown it.

    Raises:
        ValueError: The arguments differ in the number of instances, or masks and image in size.
    """
    boxes, class_ids, num = np.asarray(boxes), np.asarray(class_ids), len(boxes)
    show_mask = show_mask and masks is not None
    masks = np.zeros((*np.shape(image)[:2], num), bool) if masks is None else figures.masks_of(masks, np.shape(image), num)
    colors = palette.random_colors(num, seed=0) if colors is None else [palette.named(color) for color in colors[:num]]
    check_instances(image, boxes, masks, class_ids, scores=scores, colors=colors, captions=captions)
    photo = palette.as_rgb(image)
    ax, new = figures.photo_axes(ax, figsize, photo.shape, title or ("" if num else _NONE))
    if num == 0:
        logger.warning("No instances to display")
        title = f"{title}\n{_NONE}".strip()
    drawn = [i for i in range(num) if np.any(boxes[i])]
    for i in drawn if show_mask else ():
        mask = figures.plane(masks, i)
        palette.apply_mask(photo, mask, colors[i])
        figures.draw_outline(ax, mask, colors[i])
    figures.draw_photo(ax, photo, title)
    for i in drawn if show_bbox else ():
        figures.draw_rectangle(ax, boxes[i], colors[i], style="--", alpha=0.7)
    texts = [_caption(i, class_ids, class_names, scores, captions) for i in drawn]
    labels = [figures.Label(boxes[i][1], boxes[i][0], text, colors[i]) for i, text in zip(drawn, texts, strict=True)]
    figures.write(ax, labels)  # text last: nothing covers it
    return figures.finish(ax.figure, new)


def _caption(
    i: int, class_ids: np.ndarray, class_names: Sequence[str], scores: np.ndarray | None, captions: Sequence[str] | None
) -> str:  # fmt: skip
    """Return what is written on an instance: its own text, or its class with its score."""
    if captions is not None:
        return "" if captions[i] is None else str(captions[i])
    label = str(figures.class_label(class_names, class_ids[i]))
    return label if scores is None or scores[i] is None else f"{label} {scores[i]:.3f}"


def draw_box(image: np.ndarray, box: Sequence[int], color: Sequence[int]) -> np.ndarray:
    """Draw the outline of a box into an image, two pixels wide, in place.

    Args:
        image: [H, W, C].
        box: (y1, x1, y2, x2) pixels; what lies outside the image is cut.
        color: C values in the image's own range.

    Returns:
        `image` itself.
    """
    height, width = image.shape[:2]
    y1, x1, y2, x2 = (int(v) for v in box)
    rows, columns = slice(max(y1, 0), max(y2 + 2, 0)), slice(max(x1, 0), max(x2 + 2, 0))
    for y in (y1, y2):
        if y < height:
            image[max(y, 0) : max(y + 2, 0), columns] = color
    for x in (x1, x2):
        if x < width:
            image[rows, max(x, 0) : max(x + 2, 0)] = color
    return image


def check_instances(
    image: np.ndarray, boxes: np.ndarray, masks: np.ndarray | SmallMasks | EncodedMasks, class_ids: np.ndarray, **others: object
) -> None:
    """Refuse instances whose parts do not belong together, showing what arrived."""
    numbers = {len(boxes), len(class_ids), masks.shape[-1] if len(masks.shape) == 3 else -1}
    numbers |= {len(part) for part in others.values() if part is not None}
    boxes_fit = len(boxes) == 0 or boxes.ndim == 2 and boxes.shape[1] == 4
    if boxes_fit and not np.isfinite(boxes.astype(np.float64)).all():
        raise ValueError(f"boxes must be numbers, got nan or inf in rows {np.flatnonzero(~np.isfinite(boxes).all(axis=1)).tolist()}")
    if len(numbers) != 1 or not boxes_fit:
        counts = ", ".join(f"{len(part)} {name}" for name, part in others.items() if part is not None)
        raise ValueError(
            "boxes [N, 4], masks [H, W, N] and class_ids [N] must agree in the number of instances; "
            f"got {boxes.shape}, {masks.shape}, {class_ids.shape}, {counts}"
        )
    if len(boxes) and masks.shape[:2] != np.shape(image)[:2]:
        raise ValueError(
            f"masks {masks.shape} and image {np.shape(image)} differ in height or width: masks must have the size of the image "
            "(mini-masks: see mrcnn.utils.expand_mask)"
        )


def _several(images: Sequence[np.ndarray] | np.ndarray) -> list[np.ndarray]:
    """Return the images; an array that is one image, [H, W] or [H, W, 1, 3 or 4], becomes a list of it."""
    if isinstance(images, np.ndarray) and (images.ndim == 2 or (images.ndim == 3 and images.shape[-1] in (1, 3, 4))):
        return [images]
    return [np.asarray(image) for image in images]


def _shown(image: np.ndarray) -> np.ndarray:
    """Return an image that matplotlib draws: one channel as it is, colours as bytes or from 0 to 1."""
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(f"an image is [H, W] or [H, W, C] with at least one pixel, got shape {image.shape}")
    if image.ndim == 2 or image.shape[2] < 3:
        return image if image.ndim == 2 else image[:, :, 0]
    in_range = image.dtype == np.uint8 or (image.dtype.kind == "f" and image.min() >= 0 and image.max() <= 1)
    return image[:, :, :4] if in_range else palette.as_rgb(image)
