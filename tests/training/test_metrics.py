"""metrics.csv: read, continued, and robust against what it is not."""

import math
import os
import re

import numpy as np
import pytest

from mrcnn.training import metrics


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_rows_are_read_in_the_order_of_their_epochs_without_empty_cells(tmp_path):
    rows, problem = metrics.read(write(tmp_path / "m.csv", "epoch,loss,map\n2,0.5,\n1,nan,0.25\n"))
    assert problem is None and rows[1] == {"epoch": 2, "loss": 0.5}
    assert rows[0]["epoch"] == 1 and math.isnan(rows[0]["loss"]) and rows[0]["map"] == 0.25


@pytest.mark.parametrize(
    ("text", "epochs", "says"),
    [
        ("epoch,loss\n1,2.0\n2,1.", [1], "no end"),
        ("epoch,loss\n1,2.0\n2\n", [1], "line 3 has not as many cells"),
        ("epoch,loss\n1,2.0\n2,1,9\n", [1], "line 3 has not as many cells"),
        ("epoch,loss\n1,2.0\n2,x\n", [1], "could not convert"),
        ("epoch,loss\n1,2.0\n0,1\n", [1], "line 3 is of no epoch"),
        ("epoch,loss\n1,2.0\n2.5,1\n", [1], "line 3 is of no epoch"),
        ("epoch,loss\n1,2.0\n,1\n", [1], "line 3 is of no epoch"),
        ("name,size\na,1\n", [], "no column 'epoch'"),
        ("", [], "no column 'epoch'"),
        (b"\xff\xfe\x00\x01", [], "can't decode"),
        (b"epoch,loss\n1,2.0\n\x00\x00\x00\n", [1], "not as many cells|NUL"),
    ],
)
def test_what_is_wrong_is_named_and_the_rows_before_are_kept(tmp_path, text, epochs, says):
    rows, problem = metrics.read(write(tmp_path / "m.csv", text))
    assert [row["epoch"] for row in rows] == epochs
    assert re.search(says, problem)


def test_a_broken_file_is_set_aside_and_its_good_rows_go_on(tmp_path, capsys):
    path = write(tmp_path / "metrics.csv", "epoch,loss\n1,2.0\n2,1.")
    metrics.add(path, [{"epoch": 3, "loss": 0.5}])
    assert metrics.read(path) == ([{"epoch": 1, "loss": 2.0}, {"epoch": 3, "loss": 0.5}], None)
    assert (tmp_path / "metrics.csv.broken").read_text().endswith("2,1.")
    assert "kept as metrics.csv.broken; 1 of its epochs go on" in capsys.readouterr().out


def test_a_foreign_file_is_set_aside(tmp_path):
    path = write(tmp_path / "metrics.csv", "a;b\n1;2\n")
    metrics.add(path, [{"epoch": 1, "loss": 0.5}])
    assert metrics.read(path)[0] == [{"epoch": 1, "loss": 0.5}]
    assert (tmp_path / "metrics.csv.broken").read_text() == "a;b\n1;2\n"


def test_an_old_runs_training_csv_is_continued_under_the_new_name(tmp_path, capsys):
    write(tmp_path / "training.csv", "epoch,loss\r\n1,2.0\r\n2,1.0\r\n3,0.5\r\n")
    path = str(tmp_path / "metrics.csv")
    metrics.add(path, [{"epoch": 3, "loss": 0.75}])
    assert [row["loss"] for row in metrics.read(path)[0]] == [2.0, 1.0, 0.75]
    assert os.listdir(tmp_path) == ["metrics.csv"] and "goes on as metrics.csv" in capsys.readouterr().out


def test_only_numbers_of_the_logs_are_figures():
    logs = {"loss": np.float32(0.5), "matrix": np.zeros((2, 2)), "note": "good", "none": None, "steps": 3, "tensor": np.array(2.0)}
    assert metrics.numbers(logs) == {"loss": 0.5, "steps": 3.0, "tensor": 2.0}
    assert metrics.numbers(None) == {}


def test_columns_have_nan_where_a_row_has_no_figure():
    columns = metrics.columns([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "map": 0.5}])
    np.testing.assert_equal(columns, {"epoch": [1, 2], "loss": [2.0, math.nan], "map": [math.nan, 0.5]})


def test_learning_rate_is_as_it_was_written():
    class Optimizer:
        learning_rate = np.float32(0.01)

    assert metrics.learning_rate(Optimizer()) == 0.01
