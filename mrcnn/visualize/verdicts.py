"""Validation results as pictures: the ground truth with what was missed, and beside it the detections with the false alarms.

Drawn with OpenCV, for files. Colours are of Okabe and Ito's palette, told apart by those who see fewer colours; missed instances and false alarms are
also named in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mrcnn.ops import boxes, matching
from mrcnn.ops import masks as mask_ops
from mrcnn.results import WAITING, Detections
from mrcnn.visualize import figures, render

RIGHT = (0.0, 0.447, 0.698)  # blue: an instance that was found, and the detection that found it
MISSED = (0.941, 0.894, 0.259)  # yellow
FALSE_ALARM = (0.835, 0.369, 0.0)  # vermilion
NOT_JUDGED = (0.6, 0.6, 0.6)  # crowds, and the detections on them
LEGEND = ((RIGHT, "found"), (MISSED, "missed"), (FALSE_ALARM, "false alarm"), (NOT_JUDGED, "crowd, not judged"))
SMALL, LARGE = 512, 1024  # an image is drawn at a longer side of at least, and at most, about so many pixels
GAP = 6
HEADING = 26  # pixels that the line above a picture takes
WHITE = (255, 255, 255)


class Verdicts(NamedTuple):
    """What became of the instances and the detections of an image.

    Attributes:
        matches: [P] int64, the instance that each detection found; -1: none.
        found: [N] bool, instances that a detection found.
        missed: [N] bool, instances that none found, crowds apart.
        ignored: [P] bool, detections that found nothing, but lie on a crowd of their class.
        false_alarms: [P] bool, the other detections that found nothing.
    """

    matches: np.ndarray
    found: np.ndarray
    missed: np.ndarray
    ignored: np.ndarray
    false_alarms: np.ndarray


def judge(
    gt_masks: np.ndarray, gt_class_ids: np.ndarray, masks: np.ndarray, class_ids: np.ndarray, scores: np.ndarray, *, iou_threshold: float = 0.5
) -> Verdicts:
    """Match detections, best first, to the instances of their class that they overlap most.

    Args:
        gt_masks: [H, W, N] bool.
        gt_class_ids: [N] int, negative for crowds.
        masks: [H, W, P] bool.
        class_ids: [P] int.
        scores: [P] float.
        iou_threshold: The least mask IoU of a match. A detection lies on a crowd where at least this share of it does, as in COCO's evaluation.

    Returns:
        The verdicts.

    Raises:
        ValueError: masks and class ids disagree in number, or the masks in size.

    Example: two shirts, one of them found, and a shoe where there is none.
        >>> truth = np.zeros((4, 4, 2), bool)
        >>> truth[:2, :, 0], truth[2:, :2, 1] = True, True
        >>> seen = judge(truth, np.array([1, 1]), truth[:, :, [0, 1]], np.array([1, 2]), np.array([0.9, 0.8]))
        >>> seen.found.tolist(), seen.missed.tolist(), seen.false_alarms.tolist()
        ([True, False], [False, True], [False, True])
    """
    gt_class_ids, class_ids, scores = (np.asarray(part).reshape(-1) for part in (gt_class_ids, class_ids, scores))
    gt_masks, masks = np.asarray(gt_masks) > 0.5, np.asarray(masks) > 0.5
    if gt_masks.shape[2:] != gt_class_ids.shape or masks.shape[2:] != class_ids.shape or len(scores) != len(class_ids):
        raise ValueError(
            f"a class an instance and a class and a score a detection, got masks {gt_masks.shape} with {len(gt_class_ids)} classes, "
            f"and masks {masks.shape} with {len(class_ids)} classes and {len(scores)} scores"
        )
    if len(gt_class_ids) and len(class_ids) and gt_masks.shape[:2] != masks.shape[:2]:
        raise ValueError(f"masks of the ground truth are {gt_masks.shape[:2]} and of the detections {masks.shape[:2]} (height, width)")
    crowd = gt_class_ids < 0
    matches, taken = np.full(len(class_ids), -1), np.zeros(len(gt_class_ids), bool)
    ignored = np.zeros(len(class_ids), bool)
    if len(gt_class_ids) and len(class_ids):
        order = matching.rank(scores)
        same = class_ids[:, None] == np.abs(gt_class_ids)[None, :]
        matches[order], _ = matching.greedy(mask_ops.overlaps(masks, gt_masks)[order], iou_threshold, (same & ~crowd)[order])
        taken[matches[matches >= 0]] = True
        for i in np.flatnonzero(crowd):
            inside = np.count_nonzero(masks & gt_masks[:, :, i : i + 1], axis=(0, 1))
            ignored |= same[:, i] & (inside > 0) & (inside >= iou_threshold * np.count_nonzero(masks, axis=(0, 1)))
    ignored &= matches < 0
    return Verdicts(matches, taken, ~taken & ~crowd, ignored, (matches < 0) & ~ignored)


def draw_verdicts(
    image: np.ndarray,
    gt_masks: np.ndarray,
    gt_class_ids: np.ndarray,
    detections: Mapping[str, np.ndarray],
    class_names: Sequence[str] | Mapping[int, str],
    *,
    iou_threshold: float = 0.5,
    name: str = "ground truth",
    heading: str | None = None,
) -> np.ndarray:
    """Draw the ground truth, missed instances marked, and beside it the detections, false alarms marked.

    Args:
        image: [H, W, 3] RGB; other images are brought to that. It is not changed.
        gt_masks: [H, W, N] bool.
        gt_class_ids: [N] int, negative for crowds.
        detections: A mapping with rois, class_ids, scores and masks of this image's size; those that shall not count have been left out (`filter`).
        class_names: The name of each class id.
        iou_threshold: The least mask IoU of a match.
        name: What stands above the ground truth, before how many instances were missed.
        heading: What stands above the detections; None counts them.

    Returns:
        [H', W', 3] RGB uint8: both halves, small images enlarged and large ones shrunk, each under its line.

    Raises:
        ValueError: see `judge` and `draw_instances`.
    """
    found = Detections.from_mapping(detections)
    gt_class_ids = np.asarray(gt_class_ids).reshape(-1).astype(np.int64)
    gt_masks = gt_masks.planes() if isinstance(gt_masks, WAITING) else np.asarray(gt_masks)
    gt_masks = np.zeros((*np.shape(image)[:2], 0), bool) if not len(gt_class_ids) and not gt_masks.size else gt_masks > 0.5
    seen = judge(gt_masks, gt_class_ids, found["masks"], found["class_ids"], found["scores"], iou_threshold=iou_threshold)
    truth = Detections(boxes.from_masks(gt_masks), gt_class_ids, np.ones(len(gt_class_ids)), gt_masks)
    names = [figures.class_label(class_names, k) for k in gt_class_ids]
    left = _pane(
        image, truth, class_names, f"{name}{_missed(seen)}",
        colors=[MISSED if seen.missed[i] else RIGHT if seen.found[i] else NOT_JUDGED for i in range(len(names))],
        captions=[f"missed: {text}" if seen.missed[i] else text for i, text in enumerate(names)],
    )  # fmt: skip
    names = [f"{figures.class_label(class_names, k)} {score:.2f}" for k, score in zip(found["class_ids"], found["scores"], strict=True)]
    right = _pane(
        image, found, class_names, heading if heading is not None else _counted(seen),
        colors=[FALSE_ALARM if seen.false_alarms[i] else NOT_JUDGED if seen.ignored[i] else RIGHT for i in range(found.num)],
        captions=[f"false: {text}" if seen.false_alarms[i] else text for i, text in enumerate(names)],
    )  # fmt: skip
    return np.hstack([left, right])


def draw_results(
    images: Sequence[np.ndarray],
    gt_masks: Sequence[np.ndarray],
    gt_class_ids: Sequence[np.ndarray],
    detections: Sequence[Mapping[str, np.ndarray]],
    class_names: Sequence[str] | Mapping[int, str],
    *,
    names: Sequence[str] | None = None,
    min_score: float = 0.5,
    iou_threshold: float = 0.5,
    columns: int = 2,
    width: int = 1000,
) -> np.ndarray:
    """Draw a sheet of validation results: a pair of ground truth and detections an image, misses and false alarms marked, with a legend.

    Args:
        images: N images, see `draw_verdicts`.
        gt_masks: N times [H, W, n] bool.
        gt_class_ids: N times [n] int, negative for crowds.
        detections: N mappings with rois, class_ids, scores and masks, as `detect` returns them.
        class_names: The name of each class id.
        names: What each image is called; None numbers them.
        min_score: Detections with a lower score are left out.
        iou_threshold: The least mask IoU of a match.
        columns: Pairs in a row, at most.
        width: Of a pair, in pixels.

    Returns:
        [H, W, 3] RGB uint8.

    Raises:
        ValueError: the lists differ in length or are empty; see `draw_verdicts`.
    """
    lengths = {len(part) for part in (images, gt_masks, gt_class_ids, detections, *([] if names is None else [names]))}
    if len(lengths) != 1 or not len(images):
        raise ValueError(f"a ground truth, detections and a name an image, and at least one image; got lists of {sorted(lengths)}")
    names = [f"image {i}" for i in range(len(images))] if names is None else names
    pairs = [
        draw_verdicts(
            image, masks, class_ids, Detections.from_mapping(found).filter(min_score=min_score), class_names, iou_threshold=iou_threshold,
            name=f"{name}, ground truth",
        )
        for image, masks, class_ids, found, name in zip(images, gt_masks, gt_class_ids, detections, names, strict=True)
    ]  # fmt: skip
    return sheet(pairs, columns=columns, width=width)


def sheet(pictures: Sequence[np.ndarray], *, columns: int = 2, width: int = 1000) -> np.ndarray:
    """Lay pictures of `draw_verdicts`, of any sizes, out in rows, each brought to one width, under a legend: [H, W, 3] uint8.

    Raises:
        ValueError: there is no picture, or no column.
    """
    if not len(pictures) or columns < 1:
        raise ValueError(f"a sheet needs pictures and at least one column, got {len(pictures)} and {columns}")
    same = [resized(picture, width / picture.shape[1]) for picture in pictures]
    columns = min(columns, len(same))
    rows = [_legend(columns * width)]
    for first in range(0, len(same), columns):
        row = same[first : first + columns]
        filled = np.full((max(picture.shape[0] for picture in row), columns * width, 3), 255, np.uint8)
        for number, picture in enumerate(row):
            filled[: picture.shape[0], number * width : (number + 1) * width] = picture
        rows.append(filled)
    return np.vstack(rows)


def resized(picture: np.ndarray, factor: float) -> np.ndarray:
    """Return a picture of `factor` times its size, at least a pixel high and wide."""
    height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def _pane(
    image: np.ndarray, detections: Detections, class_names: Sequence[str] | Mapping[int, str], heading: str, *,
    colors: Sequence[tuple[float, float, float]], captions: Sequence[str],
) -> np.ndarray:  # fmt: skip
    """Draw instances on the image, brought to a size that can be read, under a heading, with a white border."""
    longer = max(image.shape[:2])
    enlarge = max(1, SMALL // longer)
    pane = render.draw_instances(image, detections, class_names, colors=colors, captions=captions, enlarge=enlarge)
    if longer * enlarge > LARGE:
        pane = resized(pane, LARGE / (longer * enlarge))
    strip = np.full((HEADING, pane.shape[1], 3), 255, np.uint8)
    scale = 0.5
    while cv2.getTextSize(heading, render.FONT, scale, 1)[0][0] > pane.shape[1] - 8 and scale > 0.2:
        scale -= 0.02
    cv2.putText(strip, heading, (4, 18), render.FONT, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return cv2.copyMakeBorder(np.vstack([strip, pane]), 0, GAP, GAP, GAP, cv2.BORDER_CONSTANT, value=WHITE)


def _legend(width: int) -> np.ndarray:
    """Return a strip that says what the colours mean: [HEADING + GAP, width, 3]."""
    lengths = [cv2.getTextSize(text, render.FONT, 0.5, 1)[0][0] for _, text in LEGEND]
    strip = np.full((HEADING + GAP, max(width, sum(lengths) + 52 * len(LEGEND) + GAP), 3), 255, np.uint8)
    x = GAP
    for (color, text), length in zip(LEGEND, lengths, strict=True):
        cv2.rectangle(strip, (x, 9), (x + 22, 25), tuple(int(round(255 * c)) for c in color), cv2.FILLED)
        cv2.putText(strip, text, (x + 28, 22), render.FONT, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        x += 52 + length
    return strip if strip.shape[1] == width else cv2.resize(strip, (width, HEADING + GAP), interpolation=cv2.INTER_AREA)  # a narrow sheet


def _missed(seen: Verdicts) -> str:
    count, judged = int(seen.missed.sum()), int((seen.missed | seen.found).sum())
    crowds = len(seen.found) - judged
    return f": {judged}" + (f" and {crowds} crowd{'s' * (crowds != 1)}" if crowds else "") + (f", {count} missed" if count else "")


def _counted(seen: Verdicts) -> str:
    count = int(seen.false_alarms.sum())
    return f"{len(seen.matches)} detection{'s' * (len(seen.matches) != 1)}" + (f", {count} false" if count else "")
