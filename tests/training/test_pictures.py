"""Pictures of detections beside the ground truth."""

import types

import cv2
import numpy as np
import pytest
import tiny

from mrcnn.results import Detections
from mrcnn.training import pictures
from mrcnn.visualize import verdicts


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
    lines, pane = [], verdicts._pane
    monkeypatch.setattr(verdicts, "_pane", lambda image, found, names, text, **more: lines.append(text) or pane(image, found, names, text, **more))
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
    missed = "" if "1 right" in line else ", 1 missed"
    assert heading == [f"image 0 (0), ground truth: 1{missed}", line]


def test_crowds_are_named_apart(heading):
    draw(found(), OneSquare(class_ids=(1, -2)))
    assert heading[0] == "image 0 (0), ground truth: 1 and 1 crowd"


def test_what_was_missed_is_marked_in_the_ground_truth_and_a_false_alarm_in_the_detections():
    right, missed, false = draw(found()), draw(Detections.empty(64, 64)), draw(found(class_id=2))
    half, below = right.shape[1] // 2, 40  # below the headings
    assert right.shape == missed.shape and right.dtype == np.uint8
    assert (right[below:, :half] != missed[below:, :half]).any()
    np.testing.assert_array_equal(false[below:, :half], missed[below:, :half])
    assert (false[below:, half:] != right[below:, half:]).any()


@pytest.mark.parametrize(("size", "side"), [((64, 48), 512), ((600, 300), 600), ((2000, 1500), 1024)])
def test_small_photos_are_enlarged_and_large_ones_shrunk(size, side):
    picture = draw(Detections.empty(*size), OneSquare(size))
    assert picture.shape[0] == side + 26 + verdicts.GAP


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
