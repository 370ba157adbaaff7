"""Findings about masks: what can't be used, what is odd, and what the way to the network loses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.doctor.findings import Finding, by_share, of
from mrcnn.doctor.survey import Instances, Photo, Survey

if TYPE_CHECKING:
    from mrcnn.config import Config

#: A mask of so few pixels, or with a box of so few in one direction, is a slip of the mouse rather than an object.
TINY_AREA, TINY_SIDE = 4, 1
#: Below this IoU the mask that trains is another than the one that was drawn.
COARSE_IOU = 0.75
#: A box with a shorter side than this at the network is less than a cell of P2.
CELL = 4
#: Share of instances from which what is lost on the way is worth a warning.
WORTH = 0.01


def check(survey: Survey, config: Config) -> Iterator[Finding]:
    """Yield what is wrong with the masks of a data set."""
    yield from _unusable(survey)
    yield from _reader(survey)
    total = sum(len(p.instances.class_ids) for p in survey.photos if p.instances is not None)
    tiny = f"have {TINY_AREA} pixels or fewer, or are one pixel wide"
    looks: list[tuple[str, Callable[[Instances], np.ndarray], str, str]] = [
        ("masks.empty", lambda i: i.areas == 0, "have no pixel, and are dropped", "Remove them, or draw them again."),
        ("masks.tiny", _is_tiny, tiny,
         "Remove those that are slips of the mouse: each makes an anchor positive and a roi."),
        ("masks.duplicated", _second_of_twins, "cover the same pixels as another of their image",
         "Remove one of each two; of two classes keep the right one."),
    ]  # fmt: skip
    for name, is_so, what, advice in looks:
        yield from _of_instances(survey, name, "warning", is_so, what, advice, total)
    yield from _unseen(survey)
    yield from _lost(survey, config, total)


def _unusable(survey: Survey) -> Iterator[Finding]:
    kinds = {
        "load": ("masks.unreadable", "have masks that can't be loaded, and are left out", "See the message; the file or load_mask is at fault."),
        "form": ("masks.form", "have masks of another form, and are left out", "Return masks [height, width, N] and N class ids from load_mask."),
        "size": ("masks.size", "have masks of another size than the image, and are left out",
                 "Draw masks in the size of load_image's result. Turned: look for height and width swapped, or, where an EXIF tag turns the photos "
                 'and masks were drawn on the unturned pixels, set dataset.mask_frame = "stored".'),
        "class_ids": ("classes.out_of_range", "have class ids out of range, and are left out",
                      f"Ids run from 1 to {survey.dataset.num_classes - 1} (negative for crowds), 0 is the background: add the class with "
                      "add_class, or map ids with map_source_class_id."),
        "attributes": ("masks.attributes", "have attributes that can't be used, and are left out",
                       "Return [instances, NUM_ATTRIBUTES] of 1, 0 and -1 from load_attributes, a row for each instance of load_mask."),
    }  # fmt: skip
    for kind, (name, what, advice) in kinds.items():
        shown = [p for p in survey.photos if p.mask_problem is not None and p.mask_problem.kind == kind]
        if shown:
            instances = {p.image_id: p.mask_problem.values for p in shown} if kind == "class_ids" else {}
            yield Finding(
                name, by_share(len(shown), len(survey.photos)), f"{of(len(shown), len(survey.photos), 'images')} {what}.", advice,
                survey.subset, tuple(p.image_id for p in shown), tuple(f"{p.name} ({p.mask_problem.text})" for p in shown), instances,
            )  # fmt: skip


def _reader(survey: Survey) -> Iterator[Finding]:
    """Yield what the reader of a format counted (mrcnn.data.formats), which no mask shows any more."""
    from mrcnn.data.formats.parsed import Report

    report = getattr(survey.dataset, "report", None)
    if not isinstance(report, Report):
        return
    total = max(1, report.total)
    parts = [
        ("masks.broken", report.broken, "annotations can't be read and are left out", "Correct them where the file has them."),
        ("masks.outside", report.outside, "annotations lie outside their image and are left out",
         "Look whether x and y, or the photos' sizes, are right."),
        ("masks.clipped", report.clipped, "annotations reach outside their image and are clipped", "Fine, if it is by a few pixels."),
        ("images.missing", report.missing, "photos are missing and left out", "Give the folder that has them (--images)."),
        ("images.unreadable_header", report.unreadable, "photos can't be read and are left out", "Replace the files."),
    ]  # fmt: skip
    for name, places, what, advice in parts:
        if places:
            whole = total if name.startswith("masks") else len(places) + len(survey.dataset.image_info)
            severity = "note" if name == "masks.clipped" else by_share(len(places), whole)
            yield Finding(name, severity, f"{of(len(places), whole, what)}.", advice, survey.subset, (), tuple(places))
    if report.other_classes:
        names = tuple(f"{name} ({count})" for name, count in report.other_classes.most_common())
        what = f"{of(report.other_classes.total(), total, 'instances')} have classes that were not asked for, and are left out."
        yield Finding("classes.left_out", "note", what, "Nothing, if it is meant so; else see how they are spelled.", survey.subset, (), names)
    for what, count in (*report.unread.items(), *report.notes.items()):
        yield Finding("annotations.other", "note", f"{count} {what}.", "Nothing, if it is meant so.", survey.subset)


def _of_instances(
    survey: Survey, name: str, severity: str, is_so: Callable[[Instances], np.ndarray], what: str, advice: str, total: int
) -> Iterator[Finding]:
    """Yield a finding of the instances for which `is_so` ([N] bool of an image's `Instances`)."""
    shown: dict[int, tuple[int, ...]] = {}
    names = []
    for photo in survey.photos:
        if photo.instances is not None and (places := photo.instances.places[is_so(photo.instances)]).size:
            shown[photo.image_id] = tuple(int(place) for place in places)
            names.append(_place(photo, shown[photo.image_id]))
    if shown:
        count = sum(len(places) for places in shown.values())
        said = f"{of(count, total, 'instances')} {what}."
        yield Finding(name, severity, said, advice, survey.subset, tuple(shown), tuple(names), shown)


def _unseen(survey: Survey) -> Iterator[Finding]:
    photos = [p for p in survey.photos if p.instances is not None and p.instances.unseen]
    if photos:
        count = sum(p.instances.unseen for p in photos)
        total = count + sum(len(p.instances.class_ids) for p in survey.photos if p.instances is not None)
        yield Finding(
            "masks.empty", "warning", f"{of(count, total, 'instances')} have no pixel, and load_mask leaves them out.",
            "Remove them, or draw them again.", survey.subset, tuple(p.image_id for p in photos),
            tuple(f"{p.name}, {p.instances.unseen} of them" for p in photos),
        )  # fmt: skip


def _lost(survey: Survey, config: Config, total: int) -> Iterator[Finding]:
    """Yield what MAX_GT_INSTANCES, resizing and mini-masks lose."""
    usable = [p for p in survey.photos if p.usable]
    limit = config.MAX_GT_INSTANCES
    over = [p for p in usable if len(p.instances.class_ids) > limit]
    if over:
        count = sum(len(p.instances.class_ids) - limit for p in over)
        most = max(len(p.instances.class_ids) for p in over)
        what = f"{of(count, total, 'instances')} are left out of each view, on {len(over)} images: "
        what += f"MAX_GT_INSTANCES = {limit}, there are up to {most}."
        yield Finding(
            "lost.max_gt_instances", by_share(count, total), what, f"Set MAX_GT_INSTANCES = {most}.", survey.subset,
            tuple(p.image_id for p in over), tuple(f"{p.name} ({len(p.instances.class_ids)})" for p in over),
        )  # fmt: skip
    gone = lambda i: (i.areas > 0) & (i.resized_areas == 0)  # noqa: E731
    count = sum(int(gone(p.instances).sum()) for p in usable)
    if count:
        yield from _of_instances(
            survey, "lost.resizing", by_share(count, total), gone, "have no pixel left at the network's size, and are dropped", _larger(config), total
        )
    small = lambda i: (i.resized_areas > 0) & ~_is_tiny(i) & (_sides(i.resized_boxes) < CELL)  # noqa: E731
    count = sum(int(small(p.instances).sum()) for p in usable)
    if count >= WORTH * total and count:
        what = f"are less than {CELL} px wide or high at the network, less than a cell of its finest level"
        yield from _of_instances(survey, "lost.small", "warning", small, what, _larger(config), total)
    if config.USE_MINI_MASK:
        yield from _coarse(survey, config, total)


def _coarse(survey: Survey, config: Config, total: int) -> Iterator[Finding]:
    coarse = lambda i: i.mini_iou < COARSE_IOU  # noqa: E731  (nan compares as False)
    iou, finer = survey.joined("mini_iou"), survey.joined("finer_iou")
    count = int((iou < COARSE_IOU).sum())
    if count and count >= WORTH * total:
        mini = tuple(int(side) for side in config.MINI_MASK_SHAPE)
        twice = tuple(2 * side for side in mini)
        what = f"keep an IoU below {COARSE_IOU} as mini-masks of {mini} (mean of all {np.nanmean(iou):.3f})"
        advice = f"Set MINI_MASK_SHAPE = {twice}: {int((finer < COARSE_IOU).sum())} would (mean {np.nanmean(finer):.3f}); or USE_MINI_MASK = False."
        yield from _of_instances(survey, "lost.mini_masks", by_share(count, total), coarse, what, advice, total)


def _larger(config: Config) -> str:
    names = {"square": "IMAGE_MAX_DIM and IMAGE_MIN_DIM", "none": "the size that load_image gives"}
    where = names.get(config.IMAGE_RESIZE_MODE, "IMAGE_MIN_DIM or IMAGE_MIN_SCALE")
    return f"Raise {where}, or cut the photos into tiles."


def _sides(boxes: np.ndarray) -> np.ndarray:
    """Return the shorter side of each box."""
    return (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.iinfo(np.int32).max)


def _is_tiny(instances: Instances) -> np.ndarray:
    return (instances.areas > 0) & ((instances.areas <= TINY_AREA) | (_sides(instances.boxes) <= TINY_SIDE))


def _second_of_twins(instances: Instances) -> np.ndarray:
    return np.isin(instances.places, [second for _, second in instances.twins])


def _place(photo: Photo, places: tuple[int, ...]) -> str:
    shown = ", ".join(str(place) for place in places[:4]) + ("…" if len(places) > 4 else "")
    return f"{photo.name}, instance {shown}"
