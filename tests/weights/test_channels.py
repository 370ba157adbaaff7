"""RGB weights in networks of other channels: what conv1 computes stays what it was."""

import logging

import keras
import numpy as np
import pytest
from test_imagenet import write
from weight_fakes import make_weights, model_of, small_layout, variable

from mrcnn.weights import channels, legacy_h5, loader

LAYOUT = small_layout()


def of_channels(count):
    """The layout's network with another conv1."""
    layout = {**LAYOUT, "groups": [{**group, "weights": [dict(weight) for weight in group["weights"]]} for group in LAYOUT["groups"]]}
    conv1 = next(group for group in layout["groups"] if group["layer"] == "conv1")
    kernel = next(weight for weight in conv1["weights"] if "kernel" in weight["name"])
    kernel["shape"] = [*kernel["shape"][:2], count, kernel["shape"][3]]
    return layout


def kernel_in_file(seed=7):
    shape = next(w["shape"] for g in LAYOUT["groups"] if g["layer"] == "conv1" for w in g["weights"] if "kernel" in w["name"])
    return make_weights.make_array("conv1/kernel:0", shape, seed)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("channels") / "rgb.h5"
    make_weights.write_weights(LAYOUT, path, seed=7)
    return path


def convolved(images, kernel):
    return keras.ops.convert_to_numpy(keras.ops.conv(images.astype("float32"), kernel, padding="same"))


def test_a_grey_image_gives_what_three_equal_channels_gave(file):
    model = model_of(of_channels(1))
    report = loader.load(model, file, by_name=True)
    assert "conv1" in report.loaded
    grey = np.random.default_rng(0).uniform(-100, 100, (1, 8, 8, 1))
    found, expected = convolved(grey, variable(model, "conv1", "kernel")), convolved(np.repeat(grey, 3, -1), kernel_in_file())
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("count", [4, 6])
def test_further_channels_change_nothing_at_first(file, count):
    model = model_of(of_channels(count))
    loader.load(model, file, by_name=True)
    image = np.random.default_rng(0).uniform(-100, 100, (1, 8, 8, count))
    found, expected = convolved(image, variable(model, "conv1", "kernel")), convolved(image[..., :3], kernel_in_file())
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_two_channels_share_the_sum():
    kernel = kernel_in_file()
    two = channels.adapt(kernel, 2)
    np.testing.assert_allclose(two[:, :, 0], kernel.sum(axis=2) / 2, rtol=1e-6)
    assert (two[:, :, 0] == two[:, :, 1]).all() and two.dtype == kernel.dtype


def test_imagenet_weights_are_turned_to_rgb_first(tmp_path):
    model = model_of(of_channels(4))
    loader.load(model, write(tmp_path / "imagenet.h5"), by_name=True)
    found = variable(model, "conv1", "kernel")
    np.testing.assert_array_equal(found[:, :, :3], kernel_in_file(seed=5)[:, :, ::-1])
    assert not found[:, :, 3].any()


@pytest.mark.parametrize(("count", "says"), [(1, "each of the 1 gets the sum of R, G and B"), (5, "the other 2 start at zero")])
def test_the_rule_is_logged(file, caplog, count, says):
    with caplog.at_level(logging.WARNING):
        loader.load(model_of(of_channels(count)), file, by_name=True)
    assert f"rgb.h5 was trained on 3 channels, this network has IMAGE_CHANNEL_COUNT = {count}" in caplog.text and says in caplog.text


def test_three_channels_are_loaded_as_they_are(file, caplog):
    model = model_of(LAYOUT)
    loader.load(model, file, by_name=True)
    np.testing.assert_array_equal(variable(model, "conv1", "kernel"), kernel_in_file())
    assert "channels" not in caplog.text


def test_an_excluded_conv1_is_left_alone(file, caplog):
    model = model_of(of_channels(4))
    report = loader.load(model, file, by_name=True, exclude=["conv1"])
    assert not variable(model, "conv1", "kernel").any() and report.excluded == ("conv1",) and "channels" not in caplog.text


def test_without_by_name_and_from_other_numbers_the_shapes_must_agree(file, tmp_path):
    with pytest.raises(ValueError, match="IMAGE_CHANNEL_COUNT: 3 in the file, 4 here"):
        legacy_h5.load(model_of(of_channels(4)), file)
    make_weights.write_weights(of_channels(1), tmp_path / "grey.h5", seed=7)
    with pytest.raises(ValueError, match="IMAGE_CHANNEL_COUNT: 1 in the file, 3 here"):
        legacy_h5.load(model_of(LAYOUT), tmp_path / "grey.h5", by_name=True)
