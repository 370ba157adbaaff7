"""Tune thresholds on a data set: one pass gathers the candidates, the search never detects again. See `evaluation.tuning`."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mrcnn import build
from mrcnn.evaluation import collect, tuning
from mrcnn.inference import candidates, predict, thresholds
from mrcnn.inference.two_parts import TwoParts
from mrcnn.ops import paste, rle, suppression
from mrcnn.results import SmallMasks

logger = logging.getLogger(__name__)

#: Least score of a candidate that is gathered, unless the configuration's is lower.
LEAST_SCORE = 0.05
#: Values tried beside those that detection has.
NMS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
MASK = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)

_ORIGINS = {
    "shared": "shared: too few objects for a setting of its own, so that of all classes together.",
    "kept": "kept: what was there, as no other setting is better for the class's own objects.",
}


def tune(
    model: Any, dataset: Any, *, image_ids: Sequence[int] | None = None, ious: Sequence[float] = (0.5, 0.75), min_instances: int = 20,
    seed: int = 0, progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuning.Tuned:  # fmt: skip
    """Gather candidates on a data set and choose thresholds.

    Args:
        model: MaskRCNN in inference mode.
        dataset: Prepared data set of the network's classes; one that training has not seen.
        image_ids: Which images. None: all.
        ious, min_instances, seed: See `evaluation.tuning.tune`.
        progress: Called with the number of images done, and of all.

    Raises:
        ValueError: other classes than the network's, or too few images that can be used.
    """
    model.detect([])  # refuses a network of training, or one that was never trained
    parts, num_classes = TwoParts(model.keras_model, model.config), model.config.NUM_CLASSES
    if any(not 0 < iou <= 1 for iou in ious) or not ious:
        raise ValueError(f"ious = {list(ious)}: IoUs above 0 and at most 1 are expected")
    if dataset.num_classes != num_classes:
        raise ValueError(f"The data set has {dataset.num_classes} classes with background, the network NUM_CLASSES = {num_classes}.")
    ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)]
    before = tuning.Setting(score=parts.min_confidence, nms=parts.nms_threshold)
    grid = tuning.Grid(tuple(sorted({*NMS, before.nms})), tuple(sorted({*MASK, before.mask})))
    gathered = gather(parts, dataset, ids, grid, progress)
    return tuning.tune(
        gathered, grid, before, num_classes, max_instances=parts.max_instances, ious=ious, min_instances=min_instances, seed=seed
    )


def gather(
    parts: TwoParts, dataset: Any, image_ids: Sequence[int], grid: tuning.Grid, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[tuning.Image]:
    """Detect once on each image, at a low score, and keep of each candidate what any setting of the grid may ask.

    A mask is made only of candidates that suppression keeps at some value of the grid. An image that can't be read or judged is logged and left out.
    """
    config, gathered = parts.predictor.config, []

    def left_out(image_id: int, error: Exception) -> None:
        logger.warning("Left out of the tuning: image %s: %s: %s", image_id, type(error).__name__, error)

    for done, batch in collect.batches(
        lambda image_id: collect.load(dataset, image_id, config.IMAGE_CHANNEL_COUNT), image_ids, build.photos_at_once(config), left_out
    ):
        found: dict[int, tuning.Image] = {}
        for i, molded, outputs in parts.predictor.answers([one.image for one in batch]) if batch else ():
            found[i] = _of_image(parts, molded, outputs, batch[i], grid)
        gathered += [found[i] for i in range(len(batch))]
        progress(done, len(image_ids))
    return gathered


def _of_image(
    parts: TwoParts, molded: predict.Molded, outputs: Sequence[np.ndarray], truth: collect.Truth, grid: tuning.Grid
) -> tuning.Image:
    """Keep one image's candidates and truth."""
    found = parts.candidates_of(outputs, molded)
    found = found.select(found.scores >= np.float32(min(LEAST_SCORE, parts.min_confidence)))
    kept = np.array([suppression.suppressors(found.boxes, value, found.class_ids) == suppression.KEPT for value in grid.nms], bool)  # [nms, C]
    some = kept.any(axis=0)
    found, kept = found.select(some), kept[:, some]
    real, small = _small_masks(parts, found, outputs, molded, truth.image.shape)

    gt_rles, crowd, gt_class_ids = truth.rles, truth.class_ids < 0, np.abs(truth.class_ids)
    areas = np.zeros((len(grid.mask), len(real)), np.int64)
    overlaps = np.zeros((len(grid.mask), len(real), len(gt_class_ids)))
    same = found.class_ids[real][:, None] == gt_class_ids[None]
    for m, value in enumerate(grid.mask):
        rles = paste.coco_rles(*thresholds.cut_at(small, np.full(len(small.masks), value)))
        areas[m, real] = rle.area_coco(rles) if rles else 0
        if rles and gt_rles:
            overlaps[m, real] = np.where(same, rle.iou_coco(rles, gt_rles, crowd), 0)
    gt_areas = np.asarray(rle.area_coco(gt_rles)) if gt_rles else np.zeros(0, np.int64)
    return tuning.Image(found.class_ids, found.scores, kept, real, areas, overlaps, gt_class_ids, crowd, gt_areas)


def _small_masks(
    parts: TwoParts, found: candidates.Candidates, outputs: Sequence[np.ndarray], molded: predict.Molded, image_shape: Sequence[int]
) -> tuple[np.ndarray, SmallMasks]:
    """Return [C] bool, which candidates have an area in the photo's whole pixels, and the masks of these."""
    detections, masks = parts.rows(found, outputs, molded)
    number = detections.copy()
    number[:, 5] = np.arange(len(detections))  # in place of the scores: says which ones unmold leaves
    _, _, left, small = predict.unmold(number, masks, image_shape, molded.image.shape, molded.window)
    real = np.zeros(len(detections), bool)
    real[left.astype(np.int64)] = True
    return real, small


def table(tuned: tuning.Tuned, class_names: Sequence[str]) -> str:
    """Return settings and figures, before and after, as text."""
    head = (
        f"{'':20} {'objects':>7}  {'F1 before':>9}  {'cross-fitted':>12}  {'same images':>11}   {'score':>6} {'NMS':>5} {'mask':>5} {'area':>6}"
        "  setting"
    )
    lines = [head]
    for class_id, setting in sorted(tuned.settings.items()):
        before, crossed, after = (counts[class_id] for counts in (tuned.before, tuned.crossed, tuned.after))
        instances = int((before.right + before.missed)[0])
        if not instances:
            continue
        lines.append(
            f"{class_names[class_id]:20} {instances:7}  {before.f1:9.3f}  {crossed.f1:12.3f}  {after.f1:11.3f}   {setting.score:6.3g} "
            f"{setting.nms:5.2g} {setting.mask:5.2g} {setting.min_area:6g}  {tuned.origins[class_id]}"
        )
    means = [tuning.mean_f1(counts) for counts in (tuned.before, tuned.crossed, tuned.after)]
    lines += [f"{'mean of the classes':20} {'':7}  {means[0]:9.3f}  {means[1]:12.3f}  {means[2]:11.3f}", ""]
    ious = " and ".join(f"{iou:g}" for iou in tuned.ious)
    lines += [
        f"{tuned.num_images} images; F1 of masks, mean of IoU {ious}. cross-fitted: each half of the images with what the other half",
        "chose, the figure to believe. same images: those that the thresholds were chosen on, which flatters them.",
        f"95 % intervals over the images: before {tuned.intervals['before']}, cross-fitted {tuned.intervals['crossed']},",
        f"gain {tuned.intervals['gain']}.",
    ]
    lines += [_ORIGINS[origin] for origin in _ORIGINS if origin in {tuned.origins[i] for i, count in tuned.before.items() if not np.isnan(count.f1)}]
    if not tuned.gain > 0:
        lines.append("Cross-fitted, nothing is gained: keep the configuration's thresholds, or tune on more images.")
    elif tuned.intervals["gain"].low <= 0:
        lines.append("The gain may be chance, as its interval holds 0: tune on more images to know.")
    return "\n".join(lines)


def to_thresholds(tuned: tuning.Tuned, class_names: Sequence[str], weights_sha256: str | None, **facts: Any) -> thresholds.Thresholds:
    """Return what was chosen, with its figures, ready to be saved.

    Args:
        tuned: Result of `tune`.
        class_names: Background first.
        weights_sha256: Of the weight file.
        **facts: Told beside the figures: of the data, say.
    """
    def of(counts: dict[int, tuning.Counts]) -> dict[str, Any]:
        classes = {class_names[i]: {"precision": c.precision, "recall": c.recall, "f1": c.f1} for i, c in counts.items() if not np.isnan(c.f1)}
        return {"mean_f1": tuning.mean_f1(counts), "classes": classes}

    names = {"before": "before", "crossed": "after_cross_fitted", "gain": "gain"}
    intervals = {names[name]: [interval.low, interval.high] for name, interval in tuned.intervals.items()}
    origins = {class_names[i]: origin for i, origin in sorted(tuned.origins.items())}
    figures = {
        **facts, "images": tuned.num_images, "f1_at_iou": list(tuned.ious), "origins": origins, "shared_setting": asdict(tuned.shared),
        "before": of(tuned.before), "after_cross_fitted": of(tuned.crossed), "after_on_the_same_images": of(tuned.after),
        "intervals_of_mean_f1": intervals,
    }  # fmt: skip
    return thresholds.Thresholds(tuple(class_names), dict(tuned.settings), weights_sha256, figures)
