import json

import numpy as np
import pytest

from benchmarks import long_tail, techniques, trials
from mrcnn.data import class_weights
from mrcnn.training import stages


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
