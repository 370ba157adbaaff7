"""Checkpoints and states on disk: complete or not there, verified, deleted only when they may be."""

import json
import math
import os
import random

import h5py
import keras
import numpy as np
import pytest
from stand_in import Weights

from mrcnn.training import keeper, session, state
from mrcnn.training.memory import Memory
from mrcnn.training.runs import Run
from mrcnn.weights import legacy_h5


class Wait(keras.callbacks.Callback):
    """Remembers a number, and was made with another."""

    def __init__(self, patience=5):
        super().__init__()
        self.patience, self.wait = patience, 0


@pytest.fixture
def keep(tmp_path):
    folder = tmp_path / "tiny20240101T0800"
    folder.mkdir()
    memory = Memory()
    memory.arrays = {"sgd/w_momentum": np.arange(3, dtype=np.float32)}
    made = keeper.Keeper(Run(str(folder), str(folder / "mask_rcnn_tiny_{epoch:04d}.h5")), memory, {"stage": {"index": 0}})
    made.begin(Weights(), None, [])
    return made


def files(keep):
    return sorted(os.path.relpath(os.path.join(at, f), keep.run.log_dir) for at, _, names in os.walk(keep.run.log_dir) for f in names)


def test_an_epoch_is_a_checkpoint_and_a_state_that_verifies(keep):
    keep.save_epoch(1, {"loss": 1.5})
    found = state.read(state.facts_path(keep.run.log_dir, 1, 0))
    assert os.path.basename(found.weights) == "mask_rcnn_tiny_0001.h5" and found.facts["pending"] and found.facts["logs"] == {"loss": 1.5}
    np.testing.assert_array_equal(found.arrays["optimizer/sgd/w_momentum"], [0, 1, 2])
    keep.finish_epoch({"loss": 1.5, "val_map": 0.25}, ended=True)
    found = state.read(found.path)
    assert not found.facts["pending"] and found.facts["logs"]["val_map"] == 0.25 and found.facts["stage"] == {"index": 0, "ended": True}


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_bad_loss_ends_training_and_leaves_the_last_good_checkpoint(keep, loss):
    keep.save_epoch(1, {"loss": 1.0})
    before = files(keep)
    with pytest.raises(FloatingPointError, match=r"loss of epoch 2 is (nan|inf) \(loss, mrcnn_bbox_loss\).*last one is .*_0001\.h5.*Lower"):
        keep.save_epoch(2, {"loss": loss, "mrcnn_bbox_loss": loss, "rpn_class_loss": 0.1})
    assert files(keep) == before


def test_bad_loss_in_the_first_epoch(keep):
    with pytest.raises(FloatingPointError, match="none of this run"):
        keep.save_epoch(1, {"loss": math.nan})


@pytest.mark.parametrize("save", [lambda keep: keep.save_step(0, 3), lambda keep: keep.save_epoch(1, {"loss": 1.0})])
def test_values_that_jax_holds_apart_are_fetched_before_anything_is_read(keep, save):
    # Keras on JAX keeps weights and means outside of the variables during an epoch.
    weight = keep.model.trainable_variables[0]
    keep.model.jax_state_sync = lambda: weight.assign([np.nan, 0])
    with pytest.raises(FloatingPointError, match="not finite"):
        save(keep)
    mean = keras.Variable(np.float32(1))
    keep.model.metrics_variables = [mean]
    keep.model.jax_state_sync = lambda: (weight.assign([5, 5]), mean.assign(7))
    save(keep)
    newest = state.read(next(state.paths(keep.run.log_dir)))
    assert newest.arrays.get("metric/0", 7) == 7 and weight.numpy().tolist() == [5, 5]


def test_state_inside_an_epoch_goes_when_the_epoch_is_done_and_old_arrays_too(keep):
    keep.save_step(0, 2)
    assert files(keep) == ["state/0000_000002.h5", "state/0000_000002.json", "state/0000_000002.npz"]
    for epoch in (1, 2, 3):
        keep.save_epoch(epoch, {})
        keep.finish_epoch({}, ended=False)
    assert files(keep) == [
        *(f"mask_rcnn_tiny_000{n}.h5" for n in (1, 2, 3)),
        *(f"state/{n}" for n in ("0001_000000.json", "0002_000000.json", "0002_000000.npz", "0003_000000.json", "0003_000000.npz")),
    ]
    assert state.read(state.facts_path(keep.run.log_dir, 1, 0)).arrays == {}


def test_checkpoints_count_epochs_from_one(keep):
    keeper.Checkpoint(keep).on_epoch_end(4, {"loss": 1.5})
    assert os.path.basename(keep.last) == "mask_rcnn_tiny_0005.h5" and keep.epoch == 5


@pytest.mark.parametrize(("best", "kept"), [(None, [3, 4]), ("val_loss", [1, 3, 4]), ("val_map", [2, 3, 4]), ("absent", [3, 4])])
def test_keep_last_and_best(keep, best, kept):
    keep.keep_last, keep.keep_best = 2, best
    other = os.path.join(keep.run.log_dir, "mask_rcnn_tiny_0009.h5")
    open(other, "wb").close()  # somebody put it there: no state knows it
    for epoch, (loss, score) in enumerate([(0.5, 0.1), (0.7, 0.9), (0.6, math.nan), (0.8, 0.3)], start=1):
        keep.save_epoch(epoch, {})
        keep.finish_epoch({"val_loss": loss, "val_map": score}, ended=False)
    left = [f for f in files(keep) if f.endswith(".h5")]
    assert left == [f"mask_rcnn_tiny_{n:04d}.h5" for n in (*kept, 9)]


def test_of_equal_figures_the_epoch_that_was_measured_is_kept(keep):
    keep.keep_last, keep.keep_best = 1, "val_map"
    for epoch, score in enumerate([0.5, 0.5, 0.25, 0.25], start=1):  # the mAP of every second epoch, repeated in the next
        keep.save_epoch(epoch, {})
        keep.finish_epoch({"val_map": score}, ended=False)
    assert [f for f in files(keep) if f.endswith(".h5")] == ["mask_rcnn_tiny_0001.h5", "mask_rcnn_tiny_0004.h5"]


def find(keep, whole_epochs=False):
    folder = os.path.dirname(keep.run.log_dir)
    return os.path.relpath(session.last(folder, "Tiny", describe=lambda path: None, whole_epochs=whole_epochs), keep.run.log_dir)


def test_last_is_the_furthest_complete_state(keep, capsys):
    keep.save_epoch(1, {})
    keep.save_epoch(2, {})
    keep.save_step(2, 5)
    assert find(keep) == "state/0002_000005.h5" and find(keep, whole_epochs=True) == "mask_rcnn_tiny_0002.h5"
    with open(os.path.join(keep.run.log_dir, "state/0002_000005.npz"), "ab") as file:
        file.write(b"x")
    assert find(keep) == "mask_rcnn_tiny_0002.h5"
    with open(os.path.join(keep.run.log_dir, "mask_rcnn_tiny_0002.h5"), "ab") as file:
        file.write(b"x")
    assert find(keep) == "mask_rcnn_tiny_0001.h5"
    said = capsys.readouterr().out
    assert "0002_000005.npz has changed since it was saved" in said and "mask_rcnn_tiny_0002.h5 has changed" in said


def test_checkpoint_without_its_state_was_not_completed(keep, capsys):
    keep.save_epoch(1, {})
    keep.save_epoch(2, {})
    os.remove(state.facts_path(keep.run.log_dir, 2, 0))
    assert find(keep) == "mask_rcnn_tiny_0001.h5"


def test_first_checkpoint_without_its_state_was_not_completed(keep, capsys):
    keep.save_epoch(1, {})
    os.remove(state.facts_path(keep.run.log_dir, 1, 0))
    with pytest.raises(FileNotFoundError, match="broken"):
        find(keep)
    assert "mask_rcnn_tiny_0001.h5: it was not completed" in capsys.readouterr().out


def test_run_without_states_is_judged_by_its_files(keep):
    os.rmdir(os.path.join(keep.run.log_dir, "state"))
    open(os.path.join(keep.run.log_dir, "mask_rcnn_tiny_0003.h5"), "wb").close()
    assert find(keep) == "mask_rcnn_tiny_0003.h5"


def test_facts_cut_short_are_no_state(keep):
    keep.save_epoch(1, {})
    keep.save_epoch(2, {})
    with open(state.facts_path(keep.run.log_dir, 2, 0), "r+") as file:
        file.truncate(40)
    assert find(keep) == "mask_rcnn_tiny_0001.h5"


def test_what_a_killed_process_left_half_written_is_swept(keep):
    partial = os.path.join(keep.run.log_dir, ".mask_rcnn_tiny_0001.h5.99.partial")
    open(partial, "wb").close()
    keep.begin(keep.model, None, [])
    assert not os.path.exists(partial)


def test_failed_write_leaves_what_was_there(keep, monkeypatch):
    path = os.path.join(keep.run.log_dir, "x.json")
    state.write_facts(path, {"a": 1})
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        state.write_facts(path, {"a": 2})
    with open(path) as file:
        assert json.load(file) == {"a": 1}
    assert not [f for f in files(keep) if "partial" in f]


@pytest.mark.parametrize("failing", ["os.fsync", "numpy.savez", "h5py.File.close"])
def test_a_full_disk_keeps_the_checkpoint_before_and_says_so(keep, monkeypatch, failing):
    class Hdf5(Weights):
        def save_weights(self, path):
            layer = keras.layers.Dense(1, name="a")
            layer.build((None, 1))
            legacy_h5.save(keras.Sequential([keras.Input((1,)), layer]), path)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    def full_at_close(file):  # what h5py 3.16 raised on a full tmpfs
        close(file)
        raise RuntimeError("Disable slist on flush dest failure failed (…, errno = 28, error message = 'No space left on device', buf = 0x55)")

    keep.model = Hdf5()
    keep.save_epoch(1, {})
    before, close = files(keep), h5py.File.close
    with monkeypatch.context() as patch:
        patch.setattr(failing, full_at_close if failing.endswith("close") else full)
        with pytest.raises(OSError, match=r"of epoch 2 could not be.*No space left.*last complete checkpoint is \S+_0001.h5.*--weights last"):
            keep.save_epoch(2, {})
    assert [f for f in files(keep) if "_0002" not in f] == before and find(keep) == "mask_rcnn_tiny_0001.h5"
    keep.save_epoch(2, {})
    assert find(keep) == "mask_rcnn_tiny_0002.h5"


def test_a_stage_that_goes_on_knows_the_checkpoint_before(keep):
    keep.save_epoch(1, {})
    again = keeper.Keeper(Run(keep.run.log_dir, keep.run.checkpoint_path, 1), Memory(), {})
    again.begin(Weights(), None, [])
    with pytest.raises(FloatingPointError, match="the last one is .*_0001.h5"):
        again.save_epoch(2, {"loss": math.nan})


def test_callbacks_get_back_what_changed_and_keep_what_they_were_made_with(keep):
    callback = Wait(patience=5)
    keep.callbacks = [callback]
    keep.fresh = [keeper.numbers_of(callback)]
    callback.wait = 3
    noted = keep.notes()
    resumed = Wait(patience=9)
    keeper.resume_callbacks([keras.callbacks.Callback(), resumed], json.loads(json.dumps(noted)))
    assert (resumed.patience, resumed.wait) == (9, 3)


def test_global_generators_go_on_where_they_were():
    random.seed(1), np.random.seed(1)
    random.gauss(0, 1), np.random.normal()
    kept = state.random_states()
    wanted = random.random(), random.gauss(0, 1), np.random.normal(), np.random.rand()
    random.seed(2), np.random.seed(2)
    state.restore_random_states(kept)
    assert (random.random(), random.gauss(0, 1), np.random.normal(), np.random.rand()) == wanted


class Rated:
    """Stands for a network with an optimizer that has a rate."""

    def __init__(self, rate):
        self.optimizer = keras.optimizers.SGD(rate)


def test_a_plateau_goes_on_as_if_nothing_had_been(keep):
    def plateau(model):
        callback = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1)
        callback.set_model(model)
        callback.on_train_begin()
        return callback

    whole, part = Rated(1.0), Rated(1.0)
    one = plateau(whole)
    for epoch in range(4):
        one.on_epoch_end(epoch, {"val_loss": 1.0})
    first = plateau(part)
    keep.callbacks, keep.fresh = [first], [keeper.numbers_of(first)]
    for epoch in range(2):
        first.on_epoch_end(epoch, {"val_loss": 1.0})
    second = plateau(part)
    keeper.resume_callbacks([second], json.loads(json.dumps(keep.notes())))
    for epoch in range(2, 4):
        second.on_epoch_end(epoch, {"val_loss": 1.0})
    assert float(part.optimizer.learning_rate) == float(whole.optimizer.learning_rate) == 0.125
    assert second.min_delta == one.min_delta < 0


def test_a_best_that_never_comes_is_said_once(keep, capsys):
    keep.keep_last, keep.keep_best = 1, "val_mAP"
    for epoch in (1, 2):
        keep.save_epoch(epoch, {"loss": 1.0})
        keep.finish_epoch({"loss": 1.0, "val_map": 0.5}, ended=False)
    assert capsys.readouterr().out.count("KEEP_BEST = 'val_mAP' is none of this epoch's figures") == 1
