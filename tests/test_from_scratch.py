"""The settings for training from scratch, end to end: aligned RoIAlign and GroupNorm learn, and what they learnt is found again in detection."""

import numpy as np
import pytest
import tiny

from mrcnn.data import class_weights
from mrcnn.mask_rcnn import MaskRCNN


class ScratchConfig(tiny.TinyConfig):
    ROI_ALIGN = "aligned"
    NORM = "group"
    IMAGES_PER_GPU = 2
    STEPS_PER_EPOCH = 10
    VALIDATION_STEPS = 0
    OPTIMIZER = "adamw"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param(
            {"RPN_FOCAL_GAMMA": 2.0, "RPN_FOCAL_ALPHA": 0.25, "CLASS_WEIGHTS": class_weights.from_counts([0, 9, 3], "sqrt")},
            id="focal_and_class_weights", marks=pytest.mark.slow,
        ),
    ],
)
def test_training_from_scratch_with_aligned_rois_and_group_norm_lowers_every_loss_and_detects(tmp_path, options):
    config = type("ScratchConfig", (ScratchConfig,), options)()
    model = MaskRCNN("training", config, str(tmp_path))
    dataset = tiny.Squares(6)
    logs = model.train(dataset, None, learning_rate=0.003, epochs=3, layers="all").history
    history = {name: logs[name] for name in ("loss", "rpn_class_loss", "mrcnn_class_loss", "mrcnn_mask_loss")}
    for name, values in history.items():
        assert np.isfinite(values).all() and values[-1] < 0.8 * values[0], (name, values)

    inference = MaskRCNN("inference", config, str(tmp_path))
    report = inference.load_weights(inference.find_last(), by_name=True, verbose=0)
    assert report is None or not report.not_loaded
    found = inference.detect([dataset.load_image(0)], verbose=0)[0]
    assert np.isfinite(found["scores"]).all() and len(found["rois"]) == len(found["class_ids"]) == found["masks"].shape[-1]
