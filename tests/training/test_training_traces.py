"""How often TensorFlow traces in training: each trace of a real network takes seconds, and the memory of one more graph."""

import keras
import numpy as np
import pytest
import tiny
from backend_tools import TENSORFLOW

from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.nn import network
from mrcnn.training.mean_average_precision import MeanAveragePrecisionCallback

pytestmark = pytest.mark.skipif(not TENSORFLOW, reason="traces are TensorFlow's")


class InferenceConfig(tiny.TinyConfig):
    pass


class Pad64Config(tiny.TinyConfig):
    IMAGE_RESIZE_MODE = "pad64"
    IMAGE_MAX_DIM = 192
    IMAGES_PER_GPU = 1
    STEPS_PER_EPOCH = VALIDATION_STEPS = 5


class OfManySizes(tiny.Squares):
    """The first two are alike."""

    SIZES = ((64, 64), (64, 64), (64, 100), (120, 64), (64, 190))

    def instances(self, image_id):
        self.size = self.SIZES[image_id]
        return super().instances(image_id)

    def load_image(self, image_id):
        self.size = self.SIZES[image_id]
        return super().load_image(image_id)


@pytest.fixture(scope="module")
def traced():
    """Counts how often the body of a step is run by Python: once a trace."""
    counts = {"train": 0, "test": 0}
    with pytest.MonkeyPatch.context() as patch:
        for name in counts:
            step = getattr(network.TrainingModel, f"{name}_step")

            def counting(self, *args, step=step, name=name):
                counts[name] += 1
                return step(self, *args)

            patch.setattr(network.TrainingModel, f"{name}_step", counting)
        yield counts


class Notes(keras.callbacks.Callback):
    """The counts at each epoch's end."""

    def __init__(self, traced, inference):
        super().__init__()
        self.traced, self.inference, self.rows = traced, inference, []

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append((self.traced["train"], self.traced["test"], self.inference.keras_model.predict_function.experimental_get_tracing_count()))


@pytest.fixture(scope="module")
def rows(traced, tmp_path_factory):
    """(train, test, predict) after each of four epochs: two of heads, two of all; with validation, and a mAP whose last batch is short."""
    folder = str(tmp_path_factory.mktemp("logs"))
    model, inference = MaskRCNN("training", tiny.TinyConfig(), folder), MaskRCNN("inference", InferenceConfig(), folder)
    data, val = tiny.Squares(6), tiny.Squares(5)
    notes = Notes(traced, inference)
    callbacks = [MeanAveragePrecisionCallback(model, inference, val, verbose=0), notes]
    start = (traced["train"], traced["test"], 0)
    for layers, epochs in (("heads", 2), ("all", 4)):
        model.train(data, val, 0.001, epochs, layers, custom_callbacks=callbacks)
    return np.array(notes.rows) - start


def test_an_epoch_of_the_same_stage_traces_nothing(rows):
    np.testing.assert_array_equal(rows[1], rows[0])
    np.testing.assert_array_equal(rows[3], rows[2])


def test_a_stage_traces_one_training_step_and_one_validation_step(rows):
    np.testing.assert_array_equal(rows[[0, 2], :2], [[1, 1], [2, 2]])


def test_the_map_of_all_epochs_and_stages_runs_on_one_trace(rows):
    assert rows[-1, 2] == 1


def test_photos_of_many_sizes_train_on_one_trace(traced, tmp_path):
    before = dict(traced)
    model = MaskRCNN("training", Pad64Config(), tmp_path)
    history = model.train(OfManySizes(5), OfManySizes(5), 0.001, 2, "all").history
    assert {name: count - before[name] for name, count in traced.items()} == {"train": 1, "test": 1}
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["val_loss"]).all()


def test_going_on_with_the_same_layers_traces_nothing_and_keeps_the_momentum(traced, tmp_path):
    model, data = MaskRCNN("training", tiny.TinyConfig(), tmp_path), tiny.Squares(4)
    model.train(data, data, 0.001, 1, "heads")
    before, optimizer = dict(traced), model.keras_model.optimizer
    model.train(data, data, 0.0, 2, "heads")
    assert traced == before and model.keras_model.optimizer is optimizer
    assert float(optimizer.learning_rate) == 0.0
    assert any(np.any(v.numpy()) for v in optimizer.variables if "momentum" in v.path)


def test_a_schedule_of_learning_rates_compiles_nothing_anew(tmp_path, traced):
    model, data = MaskRCNN("training", tiny.TinyConfig(), tmp_path), tiny.Squares(4)
    model.train(data, data, 0.001, 1, "heads")
    before = dict(traced)
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 100)
    model.train(data, data, schedule, 2, "heads")
    assert traced == before
    assert float(model.keras_model.optimizer.learning_rate) == pytest.approx(float(schedule(2)))  # of the last of three steps
