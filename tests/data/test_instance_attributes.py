"""Attributes of instances: as numbers, in step with the instances on their way into a batch, and through the kinds of data sets."""

from functools import partial

import numpy as np
import pytest
from loader_data import SmallConfig

from mrcnn.data import attributes, augment, pipeline, samples, synthetic, synthetic_attributes
from mrcnn.data.dataset import Dataset
from mrcnn.data.merged import merge
from mrcnn.ops import anchors as anchor_ops


class CodeConfig(SmallConfig):
    NUM_CLASSES = 8
    NUM_ATTRIBUTES = 3
    MAX_GT_INSTANCES = 4


def code(class_ids):
    """The bits of the class id: so a row that has gone astray shows."""
    return (np.abs(np.asarray(class_ids))[:, None] >> np.arange(3)) & 1


class Coded(Dataset):
    """Each image has seven instances, of which some are empty, one a crowd; the attributes of each are the bits of its class."""

    def __init__(self, count=3, known=True):
        super().__init__()
        self.known, self.attribute_names = known, {0: "one", 5: "two", 9: "four"}
        for number in range(1, 8):
            self.add_class("a", number, str(number))
        for number in range(count):
            self.add_image("a", number, None)
        self.prepare()

    def load_image(self, image_id):
        return np.full((64, 64, 3), 20 * image_id, np.uint8)

    def load_mask(self, image_id):
        masks = np.zeros((64, 64, 7), bool)
        ids = np.roll(np.arange(1, 8), image_id)
        for place in range(7):
            if place != 2 + image_id:  # this one is empty
                masks[8 * place : 8 * place + 9, 6 * place : 6 * place + 14, place] = True
        ids[0] *= -1
        return masks, ids

    def load_attributes(self, image_id):
        return code(self.load_mask(image_id)[1]) if self.known else None


def batches(dataset, config=None, **options):
    config = config or CodeConfig()
    shapes = anchor_ops.feature_shapes((64, 64), config.BACKBONE_STRIDES)
    boxes = anchor_ops.generate_pyramid(config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, shapes, config.BACKBONE_STRIDES)
    return pipeline.Batches(dataset, config, **{"batch_size": 2, "steps": 3, "seed": 0, "anchors": boxes} | options)


def test_rows_of_the_batch_are_those_of_their_instances_whatever_was_dropped():
    crop = partial(augment.crop, least=0.3)
    paste = partial(augment.copy_paste, probability=0.7)
    for augmentation in (None, [augment.flip, crop, paste]):
        found = batches(Coded(), augmentation=augmentation)
        counts = []
        for index in range(6):
            *_, class_ids, _, masks, labels = found.batch(index // 3, index % 3)
            assert labels.shape == (2, 4, 3) and labels.dtype == np.int8 and masks.shape[-1] == 4
            real = class_ids != 0
            assert (labels[real] == code(class_ids[real])).all() and not labels[~real].any()
            counts += real.sum(axis=1).tolist()
        assert max(counts) == 4  # more instances than places: a random part of them


def test_a_sample_has_five_values_unless_attributes_are_asked_for():
    assert len(samples.load(Coded(), CodeConfig(), 0)) == 5
    sample = samples.load(Coded(), CodeConfig(), 1, num_attributes=3, use_mini_mask=True)
    assert len(sample) == 6 and len(sample.class_ids) == 6 and (sample.attributes == code(sample.class_ids)).all()
    assert samples.load(Coded(known=False), CodeConfig(), 0, num_attributes=3).attributes.tolist() == [[-1] * 3] * 6


def test_without_the_head_batches_have_seven_arrays_and_attributes_are_never_read():
    class Silent(Coded):
        def load_attributes(self, image_id):
            raise AssertionError("nobody asked for them")

    class Plain(CodeConfig):
        NUM_ATTRIBUTES = 0

    assert len(batches(Silent(), Plain()).batch(0, 0)) == 7


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((3, 3)), r"shape \(3, 3\); \[7 instances, 3 attributes\] is expected"),
        (np.zeros((7, 2)), r"shape \(7, 2\)"),
        (np.full((7, 3), 2), r"other values than 1 \(has\), 0 \(has not\) and -1"),
    ],
    ids=["rows", "columns", "values"],
)
def test_attributes_that_are_none_are_refused(given, message):
    dataset = Coded()
    dataset.load_attributes = lambda image_id: given
    with pytest.raises(ValueError, match=message):
        samples.load(dataset, CodeConfig(), 0, num_attributes=3)


def test_an_image_without_instances_has_no_rows():
    dataset = Coded()
    dataset.load_mask = lambda image_id: (np.zeros((64, 64, 0), bool), np.zeros(0, int))
    assert samples.load(dataset, CodeConfig(), 0, num_attributes=3).attributes.shape == (0, 3)


def test_data_that_cannot_teach_attributes_are_refused_before_training():
    dataset = Coded()
    dataset.attribute_names = {0: "one"}
    with pytest.raises(ValueError, match="names 1 attributes, but NUM_ATTRIBUTES is 3. Set NUM_ATTRIBUTES = 1"):
        batches(dataset)
    with pytest.raises(ValueError, match="no instance of 3 images has known attributes. Override load_attributes"):
        batches(Coded(known=False))


def test_subsets_and_merged_sets_pass_attributes_on():
    whole = Coded()
    part = whole.subset([2, 0])
    assert part.attribute_names == whole.attribute_names and (part.load_attributes(0) == whole.load_attributes(2)).all()

    other = Coded(1)
    other.attribute_names = {5: "eight", 9: "four", 1: "one"}
    both = merge([whole, other])
    assert both.attribute_names == {0: "one", 5: "two", 9: "four", 10: "eight"}  # 5 is taken
    assert both.load_attributes(0).tolist() == [[*row, -1] for row in whole.load_attributes(0).tolist()]
    eight, four, one = other.load_attributes(0).T
    assert both.load_attributes(3).T.tolist() == [one.tolist(), [-1] * 7, four.tolist(), eight.tolist()]
    assert merge([whole, Coded(1, known=False)]).load_attributes(3) is None


def test_lists_become_rows():
    assert attributes.table([(12, 44), (), None, (7, 44)], [12, 44]).tolist() == [[1, 1], [0, 0], [-1, -1], [0, 1]]
    assert attributes.table([], [12]).shape == (0, 1) and attributes.table([()], []).shape == (1, 0)


def test_scenes_tell_the_pattern_and_the_colour_of_each_garment():
    scenes = synthetic.SceneDataset()
    scenes.load(count=12, seed=3)
    scenes.prepare()
    found = [scenes.load_attributes(i) for i in range(12)]
    for i, told in enumerate(found):
        assert told.shape == (len(scenes.load_mask(i)[1]), len(scenes.attribute_names)) and told.dtype == np.int8
        patterns = len(synthetic_attributes.PATTERNS)
        assert (told[:, :patterns].sum(axis=1) == 1).all() and (told[:, patterns:].sum(axis=1) == 1).all()
    assert (np.concatenate(found).sum(axis=0) > 0).sum() >= 12  # nearly every attribute occurs


def test_the_colour_of_a_plain_garment_is_on_its_pixels():
    drawn = synthetic.scene(seed=3, index=1)
    names = np.array(synthetic.ATTRIBUTE_NAMES)
    for number in np.flatnonzero(drawn.attributes[:, 0]):
        colour = names[8:][drawn.attributes[number, 8:]][0]
        red, green, blue = np.median(drawn.image[drawn.masks[:, :, number]], axis=0)
        told = synthetic_attributes.of_cloth("plain", (int(red), int(green), int(blue)))
        assert colour == "grey" or told[8:][drawn.attributes[number, 8:]].all() or max(red, green, blue) - min(red, green, blue) < 40
