"""Two small real data sets from ImageNet weights: nuts on a table (15 photos), nuclei under microscopes (24 images).

    python benchmarks/small_sets.py nuts --data ../shared/data/nuts_labelme --weights imagenet:WEIGHTS.h5 --logs LOGS
    python benchmarks/small_sets.py nuclei --data ../shared/data/dsb2018_mini --weights imagenet:WEIGHTS.h5 --logs LOGS

Prints the mAP of the last checkpoint on the validation photos with its bootstrap interval, and that of each class. Interrupted, the same command
goes on. Validation has 3 and 6 images: an interval of so few says little more than that.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import trials  # noqa: E402

if TYPE_CHECKING:
    import numpy as np

    from mrcnn.config import Config
    from mrcnn.data.dataset import Dataset

SETTINGS = {
    "BACKBONE": "resnet50",
    "IMAGE_MIN_DIM": 512,
    "IMAGE_MAX_DIM": 512,
    "IMAGES_PER_GPU": 1,
    "STEPS_PER_EPOCH": 50,
    "VALIDATION_STEPS": None,
    "OPTIMIZER": "adamw",
    "WEIGHT_DECAY": 0.01,
    "PRECISION": "mixed_bfloat16",
    "DETECTION_MIN_CONFIDENCE": 0.05,  # mAP wants the whole ranking
}


def nuts(folder: str) -> tuple[Dataset, Dataset]:
    """Read photos with LabelMe files beside them, train/ and val/."""
    from mrcnn.data import formats

    train = formats.load("labelme", os.path.join(folder, "train"))
    return train, formats.load("labelme", os.path.join(folder, "val"), classes=train)


def nuclei(folder: str) -> tuple[Dataset, Dataset]:
    """Read the competition's folders, stage1_train/ and stage1_val/."""
    from mrcnn.data import formats

    train = formats.load("png_masks", os.path.join(folder, "stage1_train"), class_name="nucleus")
    return train, formats.load("png_masks", os.path.join(folder, "stage1_val"), class_name="nucleus", classes=train)


class Case(NamedTuple):
    """A data set and how it is learned."""

    read: Callable[[str], tuple[Any, Any]]
    settings: dict[str, Any]
    stages: str


CASES = {
    "nuts": Case(nuts, {"TRAIN_ROIS_PER_IMAGE": 64, "MAX_GT_INSTANCES": 50}, "heads:5e-4:3:warmup@50,3+:2e-4:13:cosine"),
    # Nuclei are 10 to 40 pixels wide: shown at twice their size, with small anchors and room for the crowd.
    "nuclei": Case(
        nuclei,
        {
            "IMAGE_MIN_SCALE": 2.0,
            "RPN_ANCHOR_SCALES": (8, 16, 32, 64, 128),
            "TRAIN_ROIS_PER_IMAGE": 96,
            "MAX_GT_INSTANCES": 200,
            "DETECTION_MAX_INSTANCES": 300,
        },
        "heads:5e-4:3:warmup@50,3+:2e-4:13:cosine",
    ),
}


def main(words: Sequence[str] | None = None) -> None:
    """Train and judge one data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=sorted(CASES))
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--weights", required=True, help="coco, imagenet, imagenet:FILE, a .h5 file or none")
    parser.add_argument("--logs", required=True, help="folder for the run")
    parser.add_argument("--stages", help="layers:rate:epochs[:schedule], …. Default: the data set's own")
    parser.add_argument("--seed", type=int, default=0, help="Default: 0")
    options = parser.parse_args(words)
    case = CASES[options.case]
    train, val = case.read(options.data)
    print(judged(options.case, train, val, options.weights, os.path.join(options.logs, options.case), case.stages, options.seed, options.stages))


def judged(name: str, train: Dataset, val: Dataset, weights: str, folder: str, usual: str, seed: int, stages: str | None = None) -> str:
    """Train, judge, and return the figures as lines."""
    from mrcnn.data import augment
    from mrcnn.evaluation import bootstrap

    moves = [augment.flip, upside_down, augment.scale_jitter, augment.colour]
    checkpoint = trials.train(
        folder, config(name, train, seed), train, val, stages or usual, start=weights, augmentation=moves
    )
    gathered = trials.judge(checkpoint, config(name, train, seed), val, folder)
    result = gathered.result()
    lines = [f"{train.class_names[i]:16} AP {ap:.3f}   {result.num_instances[i]} instances" for i, ap in result.per_class.items()]
    interval = bootstrap.mean_average_precision(gathered)
    return "\n".join([checkpoint, *lines, f"mAP@0.5 {interval}, per image {result.per_image:.3f}, {result.num_images} images"])


def upside_down(image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Turn half of the photos over, seen from above neither top nor bottom is special."""
    return (image[::-1], masks[::-1]) if rng.random() < 0.5 else (image, masks)


def config(name: str, data: Dataset, seed: int) -> Config:
    """Return the configuration for a data set of this case."""
    from mrcnn.config import Config

    values = {**SETTINGS, **CASES[name].settings, "NAME": name, "NUM_CLASSES": data.num_classes, "SEED": seed}
    return type(f"{name.title()}Config", (Config,), values)()


if __name__ == "__main__":
    main()
