"""The work "input": real photos and a large one's memory, at sizes that take no time."""

import numpy as np
import pytest

from benchmarks import input_photos, workers

CI = workers.ROOT.parent / "shared" / "data" / "ccp_ci"


@pytest.mark.parametrize("kind", ["run lengths", "planes"])
def test_a_large_photo_is_loaded_and_its_memory_told(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(input_photos, "BIG", (300, 400))
    monkeypatch.setattr(input_photos, "INSTANCES", 5)
    monkeypatch.setattr(input_photos, "BIG_SIZE", 128)
    tasks = input_photos.big(str(tmp_path), kind)
    assert tasks.run["item"]() == {} and tasks.facts["added_mb"] >= 0


def test_memory_that_is_taken_and_given_back_counts():
    def call():
        return np.ones((60, 1000, 1000), np.uint8).sum()

    assert 55 < input_photos.added_to_peak(call) < 90


def test_instances_lie_on_the_photo():
    encoded = input_photos._instances((300, 400), 4)
    assert [one["size"] for one in encoded] == [[300, 400]] * 4 and len({one["counts"] for one in encoded}) == 4


@pytest.mark.skipif(not CI.is_dir(), reason="shared/data/ccp_ci is absent")
def test_real_photos_are_loaded_with_their_instances():
    tasks = input_photos.real(str(CI))
    assert tasks.facts["photos"] > 0 and tasks.facts["instances"] > tasks.facts["photos"]
    assert tasks.run["load"]()["cpu_seconds"] > 0
