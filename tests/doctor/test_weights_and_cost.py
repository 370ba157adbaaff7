"""Weights that do not fit; what a step costs, counted and measured."""

import h5py
import numpy as np
import pytest
import tiny
from doctor_data import Photos, bad, examine, only

from mrcnn import doctor
from mrcnn.doctor import cost

SHAPES = {
    "fpn_p2": (3, 3, 256, 256),
    "rpn_class_raw": (1, 1, 512, 6),
    "mrcnn_class_conv1": (7, 7, 256, 1024),
    "mrcnn_class_logits": (1024, 3),
    "mrcnn_bbox_fc": (1024, 12),
    "conv1": (7, 7, 3, 64),
}


def weights(path, **shapes):
    """Write a file of kernels; they hold one number, the rest is never read."""
    with h5py.File(path, "w") as file:
        layers = {**SHAPES, **shapes}
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, shape in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode()]
            group.create_dataset(f"{name}/kernel:0", shape, "f4", chunks=True)
    return str(path)


def test_weights_that_fit_are_no_finding(tmp_path):
    assert bad(examine(Photos(), weights=weights(tmp_path / "w.h5"))) == {}


def test_heads_of_other_classes_are_a_warning_that_says_exclude(tmp_path):
    path = weights(tmp_path / "w.h5", mrcnn_class_logits=(1024, 81), mrcnn_bbox_fc=(1024, 324))
    found = only(examine(Photos(), weights=path), "weights.heads")
    assert "81 classes" in found.what and "HEAD_LAYERS" in found.advice


@pytest.mark.parametrize(
    ("shapes", "check", "advice"),
    [
        ({"fpn_p2": (3, 3, 128, 128)}, "weights.pyramid_size", "TOP_DOWN_PYRAMID_SIZE = 128"),
        ({"rpn_class_raw": (1, 1, 512, 10)}, "weights.anchors_per_location", "RPN_ANCHOR_RATIOS 5 values"),
        ({"mrcnn_class_conv1": (7, 7, 256, 512)}, "weights.head_size", "FPN_CLASSIF_FC_LAYERS_SIZE = 512"),
        ({"mrcnn_class_conv1": (5, 5, 256, 1024)}, "weights.pool_size", "POOL_SIZE = 5"),
    ],
)
def test_other_shapes_are_an_error_that_says_what_to_set(tmp_path, shapes, check, advice):
    found = only(examine(Photos(), weights=weights(tmp_path / "w.h5", **shapes)), check)
    assert found.severity == "error" and advice in found.advice


def test_weights_of_another_number_of_channels_are_a_warning(tmp_path):
    path = weights(tmp_path / "w.h5", conv1=(7, 7, 4, 64))
    assert only(examine(Photos(), weights=path), "weights.input_channels").severity == "warning"


def test_what_is_no_weight_file_is_an_error(tmp_path):
    (tmp_path / "w.h5").write_text("<html>")
    assert "web page" in only(examine(Photos(), weights=tmp_path / "w.h5"), "weights.unreadable").what
    assert "There is no weight file" in only(examine(Photos(), weights=tmp_path / "none.h5"), "weights.unreadable").what


def test_operations_are_those_of_the_layers_counted_by_hand():
    from keras import layers

    image = layers.Input((8, 8, 3))
    convolved = layers.Conv2D(5, 3, strides=2, padding="same")
    raised = layers.Conv2DTranspose(4, 2, strides=2)
    flat = layers.Dense(7)
    flat(layers.Flatten()(raised(convolved(image))))
    config = tiny.TinyConfig()
    counted = [cost._operations(layer, config, (8, 8), 1) for layer in (convolved, raised, flat)]
    assert counted == [2 * 4 * 4 * 5 * 9 * 3, 2 * 4 * 4 * 5 * 2 * 2 * 4, 2 * 8 * 8 * 4 * 7]


def test_a_step_is_estimated_and_measured():
    data = tiny.Squares(4)
    report = doctor.examine(tiny.TinyConfig(), data, measure=True)
    found = report.cost
    assert found.image_shape == (64, 64) and found.batch_size == 2 and found.parameters > 10_000
    # The RPN alone: 3 x 3 x 16 x 512 and 512 x (6 + 12) at 341 cells, for two images.
    assert found.forward_flops > 2 * 2 * 341 * (9 * 16 * 512 + 512 * 18)
    assert 0 < found.seconds < 60 and found.measured_seconds > 0 and found.memory > cost.OVERHEAD
    assert found.measured_memory is None or found.measured_memory > 1e8
    assert "measured:" in str(report) and "GFLOP" in report.html()


def test_sizes_that_vary_are_counted_for_the_largest():
    class Two(tiny.Squares):
        def load_image(self, image_id):
            return np.pad(super().load_image(image_id), [(0, 64 * (image_id == 1)), (0, 0), (0, 0)])

        def load_mask(self, image_id):
            masks, ids = super().load_mask(image_id)
            return np.pad(masks, [(0, 64 * (image_id == 1)), (0, 0), (0, 0)]), ids

    config = tiny.TinyConfig()
    config.IMAGE_RESIZE_MODE, config.IMAGES_PER_GPU, config.IMAGE_MIN_DIM = "pad64", 1, 64
    report = doctor.examine(config, Two(3))
    assert report.cost.image_shape == (128, 64) and config.IMAGE_RESIZE_MODE == "pad64"


def test_a_network_that_cannot_be_built_is_an_error():
    config = tiny.TinyConfig()
    config.BACKBONE_STRIDES = [2, 4, 8, 16, 32]
    report = doctor.examine(config, tiny.Squares(4))
    assert [finding.check for finding in report.of_severity("error")] == ["config.network"]
