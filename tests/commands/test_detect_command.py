"""python -m mrcnn detect: photos, folders, videos; what is written, skipped, resumed and left after Ctrl-C."""

import json
import os

import cv2
import numpy as np
import pytest
import tiny_network
from oracle import Oracle, photo

from mrcnn import build, cli
from mrcnn.commands import detect, sources, written
from mrcnn.evaluation.tuning import Setting
from mrcnn.inference import thresholds
from mrcnn.ops import rle
from mrcnn.weights import legacy_h5

NAMES = "BG,one,two,three,four"


@pytest.fixture
def oracle(monkeypatch):
    """Stands for the network; `stop` after so many calls is Ctrl-C."""
    found = Oracle(BATCH_SIZE=4)
    found.calls, found.stop = 0, None

    def look(images):
        found.calls += 1
        if found.stop is not None and found.calls > found.stop:
            raise KeyboardInterrupt
        if any(image.shape[0] == 13 for image in images):
            raise ValueError("13 rows are unlucky")
        return found.detect(images)

    monkeypatch.setattr(detect, "_detector", lambda options, config: look)
    return found


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of a network with five classes: its shapes are all that is read."""
    config = tiny_network.config(NUM_CLASSES=5)
    network = build.build(config, "inference", saver=legacy_h5.save, loader=lambda *a, **k: None)
    path = tmp_path_factory.mktemp("weights") / "w.h5"
    network.save_weights(path)
    return str(path)


PATCHES = {"a.png": (2, 3, 9, 20, 1), "b.png": (4, 4, 10, 12, 3), "sub/a.png": (1, 1, 5, 5, 2), "sub/deep/c.png": (0, 0, 18, 30, 4)}


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "photos"
    for name, patch in PATCHES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / name), photo(20, 30, patch))
    (place / "notes.txt").write_text("no photo")
    return place


def run(weights, *words, output):
    words = [str(word) for word in words]
    return cli.main(["detect", *words, "--weights", weights, "--set", "BACKBONE=resnet50", "--classes", NAMES, "--output", str(output)])


def lines(output):
    return {line["image"]: line for line in written.read(str(output / written.LINES))}


def test_a_folder_gives_a_line_and_a_picture_for_each_photo(oracle, weights, folder, tmp_path, capsys):
    assert run(weights, folder, output=tmp_path / "out") == 0
    found = lines(tmp_path / "out")
    assert list(found) == ["a.png", "b.png"]
    (one,) = found["a.png"]["detections"]
    assert one["box"] == [2, 3, 9, 20] and (one["class_id"], one["class"]) == (1, "one")
    assert rle.decode_coco(one["segmentation"])[2:9, 3:20].all() and rle.area_coco(one["segmentation"]) == 7 * 17
    picture = cv2.imread(str(tmp_path / "out" / "pictures" / "a.jpg"))
    assert picture.shape == (80, 120, 3)  # small photos are enlarged, by 4 at most
    assert "2 images, 2 detections" in capsys.readouterr().out


def test_recursive_keeps_the_folders(oracle, weights, folder, tmp_path):
    assert run(weights, folder, "--recursive", "--batch", 3, output=tmp_path / "out") == 0
    assert list(lines(tmp_path / "out")) == list(PATCHES)
    assert (tmp_path / "out" / "pictures" / "sub" / "deep" / "c.jpg").is_file() and oracle.calls == 2


def test_what_cannot_be_used_is_named_and_the_status_says_so(oracle, weights, folder, tmp_path, capsys):
    (folder / "broken.jpg").write_bytes(b"no photo")
    cv2.imwrite(str(folder / "odd.png"), photo(13, 30))
    assert run(weights, folder, "--batch", 4, output=tmp_path / "out") == 1
    said = capsys.readouterr()
    assert f"Left out: {folder / 'broken.jpg'}: Not an image" in said.err and "Left out: odd.png: 13 rows are unlucky" in said.err
    assert "2 images could not be used" in said.err and "2 images, 2 detections" in said.out
    assert list(lines(tmp_path / "out")) == ["a.png", "b.png"]


def test_ctrl_c_leaves_what_is_done_and_resume_does_the_rest(oracle, weights, folder, tmp_path, capsys):
    oracle.stop = 1
    words = (folder, "--recursive", "--save", "coco", "pictures")
    assert run(weights, *words, output=tmp_path / "out") == 130
    assert "--resume goes on" in capsys.readouterr().err
    assert list(lines(tmp_path / "out")) == ["a.png"] and len(json.loads((tmp_path / "out" / written.COCO).read_text())) == 1
    with open(tmp_path / "out" / written.LINES, "a") as file:
        file.write('{"image": "b.png", "det')  # as kill -9 leaves it
    oracle.stop, oracle.seen = None, []
    assert run(weights, *words, "--resume", output=tmp_path / "out") == 0
    assert len(oracle.seen) == 3 and list(lines(tmp_path / "out")) == list(PATCHES)
    assert len(json.loads((tmp_path / "out" / written.COCO).read_text())) == 4
    assert "3 images, 1 were done before, 3 detections" in capsys.readouterr().out
    assert run(weights, *words, "--resume", output=tmp_path / "out") == 0 and len(oracle.seen) == 3


def test_an_output_that_is_there_is_not_touched_without_a_word(oracle, weights, folder, tmp_path, capsys):
    assert run(weights, folder, output=tmp_path / "out") == 0
    assert run(weights, folder, output=tmp_path / "out") == 1
    assert "--resume goes on with it, --overwrite begins anew" in capsys.readouterr().err
    assert run(weights, folder, "--resume", "--mask-nms", "0.5", output=tmp_path / "out") == 1
    assert "made with another mask_nms" in capsys.readouterr().err
    assert run(weights, folder / "b.png", "--overwrite", output=tmp_path / "out") == 0
    assert list(lines(tmp_path / "out")) == ["b.png"]


def test_coco_results_load_with_the_ids_of_the_annotations(oracle, weights, folder, tmp_path):
    from pycocotools.coco import COCO

    categories = [{"id": 10 * i, "name": name} for i, name in enumerate(NAMES.split(",")) if i]
    images = [{"id": 70 + i, "file_name": name, "height": 20, "width": 30} for i, name in enumerate(("a.png", "b.png"))]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": images, "annotations": [], "categories": categories, "info": {}}))
    assert run(weights, folder, "--save", "coco", "--coco-ids", truth, output=tmp_path / "out") == 0
    loaded = COCO(str(truth)).loadRes(str(tmp_path / "out" / written.COCO))
    assert {(one["image_id"], one["category_id"], *one["bbox"]) for one in loaded.anns.values()} == {(70, 10, 3, 2, 17, 7), (71, 30, 4, 4, 8, 6)}
    assert run(weights, folder, "--recursive", "--coco-ids", truth, output=tmp_path / "other") == 1


def test_submission_has_no_pixel_twice_and_a_line_for_every_photo(oracle, weights, folder, tmp_path, monkeypatch):
    find = oracle._find

    def overlapping(grey):
        found = find(grey)
        return found.select([0, 0]) if found.num else found

    monkeypatch.setattr(oracle, "_find", overlapping)
    cv2.imwrite(str(folder / "nothing.png"), photo(20, 30))
    assert run(weights, folder, "--save", "imaterialist", output=tmp_path / "out") == 0
    assert (tmp_path / "out" / written.SUBMISSION).read_text().splitlines() == [
        "ImageId,EncodedPixels,ClassId",
        "a," + " ".join(f"{20 * x + 3} 7" for x in range(3, 20)) + ",0",
        "b," + " ".join(f"{20 * x + 5} 6" for x in range(4, 12)) + ",2",
        "nothing,1 1,23",
    ]


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for x in range(6):
        writer.write(photo(48, 64, (8, 8 * x, 24, 8 * x + 16, 4)))
    writer.release()
    return path


def test_a_video_becomes_a_video_of_each_second_frame(oracle, weights, film, tmp_path):
    assert run(weights, film, "--every", 2, "--codec", "MJPG", "--video-name", "seen.avi", output=tmp_path / "out") == 0
    with sources.Video(str(tmp_path / "out" / "seen.avi")) as video:
        frames = list(video)
        assert (video.total, video.rate) == (3, 5.0) and frames[2].image.shape == (48, 64, 3)
    found = lines(tmp_path / "out")
    assert [(line["frame"], line["seconds"]) for line in found.values()] == [(0, 0.0), (2, 0.2), (4, 0.4)]
    assert sorted(os.listdir(tmp_path / "out")) == [written.RECORD, written.LINES, "seen.avi"]


def test_a_video_that_is_stopped_is_complete_up_to_there(oracle, weights, film, tmp_path):
    oracle.stop = 2
    words = (film, "--save", "video", "pictures", "--codec", "MJPG", "--video-name", "seen.avi")
    assert run(weights, *words, output=tmp_path / "out") == 130
    with sources.Video(str(tmp_path / "out" / "seen.avi")) as video:
        assert len(list(video)) == 2
    assert sorted(os.listdir(tmp_path / "out" / "pictures")) == ["frame_000000.jpg", "frame_000001.jpg"]


def test_so_many_frames_at_most_and_nothing_but_lines(oracle, weights, film, tmp_path):
    assert run(weights, film, "--frames", 3, "--save", "jsonl", output=tmp_path / "out") == 0
    assert len(lines(tmp_path / "out")) == 3 and sorted(os.listdir(tmp_path / "out")) == [written.RECORD, written.LINES]


def test_a_codec_that_opencv_lacks_is_said(oracle, weights, film, tmp_path, capfd):
    assert run(weights, film, "--codec", "QQQQ", "--video-name", "seen.avi", output=tmp_path / "out") == 1
    assert "OpenCV can't write" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Give photos or folders"),
        (("nowhere",), "no file or folder nowhere"),
        (("{folder}", "--camera", "0"), "one of them"),
        (("{film}", "{folder}"), "A video is looked at by itself"),
        (("{folder}", "--save", "video"), "these are photos"),
        (("{folder}", "--every", "2"), "--every does nothing here"),
        (("{film}", "--resume"), "--resume does nothing here"),
        (("{folder}", "--no-whole"), "--no-whole does nothing here"),
        (("{folder}", "--resume", "--overwrite"), "not both"),
        (("{folder}/notes.txt", "{folder}/sub/deep/../a.png", "{folder}/a.png"), "2 photos are named a.png"),
        (("--camera", "97"), "no camera 97"),
    ],
)
def test_what_makes_no_sense_is_refused(oracle, weights, folder, film, tmp_path, capfd, words, says):
    words = [word.format(folder=folder, film=film) for word in words]
    assert run(weights, *words, output=tmp_path / "out") == 1
    assert says in capfd.readouterr().err and not oracle.calls


def test_a_damaged_video_is_an_error(oracle, weights, tmp_path, capfd):
    (tmp_path / "film.mp4").write_bytes(b"no video" * 100)
    assert run(weights, tmp_path / "film.mp4", output=tmp_path / "out") == 1
    assert "can't read" in capfd.readouterr().err


@pytest.mark.parametrize("word", [("--overlap", "2"), ("--scales", "1,x"), ("--batch", "0"), ("--save", "gif")])
def test_a_number_out_of_range_is_a_usage_error(weights, folder, tmp_path, word, capsys):
    with pytest.raises(SystemExit) as raised:
        run(weights, folder, *word, output=tmp_path / "out")
    assert raised.value.code == 2


@pytest.fixture
def eager(tmp_path, monkeypatch):
    """A class of configuration, with the network run eagerly: a trace takes seconds."""
    (tmp_path / "mine.py").write_text("import tiny_network\nclass Mine(tiny_network.TinyConfig):\n    DETECTION_MIN_CONFIDENCE = 0\n")
    from mrcnn import mask_rcnn

    built = mask_rcnn.MaskRCNN.build

    def run_eagerly(self, mode, config):
        network = built(self, mode, config)
        network.run_eagerly = True
        return network

    monkeypatch.setattr(mask_rcnn.MaskRCNN, "build", run_eagerly)
    return f"{tmp_path / 'mine.py'}:Mine"


def test_thresholds_of_each_class_are_used_where_asked_for(weights, tmp_path, eager, capsys):
    cv2.imwrite(str(tmp_path / "noise.png"), np.random.default_rng(0).integers(0, 255, (70, 60, 3), np.uint8))
    words = ["detect", tmp_path / "noise.png", "--weights", weights, "--config", eager, "--save", "jsonl", "--overwrite"]
    words = [*map(str, words), "--output", str(tmp_path / "out")]
    assert cli.main([*words, "--thresholds"]) == 1 and "No thresholds at" in capsys.readouterr().err
    (tmp_path / "no.json").write_bytes(b"\x89PNG\xff")
    assert cli.main([*words, "--thresholds", str(tmp_path / "no.json")]) == 1 and "is no file of thresholds" in capsys.readouterr().err
    settings = dict.fromkeys(range(1, 5), Setting(0.0, 0.3, min_area=1e6))
    thresholds.Thresholds(tuple(NAMES.split(",")), settings).save(tmp_path / "t.json")
    for more, says in (("DETECTION_NMS_METHOD=linear", "know the 'hard' one only"), ("DETECTION_NMS_PER_CLASS=False", "within each class only")):
        assert cli.main([*words, "--thresholds", str(tmp_path / "t.json"), "--set", more]) == 1 and says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()  # else the next try would want --overwrite
    assert cli.main([*words]) == 0
    (plain,) = lines(tmp_path / "out").values()
    assert cli.main([*words, "--thresholds", str(tmp_path / "t.json")]) == 0
    (cut,) = lines(tmp_path / "out").values()
    assert plain["detections"] and not cut["detections"]
    assert cli.main([*words, "--thresholds", str(tmp_path / "t.json"), "--flip"]) == 1 and "leave out --flip" in capsys.readouterr().err


def test_a_real_network_looks_at_tiles_of_views(weights, folder, tmp_path, eager):
    """The whole way, from the weight file to the lines."""
    cv2.imwrite(str(tmp_path / "large.png"), np.random.default_rng(0).integers(0, 255, (70, 60, 3), np.uint8))
    words = [
        "detect", tmp_path / "large.png", "--weights", weights, "--config", eager, "--flip", "--tile", "64", "--no-whole",
        "--no-overlaps", "best", "--output", tmp_path / "out",
    ]  # fmt: skip
    assert cli.main([str(word) for word in words]) == 0
    (line,) = lines(tmp_path / "out").values()
    assert (line["height"], line["width"]) == (70, 60) and line["detections"]
    planes = rle.decode_coco([one["segmentation"] for one in line["detections"]])
    assert planes.sum(axis=2).max() == 1
    assert {one["class"] for one in line["detections"]} <= {f"class {i}" for i in range(1, 5)}
