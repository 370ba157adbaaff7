"""What happens at an epoch's end: CSV, the count of skipped images, TensorBoard."""

import csv
import importlib.util
import types

from mrcnn.training import callbacks


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_an_epoch_and_a_column_for_a_figure_that_comes_later(tmp_path):
    log = callbacks.CsvLog(str(tmp_path / "metrics.csv"))
    log.on_epoch_end(0, {"loss": 2.0})
    log.on_epoch_end(1, {"loss": 1.5, "val_mean_average_precision": 0.25})
    log.on_epoch_end(2, {"val_mean_average_precision": 0.5})
    assert rows(log.path) == [
        {"epoch": "1", "loss": "2.0", "val_mean_average_precision": ""},
        {"epoch": "2", "loss": "1.5", "val_mean_average_precision": "0.25"},
        {"epoch": "3", "loss": "", "val_mean_average_precision": "0.5"},
    ]


def test_csv_is_continued_and_epochs_done_again_replace_the_old(tmp_path):
    path = str(tmp_path / "metrics.csv")
    for epoch in range(4):
        callbacks.CsvLog(path).on_epoch_end(epoch, {"loss": 10.0 + epoch})
    callbacks.CsvLog(path).on_epoch_end(2, {"loss": 5.0})  # resumed from the checkpoint of epoch 2
    assert [(r["epoch"], r["loss"]) for r in rows(path)] == [("1", "10.0"), ("2", "11.0"), ("3", "5.0")]
    assert [f.name for f in tmp_path.iterdir()] == ["metrics.csv"]


def batches(skipped):
    return types.SimpleNamespace(skipped=skipped, dataset=types.SimpleNamespace(image_ids=range(9)))


def test_skipped_images_are_counted(capsys):
    callbacks.SkippedImages(batches({3: "broken", 5: "absent"}), None, batches({})).on_epoch_end(0)
    assert capsys.readouterr().out.startswith("Skipped so far: 2 of 9 images")


def test_nothing_is_said_where_none_was_skipped(capsys):
    callbacks.SkippedImages(batches({})).on_epoch_end(0)
    assert not capsys.readouterr().out


def test_tensorboard_is_left_out_and_that_is_said_where_tensorflow_is_not(tmp_path, capsys, monkeypatch):
    """Keras' callback would raise in the first epoch's end, after the epoch's work."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert callbacks.tensorboard(str(tmp_path)) == []
    assert "needs the package tensorflow" in capsys.readouterr().out
