"""What happens at the end of each epoch besides the checkpoint and the mAP: the CSV log, the count of skipped images, TensorBoard."""

import importlib.util
import time
from typing import Any

import keras

from mrcnn.log import log
from mrcnn.training import metrics


class CsvLog(keras.callbacks.Callback):
    """Append each epoch's figures, its learning rate and its seconds to a CSV file. (Keras' own drops a figure that appears later.)

    A disk that is full, or a folder that can't be written, doesn't end the training: the figures are kept and come with the next epoch's.

    Args:
        path: The file; one that exists is continued, see `metrics.add`.
    """

    def __init__(self, path: str):
        super().__init__()
        self.path = path
        self._waiting: list[metrics.Row] = []
        self._begun: float | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._begun = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the row of epoch + 1: seconds are those since its begin, with validation, checkpoint and mAP."""
        row: metrics.Row = {"epoch": epoch + 1, **metrics.numbers(logs)}
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None and "learning_rate" not in row:  # Keras' schedulers log the rate that the epoch began with
            row["learning_rate"] = metrics.learning_rate(optimizer)
        if self._begun is not None:
            row["seconds"] = round(time.monotonic() - self._begun, 3)
        self._waiting = [*(earlier for earlier in self._waiting if earlier["epoch"] <= epoch), row]
        try:
            metrics.add(self.path, self._waiting)
        except OSError as error:
            log(f"{self.path} could not be written ({error}). Training goes on; the figures come with the next epoch's.")
        else:
            self._waiting = []


class SkippedImages(keras.callbacks.Callback):
    """Say at the end of each epoch how many images could not be used so far.

    Args:
        batches: `data.pipeline.Batches` of training and validation.
    """

    def __init__(self, *batches: Any):
        super().__init__()
        self.batches = [b for b in batches if b is not None]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print the count, if there are any."""
        for batches in self.batches:
            if batches.skipped:
                count, total = len(batches.skipped), len(batches.dataset.image_ids)
                log(f"Skipped so far: {count} of {total} images could not be used; see the log above for each id and its reason.")


def tensorboard(log_dir: str) -> list[keras.callbacks.Callback]:
    """TensorBoard's callback; nothing, with a line that says so, where it cannot be had (other backends without TensorFlow)."""
    if importlib.util.find_spec("tensorflow") is None:  # Keras' callback asks for it at the first epoch's end
        log("No TensorBoard log: that needs the package tensorflow. metrics.csv holds the same figures.")
        return []
    return [keras.callbacks.TensorBoard(log_dir=log_dir, histogram_freq=0, write_graph=False, write_images=False)]
