"""The command and what a training runs in."""

import json
import os
import subprocess
import sys

from mrcnn.training import environment


def test_environment_names_versions_machine_and_backend():
    found = environment.environment()
    versions = found["versions"]
    assert versions["python"].startswith("3.") and versions["keras"].startswith("3.") and versions["numpy"] and versions["cv2"]
    assert versions[found["backend"]] and found["processors"] >= 1 and isinstance(found["devices"], list)
    json.dumps(found, allow_nan=False)


def test_only_listed_variables_are_recorded(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("TF_VAR_password", "hidden")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    found = environment.environment()["variables"]
    assert found["CUDA_VISIBLE_DEVICES"] == "0,1" and set(found) <= set(environment.VARIABLES)
    assert "hidden" not in found.values()


def test_command_can_be_given_to_a_shell(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "orig_argv", ["python", "train.py", "--name", "two words"])
    monkeypatch.setattr(sys, "argv", ["train.py", "--name", "two words"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    found = environment.command()
    assert (found["line"], found["argv"], found["folder"]) == ("python train.py --name 'two words'", sys.argv, os.getcwd())
    assert found["interactive"] is None


def test_a_notebook_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", environment)
    assert environment.command()["interactive"] == "notebook"


def test_a_folder_that_was_deleted_is_no_error(monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert environment.command()["folder"] is None
    assert environment.environment()["git"] is None
    os.chdir(tmp_path)


def git(folder, *words):
    names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *names, *words], cwd=folder, check=True, capture_output=True)


def test_commit_and_whether_files_differ_from_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment.environment()["git"] is None
    git(tmp_path, "init")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "first")
    clean = environment.environment()["git"]
    (tmp_path / "a").write_text("2")
    changed = environment.environment()["git"]
    assert len(clean["commit"]) == 40 and clean["commit"] == changed["commit"]
    assert (clean["changed"], changed["changed"]) == (False, True)
