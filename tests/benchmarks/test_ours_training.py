"""The training contest's own side still fits the library: its step runs, on rois of which enough are positive."""

import numpy as np
import pytest
import tiny
from backend_tools import TENSORFLOW

from benchmarks import ours_training
from mrcnn.nn import rpn

pytestmark = pytest.mark.skipif(not TENSORFLOW, reason="the contest is TensorFlow's")


@pytest.fixture
def attributes(monkeypatch):
    """Those of a tiny network; ProposalLayer, which the contest changes for its process, is put back."""
    monkeypatch.setattr(rpn.ProposalLayer, "call", rpn.ProposalLayer.call)
    own = ("NAME", "NUM_CLASSES", "IMAGE_MIN_DIM", "IMAGE_MAX_DIM", "IMAGES_PER_GPU", "MAX_GT_INSTANCES", "BACKBONE")
    values = {name: value for name, value in vars(tiny.TinyConfig).items() if name.isupper() and name not in own}
    return {**values, "BACKBONE": tiny.backbone, "POST_NMS_ROIS_TRAINING": 600}


@pytest.mark.usefixtures("untraced")
def test_a_step_trains_on_both_photos_with_all_positives(attributes):
    tasks = ours_training.training(128, objects=3, count_operations=True, **attributes)
    assert np.isfinite(tasks.run["step"]()["loss"])
    slots = int(attributes["TRAIN_ROIS_PER_IMAGE"] * 0.33)
    assert tasks.facts["positives"] == [slots, slots]
    assert tasks.facts["operations"] > 1e6
