"""fashion.py analyse: tables and plots of a data set, before and after a stratified sample."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from mrcnn.data.dataset import Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "samples" / "fashion"))

import fashion  # noqa: E402  (the sample's folder is on the path only now)
import fashion_analyse  # noqa: E402
import fashion_options  # noqa: E402


class Garments(Dataset):
    """12 photos: each a shoe, each second a hat, and one a belt."""

    def __init__(self):
        super().__init__()
        for number, name in enumerate(("shoe", "hat", "belt"), start=1):
            self.add_class("fashion", number, name)
        for number in range(12):
            self.add_image("fashion", f"{number}.jpg", None)
        self.prepare()

    def load_mask(self, image_id):
        class_ids = [1] + [2] * (image_id % 2 == 0) + [3] * (image_id == 7)
        masks = np.zeros((64, 64, len(class_ids)), bool)
        for place in range(len(class_ids)):
            masks[: 8 * (place + 1), :16, place] = True
        return masks, np.array(class_ids, np.int32)


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_tables_and_plots_are_written_before_and_after_a_sample(tmp_path, capsys):
    fashion_analyse.analyse(Garments(), str(tmp_path), 6, seed=0)
    assert table(tmp_path / "classes.csv")[1:] == [
        ["shoe", "12", "12", "0.6316", "128", "128", "128", "12", "0", "0"],
        ["hat", "6", "6", "0.3158", "256", "256", "256", "6", "0", "0"],
        ["belt", "1", "1", "0.0526", "256", "256", "256", "1", "0", "0"],
    ]
    sample = {row[0]: row[1:3] for row in table(tmp_path / "classes_sample.csv")[1:]}
    assert sample["shoe"] == ["6", "6"] and sample["hat"] == ["3", "3"]
    deviation = {row[0]: row[1:] for row in table(tmp_path / "sample.csv")[1:]}
    assert deviation["hat"] == ["3", "3", "0.0", "0.0"] and deviation["belt"][2:] == ["0.5", "1.0"]
    assert table(tmp_path / "together.csv")[1:] == [["shoe", "12", "6", "1"], ["hat", "6", "6", "0"], ["belt", "1", "0", "1"]]
    assert len(table(tmp_path / "images.csv")) == 13 and table(tmp_path / "instances.csv")[1] == ["0.jpg", "shoe", "8", "16", "128"]
    plots = ("classes", "images_of_classes", "instances_per_image", "sizes", "together", "together_sample")
    assert all((tmp_path / f"{name}.png").stat().st_size > 3000 for name in plots)
    out = capsys.readouterr().out
    assert "Largest deviation from a fair share: 0.5 images (belt)." in out and "Largest difference of a share of the instances: belt" in out


def test_without_a_sample_there_is_one_series(tmp_path, capsys):
    fashion_analyse.analyse(Garments(), str(tmp_path))
    assert "all: 12 images, 19 instances" in capsys.readouterr().out and not (tmp_path / "classes_sample.csv").exists()


def test_masks_that_cannot_be_read_at_all_are_an_error(tmp_path):
    garments = Garments()
    garments.load_mask = lambda image_id: None
    with pytest.raises(ValueError, match="masks of no image can be read"):
        fashion_analyse.analyse(garments, str(tmp_path))


def test_the_command_analyses_what_train_would_see(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(fashion_analyse, "analyse", lambda dataset, folder, size, seed: asked.update(n=dataset.num_images, size=size, seed=seed))
    monkeypatch.setattr(fashion, "TRAIN_SCENES", 3)
    fashion.main(["analyse", "--sample", "2", "--seed", "5", "--output", str(tmp_path)])
    assert asked == {"n": 3, "size": 2, "seed": 5}
    assert fashion_options.parse(["analyse", "--output", "x", "--dataset", "d"]).variant == "resnet50-256"
