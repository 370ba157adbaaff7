"""The pipeline's batches as the dataset that Keras' `fit` takes."""

import threading
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from mrcnn.data import loader, pipeline


class Feed(keras.utils.PyDataset):
    """Batches of a `data.pipeline.Batches`, epoch after epoch.

    Args:
        batches: Where the batches come from; batch i of epoch e is the same whoever asks for it.
        epoch: First epoch, from 0; counts up by itself.
        first_step: Steps of the first epoch that are done already; such a feed serves for that epoch alone.
        ahead: Loads the batches ahead; None: each is loaded when it is asked for.
        **kwargs: workers and max_queue_size of `keras.utils.PyDataset`.

    Attributes:
        error: What loading a batch has raised, as it was: TensorFlow makes a text of its own of it. None: nothing.
    """

    def __init__(
        self, batches: pipeline.Batches, epoch: int = 0, num_random_rois: int = 0, first_step: int = 0, ahead: loader.Loader | None = None,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.batches, self.epoch, self.num_random_rois, self.first_step, self.ahead = batches, epoch, num_random_rois, first_step, ahead
        self.error: Exception | None = None
        self._announced: tuple[int, tuple[keras.KerasTensor, ...]] | None = None

    def announce(self, inputs: Sequence[keras.KerasTensor]) -> None:
        """Tell Keras the shapes of all batches, before `fit` in the same thread.

        On TensorFlow Keras takes the shapes of the first two batches for those of all, and fails at the first photo of another size where sizes vary.
        Until an epoch begins it now gets the network's inputs instead, whose varying sides are None. It also spares loading those two for nothing.

        Args:
            inputs: Of the network.
        """
        plain = tuple(keras.KerasTensor(one.shape, one.dtype, name=one.name) for one in inputs)  # the network's own would keep all of it alive
        self._announced = (threading.get_ident(), plain)

    def on_epoch_begin(self) -> None:
        """From now on batches are asked for to train on them."""
        self._announced = None

    @property
    def steps(self) -> int:
        """Of a whole epoch."""
        return len(self.batches)

    def at(self, epoch: int, first_step: int = 0) -> "Feed":
        """The same batches from another place on."""
        return Feed(self.batches, epoch, self.num_random_rois, first_step, self.ahead)

    def interrupt(self) -> None:
        """Let nobody wait for a batch any longer."""
        if self.ahead is not None:
            self.ahead.interrupt()

    def close(self) -> None:
        """End the workers."""
        if self.ahead is not None:
            self.ahead.close()

    def __len__(self) -> int:
        return len(self.batches) - self.first_step

    def __getitem__(self, index: int) -> tuple[tuple[np.ndarray, ...]]:
        announced = self._announced
        if announced is not None and announced[0] == threading.get_ident():  # Keras' worker threads load ahead before an epoch begins
            return (announced[1],)
        index += self.first_step
        try:
            arrays = (self.ahead or self.batches).batch(self.epoch, index)
        except Exception as error:
            self.error = error
            raise
        if self.num_random_rois:
            arrays.append(self._random_rois(arrays, index))
        return (tuple(arrays),)

    def on_epoch_end(self) -> None:
        """Go to the next epoch."""
        self.epoch += 1

    def _random_rois(self, arrays: list[np.ndarray], index: int) -> np.ndarray:
        from mrcnn.data import random_rois

        image, class_ids, boxes = arrays[0], arrays[4], arrays[5]
        epoch = self.epoch if self.batches.shuffle else 0  # validation shows the same rois after every epoch
        seeds = [[self.batches.seed, epoch, index, i] for i in range(len(image))]
        rois = [
            random_rois.generate(image.shape[1:], self.num_random_rois, box[ids != 0], np.random.default_rng(seed))
            for box, ids, seed in zip(boxes, class_ids, seeds, strict=True)
        ]
        return np.stack(rois).astype(np.float32)
