"""benchmarks.precision: it trains what it compares, through the public interface."""

import json
import os

import cv2
import numpy as np
import pytest

from benchmarks import precision
from mrcnn.ops import rle

pytestmark = pytest.mark.skipif(os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow", reason="the benchmarks are TensorFlow's")


@pytest.fixture
def folder(tmp_path):
    """Four photos of one garment each for training, two for validation, in iMaterialist's form."""
    rng = np.random.default_rng(0)
    categories = [{"id": i, "name": name} for i, name in enumerate(("shirt", "shoe"))]
    (tmp_path / "label_descriptions.json").write_text(json.dumps({"categories": categories, "attributes": []}))
    for subset, count in (("train", 4), ("val", 2)):
        (tmp_path / subset).mkdir()
        lines = ["ImageId,EncodedPixels,Height,Width,ClassId"]
        for number in range(count):
            cv2.imwrite(str(tmp_path / subset / f"{subset}{number}.jpg"), rng.integers(0, 255, (128, 128, 3), np.uint8))
            mask = np.zeros((128, 128), bool)
            mask[20:90, 30:100] = True
            lines.append(f"{subset}{number}.jpg,{rle.encode(mask)},128,128,{number % 2}")
        (tmp_path / f"{subset}.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.slow
def test_what_it_trains_it_compares(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(precision, "STAGES", (("heads", 5e-4, 1),))
    words = ["--train", str(folder), "--logs", str(tmp_path / "logs"), "--variant", "small", "--steps", "1", "--batch", "1"]
    precision.main(words)
    checkpoint = capsys.readouterr().out.strip().splitlines()[-1]
    assert os.path.basename(checkpoint) == "mask_rcnn_fashion_0001.h5" and os.path.isfile(checkpoint)
    with open(os.path.join(os.path.dirname(checkpoint), "config.json"), encoding="utf-8") as file:
        assert "mixed_bfloat16" in file.read()
    precision.main(["--weights", checkpoint, "--photos", str(folder / "val"), "--min-score", "0"])
    figures = json.loads("{" + capsys.readouterr().out.rsplit("{", 1)[1])
    assert figures["photos"] == 2 and figures["instances"] > 0
    assert 0 <= figures["ap_masks"] <= 1 and 0 <= figures["ap_boxes"] <= 1


def test_a_folder_without_photos_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        precision.main(["--weights", "x.h5", "--photos", str(tmp_path)])
    assert "no .jpg file" in capsys.readouterr().err


@pytest.mark.slow
def test_random_networks_are_compared_with_themselves():
    figures = precision.compare_random(64, 1, noise=0.0)
    assert figures["photos"] == 1 and figures["instances"] > 0
    assert figures["ap_noise"] == pytest.approx(figures["ap_itself"], abs=0.01)
    assert figures["ap_bfloat16"] < figures["ap_itself"] <= 1
