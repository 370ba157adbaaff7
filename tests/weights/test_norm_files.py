"""Weight files of networks with BatchNorm and with GroupNorm: written, read back, and refused by each other."""

import numpy as np
import pytest
import tiny_network

from mrcnn.weights import imagenet, layout, legacy_h5
from mrcnn.weights.report import describe


@pytest.fixture(scope="module")
def networks():
    return {kind: tiny_network.network("training", NORM=kind) for kind in ("batch", "group")}


@pytest.fixture(scope="module")
def files(networks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("norm")
    for kind, model in networks.items():
        legacy_h5.save(model, folder / f"{kind}.h5")
    return {kind: folder / f"{kind}.h5" for kind in networks}


def test_file_tells_its_kind(files):
    assert {kind: layout.describe(path).facts.norm for kind, path in files.items()} == {"batch": "batch", "group": "group"}
    assert "NORM: group" in layout.summary(layout.describe(files["group"]))


def test_group_norm_file_holds_gamma_and_beta_alone(files):
    layers = layout.describe(files["group"]).layers
    for name in ("mrcnn_class_bn1", "mrcnn_mask_bn4", "fpn_p2_gn"):
        assert [weight.name for weight in layers[name]] == [f"{name}/gamma:0", f"{name}/beta:0"]


@pytest.mark.parametrize("by_name", [False, True])
def test_group_norm_network_reads_back_what_it_wrote(networks, tmp_path, by_name):
    source, target = networks["group"], tiny_network.network("inference", NORM="group")
    rng = np.random.default_rng(0)
    for weight in source.weights:
        if "float" in str(weight.dtype):
            weight.assign(rng.random(weight.shape))
    legacy_h5.save(source, tmp_path / "own.h5")
    report = legacy_h5.load(target, tmp_path / "own.h5", by_name=by_name)
    assert report.not_loaded == report.unused_in_file == () and {"fpn_p2_gn", "mrcnn_class_bn1"} <= set(report.loaded)
    for layer in target.layers:
        for ours, theirs in zip(layer.get_weights(), source.get_layer(layer.name).get_weights() if layer.weights else (), strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=layer.name)


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize(("stored", "here"), [("batch", "group"), ("group", "batch")])
def test_file_of_the_other_kind_is_refused_with_cause_and_remedy_and_nothing_is_loaded(files, stored, here, by_name):
    model = tiny_network.network("training", NORM=here)
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"NORM: {stored} in the file, {here} here(.|\n)*[Ss]et NORM = '{stored}'"):
        legacy_h5.load(model, files[stored], by_name=by_name)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_with_the_layers_that_differ_excluded_the_rest_is_loaded_and_the_report_names_them(files):
    model = tiny_network.network("training", NORM="group")
    excluded = [f"mrcnn_class_bn{i}" for i in (1, 2)] + [f"mrcnn_mask_bn{i}" for i in (1, 2, 3, 4)]
    report = legacy_h5.load(model, files["batch"], exclude=excluded)
    assert set(report.excluded) == set(excluded) and {n for n in report.missing_in_file if n.endswith("_gn")} == set(report.missing_in_file)
    assert len(report.missing_in_file) == 8 and "Random:" in describe(report)


def test_imagenet_file_is_refused_by_a_resnet_with_group_norm(tmp_path):
    """The published ImageNet files were trained with BatchNorm: their convolutions mean little without its statistics."""
    import keras

    from mrcnn.nn import resnet

    image, paths = keras.Input((64, 64, 3)), tmp_path / "imagenet.h5"
    models = [keras.Model(image, resnet.resnet_graph(image, "resnet50", stage5=True, norm=kind)) for kind in ("batch", "group")]
    legacy_h5.save(models[0], paths)
    with pytest.raises(ValueError, match="NORM: batch in the file, group here"):
        imagenet.load(models[1], paths)
