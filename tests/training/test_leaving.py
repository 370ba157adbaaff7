"""Stages, early stops, and trainings that are left before their end: with a real, tiny network."""

import os
import signal
import threading
import time

import keras
import numpy as np
import pytest
import tiny
from backend_tools import TENSORFLOW

from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.training import pictures as pictures_of_run
from mrcnn.training import state
from mrcnn.training.mean_average_precision import MeanAveragePrecisionCallback
from mrcnn.training.session import Session
from mrcnn.training.stages import Stage

pytestmark = [pytest.mark.skipif(not TENSORFLOW, reason="one backend shows it"), pytest.mark.usefixtures("untraced")]
STAGES = [Stage("heads", 0.01, 2), Stage("all", 0.01, 3), Stage("all", 0.001, 1)]


def planned(epoch, **noted):
    session = Session()
    if noted:
        stage = {"count": 3, "ended": False, "layers": STAGES[noted["index"]].layers}
        facts = {"epoch": epoch, "step": 0, "pending": noted.pop("pending", False), "stage": {**stage, **noted}}
        session.resume = state.State("", "", {}, facts)
    return [(p.index, p.start, p.end) for p in session.plan(STAGES, epoch)]


def test_stages_follow_one_another_from_the_run_s_beginning():
    assert planned(0) == [(0, 0, 2), (1, 2, 5), (2, 5, 6)]


@pytest.mark.parametrize(("epoch", "left"), [(1, [(0, 0, 2), (1, 2, 5), (2, 5, 6)]), (2, [(1, 2, 5), (2, 5, 6)]), (5, [(2, 5, 6)]), (6, []), (9, [])])
def test_a_run_that_goes_on_finds_the_stage_it_was_in(epoch, left):
    assert planned(epoch) == left


def test_a_stage_that_ended_early_is_not_gone_back_to():
    assert planned(3, index=1, start=2, ended=True) == [(2, 3, 4)]


def test_stages_after_one_that_ended_early_begin_where_they_did():
    assert planned(3, index=1, start=1) == [(1, 1, 4), (2, 4, 5)]  # the first took one epoch of two


def test_a_last_epoch_whose_end_was_cut_off_is_still_due():
    assert planned(6, index=2, start=5, pending=True) == [(2, 5, 6)]


def test_a_state_of_other_stages_says_nothing():
    assert planned(3, index=1, start=2, ended=True, layers="4+") == planned(3)
    assert planned(3, index=1, start=2, ended=True, count=0) == planned(3)  # of a call of train


class Signal(keras.callbacks.Callback):
    """Sends a signal to this process in a step, counted over all epochs; counts what it sees."""

    def __init__(self, at=None, number=signal.SIGINT):
        super().__init__()
        self.at, self.number, self.epochs = at, number, []
        Signal.steps = 0

    def on_train_batch_end(self, batch, logs=None):
        Signal.steps += 1
        if Signal.steps == self.at:
            os.kill(os.getpid(), self.number)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((epoch + 1, sorted(logs)))


class Broken(keras.callbacks.Callback):
    """Fails at an epoch's end, after the checkpoint."""

    def on_epoch_end(self, epoch, logs=None):
        raise RuntimeError("a callback of the user's own")


@pytest.fixture
def interruptible():
    """pytest under a shell in the background has SIGINT ignored, which training respects."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, before[0]), signal.signal(signal.SIGTERM, before[1])


def model_in(folder, **attributes):
    config = tiny.TinyConfig()
    for name, value in attributes.items():
        setattr(config, name, value)
    return MaskRCNN("training", config, str(folder))


def states(model):
    return sorted(os.path.basename(path) for path in state.paths(model.log_dir))


def test_ctrl_c_saves_the_step_and_the_same_model_goes_on_there(tmp_path, interruptible, capsys):
    model, data = model_in(tmp_path), tiny.Squares(6)
    with pytest.raises(KeyboardInterrupt):
        model.train(data, None, 0.001, 2, "all", custom_callbacks=[Signal(at=2)])
    assert model.epoch == 0 and states(model) == ["0000_000002.json"]
    assert "left at step 2 of epoch 1" in capsys.readouterr().out
    counter = Signal()
    history = model.train(data, None, 0.001, 2, "all", custom_callbacks=[counter])
    assert Signal.steps == 1 + 3 and history.epoch == [0, 1] and model.epoch == 2
    assert states(model) == ["0001_000000.json", "0002_000000.json"]


def test_sigterm_in_the_last_step_leaves_the_epoch_s_end_for_later(tmp_path, interruptible, capsys):
    model, data = model_in(tmp_path), tiny.Squares(6)
    with pytest.raises(SystemExit) as left:
        model.train(data, data, 0.001, 1, "heads", custom_callbacks=[Signal(at=3, number=signal.SIGTERM)])
    assert left.value.code == 128 + signal.SIGTERM
    again, counter = model_in(tmp_path), Signal()
    assert again.load_initial_weights("last").endswith("mask_rcnn_tiny_0001.h5")
    history = again.train(data, data, 0.001, 1, "heads", custom_callbacks=[counter])
    assert Signal.steps == 0 and [epoch for epoch, _ in counter.epochs] == [1] and "val_loss" in counter.epochs[0][1]
    assert np.isfinite(history.history["val_loss"]).all() and again.train(data, data, 0.001, 1, "heads") is None
    assert "The end of epoch 1 was cut off" in capsys.readouterr().out


def test_a_time_limit_leaves_without_an_error_and_skips_the_stages_to_come(tmp_path, capsys):
    model = model_in(tmp_path, TIME_LIMIT=0.001)
    history = model.fit_stages(tiny.Squares(6), None, "heads:1e-3:1,all:1e-3:1")
    assert history.epoch == [] and states(model) == ["0000_000001.json"] and "Time limit: the training is left" in capsys.readouterr().out


class Slow(MeanAveragePrecisionCallback):
    """Stands for a mAP that takes a million seconds, on a clock of the test's own; notes of which epochs pictures are asked."""

    inference_model, dataset, image_ids, seconds = None, None, (), 1e6

    def __init__(self, clock):
        keras.callbacks.Callback.__init__(self)
        self.clock, self.loaded = clock, []

    def on_train_begin(self, logs=None):
        pass

    def on_epoch_end(self, epoch, logs=None):
        self.clock[0] += self.seconds

    def load_epoch(self, epoch):
        self.loaded.append(epoch)


@pytest.fixture
def clock(monkeypatch):
    """Seconds that are added to the time."""
    ahead, usual = [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: usual() + ahead[0])
    return ahead


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """One model for several runs: the same layers are traced once."""
    return model_in(tmp_path_factory.mktemp("heads"))


# Another mAP wants 1.5e6 s left, and 1e6 for the pictures. A stage knows what the one before took; a last epoch that is done is not left.
@pytest.mark.parametrize(
    ("limit", "epochs", "place", "pictures"),
    [(2.9e6, 5, "the last step of epoch 2", [1]), (1.5e6, 5, "the end of epoch 1", []), (3.7e6, 1, None, [2]), (1.5e6, 0, None, [])],
)
def test_the_time_of_the_map_and_of_the_pictures_counts_in_the_limit(heads, tmp_path, clock, monkeypatch, capsys, limit, epochs, place, pictures):
    monkeypatch.setattr(pictures_of_run, "write", lambda *args: 0)
    heads.model_dir, heads.config.TIME_LIMIT, heads._session, slow = str(tmp_path), limit, Session(), Slow(clock)
    heads.set_log_dir()
    heads._session.restored, heads._started = False, False
    stages = [("heads", 1e-3, 1), ("heads", 1e-4, epochs)][: 1 + bool(epochs)]
    heads.fit_stages(tiny.Squares(4), None, stages, custom_callbacks=[slow])
    said = capsys.readouterr().out
    assert f"Time limit: the training is left at {place}" in said if place else "is left at" not in said
    assert slow.loaded == pictures and ("leaves no time for them" in said) == (not pictures)


def test_a_failing_callback_loses_nothing(tmp_path):
    model, data = model_in(tmp_path), tiny.Squares(4)
    with pytest.raises(RuntimeError, match="own"):
        model.train(data, None, 0.001, 2, "heads", custom_callbacks=[Broken()])
    again, counter = model_in(tmp_path), Signal()
    again.load_initial_weights("last")
    again.train(data, None, 0.001, 2, "heads", custom_callbacks=[counter])
    assert [epoch for epoch, _ in counter.epochs] == [1, 2] and Signal.steps == 3


def test_early_stopping_ends_its_stage_and_the_next_one_follows(tmp_path):
    model, data = model_in(tmp_path), tiny.Squares(4)
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=100.0)  # nothing is ever better by so much
    history = model.fit_stages(data, None, [("heads", 1e-4, 5), ("all", 1e-4, 4)], custom_callbacks=[stop])
    assert history.epoch == [0, 1, 2, 3] and model.epoch == 4  # the first epoch counts as an improvement
    facts = state.facts_of(state.facts_path(model.log_dir, 4, 0))
    assert facts["stage"].items() >= {"index": 1, "count": 2, "start": 2, "layers": "all", "rate": 1e-4, "ended": True}.items()


def test_layers_of_a_later_stage_are_checked_before_the_first_begins(tmp_path):
    model = model_in(tmp_path)
    with pytest.raises(ValueError, match="matches no layer"):
        model.fit_stages(tiny.Squares(4), None, "heads:1e-3:1,res9.*:1e-3:1")
    assert not os.path.exists(model.log_dir)


def test_weights_without_their_state_start_a_fresh_optimizer_and_say_so(tmp_path, capsys):
    model, data = model_in(tmp_path), tiny.Squares(4)
    model.train(data, None, 0.001, 1, "heads")
    with open(state.facts_path(model.log_dir, 1, 0).replace(".json", ".npz"), "ab") as file:
        file.write(b"x")
    again = model_in(tmp_path)
    again.load_weights(os.path.join(model.log_dir, "mask_rcnn_tiny_0001.h5"), by_name=True)
    assert "the optimizer starts afresh" in capsys.readouterr().out and not again.optimizer_memory.arrays and again.epoch == 1


class Hanging(tiny.Squares):
    """From the second epoch on no image comes, and Ctrl-C is pressed twice."""

    def __init__(self, count):
        super().__init__(count)
        self.armed, self.end = threading.Event(), threading.Event()

    def load_image(self, image_id):
        if self.armed.is_set():
            for seconds in (0.5, 1.0):
                threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()
            self.armed.clear()
            self.end.wait(60)
        return super().load_image(image_id)


def test_the_second_ctrl_c_ends_a_training_that_waits_for_a_batch_that_never_comes(tmp_path):
    """TensorFlow waits in C++, where Python's own handlers of signals aren't run."""
    config = tiny.TinyConfig()
    config.LOADER_WORKERS, config.IMAGES_PER_GPU, config.STEPS_PER_EPOCH = 1, 1, 2
    model, data = MaskRCNN("training", config, str(tmp_path)), Hanging(4)
    arm = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epoch and data.armed.set())
    try:
        with pytest.raises(KeyboardInterrupt):
            model.train(data, None, 0.001, 2, "heads", custom_callbacks=[arm])
        assert not data.end.is_set() and model.epoch == 1
    finally:
        data.end.set()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler and signal.set_wakeup_fd(-1) == -1
