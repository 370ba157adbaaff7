"""Pictures of images and the instances on them, drawn with matplotlib under the original library's names."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mrcnn.visualize import colors as palette
from mrcnn.visualize import figures

logger = logging.getLogger(__name__)


def display_images(
    images: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    cols: int = 4,
    cmap: str | None = None,
    norm: Normalize | None = None,
    interpolation: str | None = None,
) -> Figure | None:
    """Show images side by side.

    Args:
        images: [H, W], [H, W, 1] or [H, W, 3] arrays, each of any size; what is not uint8 is drawn as matplotlib draws
            it.
        titles: One text an image, or None.
        cols: Images in a row.
        cmap: Matplotlib colour map of images with one channel.
        norm: Matplotlib normalization of images with one channel.
        interpolation: Matplotlib interpolation.

    Returns:
        The figure; None in a notebook, which has shown it.

    Raises:
        ValueError: Titles and images differ in number, or cols is not positive.
    """
    images = list(images)
    titles = [""] * len(images) if titles is None else list(titles)
    if len(titles) != len(images) or cols < 1:
        raise ValueError(
            f"one title an image and at least one column, got {len(images)} images, {len(titles)} titles, {cols}"
        )
    rows = max(1, -(-len(images) // cols))
    figure, axes = plt.subplots(rows, cols, figsize=(14, 14 * rows / cols), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        image = np.asarray(image)
        if image.ndim == 3 and image.shape[2] == 1:
            image = image[:, :, 0]
        ax.set_title(title, fontsize=9)
        ax.imshow(image, cmap=cmap, norm=norm, interpolation=interpolation)
    return figures.finish(figure, new=True)


def display_instances(
    image: np.ndarray,
    boxes: np.ndarray,
    masks: np.ndarray,
    class_ids: np.ndarray,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
    title: str = "",
    figsize: tuple[float, float] = (16, 16),
    ax: Axes | None = None,
    show_mask: bool = True,
    show_bbox: bool = True,
    colors: Sequence[palette.Color] | None = None,
    captions: Sequence[str] | None = None,
) -> Figure | None:
    """Show an image with the masks, boxes, classes and scores of its instances.

    Args:
        image: [H, W, 3] RGB; other images are brought to that.
        boxes: [N, (y1, x1, y2, x2)] pixels. An instance whose box is all zero is padding and not drawn.
        masks: [H, W, N] bool.
        class_ids: [N] int.
        class_names: The name of each class id.
        scores: [N] float or None. A score of 0 is shown. Deviation: the original hides it.
        title: Text above the image.
        figsize: (width, height) in inches of a new figure.
        ax: Axes to draw on instead; then nothing is shown.
        show_mask: Whether to fill and outline the masks.
        show_bbox: Whether to draw the boxes.
        colors: N colours. None: N different ones, the same at each call.
        captions: N texts to write instead of class and score, or None.

    Returns:
        The figure; None in a notebook, which has shown it.

    Raises:
        ValueError: The arguments differ in the number of instances, or masks and image in size.
    """
    boxes, masks, class_ids = np.asarray(boxes), np.asarray(masks), np.asarray(class_ids)
    num = len(boxes)
    colors = palette.random_colors(num, seed=0) if colors is None else colors
    check_instances(image, boxes, masks, class_ids, scores=scores, colors=colors, captions=captions)
    ax, new = figures.axes_or_new(ax, figsize)
    photo = palette.as_rgb(image)
    if num == 0:
        logger.warning("No instances to display")
        title = f"{title}\nno instances".strip()
    drawn = [i for i in range(num) if np.any(boxes[i])]
    if show_mask:
        for i in drawn:
            palette.apply_mask(photo, masks[:, :, i] > 0.5, colors[i])
    figures.draw_photo(ax, photo, title)
    for i in drawn:
        if show_mask:
            figures.draw_outline(ax, masks[:, :, i] > 0.5, colors[i])
        if show_bbox:
            figures.draw_rectangle(ax, boxes[i], colors[i], style="--", alpha=0.7)
    for i in drawn:  # text last: nothing covers it
        if captions is not None:
            caption = captions[i]
        else:
            caption = figures.class_label(class_names, class_ids[i])
            if scores is not None and scores[i] is not None:
                caption = f"{caption} {scores[i]:.3f}"
        if caption:
            figures.write(ax, boxes[i][1], boxes[i][0], str(caption), colors[i])
    return figures.finish(ax.figure, new)


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
    image: np.ndarray, boxes: np.ndarray, masks: np.ndarray, class_ids: np.ndarray, **others: object
) -> None:
    """Refuse instances whose parts do not belong together, showing what arrived."""
    numbers = {len(boxes), len(class_ids), masks.shape[-1] if masks.ndim == 3 else -1}
    numbers |= {len(part) for part in others.values() if part is not None}
    boxes_fit = len(boxes) == 0 or boxes.ndim == 2 and boxes.shape[1] == 4
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
