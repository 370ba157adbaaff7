"""The fashion sample: its stages, what a run remembers, and what it writes."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mrcnn.ops import rle
from mrcnn.results import Detections
from mrcnn.training.stages import Stage
from mrcnn.weights import layout
from samples import program

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "samples" / "fashion"))

import fashion  # noqa: E402  (the sample's folder is on the path only now)
import fashion_config  # noqa: E402
import fashion_options  # noqa: E402
import fashion_run  # noqa: E402


def test_single_options_are_one_stage_and_the_variant_has_a_plan():
    config = fashion_config.make_config("small", 9)
    asked = fashion_options.parse(["train", "--layers", "5+", "--epochs", "3"])
    assert fashion._stages(asked, config) == [Stage("5+", config.LEARNING_RATE, 3)]
    for name in fashion_config.VARIANTS:
        config = fashion_config.make_config(name, 9)
        assert fashion._stages(fashion_options.parse(["train"]), config) == fashion_options.stages(config.STAGES)


def test_who_asked_by_stages_is_told_of_stages():
    def told(*words):
        return fashion._nothing_left(fashion_options.parse(["train", *words]), 3)

    assert "--epochs 8" in told() and "--epochs 8" in told("--epochs", "3")
    assert "--stages" in (said := told("--stages", "heads:1e-3:3")) and "--epochs" not in said


def test_validation_on_all_images_can_be_asked_for():
    asked = fashion_options.parse(["train", "--validation-steps", "all"]).validation_steps
    config = fashion_config.make_config("small", 9, validation_steps=asked)
    config.validate()
    assert config.VALIDATION_STEPS is None


@pytest.mark.parametrize("name", fashion_config.VARIANTS)
def test_variants_are_valid(name):
    config = fashion_config.make_config(name, 47, batch=2, steps=7, validation_steps=0, seed=5)
    config.validate()
    assert (config.NUM_CLASSES, config.BATCH_SIZE, config.STEPS_PER_EPOCH, config.SEED) == (47, 2, 7, 5)
    assert config.VALIDATION_STEPS == 0


def test_published_variants_are_those_of_the_first_users():
    for name, backbone, side in (("resnet50-1024", "resnet50", 1024), ("resnet101-512", "resnet101", 512)):
        config = fashion_config.make_config(name, 47)
        assert (config.BACKBONE, config.IMAGE_MAX_DIM, config.IMAGE_RESIZE_MODE) == (backbone, side, "none")
        assert (config.IMAGES_PER_GPU, config.STEPS_PER_EPOCH, config.VALIDATION_STEPS) == (4, 100, 50)
        assert config.RPN_ANCHOR_SCALES == (16, 32, 64, 128, 256)


def test_pyramid_shapes_of_the_light_backbone():
    assert fashion_config.light_backbone_shape((128, 192, 3)).tolist() == [[32, 48], [16, 24], [8, 12], [4, 6], [2, 3]]


def test_any_parameter_can_be_set():
    words = ["--set", "OPTIMIZER=adamw", "--set", "RPN_ANCHOR_SCALES=(16, 32, 64, 128, 256)", "--set", "TRAIN_BN=None", "--set", "WEIGHT_DECAY=0.01"]
    settings = fashion_options.parse(["train", *words]).settings
    config = fashion_config.make_config("resnet50-256", 9, settings=settings)
    config.validate()
    assert (config.OPTIMIZER, config.TRAIN_BN, config.WEIGHT_DECAY) == ("adamw", None, 0.01)
    assert config.RPN_ANCHOR_SCALES == (16, 32, 64, 128, 256)
    assert fashion_options.parse(["train"]).settings == {}
    assert fashion_options.parse(["evaluate"]).settings == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("OPTIMISER=adamw", "no parameter of Config; there is OPTIMIZER"),
        ("optimizer=adamw", "no parameter of Config; there is OPTIMIZER"),
        ("OPTIMIZER", "write NAME=VALUE"),
        ("OPTIMIZER=", "write NAME=VALUE"),
        ("NUM_CLASSES=3", "follows from the data"),
        ("SEED=3", "--seed"),
        ("LEARNING_RATE=0.1", "--stages"),
    ],
)
def test_a_setting_that_is_none_is_refused(capsys, text, message):
    with pytest.raises(SystemExit):
        fashion_options.parse(["train", "--set", text])
    assert message in capsys.readouterr().err


def test_options_of_a_run_are_settings_like_others():
    words = "train --keep-last 3 --keep-best val_map --ema 0.9 --deterministic --set WEIGHT_DECAY=0.5".split()
    settings = fashion_options.parse(words).settings
    assert settings == {"KEEP_LAST": 3, "KEEP_BEST": "val_map", "EMA_DECAY": 0.9, "DETERMINISTIC": True, "WEIGHT_DECAY": 0.5}
    assert fashion_config.make_config("small", 9, settings=settings).KEEP_LAST == 3


def test_an_option_and_a_setting_of_one_parameter_are_one_too_many(capsys):
    with pytest.raises(SystemExit):
        fashion_options.parse(["train", "--ema", "0.9", "--set", "EMA_DECAY=0.5"])
    assert "--ema and --set EMA_DECAY: give one of them" in capsys.readouterr().err


def test_a_resumed_run_keeps_its_settings_and_a_new_one_wins():
    record = fashion_run.Record("small", ["hat"], settings={"OPTIMIZER": "sgd", "WEIGHT_DECAY": 0.1})
    options = fashion_options.parse(["train", "--set", "WEIGHT_DECAY=0.2"])
    assert fashion._settings(options, record) == {"OPTIMIZER": "sgd", "WEIGHT_DECAY": 0.2}


def test_record_is_read_back(tmp_path):
    record = fashion_run.Record("small", ["hat", "shoe"], dataset="/data", rle_from=0, val_share=0.2, seed=3, settings={"WEIGHT_DECAY": 0.1})
    record.write(str(tmp_path))
    assert fashion_run.Record.read(str(tmp_path / "mask_rcnn_fashion_0001.h5")) == record
    assert fashion_run.Record.read(str(tmp_path / "elsewhere" / "x.h5")) is None


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"variant": "small"}'])
def test_broken_record_is_named(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match="run.json is not what fashion.py train writes"):
        fashion_run.Record.read(str(tmp_path / "x.h5"))


def test_unknown_variant_in_a_record_is_refused(tmp_path):
    fashion_run.Record("resnet18", ["hat"]).write(str(tmp_path))
    with pytest.raises(ValueError, match="names the variant 'resnet18'; known are small"):
        fashion_run.Record.read(str(tmp_path / "x.h5"))


def test_last_is_the_newest_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "describe", lambda path: None)  # the files are empty
    for run, epochs in (
        ("fashion20260101T0000", (1, 12)),
        ("fashion20260102T0000", (2, 10)),
        ("shapes20270101T0000", (1,)),
    ):
        (tmp_path / run).mkdir()
        for epoch in epochs:
            (tmp_path / run / f"mask_rcnn_{run[:-13]}_{epoch:04d}.h5").touch()
    assert fashion_run.find_checkpoint("last", str(tmp_path)).endswith("fashion20260102T0000/mask_rcnn_fashion_0010.h5")


def test_missing_weights_are_named(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="no run of 'fashion'"):
        fashion_run.find_checkpoint("last", str(tmp_path))
    with pytest.raises(SystemExit) as caught:
        fashion.main(["evaluate", "--weights", str(tmp_path / "none.h5"), "--logs", str(tmp_path)])
    assert "none.h5: there is no such file" in str(caught.value.code)


def test_detect_refuses_what_is_no_photo(tmp_path):
    (tmp_path / "notes.txt").write_text("no photo")
    for name, message in (("notes.txt", "notes.txt"), ("nowhere.jpg", "not found"), ("", "holds no photo")):
        with pytest.raises(SystemExit) as caught:
            fashion.main(["detect", "--image", str(tmp_path / name), "--output", str(tmp_path / "out")])
        assert "fashion.py detect" in caught.value.code and message in caught.value.code


def test_photos_of_a_folder_are_read_and_others_named(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((4, 6, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((8, 6, 3), np.uint8))
    (tmp_path / "notes.txt").write_text("no photo")
    found = program.find_photos(str(tmp_path))
    assert [(Path(path).name, photo.shape) for path, photo in found] == [("a.jpg", (8, 6, 3)), ("b.png", (4, 6, 3))]
    assert "Left out, not a photo" in capsys.readouterr().out


def test_detections_on_the_square_come_back_to_the_photo():
    mask = np.zeros((4, 4, 1), bool)
    mask[1:3, 0:2] = True
    found = fashion_run.rescaled(Detections([[1, 0, 3, 2]], [1], [0.9], mask), 8, 12)
    assert found["rois"].tolist() == [[2, 0, 6, 6]] and found["masks"].shape == (8, 12, 1)
    expected = np.zeros((8, 12), bool)
    expected[2:6, 0:6] = True
    assert (found["masks"][:, :, 0] & ~expected).sum() == 0 and found[
        "masks"
    ].sum() >= expected.sum() - 4  # corners are rounded


def test_no_detection_comes_back_as_none():
    assert fashion_run.rescaled(Detections.empty(4, 4), 8, 12)["masks"].shape == (8, 12, 0)


def test_results_name_class_box_and_runs():
    mask = np.zeros((3, 2, 1), bool)
    mask[:2, 0] = True
    written = fashion_run.as_json("a.jpg", Detections([[0, 0, 2, 1]], [2], [0.5], mask), ["BG", "hat", "shoe"])
    assert (written["height"], written["width"]) == (3, 2)
    (found,) = written["detections"]
    assert (found["class"], found["class_id"], found["box"], found["score"]) == ("shoe", 2, [0, 0, 2, 1], 0.5)
    assert np.array_equal(rle.decode(found["EncodedPixels"], (3, 2)), mask[:, :, 0])
