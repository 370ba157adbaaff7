"""The Python that the pages show runs, on a tiny network and tiny files of the names that it uses. (README's long example: tests/test_readme.py.)"""

import json
import re

import format_files
import keras
import pytest
import reference_cases
import tiny

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.data import formats
from mrcnn.evaluation.tuning import Setting
from mrcnn.inference import thresholds

pytestmark = pytest.mark.usefixtures("untraced")

ROOT = reference_cases.ROOT
#: Pages with Python, and how many blocks each has. Those of one page run in order and share their names.
BLOCKS = {
    "docs/detecting.md": 3, "docs/doctor.md": 1, "docs/evaluation.md": 2, "docs/explain.md": 1, "docs/formats.md": 3, "docs/images_and_loading.md": 1,
    "docs/network_options.md": 1, "docs/thresholds.md": 1, "docs/training.md": 2, "samples/shapes/README.md": 1,
}  # fmt: skip


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)


def run(page, replaced=(), **names):
    """Run a page's blocks, with (old, new) replaced where the sizes are for real data; returns the names they left."""
    found = blocks(page)
    assert len(found) == BLOCKS[page]
    code = "\n".join(found)
    for old, new in replaced:
        assert old in code, old
        code = code.replace(old, new)
    exec(compile(code, page, "exec"), names)
    return names


def test_every_page_with_python_is_run_here():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "samples").rglob("*.md")]
    with_code = {page.relative_to(ROOT).as_posix() for page in pages if blocks(page)}
    assert with_code == {*BLOCKS, "README.md"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    model = modellib.MaskRCNN("inference", tiny.TinyConfig(), tmp_path_factory.mktemp("logs"))
    model.allow_random_weights = True
    return model


@pytest.fixture
def names(model, tmp_path, monkeypatch):
    """What pages speak of without making it."""
    monkeypatch.chdir(tmp_path)
    data = tiny.Squares(2)
    photo = data.load_image(0)
    return {"model": model, "photo": photo, "photos": [photo], "dataset": data, "train": data, "val": data, "class_names": data.class_names}


def test_detecting(names):
    left = run("docs/detecting.md", utils=utils, **names)
    assert left["found"]["masks"].shape[:2] == (64, 64)


def test_explain(names, capsys):
    boxes, class_ids = utils.extract_bboxes(names["dataset"].load_mask(0)[0]), [1, 2]
    left = run("docs/explain.md", boxes=boxes, class_ids=class_ids, **names)
    assert len(left["found"].explain.fates) == 2 and "left after" in capsys.readouterr().out


def test_evaluation(names, tmp_path):
    data, model = names["dataset"], names["model"]
    formats.save("coco", data, "instances_val2017.json")
    found = {i: model.detect([data.load_image(i)])[0] for i in data.image_ids}
    formats.save_results("coco", found, data, "results.json")
    left = run("docs/evaluation.md", **names)
    assert left["evaluation"].to_dict() and (tmp_path / "judged" / "report.html").is_file()
    assert len(left["collected"].images) == 2


def test_doctor(names, tmp_path):
    names["model"].keras_model.save_weights("mask_rcnn_coco.h5")
    left = run("docs/doctor.md", config=tiny.TinyConfig(), dataset_train=names["train"], dataset_val=names["val"])
    assert (tmp_path / "doctor.html").is_file() and left["report"].findings


def test_thresholds(names):
    names["model"].keras_model.save_weights("shapes.h5")
    setting = Setting(score=0.0, nms=0.3, mask=0.5, min_area=0)
    thresholds.Thresholds(("BG", "square", "disc"), {1: setting, 2: setting}).save(thresholds.beside("shapes.h5"))
    assert run("docs/thresholds.md", **names)["found"][0].num >= 0


def test_training(tmp_path):
    class Short(tiny.TinyConfig):
        STEPS_PER_EPOCH = VALIDATION_STEPS = 1

    model = modellib.MaskRCNN("training", Short(), tmp_path)
    data = tiny.Squares(2)
    shorter = (
        ("heads:1e-3:5,4+:1e-3:10,all:1e-4:15", "heads:1e-3:1"), ("1e-3, 5)", "1e-3, 1)"), ("2e-3, 12,", "2e-3, 1,"),
        ("warmup@500+step@8/11", "warmup@1"),
    )  # fmt: skip
    run("docs/training.md", shorter, model=model, train=data, val=data, mean_ap=keras.callbacks.Callback(), keras=keras)
    assert model.epoch == 2  # one by each line: the second goes on with its second stage


def test_formats(names, tmp_path):
    triangle = {"label": "square", "points": [[10, 10], [30, 10], [30, 30]], "shape_type": "polygon", "group_id": None}
    for subset in ("train", "val"):
        folder = tmp_path / "photos" / subset
        format_files.photo(folder / "a.png", 64, 64)
        format_files.write_json(folder / "a.json", {"imagePath": "a.png", "imageHeight": 64, "imageWidth": 64, "shapes": [triangle]})
    format_files.photo(tmp_path / "a.png", 64, 64)
    formats.save("coco", formats.load("labelme", "photos/train"), "a.json")
    outline = {"name": "polygon", "all_points_x": [10, 30, 30], "all_points_y": [10, 10, 30]}
    region = {"shape_attributes": outline, "region_attributes": {"kind": "disc"}}
    format_files.write_json(tmp_path / "b.json", {"a": {"filename": "a.png", "regions": [region]}})
    left = run("docs/formats.md", my_own_dataset=names["dataset"], model=names["model"])
    assert left["both"].num_images == 4 and left["both"].class_names == ["BG", "square", "disc"]
    assert json.loads((tmp_path / "results.json").read_text()) is not None


def test_pages_without_a_network(names):
    assert run("docs/images_and_loading.md", train=names["train"])["train"].load_image(0).shape == (64, 64, 3)
    assert len(run("docs/network_options.md")["CLASS_WEIGHTS"]) == 4
    assert run("samples/shapes/README.md", (("500, 128, 128", "3, 128, 128"),))["dataset"].num_images == 3
    (augmentation,) = [block for block in blocks("README.md") if "augmentation =" in block]
    left = {}
    exec(compile(augmentation, "README.md", "exec"), left)
    assert len(left["augmentation"]) == 4
