"""mAP after each epoch, computed from the checkpoint that the epoch wrote."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from mrcnn import build
from mrcnn.data import attributes as data_attributes
from mrcnn.evaluation import collect
from mrcnn.evaluation.accumulator import APAccumulator, MeanAveragePrecision
from mrcnn.evaluation.attributes import AttributeAccumulator
from mrcnn.log import log
from mrcnn.ops import waiting
from mrcnn.training import average

logger = logging.getLogger(__name__)

LOG_NAME = "val_mean_average_precision"
SHORT_LOG_NAME = "val_map"
EMA_LOG_NAME = "val_map_ema"
PER_IMAGE_LOG_NAME = "val_mean_average_precision_per_image"
QUIET_SECONDS = 30.0  # between two lines of progress where there is no terminal


class MeanAveragePrecisionCallback(keras.callbacks.Callback):
    """Compute the mean average precision at IoU 0.5 on a data set every few epochs.

    Loads the last checkpoint of the training run into the inference model and detects on the data set. The figures go into the logs, so that
    TensorBoard, EarlyStopping and ModelCheckpoint see them: `val_mean_average_precision`, the mean over classes of the average precision over all
    images (by masks), `val_map`, the same under a short name, and `val_mean_average_precision_per_image`, the historic figure: the mean over images
    of one precision-recall curve of all classes. With EMA_DECAY the averaged weights are measured too: `val_map_ema`. An epoch without calculation
    repeats the figures of the one before, so that a monitor never misses them.

    Args:
        train_model: MaskRCNN in training mode, the one that trains.
        inference_model: MaskRCNN in inference mode.
        dataset: Prepared `Dataset` with masks.
        calculate_at_every_X_epoch: 1: after each epoch. Also accepted as `calculate_map_at_every_X_epoch`.
        dataset_limit: Images of the subset, always the same, spread evenly over the data set. None: all.
        verbose: 0 prints nothing; 1 the lines and, on a terminal, progress.

    Raises:
        ValueError: a model in the wrong mode, class counts that differ, an empty data set, or an impossible number.
    """

    def __init__(
        self, train_model: Any, inference_model: Any, dataset: Any, calculate_at_every_X_epoch: int = 1,  # noqa: N803 (historic name)
        dataset_limit: int | None = None, verbose: int = 1, calculate_map_at_every_X_epoch: int | None = None,  # noqa: N803
    ):  # fmt: skip
        super().__init__()
        if calculate_map_at_every_X_epoch is not None:
            calculate_at_every_X_epoch = calculate_map_at_every_X_epoch  # noqa: N806
        _check(train_model, inference_model, dataset, calculate_at_every_X_epoch, dataset_limit)
        self.train_model, self.inference_model, self.dataset = train_model, inference_model, dataset
        self.every, self.verbose = int(calculate_at_every_X_epoch), verbose
        self.image_ids = spread(np.asarray(dataset.image_ids), dataset_limit)
        self.result: MeanAveragePrecision | None = None
        self.ema_result: MeanAveragePrecision | None = None
        self._figures: dict[str, float] = {}  # what the logs of the next epochs repeat
        self.seconds = 0.0  # of the last measurement, weights loaded and all
        self._loaded_epoch = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget what was loaded: an epoch's checkpoint may be written anew now."""
        self._loaded_epoch = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compute and log the figures of epoch + 1, if it is one of every X."""
        if (epoch + 1) % self.every == 0:
            self._say("\nCalculating mAP...")  # the progress bar has left the cursor at the end of its line
            checkpoint = self.train_model.checkpoint_path.format(epoch=epoch + 1)
            if average.is_on(self.train_model.keras_model):  # first, so that the inference model ends with the checkpoint's weights
                self._load(epoch + 1, average.path_of(checkpoint), "moving average of the train model's weights")
                self.ema_result = self.calculate()
                self._say(f"mAP of the averaged weights at epoch {epoch + 1} is: {self.ema_result.map}")
            start = time.monotonic()
            self._load(epoch + 1, checkpoint, "last checkpoint of the train model")
            self.result = self.calculate()
            self.seconds = time.monotonic() - start
            self._say(f"mAP at epoch {epoch + 1} is: {self.result.map}")
            self._say(self._details())
            self._figures = {LOG_NAME: self.result.map, SHORT_LOG_NAME: self.result.map, PER_IMAGE_LOG_NAME: self.result.per_image}
            if self.ema_result is not None:
                self._figures[EMA_LOG_NAME] = self.ema_result.map
        if logs is not None:
            logs.update(self._figures)

    def recall(self, epochs: Iterable[Mapping[str, float]]) -> None:
        """Go on with the figures of a run, so that an epoch without calculation repeats them in another process too.

        Args:
            epochs: Figures of the run's epochs, the last one first.
        """
        for logs in () if self._figures else epochs:
            self._figures = {name: logs[name] for name in (LOG_NAME, SHORT_LOG_NAME, PER_IMAGE_LOG_NAME, EMA_LOG_NAME) if name in logs}
            if self._figures:
                return

    def calculate(self) -> MeanAveragePrecision:
        """Detect on the subset with the weights the inference model has, and measure."""
        start, self._said_at = time.monotonic(), 0.0
        return measure(self.inference_model, self.dataset, self.image_ids, lambda done: self._progress(done, start))

    def load_epoch(self, epoch: int) -> None:
        """Give the inference model the weights of an epoch's checkpoint, unless it has them: measured every few epochs, it is behind."""
        if self._loaded_epoch != epoch:
            self._load(epoch, self.train_model.checkpoint_path.format(epoch=epoch), "last checkpoint of the train model")

    def _load(self, epoch: int, path: str, what: str) -> None:
        if not os.path.exists(path):
            raise FileNotFoundError(f"mAP of epoch {epoch} needs its checkpoint {path}, which is not there. Was it deleted, or the run folder moved?")
        self._say(f"Loaded weights for the inference model ({what}): {path}")
        self.inference_model.load_weights(path, by_name=True, verbose=self.verbose)
        self._loaded_epoch = epoch

    def _details(self) -> str:
        names = self.dataset.class_names
        classes = ", ".join(f"{names[i]} {ap:.3f}" for i, ap in sorted(self.result.per_class.items()))
        return f"  {self.result.num_images} images, per-image mean {self.result.per_image:.5f}, classes: {classes}"

    def _progress(self, done: int, start: float) -> None:
        """On a terminal a line that counts; elsewhere a line every half minute."""
        total, seconds = len(self.image_ids), time.monotonic() - start
        if not self.verbose:
            return
        if sys.stdout.isatty():
            print(f"\r  {done}/{total} images, {seconds:.0f} s", end="\n" if done == total else "", flush=True)  # noqa: T201
        elif seconds - self._said_at >= QUIET_SECONDS:
            self._said_at = seconds
            log(f"  {done}/{total} images, {seconds:.0f} s")

    def _say(self, text: str) -> None:
        if self.verbose:
            log(text)


def measure(
    inference_model: Any, dataset: Any, image_ids: Sequence[int], progress: Callable[[int], None] = lambda done: None,
    accumulator: APAccumulator | None = None, attributes: AttributeAccumulator | None = None,
) -> MeanAveragePrecision:  # fmt: skip
    """Detect on images of a data set, in batches, and measure the average precision at IoU 0.5 of the masks, which are run lengths on both sides.

    An image that cannot be loaded or judged is logged with its reason and left out of the figure. At most BATCH_SIZE photos and their truth are in
    memory at a time; where molded sizes differ (modes pad64 and none), several times as many, from which `detect` makes batches of one size.

    Args:
        inference_model: MaskRCNN in inference mode.
        dataset: Prepared data set.
        image_ids: Which images.
        progress: Called with the number of images done.
        accumulator: Takes the images, to be merged with others, say; the figures are all it holds. None: a new one, at IoU 0.5.
        attributes: Takes them too, with the instances' attributes: of a model that tells these. None: nobody asks.

    Raises:
        ValueError: no image could be used; the message gives the first reasons.
    """
    config = inference_model.config
    accumulator = accumulator or APAccumulator(config.NUM_CLASSES)
    lazy = waiting.asked_of(inference_model.detect)
    num_attributes = attributes.num_attributes if attributes else 0
    bad: list[str] = []

    def load(image_id: int) -> tuple[collect.Truth, np.ndarray]:
        truth = collect.load(dataset, image_id, config.IMAGE_CHANNEL_COUNT)
        return truth, data_attributes.load(dataset, image_id, len(truth.real), num_attributes)[truth.real]

    def left_out(image_id: int, error: Exception) -> None:
        bad.append(f"image {image_id}: {type(error).__name__}: {error}")
        logger.warning("Left out of the mAP: %s", bad[-1])

    for done, batch in collect.batches(load, image_ids, build.photos_at_once(config), left_out):
        found = inference_model.detect([truth.image for truth, _ in batch], verbose=0, **lazy) if batch else []
        for (truth, labels), detections in zip(batch, found, strict=True):
            accumulator.add(truth.class_ids, detections, gt_masks=truth.rles)
            if attributes is not None:
                attributes.add(truth.class_ids, labels, detections, truth.rles)
        progress(done)
    if len(bad) == len(image_ids):
        raise ValueError(f"None of the {len(bad)} images for the mAP can be used. The first reasons: {'; '.join(bad[:3])}")
    return accumulator.result()


def spread(image_ids: np.ndarray, limit: int | None) -> np.ndarray:
    """A fixed subset of at most `limit` ids, evenly over all: [M]."""
    if limit is None or limit >= len(image_ids):
        return image_ids
    return image_ids[np.arange(limit) * len(image_ids) // limit]


def _check(train_model: Any, inference_model: Any, dataset: Any, every: int, limit: int | None) -> None:
    for name, model, mode in (("train_model", train_model, "training"), ("inference_model", inference_model, "inference")):
        if getattr(model, "mode", None) != mode:
            raise ValueError(f"{name} has mode {getattr(model, 'mode', None)!r}: a MaskRCNN of mode {mode!r} is expected")
    if not len(dataset.image_ids):
        raise ValueError("The data set for the mAP has no images. Add some and call prepare().")
    if dataset.num_classes != inference_model.config.NUM_CLASSES:
        raise ValueError(f"The data set has {dataset.num_classes} classes, the inference model NUM_CLASSES = {inference_model.config.NUM_CLASSES}")
    if every < 1 or (limit is not None and limit < 1):
        raise ValueError(f"calculate_at_every_X_epoch = {every} and dataset_limit = {limit}: at least 1 is expected")
