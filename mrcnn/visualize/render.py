"""Pictures of detections drawn straight into pixels with OpenCV: fast, of the image's own size, ready to be written to
a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from mrcnn import results
from mrcnn.visualize import colors as palette
from mrcnn.visualize import figures

FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_instances(
    image: np.ndarray,
    detections: Mapping[str, np.ndarray],
    class_names: Sequence[str] | Mapping[int, str],
    *,
    colors: Sequence[palette.Color] | None = None,
    alpha: float = 0.45,
    show_masks: bool = True,
    show_boxes: bool = True,
    show_captions: bool = True,
    show_scores: bool = True,
    enlarge: int = 1,
) -> np.ndarray:
    """Draw masks, boxes, classes and confidences over an image.

    Args:
        image: [H, W, 3] RGB uint8; other images are brought to that. It is not changed.
        detections: A mapping with rois, class_ids, scores and masks of this image's size, see `results.Detections`. For
            ground truth give any scores and show_scores=False.
        class_names: The name of each class id. Text is ASCII; other characters are drawn as "?".
        colors: A colour an instance, each value from 0 to 1. None: a colour a class, the same in every picture.
        alpha: Opacity of the masks, from 0 to 1.
        show_masks: Whether to fill and outline the masks.
        show_boxes: Whether to draw the boxes.
        show_captions: Whether to write the class and the confidence.
        show_scores: Whether the caption has the confidence.
        enlarge: Draw on the image enlarged by this whole number, for images too small to be written on.

    Returns:
        [H · enlarge, W · enlarge, 3] RGB uint8.

    Raises:
        ValueError: The detections are not of this image's size or their parts disagree, there is not a colour for each,
            or enlarge is not positive.
    """
    found = results.Detections.from_mapping(detections)
    photo = palette.as_rgb(image)
    if found.num and found.image_shape != photo.shape[:2]:
        raise ValueError(f"the masks are {found.image_shape} and the image is {photo.shape[:2]} (height, width)")
    if colors is not None and len(colors) != found.num:
        raise ValueError(f"got {len(colors)} colors for {found.num} instances")
    if enlarge < 1:
        raise ValueError(f"enlarge must be a whole number of 1 or more, got {enlarge}")
    colors = [palette.class_color(k) for k in found["class_ids"]] if colors is None else colors
    pixels = [tuple(int(round(255 * c)) for c in color[:3]) for color in colors]
    photo = cv2.resize(photo, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC) if enlarge > 1 else photo
    pen = _Pen.for_image(*photo.shape[:2])
    largest_first = np.argsort(-found.areas, kind="stable").tolist()
    if show_masks:
        for i in largest_first:
            _draw_mask(photo, found["masks"][:, :, i], pixels[i], alpha, pen, enlarge)
    if show_boxes:
        for i in largest_first:
            y1, x1, y2, x2 = (found["rois"][i] * enlarge).tolist()
            cv2.rectangle(photo, (x1, y1), (max(x1, x2 - 1), max(y1, y2 - 1)), pixels[i], pen.line)
    if show_captions:
        taken: list[tuple[int, int, int, int]] = []
        for i in np.argsort(-found["scores"], kind="stable").tolist():  # the most confident one has the best place
            text = figures.class_label(class_names, found["class_ids"][i])
            text = f"{text} {found['scores'][i]:.2f}" if show_scores else text
            _write(photo, text, (found["rois"][i] * enlarge).tolist(), pixels[i], pen, taken)
    return photo


@dataclasses.dataclass(frozen=True)
class _Pen:
    """Sizes in pixels that suit an image."""

    line: int
    font_scale: float
    font_line: int
    pad: int

    @classmethod
    def for_image(cls, height: int, width: int) -> _Pen:
        side = max(height, width)
        font_scale = float(
            np.clip(side / 1500, 0.35, 2.0)
        )  # capitals of about 1.5 % of the longer side, at least 8 pixels
        return cls(
            line=max(1, round(side / 500)),
            font_scale=font_scale,
            font_line=max(1, round(font_scale * 1.5)),
            pad=max(2, round(font_scale * 5)),
        )


def _draw_mask(
    photo: np.ndarray, mask: np.ndarray, color: tuple[int, ...], alpha: float, pen: _Pen, enlarge: int
) -> None:
    """Fill and outline one mask within the part of the photo that it covers, in place."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8)
    if enlarge > 1:
        part = np.repeat(np.repeat(part, enlarge, axis=0), enlarge, axis=1)
    y, x = int(rows[0]) * enlarge, int(columns[0]) * enlarge
    view = photo[y : y + part.shape[0], x : x + part.shape[1]]
    inside = part.astype(bool)
    view[inside] = np.rint(view[inside] * (1 - alpha) + np.array(color) * alpha).astype(np.uint8)
    outlines, _ = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    drawn = view.copy()
    cv2.drawContours(drawn, outlines, -1, color, max(1, 2 * pen.line - 1), cv2.LINE_AA)
    view[inside] = drawn[inside]  # the line stays within the mask: neighbours keep their pixels


def _write(
    photo: np.ndarray,
    text: str,
    box: list[int],
    color: tuple[int, ...],
    pen: _Pen,
    taken: list[tuple[int, int, int, int]],
) -> None:
    """Write on a plate of the instance's colour at the upper left corner of its box, moved down off other plates."""
    text = text.encode("ascii", "replace").decode("ascii")
    (width, height), below = cv2.getTextSize(text, FONT, pen.font_scale, pen.font_line)
    plate_width, plate_height = width + 2 * pen.pad, height + below + 2 * pen.pad
    x = int(np.clip(box[1], 0, max(photo.shape[1] - plate_width, 0)))
    lowest = max(photo.shape[0] - plate_height, 0)
    start = int(np.clip(box[0] - plate_height, 0, lowest))
    places = [start, *range(start + 2, lowest + 1, 2), *range(start, -1, -2)]
    y = next((y for y in places if not any(_meet((y, x, plate_height, plate_width), other) for other in taken)), start)
    taken.append((y, x, plate_height, plate_width))
    cv2.rectangle(photo, (x, y), (x + plate_width - 1, y + plate_height - 1), color, cv2.FILLED)
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
    ink = (0, 0, 0) if bright else (255, 255, 255)
    cv2.putText(photo, text, (x + pen.pad, y + pen.pad + height), FONT, pen.font_scale, ink, pen.font_line, cv2.LINE_AA)


def _meet(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    """Tell whether two (y, x, height, width) plates overlap."""
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )
