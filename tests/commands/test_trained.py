"""mrcnn.commands.trained: what network a weight file is, and what its classes are called."""

import json
import os

import pytest
import tiny_network

from mrcnn import build
from mrcnn.commands import trained
from mrcnn.data import coco_classes
from mrcnn.training import record
from mrcnn.weights import legacy_h5


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    network = build.build(tiny_network.config(NUM_CLASSES=5), "inference", saver=legacy_h5.save, loader=lambda *a, **k: None)
    path = tmp_path_factory.mktemp("run") / "mask_rcnn_tiny_0001.h5"
    network.save_weights(path)
    return path


@pytest.fixture
def run_of(weights, tmp_path):
    """The file in the folder of a run, whose config.json holds these values and names."""

    def make(**values):
        config = tiny_network.config(NUM_CLASSES=5, BACKBONE="resnet50", IMAGES_PER_GPU=8, **values)
        path = tmp_path / weights.name
        path.write_bytes(weights.read_bytes())
        record.begin(str(tmp_path), config, {"class_names": ["BG", "a", "b", "c", "d"]})
        return str(path)

    return make


def test_a_run_says_its_configuration_and_set_wins(run_of):
    path = run_of(RPN_ANCHOR_SCALES=(3, 5, 7, 9, 11), DETECTION_MIN_CONFIDENCE=0.2)
    config = trained.configuration(path, None, {"DETECTION_MIN_CONFIDENCE": 0.4}, 3)
    assert tuple(config.RPN_ANCHOR_SCALES) == (3, 5, 7, 9, 11) and config.IMAGE_MAX_DIM == 64 and config.NUM_CLASSES == 5
    assert config.DETECTION_MIN_CONFIDENCE == 0.4 and config.BATCH_SIZE == 3
    config.validate()


def test_averaged_weights_belong_to_the_run_above_them(run_of, tmp_path):
    path = run_of(RPN_ANCHOR_SCALES=(3, 5, 7, 9, 11))
    (tmp_path / "ema").mkdir()
    averaged = str(tmp_path / "ema" / "ema_tiny_0001.h5")
    os.rename(path, averaged)
    assert tuple(trained.configuration(averaged, None, {}, 1).RPN_ANCHOR_SCALES) == (3, 5, 7, 9, 11)
    assert trained.class_names(None, averaged, 5)[1] == "a"


def test_without_a_run_the_shapes_say_what_they_can(weights, caplog):
    config = trained.configuration(str(weights), None, {"BACKBONE": "resnet50"}, 1)
    assert (config.NUM_CLASSES, config.TOP_DOWN_PYRAMID_SIZE, config.FPN_CLASSIF_FC_LAYERS_SIZE, config.POOL_SIZE) == (5, 8, 8, 3)
    assert "has no config.json beside it" in caplog.text


def test_a_backbone_that_is_code_asks_for_its_configuration(weights):
    with pytest.raises(ValueError, match="pass --config FILE.py:CLASS"):
        trained.configuration(str(weights), None, {}, 1)


def test_a_class_of_its_own_takes_the_files_number_of_classes(weights, tmp_path):
    (tmp_path / "mine.py").write_text("from mrcnn.config import Config\nclass Mine(Config):\n    NAME = 'mine'\n    NUM_CLASSES = 47\n")
    place = f"{tmp_path / 'mine.py'}:Mine"
    assert trained.configuration(str(weights), place, {}, 1).NUM_CLASSES == 5
    assert trained.configuration(str(weights), place, {"NUM_CLASSES": 47}, 1).NUM_CLASSES == 47


def test_a_file_that_is_no_network_is_refused(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"nothing")
    with pytest.raises(ValueError):
        trained.configuration(str(tmp_path / "w.h5"), None, {}, 1)
    with pytest.raises(FileNotFoundError):
        trained.configuration(str(tmp_path / "none.h5"), None, {}, 1)


def test_names_are_those_asked_for_of_the_run_of_coco_or_numbers(run_of, weights, tmp_path):
    path = run_of()
    assert trained.class_names(None, path, 5) == ["BG", "a", "b", "c", "d"]
    assert trained.class_names("w, x,y,z", path, 5) == ["BG", "w", "x", "y", "z"]
    (tmp_path / "names.txt").write_text("BG\nw\nx\n\ny\nz\n")
    assert trained.class_names(str(tmp_path / "names.txt"), path, 5) == ["BG", "w", "x", "y", "z"]
    assert trained.class_names(None, str(weights), 3) == ["BG", "class 1", "class 2"]
    assert trained.class_names(None, str(weights), 81)[:3] == ["BG", "person", "bicycle"]
    with pytest.raises(ValueError, match="gives 2 names and the network has 4 classes"):
        trained.class_names("w,x", path, 5)


def test_categories_are_cocos_own_or_those_of_the_annotations(tmp_path):
    assert len(coco_classes.NAMES) == len(set(coco_classes.NAMES)) == len(coco_classes.CATEGORY_IDS) == 80
    categories, images = trained.category_ids(["BG", *coco_classes.NAMES], None)
    assert (categories[1], categories[12], categories[80], images) == (1, 13, 90, {})  # stop sign and toothbrush
    assert trained.category_ids(["BG", "a", "b"], None)[0] == {1: 1, 2: 2}
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"images": [{"id": 5, "file_name": "x/1.jpg"}], "categories": [{"id": 7, "name": "b"}, {"id": 3, "name": "a"}]}))
    assert trained.category_ids(["BG", "a", "b"], str(path)) == ({1: 3, 2: 7}, {"x/1.jpg": 5})
    with pytest.raises(ValueError, match="has no category c; it has b, a"):
        trained.category_ids(["BG", "a", "c"], str(path))
    path.write_text("[]")
    with pytest.raises(ValueError, match="no COCO annotation file"):
        trained.category_ids(["BG", "a"], str(path))


class Data:
    def __init__(self, *names):
        self.class_names, self.num_classes = ["BG", *names], 1 + len(names)


def test_data_with_the_networks_classes_in_another_order_are_refused(run_of, caplog):
    path = run_of()
    config = trained.configuration(path, None, {}, 1)
    trained._require_classes(path, config, Data("a", "b", "c", "d"))
    with pytest.raises(ValueError, match="number their classes b, a, c, d; the network was trained with a, b, c, d"):
        trained._require_classes(path, config, Data("b", "a", "c", "d"))
    with pytest.raises(ValueError, match="4 classes with background, the network has 5"):
        trained._require_classes(path, config, Data("a", "b", "c"))
    assert not caplog.text
    trained._require_classes(path, config, Data("a", "b", "c", "e"))
    assert "Names of classes differ" in caplog.text


def test_weights_that_are_not_there_are_named_with_what_may_be(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.h5: there is no such file.*the folder of a run, or last"):
        trained.network("none.h5", None, {})
    (tmp_path / "logs").mkdir()
    with pytest.raises(FileNotFoundError, match="logs: the folder holds no checkpoint .* and no run"):
        trained.find(str(tmp_path / "logs"), None, "")
    with pytest.raises(FileNotFoundError, match="There is no run in .*nameYYYYMMDDTHHMM"):
        trained.find("last", None, str(tmp_path / "logs"))


@pytest.fixture
def logs(weights, tmp_path):
    """A folder of two runs; the newest checkpoint of the newer one is broken."""
    for run, epochs in (("tiny20260101T0000", (1, 12)), ("cells20260102T0000", (9, 10, 11))):
        (tmp_path / run).mkdir()
        for epoch in epochs:
            (tmp_path / run / f"mask_rcnn_{run[:-13]}_{epoch:04d}.h5").symlink_to(weights)
    broken = tmp_path / "cells20260102T0000" / "mask_rcnn_cells_0011.h5"
    broken.unlink()
    broken.write_bytes(b"cut off")
    return tmp_path


def test_weights_are_a_file_a_run_a_folder_of_runs_or_last(logs):
    newest, other = logs / "cells20260102T0000" / "mask_rcnn_cells_0010.h5", logs / "tiny20260101T0000" / "mask_rcnn_tiny_0012.h5"
    assert trained.find(str(other), None, "") == str(other)
    assert trained.find(str(other.parent), None, "") == str(other) and trained.find(str(newest.parent), None, "") == str(newest)
    assert trained.find(str(logs), None, "") == trained.find("last", None, str(logs)) == str(newest)


def test_last_with_a_configuration_is_of_the_runs_with_its_name(logs):
    (logs / "mine.py").write_text("from mrcnn.config import Config\nclass Mine(Config):\n    NAME = 'Tiny'\n")
    assert trained.find("LAST", f"{logs / 'mine.py'}:Mine", str(logs)).endswith("mask_rcnn_tiny_0012.h5")


def test_a_run_may_be_renamed_but_one_without_a_whole_checkpoint_is_refused(logs):
    (logs / "tiny20260101T0000").rename(logs / "best")
    assert trained.find(str(logs / "best"), None, "").endswith("best/mask_rcnn_tiny_0012.h5")
    for epoch in (1, 12):
        (logs / "best" / f"mask_rcnn_tiny_{epoch:04d}.h5").unlink()
    (logs / "best" / "mask_rcnn_tiny_0002.h5").write_bytes(b"cut off")
    with pytest.raises(FileNotFoundError, match="best: no checkpoint of this run is complete"):
        trained.find(str(logs / "best"), None, "")


def test_a_network_takes_as_many_images_at_once_as_set_says(run_of, monkeypatch):
    seen = []

    class Network:
        def __init__(self, mode, config, logs):
            seen.append(config.BATCH_SIZE)

        def load_initial_weights(self, weights):
            return weights

    monkeypatch.setattr("mrcnn.mask_rcnn.MaskRCNN", Network)
    path = run_of()
    assert trained.network_of_file(path, None, {})[1] == path
    trained.network(path, None, {"IMAGES_PER_GPU": 4})
    trained.network("coco", None, {"IMAGES_PER_GPU": 2})
    trained.network("coco", None, {})
    assert seen == [1, 4, 2, 1]
