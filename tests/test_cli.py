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


def figures(folder, *losses):
    folder.mkdir()
    (folder / "metrics.csv").write_text("epoch,loss\n" + "".join(f"{epoch},{loss}\n" for epoch, loss in enumerate(losses, start=1)))
    return str(folder)


def test_curves_of_a_run_are_drawn_in_its_folder(tmp_path, capsys):
    run = figures(tmp_path / "run", 2.0, 1.0)
    assert cli.main(["curves", run]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "run" / "curves.png")
    assert (tmp_path / "run" / "curves.png").stat().st_size > 10000


def test_curves_of_several_runs_are_drawn_together(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runs = [figures(tmp_path / "a", 2.0, 1.0), str(tmp_path / "a" / "metrics.csv"), figures(tmp_path / "b", 3.0)]
    assert cli.main(["curves", *runs]) == 0 and cli.main(["curves", *runs, "--output", "both.png"]) == 0
    assert capsys.readouterr().out.split() == ["curves.png", "both.png"]
    assert (tmp_path / "curves.png").read_bytes() == (tmp_path / "both.png").read_bytes() and not (tmp_path / "a" / "curves.png").exists()


@pytest.mark.parametrize(("text", "says"), [(None, "holds no metrics.csv"), ("", "names no column 'epoch'"), ("epoch,loss\n", "has no row")])
def test_curves_without_figures_are_an_error(tmp_path, text, says, capsys):
    if text is not None:
        (tmp_path / "metrics.csv").write_text(text)
    assert cli.main(["curves", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("mrcnn curves: ") and says in said


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


@pytest.mark.parametrize("module", ["mrcnn", "mrcnn.config", "mrcnn.cli", "mrcnn.weights.layout", "mrcnn.training.curves", "mrcnn.commands.detect"])
def test_light_modules_load_no_framework(module):
    script = f"import sys, {module}; print([m for m in ('tensorflow', 'keras', 'jax', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
