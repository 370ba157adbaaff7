"""Training with workers: batches from processes train, and what goes wrong in a worker reaches the user as it was."""

import multiprocessing
import threading

import numpy as np
import pytest
import tiny

from mrcnn.data import augment
from mrcnn.mask_rcnn import MaskRCNN


class Quick(tiny.TinyConfig):
    NAME = "quick"
    STEPS_PER_EPOCH, VALIDATION_STEPS = 2, 1


def shrinking(image, masks, rng):
    """An augmentation that is at fault."""
    return image[:-1], masks


def model_of(folder, **attributes):
    config = Quick()
    for name, value in attributes.items():
        setattr(config, name, value)
    return MaskRCNN("training", config, str(folder))


def test_processes_feed_training_and_validation_and_end_with_it(tmp_path):
    model = model_of(tmp_path, LOADER_WORKERS=2, LOADER_PROCESSES=True)
    history = model.train(tiny.Squares(4), tiny.Squares(2), 0.001, epochs=2, layers="heads")
    assert np.isfinite(history.history["loss"]).all() and np.isfinite(history.history["val_loss"]).all()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_loader_is_not_tensorflows_account_of_it(tmp_path, workers):
    model, before = model_of(tmp_path, LOADER_WORKERS=workers), set(threading.enumerate())
    with pytest.raises(augment.AugmentationError, match=r"^Image \d \(id \d\): Augmentation shrinking changed the image"):
        model.train(tiny.Squares(4), None, 0.001, epochs=1, layers="heads", augmentation=shrinking)
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("loader-")]


def test_a_data_set_that_cannot_travel_is_refused_before_training(tmp_path):
    class Local(tiny.Squares):
        pass

    model = model_of(tmp_path, LOADER_WORKERS=1, LOADER_PROCESSES=True)
    with pytest.raises(ValueError, match=r"^Training data set: .*can't be sent to worker processes"):
        model.train(Local(4), None, 0.001, epochs=1, layers="heads")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOADER_WORKERS", -1), ("LOADER_WORKERS", 1.5), ("LOADER_PROCESSES", 1), ("LOADER_QUEUE", 0), ("LOADER_TIMEOUT", 0),
        ("LOADER_TIMEOUT", "long"),
    ],  # fmt: skip
)
def test_impossible_settings_are_refused(name, value):
    config = Quick()
    setattr(config, name, value)
    with pytest.raises(ValueError, match=f"Quick.{name} = "):
        config.validate()


def test_processes_without_workers_are_refused():
    config = Quick()
    config.LOADER_WORKERS, config.LOADER_PROCESSES = 0, True
    with pytest.raises(ValueError, match="LOADER_WORKERS is 0"):
        config.validate()
