"""What the mAP callback costs beyond detection, and how long a checkpoint takes to load.

    python benchmarks/evaluate.py [--rounds 5] [--json evaluate.json]

Two networks on the embedded scenes: the fashion sample's small one at 128 px on many images, where everything around
the network weighs most, and ResNet50 at 512 px with 81 classes on a few. Photos are held in memory, masks as run
lengths. Both keep every detection up to the most they may return (24 and 100), whatever its score. The yardstick is the cheapest
detection there is: the same images in the same batches, masks left as the network gives them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import contest, workers  # noqa: E402

NETWORKS = {"small": "small network, 128 px", "resnet50": "ResNet50, 512 px"}
IMAGES = {"small": 64, "resnet50": 6}
LOADS = 3


def tasks(network: str) -> workers.Tasks:
    """Detection and evaluation of one network on the same images; the facts hold the seconds of loading a checkpoint."""
    from benchmarks import ours
    from mrcnn.training import mean_average_precision

    model, size = (ours.model(512, IMAGES_PER_GPU=2), 512) if network == "resnet50" else (_small(), 128)
    held = _held(IMAGES[network], size, model.config.NUM_CLASSES)
    photos, batch = [held.load_image(i) for i in held.image_ids], model.config.BATCH_SIZE

    def detect(**how: bool) -> dict[str, Any]:
        found = [one for first in range(0, len(photos), batch) for one in model.detect(photos[first : first + batch], **how)]
        return {"detections": sum(one.num for one in found) / len(found)}

    def evaluate() -> dict[str, Any]:
        return {"mean_average_precision": mean_average_precision.measure(model, held, held.image_ids).map}

    return workers.Tasks({"detect": lambda: detect(lazy_masks=True), "planes": detect, "evaluate": evaluate}, _loading(model))


def _small() -> Any:
    """The fashion sample's smallest network with random weights, every detection kept."""
    from benchmarks import ours
    from mrcnn.data import synthetic
    from mrcnn.mask_rcnn import MaskRCNN
    from samples.fashion import fashion_config

    config = fashion_config.make_config("small", 1 + len(synthetic.CLASS_NAMES), batch=4)
    config.DETECTION_MIN_CONFIDENCE = 0.0
    model = MaskRCNN("inference", config, tempfile.gettempdir())
    model.allow_random_weights = True
    logits = model.keras_model.get_layer("mrcnn_class_logits")
    kernel, bias = logits.get_weights()
    logits.set_weights([kernel * ours.SHARPEN, bias])
    return model


def _held(count: int, size: int, num_classes: int) -> Any:
    """A data set that keeps the photos of embedded scenes, and their masks as run lengths."""
    from mrcnn.data import synthetic
    from mrcnn.data.dataset import Dataset
    from mrcnn.ops import rle

    scenes = synthetic.SceneDataset()
    scenes.load(count, seed=0, size=size)
    scenes.prepare()

    class Held(Dataset):
        def load_image(self, image_id: int) -> np.ndarray:
            return self.image_info[image_id]["photo"]

        def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
            info = self.image_info[image_id]
            return rle.decode_coco(info["rles"], (size, size)), info["class_ids"]

    held = Held()
    for class_id in range(1, num_classes):
        held.add_class("scenes", class_id, f"class {class_id}")
    for i in scenes.image_ids:
        masks, class_ids = scenes.load_mask(i)
        held.add_image("scenes", int(i), path="", photo=scenes.load_image(i), rles=rle.encode_coco(masks), class_ids=class_ids)
    held.prepare()
    return held


def _loading(model: Any) -> dict[str, Any]:
    """Write a checkpoint and load it some times, as the callback does after an epoch."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.h5")
        model.keras_model.save_weights(path)
        seconds = []
        for _ in range(LOADS):
            start = time.perf_counter()
            model.load_weights(path, by_name=True, verbose=0)
            seconds.append(time.perf_counter() - start)
        return {"checkpoint_mb": os.path.getsize(path) / 2**20, "loading_seconds": seconds}


def run(options: argparse.Namespace, notes: list[str]) -> dict[str, Any]:
    """Play the contests, print them, and return their figures."""
    figures = {}
    for network, title in NETWORKS.items():
        print(f"\nevaluate: {title}, {IMAGES[network]} images")
        with contextlib.ExitStack() as stack:
            worker = stack.enter_context(workers.Worker("benchmarks.evaluate:tasks", {"network": network}))
            per = IMAGES[network]
            entries = [
                contest.Entry("detection, masks waiting", worker, "detect", per),
                contest.Entry("mAP", worker, "evaluate", per),
                contest.Entry("detection, masks pasted", worker, "planes", per),
            ]
            contest.play(entries, options.rounds)
            contest.print_times(entries)
            value = contest.ratio(entries[1], entries[0])
            contest.print_ratio("mAP over detection", value)
            facts = worker.facts()
            print(f"  loading a checkpoint of {facts['checkpoint_mb']:,.0f} MB: {contest.spread(facts['loading_seconds']):.2f} s")
            times = [entry.to_dict() for entry in entries]
        figures[network] = {"images": per, "contestants": times, "mAP over detection": value._asdict(), **facts}
    return figures


if __name__ == "__main__":
    contest.play_alone(run, __doc__)
