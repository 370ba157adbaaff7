"""Lines, pictures and videos of python -m mrcnn detect."""

import cv2
import numpy as np
import pytest

from mrcnn.commands import written
from mrcnn.commands.sources import Item, Video
from mrcnn.results import Detections


def test_a_line_has_the_probabilities_of_attributes_where_the_network_tells_them(tmp_path):
    lines = written.Lines(str(tmp_path), {}, resume=False, overwrite=False)
    masks = np.ones((2, 3, 1), bool)
    plain = Detections([[0, 0, 2, 3]], [1], [0.9], masks)
    telling = Detections([[0, 0, 2, 3]], [1], [0.9], masks, attributes=[[0.25, 0.75]])
    for name, found in (("a.jpg", plain), ("b.jpg", telling)):
        lines.add(Item(name, np.zeros((2, 3, 3), np.uint8)), found, ["BG", "hat"])
    lines.close()
    first, second = (line["detections"][0] for line in written.read(lines.path))
    assert "attributes" not in first and second["attributes"] == [0.25, 0.75]


RED = (230, 30, 40)


@pytest.mark.parametrize("kind", ["pictures", "film"])
def test_what_is_drawn_in_rgb_is_written_with_its_colours(tmp_path, kind):
    """OpenCV reads both back as BGR."""
    path = str(tmp_path / "film.avi")
    writer = written.Pictures(str(tmp_path), ["a.png"]) if kind == "pictures" else written.Film(path, 5.0, "MJPG")
    picture = np.full((48, 64, 3), RED, np.uint8)
    writer.add(Item("a.png", picture), picture)
    writer.close()
    found = cv2.imread(str(tmp_path / "pictures" / "a.jpg")) if kind == "pictures" else cv2.VideoCapture(path).read()[1]
    assert found.shape == (48, 64, 3) and np.abs(found.reshape(-1, 3).mean(axis=0) - RED[::-1]).max() < 10


def test_frames_of_a_video_are_rgb(tmp_path):
    path = str(tmp_path / "film.avi")
    camera = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    camera.write(np.full((48, 64, 3), RED[::-1], np.uint8))
    camera.release()
    with Video(path) as video:
        (one,) = video
    assert np.abs(one.image.reshape(-1, 3).mean(axis=0) - RED).max() < 10
