"""Workers: the same batches whatever their number and kind, errors that reach the user, hangs that are reported."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import loader_data
import numpy as np
import pytest
from loader_data import SmallConfig, Told

from mrcnn.data import augment, loader


@pytest.fixture
def loaders():
    """Loaders that are closed at the end."""
    made = []

    def make(batches, **kwargs):
        made.append(loader.Loader(batches, **{"workers": 1, "timeout": 30, **kwargs}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def ids(batch):
    return [int(meta[0]) for meta in batch[1]]


def equal(first, second):
    return all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))


def full_masks():
    config = SmallConfig()
    config.USE_MINI_MASK = False
    return config


# --- Purity ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [None, full_masks()], ids=["mini-masks", "full masks"])
@pytest.mark.parametrize(("workers", "processes"), [(1, False), (3, False), (2, True)])
def test_batches_do_not_depend_on_the_workers(loaders, workers, processes, config):
    told = {1: "broken", 5: "slow"}
    alone = loader_data.batches(told, augmentation=loader_data.bright, config=config)
    expected = [alone.batch(epoch, i) for epoch in (0, 1) for i in range(6)]
    batches = loader_data.batches(told, augmentation=loader_data.bright, config=config)
    ahead = loaders(batches, workers=workers, processes=processes)
    found = [ahead.batch(epoch, i) for epoch in (0, 1) for i in range(6)]
    assert all(equal(*pair) for pair in zip(found, expected, strict=True))
    assert [array.dtype for array in found[0]] == [array.dtype for array in expected[0]]
    assert batches.skipped == alone.skipped == {1: "OSError: disk error"}


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_no_image_comes_twice_or_is_missed_in_a_pass(loaders, workers):
    ahead = loaders(loader_data.batches(count=12, steps=3, batch_size=4), workers=workers, queue=2)
    for epoch in range(3):
        assert sorted(i for step in range(3) for i in ids(ahead.batch(epoch, step))) == list(range(12))


def test_any_order_of_asking_is_answered(loaders):
    batches = loader_data.batches()
    ahead = loaders(batches, workers=2)
    for epoch, index in ((2, 3), (2, 4), (0, 0), (2, 4), (2, 5), (1, 1)):
        assert equal(ahead.batch(epoch, index), batches.batch(epoch, index))


def test_the_last_smaller_batch_of_a_validation_comes_as_it_is(loaders):
    ahead = loaders(loader_data.batches(shuffle=False, one_pass=True, steps=None))
    assert [ids(ahead.batch(0, i)) for i in range(len(ahead))] == [[0, 1], [2, 3], [4, 5], [6]]


# --- The queue ---------------------------------------------------------------------------------------------------------


def test_no_more_is_loaded_ahead_than_the_queue_holds_nor_into_the_next_epoch(loaders):
    batches = loader_data.batches(count=40, batch_size=1, steps=20)
    asked, load = [], batches.batch
    batches.batch = lambda epoch, index: (asked.append((epoch, index)), load(epoch, index))[1]
    ahead = loaders(batches, workers=4, queue=3)
    ahead.batch(0, 0)
    time.sleep(0.3)
    assert sorted(asked) == [(0, 0), (0, 1), (0, 2)]
    for index in range(1, 20):
        ahead.batch(0, index)
    time.sleep(0.2)
    assert len(asked) == 20 and max(asked) == (0, 19)


def test_full_masks_wait_as_run_lengths_and_come_back(loaders):
    batch = loader_data.batches(config=full_masks()).batch(0, 0)
    packed = loader.pack(batch)
    assert isinstance(packed[6][0], list) and packed[6][0][0]["size"] == [64, 64]
    assert equal(loader.unpack(packed), batch)
    mini = loader_data.batches().batch(0, 0)
    assert loader.pack(mini) is mini and loader.unpack(mini) is mini


# --- Errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [False, True])
def test_an_augmentation_at_fault_reaches_the_user_with_the_image(loaders, processes):
    ahead = loaders(loader_data.batches(augmentation=loader_data.shrinking), processes=processes)
    with pytest.raises(augment.AugmentationError, match=r"^Image \d \(id 'image-\d'\): Augmentation shrinking changed the image") as caught:
        ahead.batch(0, 0)
    if processes:
        assert "shrinking" in str(caught.value.__cause__) and "Traceback" in str(caught.value.__cause__)


def test_images_of_two_sizes_are_named(loaders):
    config = SmallConfig()
    config.IMAGE_RESIZE_MODE = "none"
    with pytest.raises(ValueError, match=r"\(64, 64, 3\), \(64, 128, 3\)\] \(images \[0, 1\]\)"):
        loaders(loader_data.batches({1: "wide"}, shuffle=False, config=config)).batch(0, 0)


def test_an_error_spoils_only_its_own_batch(loaders):
    config = SmallConfig()
    config.IMAGE_RESIZE_MODE = "none"
    ahead = loaders(loader_data.batches({1: "wide"}, shuffle=False, config=config, steps=3), workers=2)
    with pytest.raises(ValueError, match="images"):
        ahead.batch(0, 0)
    assert ids(ahead.batch(0, 1)) == [2, 3]


def test_what_a_process_skips_is_counted_and_logged_once(loaders, caplog):
    batches = loader_data.batches({1: "broken"}, steps=8)
    ahead = loaders(batches, workers=2, processes=True)
    with caplog.at_level(logging.WARNING):
        for index in range(8):
            ahead.batch(0, index)
    assert batches.skipped == {1: "OSError: disk error"}
    assert [r.message for r in caplog.records] == ["Skipping image 1 (1 skipped so far): OSError: disk error"]


def test_a_process_that_dies_is_an_error_with_its_images(loaders):
    batches = loader_data.batches(shuffle=False, steps=3)
    batches.dataset.told[3] = "deadly"
    ahead = loaders(batches, processes=True, queue=1)
    assert ids(ahead.batch(0, 0)) == [0, 1]
    with pytest.raises(loader.WorkerError, match=r"ended \(exit status 3\) at batch 1 of epoch 0: images 2, 3"):
        ahead.batch(0, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_is_left_to_training(loaders, number):
    ahead = loaders(loader_data.batches(), processes=True, queue=1)
    ahead.batch(0, 0)
    os.kill(ahead._children[0].pid, number)
    assert len(ahead.batch(0, 1)) == 7


def test_a_loader_that_nobody_closed_does_not_keep_the_program(tmp_path):
    program = (
        "import loader_data\nfrom mrcnn.data import loader\nif __name__ == '__main__':\n"
        "    ahead = loader.Loader(loader_data.batches(), workers=1, processes=True)\n    ahead.batch(0, 0)\n    print('done')\n"
    )
    (tmp_path / "program.py").write_text(program)
    here = os.path.dirname(os.path.abspath(__file__))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(os.path.dirname(here)), here])}
    ended = subprocess.run([sys.executable, tmp_path / "program.py"], env=environment, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr


def test_a_process_loads_no_deep_learning_framework(loaders):
    ahead = loaders(loader_data.batches({0: "framework"}, count=1, batch_size=1), processes=True)
    assert ahead.batch(0, 0)[0].max() == pytest.approx(100 - SmallConfig.MEAN_PIXEL[2])


def test_what_cannot_travel_to_a_process_is_refused_at_once(loaders):
    class Local(Told):
        pass

    batches = loader_data.batches()
    batches.dataset = Local()
    with pytest.raises(ValueError, match=r"Local.*top level of a module.*LOADER_PROCESSES = False"):
        loaders(batches, processes=True)


def test_a_class_that_a_process_cannot_import_is_said(loaders, monkeypatch):
    module = type(sys)("only_here")
    exec("from loader_data import Told\nclass Hidden(Told):\n    pass", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    batches = loader_data.batches()
    batches.dataset = module.Hidden()
    with pytest.raises(loader.WorkerError, match=r"could not start: ModuleNotFoundError: .*only_here.*in a notebook"):
        loaders(batches, processes=True).batch(0, 0)


@pytest.mark.parametrize("arguments", [{"workers": 0}, {"queue": 0}, {"timeout": 0}])
def test_impossible_numbers_are_refused(arguments):
    with pytest.raises(ValueError, match="start at 1"):
        loader.Loader(loader_data.batches(), **{"workers": 1, **arguments})


# --- Hangs and the end -------------------------------------------------------------------------------------------------


def test_a_hang_is_reported_with_its_images_and_the_place_and_training_goes_on(loaders, caplog):
    gate = threading.Event()
    batches = loader_data.batches(shuffle=False, steps=3)
    batches.dataset.told[3] = gate
    ahead = loaders(batches, timeout=0.3)
    ahead.batch(0, 0)
    threading.Timer(0.8, gate.set).start()
    assert ids(ahead.batch(0, 1)) == [2, 3]
    first, second = (record.getMessage() for record in caplog.records)
    assert "Batch 1 of epoch 0 (images 2, 3) is not there after 0 s" in first and "what.wait()" in first
    assert "Ctrl-C twice ends it" in first
    assert "after 1 s" in second


def test_who_waits_can_be_told_to_wait_no_longer(loaders):
    batches = loader_data.batches(shuffle=False, steps=3)
    batches.dataset.told[3] = gate = threading.Event()
    ahead = loaders(batches, timeout=60)
    threading.Timer(0.2, ahead.interrupt).start()
    with pytest.raises(loader.Interrupted, match="Batch 1 of epoch 0"):
        ahead.batch(0, 1)
    gate.set()


def test_a_process_writes_where_it_hangs(loaders, caplog, capfd):
    batches = loader_data.batches({3: "hanging"}, shuffle=False, steps=3)
    ahead = loaders(batches, processes=True, timeout=0.4)
    ahead.batch(0, 0)
    ahead.batch(0, 1)
    assert "Batch 1 of epoch 0 (images 2, 3) is not there" in caplog.text
    assert "load_image" in capfd.readouterr().err


def test_workers_end_with_close_and_give_nothing_more():
    before = set(threading.enumerate())
    ahead = loader.Loader(loader_data.batches(), workers=2, processes=True)
    ahead.batch(0, 0)
    assert len(multiprocessing.active_children()) >= 1
    ahead.close()
    assert set(threading.enumerate()) <= before and not multiprocessing.active_children()
    with pytest.raises(RuntimeError, match="closed"):
        ahead.batch(0, 1)


def test_a_thread_that_hangs_does_not_keep_close(monkeypatch):
    class Gate(threading.Event):
        reached = threading.Event()

        def wait(self, timeout=None):
            self.reached.set()
            return super().wait(timeout)

    monkeypatch.setattr(loader, "_JOINING_SECONDS", 0.2)
    gate, before = Gate(), set(threading.enumerate())
    batches = loader_data.batches(shuffle=False, steps=3)
    ahead = loader.Loader(batches, workers=1)
    batches.dataset.told[3] = gate
    ahead.batch(0, 0)
    assert gate.reached.wait(60)
    ahead.close()
    assert set(threading.enumerate()) - before  # it hangs still: nobody waited for its end
    gate.set()
