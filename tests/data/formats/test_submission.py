"""Submissions are checked: each rule by a file that breaks it."""

import numpy as np
import pytest

from mrcnn.data.formats import submission, write_imaterialist
from mrcnn.ops import rle

SIZES = {"a.jpg": (4, 3), "b": (2, 2)}


def written(tmp_path, *lines, header="ImageId,EncodedPixels,ClassId"):
    path = tmp_path / "submission.csv"
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def texts(path, **options):
    return [str(fault) for fault in submission.faults(path, SIZES, **options)]


def test_a_good_file_passes(tmp_path):
    # Runs may touch, and masks too; "a.jpg" may go by both names; pixels are numbered from 1 to 12.
    path = written(tmp_path, "a,1 2 3 2 11 2,0", "a,5 6,31_4_5", "b,1 1,23")
    assert submission.check(path, SIZES, categories={0, 23, 31}, attributes={4, 5}) == (3, 2)
    assert submission.check(written(tmp_path, "a.jpg,1 2,0", "b.png,1 1,1"), SIZES) == (2, 2)


def test_the_mark_of_a_spreadsheets_utf8_is_no_part_of_the_first_column(tmp_path):
    path = written(tmp_path, "a,1 2,0", "b,1 1,1")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert submission.check(path, SIZES) == (2, 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,12 2,0", "is not inside an image of height 4 and width 3, whose pixels are numbered 1…12"),
        ("a,0 2,0", "is not inside an image"),
        ("a,3 0,0", "is not inside an image"),
        ("a,1 2 3,0", "starts and lengths come in pairs"),
        ("a,1 x,0", "'x', not a whole number"),
        ("a,1 99999999999999999999,0", "larger than any image"),
        ("a,5 2 1 2,0", 'run 2, "1 2", begins before the one before it, "5 2", has ended: runs go up'),
        ("a,1 3 3 2,0", 'run 2, "3 2", begins before the one before it, "1 3", has ended'),
        ("a,,0", 'no pixels: an image in which nothing was found is written as "1 1"'),
        ("a,1 1,7", "there is no category 7"),
        ("a,1 1,0_9", "there is no attribute 9"),
        ("a,1 1,0_4_4", "names an attribute twice"),
        ("a,1 1,hat", "ClassId is 'hat'"),
        ("c,1 1,0", "there is no such image"),
    ],
)
def test_a_line_at_fault_is_named(tmp_path, line, message):
    path = written(tmp_path, "a,9 1,0", "b,1 1,0", line)
    (fault,) = submission.faults(path, SIZES, categories={0}, attributes={4})
    assert (fault.line, fault.image) == (4, line[0]) and message in fault.text


def test_lines_that_share_pixels_are_named_with_how_many(tmp_path):
    path = written(tmp_path, "a,1 3 6 2,0", "b,1 2,0", "a,3 4,1", "a,8 1,1", "b,2 1,0", "a,1 12,2")
    assert texts(path) == [
        "line 4 (a): shares 2 pixels with line 2, the first is number 3",
        "line 6 (b): shares 1 pixel with line 3, the first is number 2",
        "line 7 (a): shares 5 pixels with line 2, the first is number 1",
        "line 7 (a): shares 4 pixels with line 4, the first is number 3",
        "line 7 (a): shares 1 pixel with line 5, the first is number 8",
    ]


def test_overlaps_are_those_of_the_planes(tmp_path):
    rng = np.random.default_rng(0)
    masks = rng.random((5, 20, 30)) < 0.02
    masks[:, 5:8, 3:9] = rng.random((5, 3, 6)) < 0.5
    path = written(tmp_path, *[f"x,{rle.encode(mask)},0" for mask in masks])
    shared = {(i, j): int((masks[i] & masks[j]).sum()) for i in range(5) for j in range(i)}
    expected = [f"shares {shared[i, j]} pixel" for i in range(5) for j in range(i) if shared[i, j]]
    found = submission.faults(path, {"x": (20, 30)})
    assert [" ".join(fault.text.split()[:3]).rstrip("s") for fault in found] == expected and len(expected) > 5


def test_an_image_without_a_line_is_named_last(tmp_path):
    assert texts(written(tmp_path, "a,1 20,0")) == [
        "line 2 (a): Run-length string: run 1 (start 1, length 20) is not inside an image of height 4 and width 3, whose pixels are numbered 1…12. "
        "Check which of height and width comes first, and first_pixel.",
        "b: no line tells of it; each image needs one",
    ]


def test_files_without_classes_and_empty_lines_are_those_of_the_bowl(tmp_path):
    path = written(tmp_path, "a,1 2", "b,", header="ImageId,EncodedPixels")
    assert submission.check(path, SIZES, allow_empty=True) == (2, 2)


def test_check_counts_what_it_does_not_show(tmp_path):
    path = written(tmp_path, "a,9 1,0", *["c,1 1,0"] * 25)
    with pytest.raises(ValueError, match=r"has 26 faults:\n  line 3 \(c\): there is no such image\n[\s\S]*… and 6 more$"):
        submission.check(path, SIZES)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "is expected as its first line"), ("ImageId;EncodedPixels\na;1 1\n", "is expected as its first line"),
     ("ImageId,EncodedPixels\na\n", "line 2: 2 fields are expected"), ("ImageId,EncodedPixels\na,1 1,0\n", "line 2: 2 fields are expected")],
)  # fmt: skip
def test_what_is_no_submission_is_refused(tmp_path, content, message):
    path = tmp_path / "submission.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        submission.faults(path, SIZES)


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "photo.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"photo\.csv is no text in UTF-8"):
        submission.check(path, {"a": (4, 5)})


def test_the_first_mask_keeps_the_pixels_and_a_hidden_one_is_left_out(tmp_path):
    small, large = np.zeros((4, 3), bool), np.ones((4, 3), bool)
    small[1, 1] = True
    planes = [write_imaterialist.Plane(2, "31", small), write_imaterialist.Plane(1, "0_4", large), write_imaterialist.Plane(1, "0", small)]
    path = str(tmp_path / "submission.csv")
    counted = write_imaterialist.write_submission([("a", planes), ("b", [])], path)
    assert (tmp_path / "submission.csv").read_text().splitlines()[1:] == ["a,6 1,31", "a,1 5 7 6,0_4", "b,1 1,23"]
    assert counted.images == 2 and counted.counts == {1: 1, 2: 1} and counted.left_out.total() == 1
    assert submission.check(path, SIZES, categories={0, 31, 23}) == (3, 2)


def test_a_class_that_is_not_there_is_no_class(tmp_path):
    """A line cut short, or a file without the column where the competition wants it: Kaggle refuses both."""
    with pytest.raises(ValueError, match="line 2: 3 fields are expected"):
        submission.faults(written(tmp_path, "a,1 1", "b,1 1,0"), SIZES)
    path = written(tmp_path, "a,1 1", "b,1 1", header="ImageId,EncodedPixels")
    assert submission.faults(path, SIZES) == []
    with pytest.raises(ValueError, match="ImageId,EncodedPixels,ClassId is expected as its first line"):
        submission.check(path, SIZES, classes=True)
