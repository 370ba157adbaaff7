"""COCO's twelve figures, over all classes and of each, computed by pycocotools from run lengths.

Matching and averaging are COCOeval's own; here its data are laid out and its tables read. For "boundary" its overlaps are
replaced by those of `mrcnn.evaluation.boundary`. Where COCOeval writes -1, because there is nothing to average (no
instance of that size, say), the figure is nan.

Source: Lin et al., Microsoft COCO, ECCV 2014; https://cocodataset.org/#detection-eval.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mrcnn.evaluation import boundary
from mrcnn.evaluation.collected import Collected, areas

KINDS = ("segm", "bbox", "boundary")
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
_AREAS = {"s": 1, "m": 2, "l": 3}  # places in COCOeval's areaRngLbl, after "all"


@dataclasses.dataclass(frozen=True)
class CocoFigures:
    """What COCOeval finds.

    Attributes:
        kind: "segm", "bbox" or "boundary": which overlap decided.
        figures: {name: figure} of `NAMES`, from 0 to 1, nan where undefined. The last three numbers of AR are those of at
            most 1, 10 and 100 detections an image; with other `max_detections` the names follow them.
        per_class: {class id: such figures}; classes without instances have nan everywhere.
        iou_thresholds: [T].
        recalls: [101], 0 to 1.
        precisions: [T, 101, K - 1] float64, precision at those recalls of each class; nan without instances.
        scores: [T, 101, K - 1] float64, the score at which that recall is reached; 0 where it is not.
    """

    kind: str
    figures: dict[str, float]
    per_class: dict[int, dict[str, float]]
    iou_thresholds: np.ndarray
    recalls: np.ndarray
    precisions: np.ndarray
    scores: np.ndarray


def evaluate(
    collected: Collected, kind: str = "segm", *, max_detections: Sequence[int] = (1, 10, 100), iou_thresholds: Sequence[float] | None = None
) -> CocoFigures:
    """Compute the twelve figures of a data set.

    Args:
        collected: Detections and truth.
        kind: "segm" by masks, "bbox" by boxes, "boundary" by masks and their boundaries. Small, medium and large
            are told apart by the areas of masks with the first and the last, by those of boxes with the second; an instance
            has one area for all (`CollectedImage.gt_areas`).
        max_detections: Three numbers, ascending: of an image's detections of a class the best so many count. The last is
            that of every AP.
        iou_thresholds: None: 0.5, 0.55 … 0.95. With others AP50 or AP75 may be nan.

    Raises:
        ValueError: an unknown kind; masks are asked for and not there; there is no image; numbers that make no sense.

    Example: one of two instances is found.
        >>> from mrcnn.evaluation import from_coco
        >>> cats = [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}, {"image_id": 1, "category_id": 1, "bbox": [9, 9, 5, 5]}]
        >>> truth = {"images": [{"id": 1, "height": 20, "width": 20}], "categories": [{"id": 1, "name": "cat"}], "annotations": cats}
        >>> found = from_coco.read(truth, [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.9}])
        >>> figures = evaluate(found, "bbox").figures
        >>> round(figures["AP50"], 3), figures["AR100"], figures["APl"]
        (0.505, 0.5, nan)
    """
    limits = list(max_detections)
    if len(limits) != 3 or sorted(set(limits)) != limits or limits[0] < 1:
        raise ValueError(f"max_detections = {max_detections!r}: three whole numbers, ascending, are expected, such as (1, 10, 100)")
    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}: one of {', '.join(KINDS)} is expected")
    if not collected.images:
        raise ValueError("There is no image to evaluate.")
    if kind != "bbox" and not collected.has_masks:
        raise ValueError(f"{kind} figures need masks of every instance and detection; these have boxes only. Ask for bbox.")
    judge = _Judge(collected, kind)
    judge.params.maxDets = limits
    if iou_thresholds is not None:
        judge.params.iouThrs = np.asarray(iou_thresholds, np.float64)
    with contextlib.redirect_stdout(io.StringIO()):  # it tells the time
        judge.evaluate()
        judge.accumulate()
    return _read(judge, collected.num_classes, kind)


class _Judge(COCOeval):
    """COCOeval on `Collected`; images go by their place, categories by class id."""

    def __init__(self, collected: Collected, kind: str) -> None:
        self.boundary = kind == "boundary"
        self.images = collected.images
        super().__init__(_truth(collected), _detections(collected, kind), "bbox" if kind == "bbox" else "segm")

    def computeIoU(self, imgId: int, catId: int) -> np.ndarray | list:  # noqa: N802, N803 (pycocotools' names)
        overlaps = super().computeIoU(imgId, catId)
        if not self.boundary or not len(overlaps):
            return overlaps
        gt, dt = self._gts[imgId, catId], self._dts[imgId, catId]
        order = np.argsort([-one["score"] for one in dt], kind="mergesort")[: self.params.maxDets[-1]]  # as the overlaps' rows
        found, truth = [dt[i]["segmentation"] for i in order], [one["segmentation"] for one in gt]
        crowd = np.array([bool(one["iscrowd"]) for one in gt])
        return boundary.reduced(np.asarray(overlaps), found, truth, crowd, least=float(min(self.params.iouThrs)))


def _truth(collected: Collected) -> COCO:
    annotations = []
    for place, image in enumerate(collected.images):
        for i, (class_id, area) in enumerate(zip(image.gt_class_ids.tolist(), image.gt_areas.tolist(), strict=True)):
            entry = {"image_id": place, "category_id": abs(class_id), "iscrowd": int(class_id < 0), "area": area}
            annotations.append(entry | _shape(image.gt_boxes[i], image.gt_rles, i))
    return _indexed(collected, annotations)


def _detections(collected: Collected, kind: str) -> COCO:
    """Lay out detections. Their area is that of what decides: loadRes takes a box's wherever there is one, and masks of large thin
    things then count as large."""
    annotations = []
    for place, image in enumerate(collected.images):
        rows = zip(image.class_ids.tolist(), areas(image, "bbox" if kind == "bbox" else "segm").tolist(), image.scores.tolist(), strict=True)
        for i, (class_id, area, score) in enumerate(rows):
            entry = {"image_id": place, "category_id": class_id, "iscrowd": 0, "area": area, "score": score}
            annotations.append(entry | _shape(image.boxes[i], image.rles, i))
    return _indexed(collected, annotations)


def _shape(box: np.ndarray, rles: list | None, i: int) -> dict:
    y1, x1, y2, x2 = box.tolist()
    shape = {"bbox": [x1, y1, x2 - x1, y2 - y1]}
    return shape if rles is None else shape | {"segmentation": rles[i]}


def _indexed(collected: Collected, annotations: list[dict]) -> COCO:
    for number, one in enumerate(annotations, start=1):  # 0 would read as "not matched"
        one["id"] = number
    coco = COCO()
    coco.dataset = {
        "images": [{"id": place, "height": image.height, "width": image.width} for place, image in enumerate(collected.images)],
        "annotations": annotations, "categories": [{"id": i} for i in range(1, collected.num_classes)],
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _read(judge: COCOeval, num_classes: int, kind: str) -> CocoFigures:
    precision = np.where(judge.eval["precision"] < 0, np.nan, judge.eval["precision"])  # [T, R, K - 1, areas, limits]
    recall = np.where(judge.eval["recall"] < 0, np.nan, judge.eval["recall"])  # [T, K - 1, areas, limits]
    thresholds, limits = np.asarray(judge.params.iouThrs), judge.params.maxDets
    return CocoFigures(
        kind, _figures(precision, recall, thresholds, limits),
        {i: _figures(precision[:, :, i - 1 : i], recall[:, i - 1 : i], thresholds, limits) for i in range(1, num_classes)},
        thresholds, np.asarray(judge.params.recThrs), precision[..., 0, -1], judge.eval["scores"][..., 0, -1],
    )  # fmt: skip


def _figures(precision: np.ndarray, recall: np.ndarray, thresholds: np.ndarray, limits: Sequence[int]) -> dict[str, float]:
    """Average as COCOeval.summarize does."""
    figures = {"AP": _mean(precision[..., 0, -1])}
    for percent in (50, 75):
        figures[f"AP{percent}"] = _mean(precision[np.isclose(thresholds, percent / 100), ..., 0, -1])
    figures |= {f"AP{size}": _mean(precision[..., place, -1]) for size, place in _AREAS.items()}
    figures |= {f"AR{limit}": _mean(recall[..., 0, place]) for place, limit in enumerate(limits)}
    return figures | {f"AR{size}": _mean(recall[..., place, -1]) for size, place in _AREAS.items()}


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
