"""The rows that the mask head runs on."""

import numpy as np
import pytest
import tiny_network
from backend_tools import TENSORFLOW, arrays
from keras import ops

from mrcnn.inference import predict
from mrcnn.nn import mask_head
from mrcnn.nn.layers import RoiConv2D
from mrcnn.nn.mask_head import ROWS_STEP, MaskConv2D, UsedRows

pytestmark = pytest.mark.portable
FEATURES = np.random.default_rng(0).random((2, 20, 3, 3, 4)).astype("float32")


def rows(*counts, layer=None):
    """Rows kept of 20 where image i uses the first counts[i]."""
    class_ids = np.stack([np.where(np.arange(20) < count, 3, 0) for count in counts]).astype("int32")
    return arrays((layer or UsedRows())([FEATURES, class_ids]))


@pytest.mark.skipif(not TENSORFLOW, reason="other backends have fixed shapes")
@pytest.mark.parametrize(("counts", "expected"), [((0, 0), 8), ((1, 7), 8), ((8, 1), 16), ((9, 0), 16), ((3, 17), 20), ((20, 20), 20)])
def test_rows_are_the_fullest_images_and_one_more_rounded_up(counts, expected):
    assert ROWS_STEP == 8
    np.testing.assert_array_equal(rows(*counts), FEATURES[:, :expected])


@pytest.mark.skipif(not TENSORFLOW, reason="other backends have fixed shapes")
def test_a_gap_among_the_used_rows_loses_none():
    class_ids = np.zeros((2, 20), "float32")
    class_ids[1, 10] = 2
    assert len(arrays(UsedRows()([FEATURES, class_ids]))[0]) == 16


@pytest.mark.skipif(TENSORFLOW, reason="TensorFlow's shapes may vary")
def test_all_rows_are_used_where_shapes_are_fixed():
    np.testing.assert_array_equal(rows(1, 1), FEATURES)


def test_missing_rows_are_the_last_one():
    layer = MaskConv2D(5, 1, rows=23)
    filled, plain = arrays(layer(FEATURES)), arrays(RoiConv2D.call(layer, ops.convert_to_tensor(FEATURES)))
    np.testing.assert_array_equal(filled[:, :20], plain)
    np.testing.assert_array_equal(filled[:, 20:], np.repeat(plain[:, -1:], 3, axis=1))


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_the_networks_masks_have_a_row_for_every_roi(mode):
    model = tiny_network.network(mode)
    masks = next(output for output in model.outputs if len(output.shape) == 5)
    settings = tiny_network.config()
    rows = {"training": int(settings.TRAIN_ROIS_PER_IMAGE * settings.ROI_POSITIVE_RATIO), "inference": settings.DETECTION_MAX_INSTANCES}[mode]
    assert masks.shape == (None, rows, 8, 8, 3)


def detected(rows_step, monkeypatch):
    monkeypatch.setattr(mask_head, "ROWS_STEP", rows_step)
    settings = tiny_network.config(DETECTION_MIN_CONFIDENCE=0, DETECTION_MAX_INSTANCES=20, SEED=0)
    model = tiny_network.network("inference", DETECTION_MIN_CONFIDENCE=0, DETECTION_MAX_INSTANCES=20)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.3, variable.shape).astype("float32"))
    image = rng.uniform(-100, 100, (1, 64, 64, 3)).astype("float32")
    meta = np.float32([[0, 64, 64, 3, 64, 64, 3, 0, 0, 64, 64, 1, *[0] * settings.NUM_CLASSES]])
    anchors = predict.Predictor(model, settings).anchors((64, 64, 3))[None]
    outputs = model([ops.convert_to_tensor(v) for v in (image, meta, anchors)])
    return arrays(outputs[0]), arrays(outputs[3])


def test_every_mask_is_that_of_a_head_on_all_rows(monkeypatch):
    detections, masks = detected(1, monkeypatch)
    assert 0 < (detections[0, :, 4] > 0).sum() < 20
    np.testing.assert_allclose(masks, detected(1000, monkeypatch)[1], atol=1e-6)  # padding rows too
