"""Scripts written the way users of the original wrote theirs run as they are; see tests/scripts."""

import runpy
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("untraced")  # that users' own programs train traced is test_readme's and test_mask_rcnn's
SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run a script with a folder of its own; returns what it printed. In this process: each import of TensorFlow would cost seconds."""
    monkeypatch.chdir(tmp_path)

    def run_script(name):
        monkeypatch.setattr(sys, "argv", [str(SCRIPTS / name), str(tmp_path)])
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")
        return capsys.readouterr().out

    return run_script


def in_order(lines, out):
    """Whether the lines occur in this order."""
    place = 0
    for line in lines:
        place = out.find(line, place)
        if place < 0:
            return False
    return True


def test_a_script_that_trains_and_detects(run, tmp_path):
    out = run("train_shapes.py")
    assert in_order(
        [
            "Configurations:", "Starting at epoch 0. LR=0.001", "Checkpoint Path: ", "Selecting layers to train",
            "Loading weights from ", "Re-starting from epoch 2", "original_image", "Processing 1 images", "Re-starting from epoch 2",
        ], out,
    )  # fmt: skip
    assert (tmp_path / "detections.png").stat().st_size > 1000


def test_a_notebook_that_looks_into_data_and_network(run):
    out = run("inspect_shapes.py")
    lines = ["Class Count: 3", "mrcnn_mask", "Processing 1 images", "target_rpn_match", "post_nms_anchor_ix", "activations", "det_masks"]
    assert in_order(lines, out)


def test_a_kernel_with_folds_and_cocos_weights_trains_in_two_stages_and_submits(run, tmp_path):
    out = run("kernel_kfold.py")
    first = ["Total train images:  8", "Starting at epoch 0. LR=0.0002", "Calculating mAP...", "Loaded weights for the inference model (last "]
    second = ["_0001.h5", "Re-starting from epoch 1", "mAP at epoch 1 is: ", "Starting at epoch 1. LR=0.0001", "mAP at epoch 2 is: "]
    assert in_order([*first, *second, "Best Epoch: ", "Re-starting from epoch ", "mAP: ", "Total image results:  2", "last image"], out)
    assert (tmp_path / "working" / "submission.csv").read_text().startswith("ImageId,EncodedPixels,ClassId\ntest00.jpg,")


def test_a_script_with_a_backbone_of_keras_applications_segments_cells(run, tmp_path):
    out = run("segment_cells.py")
    lines = ["Train all layers", "Loading weights ", "AP @0.50-0.95:", "Mean AP over 2 images: ", "Saved to "]
    assert in_order(lines, out)
    (submission,) = (tmp_path / "results" / "cells").glob("submit_*/submit.csv")
    assert submission.read_text().startswith("ImageId,EncodedPixels\ncell1")


@pytest.mark.filterwarnings("ignore:'augment' is deprecated:DeprecationWarning")
def test_the_inspect_notebooks_run_from_data_to_weights(run):
    out = run("inspect_network.py")
    data = ["Anchors in Level 4: ", "mrcnn_class_ids", "Positive anchors: ", "Unique ROIs: ", "Average percent: "]
    model = ["Processing 1 images", "mAP @ IoU=50: ", "post_nms_anchor_ix", "Post NMS Anchors", "Kept after per-class NMS", "mrcnn_class_conv1"]
    assert in_order([*data, *model], out)
