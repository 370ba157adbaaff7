"""benchmarks.convolutions: it counts as flops.py does, and every contestant runs."""

import argparse

import numpy as np
import pytest

from benchmarks import convolutions, flops

TINY = (convolutions.Convolution(8, 4, 6, 3, "tiny"),)


def test_operations_are_those_of_the_graph():
    tf = pytest.importorskip("tensorflow")
    kernel = tf.zeros((3, 3, 4, 6))
    counted = flops.count(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"), tf.TensorSpec((2, 8, 8, 4), tf.float32))
    assert counted == {"Conv2D": TINY[0].operations(2)}


def test_each_convolution_has_a_task_for_each_number_of_images(monkeypatch):
    pytest.importorskip("tensorflow")
    monkeypatch.setattr(convolutions, "CONVOLUTIONS", TINY)
    tasks = convolutions.convolutions().run
    assert set(tasks) == {"0 1", "0 2", "0 4"}
    for task in tasks.values():
        task()


def test_rates_follow_from_operations_and_seconds(monkeypatch, capsys):
    class Timed:
        def __init__(self, factory, options=None):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def run(self, task):
            return {"seconds": 2.0}

    monkeypatch.setattr(convolutions, "CONVOLUTIONS", TINY)
    monkeypatch.setattr(convolutions, "Worker", Timed)
    (row,) = convolutions.single(argparse.Namespace(rounds=2))
    assert row["gflops"][4]["median"] == pytest.approx(TINY[0].operations(4) / 2e9)
    assert "8², 4 to 6, 3 × 3 (tiny)" in capsys.readouterr().out


@pytest.mark.slow
def test_the_frozen_trunk_gives_what_the_trunk_gives():  # "fusion off" sets what holds for the whole process
    pytest.importorskip("tensorflow")
    as_it_is, frozen = (convolutions.whole(way, 64).run["trunk"]() for way in ("as it is", "frozen"))
    assert len(as_it_is) == len(frozen) > 4
    for one, other in zip(as_it_is, frozen, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * np.abs(one).max())
