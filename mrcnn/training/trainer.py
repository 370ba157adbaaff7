"""Fitting: the feeds, the callbacks in their order, and Keras' `fit`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from mrcnn.config import Config
from mrcnn.data import anchor_grid, loader, pipeline
from mrcnn.data.dataset import Dataset
from mrcnn.log import log
from mrcnn.training import average, callbacks, guard, metrics, recorder, state
from mrcnn.training.feed import Feed
from mrcnn.training.keeper import Checkpoint, EpochDone, Keeper, StageOver
from mrcnn.training.leaving import Leaving, Left
from mrcnn.training.mean_average_precision import MeanAveragePrecisionCallback
from mrcnn.training.rates import Rates
from mrcnn.training.runs import Run
from mrcnn.training.state import State


def feeds(
    train_dataset: Dataset, val_dataset: Dataset | None, config: Config, *, epoch: int, augmentation: Any,
    no_augmentation_sources: Sequence[str] | None,
) -> tuple[Feed, Feed | None]:  # fmt: skip
    """Build the feeds of training and validation, checked: bad data is refused here, before anything is compiled.

    Validation shows the same images in the same order after every epoch: VALIDATION_STEPS batches, at most one pass, whose last batch is smaller
    where the number of images is no multiple of the batch. A batch counts in the mean of a loss by its number of images.

    Raises:
        ValueError: see `data.pipeline.Batches`; the message says which of the two data sets it is about.
    """
    for name, data in (("train_dataset", train_dataset), ("val_dataset", val_dataset)):
        if not hasattr(data, "image_ids") and not (data is None and name == "val_dataset"):
            raise ValueError(f"{name} is {data!r}: a prepared Dataset is expected")
    anchors = anchor_grid.PixelAnchors(config)
    num_random_rois = 0 if config.USE_RPN_ROIS else config.POST_NMS_ROIS_TRAINING

    def feed(which: str, dataset: Dataset, steps: int | None, **options: Any) -> Feed:
        try:
            batches = pipeline.Batches(dataset, config, batch_size=config.BATCH_SIZE, steps=steps, seed=config.SEED, anchors=anchors, **options)
            if not batches.shuffle:
                batches.item(0, 0)  # a set of which no photo can be read would be noticed after an epoch's training
            ahead = _loader(batches, config)
        except ValueError as error:
            raise ValueError(f"{which} data set: {error}") from error
        return Feed(batches, epoch, num_random_rois, ahead=ahead)

    train = feed(
        "Training", train_dataset, config.STEPS_PER_EPOCH, augmentation=augmentation, no_augmentation_sources=no_augmentation_sources
    )  # fmt: skip
    if val_dataset is None or config.VALIDATION_STEPS == 0:
        return train, None
    return train, feed("Validation", val_dataset, config.VALIDATION_STEPS, shuffle=False, one_pass=True)


@contextlib.contextmanager
def feeding(*args: Any, **kwargs: Any) -> Iterator[tuple[Feed, Feed | None]]:
    """`feeds`, whose workers end with the block."""
    built = feeds(*args, **kwargs)
    try:
        yield built
    finally:
        for feed in built:
            if feed is not None:
                feed.close()


def _loader(batches: pipeline.Batches, config: Config) -> loader.Loader | None:
    if not config.LOADER_WORKERS:
        return None
    return loader.Loader(
        batches, workers=config.LOADER_WORKERS, processes=config.LOADER_PROCESSES, queue=config.LOADER_QUEUE, timeout=config.LOADER_TIMEOUT
    )


def fit(
    model: keras.Model, train: Feed, validation: Feed | None, keeper: Keeper, rates: Rates, epochs: int, *, resume: State | None = None,
    noted: Sequence[dict[str, Any]] = (), custom_callbacks: Sequence[keras.callbacks.Callback] = (), deadline: float | None = None,
    history: Figures | None = None, more: bool = False,
) -> Leaving:  # fmt: skip
    """Train from where the keeper stands to `epochs`.

    Order at an epoch's end: checkpoint, mAP from that checkpoint, the user's callbacks, CSV, TensorBoard, curves; so what the mAP puts in the logs
    reaches all that come after it. The state is complete only after all of them.

    Args:
        model: Compiled training model.
        train: Batches of training, at the epoch and step to begin with.
        validation: Batches of validation, or None.
        keeper: Saves; its run says from which epoch on.
        rates: Learning rate of this stage.
        epochs: Total to reach.
        resume: State to go on from; the weights and the optimizer have it already.
        noted: What the callbacks remembered, where this stage goes on: see `Keeper.notes`.
        custom_callbacks: The user's.
        deadline: `time.monotonic()` at which to be gone; None: never.
        history: Where the figures go; several fits may share one.
        more: Another stage follows.

    Returns:
        How the fit was left, if it was: see `Leaving.reason`.

    Raises:
        record.AnotherNetworkError: the folder holds a run of another network.
    """
    own = list(custom_callbacks or ())
    of_map = [c for c in own if isinstance(c, MeanAveragePrecisionCallback)]
    users = [*of_map, *(c for c in own if c not in of_map)]
    epoch, step = keeper.run.epoch, train.first_step
    waits = [feed.interrupt for feed in (train, validation) if feed is not None]
    done, leaving = EpochDone(keeper), Leaving(keeper, deadline, step, train.steps, None if more else epochs, waits)
    owed = bool(getattr(history, "epoch", None))  # epochs of a stage before
    keeper.begin(model, rates, users, step)
    keep = recorder.Recorder(model, train, validation, keeper.run, epochs, own, leaving, more, owed)
    after = _after_checkpoint(keeper.run, users, train, validation, Figures() if history is None else history, keep)
    leaving.reserve = keep.pictures_take
    order = [rates, guard.NonFinite(train.batches.dataset, train.batches.config.ON_NON_FINITE, step), Checkpoint(keeper), *after, done, leaving]
    if resume is not None:
        for callback in of_map:
            callback.recall(state.figures(keeper.run.log_dir))
        done.noted, done.after = noted, after
        done.means = {name: array for name, array in resume.arrays.items() if name.startswith("metric/")} if step else {}
        done.pending = _pending(model, validation, resume)
    with keep, leaving, contextlib.suppress(Left, StageOver):
        try:
            if step:
                _fit(model, train, validation, epoch, epoch + 1, order)
                train, epoch = train.at(epoch + 1), epoch + 1
            if done.pending is not None or (epoch < epochs and not (step and model.stop_training)):
                _fit(model, train, validation, epoch, epochs, order)
        except loader.Interrupted:
            leaving.leave_as_asked()  # TensorFlow may have swallowed the handler's KeyboardInterrupt
            raise
        return leaving
    for callback in order:  # Keras' fit was left in its middle: nobody has told them of its end
        callback.on_train_end(None)
    return leaving


def _after_checkpoint(
    run: Run, users: Sequence[keras.callbacks.Callback], train: Feed, validation: Feed | None, *last: keras.callbacks.Callback
) -> list[keras.callbacks.Callback]:
    """Return the callbacks that an epoch's checkpoint is written for, in their order."""
    return [
        average.SaveAverage(run.checkpoint_path), *users, callbacks.CsvLog(os.path.join(run.log_dir, metrics.FILE)),
        *callbacks.tensorboard(run.log_dir), callbacks.SkippedImages(train.batches, validation and validation.batches), *last,
    ]  # fmt: skip


class Figures(keras.callbacks.History):
    """Keras' History over several fits."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Keep what is there."""
        self.epoch = getattr(self, "epoch", [])
        self.model.history = self


def _fit(
    model: keras.Model, train: Feed, validation: Feed | None, start: int, epochs: int, order: Sequence[keras.callbacks.Callback]
) -> None:  # fmt: skip
    if keras.backend.backend() == "tensorflow":
        for feed in (train, validation):
            if feed is not None:
                feed.announce(model.inputs)
    try:
        # The pipeline has shuffled: the order is its own, a function of (seed, epoch, index).
        model.fit(train, initial_epoch=start, epochs=epochs, validation_data=validation, callbacks=list(order), shuffle=False)
    except Exception:
        for feed in (train, validation):
            if feed is not None and feed.error is not None:
                raise feed.error from None  # not TensorFlow's account of it
        raise


def _pending(model: keras.Model, validation: Feed | None, resume: State) -> dict[str, Any] | None:
    """Figures of an epoch whose end was cut off, its validation done where it is missing; None where no end is due."""
    if not resume.facts.get("pending"):
        return None
    logs = dict(resume.facts["logs"])
    log(f"The end of epoch {resume.facts['epoch']} was cut off: it is done now.")
    if validation is not None and "val_loss" not in logs:
        if keras.backend.backend() == "tensorflow":
            validation.announce(model.inputs)
        logs.update({f"val_{name}": value for name, value in model.evaluate(validation, verbose=0, return_dict=True).items()})
    return logs
