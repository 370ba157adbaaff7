"""python -m mrcnn doctor: options, configuration from a file, page and exit status."""

import json

import cv2
import pytest
from doctor_data import SIDE, Photos

from mrcnn import cli

ANCHORS = ["--set", "RPN_ANCHOR_SCALES=(27,37,38,40,49)", "--set", "RPN_ANCHOR_RATIOS=[0.92,1,1.09]"]
SIZE = ["--set", f"IMAGE_MIN_DIM={SIDE}", "--set", f"IMAGE_MAX_DIM={SIDE}", "--set", "IMAGES_PER_GPU=1"]


def coco(folder, count=12, seed=0):
    """Write photos and their outlines as a COCO file."""
    folder.mkdir()
    photos, annotations = Photos(count, folder=folder, seed=seed), []
    for number in range(count):
        for mask, class_id in zip(photos.masks[number], photos.classes[number], strict=True):
            outline = cv2.findContours(mask.astype("uint8"), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0][0].ravel().tolist()
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": class_id, "segmentation": [outline], "iscrowd": 0}
            annotations.append({**entry, "bbox": [0, 0, 1, 1], "area": 1})
    images = [{"id": i, "file_name": f"{seed}_{i}.png", "height": SIDE, "width": SIDE} for i in range(count)]
    categories = [{"id": 1, "name": "square"}, {"id": 2, "name": "circle"}]
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return str(path)


def doctor(*options):
    return cli.main(["doctor", "--format", "coco", "--no-cost", *options])


def test_data_that_are_fine_give_status_0_and_a_page(tmp_path, capsys):
    train, val = coco(tmp_path / "train"), coco(tmp_path / "val", 4, seed=1)
    page = tmp_path / "doctor.html"
    assert doctor("--train", train, "--val", val, *ANCHORS, *SIZE, "--html", str(page)) == 0
    out = capsys.readouterr().out
    assert out.startswith("Training makes sense. (0 errors, 0 warnings") and f"With pictures: {page}" in out
    assert page.read_text().startswith("<!doctype html>")


def test_options_and_classes_of_the_format_are_read_for_both_data_sets(tmp_path, capsys):
    train, val = coco(tmp_path / "train"), coco(tmp_path / "val", 4, seed=1)
    assert doctor("--train", train, "--val", val, *ANCHORS, *SIZE, "--class", "circle=disc") == 0
    out = capsys.readouterr().out
    assert out.count("square (12)") == out.count("square (4)") == 1 and out.count("  disc ") == 3 and "classes.left_out (validation)" in out
    assert doctor("--train", train, "--option", "class_name=nucleus") == 1
    assert "coco has no option class_name" in capsys.readouterr().err


@pytest.mark.parametrize("channels", [1, 4])
def test_photos_are_read_with_the_channels_of_the_configuration(tmp_path, channels, capsys):
    train, val = coco(tmp_path / "train"), coco(tmp_path / "val", 4, seed=1)
    settings = ["--set", f"IMAGE_CHANNEL_COUNT={channels}", "--set", f"MEAN_PIXEL={[120.0] * channels}"]
    assert doctor("--train", train, "--val", val, *ANCHORS, *SIZE, *settings) == 0, capsys.readouterr().out


def test_what_makes_training_senseless_gives_status_1_and_is_named(tmp_path, capsys):
    assert doctor("--train", coco(tmp_path / "train"), *ANCHORS, *SIZE, "--set", "NUM_CLASSES=7") == 1
    assert "Training makes no sense yet: config.num_classes." in capsys.readouterr().out


def test_the_configuration_comes_from_a_file_and_set_wins(tmp_path, capsys):
    (tmp_path / "parts.py").write_text("SIDE = 64\n")
    (tmp_path / "mine.py").write_text(
        "from mrcnn.config import Config\nimport parts\nclass Mine(Config):\n    NAME = 'mine'\n    NUM_CLASSES = 3\n"
        "    IMAGE_MAX_DIM = IMAGE_MIN_DIM = parts.SIDE\n    RPN_ANCHOR_SCALES = (1, 2, 3, 4, 5)\n"
    )
    train = coco(tmp_path / "train")
    assert doctor("--train", train, "--config", f"{tmp_path / 'mine.py'}:Mine") == 1
    assert "RPN_ANCHOR_SCALES = (1, 2, 3, 4, 5)" in capsys.readouterr().out
    assert doctor("--train", train, "--config", f"{tmp_path / 'mine.py'}:Mine", *ANCHORS, *SIZE) == 0


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("none.py:Mine", "there is no file none.py"),
        ("mine", "write FILE.py:CLASS"),
        ("mine.py:Other", "no subclass of mrcnn.config.Config there; it has Mine"),
    ],
)
def test_a_configuration_that_is_not_there_is_said(tmp_path, monkeypatch, capsys, place, says):
    train = coco(tmp_path / "train", 1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("from mrcnn.config import Config\nclass Mine(Config):\n    NAME = 'mine'\nOther = 3\n")
    assert doctor("--train", train, "--config", place) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "IMAGE_MAXDIM=3"], "IMAGE_MAX_DIM"),
        (["--limit", "0"], "at least 1"),
    ],
)
def test_nonsense_ends_with_a_message(options, says, capsys):
    with pytest.raises(SystemExit) as ended:
        doctor("--train", "x.json", *options)
    assert ended.value.code == 2 and says in capsys.readouterr().err


def test_an_unknown_format_is_said(capsys):
    assert doctor("--train", "x.json", "--format", "xml") == 1
    assert "Format 'xml' is unknown; use one of coco" in capsys.readouterr().err


def test_a_sample_is_drawn_by_the_limit(tmp_path, capsys):
    doctor("--train", coco(tmp_path / "train"), "--limit", "3", *ANCHORS, *SIZE)
    assert "training: 3 of 12 images" in capsys.readouterr().out
