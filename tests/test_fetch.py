"""Downloads from a server in a thread: resumed, checked, atomic, with errors that help."""

import hashlib
import os
import socket

import pytest
import web_server

from mrcnn import fetch

DATA = bytes(range(256)) * 20000  # 5 MB
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server():
    with web_server.running() as server:
        server.files["/file"] = DATA
        yield server


def test_file_arrives_complete_with_its_folder(server, tmp_path):
    path = tmp_path / "new" / "file"
    seen = []
    fetch.fetch(
        server.url(),
        path,
        sha256=SHA256,
        expected_size=len(DATA),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert path.read_bytes() == DATA
    assert os.listdir(path.parent) == ["file"]
    assert seen[-1] == (len(DATA), len(DATA))


def test_file_that_is_there_is_not_fetched_again(server, tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    fetch.fetch(server.url(), tmp_path / "file", sha256=SHA256, md5=hashlib.md5(DATA).hexdigest())
    assert server.asked == []


def test_file_that_is_there_but_wrong_is_not_overwritten(server, tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(fetch.DownloadError, match="is there but is not the file of .* Remove it"):
        fetch.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_part_of_an_earlier_attempt_is_resumed(server, tmp_path):
    (tmp_path / "file.part").write_bytes(DATA[:1234567])
    fetch.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert server.asked == ["bytes=1234567-"]
    assert (tmp_path / "file").read_bytes() == DATA


def test_complete_part_is_taken(server, tmp_path):
    (tmp_path / "file.part").write_bytes(DATA)
    fetch.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == DATA


def test_part_longer_than_the_file_is_started_again(server, tmp_path):
    (tmp_path / "file.part").write_bytes(DATA + b"more")
    fetch.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == DATA


def test_server_without_ranges_starts_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    fetch.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == DATA


def test_broken_connection_is_taken_up(server, tmp_path):
    server.limit, server.breaks = 1_500_000, 2
    fetch.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert server.asked == [None, "bytes=1500000-", "bytes=3000000-"]
    assert (tmp_path / "file").read_bytes() == DATA


def test_connection_that_stays_broken_is_an_error_that_keeps_the_part(server, tmp_path):
    server.limit, server.breaks = 100_000, 9
    with pytest.raises(fetch.DownloadError, match=r"closed after 300,000 of .* are kept"):
        fetch.fetch(server.url(), tmp_path / "file")
    assert (tmp_path / "file.part").stat().st_size == 300_000
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("expected", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"expected_size": 7}])
def test_wrong_content_is_removed_and_explained(server, tmp_path, expected):
    with pytest.raises(fetch.DownloadError, match=r"not the expected file: it.* instead of (0|7).*save it as"):
        fetch.fetch(server.url(), tmp_path / "file", **expected)
    assert os.listdir(tmp_path) == []


def test_refusal_names_status_url_and_place(server, tmp_path):
    with pytest.raises(fetch.DownloadError) as raised:
        fetch.fetch(server.url("nothing"), tmp_path / "file")
    for part in ("404", server.url("nothing"), f"save it as {tmp_path / 'file'}"):
        assert part in str(raised.value)
    assert os.listdir(tmp_path) == []


def test_offline_is_said_at_once_with_the_way_by_hand(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        with pytest.raises(fetch.DownloadError, match=f"Cannot download {url} .*save it as {tmp_path / 'file'}"):
            fetch.fetch(url, tmp_path / "file")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "/etc/passwd"])
def test_only_http_is_downloaded(tmp_path, url):
    with pytest.raises(ValueError, match="Only http and https"):
        fetch.fetch(url, tmp_path / "file")
