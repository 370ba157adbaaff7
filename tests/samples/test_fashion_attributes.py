"""Attributes in the fashion sample: kept in run.json, told by detect, and measured; the runs themselves are the library's."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mrcnn.data.synthetic import SceneDataset
from mrcnn.evaluation.attributes import AttributeAccumulator
from mrcnn.results import Detections

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "samples" / "fashion"))

import fashion  # noqa: E402  (the sample's folder is on the path only now)
import fashion_attributes  # noqa: E402
import fashion_options  # noqa: E402
import fashion_run  # noqa: E402
import fashion_splits  # noqa: E402

NAMES = [[12, "long"], [44, "striped"]]


@pytest.fixture
def scenes():
    dataset = SceneDataset()
    dataset.load(count=1, seed=1, size=64)
    dataset.prepare()
    return dataset


@pytest.fixture
def found():
    mask = np.ones((8, 8, 2), bool)
    return Detections([[0, 0, 8, 8]] * 2, [1, 2], [0.9, 0.8], mask, attributes=[[0.6, 0.93], [0.1, 0.2]])


def test_record_keeps_the_attributes_of_the_data_and_their_number(scenes):
    asked = fashion_options.parse(["train", "--attributes"])
    asked.settings["NUM_ATTRIBUTES"] = len(fashion_attributes.require(scenes))  # as train does
    record = fashion._record(asked, None, "small", scenes, 0)
    assert record.attributes[0] == [0, "plain"] and record.settings == {"NUM_ATTRIBUTES": len(record.attributes)}
    without = fashion._record(fashion_options.parse(["train"]), None, "small", scenes, 0)
    assert without.attributes == [] and without.settings == {}


def test_a_run_from_before_reads_as_one_without_attributes(tmp_path, scenes):
    fashion._record(fashion_options.parse(["train"]), None, "small", scenes, 0).write(str(tmp_path))
    path = tmp_path / fashion_run.RECORD
    path.write_text(path.read_text().replace('"attributes"', '"else"'))
    assert fashion_run.Record.read(str(tmp_path / "mask_rcnn_fashion_0001.h5")).attributes == []


def test_the_number_is_no_setting(capsys):
    with pytest.raises(SystemExit):
        fashion_options.parse(["train", "--set", "NUM_ATTRIBUTES=3"])
    assert "has its own option, --attributes" in capsys.readouterr().err


def test_data_without_attributes_and_other_data_are_refused(scenes):
    record = fashion_run.Record("small", ["hat"], attributes=NAMES)
    with pytest.raises(ValueError, match="The data name 15 attributes, the run was trained with 2 others"):
        fashion_attributes.require_same(record, scenes)
    scenes.attribute_names = {12: "long", 44: "striped"}
    fashion_attributes.require_same(record, scenes)
    scenes.attribute_names = {}
    fashion_attributes.require_same(fashion_run.Record("small", ["hat"]), scenes)
    with pytest.raises(ValueError, match="The data name no attributes: label_descriptions.json"):
        fashion_attributes.require(scenes)


def test_runs_of_other_attributes_do_not_detect_together():
    """Their probabilities would be averaged place by place, and named by the first run."""
    one, other = (fashion_run.Record("small", ["hat"], attributes=names) for names in (NAMES, [NAMES[0], [45, "red"]]))
    without = fashion_run.Record("small", ["hat"])
    fashion_splits.require_same_classes(["a.h5", "b.h5"], [without, one])
    with pytest.raises(ValueError, match="c.h5 has other attributes than b.h5"):
        fashion_splits.require_same_classes(["a.h5", "b.h5", "c.h5"], [without, one, other])


def test_detections_tell_them_with_names_and_ids(found):
    assert fashion_attributes.lines(found, NAMES) == ["striped 0.93, long 0.60", ""]
    told = fashion_run.as_json("a.jpg", found, ["BG", "hat", "shirt"], NAMES)["detections"]
    assert told[0]["attributes"] == [{"id": 44, "name": "striped", "probability": 0.93}, {"id": 12, "name": "long", "probability": 0.6}]
    assert told[1]["attributes"] == [] and told[1]["class"] == "shirt"
    plain = Detections(found["rois"], found["class_ids"], found["scores"], found["masks"])
    assert "attributes" not in fashion_run.as_json("a.jpg", plain, ["BG", "hat", "shirt"])["detections"][0]
    assert fashion_attributes.lines(plain, []) == ["", ""]


def test_they_come_back_to_the_photo_with_the_detections(found):
    found.attribute_min_confidence = 0.7
    back = fashion_run.rescaled(found, 6, 10)
    assert (back.attributes == found.attributes).all() and fashion_attributes.lines(back, NAMES) == ["striped 0.93", ""]


def test_report_has_a_line_an_attribute_and_the_interval(found):
    gathered = AttributeAccumulator(2)
    gathered.add([1, 2], [[1, 1], [0, -1]], found, found["masks"])
    lines = fashion_attributes.report(gathered, NAMES).splitlines()
    assert lines[0] == "Attributes, from probability 0.5 on:" and any(line.startswith("long") for line in lines)
    assert lines[-1].startswith("mean F1 1.000 (1.000 – 1.000): in brackets 95% of 1000 draws")
