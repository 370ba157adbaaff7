"""Level of a roi, and the layer that cuts rois out of the pyramid."""

import numpy as np
import pytest
from backend_tools import arrays, compiled
from keras import ops

from mrcnn.nn import roi_align

pytestmark = pytest.mark.portable

META = np.float32([[0, 1024, 1024, 3, 1024, 1024, 3, 0, 0, 1024, 1024, 1, 1, 1]])


def levels(boxes, height=1024.0, width=1024.0):
    return arrays(compiled(roi_align.levels)(*(ops.convert_to_tensor(np.float32(v)) for v in ([boxes], [height], [width]))))[0].tolist()


def box(height, width):
    """A box of so many pixels of a 1024 x 1024 image."""
    return [0.0, 0.0, height / 1024, width / 1024]


def test_level_by_hand():
    """224 px belongs to P4, half of it to P3; at 1.5 times 224 log2 is 0.58, rounded up."""
    assert levels([box(224, 224), box(112, 112), box(448, 448), box(336, 336), box(300, 300)]) == [4, 3, 5, 5, 4]


def test_level_depends_on_the_area_only():
    assert levels([box(112, 448), box(448, 112)]) == [4, 4]


def test_levels_end_at_two_and_five():
    assert levels([box(1, 1), box(20, 20), box(1000, 1000)]) == [2, 2, 5]


def test_box_without_area_or_inverted_belongs_to_two():
    assert levels([[0, 0, 0, 0], [0.2, 0.1, 0.2, 0.5], [0.5, 0.1, 0.2, 0.5]]) == [2, 2, 2]


def test_level_counts_pixels_of_the_image():
    """Half of the sides of a 448 px image is 224 px."""
    assert levels([[0, 0, 0.5, 0.5]], 448.0, 448.0) == [4]
    assert levels([[0, 0, 0.5, 0.5]], 224.0, 224.0) == [3]
    assert levels([[0, 0, 0.4375, 0.4375]], 256.0, 1024.0) == [4]  # 112 x 448


@pytest.mark.parametrize("sampling", ["crop_and_resize", "aligned"])
def test_each_roi_comes_from_its_own_level_of_its_own_image(sampling):
    """Constant maps: ten times the image plus the level."""
    pyramid = [
        np.stack([np.full((s, s, 2), 10 * b + level, "float32") for b in (1, 2)]) for level, s in ((2, 64), (3, 32), (4, 16), (5, 8))
    ]
    boxes = np.float32([[box(224, 224), box(20, 20), box(112, 112), box(900, 900)], [box(20, 20), box(900, 900), box(224, 224), box(112, 112)]])
    layer = roi_align.PyramidROIAlign((2, 3), sampling)
    found = arrays(compiled(lambda *i: layer(list(i)))(*(ops.convert_to_tensor(v) for v in (boxes, np.repeat(META, 2, axis=0), *pyramid))))
    np.testing.assert_allclose(found[..., 0, 0, 0], [[14, 12, 13, 15], [22, 25, 24, 23]], rtol=1e-6)
    np.testing.assert_allclose(found, np.broadcast_to(found[:, :, :1, :1, :1], found.shape), rtol=1e-6)


def test_aligned_boxes_are_pixels_by_size():
    """A ramp over a 1024 px image on 16 cells: pixel y has the value y. Bins of the box from 256 to 512 are centred at 320 and 448."""
    ramp = np.broadcast_to(((np.arange(16) + 0.5) * 64)[:, None, None], (16, 16, 1))[None].astype("float32")
    unit = np.float32([[[256 / 1023, 0, 511 / 1023, 1]]])  # in the unit square of the original: sides minus one
    pyramid = [ops.convert_to_tensor(ramp)] * 4
    layer = roi_align.PyramidROIAlign((2, 1), "aligned")
    found = arrays(compiled(lambda *i: layer(list(i)))(ops.convert_to_tensor(unit), ops.convert_to_tensor(META), *pyramid))
    np.testing.assert_allclose(found[0, 0, :, 0, 0], [320, 448], rtol=1e-5)


def test_unknown_sampling_is_refused():
    with pytest.raises(ValueError, match="sampling 'bilinear': one of crop_and_resize, aligned"):
        roi_align.PyramidROIAlign((7, 7), "bilinear")
