"""python -m mrcnn evaluate: its three ways in, and what it writes."""

import json
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from tiny import Squares, TinyConfig

from mrcnn import cli
from mrcnn.commands import trained
from mrcnn.ops import rle


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Photos with a COCO file, and results that find all but the last."""
    folder, dataset = tmp_path_factory.mktemp("coco"), Squares(3)
    truth = {"images": [], "annotations": [], "categories": [{"id": 10, "name": "square"}, {"id": 20, "name": "disc"}]}
    results = []
    for i in range(3):
        cv2.imwrite(str(folder / f"{i}.png"), dataset.load_image(i)[..., ::-1])
        truth["images"].append({"id": i, "file_name": f"{i}.png", "height": 64, "width": 64})
        masks, class_ids = dataset.load_mask(i)
        for encoded, class_id in zip(rle.encode_coco(masks), class_ids.tolist(), strict=True):
            shape = {"size": [64, 64], "counts": encoded["counts"].decode()}
            entry = {"image_id": i, "category_id": 10 * class_id, "segmentation": shape}
            truth["annotations"].append(entry | {"id": len(truth["annotations"]) + 1, "iscrowd": 0, "area": int(rle.area_coco(encoded))})
            results.append(entry | {"score": 0.9})
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results[:-1]))
    return folder


def evaluate(*words):
    return cli.main(["evaluate", *map(str, words)])


def test_files_are_measured_without_a_network(files, tmp_path, capsys):
    words = ("--ground-truth", files / "truth.json", "--results", files / "results.json", "--images", files, "--samples", 10, "--iou", 0.5)
    assert evaluate(*words, "--output", tmp_path / "out", "--keep") == 0
    assert "3 images, 6 instances and 0 crowds, 5 detections" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert content["coco"]["segm"]["AR100"] == pytest.approx((1 + 2 / 3) / 2) and len(content["mean_average_precision"]) == 1
    assert (tmp_path / "out" / "report.html").read_text().count("image/jpeg") == 1  # one image has an error
    assert evaluate("--collected", tmp_path / "out" / "collected.json.gz", "--samples", 10, "--iou", 0.5, "--output", tmp_path / "again") == 0
    assert json.loads((tmp_path / "again" / "evaluation.json").read_text()) == content


def test_the_files_are_there_though_the_reader_of_the_figures_went(files, tmp_path, monkeypatch):
    def gone(self):
        raise BrokenPipeError("Broken pipe")

    monkeypatch.setattr("mrcnn.evaluation.evaluation.Evaluation.summary", gone)
    words = ("--ground-truth", files / "truth.json", "--results", files / "results.json", "--images", files, "--samples", 10, "--iou", 0.5)
    assert evaluate(*words, "--output", tmp_path / "out") != 0
    assert (tmp_path / "out" / "evaluation.json").is_file()


def test_results_that_are_not_there_are_named(files, capsys):
    assert evaluate("--ground-truth", files / "truth.json", "--results", files / "none.json") == 1
    assert "none.json: the results should be here" in capsys.readouterr().err


def test_files_need_no_deep_learning_framework(files):
    code = (
        "import sys; from mrcnn import cli; "
        f"cli.main(['evaluate', '--ground-truth', {str(files / 'truth.json')!r}, '--results', {str(files / 'results.json')!r}, '--samples', '0']); "
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120).returncode == 0


def test_a_network_is_judged_on_a_data_set(files, tmp_path, capsys):
    from mrcnn.mask_rcnn import MaskRCNN

    keras.utils.set_random_seed(0)  # a random network; most seeds give all rows that there are
    model = MaskRCNN("inference", TinyConfig(), str(tmp_path))
    model.keras_model.save_weights(str(tmp_path / "tiny.h5"))
    place = tmp_path / "settings.py"
    place.write_text("from tiny import TinyConfig\n\n\nclass Strict(TinyConfig):\n    DETECTION_MIN_CONFIDENCE = 0.7\n")
    words = ("--weights", tmp_path / "tiny.h5", "--config", f"{place}:Strict", "--format", "coco", "--data", files / "truth.json", "--limit", 2)
    assert evaluate(*words, "--samples", 0, "--output", tmp_path / "out") == 0
    said = capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert content["images"] == 2 and content["detections"] == 12 and "2 images" in said  # the most that the configuration allows
    assert not any("DETECTION_MIN_CONFIDENCE" in note for note in content["notes"])
    model.allow_random_weights = True
    again = model.evaluate(Squares(1), samples=0, verbose=0)
    assert np.isfinite(again.coco["segm"].figures["AP"])
    model.mode = "training"
    with pytest.raises(ValueError, match="mode"):
        model.evaluate(Squares(1))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "one of three ways"),
        (("--results", "a.json"), "one of three ways"),
        (("--collected", "a", "--weights", "b"), "one of three ways"),
        (("--collected", "absent.json"), "No such file"),
        (("--weights", "absent.h5", "--format", "coco", "--data", "absent.json"), "absent.json"),
    ],
)
def test_words_that_do_not_belong_together_are_refused(words, message, capsys):
    assert evaluate(*words) == 1
    assert message in capsys.readouterr().err


def test_keeping_needs_a_folder(files, capsys):
    assert evaluate("--ground-truth", files / "truth.json", "--results", files / "results.json", "--keep") == 1
    assert "--output" in capsys.readouterr().err


def test_a_score_is_a_number_or_best(capsys):
    with pytest.raises(SystemExit):
        evaluate("--score", "most")
    assert "write a number, or best" in capsys.readouterr().err


def test_every_confidence_counts_unless_it_is_set(files, monkeypatch):
    seen = []
    monkeypatch.setattr(trained, "network", lambda weights, place, settings, **rest: seen.append(settings) or 1 / 0)
    words = ("--weights", "w.h5", "--format", "coco", "--data", files / "truth.json")
    for more in ((), ("--set", "DETECTION_MIN_CONFIDENCE=0.3")):
        with pytest.raises(ZeroDivisionError):
            evaluate(*words, *more)
    assert [settings["DETECTION_MIN_CONFIDENCE"] for settings in seen] == [0.0, 0.3]
