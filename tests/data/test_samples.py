"""mrcnn.data.samples: what load_mask may return, what is dropped, and what is refused."""

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data import samples
from mrcnn.data.dataset import Dataset


class SmallConfig(Config):
    NAME = "small"
    NUM_CLASSES = 3
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    MINI_MASK_SHAPE = (14, 14)


class OneImage(Dataset):
    """A dataset whose load_image and load_mask return what they are told."""

    def __init__(self, masks, class_ids, image=None, source="a"):
        super().__init__()
        self.loaded = masks, class_ids
        self.image = np.full((32, 48, 3), 100, np.uint8) if image is None else image
        self.add_class("a", 1, "shirt")
        self.add_class("b", 1, "shoe")
        self.add_image(source, "photo-7", None)
        self.prepare()

    def load_image(self, image_id):
        return self.image

    def load_mask(self, image_id):
        return self.loaded


def two_masks():
    masks = np.zeros((32, 48, 2), bool)
    masks[4:20, 6:30, 0] = True
    masks[10:12, 40:48, 1] = True
    return masks


def load(dataset, **kwargs):
    return samples.load(dataset, SmallConfig(), 0, **kwargs)


def test_image_masks_and_boxes_are_scaled_and_padded_together():
    sample = load(OneImage(two_masks(), np.array([1, 2])))
    image, meta, class_ids, boxes, masks = sample
    assert image.shape == (64, 64, 3) and masks.shape == (64, 64, 2)
    assert class_ids.tolist() == [1, 2] and class_ids.dtype == np.int32
    assert boxes.tolist() == [[15, 8, 37, 40], [23, 53, 26, 64]] and boxes.dtype == np.int32
    assert meta[7:11].tolist() == [10, 0, 53, 64]


@pytest.mark.parametrize("id_dtype", [np.int32, np.int64, np.uint8, float])
@pytest.mark.parametrize("mask_dtype", [bool, np.uint8, np.float32, np.float64, np.int64])
def test_any_dtype_of_masks_and_ids_is_taken(mask_dtype, id_dtype):
    expected = load(OneImage(two_masks(), np.array([1, 2])))
    sample = load(OneImage(two_masks().astype(mask_dtype), np.array([1, 2], id_dtype)))
    assert sample.masks.dtype == bool and (sample.masks == expected.masks).all()
    assert sample.class_ids.dtype == np.int32 and sample.class_ids.tolist() == [1, 2]


def test_lists_and_masks_of_255_are_taken():
    sample = load(OneImage(two_masks().astype(np.uint8) * 255, [1, 2]), use_mini_mask=True)
    assert sample.masks.shape == (14, 14, 2) and sample.masks.all()


def test_an_empty_mask_is_dropped_with_its_id():
    masks = two_masks()
    masks[..., 0] = False
    sample = load(OneImage(masks, np.array([1, 2])))
    assert sample.class_ids.tolist() == [2] and sample.masks.shape[-1] == len(sample.boxes) == 1


def test_a_mask_that_is_cropped_away_is_dropped():
    config = SmallConfig()
    config.IMAGE_RESIZE_MODE, config.IMAGE_MIN_DIM = "crop", 64
    masks = np.zeros((64, 640, 2), bool)
    masks[:, :, 0] = True
    masks[:, :2, 1] = True
    dataset = OneImage(masks, np.array([1, 2]), np.zeros((64, 640, 3), np.uint8))
    sample = samples.load(dataset, config, 0, use_mini_mask=True, rng=np.random.default_rng(0))
    assert sample.class_ids.tolist() == [1] and sample.boxes.tolist() == [[0, 0, 64, 64]]


def test_a_crowd_keeps_its_negative_id():
    assert load(OneImage(two_masks(), np.array([-1, 2]))).class_ids.tolist() == [-1, 2]


@pytest.mark.parametrize("masks", [np.empty((0, 0, 0)), np.zeros((32, 48, 0), bool)])
def test_no_instances_give_empty_arrays_of_the_right_shapes(masks):
    for use_mini_mask, shape in ((False, (64, 64, 0)), (True, (14, 14, 0))):
        sample = load(OneImage(masks, np.empty(0, np.int32)), use_mini_mask=use_mini_mask)
        assert sample.masks.shape == shape and sample.boxes.shape == (0, 4) and sample.class_ids.shape == (0,)


def test_an_image_without_instances_may_come_as_one_empty_mask_of_class_0():
    assert load(OneImage(np.zeros((32, 48, 1)), np.zeros(1, int))).class_ids.shape == (0,)


def test_active_classes_are_those_of_the_images_source():
    assert load(OneImage(two_masks(), np.array([1, 1]))).meta[12:].tolist() == [1, 1, 0]
    assert load(OneImage(two_masks(), np.array([2, 2]), source="b")).meta[12:].tolist() == [1, 0, 1]


def test_the_sample_leaves_what_was_loaded_alone():
    masks = two_masks()
    dataset = OneImage(masks, np.array([1, 2]))
    load(dataset, use_mini_mask=True)
    assert (masks == two_masks()).all() and (dataset.image == 100).all()


@pytest.mark.parametrize(
    ("masks", "class_ids", "message"),
    [
        (np.ones((48, 32, 1)), [1], r"photo-7.*32 × 48 pixels.*masks 48 × 32"),
        (np.ones((32, 48)), [1], r"photo-7.*shape \(32, 48\)"),
        (np.ones((32, 48, 2)), [1], r"photo-7.*2 masks but class ids of shape \(1,\)"),
        (np.ones((32, 48, 1)), [[1]], r"2 masks|shape \(1, 1\)"),
        (np.ones((32, 48, 1)), [3], "photo-7.*class id 3 is out of range.*3 classes.*1 to 2"),
        (np.ones((32, 48, 1)), [-3], "class id -3 is out of range"),
        (np.ones((32, 48, 1)), [1.5], "class id 1.5 is out of range"),
        (np.ones((32, 48, 1)), [0], "class id 0, the background"),
    ],
)
def test_wrong_instances_are_refused_by_name(masks, class_ids, message):
    with pytest.raises(ValueError, match=message):
        load(OneImage(masks, np.array(class_ids)))


def test_load_mask_that_returns_no_pair_is_refused():
    dataset = OneImage(None, None)
    dataset.load_mask = lambda image_id: None
    with pytest.raises(ValueError, match="photo-7.*must return"):
        load(dataset)


@pytest.mark.parametrize("image", [np.zeros((32, 48), np.uint8), np.zeros((0, 48, 3), np.uint8), "a.jpg"])
def test_an_image_that_is_none_is_refused_by_name(image):
    with pytest.raises(ValueError, match="photo-7.*load_image must return"):
        load(OneImage(two_masks(), np.array([1, 2]), image))


def test_a_source_without_classes_is_refused():
    with pytest.raises(ValueError, match=r"source 'c', which has no classes.*\['a', 'b'\]"):
        load(OneImage(two_masks(), np.array([1, 2]), source="c"))
