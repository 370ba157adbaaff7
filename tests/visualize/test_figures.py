"""Figures: their proportions, panels, titles and labels."""

import numpy as np
import pytest
from small_scene import NAMES

from mrcnn import visualize


@pytest.mark.parametrize(("shape", "panels"), [((5, 6), 1), ((5, 6, 3), 1), ((2, 5, 6), 2), ((2, 5, 6, 3), 2)])
def test_one_image_or_a_stack_of_them(shape, panels):
    assert sum(len(ax.images) for ax in visualize.display_images(np.zeros(shape)).axes) == panels


def test_no_images_are_an_empty_figure_and_no_image_is_refused():
    assert not any(ax.images for ax in visualize.display_images([]).axes)
    with pytest.raises(ValueError, match="an image is"):
        visualize.display_images([np.zeros(7)])


def test_colours_beyond_their_range_are_bytes():
    shown = np.asarray(visualize.display_images([np.full((4, 5, 3), 200.0)]).axes[0].images[0].get_array())
    assert shown.dtype == np.uint8 and (shown == 200).all()


def test_long_titles_are_wrapped_and_panels_fill_the_figure():
    figure = visualize.display_images([np.zeros((40, 60, 3))] * 8, ["a long title of many words " * 4] * 8)
    figure.canvas.draw()
    first, second = (ax.title.get_window_extent() for ax in figure.axes[:2])
    assert first.x1 < second.x0
    assert figure.axes[4].title.get_window_extent().y1 < figure.axes[0].get_window_extent().y0
    assert sum(ax.get_window_extent().width for ax in figure.axes[:4]) > 0.95 * figure.bbox.width


# --- Where labels stand --------------------------------------------------------------------------------------------------


def extents(figure):
    figure.canvas.draw()
    return [text.get_bbox_patch().get_window_extent() for text in figure.axes[0].texts]


def meet(one, other):
    return one.x0 < other.x1 - 1 and other.x0 < one.x1 - 1 and one.y0 < other.y1 - 1 and other.y0 < one.y1 - 1


@pytest.mark.parametrize("size", [(480, 640), (200, 900)])
def test_labels_stay_on_the_photo_and_off_each_other(size):
    height, width = size
    boxes = [[0, 0, 30, 30], [0, width - 20, 60, width], [height - 9, 5, height, 40], *[[100, 50 + i, 150, 300] for i in range(6)]]
    names = ["BG", "a class with a long name"]
    figure = visualize.display_instances(np.zeros((*size, 3), np.uint8), boxes, np.zeros((*size, 9), bool), np.ones(9, int), names, scores=np.ones(9))
    frame, plates = figure.axes[0].get_window_extent(), extents(figure)
    for number, plate in enumerate(plates):
        assert frame.x0 - 1 <= plate.x0 and plate.x1 <= frame.x1 + 1 and frame.y0 - 1 <= plate.y0 and plate.y1 <= frame.y1 + 1
        assert not any(meet(plate, other) for other in plates[:number])


def test_a_figure_has_the_proportions_of_its_photo():
    image, boxes, masks, ids = np.zeros((100, 400, 3), np.uint8), [[1, 1, 50, 50]], np.zeros((100, 400, 1)), [1]
    width, height = visualize.display_instances(image, boxes, masks, ids, NAMES).get_size_inches()
    assert width == 16 and 4 <= height < 4.2
    width, height = visualize.display_instances(image, boxes, masks, ids, NAMES, title="two\nlines", figsize=(4, 4)).get_size_inches()
    assert width == 4 and 1.5 < height < 2.8
