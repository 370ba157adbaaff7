"""config.json of a run."""

import json
import os
import re

import numpy as np
import pytest
import tiny

from mrcnn.config import Config
from mrcnn.training import record


class Own(tiny.TinyConfig):
    FOLDS = (1, 2)
    MEAN = np.array([1.0, np.nan])
    PICK = staticmethod(lambda x: x)
    LIMIT = float("inf")


def session(start=0, to=2, layers="heads"):
    return {"epoch_from": start, "epoch_to": to, "training": {"layers": layers}}


def document(folder):
    return json.loads((folder / "config.json").read_text())


def test_a_config_is_made_of_it_again(tmp_path):
    config = Own()
    config.STEPS_PER_EPOCH = 77
    record.begin(str(tmp_path), config, session())
    read = record.read_config(tmp_path)
    assert "BACKBONE" not in read and "PICK" not in read  # code: named in the file only
    again = tiny.TinyConfig()
    for name, value in read.items():
        setattr(again, name, value)
    again.validate()
    assert (again.STEPS_PER_EPOCH, again.FOLDS, again.LIMIT) == (77, [1, 2], float("inf"))
    np.testing.assert_array_equal(again.MEAN, Own.MEAN)
    np.testing.assert_array_equal(again.MEAN_PIXEL, config.MEAN_PIXEL)


def test_config_is_found_by_folder_file_and_checkpoint(tmp_path):
    record.begin(str(tmp_path), Own(), session())
    reads = [record.read_config(p) for p in (tmp_path, str(tmp_path / "config.json"), tmp_path / "mask_rcnn_tiny_0001.h5")]
    assert [read["NAME"] for read in reads] == ["Tiny"] * 3
    with pytest.raises(FileNotFoundError):
        record.read_config(tmp_path / "elsewhere" / "x.h5")


def test_later_trainings_add_entries_and_lose_none(tmp_path, capsys):
    config = Own()
    record.begin(str(tmp_path), config, session(0, 2, "heads"))
    record.end(str(tmp_path), "finished", 2)
    config.STEPS_PER_EPOCH, config.NEW = 5, "x"
    del config.__dict__["MEAN"]
    record.begin(str(tmp_path), config, session(2, 4, "all"))
    found = document(tmp_path)
    first, second = found["sessions"]
    assert (first["epoch_to"], first["status"], first["epochs_done"]) == (2, "finished", 2) and first["started"] <= first["ended"]
    assert (second["epoch_from"], second["status"]) == (2, "running") and "ended" not in second
    assert second["config_changes"] == {"STEPS_PER_EPOCH": {"from": 3, "to": 5}, "NEW": {"to": "x"}}
    assert found["config"]["STEPS_PER_EPOCH"] == 5
    assert "Config differs" in (said := capsys.readouterr().out) and "STEPS_PER_EPOCH 3 -> 5" in said and "NEW (absent) -> x" in said


def test_an_unchanged_config_says_nothing(tmp_path, capsys):
    for start in (0, 2):
        record.begin(str(tmp_path), Own(), session(start))
    assert not capsys.readouterr().out and "config_changes" not in document(tmp_path)["sessions"][1]


def test_many_changes_are_cut_short_in_the_log(tmp_path, capsys):
    config = Own()
    record.begin(str(tmp_path), config, session())
    for number in range(13):
        setattr(config, f"X{number}", number)
    record.begin(str(tmp_path), config, session(2))
    assert "3 more are in config.json" in capsys.readouterr().out
    assert len(document(tmp_path)["sessions"][1]["config_changes"]) == 13


def test_a_training_that_was_killed_is_known_by_the_next(tmp_path):
    record.begin(str(tmp_path), Own(), session())
    record.begin(str(tmp_path), Own(), session(1))
    assert [entry["status"] for entry in document(tmp_path)["sessions"]] == ["cut off", "running"]


@pytest.mark.parametrize(("name", "value"), [("NUM_CLASSES", 7), ("BACKBONE", "resnet50"), ("NUM_ATTRIBUTES", 2)])
def test_another_network_is_refused_and_the_file_stays(tmp_path, name, value):
    record.begin(str(tmp_path), Own(), session())
    before = (tmp_path / "config.json").read_bytes()
    config = Own()
    setattr(config, name, value)
    with pytest.raises(ValueError, match=rf"{name} = .* another network.*set_log_dir\(\).*set {name} as it was"):
        record.begin(str(tmp_path), config, session(2))
    assert (tmp_path / "config.json").read_bytes() == before


def test_a_run_from_before_there_were_attributes_has_none(tmp_path):
    record.begin(str(tmp_path), Own(), session())
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(re.sub(r' *"NUM_ATTRIBUTES": 0,\n', "", text))
    assert "NUM_ATTRIBUTES" not in document(tmp_path)["config"]
    record.begin(str(tmp_path), Own(), session(1))
    (tmp_path / "config.json").write_text(re.sub(r' *"NUM_ATTRIBUTES": 0,\n', "", text))
    config = Own()
    config.NUM_ATTRIBUTES = 2
    with pytest.raises(ValueError, match="NUM_ATTRIBUTES = 0, and the configuration says 2: that is another network"):
        record.begin(str(tmp_path), config, session(2))


def test_another_name_of_a_callable_backbone_is_let_pass(tmp_path):
    record.begin(str(tmp_path), Own(), session())

    class Moved(Own):
        BACKBONE = staticmethod(lambda *a, **k: tiny.backbone(*a, **k))

    record.begin(str(tmp_path), Moved(), session(2))
    assert "BACKBONE" in document(tmp_path)["sessions"][1]["config_changes"]


BROKEN = (
    "", "{", "[]", "{}", '{"format": 1}', '{"format": 9, "config": {}, "sessions": []}', '{"format": 1, "config": {}, "sessions": [1]}',
    '{"format": 1, "config": {}, "sessions": {}}', "\ud800", "[" * 100000,
)  # fmt: skip


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_set_aside(tmp_path, text, capsys):
    (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match="not what a training writes"):
        record.read_config(tmp_path)
    assert record.sessions(str(tmp_path)) == []
    record.begin(str(tmp_path), Own(), session())
    assert len(document(tmp_path)["sessions"]) == 1 and sorted(os.listdir(tmp_path)) == ["config.json", "config.json.broken"]
    assert "kept as config.json.broken" in capsys.readouterr().out


def test_a_value_that_cannot_be_decoded_is_an_error_that_says_so(tmp_path):
    (tmp_path / "config.json").write_text('{"format": 1, "config": {"A": {"@array": 1, "shape": 3}}, "sessions": []}')
    with pytest.raises(ValueError, match="holds a value that this version can't read"):
        record.read_config(tmp_path)


def test_lists_take_a_line_and_texts_stay_as_they_are(tmp_path):
    class Odd(Config):
        NAME = "odd"
        TEXTS = ["a,\n  b", "[\n 1\n]", "\\n [ x ]"]

    record.begin(str(tmp_path), Odd(), session())
    assert '"BACKBONE_STRIDES": [4, 8, 16, 32, 64],\n' in (tmp_path / "config.json").read_text()
    assert record.read_config(tmp_path)["TEXTS"] == Odd.TEXTS


def test_stages_are_where_other_layers_begin():
    entries = [session(0, 5, "heads"), session(5, 8, "all"), session(8, 9, "all"), session(9, 12, ["a", "b"])]
    assert record.stages(entries) == [(0, "heads"), (5, "all"), (9, "2 layers")]


def test_stages_of_epochs_done_again_are_the_later_ones():
    entries = [session(0, 5, "heads"), session(5, 10, "all"), session(3, 6, "heads"), session(6, 9, "4+")]
    assert record.stages(entries) == [(0, "heads"), (6, "4+")]
    assert record.stages([{}, {"epoch_from": 0}, {"epoch_from": "x", "training": None}]) == []
