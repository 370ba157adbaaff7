"""benchmarks/ways_to_detect.py: what its photos and its table are made of."""

import numpy as np

from benchmarks import ways_to_detect
from mrcnn.ops import boxes
from mrcnn.results import Detections


def test_a_photo_is_sixteen_scenes_with_their_objects():
    (photo,), ((masks, class_ids),) = ways_to_detect.photos(1)
    images, truth = ways_to_detect.scenes(16)
    assert photo.shape == (512, 512, 3) and masks.shape == (512, 512, len(class_ids)) and len(class_ids) == sum(len(ids) for _, ids in truth)
    np.testing.assert_array_equal(photo[128:256, :128], images[4])
    first = sum(len(ids) for _, ids in truth[:4])
    np.testing.assert_array_equal(masks[128:256, :128, first], truth[4][0][:, :, 0])


def test_the_table_compares_with_its_first_line(capsys):
    images, truth = ways_to_detect.scenes(3)
    exact = iter([Detections(boxes.from_masks(masks), ids, np.ones(len(ids)), masks) for masks, ids in truth])
    table = ways_to_detect.Table(truth)
    table.add("nothing", lambda some: [Detections.empty(128, 128) for _ in some], images)
    table.add("everything", lambda some: [next(exact) for _ in some], images)
    nothing, everything = capsys.readouterr().out.splitlines()
    assert nothing.split()[1:5] == ["0.00", "|", "0.0000", "+0.0000"] and everything.split()[3:5] == ["1.0000", "+1.0000"]
