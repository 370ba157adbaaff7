"""What the ways to detect (docs/detecting.md) do to the mean average precision of the fashion sample's small network, on scenes it never saw.

    python benchmarks/ways_to_detect.py --weights logs/fashion…/mask_rcnn_fashion_0024.h5 --scenes 200
    python benchmarks/ways_to_detect.py --weights logs/fashion…/mask_rcnn_fashion_0024.h5 --tiles 8

The first compares ways on scenes of 128 px, each with the difference to the default and its 95 % bootstrap interval over the scenes. The second
looks at photos of 512 px that are 16 scenes side by side: at once, and in tiles. Seconds are CPU time of this process.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "samples", "fashion")]

SERIES, FIRST, SIDE, ACROSS = 1, 1_000_000, 128, 4  # the validation scenes of the sample; scenes in a row of a photo
IOUS = (0.5, 0.75)
CHUNK = 20

Truth = list[tuple[np.ndarray, np.ndarray]]


def main(words: Sequence[str] | None = None) -> None:
    """Print the figures, a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True, help="checkpoint of the fashion sample's small variant")
    parser.add_argument("--scenes", type=int, help="compare ways on so many scenes")
    parser.add_argument("--tiles", type=int, help="compare tiles on so many photos of 16 scenes")
    options = parser.parse_args(words)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if options.scenes:
        ways(options.weights, options.scenes)
    if options.tiles:
        tiles(options.weights, options.tiles)


def network(weights: str, **settings: Any) -> Any:
    """The small variant with other parameters."""
    from fashion_config import make_config

    from mrcnn.mask_rcnn import MaskRCNN

    config = make_config("small", 9, settings=settings)
    config.IMAGES_PER_GPU = config.DETECTION_BATCH
    model = MaskRCNN("inference", config, "logs")
    model.load_weights(weights, by_name=True, verbose=0)
    return model


def scenes(count: int) -> tuple[list[np.ndarray], Truth]:
    """Scenes and what is on them: masks [H, W, N] and class ids [N]."""
    from mrcnn.data.synthetic import SceneDataset

    data = SceneDataset()
    data.load(count, SERIES, SIDE, FIRST)
    data.prepare()
    return [data.load_image(i) for i in range(count)], [data.load_mask(i) for i in range(count)]


class Table:
    """Lines of figures; the first one is what the others are compared with."""

    def __init__(self, truth: Truth):
        self.truth, self.first = truth, None

    def add(self, name: str, detect: Callable[[list[np.ndarray]], list[Any]], images: list[np.ndarray]) -> list[Any]:
        """Detect, print the line, and return what was found."""
        from mrcnn.evaluation import bootstrap
        from mrcnn.evaluation.accumulator import APAccumulator

        start, found = time.process_time(), []
        for i in range(0, len(images), CHUNK):
            found += detect(images[i : i + CHUNK])
        seconds = time.process_time() - start
        gathered = [APAccumulator(9, iou) for iou in IOUS]
        for detections, (masks, class_ids) in zip(found, self.truth, strict=True):
            for accumulator in gathered:
                accumulator.add(class_ids, detections, gt_masks=masks)
        self.first = self.first or gathered
        line = f"{name:32}{sum(one.num for one in found) / len(found):7.2f}"
        for accumulator, before in zip(gathered, self.first, strict=True):
            gain = bootstrap.difference(accumulator, before, samples=400)
            line += f" | {accumulator.result().map:.4f} {gain.value:+.4f} ({gain.low:+.4f} … {gain.high:+.4f})"
        print(f"{line} | {seconds:5.1f} s", flush=True)
        return found


def ways(weights: str, count: int) -> None:
    """Suppression, masks without overlaps and views."""
    from mrcnn.inference.augmented import Augmented

    images, truth = scenes(count)
    table, model = Table(truth), network(weights)
    model.detect(images[:1])  # traced
    found = table.add("default", lambda some: model.detect(some, lazy_masks=True), images)
    after = {
        "mask_nms(0.5)": lambda one: one.mask_nms(0.5), "mask_nms(0.5), all classes": lambda one: one.mask_nms(0.5, per_class=False),
        'without_overlaps("smallest")': lambda one: one.without_overlaps(), 'without_overlaps("best")': lambda one: one.without_overlaps("best"),
    }  # fmt: skip
    for name, refine in after.items():
        kept = iter([refine(one) for one in found])
        table.add(name, lambda some, kept=kept: [next(kept) for _ in some], images)
    for name, views in {"flip": {}, "scales 1, 1.5": {"flip": False, "scales": (1, 1.5)}, "flip, scales 1, 1.5": {"scales": (1, 1.5)}}.items():
        looks = Augmented(model, **views)
        looks.detect(images[:1])
        table.add(name, looks.detect, images)
    parameters = {
        "NMS over all classes": {"DETECTION_NMS_PER_CLASS": False}, "linear": {"DETECTION_NMS_METHOD": "linear"},
        "gaussian": {"DETECTION_NMS_METHOD": "gaussian"}, "hard at 0.5": {"DETECTION_NMS_THRESHOLD": 0.5},
    }  # fmt: skip
    for name, settings in parameters.items():
        other = network(weights, **settings)
        other.detect(images[:1])
        table.add(name, lambda some, other=other: other.detect(some, lazy_masks=True), images)


def tiles(weights: str, count: int) -> None:
    """A photo at once, and in tiles with several overlaps."""
    from mrcnn.inference.tiled import Tiled

    images, truth = photos(count)
    model = network(weights)
    model.detect(images[:1])
    table = Table(truth)
    table.add("at once", lambda some: model.detect(some, lazy_masks=True), images)
    for overlap in (0.25, 0.5):
        table.add(f"tiles of {SIDE}, overlap {overlap}", Tiled(model, overlap=overlap, whole=False).detect, images)
    table.add(f"tiles of {SIDE}, overlap 0.25, whole", Tiled(model).detect, images)
    table.add(f"tiles of {2 * SIDE}, overlap 0.25", Tiled(model, tile=2 * SIDE, whole=False).detect, images)


def photos(count: int) -> tuple[list[np.ndarray], Truth]:
    """Photos of ACROSS times ACROSS scenes side by side."""
    images, truth = scenes(count * ACROSS * ACROSS)
    large, objects, side = [], [], ACROSS * SIDE
    for number in range(count):
        photo, masks, class_ids = np.zeros((side, side, 3), np.uint8), [], []
        for place in range(ACROSS * ACROSS):
            scene = number * ACROSS * ACROSS + place
            y, x = place // ACROSS * SIDE, place % ACROSS * SIDE
            here = slice(y, y + SIDE), slice(x, x + SIDE)
            photo[here] = images[scene]
            own, own_ids = truth[scene]
            planes = np.zeros((side, side, own.shape[2]), bool)
            planes[here] = own
            masks.append(planes)
            class_ids.append(own_ids)
        large.append(photo)
        objects.append((np.concatenate(masks, axis=2), np.concatenate(class_ids)))
    return large, objects


if __name__ == "__main__":
    main()
