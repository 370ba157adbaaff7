"""mrcnn.data.dataset: the habits of the original's users, and refusals."""

import logging

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.counts import instance_counts
from mrcnn.data.dataset import Dataset
from mrcnn.data.synthetic import SceneDataset


@pytest.fixture
def dataset():
    dataset = Dataset()
    dataset.add_class("a", 1, "shirt, blouse")
    dataset.add_class("b", 7, "shoe")
    dataset.add_image("a", image_id="x", path=None, width=5)
    dataset.prepare()
    return dataset


def test_a_positional_argument_is_tolerated():
    class Kernel(Dataset):
        def __init__(self):
            super().__init__(self)

    assert Kernel().class_info == [{"source": "", "id": 0, "name": "BG"}]


def test_datasets_share_nothing():
    Dataset().add_class("a", 1, "shirt")
    assert len(Dataset().class_info) == 1


def test_prepare_numbers_classes_and_images(dataset):
    assert dataset.num_classes == 3 and dataset.class_ids.tolist() == [0, 1, 2]
    assert dataset.class_names == ["BG", "shirt", "shoe"]
    assert dataset.num_images == 1 and dataset.image_ids.tolist() == [0]
    assert dataset.class_from_source_map == {".0": 0, "a.1": 1, "b.7": 2}
    assert dataset.image_from_source_map == {"a.x": 0}
    assert dataset.source_class_ids == {"": [0], "a": [0, 1], "b": [0, 2]}
    assert dataset.image_info == [{"id": "x", "source": "a", "path": None, "width": 5}]


def test_class_ids_are_mapped_both_ways(dataset):
    assert dataset.map_source_class_id("b.7") == 2
    assert dataset.get_source_class_id(2, "b") == 7


def test_an_unknown_class_is_named(dataset):
    with pytest.raises(KeyError, match="b.8.*it has 2 classes"):
        dataset.map_source_class_id("b.8")


def test_a_class_of_another_source_is_refused(dataset):
    with pytest.raises(ValueError, match="comes from 'b', not from 'a'"):
        dataset.get_source_class_id(2, "a")


def test_a_class_id_out_of_range_is_refused(dataset):
    with pytest.raises(ValueError, match="5 is out of range; the dataset has 3"):
        dataset.get_source_class_id(5, "a")


def test_mapping_before_prepare_says_so():
    with pytest.raises(KeyError, match="call dataset.prepare"):
        Dataset().map_source_class_id("a.1")


def test_the_same_class_twice_is_one(dataset, caplog):
    with caplog.at_level(logging.WARNING):
        dataset.add_class("b", 7, "shoe")
        assert not caplog.records
        dataset.add_class("b", 7, "boot")
    assert len(dataset.class_info) == 3 and "stays 'shoe'" in caplog.text


@pytest.mark.parametrize("source", ["a.b", None])
def test_a_source_with_a_dot_is_refused(source):
    with pytest.raises(ValueError, match="without a dot"):
        Dataset().add_class(source, 1, "shirt")


@pytest.mark.parametrize("class_id", [None, 1.5, True])
def test_a_class_id_that_is_no_number_and_no_text_is_refused(class_id):
    with pytest.raises(ValueError, match="whole number or text"):
        Dataset().add_class("a", class_id, "shirt")


def test_class_ids_may_be_numpy_integers(dataset):
    dataset.add_class("b", np.int64(9), "hat")
    dataset.prepare()
    assert dataset.map_source_class_id("b.9") == 3


def test_load_image_reads_the_path(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    dataset = Dataset()
    dataset.add_image("a", 0, str(tmp_path / "a.png"))
    dataset.prepare()
    assert (dataset.load_image(0) == pixels).all()
    assert dataset.source_image_link(0) == str(tmp_path / "a.png")


def test_an_image_without_path_says_what_to_do(dataset):
    with pytest.raises(ValueError, match="'x'.*override load_image"):
        dataset.load_image(0)


def test_an_image_id_out_of_range_is_refused(dataset):
    with pytest.raises(ValueError, match="3 is out of range; the dataset has 1"):
        dataset.load_image(3)


def test_load_mask_is_empty_unless_overridden(dataset, caplog):
    with caplog.at_level(logging.WARNING):
        masks, class_ids = dataset.load_mask(0)
    assert masks.shape[-1] == 0 and class_ids.shape == (0,)
    assert "load_mask is not overridden in Dataset" in caplog.text
    assert dataset.image_reference(0) == ""


class ByNumber(Dataset):
    """Keeps its annotations by image id, as many users' classes do."""

    def __init__(self):
        super().__init__()
        self.add_class("a", 1, "one")
        self.add_class("a", 2, "two")
        self.kinds = [[1], [2, 2], [], [-1]]
        for i in range(4):
            self.add_image("a", f"image-{i}", f"{i}.png", number=i)
        self.prepare()

    def load_image(self, image_id):
        return np.full((4, 4, 3), image_id, np.uint8)

    def load_mask(self, image_id):
        kinds = self.kinds[image_id]
        return np.ones((4, 4, len(kinds)), bool), np.array(kinds, np.int32)

    def image_reference(self, image_id):
        return f"reference {image_id}"


def test_a_subset_asks_the_whole_with_its_own_ids():
    subset = ByNumber().subset([3, 1])
    assert subset.image_ids.tolist() == [0, 1] and subset.num_images == 2
    assert [int(subset.load_image(i)[0, 0, 0]) for i in (0, 1)] == [3, 1]
    assert subset.load_mask(1)[1].tolist() == subset.image_class_ids(1).tolist() == [2, 2]
    assert [info["number"] for info in subset.image_info] == [3, 1]
    assert subset.image_reference(0) == "reference 3" and subset.source_image_link(1) == "1.png"


def test_a_subset_has_the_classes_of_the_whole():
    whole = ByNumber()
    subset = whole.subset([2])
    assert subset.class_names == whole.class_names and subset.num_classes == 3
    assert subset.map_source_class_id("a.2") == 2 and subset.source_class_ids == whole.source_class_ids


def test_a_subset_of_a_subset_and_an_empty_one():
    nested = ByNumber().subset([3, 1, 0]).subset(np.array([2, 0]))
    assert [int(nested.load_image(i)[0, 0, 0]) for i in (0, 1)] == [0, 3]
    assert ByNumber().subset([]).num_images == 0


@pytest.mark.parametrize(
    ("ids", "message"),
    [([4], "go from 0 to 3; got 4 to 4"), ([-1], "got -1"), ([1, 1], "comes twice"), ([0.5], "list of image ids"), ([[0]], "shape")],
)
def test_impossible_subsets_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        ByNumber().subset(ids)


def test_a_subset_of_what_is_not_prepared_is_refused():
    with pytest.raises(KeyError, match="not prepared"):
        Dataset().subset([0])


def test_a_subset_takes_nothing_new_and_refuses_other_ids():
    subset = ByNumber().subset([1])
    with pytest.raises(ValueError, match="no new images"):
        subset.add_image("a", "x", None)
    with pytest.raises(ValueError, match="no new classes"):
        subset.add_class("a", 3, "three")
    with pytest.raises(ValueError, match="Image id 1 is out of range; the dataset has 1"):
        subset.load_image(1)


def test_instances_are_counted_by_class_without_crowds():
    assert instance_counts(ByNumber()).tolist() == [[0, 1, 0], [0, 0, 2], [0, 0, 0], [0, 0, 0]]


def test_classes_that_cannot_be_read_are_marked_and_logged(caplog):
    dataset = ByNumber()
    dataset.kinds[1] = None
    with caplog.at_level("WARNING"):
        assert instance_counts(dataset).tolist()[1] == [-1, 0, 0]
    assert "The classes of image 1 are not known: TypeError" in caplog.text


def test_scenes_tell_their_classes_as_their_masks_do():
    scenes = SceneDataset()
    scenes.load(3, seed=2)
    scenes.prepare()
    assert all(scenes.image_class_ids(i).tolist() == scenes.load_mask(i)[1].tolist() for i in range(3))
