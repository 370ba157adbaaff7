"""Several data sets as one."""

import numpy as np
import pytest

from mrcnn.data import samples
from mrcnn.data.dataset import Dataset, rles_of
from mrcnn.data.merged import merge
from mrcnn.ops import rle


class Few(Dataset):
    """Images of a value each, with one instance of each of its classes, and a crowd of the last."""

    def __init__(self, source, names, values, first_id=1):
        super().__init__()
        for number, name in enumerate(names, start=first_id):
            self.add_class(source, number, name)
        for value in values:
            self.add_image(source, value, path=f"{value}.png")
        self.values = values
        self.prepare()

    def load_image(self, image_id):
        return np.full((4, 4, 3), self.values[image_id], np.uint8)

    def load_mask(self, image_id):
        ids = [*range(1, self.num_classes), 1 - self.num_classes]
        return np.ones((4, 4, len(ids)), bool), np.array(ids, np.int64)

    def image_reference(self, image_id):
        return f"reference {self.values[image_id]}"


@pytest.fixture
def both():
    return merge([Few("a", ["nut", "fig"], [10, 20]), Few("b", ["date", "nut"], [30], first_id=7)])


def test_classes_of_one_name_are_one_class(both):
    assert both.class_names == ["BG", "nut", "fig", "date"] and both.num_images == 3
    assert both.load_mask(0)[1].tolist() == [1, 2, -2] == both.image_class_ids(0).tolist()
    assert both.load_mask(2)[1].tolist() == [3, 1, -1] == both.image_class_ids(2).tolist()
    assert both.load_mask(2)[1].dtype == np.int32


def test_images_are_those_of_the_parts(both):
    assert [int(both.load_image(i)[0, 0, 0]) for i in both.image_ids] == [10, 20, 30]
    assert both.source_image_link(2) == "30.png" and both.image_reference(1) == "reference 20"
    with pytest.raises(ValueError, match="out of range"):
        both.load_image(3)


def test_a_class_that_a_part_does_not_have_is_not_trained_on_its_images(both):
    assert samples.active_class_ids(both, 0).tolist() == [1, 1, 1, 0]
    assert samples.active_class_ids(both, 2).tolist() == [1, 1, 0, 1]


def test_every_source_finds_its_classes(both):
    assert both.map_source_class_id("a.1") == both.map_source_class_id("b.8") == 1
    assert (both.get_source_class_id(1, "a"), both.get_source_class_id(1, "b"), both.get_source_class_id(3, "b")) == (1, 8, 7)
    with pytest.raises(ValueError, match="comes from 'b', not from 'a'"):
        both.get_source_class_id(3, "a")
    assert both.sources == ["", "a", "b"]


def test_sources_of_one_name_are_told_apart():
    twice = merge([Few("coco", ["nut"], [1]), Few("coco", ["fig"], [1]), Few("coco", ["fig", "nut"], [1])])
    assert [info["source"] for info in twice.image_info] == ["coco", "coco-2", "coco-3"]
    assert twice.image_from_source_map == {"coco.1": 0, "coco-2.1": 1, "coco-3.1": 2}
    assert [samples.active_class_ids(twice, i).tolist() for i in range(3)] == [[1, 1, 0], [1, 0, 1], [1, 1, 1]]


def test_preparing_again_changes_nothing(both):
    before = dict(both.class_from_source_map), dict(both.source_class_ids), list(both.sources)
    both.prepare()
    assert (both.class_from_source_map, both.source_class_ids, both.sources) == before


def test_merged_sets_can_be_merged_and_cut(both):
    again = merge([both.subset([2, 0]), Few("a", ["plum"], [40])])
    assert again.class_names == ["BG", "nut", "fig", "date", "plum"]
    assert again.load_mask(0)[1].tolist() == [3, 1, -1] and again.load_mask(2)[1].tolist() == [4, -4]
    assert again.subset([2]).load_mask(0)[1].tolist() == [4, -4]


def test_one_part_alone_is_itself():
    one = merge([Few("a", ["nut"], [1])])
    assert one.class_names == ["BG", "nut"] and one.load_mask(0)[1].tolist() == [1, -1]


def test_what_cannot_be_merged_is_refused(both):
    with pytest.raises(ValueError, match="no data set to merge"):
        merge([])
    with pytest.raises(KeyError, match="not prepared"):
        merge([Dataset()])
    with pytest.raises(ValueError, match="takes no new images"):
        both.add_image("a", 1, "x.png")
    with pytest.raises(ValueError, match="takes no new classes"):
        both.add_class("a", 9, "plum")


def test_run_lengths_of_a_part_go_on_as_run_lengths_with_our_class_ids():
    class Encoded(Few):
        def load_rles(self, image_id):
            masks, ids = Few.load_mask(self, image_id)
            return [rle.encode_coco(mask) for mask in np.moveaxis(masks, -1, 0)], ids

    both = merge([Few("a", ["nut", "fig"], [10]), Encoded("b", ["date", "nut"], [30], first_id=7)])
    assert rles_of(both, 0) is None
    encoded, ids = rles_of(both, 1)
    assert ids.tolist() == [3, 1, -1] and rle.decode_coco(encoded).shape == (4, 4, 3)
    assert samples.load_instances(both, 1)[1].tolist() == [3, 1, -1] and both.mask_orientation(1) == 1
