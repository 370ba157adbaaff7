"""The balloon sample: its VIA files, the splash, and its program on photos in its layout."""

import json
import types

import cv2
import numpy as np
import pytest
import reference_cases
import web_server

from mrcnn.results import Detections
from samples.balloon import balloon

DATA = reference_cases.ROOT.parent / "shared" / "data" / "via_car_damage"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")


class FindsTheLeft:
    """Stands for a trained network: the left half is a balloon, and nothing is one on a dark image."""

    def detect(self, images, verbose=0):
        found = []
        for image in images:
            height, width = image.shape[:2]
            mask = np.zeros((height, width, 1), bool)
            mask[:, : width // 2] = True
            one = Detections([[0, 0, height, width // 2]], [1], [0.9], mask)
            found.append(one if image.mean() > 20 else Detections.empty(height, width))
        return found


def test_the_configuration_is_the_originals():
    config = balloon.BalloonConfig()
    assert (config.NAME, config.NUM_CLASSES, config.BATCH_SIZE) == ("balloon", 2, 2)
    assert (config.STEPS_PER_EPOCH, config.DETECTION_MIN_CONFIDENCE) == (100, 0.9)


def test_every_region_is_a_balloon_whatever_its_attributes(tmp_path):
    (tmp_path / "train").mkdir()
    cv2.imwrite(str(tmp_path / "train" / "a.png"), np.zeros((20, 30, 3), np.uint8))
    square = {"name": "polygon", "all_points_x": [2, 8, 8, 2], "all_points_y": [3, 3, 9, 9]}
    over = {"name": "polygon", "all_points_x": [20, 40, 40, 20], "all_points_y": [0, 0, 10, 10]}  # leaves the photo on the right
    regions = {
        "0": {"shape_attributes": square, "region_attributes": {}},
        "1": {"shape_attributes": over, "region_attributes": {"colour": "red", "size": "big"}},
    }
    (tmp_path / "train" / "via_region_data.json").write_text(json.dumps({"a.png1": {"filename": "a.png", "regions": regions}}))
    dataset = balloon._loaded(str(tmp_path), "train")
    masks, class_ids = dataset.load_mask(0)
    assert dataset.class_names == ["BG", "balloon"] and class_ids.tolist() == [1, 1]
    assert masks.shape == (20, 30, 2) and masks[5, 5].tolist() == [True, False] and masks[5, 29].tolist() == [False, True]
    assert dataset.image_reference(0).endswith("a.png")


def test_what_is_missing_is_said(tmp_path):
    dataset = balloon.BalloonDataset()
    with pytest.raises(ValueError, match="subset 'test': one of train, val"):
        dataset.load_balloon(str(tmp_path), "test")
    with pytest.raises(FileNotFoundError, match="holds train/ and val/"):
        dataset.load_balloon(str(tmp_path), "train")
    (tmp_path / "train").mkdir()
    with pytest.raises(FileNotFoundError, match="via_region_data.json is missing: export"):
        dataset.load_balloon(str(tmp_path), "train")


@needs_data
def test_photos_in_the_layout_are_read():
    counts = []
    for subset in ("train", "val"):
        dataset = balloon._loaded(str(DATA), subset)
        counts.append((dataset.num_images, sum(len(dataset.image_class_ids(i)) for i in dataset.image_ids)))
    assert counts == [(62, 152), (8, 12)]


@needs_data
def test_the_course_is_the_originals(monkeypatch):
    asked = []
    monkeypatch.setattr(balloon.program, "fit", lambda model, train, val, plan, **others: asked.append((train.num_images, val.num_images, plan)))
    balloon.train(types.SimpleNamespace(config=balloon.BalloonConfig()), str(DATA))
    assert asked == [(62, 8, [("heads", 0.001, 30)])]


def test_the_splash_keeps_colour_under_the_masks_only():
    image = np.zeros((1, 3, 3), np.uint8)
    image[0] = [(200, 10, 30), (0, 255, 0), (10, 20, 30)]
    masks = np.zeros((1, 3, 2), bool)
    masks[0, 0, 0] = masks[0, 0, 1] = masks[0, 2, 1] = True
    assert balloon.color_splash(image, masks).tolist() == [[[200, 10, 30], [182, 182, 182], [10, 20, 30]]]
    assert balloon.color_splash(image, masks[:, :, :0])[0, 0].tolist() == [51, 51, 51]


@pytest.mark.parametrize("from_web", [False, True])
def test_an_image_is_splashed_from_disk_or_from_the_web(tmp_path, monkeypatch, from_web):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("in.png", np.full((6, 8, 3), (10, 20, 200), np.uint8))  # BGR
    path = "in.png"
    if from_web:
        with web_server.running() as server:
            server.files["/in.png"] = (tmp_path / "in.png").read_bytes()
            out = balloon.detect_and_color_splash(FindsTheLeft(), image_path=server.url("in.png"))
    else:
        out = balloon.detect_and_color_splash(FindsTheLeft(), image_path=path)
    splash = cv2.imread(out)
    grey = int(0.2125 * 200 + 0.7154 * 20 + 0.0721 * 10)
    assert out.startswith("splash_") and (splash[:, :4] == (10, 20, 200)).all() and (splash[:, 4:] == grey).all()


def test_a_video_is_splashed_frame_by_frame(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    writer = cv2.VideoWriter("in.avi", cv2.VideoWriter_fourcc(*"MJPG"), 5.0, (64, 48))
    for red in (200, 0, 100):  # the second one is dark: nothing is found, and all is grey
        writer.write(np.full((48, 64, 3), (0, 0, red), np.uint8))
    writer.release()
    video = cv2.VideoCapture(balloon.detect_and_color_splash(FindsTheLeft(), video_path="in.avi"))
    assert video.get(cv2.CAP_PROP_FPS) == 5
    frames = [video.read()[1] for _ in range(3)]
    assert not video.read()[0] and all(frame.shape == (48, 64, 3) for frame in frames)
    # BGR, red left of the middle; MJPG rounds
    assert [abs(int(frame[24, 10, 2]) - red) < 12 for frame, red in zip(frames, (200, 0, 100), strict=True)] == [True] * 3
    assert frames[0][24, 10, 1] < 30 and np.ptp(frames[0][24, 54].astype(int)) < 12
    assert "3 frames, something found on 2\n" in capsys.readouterr().out


def test_a_splash_without_a_find_says_how_to_see_more(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for brightness, said in ((200, "1 found\nSaved"), (0, "0 found\nAll is grey: nothing has the least score. --set DETECTION_MIN_CONFIDENCE=0.7")):
        cv2.imwrite("in.png", np.full((6, 8, 3), brightness, np.uint8))
        balloon.detect_and_color_splash(FindsTheLeft(), image_path="in.png")
        assert capsys.readouterr().out.startswith(said)


def test_what_cannot_be_splashed_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="an image or a video"):
        balloon.detect_and_color_splash(FindsTheLeft())
    (tmp_path / "notes.avi").write_text("no video")
    with pytest.raises(ValueError, match="holds no frame"):
        balloon.detect_and_color_splash(FindsTheLeft(), video_path="notes.avi")
    for words in (["--image", "nowhere.jpg"], ["--video", "nowhere.avi"]):
        with pytest.raises(SystemExit) as caught:
            balloon.main(["splash", "--weights", "last", *words])
        assert "balloon.py splash: There is no file nowhere" in caught.value.code


@needs_data
def test_the_program_trains_and_splashes(tmp_path, monkeypatch, capsys, small):
    monkeypatch.chdir(tmp_path)
    small(balloon.BalloonConfig, STEPS_PER_EPOCH=2, VALIDATION_STEPS=1)
    for subset, count in (("train", 4), ("val", 2)):  # the other photos are named as missing
        (tmp_path / "data" / subset).mkdir(parents=True)
        for path in [DATA / subset / balloon.ANNOTATIONS, *sorted((DATA / subset).glob("*.jpg"))[:count]]:
            (tmp_path / "data" / subset / path.name).symlink_to(path)
    balloon.main(["train", f"--dataset={tmp_path / 'data'}", "--weights=none", f"--logs={tmp_path}", "--stages=all:1e-3:1"])
    assert "mAP at epoch 1 is:" in capsys.readouterr().out
    balloon.main(["splash", "--weights=last", f"--logs={tmp_path}", f"--image={DATA / 'test' / '67.jpg'}"])
    (splash,) = tmp_path.glob("splash_*.png")
    assert cv2.imread(str(splash)).shape == cv2.imread(str(DATA / "test" / "67.jpg")).shape
