"""Small files of a run: whole or not at all."""

import os

import pytest

from mrcnn import files


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "a.txt"
    files.write(str(path), "ä")
    files.write(str(path), b"\x00b")
    assert path.read_bytes() == b"\x00b" and os.listdir(path.parent) == ["a.txt"]


def test_a_write_that_fails_keeps_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    files.write(str(path), "old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(str(path), "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_half_a_surrogate_pair_is_written_as_json_writes_it(tmp_path):
    files.write(str(tmp_path / "a"), '"\udc80"')
    assert (tmp_path / "a").read_text() == r'"\udc80"'


def test_files_set_aside_do_not_replace_each_other(tmp_path):
    for text in "ab":
        (tmp_path / "x").write_text(text)
        files.set_aside(str(tmp_path / "x"))
    assert [(tmp_path / name).read_text() for name in ("x.broken", "x.broken2")] == ["a", "b"]
