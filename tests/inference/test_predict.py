"""Detections of the network taken back to the photo, by hand."""

import numpy as np
import tiny

from mrcnn.inference import predict
from mrcnn.ops import boxes


def test_boxes_move_from_the_window_to_the_photo_with_their_masks_and_rows():
    """A photo of 161 x 121 in the window (10, 20, 91, 81) of 101 x 101: from 0.1 to 0.9 down and from 0.2 to 0.8 across, each 160 and 120 steps.

    The second box ends above its beginning and is dropped; the fourth row is padding. The masks hold 10 · row + class.
    """
    found = np.float32([[0.3, 0.3, 0.5, 0.7, 2, 0.9], [0.5, 0.3, 0.49, 0.7, 1, 0.8], [0.1, 0.2, 0.9, 0.8, 1, 0.7], [0] * 6])
    masks = np.broadcast_to(10 * np.arange(4)[:, None, None, None] + np.arange(3), (4, 2, 2, 3))
    boxes, class_ids, scores, small, rows = predict.unmold_rows(found, masks, (161, 121, 3), (101, 101, 3), (10, 20, 91, 81))
    assert boxes.tolist() == [[40, 20, 81, 101], [0, 0, 161, 121]]
    assert class_ids.tolist() == [2, 1] and scores.tolist() == np.float32([0.9, 0.7]).tolist()
    assert small.masks[:, 0, 0].tolist() == [2, 21] and small.image_shape == (161, 121)
    assert rows.tolist() == [0, 2]


def test_anchors_of_a_wide_image_are_shares_of_its_own_height_and_width():
    predictor = predict.Predictor(None, tiny.TinyConfig())
    shares = predictor.anchors((64, 128, 3))
    np.testing.assert_array_equal(boxes.denormalize(shares, (64, 128)), np.around(predictor.pixel_anchors).astype(int))
    centres = (shares[:, :2] + shares[:, 2:]) / 2
    assert (centres.max(axis=0) < 1).all() and (centres.max(axis=0) > 0.9).all()
