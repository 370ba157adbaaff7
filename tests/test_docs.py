"""The pages name what is there (files, headings, functions, parameters), and the public names have docstrings."""

import ast
import re
from pathlib import Path

import pytest
import reference_cases

from mrcnn.config import Config

ROOT = reference_cases.ROOT
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "samples").rglob("*.md")])
PARAMETERS = {name for name in vars(Config) if name.isupper()}
#: Of the same form as a parameter, but an environment variable, a constant of a module, or what a command's reader fills in.
NO_PARAMETERS = {
    "HEAD_LAYERS", "KERAS_BACKEND", "MRCNN_BENCH_AUGMENT", "MRCNN_BENCH_RUNTIMES", "MRCNN_BENCH_TORCH", "MRCNN_MAX_IMAGE_PIXELS", "MRCNN_REFERENCE",
    "NO_ALBUMENTATIONS_UPDATE", "ONEDNN_VERBOSE", "PHOTO_OR_FOLDER", "ROOT_DIR", "TF_CPP_MIN_LOG_LEVEL", "TF_NUM_INTEROP_THREADS",
}  # fmt: skip


def text_of(page):
    return page.read_text(encoding="utf-8")


def links(page):
    """(text, target) of each link and image that leads into the repository."""
    found = re.findall(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)", text_of(page))
    return [(text, target) for text, target in found if not target.startswith(("http:", "https:"))]


def anchors(page):
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    for _, target in links(page):
        path, _, heading = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{name(page)} links to {target}"
        assert not heading or heading in anchors(place), f"{name(page)} links to {target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_linked_functions_are_in_the_linked_module(page):
    for text, target in links(page):
        function = re.fullmatch(r"`(?:\w+\.)*(\w+)`", text)
        if function and target.endswith(".py"):
            module = (page.parent / target).resolve()
            defined = re.search(rf"^ *(?:def|class) {function[1]}\b", module.read_text(encoding="utf-8"), re.M)
            assert defined or module.stem == function[1], f"{name(page)}: {text} is not in {target}"


def test_readme_leads_to_every_page():
    linked = {(ROOT / target.partition("#")[0]).resolve() for _, target in links(ROOT / "README.md")}
    assert {page for page in PAGES if page.parent.name == "docs"} <= linked


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_parameters_that_a_page_names_exist(page):
    named = set(re.findall(r"(?<![\w/\[-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w/.])", text_of(page)))
    assert named - PARAMETERS - NO_PARAMETERS == set()


def test_how_it_works_tells_where_every_parameter_comes_in():
    page = text_of(ROOT / "docs" / "how_it_works.md")
    assert [parameter for parameter in sorted(PARAMETERS) if f"`{parameter}" not in page] == []


def test_pictures_of_how_it_works_are_small_and_all_shown():
    shown = {Path(target).name for _, target in links(ROOT / "docs" / "how_it_works.md") if "how_it_works/" in target}
    files = sorted((ROOT / "docs" / "images" / "how_it_works").iterdir())
    assert {file.name for file in files} == shown
    assert max(file.stat().st_size for file in files) <= 120_000


def test_every_public_function_and_class_says_what_it_does():
    silent = []
    for path in sorted((ROOT / "mrcnn").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        public = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")]
        silent += [f"{path.relative_to(ROOT)}: {getattr(node, 'name', 'module')}" for node in (tree, *public) if not ast.get_docstring(node)]
    assert silent == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_picture_of_how_it_works_can_be_drawn(tmp_path):
    from docs import draw_how_it_works, photo_walk

    config = photo_walk.InspectedConfig()
    config.DETECTION_MIN_CONFIDENCE = 0  # random weights are sure of nothing
    paths = draw_how_it_works.draw(photo_walk.walk(None, config), tmp_path)
    assert {path.name for path in paths} == {file.name for file in (ROOT / "docs" / "images" / "how_it_works").iterdir()}
    assert min(path.stat().st_size for path in paths) > 5000
