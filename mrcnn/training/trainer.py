"""Fitting: the feeds, the callbacks in their order, and Keras' `fit`."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from mrcnn.config import Config
from mrcnn.data import pipeline
from mrcnn.data.dataset import Dataset
from mrcnn.training import callbacks, metrics, recorder
from mrcnn.training.feed import Feed
from mrcnn.training.mean_average_precision import MeanAveragePrecisionCallback
from mrcnn.training.runs import Run

Anchors = Callable[[tuple[int, ...]], np.ndarray]


def feeds(
    train_dataset: Dataset, val_dataset: Dataset | None, config: Config, anchors: Anchors, *, epoch: int, augmentation: Any,
    no_augmentation_sources: Sequence[str] | None,
) -> tuple[Feed, Feed | None]:  # fmt: skip
    """Build the feeds of training and validation, checked: bad data is refused here, before anything is compiled.

    Validation shows the same images in the same order after every epoch: VALIDATION_STEPS batches, at most one pass.

    Raises:
        ValueError: see `data.pipeline.Batches`; the message says which of the two data sets it is about.
    """
    num_random_rois = 0 if config.USE_RPN_ROIS else config.POST_NMS_ROIS_TRAINING

    def feed(which: str, dataset: Dataset, steps: int, **options: Any) -> Feed:
        try:
            batches = pipeline.Batches(dataset, config, batch_size=config.BATCH_SIZE, steps=steps, seed=config.SEED, anchors=anchors, **options)
        except ValueError as error:
            raise ValueError(f"{which} data set: {error}") from error
        return Feed(batches, epoch, num_random_rois)

    train = feed(
        "Training", train_dataset, config.STEPS_PER_EPOCH, augmentation=augmentation, no_augmentation_sources=no_augmentation_sources
    )  # fmt: skip
    if val_dataset is None or not config.VALIDATION_STEPS:
        return train, None
    one_pass = -(-max(1, len(val_dataset.image_ids)) // config.BATCH_SIZE)
    return train, feed("Validation", val_dataset, min(config.VALIDATION_STEPS, one_pass), shuffle=False)


def fit(
    model: keras.Model, train: Feed, validation: Feed | None, run: Run, epochs: int, custom_callbacks: Sequence[keras.callbacks.Callback] = ()
) -> keras.callbacks.History:
    """Train from `run.epoch` to `epochs`.

    Order at an epoch's end: checkpoint, mAP from that checkpoint, the user's callbacks, CSV, TensorBoard, curves; so what the mAP puts in the logs
    reaches all that come after it.

    Args:
        model: Compiled training model.
        train: Batches of training.
        validation: Batches of validation, or None.
        run: Where to write; its folder is made here.
        epochs: Total to reach.
        custom_callbacks: The user's.

    Raises:
        record.AnotherNetworkError: the folder holds a run of another network.
    """
    os.makedirs(run.log_dir, exist_ok=True)
    own = list(custom_callbacks or ())
    of_map = [c for c in own if isinstance(c, MeanAveragePrecisionCallback)]
    others = [c for c in own if not isinstance(c, MeanAveragePrecisionCallback)]
    order = [
        callbacks.Checkpoint(run.checkpoint_path),
        *of_map,
        *others,
        callbacks.CsvLog(os.path.join(run.log_dir, metrics.FILE)),
        *callbacks.tensorboard(run.log_dir),
        callbacks.SkippedImages(train.batches, validation and validation.batches),
        keeper := recorder.Recorder(model, train, validation, run, epochs, own),
    ]
    if keras.backend.backend() == "tensorflow":
        for feed in (train, validation):
            if feed is not None:
                feed.announce(model.inputs)
    with keeper:
        return model.fit(train, initial_epoch=run.epoch, epochs=epochs, validation_data=validation, callbacks=order)
