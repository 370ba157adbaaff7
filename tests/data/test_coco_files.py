"""mrcnn.data.coco_files: COCO from a server in a thread, into the folders that the original's sample expects."""

import hashlib
import io
import os
import zipfile

import pytest
import web_server

from mrcnn import fetch
from mrcnn.data import coco_files


def archive(entries):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return content.getvalue()


@pytest.fixture
def coco(monkeypatch):
    """A server with COCO of two photos a subset, its checksums among the known ones."""
    with web_server.running() as server:
        contents = {
            "val2017.zip": archive({"val2017/": "", "val2017/1.jpg": b"one", "val2017/2.jpg": b"two"}),
            "val2014.zip": archive({"val2014/3.jpg": b"three", "val2014/4.jpg": b"four"}),
            "annotations_trainval2017.zip": archive({f"annotations/instances_{s}2017.json": "{}" for s in ("train", "val")}),
        }
        server.files = {f"/{name}": data for name, data in contents.items()}
        server.files["/minival.zip"] = archive({"instances_minival2014.json": "{}"})
        monkeypatch.setattr(coco_files, "IMAGES_URL", server.url(""))
        monkeypatch.setattr(coco_files, "ANNOTATIONS_URL", server.url(""))
        monkeypatch.setattr(coco_files, "MINIVAL_URL", server.url("minival.zip"))
        monkeypatch.setattr(coco_files, "MD5", {name: hashlib.md5(data).hexdigest() for name, data in contents.items()})
        monkeypatch.setattr(coco_files, "COUNTS", dict.fromkeys(coco_files.COUNTS, 2))
        yield server


def test_a_subset_arrives_where_its_place_says_and_the_archives_go(coco, tmp_path):
    found = coco_files.download(tmp_path, "val", "2017")
    assert found == coco_files.place(tmp_path, "val", 2017)
    assert sorted(os.listdir(found.images)) == ["1.jpg", "2.jpg"]
    assert os.path.basename(found.annotations) == "instances_val2017.json" and os.path.isfile(found.annotations)
    assert sorted(os.listdir(tmp_path)) == ["annotations", "val2017"]


def test_what_is_there_is_not_fetched_again(coco, tmp_path):
    coco_files.download(tmp_path, "val", 2017)
    asked = len(coco.asked)
    coco_files.download(tmp_path, "val", 2017)
    assert len(coco.asked) == asked == 2


def test_a_folder_that_lacks_a_photo_is_completed(coco, tmp_path):
    found = coco_files.download(tmp_path, "val", 2017, keep_archives=True)
    os.remove(os.path.join(found.images, "2.jpg"))
    coco_files.download(tmp_path, "val", 2017, keep_archives=True)
    assert sorted(os.listdir(found.images)) == ["1.jpg", "2.jpg"]
    assert len(coco.asked) == 2  # the archive was still there
    assert (tmp_path / "val2017.zip").is_file()


def test_parts_of_2014_have_the_photos_of_val_and_annotations_of_their_own(coco, tmp_path):
    found = coco_files.download(tmp_path, "minival", 2014)
    assert sorted(os.listdir(found.images)) == ["3.jpg", "4.jpg"]
    assert found.annotations == os.path.join(str(tmp_path), "annotations", "instances_minival2014.json")
    assert os.path.isfile(found.annotations)


def test_another_archive_at_the_address_is_refused(coco, tmp_path):
    coco.files["/val2017.zip"] = archive({"val2017/1.jpg": b"other"})
    with pytest.raises(fetch.DownloadError, match="not the expected file: its md5"):
        coco_files.download(tmp_path, "val", 2017)
    assert not (tmp_path / "val2017").exists()


def test_an_archive_without_a_checksum_that_holds_something_else_is_refused(coco, tmp_path):
    coco.files["/minival.zip"] = archive({"readme.txt": "moved"})
    with pytest.raises(ValueError, match="holds no annotations/instances_minival2014.json"):
        coco_files.download(tmp_path, "minival", 2014)


def test_an_answer_that_is_no_archive_is_said(coco, tmp_path):
    coco.files["/minival.zip"] = b"<html>sign in</html>"
    with pytest.raises(ValueError, match="can't be unpacked"):
        coco_files.download(tmp_path, "minival", 2014)


def test_offline_says_how_to_put_it_there_by_hand(coco, tmp_path, monkeypatch):
    monkeypatch.setattr(coco_files, "ANNOTATIONS_URL", "http://127.0.0.1:9/")
    with pytest.raises(fetch.DownloadError, match="save it as .*annotations_trainval2017.zip"):
        coco_files.download(tmp_path, "val", 2017)


@pytest.mark.parametrize(("subset", "year"), [("test", 2017), ("val", 2015), ("minival", 2017), ("val", "latest")])
def test_a_subset_that_there_is_not_is_refused(tmp_path, subset, year):
    with pytest.raises(ValueError, match=f"COCO {subset} {year}"):
        coco_files.download(tmp_path, subset, year)
