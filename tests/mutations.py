"""Mutation tests: would a bug in each stage turn a test red?

    python tests/mutations.py                       every mutation
    python tests/mutations.py --only nms losses     those with one of the words in name, stage or file
    python tests/mutations.py --wider tests/nn      survivors meet these tests as well

`mutations.toml` holds the bugs: one piece of text of the package replaced by another, and the test files that ought to notice. Each is put into a
copy of the working tree, never into the tree itself, and its tests run there until the first one fails. At the end all these tests run on the copy
without any bug: one that fails there too has killed nothing. Each run is a fork of a process that has imported the libraries, which takes longer
than most of the tests do; so this needs Linux or macOS.

No test is collected from here; test_mutations.py holds the list to the package's text.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_suffix(".toml")
LIBRARIES = (  # no plugin of pytest: it warns of those that were imported before it
    "pytest", "keras", "tensorflow", "numpy", "cv2", "PIL.Image", "h5py", "pandas", "pycocotools.mask", "pycocotools.cocoeval",
    "matplotlib.pyplot",
)  # fmt: skip
SECONDS = 900  # a mutant that runs longer has hung, which is noticed too
SELECTION = "not slow and not gpu"  # that of `make test`


class Mutation(NamedTuple):
    """A bug, as data.

    Attributes:
        name: Says what is wrong.
        stage: Where in training, detection or evaluation.
        file: Path within the repository.
        old: Text that occurs once in `file`.
        new: What a tired engineer would have written.
        tests: Test files that ought to notice; tests by name (file::test) where a file takes long.
    """

    name: str
    stage: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


class Outcome(NamedTuple):
    """What a run of tests gave.

    Attributes:
        failed: Ids of the tests that failed; with `first_only` at most a few.
        ran: Number of tests that ran to their end.
        hung: Whether it was stopped after `SECONDS`.
    """

    failed: list[str]
    ran: int
    hung: bool


def read() -> list[Mutation]:
    """Read the list.

    Raises:
        TypeError: An entry lacks a field, or has another one.
    """
    with LIST.open("rb") as file:
        return [Mutation(**{**entry, "tests": tuple(entry["tests"])}) for entry in tomllib.load(file)["mutation"]]


def mutated(mutation: Mutation, text: str) -> str:
    """Return a file's text with the bug in it.

    Raises:
        ValueError: The text to be replaced is not there, or more than once.
    """
    count = text.count(mutation.old)
    if count != 1:
        raise ValueError(
            f"{mutation.name}: {mutation.old!r} occurs {count} times in {mutation.file}, 1 is expected. Give more or less of the line."
        )
    return text.replace(mutation.old, mutation.new)


def copy_tree(target: Path) -> None:
    """Copy what git knows of the working tree, and what it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def put(path: Path, text: str) -> None:
    """Write a module, and remove its bytecode: that is told apart by size and second only."""
    path.write_text(text, encoding="utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def run(root: Path, tests: Sequence[str], *, first_only: bool = True) -> Outcome:
    """Run tests of the copy in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        told, said = Path(folder, "told.json"), Path(folder, "said.txt")
        child = os.fork()
        if not child:
            os.setsid()  # so that it can be stopped with its own children
            _in_child(root, list(tests), told, said, first_only)
        hung = not _ended(child, SECONDS)
        if hung:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
        found = json.loads(told.read_text()) if told.exists() else {"failed": [], "ran": 0}
        if not found["ran"] and not found["failed"] and not hung:
            raise RuntimeError(f"No test ended of {', '.join(tests)}:\n{said.read_text()[-2000:]}")
        return Outcome(found["failed"], found["ran"], hung)


def _in_child(root: Path, tests: list[str], told: Path, said: Path, first_only: bool) -> None:
    try:
        with said.open("w") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        os.chdir(root)
        import pytest

        seen = _Seen()
        pytest.main(
            ["-q", "-p", "pytest_timeout", "-p", "no:cacheprovider", "-m", SELECTION, *["-x"] * first_only, *tests],
            plugins=[seen],
        )
        importlib.import_module("mrcnn")  # not another one than the copy's
        if not str(sys.modules["mrcnn"].__file__).startswith(str(root)):
            raise RuntimeError(f"mrcnn came from {sys.modules['mrcnn'].__file__}, not from {root}.")
        told.write_text(json.dumps({"failed": seen.failed, "ran": seen.ran}))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class _Seen:
    """A plugin of pytest that notes what failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.ran = 0

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.ran += report.when == "call"
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(f"{report.nodeid} (collection)")


def _ended(child: int, seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.05)
    return False


def kill(mutation: Mutation, root: Path, wider: Sequence[str]) -> str | None:
    """Run the tests that ought to notice a mutation, then the wider ones.

    Returns:
        Id of the test that failed, "hung", or None where all passed.
    """
    path = root / mutation.file
    before = path.read_text(encoding="utf-8")
    put(path, mutated(mutation, before))
    try:
        for tests in (mutation.tests, wider):
            outcome = run(root, tests) if tests else Outcome([], 0, False)
            if outcome.hung or outcome.failed:
                return outcome.failed[0] if outcome.failed else "hung"
        return None
    finally:
        put(path, before)


def main() -> int:
    """Run mutations; print a line each, and what survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="mutations with one of the words in name, stage or file"
    )
    parser.add_argument("--wider", nargs="+", default=[], metavar="PATH", help="tests that survivors meet as well")
    args = parser.parse_args()
    chosen = [
        one
        for one in read()
        if not args.only or any(word in f"{one.name} {one.stage} {one.file}" for word in args.only)
    ]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # looking for plugins takes half a second
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.pop("MRCNN_REFERENCE", None)  # the project's own tests have to notice
    for name in LIBRARIES:  # not mrcnn: it is another one in each run
        if importlib.util.find_spec(name.partition(".")[0]) is not None:
            importlib.import_module(name)
    gc.freeze()  # else each child's collections look through all of the libraries, which takes longer than many tests
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        os.environ["PYTHONPATH"] = str(root)  # of the programs that tests start
        sys.path[:] = [str(root), *(part for part in sys.path if part not in ("", str(ROOT), str(ROOT / "tests")))]
        copy_tree(root)
        killers = {one: _told(number, len(chosen), one, root, args.wider) for number, one in enumerate(chosen, start=1)}
        tests = sorted({killer for killer in killers.values() if killer and "::" in killer and " " not in killer})
        broken = set(run(root, tests, first_only=False).failed) if tests else set()
    survivors = [one for one, killer in killers.items() if killer is None or killer in broken]
    for test in sorted(broken):
        print(f"fails without any mutation: {test}")
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutations turned a test red")
    for one in survivors:
        print(f"survived: {one.name} ({one.file})")
    return 1 if survivors else 0


def _told(number: int, total: int, mutation: Mutation, root: Path, wider: Sequence[str]) -> str | None:
    start = time.process_time(), os.times().children_user + os.times().children_system
    killer = kill(mutation, root, wider)
    seconds = os.times().children_user + os.times().children_system - start[1]
    print(
        f"{number:3}/{total} {mutation.stage:18} {mutation.name:44} {'SURVIVED' if killer is None else killer}  {seconds:.1f} s",
        flush=True,
    )
    return killer


if __name__ == "__main__":
    sys.exit(main())
