"""The pyramid, by hand."""

import keras
import numpy as np
import pytest
from backend_tools import arrays

from mrcnn.nn import fpn


@pytest.mark.portable
def test_levels_by_hand():
    """Convolutions that hand on what comes, but fpn_p3's, which doubles it: each level is its stage and the nearest cells of those above."""
    stages = [keras.layers.Input((side, side, 1)) for side in (16, 8, 4, 2)]
    model = keras.Model(stages, fpn.build(stages, 1))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = np.zeros(layer.kernel.shape)
            kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] = 2 if layer.name == "fpn_p3" else 1
            layer.set_weights([kernel, np.zeros(1)])
    c5 = np.array([[1, 2], [3, 4]])
    inputs = [np.full((1, side, side, 1), value, "float32") for side, value in ((16, 1000), (8, 100), (4, 10))]
    p2, p3, p4, p5, p6 = (level[0, ..., 0] for level in arrays(model([*inputs, np.float32(c5)[None, ..., None]])))
    np.testing.assert_array_equal(p5, c5)
    np.testing.assert_array_equal(p4, 10 + np.kron(c5, np.ones((2, 2))))
    np.testing.assert_array_equal(p3, 2 * (110 + np.kron(c5, np.ones((4, 4)))))
    np.testing.assert_array_equal(p2, 1110 + np.kron(c5, np.ones((8, 8))))
    np.testing.assert_array_equal(p6, [[1]])
