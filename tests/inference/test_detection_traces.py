"""How often TensorFlow traces in detect(): a trace of a real network takes seconds, and the memory of one more graph."""

import numpy as np
import pytest
import tiny
from backend_tools import TENSORFLOW

from mrcnn.mask_rcnn import MaskRCNN

pytestmark = pytest.mark.skipif(not TENSORFLOW, reason="traces are TensorFlow's")


class SquareConfig(tiny.TinyConfig):
    pass


class Pad64Config(tiny.TinyConfig):
    IMAGE_RESIZE_MODE = "pad64"
    IMAGE_MAX_DIM = 512


class Counted:
    """A model, and the traces of what `detect` runs."""

    def __init__(self, config, folder):
        self.model = MaskRCNN("inference", config, folder)
        self.model.allow_random_weights = True

    def after(self, *sizes):
        """Traces so far, after one more call with images of these sizes."""
        rng = np.random.default_rng(0)
        self.model.detect([rng.integers(0, 255, (*size, 3), np.uint8) for size in sizes])
        return self.model.keras_model.predict_function.experimental_get_tracing_count()


def test_square_mode_traces_once_whatever_the_sizes_and_the_number_of_images(tmp_path):
    square = Counted(SquareConfig(), tmp_path)
    assert square.after((64, 64)) == 1
    assert [square.after((64, 64)), square.after((40, 90)), square.after((130, 70), (30, 28), (64, 64))] == [1, 1, 1]


def test_pad64_traces_once_whatever_the_shapes_and_the_number_of_images(tmp_path):
    pad64 = Counted(Pad64Config(), tmp_path)
    assert pad64.after((64, 64)) == 1
    assert [pad64.after(size) for size in ((64, 64), (64, 128), (64, 120), (128, 64), (192, 128), (384, 64))] == [1] * 6
    assert pad64.after((128, 64), (128, 64), (64, 64)) == 1
