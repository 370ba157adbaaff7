"""The house of docs/architecture.md: no module and no function is too long, and every module is on its map."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINES, LINES_OF_A_FUNCTION = 400, 60
#: Programs as users wrote them for the original: each has to stand alone.
ALONE = ROOT / "tests" / "scripts"
FILES = [path for folder in ("mrcnn", "samples", "benchmarks", "docs", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
OURS = [path for path in FILES if ALONE not in path.parents]
#: Functions that may be longer, each with its reason.
LONG = {"mrcnn/training/trainer.py: fit": "twelve arguments with their docstring; 31 lines of code, which are one order"}


def name(path):
    return path.relative_to(ROOT).as_posix()


def test_no_module_is_too_long():
    assert {name(path): lines for path in OURS if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LINES} == {}


def test_no_function_is_too_long_without_a_reason():
    found = {
        f"{name(path)}: {node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= LINES_OF_A_FUNCTION
    }
    assert found == set(LONG)


@pytest.mark.parametrize(
    "package", ["", "ops", "nn", "data", "data/formats", "weights", "evaluation", "visualize", "training", "inference", "doctor", "commands"]
)
def test_every_module_is_on_the_map(package):
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("```")[1]
    words, families = set(re.findall(r"\w+", page)), tuple(re.findall(r"(\w+_)\*", page))
    modules = {path.stem for path in (ROOT / "mrcnn" / package).glob("*.py")} - {"__init__"}
    assert {module for module in modules if module not in words and not module.startswith(families)} == set()
