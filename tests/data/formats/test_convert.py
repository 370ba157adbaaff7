"""python -m mrcnn convert."""

import json

import pytest
from format_files import photo, shared, write_json

from mrcnn import cli
from mrcnn.data import formats

SQUARE, WIDE = [[1, 1], [4, 1], [4, 3], [1, 3]], [[0, 4], [8, 4], [8, 6], [0, 6]]


def labelme(folder, *shapes, name="a"):
    photo(folder / f"{name}.jpg")
    entries = [{"label": label, "points": points} for label, points in shapes]
    write_json(folder / f"{name}.json", {"shapes": entries, "imagePath": f"{name}.jpg"})
    return str(folder)


def convert(*words):
    return cli.main(["convert", *map(str, words)])


def test_a_format_becomes_another_and_the_counts_are_printed(tmp_path, capsys):
    source = labelme(tmp_path / "in", ("nut", SQUARE), ("fig", WIDE), ("nut", WIDE))
    assert convert("--from", "labelme", "--to", "coco", source, tmp_path / "out.json") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}/out.json: 1 images, 3 instances; classes: 2", "  fig: 1", "  nut: 2", f"Photos: {tmp_path}/in",
    ]  # fmt: skip
    assert formats.load("coco", tmp_path / "out.json", images=tmp_path / "in").image_class_ids(0).tolist() == [2, 1, 2]


def test_several_sources_become_one(tmp_path, capsys):
    sources = [labelme(tmp_path / "one", ("nut", SQUARE)), labelme(tmp_path / "two", ("fig", SQUARE), ("nut", WIDE))]
    assert convert("--from", "labelme", "--to", "coco", *sources, tmp_path / "out.json") == 0
    content = json.loads((tmp_path / "out.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["one/a.jpg", "two/a.jpg"]
    assert [entry["category_id"] for entry in content["annotations"]] == [1, 2, 1]
    assert "2 images, 3 instances; classes: 2" in capsys.readouterr().out


def test_classes_are_chosen_and_renamed(tmp_path):
    source = labelme(tmp_path / "in", ("nut", SQUARE), ("fig", WIDE), ("date", WIDE))
    assert convert("--from", "labelme", "--to", "yolo", source, tmp_path / "out", "--class", "nut", "--class", "fig=soft fruit") == 0
    assert (tmp_path / "out" / "data.yaml").read_text().endswith('names:\n  0: "nut"\n  1: "soft fruit"\n')
    assert len((tmp_path / "out" / "labels" / "a.txt").read_text().splitlines()) == 2


def test_options_go_to_the_reader_or_the_writer(tmp_path, capsys):
    source = shared("dsb2018_mini/stage1_val")
    words = ["--from", "png_masks", "--to", "yolo", source, tmp_path / "out", "--option", "class_name=nucleus", "--option", "photos_as=link"]
    assert convert(*words) == 0
    said = capsys.readouterr().out
    assert "  nucleus: 113" in said and "Photos:" not in said and len(list((tmp_path / "out" / "images").iterdir())) == 6


def test_values_of_options_may_be_numbers_and_tables(tmp_path):
    folder = shared("expected/panopticapi_sample/sample_data")
    words = ["--from", "index_masks", "--to", "coco", folder / "input_images", tmp_path / "out.json"]
    assert convert(*words, "--option", f"masks={folder / 'panoptic_examples'}", "--option", "ignore=[0]") == 0
    assert len(json.loads((tmp_path / "out.json").read_text())["annotations"]) > 10


REFUSED = {
    "reader": (["--from", "pascal", "--to", "coco"], "Format 'pascal' is unknown; use one of coco, cvat"),
    "writer": (["--from", "labelme", "--to", "via"], "Format 'via' is unknown; use one of coco, imaterialist, yolo"),
    "option": (["--from", "labelme", "--to", "coco", "--option", "size=3"], "labelme has no option size"),
    "no value": (["--from", "labelme", "--to", "coco", "--option", "size"], "--option 'size': NAME=VALUE is expected"),
    "class": (["--from", "labelme", "--to", "coco", "--class", "plum"], "has no class 'plum'. It has: nut"),
    "photos": (["--from", "labelme", "--to", "coco", "--images", "none"], "images='none' is no folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_an_error_that_says_what_to_do(tmp_path, capsys, case):
    words, reason = REFUSED[case]
    assert convert(*words, labelme(tmp_path / "in", ("nut", SQUARE)), tmp_path / "out.json") == 1
    said = capsys.readouterr().err
    assert said.startswith("mrcnn convert: ") and reason in said and not (tmp_path / "out.json").exists()


def test_nothing_is_overwritten_unasked(tmp_path, capsys):
    words = ["--from", "labelme", "--to", "coco", labelme(tmp_path / "in", ("nut", SQUARE)), tmp_path / "out.json"]
    assert convert(*words) == 0 and convert(*words) == 1 and convert(*words, "--overwrite") == 0
    assert "out.json is there already" in capsys.readouterr().err


def test_annotations_alone_are_converted_on_request(tmp_path, capsys):
    words = ["--from", "coco", "--to", "imaterialist", shared("balloon_annotations_only/coco_val.json"), tmp_path / "out.csv"]
    assert convert(*words) == 1 and "--images FOLDER on the command line" in capsys.readouterr().err
    assert convert(*words, "--keep-missing") == 0 and "  balloon: 50" in capsys.readouterr().out
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 51


def test_broken_annotations_are_counted_or_stop_it(tmp_path, capsys, caplog):
    source = labelme(tmp_path / "in", ("nut", SQUARE), ("nut", SQUARE[:2]))
    words = ["--from", "labelme", "--to", "coco", source, tmp_path / "out.json"]
    assert convert(*words, "--strict") == 1 and "a polygon has at least 3 points" in capsys.readouterr().err
    assert convert(*words) == 0 and "1 of 2 annotations can't be used" in caplog.text
