"""A deterministic training that is killed and resumed ends with the weights, bit for bit, of one that was not."""

import os
import random
import subprocess
import sys

import pytest
from backend_tools import TENSORFLOW

pytestmark = pytest.mark.skipif(not TENSORFLOW, reason="each run is a process that traces anew; one backend shows it")
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def run(folder, *moment):
    """Run the program; returns its exit status and what it says at the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, os.path.dirname(HERE)]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, os.path.join(HERE, "killed_program.py"), str(folder), *moment], env=environment, capture_output=True, text=True, timeout=280
    )
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
    assert done.returncode in (0, -9), done.stderr[-2000:]
    return done.returncode, last


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run says that nobody disturbed."""
    status, said = run(tmp_path_factory.mktemp("whole"))
    assert status == 0 and said.startswith("DONE 4 ")  # early stopping ends the second stage after three of its four epochs
    return said


def test_three_kills_inside_checkpoint_writing_and_between_steps_change_no_bit(whole, tmp_path):
    # 1: the first epoch's state is being completed; its weights are there. 2: a step of the second epoch. 3: the weights of the second are renamed.
    for moment in ("replace:3", "batch:2", "replace:1"):
        assert run(tmp_path, moment)[0] == -9, f"{moment} never came"
    assert run(tmp_path) == (0, whole)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_kills_at_random_moments_change_no_bit(whole, tmp_path):
    rng, kills, rounds = random.Random(0), 0, 0
    while kills < 20:
        folder = tmp_path / str(rounds)
        folder.mkdir()
        rounds += 1
        for _ in range(5):
            kind = rng.choice(["fsync", "replace", "batch", "seconds"])
            moment = f"{kind}:{rng.uniform(0.0, 8.0):.2f}" if kind == "seconds" else f"{kind}:{rng.randint(1, 9)}"
            status, said = run(folder, moment)
            kills += status == -9
            if status == 0:
                assert said == whole
                break
        else:
            assert run(folder) == (0, whole)
