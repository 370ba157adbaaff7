"""Findings about anchors: which objects none of them fits, by class and size, and better ones, measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.data import statistics
from mrcnn.doctor import anchor_fit
from mrcnn.doctor.findings import Finding, class_names
from mrcnn.doctor.survey import Photo, Survey

if TYPE_CHECKING:
    from mrcnn.config import Config

#: Share of objects with an anchor of IoU 0.5 below which half of what the RPN learns are accidents, and below which it suffers.
FEW, SOME = 0.5, 0.9
#: Gain in recall (at 0.5, or at 0.7) that is worth other anchors, which weights were not trained with.
GAIN = 0.05
#: Objects of a class from which its own recall is judged.
ENOUGH = 20


@dataclass(frozen=True)
class Anchors:
    """How the anchors fit the objects of training, as the network sees them.

    Attributes:
        own: those of the configuration.
        better: the best that the search found; may be the same.
        class_ids: [N] of the objects.
        areas: [N] pixels of their masks at the network.
        class_names: [K].
        held_out: the best found, measured on the objects of validation; None without.
    """

    own: anchor_fit.Fit
    better: anchor_fit.Fit
    class_ids: np.ndarray
    areas: np.ndarray
    class_names: list[str]
    held_out: anchor_fit.Fit | None = None

    @property
    def num_sizes(self) -> int:
        """Return how many of `rows` come before the classes."""
        return 1 + len(np.unique(statistics.size_class(self.areas)))

    def rows(self) -> list[list[object]]:
        """Return for all objects, each size and each class: name, objects, recall at 0.5 and 0.7 now, and as proposed."""
        sizes = statistics.size_class(self.areas)
        groups = [("all", np.ones(len(self.areas), bool))]
        names = (f"small, below {statistics.SMALL} px", "medium", f"large, from {statistics.LARGE} px")
        groups += [(name, sizes == number) for number, name in enumerate(names)]
        groups += [(name, self.class_ids == number) for number, name in enumerate(self.class_names) if number]
        return [
            [name, int(chosen.sum()), *(float((fit.iou[chosen] >= t).mean()) for fit in (self.own, self.better) for t in anchor_fit.THRESHOLDS)]
            for name, chosen in groups
            if chosen.any()
        ]


def measure(training: Survey, config: Config, validation: Survey | None = None, seed: int = 0) -> Anchors | None:
    """Measure the anchors on the objects of training, and search better ones; None where there is no object.

    Boxes are those at the network's size; a random crop (IMAGE_RESIZE_MODE "crop") is left out.

    Args:
        training: what was seen.
        config: of the training.
        validation: what is found is measured there too.
        seed: of the search's sample.
    """
    objects, class_ids, areas = _objects(training, config)
    if not len(class_ids):
        return None
    own = anchor_fit.fit(config, objects)
    fits = min(own.recall(threshold) for threshold in anchor_fit.THRESHOLDS) > 1 - GAIN  # no others could be worth it
    better = own if fits else anchor_fit.propose(config, objects, seed)
    held_out = None
    if validation is not None:
        others, ids, _ = _objects(validation, config)
        if len(ids):
            held_out = anchor_fit.Fit(better.scales, better.ratios, others.best_iou(better.scales, better.ratios))
    return Anchors(own, better, class_ids, areas, class_names(training.dataset), held_out)


def _objects(survey: Survey, config: Config) -> tuple[anchor_fit.Objects, np.ndarray, np.ndarray]:
    """Return the objects of a data set, with their class ids and areas at the network."""
    photos = [p for p in survey.photos if p.usable]
    inputs = [_input(p, config) for p in photos]
    shapes = np.repeat(np.array(inputs, np.int64).reshape(-1, 2), [len(p.instances.class_ids) for p in photos], axis=0)
    class_ids, areas = survey.joined("class_ids").astype(np.int64), survey.joined("resized_areas")
    kept = (class_ids > 0) & (areas > 0)
    return anchor_fit.Objects.of(config, survey.joined("resized_boxes")[kept], shapes[kept]), class_ids[kept], areas[kept]


def _input(photo: Photo, config: Config) -> tuple[int, ...]:
    """Return the size of the input that a photo's boxes are measured in: before a crop, where there is one."""
    if config.IMAGE_RESIZE_MODE != "crop":
        return photo.molded
    return tuple(-(-round(side * photo.scale) // 64) * 64 for side in photo.shape[:2])


def check(found: Anchors) -> Iterator[Finding]:
    """Yield what does not fit."""
    own, better = found.own, found.better
    gains = [better.recall(t) - own.recall(t) for t in anchor_fit.THRESHOLDS]
    now, then = (f"{fit.recall(0.5):.1%} (0.7: {fit.recall(0.7):.1%})" for fit in (own, better))
    gain = max(gains) >= GAIN
    if found.held_out is not None:
        then += f", in validation {found.held_out.recall(0.5):.1%} (0.7: {found.held_out.recall(0.7):.1%})"
    propose = f"Set {better.says()}: {then}." if gain else "A search found no anchors that fit clearly better: look at the objects' sizes and shapes."
    keep = " Published weights keep working, with anchors of other sizes they need more training; the number of ratios stays."
    if own.recall(0.5) < SOME:
        severity = "error" if own.recall(0.5) < FEW else "warning"
        what = f"Of {len(own.iou)} objects {now} have an anchor of IoU 0.5 with {own.says()}."
        yield Finding("anchors.recall", severity, what, propose + keep * gain, "training", (), tuple(_worst(found)))
    elif gain:
        what = f"Anchors of IoU 0.5 for {now} of {len(own.iou)} objects; others fit better."
        yield Finding("anchors.better", "note", what, propose + keep, "training", (), tuple(_worst(found)))
    poor = [name for name in _worst(found) if own.recall(0.5) >= SOME]
    if poor and not gain:
        yield Finding("anchors.class_recall", "note", f"{len(poor)} classes have few anchors that fit.", propose, "training", (), tuple(poor))


def _worst(found: Anchors) -> list[str]:
    """Name the classes whose recall at 0.5 is below `SOME`, the worst first."""
    classes = found.rows()[found.num_sizes :]
    poor = sorted((row[2], row[0], row[1]) for row in classes if row[2] < SOME and row[1] >= ENOUGH)
    return [f"{name} {recall:.0%} of {count}" for recall, name, count in poor]
