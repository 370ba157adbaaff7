"""What a real training leaves behind, on the tiny network: record, figures, curves, pictures, the last line."""

import csv
import json
import os

import cv2
import keras
import pytest
import tiny

from mrcnn import files
from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.training import curves, metrics, pictures, record, recorder
from mrcnn.training.mean_average_precision import MeanAveragePrecisionCallback

pytestmark = pytest.mark.usefixtures("untraced")

LOSSES = ("loss", "rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")
FAILURE = "could not be written"


class RunConfig(tiny.TinyConfig):
    STEPS_PER_EPOCH = 1
    VALIDATION_STEPS = 1
    CHOICE = staticmethod(lambda x: x)


class Stop(keras.callbacks.Callback):
    """Raise in the middle of an epoch, counted from 1."""

    def __init__(self, epoch, error):
        super().__init__()
        self.epoch, self.error = epoch, error

    def on_epoch_begin(self, epoch, logs=None):
        if epoch + 1 == self.epoch:
            raise self.error


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model that trains and one that detects; the tests give each run its own folder."""
    folder = str(tmp_path_factory.mktemp("models"))
    config = RunConfig()
    return MaskRCNN("training", config, folder), MaskRCNN("inference", config, folder)


@pytest.fixture
def train(models, tmp_path, capsys):
    """Train to an epoch in a folder of the test's own; returns the run's folder and what was printed."""
    model, inference = models
    model.model_dir = str(tmp_path)
    model.set_log_dir()
    model._started = False
    model.folder = model.log_dir

    def run(epochs, measured=True, layers="heads", every=1, extra=(), num=3):
        callback = MeanAveragePrecisionCallback(model, inference, tiny.Squares(num, empty=3), every, verbose=0)
        model.train(tiny.Squares(3), tiny.Squares(2), 0.01, epochs, layers, custom_callbacks=[*extra, callback] if measured else [*extra])
        return model.log_dir, capsys.readouterr().out

    run.model, run.capsys = model, capsys
    return run


def config_json(folder):
    with open(os.path.join(folder, "config.json")) as file:
        return json.load(file)


def epochs_of(folder):
    return [int(row["epoch"]) for row in metrics.read(os.path.join(folder, "metrics.csv"))[0]]


def test_a_run_has_everything_one_reads(train):
    folder, said = train(2)
    assert FAILURE not in said
    assert {"config.json", "metrics.csv", "curves.png", "pictures"} <= set(os.listdir(folder))
    best = "best val_map "
    assert said.splitlines()[-1].startswith(f"Run: {folder} (config.json, metrics.csv, curves.png, pictures/, checkpoints to epoch 2; {best}")
    with open(os.path.join(folder, "metrics.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    figures = {*LOSSES, *(f"val_{name}" for name in LOSSES), "learning_rate", "seconds", "val_mean_average_precision"}
    assert [row["epoch"] for row in rows] == ["1", "2"] and figures <= set(rows[0]) and all(rows[1][name] for name in figures)
    assert float(rows[0]["learning_rate"]) == 0.01 and float(rows[0]["seconds"]) > 0
    assert cv2.imread(os.path.join(folder, "curves.png")).shape == (900, 1600, 3)
    assert sorted(os.listdir(os.path.join(folder, "pictures"))) == ["01.png", "02.png", "03.png", "all.png"]


def test_config_json_says_how_and_on_what(train):
    folder, _ = train(1)
    found = config_json(folder)
    (entry,) = found["sessions"]
    assert found["config_class"].endswith("RunConfig") and found["config"]["CHOICE"] == {"@callable": f"{__name__}.RunConfig.<lambda>"}
    assert (entry["epoch_from"], entry["epoch_to"], entry["epochs_done"], entry["status"]) == (0, 1, 1, "finished")
    training = entry["training"]
    assert (training["layers"], training["learning_rate"], training["augmentation"]) == ("heads", 0.01, None)
    assert training["callbacks"] == ["MeanAveragePrecisionCallback"] and training["optimizer"]["momentum"] == 0.9
    assert entry["class_names"] == ["BG", "square", "disc"]
    assert entry["data"]["training"] == {"class": "tiny.Squares", "images": 3, "batch_size": 2, "steps": 1, "seed": 0}
    assert entry["data"]["validation"]["images"] == 2
    assert entry["command"]["argv"] and entry["environment"]["versions"]["keras"] == keras.__version__


def test_without_a_map_callback_there_are_no_pictures_and_it_is_said(train):
    folder, said = train(1, measured=False)
    assert "No pictures of detections: they take the inference model of a MeanAveragePrecisionCallback" in said
    assert not os.path.exists(os.path.join(folder, "pictures")) and FAILURE not in said
    assert said.splitlines()[-1].startswith(f"Run: {folder} (config.json, metrics.csv, curves.png, checkpoints to epoch 1; lowest val_loss ")


def test_pictures_are_of_the_last_epoch_where_map_is_not_measured(train, monkeypatch):
    seen = []
    monkeypatch.setattr(pictures, "write", lambda folder, model, dataset, ids, epoch: seen.append((model.keras_model.get_weights(), epoch)))
    train(3, every=2)
    (weights, epoch), model = seen[0], train.model
    path = model.checkpoint_path.format(epoch=3)
    inference = MaskRCNN("inference", model.config, model.model_dir)
    inference.load_weights(path, by_name=True, verbose=0)
    assert epoch == 3
    for a, b in zip(weights, inference.keras_model.get_weights(), strict=True):
        assert (a == b).all()


def test_an_interrupted_training_has_its_record(train):
    with pytest.raises(KeyboardInterrupt):
        train(3, extra=[Stop(2, KeyboardInterrupt())])
    folder, said = train.model.log_dir, train.capsys.readouterr().out
    assert config_json(folder)["sessions"][0]["status"] == "interrupted" and config_json(folder)["sessions"][0]["epochs_done"] == 1
    assert os.path.isfile(os.path.join(folder, "curves.png")) and os.path.isfile(os.path.join(folder, "pictures", "all.png"))
    assert said.splitlines()[-1].startswith(f"Run: {folder} (")


def test_a_training_that_breaks_down_has_curves_and_the_reason(train):
    with pytest.raises(FloatingPointError):
        train(3, extra=[Stop(2, FloatingPointError("the loss is nan"))])
    folder = train.model.log_dir
    assert config_json(folder)["sessions"][0]["status"] == "FloatingPointError: the loss is nan"
    assert os.path.isfile(os.path.join(folder, "curves.png")) and not os.path.exists(os.path.join(folder, "pictures"))


def test_a_training_left_in_its_first_epoch_says_where_its_record_is(train):
    with pytest.raises(KeyboardInterrupt):
        train(1, extra=[Stop(1, KeyboardInterrupt())])
    said = train.capsys.readouterr().out
    assert said.splitlines()[-1] == f"Run: {train.model.log_dir} (config.json)" and "No pictures" not in said
    assert config_json(train.model.log_dir)["sessions"][0]["epochs_done"] == 0


def test_a_full_disk_ends_no_training(train, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write", full)
    folder, said = train(2)
    names = os.listdir(folder)
    assert "mask_rcnn_tiny_0002.h5" in names and not {"config.json", "metrics.csv", "curves.png"} & set(names)
    assert all(f"{name} of the run could not be written" in said for name in ("config.json", "curves.png", "pictures"))
    assert said.count("metrics.csv could not be written") == 2 and f"Run: {folder} (checkpoints to epoch 2)" in said


def test_a_training_whose_entry_could_not_be_written_leaves_the_earlier_one_alone(train, monkeypatch):
    folder, _ = train(1, measured=False)
    before, write, calls = config_json(folder), files.write, []

    def full_once(path, content):
        if path.endswith("config.json") and not calls:
            calls.append(path)
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(files, "write", full_once)
    train(2, measured=False)
    assert calls and config_json(folder) == before and epochs_of(folder) == [1, 2]


def test_figures_that_could_not_be_written_come_with_the_next_epoch(train, monkeypatch):
    write, calls = files.write, []

    def full_once(path, content):
        if path.endswith("metrics.csv"):
            calls.append(path)
            if len(calls) == 1:
                raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(files, "write", full_once)
    folder, _ = train(2, measured=False)
    assert epochs_of(folder) == [1, 2]


def test_broken_files_of_the_run_end_no_training(train):
    folder, _ = train(1, measured=False)
    for name, text in (("config.json", "{"), ("metrics.csv", "epoch,loss\n1,2.0\n2,1"), ("curves.png", "no picture")):
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    _, said = train(2, measured=False)
    assert "config.json.broken" in said and "metrics.csv.broken" in said and epochs_of(folder) == [1, 2]
    assert cv2.imread(os.path.join(folder, "curves.png")) is not None and len(config_json(folder)["sessions"]) == 1


def test_a_folder_in_the_place_of_a_file_ends_no_training(train, monkeypatch):
    folder, _ = train(1, measured=False)
    for name in ("config.json", "metrics.csv", "curves.png"):
        os.remove(os.path.join(folder, name))
        os.mkdir(os.path.join(folder, name))
    _, said = train(2)
    assert said.count(FAILURE) >= 3 and os.path.isfile(os.path.join(folder, "mask_rcnn_tiny_0002.h5"))


def test_another_number_of_classes_does_not_go_on_with_the_run(train, monkeypatch):
    folder, _ = train(1, measured=False)
    found = config_json(folder)
    found["config"]["NUM_CLASSES"] = 81
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(found, file)
    with pytest.raises(ValueError, match="trained with NUM_CLASSES = 81, and the configuration says 3"):
        train(2, measured=False)
    assert config_json(folder) == found


def test_curves_are_drawn_on_the_way_only_where_they_cost_little(monkeypatch, models, tmp_path):
    drawn, now = [], [0.0]

    def draw(folder):
        drawn.append(now[0])
        now[0] += 2.0  # seconds a drawing takes

    monkeypatch.setattr(curves, "draw", draw)
    monkeypatch.setattr(recorder.time, "monotonic", lambda: now[0])
    keeper = recorder.Recorder(None, None, None, recorder.Run(str(tmp_path), "x"), 9)
    for epoch in range(30):
        now[0] += 10.0
        keeper.on_epoch_end(epoch)
    assert drawn == [50.0, 152.0, 254.0] and keeper.epochs_done == 30


def test_pictures_leave_out_what_cannot_be_loaded(models, tmp_path, capsys):
    class Holey(tiny.Squares):
        def load_image(self, image_id):
            if image_id == 1:
                raise OSError("the photo is gone")
            return super().load_image(image_id)

    models[1].allow_random_weights = True
    folder = str(tmp_path / "pictures")
    (tmp_path / "pictures").mkdir()
    for name in ("07.png", "notes.txt"):
        (tmp_path / "pictures" / name).write_text("")
    assert pictures.write(folder, models[1], Holey(4, empty=2), range(4), 5) == 3
    assert sorted(os.listdir(folder)) == ["01.png", "02.png", "03.png", "all.png", "notes.txt"]
    assert "No picture of image 1: OSError: the photo is gone" in capsys.readouterr().out
    assert pictures.write(str(tmp_path / "none"), models[1], Holey(4), [1], 5) == 0 and not (tmp_path / "none").exists()


def test_a_second_training_goes_on_with_all_files(train):
    train(1)
    folder, said = train(2, layers="all")
    assert FAILURE not in said and epochs_of(folder) == [1, 2]
    assert [(e["epoch_from"], e["training"]["layers"]) for e in config_json(folder)["sessions"]] == [(0, "heads"), (1, "all")]
    assert record.stages(record.sessions(folder)) == [(0, "heads"), (1, "all")]


def test_layers_of_ones_own_choice_are_listed(train):
    folder, _ = train(1, layers="mrcnn_mask.*", measured=False)
    training = config_json(folder)["sessions"][0]["training"]
    assert training["layers_trained"] == len(training["layers"]) and all(name.startswith("mrcnn_mask") for name in training["layers"])
