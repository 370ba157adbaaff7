"""One process at a time trains in a run's folder."""

import errno
import os
import subprocess
import sys

import pytest
import tiny

from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.training import lock

pytestmark = pytest.mark.skipif(lock.fcntl is None, reason="no such locks on Windows")

HOLDER = """
import sys
from mrcnn.training import lock
with lock.held(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder):
    """Start a process that holds the lock of a folder until its input ends."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], env={**os.environ, "PYTHONPATH": root}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_named_and_its_end_by_any_means_frees_the_run(tmp_path):
    with holder(tmp_path) as other:
        who = rf"in use: another training .* .process {other.pid} on .*, since 20.*Wait"
        with pytest.raises(lock.RunInUseError, match=who), lock.held(str(tmp_path)):
            pass
        other.kill()
    assert os.listdir(tmp_path) == [lock.FILE]  # a killed process leaves the file, without a lock
    with lock.held(str(tmp_path)):
        assert f"process {os.getpid()} " in (tmp_path / lock.FILE).read_text()
    assert os.listdir(tmp_path) == []


def test_a_folder_is_held_once_and_free_after_an_error(tmp_path):
    folder = str(tmp_path / "run")
    with pytest.raises(ZeroDivisionError), lock.held(folder):
        with pytest.raises(lock.RunInUseError), lock.held(folder):
            pass
        assert os.listdir(folder) == [lock.FILE]
        raise ZeroDivisionError
    with lock.held(folder), lock.held(str(tmp_path / "other")):
        pass


def test_a_lock_whose_file_was_removed_in_between_is_taken_on_the_new_file(tmp_path, monkeypatch):
    usual, files = lock.fcntl.flock, []

    def flock(descriptor, how):
        if not files:
            os.remove(tmp_path / lock.FILE)
        files.append(descriptor)
        return usual(descriptor, how)

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    with lock.held(str(tmp_path)):
        assert len(files) == 2 and (tmp_path / lock.FILE).read_text()


def test_where_there_are_no_locks_training_goes_on_and_that_is_said(tmp_path, monkeypatch, caplog):
    def flock(descriptor, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    with lock.held(str(tmp_path)):
        assert "can't be locked ([Errno" in caplog.text


def test_a_run_that_another_trains_is_left_alone(tmp_path):
    model = MaskRCNN("training", tiny.TinyConfig(), str(tmp_path))
    model.set_log_dir(str(tmp_path / "tiny20240101T0800" / "mask_rcnn_tiny_0001.h5"))
    with lock.held(model.log_dir):
        with pytest.raises(lock.RunInUseError, match=r"tiny20240101T0800 is in use"):
            model.train(tiny.Squares(), None, 1e-3, 2, "heads")
        assert os.listdir(model.log_dir) == [lock.FILE]
