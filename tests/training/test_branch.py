"""A run that goes on from before its end: the later part is set aside, whole, and what comes now is the newest."""

import os

import pytest
from stand_in import Weights

from mrcnn.training import branch, keeper, session, state
from mrcnn.training.memory import Memory
from mrcnn.training.runs import Run


@pytest.fixture
def folder(tmp_path):
    """A run of four epochs."""
    path = tmp_path / "tiny20240101T0800"
    path.mkdir()
    at = opened(path, 0)
    for epoch in range(1, 5):
        at.save_epoch(epoch, {"loss": 1.0})
        at.finish_epoch({"loss": 1.0}, ended=False)
    (path / "metrics.csv").write_text("epoch,loss\n1,1\n")
    return path


def opened(path, epoch, step=0, **options):
    made = keeper.Keeper(Run(str(path), str(path / "mask_rcnn_tiny_{epoch:04d}.h5"), epoch), Memory(), {"stage": {"index": 0}}, **options)
    made.begin(Weights(), None, [], step)
    return made


def last(path):
    return os.path.basename(session.last(str(path.parent), "tiny", describe=lambda path: None, whole_epochs=False))


def files(path):
    return sorted(name for name in os.listdir(path) if name.endswith(".h5"))


def test_going_on_from_the_end_leaves_everything_where_it_is(folder):
    before = sorted(os.listdir(folder))
    opened(folder, 4)
    assert sorted(os.listdir(folder)) == before


def test_later_checkpoints_are_set_aside_with_their_states(folder, capsys):
    content = (folder / "mask_rcnn_tiny_0004.h5").read_bytes()
    opened(folder, 2)
    aside = folder / "set_aside_1"
    assert files(folder) == ["mask_rcnn_tiny_0001.h5", "mask_rcnn_tiny_0002.h5"]
    assert files(aside) == ["mask_rcnn_tiny_0003.h5", "mask_rcnn_tiny_0004.h5"]
    assert (aside / "mask_rcnn_tiny_0004.h5").read_bytes() == content
    assert state.read(state.facts_path(str(aside), 4, 0)).facts["epoch"] == 4  # whole still
    assert (aside / "metrics.csv").exists() and (folder / "metrics.csv").exists()
    assert f"from epoch 2. What this run already had of epochs 3 to 4 is kept in {aside}" in capsys.readouterr().out
    assert last(folder) == "mask_rcnn_tiny_0002.h5"


def test_what_is_trained_now_is_the_newest(folder):
    at = opened(folder, 2)
    at.save_step(2, 1)
    assert last(folder) == "0002_000001.h5"
    state.drop_arrays(str(folder), keep=2)
    assert last(folder) == "0002_000001.h5"


def test_keep_last_deletes_nothing_that_is_new(folder):
    at = opened(folder, 2, keep_last=1)
    at.save_epoch(3, {"loss": 1.0})
    at.finish_epoch({"loss": 1.0}, ended=False)
    assert files(folder) == ["mask_rcnn_tiny_0003.h5"] == [last(folder)]
    assert files(folder / "set_aside_1") == ["mask_rcnn_tiny_0003.h5", "mask_rcnn_tiny_0004.h5"]


def test_a_broken_newest_state_does_not_swallow_what_comes_after_it(folder):
    path = state.facts_path(str(folder), 4, 0).replace(".json", ".npz")
    with open(path, "r+b") as file:
        file.seek(40)
        file.write(b"broken")
    assert last(folder) == "mask_rcnn_tiny_0003.h5"
    opened(folder, 3).save_step(3, 500)
    state.drop_arrays(str(folder), keep=2)
    assert last(folder) == "0003_000500.h5"
    assert files(folder / "set_aside_1") == ["mask_rcnn_tiny_0004.h5"]


def test_a_state_inside_a_later_epoch_is_set_aside_too(folder):
    opened(folder, 4).save_step(4, 7)
    opened(folder, 4, step=7)
    assert last(folder) == "0004_000007.h5"
    opened(folder, 4)
    assert sorted(os.listdir(folder / "set_aside_1" / "state")) == ["0004_000007.h5", "0004_000007.json", "0004_000007.npz"]
    assert last(folder) == "mask_rcnn_tiny_0004.h5"


def test_what_a_killed_process_left_of_the_next_epoch_is_replaced(folder):
    (folder / "mask_rcnn_tiny_0005.h5").write_bytes(b"without a state")
    opened(folder, 4)
    assert not (folder / "set_aside_1").exists()


def test_a_run_of_the_original_has_no_states_and_loses_nothing(tmp_path):
    path = tmp_path / "tiny20240101T0800"
    path.mkdir()
    for epoch in range(1, 4):
        (path / f"mask_rcnn_tiny_{epoch:04d}.h5").write_bytes(b"%d" % epoch)
    (path / "ema").mkdir()
    (path / "ema" / "ema_tiny_0003.h5").write_bytes(b"average")
    opened(path, 2)
    assert files(path / "set_aside_1") == ["mask_rcnn_tiny_0003.h5"]
    assert files(path / "set_aside_1" / "ema") == ["ema_tiny_0003.h5"]
    assert branch.set_aside_after(Run(str(path), "", 1), 0) == str(path / "set_aside_2")
