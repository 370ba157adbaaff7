"""All figures of a data set at once, from detections and truth that were collected: see docs/evaluation.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mrcnn.evaluation import bootstrap, coco, confusion, operating, panoptic, segments, semantic
from mrcnn.evaluation import overlaps as image_overlaps
from mrcnn.evaluation.collected import Collected
from mrcnn.evaluation.evaluation import Evaluation, ImageErrors

IOU_THRESHOLDS = (0.5, 0.75)
SCORE = 0.5


def evaluate(
    collected: Collected, *, kinds: Sequence[str] | None = None, iou_thresholds: Sequence[float] = IOU_THRESHOLDS,
    score: float | Mapping[int, float] | str = SCORE, samples: int = bootstrap.SAMPLES, seed: int = 0,
    progress: Callable[[str], None] = lambda what: None,
) -> Evaluation:  # fmt: skip
    """Measure.

    Args:
        collected: Detections and truth.
        kinds: Of COCO figures: "segm", "bbox", "boundary". None: all where there are masks, else "bbox".
        iou_thresholds: For the class-wise mAP. The first one is also that of precision, recall and F1, the confusion matrix and
            the worst images.
        score: Least score of a detection in the confusion matrix, PQ, the figures of semantic segmentation and the worst
            images; one for all, {class id: score}, or "best": each class's own with the best F1.
        samples: Draws of the bootstrap; 0: no intervals.
        seed: Of the draws.
        progress: Told what is being computed.

    Raises:
        ValueError: there is no image, masks are asked for and not there, or an impossible number.
    """
    if not collected.images:
        raise ValueError("There is no image to evaluate.")
    _check(iou_thresholds, score, samples)
    masked = collected.has_masks
    kinds = tuple(kinds) if kinds is not None else coco.KINDS if masked else ("bbox",)
    decides = "segm" if masked else "bbox"
    figures = {}
    for kind in kinds:
        progress(f"COCO's figures, {kind}")
        figures[kind] = coco.evaluate(collected, kind)
    progress("matching at every IoU")
    overlaps = [image_overlaps.of_image(image, decides) for image in collected.images]
    rankings = image_overlaps.rankings(collected, iou_thresholds, decides, overlaps)
    best = operating.best(rankings[0])
    cut = {class_id: point.score for class_id, point in best.items()} if score == "best" else score
    progress("confusion")
    counts = confusion.matrix(collected, score=cut, iou_threshold=iou_thresholds[0], overlaps=overlaps)
    errors = [_errors(place, collected, overlaps[place], cut, iou_thresholds[0]) for place in range(len(collected.images))]
    pixels = _pixels(collected, cut, progress) if masked else (None, None)
    intervals = _intervals(collected, decides, overlaps, pixels, samples, seed, progress) if samples else {}
    return Evaluation(
        collected=collected, kind=decides, coco=figures, average_precision=[one.result(interpolation="area") for one in rankings], best=best,
        at_score=operating.at(rankings[0], cut), score=score, iou_threshold=float(iou_thresholds[0]), confusion=counts,
        panoptic=pixels[0].result() if masked else None, semantic=pixels[1].result() if masked else None, intervals=intervals, errors=errors,
    )  # fmt: skip


def _check(iou_thresholds: Sequence[float], score: float | Mapping[int, float] | str, samples: int) -> None:
    if not len(iou_thresholds) or not all(0 < one <= 1 for one in iou_thresholds):
        raise ValueError(f"iou_thresholds = {list(iou_thresholds)}: one or more above 0 and up to 1 are expected, 0.5 say")
    if isinstance(score, str) and score != "best":
        raise ValueError(f'score = {score!r}: a number, {{class id: number}} or "best" is expected')
    if samples < 0:
        raise ValueError(f"samples = {samples}: 0, for no intervals, or more is expected")


def _errors(place: int, collected: Collected, overlaps: np.ndarray, cut: float | Mapping[int, float], iou_threshold: float) -> ImageErrors:
    image = collected.images[place]
    truth, detected = confusion.pairs(image, overlaps, confusion.cuts(cut, image.class_ids), iou_threshold)
    kinds = (detected == 0, truth == 0, (truth != detected) & (truth > 0) & (detected > 0), truth == detected)
    return ImageErrors(place, image.name, *(int(kind.sum()) for kind in kinds))


def _pixels(collected: Collected, cut: float | Mapping[int, float], progress: Callable[[str], None]) -> tuple[panoptic.Counts, semantic.Counts]:
    """Count segments and pixels, both from one table an image."""
    progress("pixels")
    quality, classes = panoptic.Counts(collected.num_classes), semantic.Counts(collected.num_classes)
    for table in segments.tables(collected, cut, "Panoptic quality"):
        quality.add(table)
        classes.add(table)
    return quality, classes


def _intervals(
    collected: Collected, kind: str, overlaps: list[np.ndarray], pixels: tuple[panoptic.Counts | None, semantic.Counts | None],
    samples: int, seed: int, progress: Callable[[str], None],
) -> dict[str, bootstrap.Interval]:  # fmt: skip
    """Return the intervals of the main figures; a figure that there is nothing to compute from has none."""
    progress(f"intervals, {samples} draws")
    how = {"samples": samples, "seed": seed}
    found = {}
    if collected.num_instances:
        rankings = image_overlaps.rankings(collected, np.linspace(0.5, 0.95, 10), kind, overlaps)
        found["AP"], found["AP50"] = bootstrap.of_rankings(rankings, **how), bootstrap.of_rankings(rankings[:1], **how)
    for name, counts, figure in (("PQ", pixels[0], panoptic.mean_pq), ("mIoU", pixels[1], semantic.mean_iou)):
        if counts is not None and not np.isnan(figure(counts.images.sum(axis=0))):
            images = counts.images
            found[name] = bootstrap.of(lambda draw, images=images, figure=figure: figure(np.tensordot(draw, images, 1)), len(images), **how)
    return found
