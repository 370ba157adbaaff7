"""When the mAP is measured, of which checkpoint and images, and what the logs say in between."""

from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn.evaluation.accumulator import MeanAveragePrecision
from mrcnn.training import mean_average_precision


class Measured(mean_average_precision.MeanAveragePrecisionCallback):
    """Loads no file and looks at no image; the n-th measurement gives n tenths."""

    def __init__(self, every, limit=None):
        train = SimpleNamespace(mode="training", checkpoint_path="{epoch:04d}.h5", keras_model=SimpleNamespace(optimizer=None))
        inference = SimpleNamespace(mode="inference", config=SimpleNamespace(NUM_CLASSES=2))
        data = SimpleNamespace(image_ids=np.arange(10, 20), num_classes=2, class_names=["BG", "hat"])
        super().__init__(train, inference, data, every, dataset_limit=limit, verbose=0)
        self.loaded = []

    def _load(self, epoch, path, what):
        self.loaded.append(path)

    def calculate(self):
        return MeanAveragePrecision(len(self.loaded) / 10, {1: 0.5}, 0.25, {1: 1}, {1: 1}, 10, 0.5)


def test_every_third_epoch_is_measured_from_its_own_checkpoint_and_the_next_ones_repeat_it():
    callback, seen = Measured(3), []
    for epoch in range(7):
        logs = {}
        callback.on_epoch_end(epoch, logs)
        seen.append(logs.get("val_map"))
    assert callback.loaded == ["0003.h5", "0006.h5"]
    assert seen == [None, None, 0.1, 0.1, 0.1, 0.2, 0.2]


@pytest.mark.parametrize(("limit", "images"), [(None, range(10, 20)), (20, range(10, 20)), (4, [10, 12, 15, 17]), (1, [10])])
def test_a_limit_spreads_the_images_over_the_data_set(limit, images):
    assert Measured(1, limit).image_ids.tolist() == list(images)
