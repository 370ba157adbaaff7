"""Pictures of detections drawn with OpenCV: what is drawn where, in which colour, and what is refused."""

import numpy as np
import pytest
from small_scene import NAMES, scene

from mrcnn import results, visualize


def detections(num=2):
    _, boxes, masks, ids = scene(num)
    return results.Detections(boxes, ids, np.array([0.9, 0.0])[:num], masks)


def test_drawn_masks_change_the_pixels_inside_and_no_other():
    image = scene()[0]
    drawn = visualize.draw_instances(image, detections(), NAMES, show_boxes=False, show_captions=False)
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal((drawn != 128).any(axis=2), detections()["masks"].any(axis=2))
    assert (image == 128).all()


def test_a_class_is_drawn_in_the_same_colour_in_every_picture():
    found = detections()
    plain = {"show_boxes": False, "show_captions": False}
    both = visualize.draw_instances(scene()[0], found, NAMES, **plain)
    alone = visualize.draw_instances(scene()[0], found.select([1]), NAMES, **plain)
    inside = found["masks"][:, :, 1]
    np.testing.assert_array_equal(both[inside], alone[inside])
    assert (both[5, 6] != both[14, 20]).any()


def test_boxes_are_drawn_around_and_captions_on_plates():
    image = np.full((200, 300, 3), 128, np.uint8)
    found = results.Detections([[50, 60, 150, 200]], [1], [0.5], np.zeros((200, 300, 1), bool))
    red = [(1.0, 0.0, 0.0)]
    boxed = visualize.draw_instances(image, found, NAMES, colors=red, show_captions=False)
    rows, columns = np.nonzero((boxed != 128).any(axis=2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (50, 149, 60, 199)
    captioned = visualize.draw_instances(image, found, NAMES, colors=red, show_boxes=False)
    rows, columns = np.nonzero((captioned == (255, 0, 0)).all(axis=2))
    assert 30 < rows.min() and rows.max() < 50 and columns.min() == 60


def test_captions_of_one_place_do_not_cover_each_other():
    image = np.full((200, 300, 3), 128, np.uint8)
    found = results.Detections([[50, 60, 150, 200]] * 2, [1, 2], [0.5, 0.4], np.zeros((200, 300, 2), bool))
    one = visualize.draw_instances(image, found.select([0]), NAMES, show_boxes=False)
    both = visualize.draw_instances(image, found, NAMES, show_boxes=False)
    plate = (one != 128).any(axis=2)
    np.testing.assert_array_equal(both[plate], one[plate])
    assert (both != 128).any(axis=2).sum() > 1.5 * plate.sum()


def test_a_small_image_can_be_enlarged():
    drawn = visualize.draw_instances(scene()[0], detections(), NAMES, enlarge=4)
    assert drawn.shape == (80, 120, 3)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (40, 3)])
def test_tiny_images_can_be_drawn_on(shape):
    found = results.Detections([[0, 0, *shape]], [1], [1.0], np.ones((*shape, 1), bool))
    assert visualize.draw_instances(np.zeros((*shape, 3), np.uint8), found, ["BG", "Hütchen"]).shape == (*shape, 3)


def test_no_detections_leave_the_photo():
    image = scene()[0]
    np.testing.assert_array_equal(visualize.draw_instances(image, results.Detections.empty(20, 30), NAMES), image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colors": [(1, 0, 0)]}, "1 colors for 2"),
        ({"enlarge": 0}, "enlarge"),
        ({"image": np.zeros((9, 9, 3))}, "masks are"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        visualize.draw_instances(**{"image": scene()[0], "detections": detections(), "class_names": NAMES, **options})


def waiting():
    """Two detections whose masks wait, one reaching outside the image."""
    y, x = np.mgrid[:8, :8] - 3.5
    small = np.stack([np.hypot(y, x) < 3.6, np.abs(y) < 2]).astype(np.float32)
    boxes = np.array([[10, 10, 40, 50], [30, 40, 80, 130]])
    return results.Detections([[10, 10, 40, 50], [30, 40, 60, 100]], [1, 2], [0.9, 0.8], results.SmallMasks(small, boxes, (60, 100)))


def test_masks_that_wait_are_drawn_alike_and_go_on_waiting():
    image, found = np.full((60, 100, 3), 90, np.uint8), waiting()
    drawn = visualize.draw_instances(image, found, NAMES)
    assert not found.pasted
    assert found["masks"].any(axis=(0, 1)).all()
    np.testing.assert_array_equal(drawn, visualize.draw_instances(image, found, NAMES))


def test_a_track_keeps_its_colour_whatever_its_class():
    image, found = np.full((60, 100, 3), 90, np.uint8), waiting()
    plain = {"show_captions": False, "show_boxes": False}
    before = visualize.draw_instances(image, found.select([0]), NAMES, track_ids=[7], **plain)
    found["class_ids"][0] = 2
    after = visualize.draw_instances(image, found, NAMES, track_ids=[7, 3], **plain)
    inside = found["masks"][:, :, 0] & ~found["masks"][:, :, 1]
    np.testing.assert_array_equal(before[inside], after[inside])
    with pytest.raises(ValueError, match="1 track_ids for 2"):
        visualize.draw_instances(image, found, NAMES, track_ids=[1])


def test_captions_name_class_track_and_score_or_what_was_given(monkeypatch):
    written, image = [], np.zeros((60, 100, 3), np.uint8)
    monkeypatch.setattr(visualize.render, "write", lambda photo, text, *rest: written.append(text))
    for options in ({}, {"track_ids": [4, 5]}, {"show_scores": False}, {"captions": ["left", ""]}):
        visualize.draw_instances(image, waiting(), NAMES, **options)
    assert written == ["shirt 0.90", "shoe 0.80", "shirt #4 0.90", "shoe #5 0.80", "shirt", "shoe", "left"]


def test_a_long_name_on_a_narrow_image_is_written_smaller():
    image = np.full((200, 110, 3), 128, np.uint8)
    found = results.Detections([[100, 5, 180, 80]], [1], [0.5], np.zeros((200, 110, 1), bool))
    drawn = visualize.draw_instances(image, found, ["BG", "a long name"], show_boxes=False, colors=[(1, 1, 1)])
    assert (drawn < 60).any() and (drawn[:, -1] > 100).all()  # dark letters, none of them cut
