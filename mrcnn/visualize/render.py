"""Pictures of detections drawn straight into pixels with OpenCV: fast, of the image's own size, ready to be written to
a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mrcnn import results
from mrcnn.ops import boxes, paste
from mrcnn.visualize import colors as palette
from mrcnn.visualize import figures

FONT = cv2.FONT_HERSHEY_SIMPLEX
LEAST_FONT_SCALE = 0.25  # smaller letters are no letters


def draw_instances(
    image: np.ndarray, detections: Mapping[str, np.ndarray], class_names: Sequence[str] | Mapping[int, str], *,
    colors: Sequence[palette.Color] | None = None, captions: Sequence[str] | None = None, track_ids: Sequence[int] | None = None,
    alpha: float = 0.45, show_masks: bool = True, show_boxes: bool = True, show_captions: bool = True, show_scores: bool = True,
    enlarge: int = 1,
) -> np.ndarray:  # fmt: skip
    """Draw masks, boxes, classes and confidences over an image.

    Args:
        image: [H, W, 3] RGB uint8; other images are brought to that. It is not changed.
        detections: A mapping with rois, class_ids, scores and masks of this image's size, see `results.Detections`. For
            ground truth give any scores and show_scores=False.
            Masks that wait (`lazy_masks=True`) are pasted within their boxes only, and go on waiting.
        class_names: The name of each class id. Text is ASCII; other characters are drawn as "?".
        colors: A colour an instance, each value from 0 to 1, or matplotlib's names. None: a colour a track, or else a class, the same in
            every picture.
        captions: A text an instance instead of class and score, "" for none.
        track_ids: A number an instance that follows it through a video: it names the colour and is written as "shirt #3". None: no tracks.
        alpha: Opacity of the masks, from 0 to 1.
        show_masks: Whether to fill and outline the masks.
        show_boxes: Whether to draw the boxes.
        show_captions: Whether to write the class and the confidence.
        show_scores: Whether the caption has the confidence.
        enlarge: Draw on the image enlarged by this whole number, for images too small to be written on.

    Returns:
        [H · enlarge, W · enlarge, 3] RGB uint8.

    Raises:
        ValueError: The detections are not of this image's size or their parts disagree, there is not a colour, a caption or a track for each,
            or enlarge is not positive.
    """
    found = results.Detections.from_mapping(detections)
    photo = palette.as_rgb(image)
    _check(found, photo, enlarge, colors=colors, captions=captions, track_ids=track_ids)
    if colors is None:
        colors = [palette.class_color(k) for k in (found["class_ids"] if track_ids is None else track_ids)]
    pixels = [tuple(int(round(255 * c)) for c in palette.named(color)[:3]) for color in colors]
    photo = cv2.resize(photo, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC) if enlarge > 1 else photo
    pen = Pen.for_image(*photo.shape[:2])
    outside = 2 * pen.line + 2  # a border that far outside is not seen, and OpenCV counts in 32 bits
    rois = np.clip(found["rois"].astype(np.int64) * enlarge, -outside, [*photo.shape[:2], *photo.shape[:2]] + np.array(outside))
    if show_masks:
        for part, color in sorted(zip(cut_out(found), pixels, strict=True), key=lambda pair: -np.count_nonzero(pair[0].mask)):
            draw_mask(photo, part, color, alpha, pen, enlarge)
    if show_boxes:
        _draw_boxes(photo, rois, pixels, pen.line)
    if show_captions:
        texts = _captions(found, class_names, track_ids, show_scores) if captions is None else captions
        taken: list[tuple[int, int, int, int]] = []
        for i in np.argsort(-found["scores"], kind="stable").tolist():  # the most confident one has the best place
            if texts[i]:
                write(photo, str(texts[i]), rois[i].tolist(), pixels[i], pen, taken)
    return photo


def _draw_boxes(photo: np.ndarray, rois: np.ndarray, pixels: Sequence[tuple[int, ...]], line: int) -> None:
    """Draw boxes, the largest first."""
    sides = np.maximum(rois[:, 2:] - rois[:, :2], 0)
    for i in np.argsort(-sides.prod(axis=1), kind="stable").tolist():
        y1, x1, y2, x2 = rois[i].tolist()
        cv2.rectangle(photo, (x1, y1), (max(x1, x2 - 1), max(y1, y2 - 1)), pixels[i], line)


def _check(found: results.Detections, photo: np.ndarray, enlarge: int, **parts: Sequence[object] | None) -> None:
    """Refuse what cannot be drawn, showing what arrived."""
    if found.num and found.image_shape != photo.shape[:2]:
        raise ValueError(f"the masks are {found.image_shape} and the image is {photo.shape[:2]} (height, width)")
    for name, given in parts.items():
        if given is not None and len(given) != found.num:
            raise ValueError(f"got {len(given)} {name} for {found.num} instances")
    if enlarge < 1:
        raise ValueError(f"enlarge must be a whole number of 1 or more, got {enlarge}")


def _captions(found: results.Detections, class_names: Sequence[str] | Mapping[int, str], track_ids: Sequence[int] | None, scores: bool) -> list[str]:
    """Return what is written beside each detection: class, track and score."""
    texts = [figures.class_label(class_names, k) for k in found["class_ids"]]
    if track_ids is not None:
        texts = [f"{text} #{int(track)}" for text, track in zip(texts, track_ids, strict=True)]
    return [f"{text} {score:.2f}" for text, score in zip(texts, found["scores"], strict=True)] if scores else texts


class Part(NamedTuple):
    """The mask of one instance without the empty rows and columns around it.

    Attributes:
        mask: [h, w] uint8 of 0 and 1; h or w is 0 where the mask is empty.
        y, x: Where its upper left pixel lies on the image.
    """

    mask: np.ndarray
    y: int
    x: int


def cut_out(found: results.Detections) -> list[Part]:
    """Return the masks of detections, each cut to where it has pixels. Masks that wait are pasted within their boxes and go on waiting."""
    if not found.pasted:
        small = dict.__getitem__(found, "masks")  # found["masks"] would paste them all
        return [_pasted(small, i) for i in range(found.num)]
    masks = np.asarray(found["masks"]).astype(bool, copy=False)
    if not found.num or not masks.size:
        return [Part(np.zeros((0, 0), np.uint8), 0, 0)] * found.num
    rows, columns = np.maximum.reduce(masks.view(np.uint8), axis=1), np.maximum.reduce(masks.view(np.uint8), axis=0)  # [H, N], [W, N]
    parts = []
    for i in range(found.num):
        own_rows, own_columns = np.flatnonzero(rows[:, i]), np.flatnonzero(columns[:, i])
        if len(own_rows):
            y, x = int(own_rows[0]), int(own_columns[0])
            part = masks[y : own_rows[-1] + 1, x : own_columns[-1] + 1, i]
            parts.append(Part(np.ascontiguousarray(part).view(np.uint8), y, x))
        else:
            parts.append(Part(np.zeros((0, 0), np.uint8), 0, 0))
    return parts


def _pasted(small: results.SmallMasks, i: int) -> Part:
    """Paste one mask on the part of the image that its box covers."""
    y1, x1, y2, x2 = boxes.clip(np.asarray(small.boxes[i])[None], (0, 0, *small.image_shape[:2]))[0].tolist()
    if y2 <= y1 or x2 <= x1:
        return Part(np.zeros((0, 0), np.uint8), 0, 0)
    corner = np.array([y1, x1, y1, x1])
    return Part(paste.plane(small.masks[i], small.boxes[i] - corner, (y2 - y1, x2 - x1)).view(np.uint8), int(y1), int(x1))


@dataclasses.dataclass(frozen=True)
class Pen:
    """Sizes in pixels that suit an image."""

    line: int
    font_scale: float
    font_line: int
    pad: int

    @classmethod
    def for_image(cls, height: int, width: int) -> Pen:
        side = max(height, width)
        font_scale = float(np.clip(side / 1500, 0.4, 2.0))  # capitals of about 1.5 % of the longer side, at least 9 pixels
        return cls(
            line=max(1, round(side / 500)),
            font_scale=font_scale,
            font_line=max(1, round(font_scale * 1.5)),
            pad=max(2, round(font_scale * 5)),
        )


def draw_mask(photo: np.ndarray, part: Part, color: tuple[int, ...], alpha: float, pen: Pen, enlarge: int = 1, line: int | None = None) -> None:
    """Fill and outline one mask within the part of the photo that it covers, in place. `line` is the width of the outline, None: the pen's."""
    mask = part.mask
    if not mask.size:
        return
    if enlarge > 1:
        mask = cv2.resize(mask, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_NEAREST)
    y, x = part.y * enlarge, part.x * enlarge
    view = photo[y : y + mask.shape[0], x : x + mask.shape[1]]
    drawn = np.empty_like(view)
    drawn[:] = color
    drawn = cv2.addWeighted(view, 1 - alpha, drawn, alpha, 0)
    outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(drawn, outlines, -1, color, max(1, 2 * pen.line - 1) if line is None else line, cv2.LINE_AA)
    np.copyto(view, drawn, where=mask.view(bool)[:, :, None])  # the line stays within the mask: neighbours keep their pixels


def write(
    photo: np.ndarray,
    text: str,
    box: list[int],
    color: tuple[int, ...],
    pen: Pen,
    taken: list[tuple[int, int, int, int]],
) -> None:
    """Write on a plate of the instance's colour at the upper left corner of its box, moved down off other plates."""
    text = text.encode("ascii", "replace").decode("ascii")
    scale = pen.font_scale
    (width, height), below = cv2.getTextSize(text, FONT, scale, pen.font_line)
    while width + 2 * pen.pad > photo.shape[1] and scale > LEAST_FONT_SCALE:  # a long name on a narrow image
        scale = max(0.9 * scale, LEAST_FONT_SCALE)
        (width, height), below = cv2.getTextSize(text, FONT, scale, pen.font_line)
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
    cv2.putText(photo, text, (x + pen.pad, y + pen.pad + height), FONT, scale, ink, pen.font_line, cv2.LINE_AA)


def _meet(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    """Tell whether two (y, x, height, width) plates overlap."""
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )
