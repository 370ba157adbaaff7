"""What `python -m mrcnn explain` does."""

from __future__ import annotations

import argparse
import logging

from mrcnn.commands import inputs, trained
from mrcnn.doctor.command import Progress

logger = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> int:
    """Say what became of the objects of photos, or of a data set.

    Raises:
        OSError, ValueError: photos, network or data can't be read or don't fit; options that contradict one another.
    """
    if bool(options.photos) == bool(options.data) or bool(options.data) != bool(options.format):
        raise ValueError("Give photos, or a data set with --format and --data.")
    if options.data and (options.box or options.point):
        raise ValueError("--box and --point are for photos; of a data set its own objects are looked for.")
    return _of_data(options) if options.data else _of_photos(options)


def _of_photos(options: argparse.Namespace) -> int:
    from mrcnn.data import images

    if options.box and options.point:
        raise ValueError("Give boxes or points, not both in one call.")
    model, weights = trained.network_of_file(options.weights, options.config, dict(options.settings), logs=options.logs)
    names = trained.class_names(None, weights, model.config.NUM_CLASSES)
    for path in options.photos:
        photo = images.read(path, model.config.IMAGE_CHANNEL_COUNT)
        (found,) = model.detect([photo], explain=True, objects=[_objects(options.box or options.point, 4 if options.box else 2)])
        print(f"{path}\n{found.explain.text(names)}\n")
    return 0


def _objects(asked: list[list[float]], sides: int):
    """Return what `detect(objects=…)` takes: all with a class, or all without."""
    if not asked:
        return None
    if len({len(one) for one in asked}) > 1:
        raise ValueError("Give a class id with each --box or --point, or with none.")
    places = [one[:sides] for one in asked]
    return (places, [int(one[sides]) for one in asked]) if len(asked[0]) > sides else places


def _of_data(options: argparse.Namespace) -> int:
    data = inputs.dataset(options)
    model = trained.network(options.weights, options.config, dict(options.settings), data=data, logs=options.logs)
    print(of_dataset(model, data, inputs.drawn(options, data), each=options.list))
    return 0


def of_dataset(model, data, ids, *, each: bool = False):
    """Look for the objects of a data set; returns their fates counted, an `inference.explanation.Tally`.

    An image that can't be read or judged is logged and left out. At most BATCH_SIZE photos are in memory at a time, their masks as run lengths.

    Args:
        model: MaskRCNN in inference mode.
        data: Prepared data set.
        ids: Which of its images.
        each: Print each lost object.

    Raises:
        ValueError: no image can be used.
    """
    from mrcnn.evaluation import collect
    from mrcnn.inference.explanation import TITLES, Tally
    from mrcnn.ops import rle

    tally, progress = Tally(list(data.class_names)), Progress()
    config = model.config

    def left_out(image_id: int, error: Exception) -> None:
        logger.warning("Left out: image %s: %s: %s", collect.image_name(data, image_id), type(error).__name__, error)

    for done, some in collect.batches(lambda image_id: collect.load(data, image_id, config.IMAGE_CHANNEL_COUNT), ids, config.BATCH_SIZE, left_out):
        objects = []
        for one in some:
            rois = rle.boxes_coco(one.rles)
            real = rois.any(axis=1) & (one.class_ids > 0)  # crowds are no objects, and an instance may have no pixel
            objects.append((rois[real], one.class_ids[real]))
        found = model.detect([one.image for one in some], objects=objects, lazy_masks=True)
        for one, detections in zip(some, found, strict=True):
            tally.add(detections.explain)
            for fate in detections.explain.fates if each else ():
                if not fate.found:
                    why = fate.why(data.class_names)
                    name = collect.image_name(data, one.image_id)
                    print(f"{name}: {fate.title(data.class_names)}: {TITLES[fate.stage]}. {why} {fate.advice}")
        progress("explain", done, len(ids))
    if not tally.photos:
        raise ValueError(f"None of the {len(ids)} images can be used; each is named above.")
    return tally
