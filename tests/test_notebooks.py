"""The notebooks in samples/: no outputs in git, and each runs from its first cell to its last."""

import os
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "samples").rglob("*.ipynb"))
#: A line that each prints, and how many pictures it draws at least.
EXPECTED = {
    "demo": ("instances found", 2),
    "train_shapes": ("mAP at IoU 0.5", 4),
    "inspect_data": ("anchors: ", 12),
    "inspect_model": ("mean AP at IoU 0.5 of 12 images", 20),
    "inspect_weights": ("mrcnn_class_logits", 1),
}


def test_every_notebook_is_expected():
    assert {path.stem for path in NOTEBOOKS} == set(EXPECTED)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_small_and_hold_no_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            assert "execution" not in cell.metadata
    assert path.stat().st_size < 40_000


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """One folder of runs for all: the notebooks' small network is trained once."""
    return tmp_path_factory.mktemp("logs")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("default")  # of Jupyter; those of the notebooks appear in their outputs
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, logs, monkeypatch):
    monkeypatch.setenv("MRCNN_LOGS", str(logs))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.delenv("MPLBACKEND", raising=False)  # pictures are to appear in the notebook
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=1500, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    if os.environ.get("MRCNN_EXECUTED"):  # a folder: to look at what they draw
        nbformat.write(notebook, Path(os.environ["MRCNN_EXECUTED"]) / path.name)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.get("text", "") + str(output.get("data", {}).get("text/html", "")) for output in outputs)
    line, pictures = EXPECTED[path.stem]
    assert line in said
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= pictures
    assert "Warning" not in said
