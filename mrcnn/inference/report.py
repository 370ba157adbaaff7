"""The report of an evaluation with its pictures: curves, and the worst images with truth and detections side by side."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import cv2
import numpy as np

from mrcnn.evaluation import confusion
from mrcnn.evaluation import overlaps as image_overlaps
from mrcnn.evaluation.collected import CollectedImage
from mrcnn.evaluation.evaluation import Evaluation, ImageErrors
from mrcnn.ops import matching, rle
from mrcnn.results import Detections
from mrcnn.visualize import evaluation_curves, render, training_curves

logger = logging.getLogger(__name__)

WORST, SIDE, GAP = 12, 640, 6  # pictures; pixels of each one's longer side; pixels between two
DPI = 90  # of the curves
FOUND, MISSED, INVENTED, CROWD = (0.0, 0.447, 0.698), (0.941, 0.894, 0.259), (0.835, 0.369, 0.0), (0.6, 0.6, 0.6)  # Okabe and Ito


def save(evaluation: Evaluation, folder: str | os.PathLike[str], load_image: Callable[[CollectedImage], np.ndarray] | None) -> list[str]:
    """Write the report with its pictures; returns the paths.

    Args:
        evaluation: What to write.
        folder: Made where it is absent.
        load_image: Returns the photo of a `CollectedImage`; None: no pictures of images.
    """
    pictures = worst(evaluation, load_image) if load_image else []
    return evaluation.save(folder, curves=curves(evaluation), pictures=pictures)


def curves(evaluation: Evaluation) -> list[tuple[str, bytes]]:
    """Return (caption, PNG) of the plots."""
    names, drawn = evaluation.collected.class_names, []
    for kind, found in evaluation.coco.items():
        figure = evaluation_curves.plot_precision_recall(found.recalls, found.precisions, found.iou_thresholds, title=f"{kind}, mean over classes")
        drawn.append((f"{kind}: precision over recall; in the legend AP at that IoU", training_curves.png(figure, DPI)))
    if evaluation.kind in evaluation.coco:
        found = evaluation.coco[evaluation.kind]
        order = sorted(range(1, len(names)), key=lambda i: -evaluation.average_precision[0].num_instances[i])
        by_class = {names[i]: found.precisions[0, :, i - 1] for i in order}
        figure = evaluation_curves.plot_classes(found.recalls, by_class, title=f"{evaluation.kind}, IoU {found.iou_thresholds[0]:.2f}")
        drawn.append(("by class; in the legend AP at that IoU", training_curves.png(figure, DPI)))
    figure = evaluation_curves.plot_confusion(names, evaluation.confusion, title="row truth, column detection")
    drawn.append(("confusion: background's row are false alarms, its column misses", training_curves.png(figure, DPI)))
    return drawn


def worst(evaluation: Evaluation, load_image: Callable[[CollectedImage], np.ndarray], count: int = WORST) -> list[tuple[str, bytes]]:
    """Return (caption, JPEG) of the images with most errors: truth on the left, detections on the right.

    Found is blue, missed yellow, a false alarm or another class vermilion, a crowd grey. An image that can't be
    loaded is said and left out.

    Args:
        evaluation: With masks.
        load_image: Returns the photo of an image, [H, W, C].
        count: How many at most.
    """
    drawn = []
    for errors in evaluation.worst(count) if evaluation.collected.has_masks else ():
        image = evaluation.collected.images[errors.place]
        try:
            picture = _draw(evaluation, image, load_image(image))
        except Exception as error:  # whatever a user's load_image raises
            logger.warning("No picture of %s: %s: %s", image.name, type(error).__name__, error)
            continue
        drawn.append((_caption(errors), cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()))
    return drawn


def _caption(errors: ImageErrors) -> str:
    return (
        f"{errors.name}: {errors.found} found, {errors.missed} missed, {errors.invented} false alarms, {errors.confused} taken for another class "
        "(left truth: blue found, yellow missed, grey crowd; right detections: blue right, vermilion wrong)"
    )


def _draw(evaluation: Evaluation, image: CollectedImage, photo: np.ndarray) -> np.ndarray:
    """Return both sides as [h, w, 3] uint8 RGB."""
    score = {i: one.score for i, one in evaluation.best.items()} if evaluation.score == "best" else evaluation.score
    kept = image.select(image.scores >= confusion.cuts(score, image.class_ids))
    kept = kept.select(np.argsort(-kept.scores, kind="stable"))
    same = kept.class_ids[:, None] == np.abs(image.gt_class_ids)[None, :]
    match, taken = matching.greedy(image_overlaps.of_image(kept), evaluation.iou_threshold, same, reusable=image.crowd)
    on_crowd = np.concatenate([image.crowd, [False]])[match]
    truth_colors = [CROWD if crowd else FOUND if one >= 0 else MISSED for one, crowd in zip(taken, image.crowd, strict=True)]
    colors = [CROWD if crowd else FOUND if one >= 0 else INVENTED for one, crowd in zip(match, on_crowd, strict=True)]
    names = evaluation.collected.class_names
    truth = _detections(image, np.abs(image.gt_class_ids), np.ones(len(image.gt_class_ids)), image.gt_rles)
    found = _detections(image, kept.class_ids, kept.scores, kept.rles)
    enlarge = max(1, SIDE // max(photo.shape[:2]))  # small photos before they are written on
    sides = [
        _fitted(render.draw_instances(photo, side, names, colors=ink, show_scores=scores, enlarge=enlarge))
        for side, ink, scores in ((truth, truth_colors, False), (found, colors, True))
    ]
    return np.hstack([sides[0], np.full((len(sides[0]), GAP, 3), 255, np.uint8), sides[1]])


def _detections(image: CollectedImage, class_ids: np.ndarray, scores: np.ndarray, rles: list) -> Detections:
    return Detections(rle.boxes_coco(rles), class_ids, scores, rle.decode_coco(rles, (image.height, image.width)))


def _fitted(picture: np.ndarray) -> np.ndarray:
    factor = SIDE / max(picture.shape[:2])
    height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
