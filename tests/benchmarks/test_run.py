import json
import types

import pytest

from benchmarks import contest, inference, machine, run, runtimes


@pytest.fixture
def fake_work(monkeypatch):
    """The work "infer" replaced by one that takes no time."""

    def play(options, notes):
        notes.append("torchvision: skipped")
        return {"ratios": {"a / b": 0.5}, "rounds": options.rounds}

    monkeypatch.setattr(run.importlib, "import_module", lambda name: types.SimpleNamespace(run=play))


def test_the_json_file_holds_machine_seed_figures_and_notes(fake_work, tmp_path):
    run.main(["infer", "--rounds", "2", "--json", str(tmp_path / "folder" / "out.json")])
    report = json.loads((tmp_path / "folder" / "out.json").read_text())
    assert report["machine"]["cores"] >= 1 and "flags" in report["machine"] and report["seed"] == 0
    assert report["works"]["infer"]["ratios"] == {"a / b": 0.5} and report["works"]["infer"]["rounds"] == 2
    assert report["works"]["infer"]["others_busy_cores"] >= 0
    assert report["notes"][0] == "torchvision: skipped"


def test_a_busy_machine_is_said(fake_work, monkeypatch, capsys):
    monkeypatch.setattr(machine.Busy, "others", lambda self: 1.5)
    report = run.main(["infer"])
    assert any("others kept 1.50 cores busy" in note for note in report["notes"])
    assert "distorted" in capsys.readouterr().out


def test_without_words_the_four_main_works_are_played():
    assert run.arguments([]).works == ["infer", "train", "input", "paste"]


@pytest.mark.parametrize("words", [["inferr"], ["infer", "--rounds", "0"]])
def test_wrong_words_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        run.arguments(words)
    assert "inferr" in capsys.readouterr().err or "0" in words


def test_a_work_that_was_skipped_leaves_its_note(monkeypatch):
    monkeypatch.setattr(run.importlib, "import_module", lambda name: types.SimpleNamespace(run=lambda options, notes: notes.append("skipped")))
    report = run.main(["runtimes"])
    assert report["notes"][0] == "skipped" and set(report["works"]["runtimes"]) == {"others_busy_cores"}


def test_the_json_files_folder_is_made_before_the_work(monkeypatch, tmp_path):
    monkeypatch.setattr(run.sys, "argv", ["work.py", "--json", str(tmp_path / "folder" / "out.json")])
    seen = []

    def work(options, notes):
        seen.append(options.json.parent.is_dir())
        return {"ratio": 0.5}

    contest.play_alone(work, "a work")
    assert seen == [True] and json.loads((tmp_path / "folder" / "out.json").read_text()) == {"ratio": 0.5}
    monkeypatch.setattr(runtimes, "run", lambda options, notes: seen.append(options.json.parent.is_dir()))
    runtimes.main(["--json", str(tmp_path / "other" / "out.json")])
    monkeypatch.setattr(
        run.importlib, "import_module", lambda name: types.SimpleNamespace(run=lambda options, notes: seen.append(options.json.parent.is_dir()))
    )
    run.main(["infer", "--json", str(tmp_path / "third" / "out.json")])
    assert seen == [True] * 3


def test_throughput_left_out_is_said(monkeypatch, capsys):
    for part in ("whole", "parts", "throughput"):
        monkeypatch.setattr(inference, part, lambda *arguments: {"played": True})
    notes: list[str] = []
    assert inference.run(run.arguments(["infer", "--size", "512"]), notes)["throughput"] is None
    assert len(notes) == 1 and "throughput left out" in notes[0] and notes[0] in capsys.readouterr().out
    assert inference.run(run.arguments(["infer"]), notes)["throughput"] == {"played": True} and len(notes) == 1
