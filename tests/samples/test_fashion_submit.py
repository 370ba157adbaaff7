"""The fashion sample's submissions: written without overlaps, at each photo's own size, and checked."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mrcnn.data.formats import submission
from mrcnn.ops import rle
from mrcnn.results import Detections
from mrcnn.weights import layout

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "samples" / "fashion"))

import fashion  # noqa: E402  (the sample's folder is on the path only now)
import fashion_config  # noqa: E402
import fashion_run  # noqa: E402
import fashion_submit  # noqa: E402

SIDE = 64


class FindsTwo:
    """Stands for a trained network: a large box of class 1, a small one of class 2 on it, and one of a low score. On black photos: nothing."""

    def __init__(self):
        self.config = fashion_config.make_config("resnet50-256", 3)
        self.config.IMAGE_MAX_DIM = SIDE

    def detect(self, images, verbose=0):
        found = []
        for image in images:
            assert image.shape == (SIDE, SIDE, 3)
            if not image.any():
                found.append(Detections.empty(SIDE, SIDE))
                continue
            masks = np.zeros((SIDE, SIDE, 3), bool)
            for number, (y1, x1, y2, x2) in enumerate(BOXES):
                masks[y1:y2, x1:x2, number] = True
            found.append(Detections(BOXES, [1, 2, 2], [0.9, 0.6, 0.3], masks))
        return found


BOXES = [(8, 8, 56, 56), (16, 16, 32, 24), (0, 0, 4, 4)]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run's folder with a checkpoint and its record, and the stand-in for its network."""
    folder = tmp_path / "fashion20260101T0000"
    folder.mkdir()
    (folder / "mask_rcnn_fashion_0001.h5").touch()
    fashion_run.Record("resnet50-256", ["hat", "shoe"], categories=[14, 23]).write(str(folder))
    monkeypatch.setattr(layout, "describe", lambda path: None)  # the checkpoint is empty
    monkeypatch.setattr(fashion, "_inference_model", lambda *given: FindsTwo())
    photos = tmp_path / "test"
    photos.mkdir()
    for name, shape, value in (("a.jpg", (128, 64), 90), ("b.png", (32, 96), 200), ("c.png", (48, 48), 0)):
        cv2.imwrite(str(photos / name), np.full((*shape, 3), value, np.uint8))
    return folder


def submit(run, *words):
    out = run.parent / "submission.csv"
    fashion.main(["submit", "--weights", str(run), "--image", str(run.parent / "test"), "--output", str(out), *words])
    return [line.split(",") for line in out.read_text().splitlines()[1:]]


@pytest.mark.parametrize("runs", [1, 2])
def test_masks_are_at_the_photos_size_and_apart(run, capsys, runs):
    lines = submit(run, *["--weights", str(run), str(run)][: 1 + runs])
    assert [(name, category) for name, _, category in lines] == [("a", "23"), ("a", "14"), ("b", "23"), ("b", "14"), ("c", "23")]
    for (height, width), (small, large) in (((128, 64), lines[:2]), ((32, 96), lines[2:4])):
        masks = [rle.decode(text, (height, width)) for _, text, _ in (small, large)]
        expected = np.zeros((2, height, width), bool)
        for number, (y1, x1, y2, x2) in enumerate((BOXES[1], BOXES[0])):
            expected[number, y1 * height // SIDE : y2 * height // SIDE, x1 * width // SIDE : x2 * width // SIDE] = True
        expected[1] &= ~expected[0]
        assert not (masks[0] & masks[1]).any()
        assert all((mask ^ wanted).mean() < 0.02 for mask, wanted in zip(masks, expected, strict=True))  # corners are rounded
    assert lines[4][1] == "1 1"
    assert "5 lines of 3 photos, 4 garments; no overlaps" in capsys.readouterr().out


def test_the_score_decides(run):
    assert len(submit(run, "--min-score", "0.2")) == 7 and len(submit(run, "--min-score", "0.7", "--overwrite")) == 3


class Tuned(FindsTwo):
    """Has thresholds that drop class 1; of its two of class 2 one has a score of 0.3."""

    def load_thresholds(self, path):
        return path or "beside"

    def detect(self, images, verbose=0, lazy_masks=False, thresholds=None):
        assert thresholds in ("beside", "mine.json")
        return [found.filter(class_ids=[2]) for found in super().detect(images)]


@pytest.mark.parametrize("words", [["--thresholds"], ["--thresholds", "mine.json"]])
def test_thresholds_take_the_place_of_the_score(run, monkeypatch, words):
    monkeypatch.setattr(fashion, "_inference_model", lambda *given: Tuned())
    lines = submit(run, *words)
    assert [category for _, _, category in lines] == ["23"] * 5  # two on each photo and a line for the black one
    assert len(submit(run, *words, "--overwrite", "--min-score", "0.5")) == 3
    with pytest.raises(SystemExit) as caught:
        submit(run, *words, "--overwrite", "--weights", str(run), str(run))
    assert "--thresholds were tuned for one network" in caught.value.code


def test_attributes_are_checked_by_the_runs_own_ids(run, monkeypatch):
    class Telling(FindsTwo):
        def detect(self, images, verbose=0):
            found = super().detect(images)
            for one in found:
                one.attributes, one.attribute_min_confidence = np.tile(np.float32([0.9, 0.2]), (one.num, 1)), 0.5
            return found

    fashion_run.Record("resnet50-256", ["hat", "shoe"], categories=[14, 23], attributes=[[12, "striped"], [44, "dotted"]]).write(str(run))
    monkeypatch.setattr(fashion, "_inference_model", lambda *given: Telling())
    known, check = [], submission.check
    monkeypatch.setattr(submission, "check", lambda *given, **how: known.append(how["attributes"]) or check(*given, **how))
    assert [category for _, _, category in submit(run)] == ["23_12", "14_12", "23_12", "14_12", "23"] and known == [{12, 44}]


def test_what_would_fail_after_hours_fails_at_once(run):
    submit(run)
    (run.parent / "empty").mkdir()
    (run.parent / "test" / "a.png").touch()
    for words, message in (
        ([], "is there already"),
        (["--overwrite"], "have the same ImageId"),
        (["--output", str(run.parent / "x.txt")], "a file with the suffix .csv"),
        (["--overwrite", "--image", str(run.parent / "empty")], "holds no photo"),
        (["--overwrite", "--image", str(run.parent / "none")], "is no folder"),
    ):
        with pytest.raises(SystemExit) as caught:
            submit(run, *words)
        assert "fashion.py submit:" in caught.value.code and message in caught.value.code


def test_a_file_of_another_program_is_checked(run, capsys):
    lines, path = submit(run), run.parent / "submission.csv"
    labels = run.parent / "labels.json"
    labels.write_text('{"categories": [{"id": 14, "name": "hat"}, {"id": 23, "name": "shoe"}], "attributes": [{"id": 4, "name": "round"}]}')
    words = ["check", "--submission", str(path), "--image", str(run.parent / "test"), "--labels", str(labels)]
    fashion.main(words)
    assert "5 lines of 3 photos; no overlaps" in capsys.readouterr().out
    path.write_text(path.read_text() + f"a,{lines[0][1]},14_5\n")
    with pytest.raises(SystemExit) as caught:
        fashion.main(words)
    assert "2 faults:\n  line 7 (a): there is no attribute 5\n  line 7 (a): shares" in caught.value.code


def test_a_run_from_before_submissions_takes_the_categories_from_its_data(tmp_path):
    record = fashion_run.Record("small", ["shoe", "hat"], dataset=str(tmp_path))
    with pytest.raises(ValueError, match='does not tell either. Add to its run.json "categories": the numbers of shoe, hat'):
        fashion_submit.categories_of(record)
    (tmp_path / "label_descriptions.json").write_text('{"categories": [{"id": 14, "name": "hat"}, {"id": 23, "name": "shoe"}], "attributes": []}')
    assert fashion_submit.categories_of(record) == {1: 23, 2: 14}
    assert fashion_submit.categories_of(fashion_run.Record("small", ["shoe", "hat"])) == {1: 1, 2: 2}  # of the embedded scenes
