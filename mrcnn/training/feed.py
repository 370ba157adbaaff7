"""The pipeline's batches as the dataset that Keras' `fit` takes."""

from typing import Any

import keras
import numpy as np

from mrcnn.data import pipeline


class Feed(keras.utils.PyDataset):
    """Batches of a `data.pipeline.Batches`, epoch after epoch.

    Args:
        batches: Where the batches come from; batch i of epoch e is the same whoever asks for it.
        epoch: First epoch, from 0; counts up by itself.
        num_random_rois: With USE_RPN_ROIS off, the rois an image to draw around the instances. 0: none are fed.
        **kwargs: workers and max_queue_size of `keras.utils.PyDataset`.
    """

    def __init__(self, batches: pipeline.Batches, epoch: int = 0, num_random_rois: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.batches, self.epoch, self.num_random_rois = batches, epoch, num_random_rois

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[tuple[np.ndarray, ...]]:
        arrays = self.batches.batch(self.epoch, index)
        if self.num_random_rois:
            arrays.append(self._random_rois(arrays, index))
        return (tuple(arrays),)

    def on_epoch_end(self) -> None:
        """Go to the next epoch."""
        self.epoch += 1

    def _random_rois(self, arrays: list[np.ndarray], index: int) -> np.ndarray:
        from mrcnn.data import random_rois

        image, _, _, _, class_ids, boxes, _ = arrays
        seeds = [[self.batches.seed, self.epoch, index, i] for i in range(len(image))]
        rois = [
            random_rois.generate(image.shape[1:], self.num_random_rois, box[ids != 0], np.random.default_rng(seed))
            for box, ids, seed in zip(boxes, class_ids, seeds, strict=True)
        ]
        return np.stack(rois).astype(np.float32)
