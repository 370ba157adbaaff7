import json
import pathlib

import numpy as np
import pytest

from benchmarks import long_tail, small_sets, techniques, trials
from mrcnn.data import class_weights
from mrcnn.training import stages

SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"


def test_every_schedule_of_a_technique_takes_the_same_epochs():
    schedules = [text for technique in techniques.TECHNIQUES.values() for text in technique.values()]
    assert len(schedules) == len(set(schedules))
    for text in schedules:
        assert sum(stage.epochs for stage in stages.read(text)) == techniques.EPOCHS


def test_scenes_to_judge_by_are_none_of_the_training():
    assert long_tail.POOL < trials.VAL_FIRST
    assert techniques.PRETRAINED_SERIES != trials.SERIES


def test_the_tail_keeps_its_quotas_and_is_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(long_tail, "QUOTAS", {"hat": 3, "dress": 1})
    pool = trials.scenes(30)
    data, counts = long_tail.tail(pool, str(tmp_path))
    ids = np.concatenate([data.image_class_ids(i) for i in data.image_ids])
    assert counts.tolist() == np.bincount(ids, minlength=9).tolist()
    assert counts[data.class_names.index("hat")] <= 3
    assert counts[data.class_names.index("dress")] <= 1
    assert 0 < data.num_images < 30
    kept = json.loads((tmp_path / "scenes.json").read_text())
    assert kept["scenes"] == data.whole_ids.tolist()
    again, counts_again = long_tail.tail(pool, str(tmp_path))
    assert again.whole_ids.tolist() == data.whole_ids.tolist()
    assert counts_again.tolist() == counts.tolist()


def test_other_quotas_choose_anew(tmp_path, monkeypatch):
    pool = trials.scenes(10)
    monkeypatch.setattr(long_tail, "QUOTAS", {"hat": 0})
    _, without = long_tail.tail(pool, str(tmp_path))
    monkeypatch.setattr(long_tail, "QUOTAS", {"hat": 99})
    _, with_hats = long_tail.tail(pool, str(tmp_path))
    assert without[1] == 0 < with_hats[1]


@pytest.mark.parametrize("name", long_tail.TRIALS)
def test_each_trial_is_a_valid_configuration(name):
    counts = np.array([0, 700, 1000, 300, 36, 120, 1000, 3600, 900])
    config = trials.small(long_tail.TRIALS[name](counts), seed=4, steps=7)
    config.validate()
    assert (config.SEED, config.STEPS_PER_EPOCH) == (4, 7)
    if name.startswith("weights"):
        np.testing.assert_array_equal(config.CLASS_WEIGHTS, class_weights.from_counts(counts, name.split("-")[1]))


@pytest.mark.parametrize(("name", "folder", "classes"), [("nuts", "nuts_labelme", 3), ("nuclei", "dsb2018_mini", 1)])
def test_each_small_set_is_read_whole_and_its_configuration_is_valid(name, folder, classes):
    if not (SHARED / folder).is_dir():
        pytest.skip(f"needs {SHARED / folder}")
    train, val = small_sets.CASES[name].read(str(SHARED / folder))
    counts = [sum(len(one.image_class_ids(i)) for i in one.image_ids) for one in (train, val)]
    assert counts == {"nuts": [134, 31], "nuclei": [459, 113]}[name]  # as their READMEs say
    assert train.class_names == val.class_names and train.num_classes == 1 + classes
    config = small_sets.config(name, train, seed=3)
    config.validate()
    assert max(len(train.image_class_ids(i)) for i in train.image_ids) <= config.MAX_GT_INSTANCES
    stages.read(small_sets.CASES[name].stages)
