"""What all samples have in common: they start from any folder, at once."""

import argparse
import os
import subprocess
import sys

import pytest
import reference_cases

from samples import program
from samples.shapes import shapes

FOLDER = reference_cases.ROOT / "samples"
NAMES = ("balloon", "coco", "fashion", "nucleus", "shapes")


@pytest.mark.parametrize("name", NAMES)
def test_a_program_starts_from_its_own_folder_and_loads_no_tensorflow(name):
    code = f"import sys, runpy; sys.path.insert(0, '.'); sys.argv = ['{name}.py', '--help']\n"
    code += f"try: runpy.run_path('{name}.py', run_name='__main__')\nexcept SystemExit as left: print(left.code, 'tensorflow' in sys.modules)"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd=FOLDER / name, env=environment, capture_output=True, text=True, timeout=200)
    assert done.stdout.startswith("usage:") and done.stdout.endswith("0 False\n"), done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_imported_by_a_script_elsewhere(name, tmp_path):
    """By its place under samples/, and as the original's notebooks do, from its own folder."""
    (tmp_path / "by_place.py").write_text(f"import sys\nsys.path.append({str(FOLDER.parent)!r})\nfrom samples.{name} import {name}\n{name}.main")
    (tmp_path / "by_folder.py").write_text(f"import sys\nsys.path.append({str(FOLDER / name)!r})\nimport {name}\n{name}.main")
    for script in ("by_place.py", "by_folder.py"):
        done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr


def test_a_program_runs_from_the_repositorys_root(tmp_path):
    words = ["samples/balloon/balloon.py", "train", "--dataset", str(tmp_path / "none"), "--weights", "none"]
    done = subprocess.run([sys.executable, *words], cwd=reference_cases.ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1 and done.stderr.startswith("balloon.py train: Data set folder not found")


def test_words_of_the_command_line_are_checked():
    for read, good, bad in (
        (program.count, "3", "0"), (program.whole, "0", "-1"), (program.share, "0.5", "1"), (program.learning_rate, "1e-3", "nan"),
        (program.layers, "4+", "middle"), (program.layers, "(res5.*)", "(res5"), (program.setting, "WEIGHT_DECAY=0.1", "WEIGHT_DECAI=0.1"),
        (program.stages, "heads:1e-3:5,all:1e-4:2:cosine", "heads:2:5"),
    ):  # fmt: skip
        read(good)
        with pytest.raises(argparse.ArgumentTypeError):
            read(bad)


def test_an_interrupted_command_says_how_to_go_on(capsys):
    def interrupted(options):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        program.run("balloon.py", interrupted, argparse.Namespace(command="train"))
    assert caught.value.code == 130 and "balloon.py train: stopped" in capsys.readouterr().out


def test_debug_shows_where_an_error_comes_from():
    def broken(options):
        raise ValueError("no such thing")

    for debug, error in ((False, SystemExit), (True, ValueError)):
        with pytest.raises(error, match="no such thing"):
            program.run("balloon.py", broken, argparse.Namespace(command="train", debug=debug))


def test_thresholds_wrap_the_network_where_they_are_asked_for():
    class Model:
        config = None

        def load_thresholds(self, path):
            return path

        def detect(self, images, verbose=0, lazy_masks=False, thresholds=None):
            return thresholds

    parser, model = argparse.ArgumentParser(), Model()
    program.add_thresholds(parser)
    assert program.with_thresholds(model, parser.parse_args([])) is program.with_thresholds(model, argparse.Namespace()) is model
    assert program.with_thresholds(model, parser.parse_args(["--thresholds", "mine.json"])).detect([]) == "mine.json"
    assert program.with_thresholds(model, parser.parse_args(["--thresholds"])).detect([]) is None  # beside the weights


@pytest.mark.parametrize("weights", ["nowhere.h5", "imagenet:nowhere.h5", "last"])
def test_weights_that_are_not_there_are_refused_before_a_network_is_built(tmp_path, monkeypatch, weights):
    monkeypatch.setattr("mrcnn.model.MaskRCNN", None)  # to build one would fail
    options = argparse.Namespace(command="train", weights=weights, logs=str(tmp_path), debug=False)
    for ask in (program.training_model, program.inference_model):
        with pytest.raises(SystemExit) as caught:
            program.run("shapes.py", lambda options, ask=ask: ask(shapes.ShapesConfig(), options), options)
        assert ("no run of 'shapes'" if weights == "last" else "Weight file not found: nowhere.h5") in caught.value.code
