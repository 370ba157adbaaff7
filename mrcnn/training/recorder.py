"""What a training leaves behind for people: config.json, curves.png, pictures of detections, and a last line that says where all that is.

None of it may end a training: what can't be written is said in the log, and training goes on.
"""

import os
import re
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import keras

from mrcnn.log import log
from mrcnn.training import curves, environment, layer_groups, metrics, pictures, plain, record
from mrcnn.training.feed import Feed
from mrcnn.training.leaving import Leaving
from mrcnn.training.mean_average_precision import MeanAveragePrecisionCallback
from mrcnn.training.runs import Run

PICTURES = "pictures"
_SHARE = 0.02  # of the time that drawing curves may take while a training goes on
_FIRST_GUESS = 1.0  # seconds that the first drawing is taken to cost


class Recorder(keras.callbacks.Callback):
    """Keep the record of one training. A callback, and a context around `fit`: Keras tells callbacks nothing of an interruption.

    Args:
        network: The compiled training model.
        train: Batches of training.
        validation: Batches of validation, or None.
        run: Folder, checkpoints, and the epoch that training starts from.
        epochs: Total to reach.
        custom_callbacks: The user's; the inference model of a MeanAveragePrecisionCallback among them makes the pictures.
        more: Another stage follows at once: pictures and the last line are left to it.
        owed: A stage before has left them to this one.
        leaving: Knows whether training was left before its end; where there is no time for pictures then, that is said.

    Raises (on entering):
        record.AnotherNetworkError: the folder's run is one of another network, a ValueError.
    """

    def __init__(
        self, network: keras.Model, train: Feed, validation: Feed | None, run: Run, epochs: int,
        custom_callbacks: Sequence[keras.callbacks.Callback] = (), leaving: Leaving | None = None, more: bool = False, owed: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.network, self.train, self.validation, self.run, self.epochs = network, train, validation, run, epochs
        self.custom_callbacks, self.leaving, self.more, self.owed = list(custom_callbacks or ()), leaving, more, owed
        self.epochs_done = run.epoch
        self._has_entry = False
        self._cost, self._drawn_at = _FIRST_GUESS, time.monotonic()

    def __enter__(self) -> "Recorder":
        """Write config.json with an entry for this training."""
        config = self.train.batches.config
        try:
            record.begin(self.run.log_dir, config, self._session())
            self._has_entry = True
        except record.AnotherNetworkError:
            raise
        except Exception as error:  # a full disk, an optimizer of the user's own that can't describe itself
            _not_written(record.FILE, error)
        return self

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Draw the curves anew, if so much time has passed that it costs next to nothing."""
        self.epochs_done = epoch + 1
        if time.monotonic() - self._drawn_at >= self._cost / _SHARE:
            _attempt(curves.FILE, self._draw_curves)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Complete the record, however the training ended. Pictures are made unless it broke down."""
        reason = self.leaving.reason if self.leaving else None
        stopped = reason or ("interrupted" if kind is KeyboardInterrupt else None)
        status = f"{kind.__name__}: {error}" if kind not in (None, KeyboardInterrupt) else stopped or "finished"
        if self._has_entry:  # else the newest entry is an earlier training's
            _attempt(record.FILE, lambda: record.end(self.run.log_dir, status, self.epochs_done))
        if self.epochs_done == self.run.epoch and not self.owed:  # no epoch was finished: what is there is of an earlier training
            if stopped:
                log(summary(self.run, self.epochs_done))
            return
        _attempt(curves.FILE, self._draw_curves)
        if self.more and status == "finished":
            return
        if kind in (None, KeyboardInterrupt):
            _attempt(PICTURES, self._make_pictures)
        log(summary(self.run, self.epochs_done))

    def _draw_curves(self) -> None:
        start = time.monotonic()
        curves.draw(self.run.log_dir)
        self._drawn_at = time.monotonic()
        self._cost = self._drawn_at - start

    def pictures_take(self) -> float:
        """Seconds to reserve for the pictures before a time limit: what measuring took, which is more work; 0 where it is not known."""
        callback = self._of_map()
        return callback.seconds if callback else 0.0

    def _of_map(self) -> MeanAveragePrecisionCallback | None:
        return next((c for c in self.custom_callbacks if isinstance(c, MeanAveragePrecisionCallback)), None)

    def _make_pictures(self) -> None:
        callback, leaving = self._of_map(), self.leaving
        if callback is None:
            log("No pictures of detections: they take the inference model of a MeanAveragePrecisionCallback, and custom_callbacks has none.")
            return
        if leaving is not None and (leaving.reason == "SIGTERM" or leaving.time_left() < self.pictures_take()):
            log(f"No pictures of the detections of epoch {self.epochs_done}: {leaving.reason or 'TIME_LIMIT'} leaves no time for them.")
            return
        callback.load_epoch(self.epochs_done)
        folder = os.path.join(self.run.log_dir, PICTURES)
        pictures.write(folder, callback.inference_model, callback.dataset, callback.image_ids, self.epochs_done)

    def _session(self) -> dict[str, Any]:
        return {
            "epoch_from": self.run.epoch,
            "epoch_to": self.epochs,
            "training": self._training(),
            "data": {"training": _data(self.train), "validation": self.validation and _data(self.validation)},
            "class_names": plain.encode(list(self.train.batches.dataset.class_names)),
            "command": plain.encode(environment.command()),
            "environment": plain.encode(environment.environment()),
        }

    def _training(self) -> dict[str, Any]:
        batches, layers = self.train.batches, trained_layers(self.network)
        optimizer = self.network.optimizer
        settings = {"class": type(optimizer).__name__, **optimizer.get_config()}
        if not isinstance(settings.get("learning_rate"), dict):  # else it is a schedule
            settings.pop("learning_rate", None)
        return {
            "layers": group_of(self.network, layers) or layers,
            "layers_trained": len(layers),
            "learning_rate": plain.encode(metrics.learning_rate(optimizer)),
            "optimizer": plain.encode(settings),
            "augmentation": None if batches.augmentation is None else plain.text(batches.augmentation),
            "no_augmentation_sources": plain.encode(batches.no_augmentation_sources),
            "callbacks": [type(callback).__name__ for callback in self.custom_callbacks],
        }


def summary(run: Run, epoch: int) -> str:
    """The last line: the run's folder, what is in it, and the best epoch by mAP, or by the validation loss where there is none."""
    there = [name for name in (record.FILE, metrics.FILE, curves.FILE) if os.path.isfile(os.path.join(run.log_dir, name))]
    if os.path.isdir(os.path.join(run.log_dir, PICTURES)):
        there.append(f"{PICTURES}/")
    if os.path.isfile(run.checkpoint_path.format(epoch=epoch)):
        there.append(f"checkpoints to epoch {epoch}")
    best = curves.best(os.path.join(run.log_dir, metrics.FILE))
    return f"Run: {run.log_dir} ({', '.join(there)}{'; ' if there and best else ''}{best})"


def trained_layers(network: keras.Model) -> list[str]:
    """Names of the layers that train now."""
    return [layer.name for layer in layer_groups.trainable_layers(network) if layer.trainable]


def group_of(network: keras.Model, layers: list[str]) -> str | None:
    """Name of the group (all, heads, 5+, …) that these layers are in this network; None for layers of somebody's own choice."""
    every = [layer.name for layer in layer_groups.trainable_layers(network)]
    for group in ("all", "heads", "5+", "4+", "3+"):
        if layers == [name for name in every if re.fullmatch(layer_groups.GROUPS[group], name)]:
            return group
    return None


def _data(feed: Feed) -> dict[str, Any]:
    batches = feed.batches
    return {
        "class": f"{type(batches.dataset).__module__}.{type(batches.dataset).__qualname__}",
        "images": len(batches.dataset.image_ids),
        "batch_size": batches.batch_size,
        "steps": len(batches),
        "seed": batches.seed,
    }


def _attempt(name: str, work: Callable[[], None]) -> None:
    """Do a part of the record; what it raises is said, and training goes on."""
    try:
        work()
    except Exception as error:  # disks, fonts and users' data sets fail in many ways
        _not_written(name, error)


def _not_written(name: str, error: Exception) -> None:
    log(f"{name} of the run could not be written ({type(error).__name__}: {error}). The training itself is not affected.")
