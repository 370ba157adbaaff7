"""The commands that the pages show parse: their options exist, in this form."""

import re
import shlex

import pytest
import reference_cases

from mrcnn import cli
from samples.balloon import balloon
from samples.coco import coco
from samples.fashion import fashion
from samples.nucleus import nucleus
from samples.shapes import shapes

ROOT = reference_cases.ROOT
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "samples").rglob("*.md")])
SAMPLES = {
    "balloon": lambda words: balloon._parser().parse_args(words), "coco": lambda words: coco._parser().parse_args(words),
    "nucleus": lambda words: nucleus._parser().parse_args(words), "shapes": lambda words: shapes._parser().parse_args(words),
    "fashion": fashion.fashion_options.parse,
}  # fmt: skip


def commands():
    """(page, command) of each line of code that starts a program here, and of each one between backticks that has options."""
    found = []
    for page in PAGES:
        text = re.sub(r" *\\\n *", " ", page.read_text(encoding="utf-8"))
        lines = re.findall(r"^(?: {4})?(?:for [^;]*; do )?(python (?:-m mrcnn|samples/|benchmarks/).*?)(?:; done)?$", text, re.M)
        inline = re.findall(r"`(?:\w+=\S+ )?(python (?:-m mrcnn|samples/|benchmarks/)[^`]* --[^`]*)`", text)
        found += [(page.relative_to(ROOT), command.strip()) for command in (*lines, *inline) if not command.endswith(" …")]
    return found


@pytest.mark.parametrize("page, command", commands(), ids=lambda value: str(value)[:70])
def test_a_command_of_a_page_parses(page, command):
    words = shlex.split(command.replace("$k", "1"), comments=True)
    if words[1] == "-m":
        cli._parser().parse_args(words[3:])
        return
    folder, *_, program = words[1].split("/")
    assert (ROOT / words[1]).is_file(), f"{page}: {words[1]}"
    if folder == "samples":
        SAMPLES[program.removesuffix(".py")](words[2:])
        return
    known = "".join((ROOT / "benchmarks" / name).read_text(encoding="utf-8") for name in (program, "contest.py"))
    missing = [word for word in words[2:] if word.startswith("--") and f'"{word}"' not in known]
    assert not missing, f"{page}: {command}"


def test_commands_are_found():
    pages = {str(page) for page, _ in commands()}
    assert len(commands()) > 60 and {"README.md", "docs/detecting.md", "docs/results.md"} <= pages
    assert {f"samples/{name}/README.md" for name in SAMPLES} <= pages
