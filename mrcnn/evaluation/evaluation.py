"""Evaluation: the figures of a data set as an object: a table for the terminal, JSON, CSV, an HTML page."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from mrcnn import files, page
from mrcnn.evaluation.accumulator import MeanAveragePrecision
from mrcnn.evaluation.bootstrap import Interval
from mrcnn.evaluation.coco import CocoFigures
from mrcnn.evaluation.collected import Collected
from mrcnn.evaluation.operating import Point
from mrcnn.evaluation.panoptic import PanopticFigures
from mrcnn.evaluation.semantic import SemanticFigures

#: Classes that the terminal shows, those with most instances, and images that are called the worst.
ROWS, WORST = 40, 20
JSON, CLASSES, CONFUSION, PAGE = "evaluation.json", "per_class.csv", "confusion.csv", "report.html"


class ImageErrors(NamedTuple):
    """What went wrong on an image.

    Attributes:
        place: In `Collected.images`.
        name: Of the image.
        missed: Instances that nothing found.
        invented: Detections where nothing is, second ones included.
        confused: Instances taken for another class.
        found: Instances found as what they are.
    """

    place: int
    name: str
    missed: int
    invented: int
    confused: int
    found: int

    @property
    def errors(self) -> int:
        """All that went wrong."""
        return self.missed + self.invented + self.confused


@dataclasses.dataclass(repr=False)
class Evaluation:
    """Figures of a data set; `print` it.

    Attributes:
        collected: What was measured.
        kind: "segm" or "bbox": which overlap decided wherever there is one only.
        coco: {"segm", "bbox", "boundary": COCO's twelve figures by that overlap}.
        average_precision: Class-wise mAP, area under the curve, and the historic figure, at each IoU that was asked for.
        best: {class id: precision, recall and F1 at the score of the best F1}.
        at_score: {class id: the same at `score`}.
        score: Least score in `at_score`, `confusion`, `panoptic`, `semantic` and `errors`.
        iou_threshold: Least IoU in `best`, `at_score`, `confusion` and `errors`.
        confusion: [K, K] int64, row truth, column detection, 0 the background: see `confusion.matrix`.
        panoptic, semantic: None without masks.
        intervals: {"AP", "AP50", "PQ", "mIoU": 95 % bootstrap interval over images}.
        errors: Of each image.
        notes: What a reader has to know about how this came about.
    """

    collected: Collected
    kind: str
    coco: dict[str, CocoFigures]
    average_precision: list[MeanAveragePrecision]
    best: dict[int, Point]
    at_score: dict[int, Point]
    score: float | Mapping[int, float] | str
    iou_threshold: float
    confusion: np.ndarray
    panoptic: PanopticFigures | None
    semantic: SemanticFigures | None
    intervals: dict[str, Interval]
    errors: list[ImageErrors]
    notes: list[str] = dataclasses.field(default_factory=list)

    def worst(self, count: int = WORST) -> list[ImageErrors]:
        """Return the images with most errors, of equal ones those with fewest found; images without errors are none."""
        return sorted((one for one in self.errors if one.errors), key=lambda one: (-one.errors, one.found, one.place))[:count]

    # --- Figures ------------------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return all figures in plain types, ready for json.dump; None where a figure is undefined."""
        names = self.collected.class_names
        score = {names[i]: value for i, value in self.score.items()} if isinstance(self.score, Mapping) else self.score
        content = {
            "images": len(self.collected.images), "instances": self.collected.num_instances, "detections": self.collected.num_detections,
            "left_out": [{"image": name, "reason": reason} for name, reason in self.collected.left_out], "notes": self.notes,
            "decides": self.kind, "score": score, "iou_threshold": self.iou_threshold,
            "coco": {kind: one.figures for kind, one in self.coco.items()},
            "mean_average_precision": [
                {"iou_threshold": one.iou_threshold, "map": one.map, "per_image": one.per_image} for one in self.average_precision
            ],
            "precision_recall_f1": {"at_best": _macro(self.best), "at_score": _macro(self.at_score)},
            "panoptic": None, "semantic": None,
            "intervals": {name: dataclasses.asdict(one) for name, one in self.intervals.items()},
            "per_class": self.per_class(),
            "confusion": {"classes": names, "rows": "truth", "columns": "detection", "counts": self.confusion.tolist()},
            "worst_images": [one._asdict() for one in self.worst()],
        }  # fmt: skip
        if self.panoptic is not None:
            content["panoptic"] = dataclasses.asdict(self.panoptic.all)
            content["semantic"] = {name: getattr(self.semantic, name) for name in _SEMANTIC}
        return _known(content)

    def per_class(self) -> list[dict[str, Any]]:
        """Return a row of figures for each class that has instances or detections: plain types, nan where undefined."""
        counts, rows = self.average_precision[0], []
        for i, name in enumerate(self.collected.class_names):
            if not i or not (counts.num_instances[i] or counts.num_predictions[i]):
                continue
            row: dict[str, Any] = {"class": name, "class_id": i, "instances": counts.num_instances[i], "detections": counts.num_predictions[i]}
            for kind, figures in self.coco.items():
                row |= {f"{kind}_{key}": value for key, value in figures.per_class[i].items()}
            row |= {f"mAP@{one.iou_threshold:g}": one.per_class.get(i, math.nan) for one in self.average_precision}
            for side, point in (("best", self.best[i]), ("at_score", self.at_score[i])):
                row |= {f"{side}_{key}": getattr(point, key) for key in ("score", "precision", "recall", "f1")}
            if self.panoptic is not None:
                row |= {key: getattr(self.panoptic.per_class[i], key) for key in ("pq", "sq", "rq", "tp", "fp", "fn")}
                row |= {"iou": self.semantic.iou[i], "pixel_accuracy": self.semantic.accuracy[i]}
            rows.append(row)
        return rows

    # --- For people ---------------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Evaluation of {self._about()}; print it>"

    def summary(self) -> str:
        """Return the figures as text for the terminal."""
        head = [self._about(), *(f"note: {note}" for note in self.notes)]
        return "\n\n".join(["\n".join(head), *(f"{title}\n{page.text(columns, rows)}" for title, columns, rows in self.tables()[:-2])])

    def tables(self) -> list[tuple[str, list[str], list[list[object]]]]:
        """Return (title, columns, rows) of what a reader wants to see; the last two are the confusion matrix and the worst images."""
        columns = list(next(iter(self.coco.values())).figures) if self.coco else []
        found = [("COCO", ["by", *columns], [[kind, *map(_three, one.figures.values())] for kind, one in self.coco.items()])] if self.coco else []
        found.append(("main figures", ["figure", "value", "of images: 95 % of draws"], self._main()))
        title = f"classes (best: at the score of the best F1, IoU {self.iou_threshold:g}; {self._cut()} elsewhere)"
        rows = sorted(self.per_class(), key=lambda row: (-row["instances"], row["class_id"]))
        heads = [head for head in _HEADS if not rows or _HEADS[head] in rows[0]]
        table = [[_cell(row[_HEADS[head]]) for head in heads] for row in rows[:ROWS]]
        found.append((title + (f"; the {ROWS} commonest of {len(rows)}" if len(rows) > ROWS else ""), heads, table))
        found.append(self._confusion_table())
        worst = [[one.name, one.missed, one.invented, one.confused, one.found] for one in self.worst()]
        found.append((f"worst images ({self._cut()})", ["image", "missed", "false alarms", "taken for another class", "found"], worst))
        return found

    def _about(self) -> str:
        of = self.collected
        left = f", {len(of.left_out)} left out" if of.left_out else ""
        crowds = sum(int(one.crowd.sum()) for one in of.images)
        return f"{len(of.images)} images{left}, {of.num_instances} instances and {crowds} crowds, {of.num_detections} detections"

    def _cut(self) -> str:
        return f"score {self.score:g} and more" if isinstance(self.score, int | float) else "at each class's own score"

    def _main(self) -> list[list[object]]:
        rows = []
        if self.kind in self.coco:
            rows += [[f"{name}, {self.kind}", self.coco[self.kind].figures[name], name] for name in ("AP", "AP50")]
        for one in self.average_precision:
            rows += [[f"mAP at IoU {one.iou_threshold:g}, area under the curve (val_map)", one.map, ""]]
        first = self.average_precision[0]
        rows += [[f"the historic mAP: per image, classes mixed, IoU {first.iou_threshold:g}", first.per_image, ""]]
        for side, points in (("best", self.best), (self._cut(), self.at_score)):
            rows += [[f"{name}, mean over classes, {side}", value, ""] for name, value in _macro(points).items()]
        if self.panoptic is not None:
            rows += [[f"{name.upper()}, {self._cut()}", getattr(self.panoptic.all, name), name.upper()] for name in ("pq", "sq", "rq")]
            rows += [[f"{text}, {self._cut()}", getattr(self.semantic, name), text] for name, text in _SEMANTIC.items()]
        intervals = {name: f"{one.low:.3f} – {one.high:.3f}" for name, one in self.intervals.items()}
        return [[text, _three(value), intervals.get(key, "")] for text, value, key in rows]

    def _confusion_table(self) -> tuple[str, list[str], list[list[object]]]:
        """Return the classes that are on either side, the commonest, as a table."""
        counts = self.confusion
        total = counts.sum(axis=0) + counts.sum(axis=1)
        total[0] = 0
        order = [0, *(int(i) for i in np.argsort(-total, kind="stable") if total[i])][: ROWS + 1]
        names = [self.collected.class_names[i] if i else "background" for i in order]
        rows = [[name, *counts[i, order].tolist()] for name, i in zip(names, order, strict=True)]
        return f"confusion: row truth, column detection, IoU {self.iou_threshold:g}, {self._cut()}", ["", *names], rows

    # --- Files --------------------------------------------------------------------------------------------------------------

    def per_class_csv(self) -> str:
        """Return `per_class` as CSV; undefined figures are empty."""
        return _csv([list(rows[0]), *(list(row.values()) for row in rows)] if (rows := self.per_class()) else [["class"]])

    def confusion_csv(self) -> str:
        """Return the confusion matrix as CSV, background first."""
        names = ["background", *self.collected.class_names[1:]]
        return _csv([["truth \\ detection", *names], *([name, *row] for name, row in zip(names, self.confusion.tolist(), strict=True))])

    def html(self, curves: Sequence[tuple[str, bytes]] = (), pictures: Sequence[tuple[str, bytes]] = ()) -> str:
        """Return the page.

        Args:
            curves: (caption, PNG) of plots.
            pictures: (caption, JPEG) of the worst images.
        """
        tables = self.tables()
        body = [f"<h1>mrcnn evaluation</h1><p>{escape(self._about())}</p>", *(f"<p class='finding note'>{escape(note)}</p>" for note in self.notes)]
        body += [page.table(*one) for one in tables[:-2]]
        body += ["<h2>Curves</h2>", *(page.figure(content, caption, large=True) for caption, content in curves)] if curves else []
        body += ["<h2>Confusion</h2>", page.table(*tables[-2]), "<h2>Worst images</h2>", page.table(*tables[-1])]
        body += [page.figure(content, caption, "jpeg", large=True) for caption, content in pictures]
        if self.collected.left_out:
            rows = [list(one) for one in self.collected.left_out]
            body += ["<h2>Left out</h2>", page.table("images that could not be judged", ["image", "reason"], rows)]
        return page.document("mrcnn evaluation", body)

    def save(
        self, folder: str | os.PathLike[str], *, curves: Sequence[tuple[str, bytes]] = (), pictures: Sequence[tuple[str, bytes]] = ()
    ) -> list[str]:  # fmt: skip
        """Write evaluation.json, per_class.csv, confusion.csv and report.html; returns their paths.

        Args:
            folder: Made where it is absent; files of an earlier evaluation are replaced.
            curves, pictures: For the page, see `html`.

        Raises:
            OSError: a file can't be written.
        """
        content = {
            JSON: json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False), CLASSES: self.per_class_csv(),
            CONFUSION: self.confusion_csv(), PAGE: self.html(curves, pictures),
        }  # fmt: skip
        paths = {os.path.join(os.fspath(folder), name): text for name, text in content.items()}
        for path, text in paths.items():
            files.write(path, text)
        return list(paths)


_SEMANTIC = {
    "mean_iou": "mIoU", "pixel_accuracy": "pixel accuracy", "mean_accuracy": "mean accuracy", "frequency_weighted_iou": "frequency-weighted IoU",
}  # fmt: skip
_HEADS = {
    "class": "class", "instances": "instances", "detections": "detections", "AP": "segm_AP", "AP50": "segm_AP50", "AP75": "segm_AP75",
    "box AP": "bbox_AP", "box AP50": "bbox_AP50", "boundary AP": "boundary_AP", "best score": "best_score", "precision": "best_precision",
    "recall": "best_recall", "F1": "best_f1", "PQ": "pq", "IoU": "iou",
}  # fmt: skip


def _macro(points: Mapping[int, Point]) -> dict[str, float]:
    """Average over the classes that have instances; a class without a detection has precision 0."""
    there = [one for one in points.values() if one.instances]
    parts = {"precision": [one.precision if one.detections else 0.0 for one in there], "recall": [one.recall for one in there]}
    parts["F1"] = [one.f1 for one in there]
    return {name: float(np.mean(values)) if values else math.nan for name, values in parts.items()}


def _known(value: Any) -> Any:
    """Return plain types with None for what JSON can't say."""
    if isinstance(value, Mapping):
        return {str(key): _known(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow(["" if isinstance(cell, float) and not math.isfinite(cell) else cell for cell in row])
    return text.getvalue()


def _three(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _cell(value: object) -> object:
    if isinstance(value, float):
        return _three(value) if math.isfinite(value) else "–"
    return value
