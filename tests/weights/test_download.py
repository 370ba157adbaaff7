"""Downloads from a server in a thread: resumed, checked, atomic, with errors that help."""

import contextlib
import hashlib
import http.server
import os
import re
import socket
import threading

import pytest
from weight_fakes import make_weights, small_layout

from mrcnn.weights import download

DATA = bytes(range(256)) * 20000  # 5 MB
SHA256 = hashlib.sha256(DATA).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; breaks off after `limit` bytes `breaks` times."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/file": DATA}
        self.limit, self.breaks, self.ranges = None, 0, True
        self.asked = []

    def url(self, name="file"):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.headers.get("Range"))
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(start.group(1)) if start and self.server.ranges else None
        if start is not None and start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        body = data[start or 0 :]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.breaks > 0:
            self.server.breaks -= 1
            body = body[: self.server.limit]
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_file_arrives_complete_with_its_folder(server, tmp_path):
    path = tmp_path / "new" / "file"
    seen = []
    download.fetch(
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
    download.fetch(server.url(), tmp_path / "file", sha256=SHA256, md5=hashlib.md5(DATA).hexdigest())
    assert server.asked == []


def test_file_that_is_there_but_wrong_is_not_overwritten(server, tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(download.DownloadError, match="is there but is not the file of .* Remove it"):
        download.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_part_of_an_earlier_attempt_is_resumed(server, tmp_path):
    (tmp_path / "file.part").write_bytes(DATA[:1234567])
    download.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert server.asked == ["bytes=1234567-"]
    assert (tmp_path / "file").read_bytes() == DATA


def test_complete_part_is_taken(server, tmp_path):
    (tmp_path / "file.part").write_bytes(DATA)
    download.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == DATA


def test_part_longer_than_the_file_is_started_again(server, tmp_path):
    (tmp_path / "file.part").write_bytes(DATA + b"more")
    download.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == DATA


def test_server_without_ranges_starts_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    download.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == DATA


def test_broken_connection_is_taken_up(server, tmp_path):
    server.limit, server.breaks = 1_500_000, 2
    download.fetch(server.url(), tmp_path / "file", sha256=SHA256)
    assert server.asked == [None, "bytes=1500000-", "bytes=3000000-"]
    assert (tmp_path / "file").read_bytes() == DATA


def test_connection_that_stays_broken_is_an_error_that_keeps_the_part(server, tmp_path):
    server.limit, server.breaks = 100_000, 9
    with pytest.raises(download.DownloadError, match=r"closed after 300,000 of .* are kept"):
        download.fetch(server.url(), tmp_path / "file")
    assert (tmp_path / "file.part").stat().st_size == 300_000
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("expected", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"expected_size": 7}])
def test_wrong_content_is_removed_and_explained(server, tmp_path, expected):
    with pytest.raises(download.DownloadError, match=r"not the expected file: it.* instead of (0|7).*save it as"):
        download.fetch(server.url(), tmp_path / "file", **expected)
    assert os.listdir(tmp_path) == []


def test_refusal_names_status_url_and_place(server, tmp_path):
    with pytest.raises(download.DownloadError) as raised:
        download.fetch(server.url("nothing"), tmp_path / "file")
    for part in ("404", server.url("nothing"), f"save it as {tmp_path / 'file'}"):
        assert part in str(raised.value)
    assert os.listdir(tmp_path) == []


def test_offline_is_said_at_once_with_the_way_by_hand(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        with pytest.raises(download.DownloadError, match=f"Cannot download {url} .*save it as {tmp_path / 'file'}"):
            download.fetch(url, tmp_path / "file")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "/etc/passwd"])
def test_only_http_is_downloaded(tmp_path, url):
    with pytest.raises(ValueError, match="Only http and https"):
        download.fetch(url, tmp_path / "file")


# --- the COCO model


@pytest.fixture
def coco(server, tmp_path, monkeypatch):
    """A small stand-in for mask_rcnn_coco.h5 on the server."""
    layout = small_layout("resnet101_coco", all_blocks=True)
    make_weights.write_weights(layout, tmp_path / "source", seed=1)
    server.files["/coco.h5"] = (tmp_path / "source").read_bytes()
    monkeypatch.setattr(download, "COCO_MODEL_URL", server.url("coco.h5"))
    monkeypatch.setattr(download, "_COCO_PARAMETERS", layout["parameter_count"])
    # HDF5's own bytes weigh more in a small file: 1.05 becomes the true ratio.
    monkeypatch.setattr(download, "_COCO_OVERHEAD", 2.0)
    return server


def test_coco_model_is_checked_and_its_checksum_recorded(coco, tmp_path):
    path = tmp_path / "mask_rcnn_coco.h5"
    download.download_trained_weights(path)
    data = coco.files["/coco.h5"]
    assert path.read_bytes() == data
    assert (tmp_path / "mask_rcnn_coco.h5.sha256").read_text() == f"{hashlib.sha256(data).hexdigest()}  {path.name}\n"


def test_recorded_checksum_is_compared_the_next_time(coco, tmp_path):
    path = tmp_path / "mask_rcnn_coco.h5"
    download.download_trained_weights(path, verbose=0)
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    with pytest.raises(download.DownloadError, match="its sha256 is"):
        download.download_trained_weights(path)


def test_other_content_at_the_coco_address_is_refused(coco, tmp_path):
    coco.files["/coco.h5"] = b"<html>sign in to your network</html>"
    with pytest.raises(download.DownloadError, match="is not the COCO model: It has 36 bytes.*It was removed"):
        download.download_trained_weights(tmp_path / "mask_rcnn_coco.h5")
    assert not (tmp_path / "mask_rcnn_coco.h5").exists()


def test_file_put_there_by_hand_is_checked_and_kept(coco, tmp_path):
    path = tmp_path / "mask_rcnn_coco.h5"
    path.write_bytes(b"something else")
    with pytest.raises(download.DownloadError, match="is not the COCO model.*Remove it"):
        download.download_trained_weights(path)
    assert path.read_bytes() == b"something else"
    assert coco.asked == []


def test_coco_file_that_lacks_layers_is_refused(coco, tmp_path):
    make_weights.write_weights(
        small_layout("resnet101_coco", all_blocks=True), tmp_path / "headless", seed=1, exclude=["mrcnn_mask"]
    )
    coco.files["/coco.h5"] = (tmp_path / "headless").read_bytes()
    with pytest.raises(download.DownloadError, match="holds 232 layers"):
        download.download_trained_weights(tmp_path / "mask_rcnn_coco.h5")


def test_published_address_and_size_are_the_known_ones():
    assert download.COCO_MODEL_URL.endswith("/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5")
    # The published file has 257,557,808 bytes.
    assert 4 * download._COCO_PARAMETERS <= 257_557_808 <= 4 * download._COCO_PARAMETERS * download._COCO_OVERHEAD
