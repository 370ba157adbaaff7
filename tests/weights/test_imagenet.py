"""ImageNet files: names, channel order and epsilon are translated; the function of the network stays."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from weight_fakes import make_weights, model_of, small_layout, variable, weighted

from mrcnn import fetch
from mrcnn.nn import resnet
from mrcnn.weights import imagenet, layout, legacy_h5, loader, names

REAL = Path(__file__).parents[3] / "shared/data/weights/resnet50_imagenet_c1_c4"
LAYOUT = small_layout()
BACKBONE = [(layer, weights) for layer, weights in weighted(LAYOUT) if not names.is_detector_layer(layer)]
OUR_NAMES = [layer for layer, _ in BACKBONE]


def write(path, rename=lambda layer: layer, only=OUR_NAMES, change=None):
    """A backbone file with the values of seed 5."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.asarray([rename(layer).encode() for layer in only])
        for layer, weights in BACKBONE:
            if layer in only:
                group = file.create_group(rename(layer))
                kinds = [name.split("/")[1] for name, _ in weights]
                group.attrs["weight_names"] = np.asarray([f"{rename(layer)}/{kind}".encode() for kind in kinds])
                for (name, shape), kind in zip(weights, kinds, strict=True):
                    value = make_weights.make_array(name, shape, 5)
                    group[f"{rename(layer)}/{kind}"] = value if change is None else change(name, value)
    return path


def keras_name(layer):
    """The inverse of names.from_keras_applications, for ResNet50's layers."""
    kind = "bn" if layer.startswith("bn") else "conv"
    if "_branch" not in layer:
        return f"conv1_{kind}"
    block, branch = layer.removeprefix("res").removeprefix("bn").split("_branch")
    part = {"1": 0, "2a": 1, "2b": 2, "2c": 3}[branch]
    return f"conv{block[0]}_block{ord(block[1]) - ord('a') + 1}_{part}_{kind}"


@pytest.fixture(scope="module")
def model():
    return model_of(LAYOUT)


def stored(name):
    return make_weights.make_array(name, dict(item for _, weights in BACKBONE for item in weights)[name], 5)


def test_shifted_batch_norm_is_the_same_function():
    variance = np.float32([1e-6, 5e-4, 9.9e-4, 1e-3, 0.02, 3.0])
    gamma = np.float32([1, -2, 0.5, 1, 1, 3])
    shifted, factor = imagenet.shift_epsilon(variance, 1e-3)
    assert (shifted >= 0).all()
    np.testing.assert_allclose(
        gamma * factor / np.sqrt(shifted + 1e-3), gamma / np.sqrt(variance + imagenet.FILE_EPSILON), rtol=2e-6
    )
    np.testing.assert_array_equal(factor[3:], 1)


def test_equal_epsilon_changes_nothing():
    variance = np.float32([0.0, 1e-5, 2.0])
    shifted, factor = imagenet.shift_epsilon(variance, imagenet.FILE_EPSILON)
    np.testing.assert_allclose(shifted, variance, atol=1e-11)
    np.testing.assert_array_equal(factor, 1)


@pytest.mark.parametrize("rename", [lambda layer: layer, keras_name], ids=["our_names", "keras_names"])
def test_backbone_is_loaded_in_rgb_order(model, tmp_path, rename):
    report = imagenet.load(model, write(tmp_path / "imagenet.h5", rename))
    np.testing.assert_array_equal(variable(model, "conv1", "kernel"), stored("conv1/kernel:0")[:, :, ::-1])
    np.testing.assert_array_equal(variable(model, "res4a_branch2a", "kernel"), stored("res4a_branch2a/kernel:0"))
    assert list(report.loaded) == OUR_NAMES
    assert set(report.missing_in_file) == {layer for layer, _ in weighted(LAYOUT)} - set(OUR_NAMES)


def test_loader_recognises_the_file(model, tmp_path):
    report = loader.load(model, write(tmp_path / "imagenet.h5", keras_name), by_name=True, exclude=["conv1"])
    assert report.excluded == ("conv1",)
    np.testing.assert_array_equal(variable(model, "bn_conv1", "beta"), stored("bn_conv1/beta:0"))


def test_loader_takes_mask_rcnn_files_as_they_are(model, tmp_path):
    make_weights.write_weights(LAYOUT, tmp_path / "full.h5", seed=5)
    loader.load(model, tmp_path / "full.h5")
    np.testing.assert_array_equal(variable(model, "conv1", "kernel"), stored("conv1/kernel:0"))


def test_channel_order_can_be_told(model, tmp_path):
    imagenet.load(model, write(tmp_path / "rgb.h5"), channel_order="rgb")
    np.testing.assert_array_equal(variable(model, "conv1", "kernel"), stored("conv1/kernel:0"))
    with pytest.raises(ValueError, match='"auto", "bgr" or "rgb"'):
        imagenet.load(model, tmp_path / "rgb.h5", channel_order="RGBA")


def test_batch_norm_with_an_epsilon_is_shifted(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Conv2D(4, 7, padding="same", name="conv1"),
            keras.layers.BatchNormalization(epsilon=1e-3, name="bn_conv1"),
            keras.layers.Conv2D(4, 1, name="res2a_branch2a"),
        ]
    )
    tiny = np.float32([1e-5, 0.5, 2.0, 1e-4])
    path = write(
        tmp_path / "imagenet.h5",
        only=["conv1", "bn_conv1", "res2a_branch2a"],
        change=lambda name, value: tiny if name == "bn_conv1/moving_variance:0" else value,
    )
    imagenet.load(model, path)
    layer = model.get_layer("bn_conv1")
    scale = layer.gamma.numpy() / np.sqrt(layer.moving_variance.numpy() + 1e-3)
    np.testing.assert_allclose(scale, stored("bn_conv1/gamma:0") / np.sqrt(tiny + 1.001e-5), rtol=2e-6)


def test_missing_stage_is_reported(model, tmp_path):
    only = [layer for layer in OUR_NAMES if names.group_of(layer) != "stage 5"]
    report = imagenet.load(model, write(tmp_path / "imagenet.h5", only=only))
    assert list(report.loaded) == only
    assert "res5a_branch2a" in report.missing_in_file


def test_other_depth_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds a resnet50; this network has BACKBONE = 'resnet101'"):
        imagenet.load(model_of(small_layout("resnet101_coco")), write(tmp_path / "imagenet.h5", keras_name))


def test_mask_rcnn_file_is_refused(model, tmp_path):
    make_weights.write_weights(LAYOUT, tmp_path / "full.h5", seed=5)
    with pytest.raises(ValueError, match="not an ImageNet ResNet file but Mask R-CNN weights"):
        imagenet.load(model, tmp_path / "full.h5")


def test_backbone_without_a_published_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="only for resnet50 and resnet101"):
        imagenet.fetch("resnet18", tmp_path)


def test_file_that_keras_fetched_before_is_used(tmp_path, monkeypatch):
    name = "resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5"
    asked = {}
    monkeypatch.setattr(fetch, "fetch", lambda url, path, **kwargs: asked.update(url=url, path=path, **kwargs))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert imagenet.fetch("resnet101") == str(tmp_path / "models" / name)
    assert asked["url"] == f"https://storage.googleapis.com/tensorflow/keras-applications/resnet/{name}"
    assert asked["md5"] == "88cf7a10940856eca736dc7b7e228a21"


@pytest.fixture(scope="module")
def real_file():
    files = sorted(REAL.glob("*.h5"))
    if not files:
        pytest.skip(f"the ImageNet weights are not in {REAL}")
    return files[0]


def test_real_file_is_recognised(real_file):
    described = layout.describe(real_file)
    assert (described.kind, described.facts.backbone) == ("imagenet", "resnet50")


def test_real_file_gives_the_function_it_was_trained_for(real_file):
    # The same network with the file's own epsilon, fed BGR, is what the file was trained as. 1e-5 is float noise:
    # measured 1e-6; without the shift of epsilon it is 4e-2, without the reversal of the channels 5e-1.
    def build():
        image = keras.Input((64, 96, 3))
        return keras.Model(image, resnet.resnet_graph(image, "resnet50", stage5=False, train_bn=False)[3])

    ours, trained = build(), build()
    imagenet.load(ours, real_file)
    for layer in trained.layers:
        if hasattr(layer, "epsilon"):
            layer.epsilon = imagenet.FILE_EPSILON
    legacy_h5.load(trained, real_file)
    image = np.random.default_rng(0).uniform(-100, 100, (1, 64, 96, 3)).astype("f4")
    expected = trained.predict(image[..., ::-1], verbose=0)
    found = ours.predict(image, verbose=0)
    assert expected.std() > 0.1
    assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)


def test_reversed_real_file_is_recognised_as_rgb(real_file, tmp_path):
    path = tmp_path / "rgb.h5"
    path.write_bytes(real_file.read_bytes())
    with h5py.File(path, "a") as file:
        kernel = file["conv1/conv1/kernel:0"]
        kernel[...] = kernel[...][:, :, ::-1]
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(64, 7, padding="same", name="conv1")])
    imagenet.load(model, path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(model.get_layer("conv1").kernel.numpy(), file["conv1/conv1/kernel:0"])
