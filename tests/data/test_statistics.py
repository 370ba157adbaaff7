"""mrcnn.data.statistics: figures worked by hand."""

import numpy as np
import pytest

from mrcnn.data import statistics
from mrcnn.data.dataset import Dataset


class Rectangles(Dataset):
    """Photos of 100 px with rectangles: {photo: [(class id, height, width)]}."""

    def __init__(self, *photos):
        super().__init__()
        for number, name in enumerate(("hat", "shoe", "belt"), start=1):
            self.add_class("r", number, name)
        self.photos = photos
        for number in range(len(photos)):
            self.add_image("r", number, None)
        self.prepare()

    def load_mask(self, image_id):
        masks = np.zeros((100, 100, len(self.photos[image_id])), bool)
        for place, (_, height, width) in enumerate(self.photos[image_id]):
            masks[:height, :width, place] = True
        return masks, np.array([class_id for class_id, _, _ in self.photos[image_id]], np.int32)


@pytest.fixture
def found():
    return statistics.gather(Rectangles([(1, 10, 20), (2, 30, 40)], [], [(2, 50, 60), (2, 96, 96), (-2, 70, 70)], [(1, 0, 0)]))


def test_classes_are_counted_by_image_and_instance(found):
    assert found.instances_per_class.tolist() == [0, 1, 3, 0]
    assert found.images_per_class.tolist() == [2, 1, 2, 0]  # of the background: the images that show nothing
    assert found.instances_per_image.tolist() == [2, 0, 2, 0]


def test_crowds_and_what_has_no_pixel_are_in_no_figure(found):
    assert found.num_crowds == 1 and len(found.class_ids) == 4


def test_sizes_are_those_of_box_and_mask(found):
    assert found.sizes.tolist() == [[10, 20], [30, 40], [50, 60], [96, 96]] and found.areas.tolist() == [200, 1200, 3000, 9216]
    assert found.image_of.tolist() == [0, 0, 2, 2]


def test_classes_that_come_together_are_counted_by_image(found):
    assert found.together().tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 2, 0], [0, 0, 0, 0]]


def test_the_table_has_a_row_a_class(found):
    assert found.table() == [
        ["hat", 1, 1, 0.25, 200, 200, 200, 1, 0, 0],
        ["shoe", 2, 3, 0.75, 1560, 3000, 7973, 0, 2, 1],
        ["belt", 0, 0, 0.0, "", "", "", 0, 0, 0],
    ]
    assert len(statistics.COLUMNS) == len(found.table()[0])


def test_figures_of_some_images_are_those_of_these_images_alone(found):
    part = found.of_images([2, 3])
    assert part.image_ids.tolist() == [2, 3] and part.instances_per_class.tolist() == [0, 0, 2, 0]
    assert part.image_of.tolist() == [0, 0] and part.areas.tolist() == [3000, 9216]


def test_an_image_that_cannot_be_read_is_left_out_and_named(caplog):
    data = Rectangles([(1, 10, 20)], [(9, 10, 20)])
    assert statistics.gather(data).image_ids.tolist() == [0]
    assert "Image 1 is left out: ValueError" in caplog.text and "out of range" in caplog.text


def test_no_image_gives_empty_figures():
    found = statistics.gather(Rectangles())
    assert found.counts.shape == (0, 4) and found.table()[0][1] == 0 and found.together().shape == (4, 4)


def test_progress_is_told():
    told = []
    statistics.gather(Rectangles([], []), lambda *where: told.append(where))
    assert told == [(1, 2), (2, 2)]
