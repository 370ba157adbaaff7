"""The augmentations of the fashion sample, and pictures of what training will see of them."""

import os

import cv2
import numpy as np

from mrcnn.data import augment, images, pipeline
from mrcnn.ops import masks as mask_ops
from mrcnn.results import Detections
from samples.program import write_picture

#: What --augment knows. They act in the order in which they are given.
AUGMENTATIONS = {
    "flip": augment.flip,
    "jitter": augment.scale_jitter,
    "large-jitter": augment.large_scale_jitter,
    "crop": augment.crop,
    "copypaste": augment.copy_paste,
    "colour": augment.colour,
}
SIDE = 320  # pixels of a photo in the sheet, at least


def augmentation(names):
    """Return what `MaskRCNN.train` takes as augmentation: a list of functions, or None for no names.

    Raises:
        ValueError: a name is unknown; the command line knows better, but a run.json may hold it.
    """
    unknown = [name for name in names if name not in AUGMENTATIONS]
    if unknown:
        raise ValueError(f"There is no augmentation {unknown[0]!r}; known are {', '.join(AUGMENTATIONS)}.")
    return [AUGMENTATIONS[name] for name in names] or None


def preview(dataset, config, names, photos, draws, folder):
    """Draw what training with this configuration will see: a row a photo, the plain photo first, then its first views.

    The views are the pipeline's own items, so another epoch length, batch or seed gives other pictures, as in training.

    Args:
        dataset: prepared data set of training.
        config: that of training; its SEED, BATCH_SIZE and STEPS_PER_EPOCH say when which photo comes.
        names: of AUGMENTATIONS.
        photos: rows.
        draws: views of each.
        folder: where the sheet (preview.png) and each row (01.png …) are written.
    """
    os.makedirs(folder, exist_ok=True)
    options = {"batch_size": config.BATCH_SIZE, "steps": config.STEPS_PER_EPOCH, "seed": config.SEED}
    anchors = np.array([[0.0, 0.0, 64.0, 64.0]])  # they are labelled after the pixels are done, and not drawn
    plain = pipeline.Batches(dataset, config, anchors=anchors, **options)
    source = pipeline.Batches(dataset, config, anchors=anchors, augmentation=augmentation(names), **options)
    rows = []
    for places in _views(source, photos, draws):
        pictures = [_drawn(plain.item(*places[0]), config, dataset.class_names, "plain")]
        for epoch, index in places:
            step = index // config.BATCH_SIZE + 1
            pictures.append(_drawn(source.item(epoch, index), config, dataset.class_names, f"epoch {epoch}, step {step}"))
        rows.append(_row(pictures))
        write_picture(os.path.join(folder, f"{len(rows):02d}.png"), rows[-1])
    width = max(row.shape[1] for row in rows)
    sheet = [np.pad(row, [(0, 0), (0, width - row.shape[1]), (0, 0)], constant_values=255) for row in rows]
    write_picture(os.path.join(folder, "preview.png"), np.vstack(sheet))
    said = ", ".join(names) or "none"
    print(f"{len(rows)} photos of {dataset.num_images}, {draws} views of each; augmentation: {said}; seed {config.SEED}.")
    print(f"Pictures: {folder}")


def _views(source, photos, draws):
    """Return, for the first photos of the training, where their first views are: [[(epoch, index), …], …]."""
    places = {}
    items = source.steps * source.batch_size
    position = items  # training begins with epoch 1 of the pipeline
    # A pass may show a photo more than once, or leave it out; some passes more than draws find them all.
    while position < items + (draws + 2) * max(len(source.dataset.image_ids), photos):
        place = divmod(position, items)
        image_id = source.image_at(*place)
        if image_id in places or len(places) < photos:
            places.setdefault(image_id, []).append(place)
        if len(places) == photos and all(len(some) >= draws for some in places.values()):
            break
        position += 1
    return [some[:draws] for some in places.values()]


def _drawn(item, config, class_names, title):
    """Draw an item of training with its masks, boxes and classes, as large as the sheet wants it, under a title."""
    # It loads matplotlib, which the other users of this module need not wait for.
    from mrcnn import visualize

    image = images.unmold(item.image, config.MEAN_PIXEL)
    count = np.count_nonzero(item.class_ids)
    boxes, masks, class_ids = item.boxes[:count], item.masks[..., :count], item.class_ids[:count]
    if config.USE_MINI_MASK:
        masks = mask_ops.expand(boxes, masks, image.shape)
    objects = class_ids > 0  # crowds have no class to train
    found = Detections(boxes[objects], class_ids[objects], np.ones(objects.sum(), np.float32), masks[..., objects])
    enlarge = -(-SIDE // max(image.shape[:2]))
    picture = visualize.draw_instances(image, found, class_names, show_scores=False, enlarge=enlarge)
    head = np.full((24, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(head, title, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([head, picture])


def _row(pictures):
    """Lay pictures side by side with a margin, filled below with white where one is lower."""
    height = max(picture.shape[0] for picture in pictures)
    filled = [np.pad(p, [(0, height - p.shape[0]), (0, 6), (0, 0)], constant_values=255) for p in pictures]
    return np.hstack(filled)
