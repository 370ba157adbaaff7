"""Lines of python -m mrcnn detect."""

import numpy as np

from mrcnn.commands import written
from mrcnn.commands.sources import Item
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
