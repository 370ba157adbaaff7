"""Findings about classes, the number of instances, and what training and validation share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.data import attributes
from mrcnn.data.dataset import Dataset
from mrcnn.doctor import likeness
from mrcnn.doctor.findings import EXAMPLES, Finding, by_share, class_names, of
from mrcnn.doctor.survey import Photo, Survey

if TYPE_CHECKING:
    from mrcnn.config import Config

#: Instances below which a class is hardly learned.
FEW = 10
#: Ratio of the commonest class to the rarest from which balancing is worth a try.
LOPSIDED = 50


def check_dataset(dataset: Dataset, config: Config, subset: str) -> Iterator[Finding]:
    """Yield what is wrong before an image is looked at. An error here means that there is nothing to look at."""
    if not hasattr(dataset, "class_from_source_map"):
        yield Finding("dataset.prepare", "error", "The data set is not prepared.", "Call prepare() after the last add_image.", subset)
    elif not len(dataset.image_ids):
        advice = "Call prepare() after adding them." if dataset.image_info else "Check the path, and what is read there."
        if subset == "validation":
            advice += " Or leave it out, and set VALIDATION_STEPS = 0."
        yield Finding("dataset.empty", "error", "The data set has no images.", advice, subset)
    else:
        yield from _num_classes(dataset, config, subset)
        yield from _num_attributes(dataset, config, subset)
        yield from _names(dataset, subset)


def check(survey: Survey, config: Config) -> Iterator[Finding]:
    """Yield what is wrong with the classes and the numbers of instances of a data set."""
    found = survey.statistics()
    counts = found.instances_per_class
    if survey.counts is not None:  # of all images, not of the sample alone
        counts = np.maximum(survey.counts, 0).sum(axis=0)
    names, seen = class_names(survey.dataset), survey.whole or survey.counts is not None
    if not counts.sum():
        severity = "error" if seen else "warning"
        where = f"None of the {len(survey.photos)} images looked at has an instance that can be used."
        yield Finding("dataset.no_instances", severity, where, "Check load_mask: there is nothing to learn.", survey.subset)
        return
    absent = [name for name, count in zip(names[1:], counts[1:], strict=True) if not count]
    if absent:
        severity = "warning" if survey.subset == "training" and seen else "note"
        what = f"{of(len(absent), len(names) - 1, 'classes')} have no instance{'' if seen else ' in the sample'}."
        learns = "Leave them out (and lower NUM_CLASSES), or find images that show them: the network can't learn them."
        advice = learns if survey.subset == "training" else "Their average precision can't be measured."
        yield Finding("classes.without_instances", severity, what, advice, survey.subset, (), tuple(absent))
    few = [f"{name} ({count})" for name, count in zip(names[1:], counts[1:], strict=True) if 0 < count < FEW]
    if few and seen and survey.subset == "training":
        what = f"{of(len(few), len(names) - 1, 'classes')} have fewer than {FEW} instances."
        yield Finding("classes.few", "note", what, "Expect little of them; REPEAT_THRESHOLD shows them more often.", survey.subset, (), tuple(few))
    yield from _balance(survey, counts)
    yield from _empty_images(survey, config, found.instances_per_image)


def check_pair(training: Survey, validation: Survey) -> Iterator[Finding]:
    """Yield where validation differs in its classes from training, or shows the same photos."""
    own, other = (s.dataset.class_names for s in (training, validation))
    wrong = [f"{i}: {a} / {b}" for i, (a, b) in enumerate(zip(own, other, strict=False)) if a != b]
    wrong += [f"{i}: {name} / none" for i, name in enumerate(own[len(other) :], len(other))]
    wrong += [f"{i}: none / {name}" for i, name in enumerate(other[len(own) :], len(own))]
    if wrong:
        what = f"{len(wrong)} class ids mean something else in validation than in training (training / validation)."
        advice = 'Give both the same classes in the same order: formats.load(…, classes=train), or the same add_class calls.'
        yield Finding("classes.differ", "error", what, advice, "", (), tuple(wrong))
    yield from _leaks(training, validation)


def _num_classes(dataset: Dataset, config: Config, subset: str) -> Iterator[Finding]:
    if dataset.num_classes != config.NUM_CLASSES:
        what = f"The data set has {dataset.num_classes} classes, background included; NUM_CLASSES is {config.NUM_CLASSES}."
        yield Finding("config.num_classes", "error", what, f"Set NUM_CLASSES = {dataset.num_classes}, or check the calls of add_class.", subset)


def _num_attributes(dataset: Dataset, config: Config, subset: str) -> Iterator[Finding]:
    try:
        attributes.require(dataset, config.NUM_ATTRIBUTES)
    except ValueError as error:
        advice = "Training with an attribute head is refused. NUM_ATTRIBUTES = 0 trains without one."
        yield Finding("config.num_attributes", "error", str(error), advice, subset)


def _names(dataset: Dataset, subset: str) -> Iterator[Finding]:
    """Yield names that come twice."""
    classes = Counter((info["source"], str(info["name"]).strip().lower()) for info in dataset.class_info[1:])
    twice = tuple(f"{name} ({count} times)" for (_, name), count in classes.items() if count > 1)
    if twice:
        what = f"{len(twice)} class names come more than once."
        yield Finding("classes.duplicate_names", "warning", what, "Give them different names, or make one class of them.", subset, (), twice)
    places: dict[tuple, list[int]] = defaultdict(list)
    for image_id, info in enumerate(dataset.image_info):
        places["id", info["source"], str(info["id"])].append(image_id)
        if info.get("path"):
            places["path", "", str(info["path"])].append(image_id)
    again = {key: ids for key, ids in places.items() if len(ids) > 1}
    if again:
        ids = tuple(sorted({image_id for group in again.values() for image_id in group[1:]}))
        what = f"{of(len(ids), len(dataset.image_info), 'images')} have the id or the path of another."
        examples = tuple(dict.fromkeys(f"{name} ({', '.join(map(str, group[:3]))})" for (_, _, name), group in again.items()))
        yield Finding("images.duplicate_names", "warning", what, "Add each image once.", subset, ids, examples)


def _balance(survey: Survey, counts: np.ndarray) -> Iterator[Finding]:
    there = np.flatnonzero(counts[1:] > 0) + 1
    if survey.subset == "training" and len(there) > 1:
        most, least = there[np.argmax(counts[there])], there[np.argmin(counts[there])]
        if counts[most] >= LOPSIDED * counts[least]:
            names = class_names(survey.dataset)
            what = f"{names[most]} has {counts[most]} instances, {names[least]} {counts[least]}: {counts[most] / counts[least]:.0f} times as many."
            advice = "Try REPEAT_THRESHOLD = 0.001 and larger, or CLASS_WEIGHTS (mrcnn.data.class_weights)."
            yield Finding("classes.imbalance", "note", what, advice, survey.subset)


def _empty_images(survey: Survey, config: Config, per_image: np.ndarray) -> Iterator[Finding]:
    empty = [p for p in survey.photos if p.usable and not (p.instances.class_ids > 0).any()]
    if empty:
        what = f"{of(len(empty), len(per_image), 'images')} have no instance."
        use = "They train as negatives" if config.TRAIN_EMPTY_IMAGES else "They are skipped (TRAIN_EMPTY_IMAGES is False)"
        advice = f"{use}: check that nothing on them was forgotten. EMPTY_IMAGES_RATIO limits their share."
        severity = "warning" if len(empty) > len(per_image) / 2 else "note"
        yield Finding(
            "images.without_instances", severity, what, advice, survey.subset, tuple(p.image_id for p in empty), tuple(p.name for p in empty)
        )


def _leaks(training: Survey, validation: Survey) -> Iterator[Finding]:
    """Yield photos of validation that training shows too."""
    trained = {key: p for p in training.photos if (key := _key(p)) is not None}
    same = [(trained[key], p) for p in validation.photos if (key := _key(p)) in trained]
    known = {p.image_id for _, p in same}
    left = [[p for p in s.photos if p.print is not None] for s in (training, validation)]
    near: dict[int, tuple[Photo, Photo]] = {}
    for i, j in likeness.pairs([p.print for p in left[0]], [p.print for p in left[1]]):
        photo = left[1][j]
        if photo.image_id not in known:
            near.setdefault(photo.image_id, (left[0][i], photo))
    for name, pairs, what in (
        ("leak.same", same, "images of validation are in training too, byte for byte"),
        ("leak.near", list(near.values()), "images of validation look like one in training: another size, compression or frame of it"),
    ):
        if pairs:
            yield Finding(
                name, by_share(len(pairs), len(validation.photos)), f"{of(len(pairs), len(validation.photos), what)}.",
                "Take them out of one of the two: validation would praise what was learned by heart. For frames of a film or views of one "
                "object, splits.kfold(groups=…) keeps them together.", "validation", tuple(p.image_id for _, p in pairs),
                tuple(f"{p.name} = training {t.name}" for t, p in pairs), {}, {p.image_id: t.image_id for t, p in pairs},
            )  # fmt: skip


def _key(photo: Photo) -> str | bytes | None:
    """What two equal photos share: the file's digest, or without a file the small picture."""
    if photo.file is not None:
        return photo.file.digest
    return photo.print.small.tobytes() + str((photo.shape, photo.mean.tolist())).encode() if photo.print is not None else None


def duplicates(survey: Survey) -> Iterator[Finding]:
    """Yield files that come twice in one data set."""
    groups: dict[str, list[Photo]] = defaultdict(list)
    for photo in survey.photos:
        if photo.file is not None:
            groups[photo.file.digest].append(photo)
    again = [group for group in groups.values() if len({p.image_id for p in group}) > 1 and len({_path(survey, p) for p in group}) > 1]
    if again:
        count = sum(len(group) - 1 for group in again)
        examples = tuple(" = ".join(p.name for p in group[:EXAMPLES]) for group in again)
        what = f"{of(count, len(survey.photos), 'images')} are the bytes of another one under another name."
        ids = tuple(p.image_id for group in again for p in group)
        yield Finding("images.duplicated", "warning", what, "Keep one of each, and join their annotations.", survey.subset, ids, examples)


def _path(survey: Survey, photo: Photo) -> str:
    return str(survey.dataset.image_info[photo.image_id].get("path"))
