"""YOLO's segmentation labels."""

import builtins
import logging

import pytest
from format_files import masks_of, photo, rectangle

from mrcnn.data import formats

SQUARE = "0.125 0.166666667 0.5 0.166666667 0.5 0.5 0.125 0.5"  # x 1…4 of 8, y 1…3 of 6


def write(folder, text, names=None, part="", name="a"):
    photo(folder / "images" / part / f"{name}.jpg")
    (folder / "labels" / part).mkdir(parents=True, exist_ok=True)
    (folder / "labels" / part / f"{name}.txt").write_text(text)
    if names is not None:
        (folder / "data.yaml").write_text(names)
    return folder


def test_shares_become_pixels(tmp_path):
    dataset = formats.load("yolo", write(tmp_path, f"1 {SQUARE}\n\n0 0 0 1 0 1 1 0 1\n", "names: [nut, fig]\n"))
    assert dataset.class_names == ["BG", "nut", "fig"] and dataset.get_source_class_id(1, "yolo") == 0
    assert masks_of(dataset) == ([rectangle(1, 1, 3, 4), rectangle(0, 0, 6, 8)], [2, 1])


def test_the_mark_that_windows_editors_put_before_a_text_costs_no_object(tmp_path):
    dataset = formats.load("yolo", write(tmp_path, f"\ufeff0 {SQUARE}\r\n1 {SQUARE}\r\n", "\ufeffnames: [nut, fig]\n"))
    assert masks_of(dataset)[1] == [1, 2] and not dataset.report.broken


def test_parts_have_folders_of_their_own(tmp_path):
    write(tmp_path, f"0 {SQUARE}", "names:\n  0: nut\n  1: fig\n", part="val")
    dataset = formats.load("yolo", tmp_path / "images" / "val")
    assert dataset.class_names == ["BG", "nut", "fig"] and masks_of(dataset)[1] == [1]
    with pytest.raises(FileNotFoundError, match="Of images/train and images/val give one"):
        formats.load("yolo", tmp_path)


def test_names_may_come_from_a_text_or_an_argument_or_nowhere(tmp_path):
    write(tmp_path, f"1 {SQUARE}")
    assert formats.load("yolo", tmp_path).class_names == ["BG", "1"]
    (tmp_path / "classes.txt").write_text("nut\nfig\n")
    assert formats.load("yolo", tmp_path).class_names == ["BG", "nut", "fig"]
    assert formats.load("yolo", tmp_path, names=["a", "b", "c"]).class_names == ["BG", "a", "b", "c"]
    assert formats.load("yolo", tmp_path, names={1: "z"}).class_names == ["BG", "z"]


def test_photos_and_labels_may_share_a_folder(tmp_path):
    photo(tmp_path / "set" / "a.jpg")
    (tmp_path / "set" / "a.txt").write_text(f"0 {SQUARE}")
    assert masks_of(formats.load("yolo", tmp_path / "set"))[0] == [rectangle(1, 1, 3, 4)]
    (tmp_path / "set" / "a.txt").rename(tmp_path / "a.txt")
    assert masks_of(formats.load("yolo", tmp_path / "set", labels=tmp_path))[0] == [rectangle(1, 1, 3, 4)]


def test_photos_without_labels_stay_as_empty_ones(tmp_path, caplog):
    write(tmp_path, "", name="b")
    photo(write(tmp_path, f"0 {SQUARE}") / "images" / "c.jpg")
    dataset = formats.load("yolo", tmp_path)
    assert [len(dataset.image_class_ids(i)) for i in dataset.image_ids] == [1, 0, 0]
    assert "1 photos have no label file and stay without instances." in caplog.text


def test_broken_lines_are_left_out_and_named(tmp_path, caplog):
    lines = [
        f"0 {SQUARE}", "0 0.1 0.1 0.2 0.2 0.3 x", "0 0.1 0.1 0.2 0.2", "0 1 1 2", f"nut {SQUARE}", "0 1 1 4 1 4 3 1 3",
        f"9 {SQUARE}", f"-1 {SQUARE}",
    ]  # fmt: skip
    with caplog.at_level(logging.WARNING):
        dataset = formats.load("yolo", write(tmp_path, "\n".join(lines), "names: [nut]"))
    text = "\n".join(dataset.report.broken)
    assert masks_of(dataset) == ([rectangle(1, 1, 3, 4)], [1])
    assert "6 of 7 annotations can't be used" in caplog.text and "1 entries are boxes without a mask" in caplog.text
    assert "labels/a.txt, line 2: x and y of at least 3 points" in text and "line 4: x and y of at least 3 points" in text
    assert "line 5: the number of a class comes first" in text and "line 6: x and y as shares" in text
    assert "line 7: class 9 is not among the 1 that are named" in text


def test_folders_and_names_that_cannot_be_used_are_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="is no folder"):
        formats.load("yolo", tmp_path / "none")
    photo(tmp_path / "images" / "a.jpg")
    with pytest.raises(FileNotFoundError, match="labels is no folder: .*labels=FOLDER"):
        formats.load("yolo", tmp_path)
    (tmp_path / "labels").mkdir()
    with pytest.raises(FileNotFoundError, match="no label file with the name of a photo"):
        formats.load("yolo", tmp_path)
    for names, reason in (("nc: 3\n", "has no names"), ("names: [", "is no YAML"), ("- a\n", "is no YAML")):
        with pytest.raises(ValueError, match=reason):
            formats.load("yolo", write(tmp_path, f"0 {SQUARE}", names))
    absent = builtins.__import__

    def without_yaml(name, *arguments, **keywords):
        if name == "yaml":
            raise ImportError(name)
        return absent(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_yaml)
    with pytest.raises(ValueError, match="run: pip install pyyaml"):
        formats.load("yolo", tmp_path)
