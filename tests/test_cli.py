"""The command line of the package."""

import subprocess
import sys

import numpy as np
import pytest

from mrcnn import cli


def write_file(path):
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.asarray([b"mrcnn_class_logits"])
        group = file.create_group("mrcnn_class_logits")
        group.attrs["weight_names"] = np.asarray([b"mrcnn_class_logits/kernel:0"])
        group["mrcnn_class_logits/kernel:0"] = np.zeros((8, 5), "f4")
    return str(path)


def test_weights_describes_a_file(tmp_path, capsys):
    assert cli.main(["weights", write_file(tmp_path / "x.h5")]) == 0
    assert "NUM_CLASSES (background included): 5" in capsys.readouterr().out


def test_weights_lists_layers_on_request(tmp_path, capsys):
    assert cli.main(["weights", write_file(tmp_path / "x.h5"), "--layers"]) == 0
    assert "mrcnn_class_logits/kernel:0" in capsys.readouterr().out


def test_bad_input_is_one_line_and_status_1(tmp_path, capsys):
    assert cli.main(["weights", str(tmp_path / "nowhere.h5")]) == 1
    assert capsys.readouterr().err.startswith("mrcnn weights: There is no weight file")


def test_no_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as raised:
        cli.main([])
    assert raised.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_module_answers_help():
    done = subprocess.run([sys.executable, "-m", "mrcnn", "--help"], capture_output=True, text=True, check=True)
    assert "weights" in done.stdout


@pytest.mark.parametrize("module", ["mrcnn", "mrcnn.config", "mrcnn.cli", "mrcnn.weights.layout"])
def test_light_modules_load_no_framework(module):
    script = f"import sys, {module}; print([m for m in ('tensorflow', 'keras', 'jax', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
