"""Trainings compared with one another: each in a folder of its own, resumed where it was left, judged on images none has seen.

Shared by long_tail.py, techniques.py and small_sets.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [path for path in (ROOT, os.path.join(ROOT, "samples", "fashion")) if path not in sys.path]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

if TYPE_CHECKING:
    from mrcnn.config import Config
    from mrcnn.data.dataset import Dataset
    from mrcnn.evaluation.accumulator import APAccumulator

#: Embedded scenes to train on come from this series (from 0 on) and those to judge by from VAL_FIRST on, as in the fashion sample.
SERIES, VAL_FIRST = 1, 1_000_000


def scenes(count: int, first: int = 0, series: int = SERIES) -> Dataset:
    """Return prepared embedded scenes of 128 px."""
    from mrcnn.data.synthetic import SceneDataset

    dataset = SceneDataset()
    dataset.load(count, series, 128, first)
    dataset.prepare()
    return dataset


def train(
    folder: str, config: Config, data: Dataset, val: Dataset | None, stages: str, start: str | None = None, exclude: Sequence[str] = (),
    augmentation: Any = None,
) -> str:  # fmt: skip
    """Train stage after stage; what an interrupted run left in the folder goes on, and a finished one is not repeated.

    Args:
        folder: of this trial alone.
        config: of the training.
        data, val: prepared.
        stages: as `MaskRCNN.fit_stages` takes them.
        start: what `load_initial_weights` takes, for a new run. A file must not be named as a run's checkpoints are, or its run goes on.
        exclude: layers of it to leave at random.
        augmentation: as `fit_stages` takes it.

    Returns:
        Path of the last checkpoint.
    """
    import keras

    from mrcnn.mask_rcnn import MaskRCNN

    keras.backend.clear_session()
    os.makedirs(folder, exist_ok=True)
    model = MaskRCNN("training", config, folder)
    try:
        model.load_initial_weights("last")
    except FileNotFoundError:
        model.load_initial_weights(start or "none", exclude=list(exclude) or None)
    model.fit_stages(data, val, stages, augmentation=augmentation)
    return model.checkpoint_path.format(epoch=model.epoch)


def judge(checkpoint: str, config: Config, data: Dataset, folder: str) -> APAccumulator:
    """Detect with a checkpoint on all images of a data set, and gather what was found. `config`: of detection."""
    import keras

    from mrcnn.evaluation.accumulator import APAccumulator
    from mrcnn.mask_rcnn import MaskRCNN
    from mrcnn.training.mean_average_precision import measure

    keras.backend.clear_session()
    model = MaskRCNN("inference", config, folder)
    model.load_weights(checkpoint, by_name=True)
    gathered = APAccumulator(config.NUM_CLASSES)
    measure(model, data, data.image_ids, accumulator=gathered)
    return gathered


def small(settings: dict[str, Any] | None = None, seed: int = 0, steps: int | None = None, detect: bool = False) -> Config:
    """Return the fashion sample's configuration for embedded scenes, with parameters set anew."""
    import fashion_config

    from mrcnn.data.synthetic import CLASS_NAMES

    config = fashion_config.make_config("small", 1 + len(CLASS_NAMES), steps=steps, seed=seed, settings=settings)
    if detect:
        config.IMAGES_PER_GPU = config.DETECTION_BATCH
    return config


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table in Markdown.

    >>> print(table(["run", "mAP"], [["a", 0.5]]))
    | run | mAP |
    | --- | --- |
    | a | 0.5 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
