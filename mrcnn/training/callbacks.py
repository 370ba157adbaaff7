"""What happens at the end of each epoch besides the checkpoint and the mAP: the CSV log, the count of skipped images, TensorBoard."""

import csv
import os
from typing import Any

import keras

from mrcnn.log import log


class CsvLog(keras.callbacks.Callback):
    """Append each epoch's figures to a CSV file; a figure that appears later gets a column then. (Keras' own drops it.)

    Args:
        path: The file; one that exists is continued.
    """

    def __init__(self, path: str):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the row of epoch + 1."""
        rows = []
        if os.path.exists(self.path):
            with open(self.path, newline="") as file:
                rows = [row for row in csv.DictReader(file) if int(row["epoch"]) <= epoch]
        rows.append({"epoch": epoch + 1, **{name: float(value) for name, value in (logs or {}).items()}})
        columns = list(dict.fromkeys(name for row in rows for name in row))
        temporary = f"{self.path}.tmp"
        with open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
        os.replace(temporary, self.path)


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
    try:
        return [keras.callbacks.TensorBoard(log_dir=log_dir, histogram_freq=0, write_graph=False, write_images=False)]
    except ImportError as error:
        log(f"No TensorBoard log: {error}. The CSV log holds the same figures.")
        return []
