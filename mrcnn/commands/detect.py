"""What `python -m mrcnn detect` does; its words are in `mrcnn.cli`."""

from __future__ import annotations

import argparse
import functools
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from mrcnn.commands import sources, trained, written
from mrcnn.commands.sources import Item, Photo
from mrcnn.config import Config
from mrcnn.results import Detections

STOPPED = 130  # exit status after Ctrl-C, as the shell has it
ENLARGED = 512  # pixels of the longer side up to which small photos are enlarged, by 4 at most, to be written on
_EVERY = 10.0  # seconds between lines of progress where there is no terminal

Detect = Callable[[Sequence[np.ndarray]], list[Detections]]


def run(options: argparse.Namespace) -> int:
    """Detect on photos, a video or a camera, and write what is asked for.

    Returns:
        The exit status: 0; 1 where an image could not be read; 130 after Ctrl-C, with all that was done complete.

    Raises:
        OSError, ValueError: nothing can be done: no photos, no network, an output that is there already, options that don't fit.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    source = _video_source(options)
    found = [] if source is not None else sources.find(options.sources, options.recursive)
    save = set(options.save or ["pictures" if source is None else "video"])
    _check(options, source, save)
    settings = dict(options.settings)
    if options.min_score is not None:
        settings["DETECTION_MIN_CONFIDENCE"] = options.min_score
    options.weights = trained.find(options.weights, options.config, options.logs)
    config = trained.configuration(options.weights, options.config, settings, options.batch)
    names = trained.class_names(options.classes, options.weights, config.NUM_CLASSES)
    categories, image_ids = trained.category_ids(names, options.coco_ids)
    if options.coco_ids:
        _require_ids(found, image_ids, options.coco_ids)
    lines = written.Lines(options.output, _made_with(options, config, names), resume=options.resume, overwrite=options.overwrite)
    try:
        work = _Work(options, names, lines, config)
        if source is None:
            left = [photo for photo in found if photo.name not in lines.done]
            pictures = [written.Pictures(options.output, [photo.name for photo in found])] if "pictures" in save else []
            if left:
                work.do(sources.read(left, config.IMAGE_CHANNEL_COUNT), pictures, len(found), len(found) - len(left))
        else:
            _film(options, source, save, work)
    finally:
        lines.close()
    if "coco" in save:
        written.write_coco(lines.path, os.path.join(options.output, written.COCO), categories, image_ids)
    if "imaterialist" in save:
        written.write_submission(lines.path, os.path.join(options.output, written.SUBMISSION))
    return work.say(options.output, resumed=len(lines.done))


def _film(options: argparse.Namespace, source: str | int, save: set[str], work: _Work) -> None:
    stem = f"camera{source}" if isinstance(source, int) else os.path.splitext(os.path.basename(source))[0]
    with sources.Video(source, options.every, options.frames) as video:
        outputs: list[Any] = [written.Pictures(options.output)] if "pictures" in save else []
        if "video" in save:
            name = options.video_name or f"{stem}_detections.mp4"
            outputs.append(written.Film(os.path.join(options.output, name), options.fps or video.rate, options.codec))
        work.do(video, outputs, video.total, 0)


class _Work:
    """Runs a detector over images and hands the results on, batch by batch."""

    def __init__(self, options: argparse.Namespace, names: list[str], lines: written.Lines, config: Config):
        self.options, self.names, self.lines, self.config = options, names, lines, config
        self.done = self.instances = self.failed = 0
        self.stopped = False

    def do(self, items: Iterable[Item | tuple[Photo, str]], outputs: Sequence[Any], total: int | None, before: int) -> None:
        """Detect on each image; Ctrl-C ends it, and the outputs are complete then too."""
        progress = _Progress(total, before)
        try:
            detect, batch = _detector(self.options, self.config), []
            for item in items:
                if isinstance(item, Item):
                    batch.append(item)
                else:
                    self._fail(item[0].path, item[1])
                if len(batch) == self.options.batch:
                    self._take(batch, detect, outputs)
                    batch = []
                progress(self.done + self.failed)
            if batch:
                self._take(batch, detect, outputs)
            progress(self.done + self.failed, last=True)
        except KeyboardInterrupt:
            self.stopped = True
        finally:
            for output in outputs:
                output.close()

    def _take(self, batch: list[Item], detect: Detect, outputs: Sequence[Any]) -> None:
        try:
            results = detect([item.image for item in batch])
        except ValueError as error:  # one image that the network can't take, such as an odd size in mode none
            if len(batch) > 1:
                for item in batch:
                    self._take([item], detect, outputs)
            else:
                self._fail(batch[0].name, str(error))
            return
        for item, found in zip(batch, results, strict=True):
            found = _finished(found, self.options)
            if outputs:
                picture = _drawn(item, found, self.names)
                for output in outputs:
                    output.add(item, picture)
            self.lines.add(item, found, self.names)  # last: what has a line is done
            self.done += 1
            self.instances += found.num

    def _fail(self, name: str, why: str) -> None:
        self.failed += 1
        print(f"\nLeft out: {name}: {why}" if sys.stderr.isatty() else f"Left out: {name}: {why}", file=sys.stderr, flush=True)

    def say(self, output: str, resumed: int) -> int:
        """Print what was done; returns the exit status."""
        earlier = f", {resumed} were done before" if resumed else ""
        print(f"{self.done} images{earlier}, {self.instances} detections: {os.path.abspath(output)}")
        if self.failed:
            count = "1 image" if self.failed == 1 else f"{self.failed} images"
            print(f"{count} could not be used, as said above.", file=sys.stderr)
        if self.stopped:
            more = " The same command with --resume goes on." if self.options.camera is None else ""
            print(f"Stopped by Ctrl-C: what is done is complete.{more}", file=sys.stderr)
            return STOPPED
        return 1 if self.failed else 0


def _detector(options: argparse.Namespace, config: Config) -> Detect:
    """Build the network, and around it what looks several times or in tiles."""
    from mrcnn.inference import augmented, thresholds, tiled
    from mrcnn.mask_rcnn import MaskRCNN

    model: Any = MaskRCNN("inference", config, "logs")
    model.load_weights(options.weights, by_name=True, verbose=0)
    plain: Any = functools.partial(model.detect, lazy_masks=True)
    if options.thresholds is not None:
        return functools.partial(thresholds.WithThresholds(model, options.thresholds or None).detect, lazy_masks=True)
    if options.flip or options.scales:
        model = augmented.Augmented(model, flip=options.flip, scales=options.scales or (1.0,))
    if options.tile is not None:
        model = tiled.Tiled(model, tile=options.tile or None, overlap=options.overlap, whole=not options.no_whole)
    return plain if isinstance(model, MaskRCNN) else model.detect


def _finished(found: Detections, options: argparse.Namespace) -> Detections:
    """Apply what was asked for after the network."""
    if options.min_score is not None:
        found = found.filter(min_score=options.min_score)  # views that are fused lower scores
    if options.mask_nms is not None:
        found = found.mask_nms(options.mask_nms)
    if options.no_overlaps:
        found = found.without_overlaps(options.no_overlaps)
    return found


def _drawn(item: Item, found: Detections, names: Sequence[str]) -> np.ndarray:
    from mrcnn.visualize import render

    enlarge = 1 if item.frame is not None else max(1, min(4, ENLARGED // max(item.image.shape[:2])))
    return render.draw_instances(item.image, found, names, enlarge=enlarge)


def _video_source(options: argparse.Namespace) -> str | int | None:
    """Return the video's path or the camera's number; None where photos are asked for."""
    videos = [path for path in options.sources if sources.is_video(path) and not os.path.isdir(path)]
    if options.camera is not None:
        if options.sources:
            raise ValueError("Give photos, a video or --camera: one of them.")
        return options.camera
    if not options.sources:
        raise ValueError("Give photos or folders, a video, or --camera 0.")
    if videos and len(options.sources) > 1:
        raise ValueError(f"A video is looked at by itself; got {videos[0]} and {len(options.sources) - 1} more.")
    return videos[0] if videos else None


def _check(options: argparse.Namespace, source: str | int | None, save: set[str]) -> None:
    """Refuse options that would do nothing."""
    idle = []
    if source is None:
        idle += [name for name in ("every", "frames", "fps", "video_name") if getattr(options, name) not in (None, 1)]
        if "video" in save:
            raise ValueError("--save video is for a video or a camera; these are photos.")
    else:
        idle += [name for name in ("resume", "recursive", "coco_ids") if getattr(options, name)]
    if options.tile is None:
        idle += ["no_whole"] if options.no_whole else []
    if idle:
        what = "photos" if source is None else "a video or a camera"
        raise ValueError(f"--{idle[0].replace('_', '-')} does nothing here: these are {what}{'' if idle[0] != 'no_whole' else ', without --tile'}.")
    if options.thresholds is not None and (options.flip or options.scales or options.tile is not None):
        raise ValueError("--thresholds were tuned for one look at each photo: leave out --flip, --scales and --tile.")
    if options.resume and options.overwrite:
        raise ValueError("Give --resume or --overwrite, not both.")


def _require_ids(found: Sequence[Photo], image_ids: dict[str, Any], path: str) -> None:
    absent = [photo.name for photo in found if photo.name not in image_ids and os.path.basename(photo.name) not in image_ids]
    if absent:
        raise ValueError(f"{path} has no image {absent[0]}, nor {len(absent) - 1} others of the {len(found)} photos: it belongs to other photos.")


def _made_with(options: argparse.Namespace, config: Config, names: list[str]) -> dict[str, Any]:
    """What the detections follow from."""
    from mrcnn import fetch
    from mrcnn.training import plain

    asked = ("flip", "scales", "tile", "overlap", "no_whole", "mask_nms", "no_overlaps", "min_score")
    return {
        "weights": os.path.basename(options.weights), "sha256": fetch.digest(options.weights, "sha256"), "class_names": names,
        **{name: getattr(options, name) for name in asked}, "thresholds": _digest_of_thresholds(options, config),
        "config": plain.attributes(config),
    }  # fmt: skip


def _digest_of_thresholds(options: argparse.Namespace, config: Config) -> str | None:
    from mrcnn import fetch
    from mrcnn.inference import candidates, thresholds

    if options.thresholds is None:
        return None
    # What can't be used is refused before the output is begun.
    candidates.require_hard_suppression(config.DETECTION_NMS_METHOD, config.DETECTION_NMS_PER_CLASS)
    thresholds.load_for(options.weights, options.thresholds or None, config.NUM_CLASSES)
    return fetch.digest(options.thresholds or thresholds.beside(options.weights), "sha256")


class _Progress:
    """How far it is: a line that is overwritten on a terminal, else a line every ten seconds; silent while it is quick."""

    def __init__(self, total: int | None, before: int):
        self.total, self.before = total, before
        self._said = time.monotonic()
        self._first: tuple[float, int] | None = None  # when the first ones were done: the network's start is no part of the rate
        self._terminal = sys.stderr.isatty()

    def __call__(self, done: int, last: bool = False) -> None:
        now = time.monotonic()
        if self._first is None and done:
            self._first = now, done
        if not (now - self._said > (0.2 if self._terminal else _EVERY) or (last and self._terminal)):
            return
        self._said = now
        of = f" of {self.total}" if self.total else ""
        since, already = self._first or (now, 0)
        rate = f", {(done - already) / (now - since):.1f} a second" if done > already and now > since else ""
        text = f"{self.before + done}{of} images{rate}"
        print(f"\r{text}   " if self._terminal else text, end="\n" if last or not self._terminal else "", file=sys.stderr, flush=True)
