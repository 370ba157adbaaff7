"""mrcnn.data.archives: nothing lands outside, an attempt that broke off goes on, damage is said."""

import os
import shutil
import stat
import zipfile
from collections import namedtuple

import pytest

from mrcnn.data import archives


def make(path, entries):
    """Write an archive of {name: content}; a name may be a ZipInfo."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def files_in(folder):
    return sorted(os.path.relpath(os.path.join(at, f), folder) for at, _, names in os.walk(folder) for f in names)


def test_files_arrive_with_their_folders_and_are_told(tmp_path):
    path = make(tmp_path / "a.zip", {"val/": "", "val/1.jpg": b"one", "val/deep/2.jpg": b"two2"})
    seen = []
    found = archives.extract(path, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert [os.path.relpath(p, tmp_path / "out") for p in found] == ["val/1.jpg", "val/deep/2.jpg"]
    assert files_in(tmp_path / "out") == ["val/1.jpg", "val/deep/2.jpg"]
    assert (tmp_path / "out" / "val" / "deep" / "2.jpg").read_bytes() == b"two2"
    assert seen == [(3, 7), (7, 7)]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "C:/evil", "..\\evil", "a\\..\\..\\evil"])
def test_nothing_lands_outside_and_nothing_at_all_is_written(tmp_path, name):
    path = make(tmp_path / "a.zip", {"good.jpg": b"x", name: b"y"})
    with pytest.raises(ValueError, match="would land outside"):
        archives.extract(path, tmp_path / "out")
    assert files_in(tmp_path) == ["a.zip"]


def test_links_are_not_unpacked(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ValueError, match="'link', which is a link"):
        archives.extract(make(tmp_path / "a.zip", {link: "/etc/passwd"}), tmp_path / "out")


def test_nothing_is_written_through_a_link_that_is_there(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "val").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="leads through a link"):
        archives.extract(make(tmp_path / "a.zip", {"val/1.jpg": b"x"}), tmp_path / "out")
    assert files_in(tmp_path / "elsewhere") == []


def test_the_folder_itself_may_be_reached_through_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    archives.extract(make(tmp_path / "a.zip", {"1.jpg": b"x"}), tmp_path / "out")
    assert files_in(tmp_path / "disk") == ["1.jpg"]


def test_a_name_that_stands_there_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("1.jpg", b"x")
            archive.writestr("1.jpg", b"y")
    with pytest.raises(ValueError, match="'1.jpg' twice"):
        archives.extract(path, tmp_path / "out")


def test_an_attempt_that_broke_off_goes_on(tmp_path):
    path = make(tmp_path / "a.zip", {"1.jpg": b"one", "2.jpg": b"two", "3.jpg": b"three"})
    archives.extract(path, tmp_path / "out")
    kept = tmp_path / "out" / "1.jpg"
    kept.write_bytes(b"own")  # of the right size: not touched
    (tmp_path / "out" / "2.jpg").write_bytes(b"cut o")  # of another size: written anew
    (tmp_path / "out" / "3.jpg").unlink()
    seen = []
    archives.extract(path, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert kept.read_bytes() == b"own"
    assert (tmp_path / "out" / "2.jpg").read_bytes() == b"two"
    assert (tmp_path / "out" / "3.jpg").read_bytes() == b"three"
    assert seen == [(6, 11), (11, 11)]


def test_damage_is_said_and_the_damaged_file_does_not_appear(tmp_path):
    path = make(tmp_path / "a.zip", {"1.jpg": b"one" * 100})
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="can't be unpacked .*CRC.*fetch it again"):
        archives.extract(path, tmp_path / "out")
    assert files_in(tmp_path / "out") == []


def test_compressed_data_that_are_damaged_are_said(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "hello" * 1000)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[35:39] = bytes(4)  # the first of the entry's content
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.zip can't be unpacked \(.*\): remove it and fetch it again"):
        archives.extract(tmp_path / "a.zip", tmp_path / "out")
    assert files_in(tmp_path / "out") == []


def test_what_is_no_archive_is_said(tmp_path):
    (tmp_path / "a.zip").write_text("<html>")
    with pytest.raises(ValueError, match="not a zip file"):
        archives.extract(tmp_path / "a.zip", tmp_path / "out")
    with pytest.raises(FileNotFoundError):
        archives.extract(tmp_path / "none.zip", tmp_path / "out")


def test_a_disk_without_room_is_said_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**12, 10**12, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(OSError, match="0.0 GB free: make room"):
        archives.extract(make(tmp_path / "a.zip", {"1.jpg": b"one"}), tmp_path / "out")
    assert not (tmp_path / "out").exists()
