"""Pictures of detections beside the ground truth."""

import types

import cv2
import numpy as np
import pytest
import tiny

from mrcnn.results import Detections
from mrcnn.training import pictures


class Detector:
    """Finds what it is told."""

    config = types.SimpleNamespace(IMAGE_CHANNEL_COUNT=3, BATCH_SIZE=3)

    def __init__(self, found):
        self.found, self.sizes = found, []

    def detect(self, images, verbose=0):
        self.sizes.append(len(images))
        return [self.found] * len(images)


class OneSquare(tiny.Squares):
    """A square of 10 px, or a crowd of that size."""

    def __init__(self, size=(64, 64), class_ids=(1,), box=(20, 30, 30, 40)):
        super().__init__(1, size)
        self.class_ids, self.box = class_ids, box

    def instances(self, image_id):
        y1, x1, y2, x2 = self.box
        mask = np.zeros((*self.size, len(self.class_ids)), bool)
        mask[y1:y2, x1:x2] = True
        return mask, np.array(self.class_ids, np.int32)

    def load_image(self, image_id):
        return np.full((*self.size, 3), 90, np.uint8)


def found(class_id=1, score=0.9, size=(64, 64), count=1):
    mask = np.zeros((*size, count), bool)
    mask[20:30, 30:40] = True
    return Detections([[20, 30, 30, 40]] * count, [class_id] * count, [score] * count, mask)


def draw(found, dataset=None, epoch=3):
    (picture,) = pictures._draw_batch(Detector(found), dataset or OneSquare(), [0], epoch)
    return picture


@pytest.fixture
def heading(monkeypatch):
    """The lines written above the two halves."""
    lines, pane = [], pictures._pane
    monkeypatch.setattr(pictures, "_pane", lambda image, found, names, text, **more: lines.append(text) or pane(image, found, names, text, **more))
    return lines


@pytest.mark.parametrize(
    ("detections", "line"),
    [
        (found(), "epoch 3: 1 found, 1 right (score 0.5 and more)"),
        (found(class_id=2), "epoch 3: 1 found, 0 right (score 0.5 and more)"),
        (found(score=0.4), "epoch 3: 0 found, 0 right (score 0.5 and more, 1 below)"),
        (found(count=2), "epoch 3: 2 found, 1 right (score 0.5 and more)"),
        (Detections.empty(64, 64), "epoch 3: 0 found, 0 right (score 0.5 and more)"),
    ],
)
def test_the_line_counts_what_was_found_and_what_is_right(heading, detections, line):
    draw(detections)
    assert heading == ["image 0 (0), ground truth: 1", line]


def test_crowds_are_named_apart(heading):
    draw(found(), OneSquare(class_ids=(1, -2)))
    assert heading[0] == "image 0 (0), ground truth: 1 and 1 crowds"


def test_halves_differ_where_detections_do():
    picture = draw(found())
    empty = draw(Detections.empty(64, 64))
    half = picture.shape[1] // 2
    assert picture.shape == empty.shape and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[:, :half], empty[:, :half])  # the ground truth
    assert (picture[30:, half:] != empty[30:, half:]).any()


@pytest.mark.parametrize(("size", "side"), [((64, 48), 512), ((600, 300), 600), ((2000, 1500), 1024)])
def test_small_photos_are_enlarged_and_large_ones_shrunk(size, side):
    picture = draw(Detections.empty(*size), OneSquare(size))
    assert picture.shape[0] == side + 26 + pictures._GAP


def test_photos_of_different_sizes_share_a_sheet():
    wide, tall = np.zeros((100, 400, 3), np.uint8), np.zeros((400, 100, 3), np.uint8)
    assert pictures._sheet([wide]).shape == (250, 1000, 3)
    assert pictures._sheet([wide, tall, wide]).shape == (4000 + 250, 2000, 3)


def test_pictures_of_a_run_are_spread_over_the_images_and_detected_in_batches(tmp_path, heading):
    class Many(OneSquare):
        def __init__(self):
            super().__init__()
            for number in range(1, 20):
                self.add_image("tiny", number, path=None)
            self.prepare()

    detector = Detector(found())
    assert pictures.write(str(tmp_path), detector, Many(), range(20), 1) == 8
    assert detector.sizes == [3, 3, 2]  # batches, not one by one
    assert [int(line.split()[1].rstrip(",")) for line in heading[::2]] == [0, 2, 5, 7, 10, 12, 15, 17]
    assert cv2.imread(str(tmp_path / "08.png")) is not None
