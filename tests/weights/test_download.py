"""The COCO model from a server in a thread: checked, recorded, with errors that help."""

import hashlib
import os

import pytest
import web_server
from weight_fakes import make_weights, small_layout

from mrcnn.weights import download


@pytest.fixture
def coco(tmp_path, monkeypatch):
    """A small stand-in for mask_rcnn_coco.h5 on the server."""
    layout = small_layout("resnet101_coco", all_blocks=True)
    make_weights.write_weights(layout, tmp_path / "source", seed=1)
    monkeypatch.setattr(download, "_COCO_PARAMETERS", layout["parameter_count"])
    # HDF5's own bytes weigh more in a small file: 1.05 becomes the true ratio.
    monkeypatch.setattr(download, "_COCO_OVERHEAD", 2.0)
    with web_server.running() as server:
        server.files["/coco.h5"] = (tmp_path / "source").read_bytes()
        monkeypatch.setattr(download, "COCO_MODEL_URL", server.url("coco.h5"))
        yield server


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
