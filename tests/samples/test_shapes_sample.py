"""The shapes sample: what it draws, and its program."""

import json
import random

import numpy as np
import pytest

from samples.shapes import shapes


def drawn(*placed, size=(64, 96)):
    """A data set of one image that holds these shapes, (name, colour, (x, y, half side)) each."""
    dataset = shapes.ShapesDataset()
    dataset.load_shapes(1, *size, seed=0)
    dataset.image_info[0].update(bg_color=[1, 2, 3], shapes=list(placed))
    dataset.prepare()
    return dataset


def test_the_configuration_is_that_of_the_notebook():
    config = shapes.ShapesConfig()
    assert (config.NAME, config.NUM_CLASSES, config.BATCH_SIZE, config.IMAGE_MAX_DIM) == ("shapes", 4, 8, 128)
    assert (config.RPN_ANCHOR_SCALES, config.TRAIN_ROIS_PER_IMAGE, config.STEPS_PER_EPOCH) == ((8, 16, 32, 64, 128), 32, 100)


def test_a_square_has_its_pixels_and_its_colour():
    dataset = drawn(("square", (9, 8, 7), (30, 20, 5)))
    image, (masks, class_ids) = dataset.load_image(0), dataset.load_mask(0)
    assert class_ids.tolist() == [1] and masks.shape == (64, 96, 1) and masks.sum() == 11 * 11
    assert (image[masks[:, :, 0]] == (9, 8, 7)).all() and (image[~masks[:, :, 0]] == (1, 2, 3)).all()


def test_the_later_shape_lies_on_top():
    dataset = drawn(("square", (9, 9, 9), (30, 20, 5)), ("circle", (7, 7, 7), (30, 20, 3)))
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == [1, 2] and masks.sum(axis=2).max() == 1 and masks.any(axis=2).sum() == 121
    assert masks[20, 30].tolist() == [False, True]


def test_what_is_hidden_is_no_instance():
    dataset = drawn(("triangle", (9, 9, 9), (30, 20, 3)), ("square", (7, 7, 7), (30, 20, 9)))
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == [1] and masks.shape[2] == 1


@pytest.mark.parametrize(("height", "width"), [(128, 128), (32, 64)])
def test_shapes_lie_apart_and_are_seen(height, width):
    dataset = shapes.ShapesDataset()
    dataset.load_shapes(30, height, width, seed=3)
    dataset.prepare()
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        assert 1 <= len(class_ids) <= 4 and masks.shape == (height, width, len(class_ids)) and masks.any(axis=(0, 1)).all()
        assert dataset.load_image(image_id).shape == (height, width, 3)


def test_a_seed_draws_the_same_and_without_one_pythons_random_decides():
    def references(seed=None):
        dataset = shapes.ShapesDataset()
        dataset.load_shapes(4, 128, 128, seed)
        return [dataset.image_reference(i) for i in range(4)]

    assert references(5) == references(5) != references(6)
    random.seed(1)
    first = references()
    assert first != references()
    random.seed(1)
    assert first == references()


@pytest.mark.parametrize(("count", "side"), [(0, 128), (1, 31)])
def test_what_cannot_be_drawn_is_refused(count, side):
    with pytest.raises(ValueError, match="at least one image of at least 32 x 32 px"):
        shapes.ShapesDataset().load_shapes(count, side, 128)
    with pytest.raises(ValueError, match="no shape 'star'"):
        shapes.ShapesDataset().draw_shape(np.zeros((9, 9), np.uint8), "star", (4, 4, 2), 1)


def test_the_program_trains_and_measures(tmp_path, capsys, small):
    small(shapes.ShapesConfig, STEPS_PER_EPOCH=2, VALIDATION_STEPS=1)
    words = ["--images", "4", "--val-images", "2", "--stages", "all:1e-3:1", "--set", "RPN_TRAIN_ANCHORS_PER_IMAGE=16"]
    shapes.main(["train", "--weights", "none", *words, "--logs", str(tmp_path)])
    assert "mAP at epoch 1 is:" in capsys.readouterr().out
    assert [path.name for path in tmp_path.glob("shapes*/mask_rcnn_shapes_*.h5")] == ["mask_rcnn_shapes_0001.h5"]
    (run,) = tmp_path.glob("shapes*")
    assert json.loads((run / "config.json").read_text())["config"]["RPN_TRAIN_ANCHORS_PER_IMAGE"] == 16
    with pytest.raises(SystemExit) as caught:
        shapes.main(["train", "--weights", "last", "--stages", "all:1e-3:1", "--logs", str(tmp_path)])
    assert "shapes.py train: Nothing is left to train: 1 epochs are done" in caught.value.code
