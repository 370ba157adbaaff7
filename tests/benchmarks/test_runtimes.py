"""The work "runtimes": what it says where its packages are absent, and its measure of agreement."""

import argparse

import numpy as np
import pytest

from benchmarks import runtimes


def test_without_its_interpreter_the_work_is_skipped_and_noted(monkeypatch, capsys):
    monkeypatch.setenv("MRCNN_BENCH_RUNTIMES", "/no/such/python")
    notes = []
    assert runtimes.run(argparse.Namespace(rounds=1, size=64), notes) is None
    assert len(notes) == 1 and "/no/such/python" in notes[0]
    assert notes[0] in capsys.readouterr().out


def test_difference_is_that_of_the_worst_output_and_relative(tmp_path):
    exact = {name: np.full((2, 2), 4.0, np.float32) for name in runtimes.OUTPUTS}
    np.savez(tmp_path / "tensorflow float32.npz", **exact)
    np.savez(tmp_path / "openvino bfloat16.npz", **{**exact, "fpn_p3": np.full((2, 2), 4.5, np.float32)})
    assert runtimes._difference(tmp_path, "openvino bfloat16") == pytest.approx(0.125)
