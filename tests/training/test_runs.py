"""Run folders and the checkpoints in them."""

import datetime
import os
import threading
from concurrent import futures

import pytest

from mrcnn.training import runs

NOW = datetime.datetime(2024, 12, 31, 23, 59, 30)


def touch(*parts):
    path = os.path.join(*parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").close()
    return path


def test_new_run_has_the_historic_names(tmp_path):
    run = runs.new(str(tmp_path), "Fashion", NOW)
    assert run.log_dir == str(tmp_path / "fashion20241231T2359") and run.epoch == 0
    assert run.checkpoint_path.format(epoch=7) == os.path.join(run.log_dir, "mask_rcnn_fashion_0007.h5")
    assert not os.path.exists(run.log_dir)


def test_second_run_of_a_minute_takes_the_next_free_one(tmp_path):
    for folder in ("fashion20241231T2359", "fashion20250101T0000"):
        (tmp_path / folder).mkdir()
    assert os.path.basename(runs.new(str(tmp_path), "fashion", NOW).log_dir) == "fashion20250101T0001"


def test_runs_that_claim_one_folder_at_the_same_moment_get_one_each(tmp_path):
    wanted, moment = runs.new(str(tmp_path / "logs"), "fashion", NOW), threading.Barrier(8)

    def claim(_):
        moment.wait()
        return runs.claim(wanted, str(tmp_path / "logs"), "fashion")

    with futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(claim, range(8)))
    assert len({run.log_dir for run in found}) == 8 and wanted.log_dir in {run.log_dir for run in found}
    assert all(os.path.isdir(run.log_dir) and run.checkpoint_path.startswith(run.log_dir) for run in found)


def test_checkpoint_continues_its_own_run(tmp_path):
    path = str(tmp_path / "fashion20240101T0800" / "mask_rcnn_fashion_0012.h5")
    run = runs.of_checkpoint(path, str(tmp_path), "fashion")
    assert run.epoch == 12 and run.log_dir == os.path.dirname(path)
    assert run.checkpoint_path.format(epoch=12) == path


def test_checkpoint_of_elsewhere_continues_under_its_name_in_the_model_dir(tmp_path):
    run = runs.of_checkpoint("/other/fashion20240101T0800/mask_rcnn_fashion_0012.h5", str(tmp_path), "fashion")
    assert run.log_dir == str(tmp_path / "fashion20240101T0800")


def test_relative_path_is_taken_from_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "fashion20240101T0800").mkdir()
    monkeypatch.chdir(tmp_path / "fashion20240101T0800")
    assert runs.of_checkpoint("mask_rcnn_fashion_0003.h5", str(tmp_path), "fashion").epoch == 3


def test_epoch_of_five_digits(tmp_path):
    assert runs.of_checkpoint("/x/a20240101T0800/mask_rcnn_a_12345.h5", str(tmp_path), "a").epoch == 12345


@pytest.mark.parametrize(
    "path",
    [
        "mask_rcnn_coco.h5", "logs/fashion/mask_rcnn_fashion_0012.h5", "fashion20240101T0800/best_0012.h5",
        "fashion20240101T0800/mask_rcnn_fashion_12.h5",
    ],
)  # fmt: skip
def test_other_names_belong_to_no_run(path, tmp_path):
    assert runs.of_checkpoint(str(tmp_path / path), str(tmp_path), "fashion") is None


def test_checkpoints_come_newest_run_first_and_last_epoch_first(tmp_path):
    for folder, epochs in (("fashion20240101T0800", (1, 2)), ("fashion20230101T0800", (30,)), ("fashion20240101T0900", (9, 10000, 10))):
        for epoch in epochs:
            touch(tmp_path, folder, f"mask_rcnn_fashion_{epoch:04d}.h5")
    names = [os.path.relpath(p, tmp_path) for folder in runs.folders(str(tmp_path), "Fashion") for p in runs.checkpoints_of(folder)]
    assert names == [
        os.path.join(folder, f"mask_rcnn_fashion_{epoch:04d}.h5")
        for folder, epochs in (("fashion20240101T0900", (10000, 10, 9)), ("fashion20240101T0800", (2, 1)), ("fashion20230101T0800", (30,)))
        for epoch in epochs
    ]


def test_runs_of_names_that_begin_alike_are_not_mixed(tmp_path):
    touch(tmp_path, "fashion_big20250101T0800", "mask_rcnn_fashion_big_0001.h5")
    touch(tmp_path, "fashion20240101T0800", "mask_rcnn_fashion_0001.h5")
    assert runs.folders(str(tmp_path), "fashion") == [str(tmp_path / "fashion20240101T0800")]


def test_other_files_of_a_run_are_no_checkpoints(tmp_path):
    path = touch(tmp_path, "fashion20240101T0800", "mask_rcnn_fashion_0001.h5")
    touch(tmp_path, "fashion20240101T0800", "notes_0002.h5")
    assert runs.checkpoints_of(str(tmp_path / "fashion20240101T0800")) == [path]


def test_no_run_is_an_error_that_says_where(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run of 'fashion' in .*folders named fashionYYYYMMDDTHHMM.*Train first"):
        runs.folders(str(tmp_path), "fashion")
    with pytest.raises(FileNotFoundError, match="no run of 'fashion'"):
        runs.folders(str(tmp_path / "absent"), "fashion")


def test_braces_in_a_folder_are_no_fields_of_the_checkpoint_path(tmp_path):
    folder = str(tmp_path / "{draft}")
    assert runs.new(folder, "fashion", NOW).checkpoint_path.format(epoch=1).startswith(folder)
