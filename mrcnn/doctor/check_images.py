"""Findings about image files and pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.doctor.findings import Finding, by_share, of
from mrcnn.doctor.survey import Photo, Survey

if TYPE_CHECKING:
    from mrcnn.config import Config

#: Grey levels between the darkest and the lightest pixel below which an image is nearly blank.
BLANK = 16
#: Grey levels by which a channel's mean may differ from MEAN_PIXEL: photos of one subject easily do by 20.
MEAN_FAR = 40.0
#: Factor from which enlarged images only cost time.
ENLARGED = 2.0


def check(survey: Survey, config: Config) -> Iterator[Finding]:
    """Yield what is wrong with the images of a data set."""
    photos = survey.photos
    yield from _unusable(survey, config)
    looks: list[tuple[str, str, Callable[[Photo], bool], str, str]] = [
        ("images.mislabelled", "note", lambda p: p.file is not None and p.file.mislabelled, "have a suffix of another format than their content",
         "Rename them: other programs trust the suffix. Here they are read by their content."),
        ("images.exif_ignored", "warning", _exif_ignored, "lie on their side by their EXIF tag, and load_image does not turn them",
         "Read them with mrcnn.data.images.read, which turns them upright, and draw masks on the upright photo."),
        ("images.exif", "note", lambda p: p.file is not None and p.file.orientation != 1 and not _exif_ignored(p),
         "are turned by their EXIF tag", "Look at their pictures: masks must be drawn on the upright photo, as most annotation tools do."),
        ("images.16_bit", "note", lambda p: p.file is not None and p.file.bits > 8 and p.problem is None, "have 16 bits a channel",
         "They become 8 bits. Where that leaves them dark, stretch their contrast in load_image."),
        ("images.grey", "note", _grey_among_colour(photos), "are grey among colour photos", "They are read as three equal channels."),
        ("images.cmyk", "note", lambda p: p.file is not None and p.file.kind == "CMYK", "are CMYK, for print",
         "Their colours are converted without a profile: convert them to RGB if they look odd."),
        ("images.alpha", "note", lambda p: p.file is not None and p.file.alpha, "have an alpha channel, which is dropped",
         "What it hides becomes visible: paint it over where that matters."),
        ("images.frames", "note", lambda p: p.file is not None and p.file.frames > 1 and p.file.format != "MPO",
         "hold several pictures, of which the first is used",
         "Save each picture as a file of its own."),
        ("images.blank", "warning", lambda p: p.print is not None and p.high - p.low < (BLANK if p.high > 1 else BLANK / 255),
         f"are nearly blank: fewer than {BLANK} grey levels between the darkest and the lightest pixel",
         "Look at them. Of 16-bit images with few levels stretch the contrast in load_image."),
        ("images.range", "warning", lambda p: p.print is not None and p.dtype.kind == "f" and 0 < p.high <= 1, "have values from 0 to 1",
         "Multiply them by 255 in load_image: MEAN_PIXEL and published weights expect 0 to 255."),
    ]  # fmt: skip
    for name, severity, is_so, what, advice in looks:
        shown = [p for p in photos if is_so(p)]
        if shown:
            yield _finding(survey, name, severity, shown, f"{of(len(shown), len(photos), 'images')} {what}.", advice)
    yield from _sizes(survey, config)


def mean_pixel(survey: Survey, config: Config, pretrained: bool) -> Iterator[Finding]:
    """Yield a finding where MEAN_PIXEL is far from the mean of the images; with pretrained weights it belongs to these.

    Args:
        survey: of the training images.
        config: MEAN_PIXEL.
        pretrained: weights are given.
    """
    means = [p.mean for p in survey.photos if p.usable]
    if not means:
        return
    mean, own = np.mean(means, axis=0), np.broadcast_to(np.asarray(config.MEAN_PIXEL, float), len(means[0]))
    far = np.abs(mean - own)
    shown = "[" + ", ".join(f"{value:.1f}" for value in mean) + "]"
    if own.max() <= 1 < mean.max():
        what = f"MEAN_PIXEL = {own.round(3).tolist()} is of images from 0 to 1; the mean of these is {shown}."
        yield Finding("config.mean_pixel", "warning", what, f"Set MEAN_PIXEL = np.array({shown}): images are 0 to 255 here.", survey.subset)
    elif far.max() > MEAN_FAR:
        what = f"The images' mean is {shown}, MEAN_PIXEL {own.round(1).tolist()}: {far.max():.0f} levels apart."
        keep = "Keep MEAN_PIXEL as it is with pretrained weights, whose first layer was trained with it."
        scratch = f"From scratch set MEAN_PIXEL = np.array({shown}). {keep}"
        yield Finding("config.mean_pixel", "note", what, keep if pretrained else scratch, survey.subset)


def _unusable(survey: Survey, config: Config) -> Iterator[Finding]:
    """Yield a finding for each reason why images can't be used."""
    channels = config.IMAGE_CHANNEL_COUNT
    kinds = {
        "image": ("images.unreadable", "can't be read and are left out of training", "Replace the files, or take them out of the data set."),
        "channels": ("images.channels", f"have another number of channels than IMAGE_CHANNEL_COUNT = {channels}, and are left out",
                     "Set IMAGE_CHANNEL_COUNT (and MEAN_PIXEL) to what load_image returns, or convert there."),
        "sides": ("images.sides", "do not fit the network, whose sides are multiples of 64, and are left out",
                  'Set IMAGE_RESIZE_MODE = "square" or "pad64".'),
    }  # fmt: skip
    for kind, (name, what, advice) in kinds.items():
        shown = [p for p in survey.photos if p.problem is not None and p.problem.kind == kind]
        if shown:
            said = f"{of(len(shown), len(survey.photos), 'images')} {what}."
            examples = tuple(f"{p.name} ({p.problem.text})" for p in shown)
            yield Finding(
                name, by_share(len(shown), len(survey.photos)), said, advice, survey.subset, tuple(p.image_id for p in shown), examples
            )


def _sizes(survey: Survey, config: Config) -> Iterator[Finding]:
    enlarged = [p for p in survey.photos if p.scale >= ENLARGED]
    if len(enlarged) > len(survey.photos) / 2:
        side = int(np.median([max(p.shape[:2]) for p in enlarged]))
        what = f"{of(len(enlarged), len(survey.photos), 'images')} are enlarged {ENLARGED:g} times or more: their longer side is {side} px."
        advice = f"A smaller IMAGE_MAX_DIM (now {config.IMAGE_MAX_DIM}) and IMAGE_MIN_DIM costs less; keep it where objects are small."
        yield _finding(survey, "images.enlarged", "note", enlarged, what, advice)
    molded = Counter(p.molded for p in survey.photos if p.usable)
    if len(molded) > 1 and config.BATCH_SIZE > 1:
        many = tuple(f"{height} × {width} px ({count})" for (height, width), count in molded.most_common())
        what = f"The images have {len(molded)} sizes at the network, and a batch of {config.BATCH_SIZE} needs one."
        yield Finding("images.batch_sizes", "error", what, 'Set IMAGES_PER_GPU = 1, or IMAGE_RESIZE_MODE = "square".', survey.subset, (), many)


def _finding(survey: Survey, name: str, severity: str, shown: list[Photo], what: str, advice: str) -> Finding:
    examples = tuple(f"{p.name}{_detail(name, p)}" for p in shown)
    return Finding(name, severity, what, advice, survey.subset, tuple(p.image_id for p in shown), examples)


def _detail(name: str, photo: Photo) -> str:
    if photo.file is None:
        return ""
    details = {"images.mislabelled": f" (is {photo.file.format})", "images.16_bit": f" ({photo.file.bits} bits)"}
    details["images.exif"] = details["images.exif_ignored"] = f" (orientation {photo.file.orientation})"
    return details.get(name, "")


def _exif_ignored(photo: Photo) -> bool:
    """Whether a photo on its side was loaded as it is stored. A square one can't be told."""
    file = photo.file
    return file is not None and file.sideways and photo.shape[:2] == file.size and file.size[0] != file.size[1]


def _grey_among_colour(photos: list[Photo]) -> Callable[[Photo], bool]:
    kinds = {p.file.kind for p in photos if p.file is not None}
    mixed = "grey" in kinds and bool(kinds & {"colour", "palette", "CMYK"})
    return lambda p: mixed and p.file is not None and p.file.kind == "grey"
