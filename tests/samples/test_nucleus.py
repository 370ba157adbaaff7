"""The nucleus sample: its subsets, its run lengths, and its program on a few pictures of the competition."""

import csv
import os
import types

import cv2
import numpy as np
import pytest
import reference_cases

from mrcnn.data.formats import submission
from samples.nucleus import nucleus

DATA = reference_cases.ROOT.parent / "shared" / "data" / "dsb2018_mini"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")


def picture(folder, name, sizes=((0, 0, 8, 8),)):
    """A picture of 64 x 80 px with a mask file for each (y, x, height, width)."""
    for part in ("images", "masks"):
        os.makedirs(folder / name / part)
    image = np.zeros((64, 80, 3), np.uint8)
    for number, (y, x, height, width) in enumerate(sizes):
        mask = np.zeros((64, 80), np.uint8)
        mask[y : y + height, x : x + width] = 255
        image[mask > 0] = 200
        cv2.imwrite(str(folder / name / "masks" / f"{number}.png"), mask)
    cv2.imwrite(str(folder / name / "images" / f"{name}.png"), image)


def test_the_configurations_are_the_originals():
    train, found = nucleus.NucleusConfig(), nucleus.NucleusInferenceConfig()
    assert (train.STEPS_PER_EPOCH, train.VALIDATION_STEPS, train.BATCH_SIZE, len(set(nucleus.VAL_IMAGE_IDS))) == (105, 4, 6, 25)
    assert (train.IMAGE_RESIZE_MODE, found.IMAGE_RESIZE_MODE, found.BATCH_SIZE, found.RPN_NMS_THRESHOLD) == ("crop", "pad64", 1, 0.7)
    assert (train.IMAGE_MIN_SCALE, train.DETECTION_MAX_INSTANCES, train.MEAN_PIXEL.tolist()) == (2.0, 400, [43.53, 39.56, 48.22])


def test_validation_is_cut_out_of_the_training_folder(tmp_path):
    first, second = nucleus.VAL_IMAGE_IDS[:2]
    for name in ("a", first, "b", second):
        picture(tmp_path / "stage1_train", name, [(4, 5, 6, 7), (30, 40, 10, 10)])
    ids = {}
    for subset in ("train", "val", "stage1_train"):
        dataset = nucleus._loaded(str(tmp_path), subset)
        ids[subset] = {dataset.image_reference(i) for i in dataset.image_ids}
    assert ids == {"train": {"a", "b"}, "val": {first, second}, "stage1_train": {"a", "b", first, second}}
    masks, class_ids = dataset.load_mask(0)
    assert masks.shape == (64, 80, 2) and masks.sum(axis=(0, 1)).tolist() == [42, 100] and class_ids.tolist() == [1, 1]


def test_a_folder_of_its_own_is_the_validation_and_a_test_set_has_no_masks(tmp_path):
    picture(tmp_path / "stage1_train", "a")
    picture(tmp_path / "stage1_val", "b")
    picture(tmp_path / "stage1_test", "c", [])
    assert nucleus._loaded(str(tmp_path), "val").image_reference(0) == "b"
    dataset = nucleus._loaded(str(tmp_path), "stage1_test")
    assert dataset.class_names == ["BG", "nucleus"] and dataset.load_mask(0)[1].size == 0


def test_what_is_missing_is_said(tmp_path):
    dataset = nucleus.NucleusDataset()
    with pytest.raises(ValueError, match="subset 'test': one of train, val, stage1_train"):
        dataset.load_nucleus(str(tmp_path), "test")
    with pytest.raises(FileNotFoundError, match="Data set folder not found"):
        dataset.load_nucleus(str(tmp_path / "none"), "train")
    with pytest.raises(FileNotFoundError, match="stage2_test is no folder"):
        dataset.load_nucleus(str(tmp_path), "stage2_test")
    picture(tmp_path / "stage1_train", "a")
    with pytest.raises(ValueError, match=r"no picture of the subset 'val' [\s\S]*Move the folders of some pictures to .*stage1_val"):
        dataset.load_nucleus(str(tmp_path), "val")


def test_run_lengths_go_down_the_columns_from_one():
    mask = np.array([[0, 1, 0], [1, 1, 0]])
    assert nucleus.rle_encode(mask) == "2 3" and nucleus.rle_encode(np.zeros((2, 2))) == ""
    assert np.array_equal(nucleus.rle_decode("2 3", (2, 3)), mask.astype(bool))
    with pytest.raises(ValueError, match="not inside an image"):
        nucleus.rle_decode("2 6", (2, 3))


def test_a_shared_pixel_goes_to_the_highest_score_whatever_the_order():
    # Three columns; each mask has two. Scores 0.5, 0.9, 0.7: the second keeps both, the third one pixel, the first one.
    masks = np.zeros((1, 4, 3), bool)
    masks[0, 0:2, 0] = masks[0, 1:3, 1] = masks[0, 2:4, 2] = True
    assert nucleus.mask_to_rle("x", masks, np.array([0.5, 0.9, 0.7])).splitlines() == ["x,2 2", "x,4 1", "x,1 1"]
    assert nucleus.mask_to_rle("x", masks, np.array([0.9, 0.5, 0.7])).splitlines() == ["x,1 2", "x,3 2"]
    assert nucleus.mask_to_rle("x", np.zeros((2, 2, 0)), np.zeros(0)) == "x,"
    assert nucleus.mask_to_rle("x", np.zeros((2, 2, 1)), np.ones(1)) == "x,"
    with pytest.raises(ValueError, match=r"got \(1, 4, 3\) and \(2,\)"):
        nucleus.mask_to_rle("x", masks, np.ones(2))


@pytest.mark.parametrize(("subset", "warned"), [("train", False), ("stage1_train", True)])
def test_the_course_is_the_originals_and_training_on_the_validation_is_said(tmp_path, monkeypatch, capsys, subset, warned):
    for name in ("a", nucleus.VAL_IMAGE_IDS[0]):
        picture(tmp_path / "stage1_train", name)
    asked = []
    monkeypatch.setattr(nucleus.program, "fit", lambda model, train, val, plan, **others: asked.append((train.num_images, val.num_images, plan)))
    nucleus.train(types.SimpleNamespace(config=nucleus.NucleusConfig()), str(tmp_path), subset)
    assert asked == [(1 + warned, 1, [("heads", 0.001, 20), ("all", 0.001, 20)])]
    assert ("1 of 1 images of validation are trained on" in capsys.readouterr().out) is warned


def test_augmentations_move_image_and_masks_together():
    image, masks = np.arange(12).reshape(2, 2, 3), np.arange(4).reshape(2, 2, 1)
    for move, expected in ((nucleus.upside_down, [[2, 3], [0, 1]]), (nucleus.quarter_turn, [[1, 3], [0, 2]])):
        seen = set()
        for seed in range(8):
            moved, moved_masks = move(image, masks, np.random.default_rng(seed))
            assert (moved[..., 0] // 3).tolist() == moved_masks[..., 0].tolist()
            seen.add(str(moved_masks[..., 0].tolist()))
        assert seen == {str(expected), str([[0, 1], [2, 3]])}


@needs_data
def test_the_program_trains_goes_on_and_submits(tmp_path, monkeypatch, capsys, small):
    small(nucleus.NucleusConfig, IMAGE_RESIZE_MODE="crop", IMAGE_MIN_SCALE=0, STEPS_PER_EPOCH=2, VALIDATION_STEPS=1)
    monkeypatch.setattr(nucleus, "RESULTS_DIR", str(tmp_path / "results"))
    names = sorted(os.listdir(DATA / "stage1_val"))[:2]
    (tmp_path / "data" / "stage1_val").mkdir(parents=True)
    for path in ("stage1_train", *(f"stage1_val/{name}" for name in names)):
        (tmp_path / "data" / path).symlink_to(DATA / path)
    words = ["--dataset", str(tmp_path / "data"), "--logs", str(tmp_path)]
    nucleus.main(["train", *words, "--subset", "train", "--weights", "none", "--stages", "all:1e-3:1"])
    assert "mAP at epoch 1 is:" in capsys.readouterr().out
    nucleus.main(["detect", *words, "--subset", "val", "--weights", "last"])
    (folder,) = (tmp_path / "results").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == sorted([*(f"{name}.png" for name in names), "submit.csv"])
    with open(folder / "submit.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["ImageId"] for row in rows} == set(names)
    assert not submission.faults(folder / "submit.csv", dict.fromkeys(names, (256, 256)), allow_empty=True)
    assert "no overlaps" in capsys.readouterr().out


def test_errors_end_the_program_with_a_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        nucleus.main(["train", "--dataset", str(tmp_path / "none"), "--subset", "train", "--weights", "none", "--logs", str(tmp_path)])
    assert "nucleus.py train: Data set folder not found" in caught.value.code
    with pytest.raises(SystemExit):
        nucleus.main(["detect", "--dataset", "d", "--weights", "last", "--subset", "tests"])
    assert "stage1_test" in capsys.readouterr().err
