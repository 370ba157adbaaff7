"""Weights travel between files in the original's layout and networks."""

import logging
import os

import h5py
import keras
import numpy as np
import pytest
from weight_fakes import Holder, chain, is_zero, make_weights, model_of, small_layout, variable, weighted

from mrcnn.weights import layout as file_layout
from mrcnn.weights import legacy_h5, names

HEADS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]
LAYOUT = small_layout()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "original.h5"
    make_weights.write_weights(LAYOUT, path, seed=7)
    return path


@pytest.fixture(scope="module")
def built():
    return model_of(LAYOUT)


@pytest.fixture
def model(built):
    """One network for all tests, made zero before each."""
    for weight in built.weights:
        weight.assign(np.zeros(weight.shape, "f4"))
    return built


def assert_holds(model, layout=LAYOUT, seed=7, without=()):
    for layer, weights in weighted(layout):
        for name, shape in weights:
            owner, kind = name[:-2].split("/")
            if layer not in without and owner not in without:
                expected = make_weights.make_array(name, shape, seed)
                np.testing.assert_array_equal(variable(model, owner, kind), expected, err_msg=name)


def rewrite(source, target, change):
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            new.attrs[name] = value
        change(new)
    return target


def set_names(group, attribute, values):
    del group.attrs[attribute]
    group.attrs[attribute] = np.asarray([value.encode() for value in values])


# --- loading what fits


def test_every_weight_of_an_original_file_arrives(model, original):
    report = legacy_h5.load(model, original)
    assert_holds(model)
    assert report.loaded == tuple(layer for layer, _ in weighted(LAYOUT))
    assert report.not_loaded == report.unused_in_file == ()


@pytest.mark.parametrize("by_name", [False, True])
def test_file_nested_under_model_weights_loads(model, tmp_path, by_name):
    path = tmp_path / "nested.h5"
    make_weights.write_weights(LAYOUT, path, seed=7, nested=True)
    with h5py.File(path, "a") as file:
        file.create_group("optimizer_weights").create_dataset("iteration:0", data=3)
    legacy_h5.load(model, path, by_name=by_name)
    assert_holds(model)


def test_order_in_the_file_does_not_matter_where_names_agree(model, original, tmp_path):
    with h5py.File(original) as file:
        reverse = [name.decode() for name in file.attrs["layer_names"]][::-1]
    path = rewrite(original, tmp_path / "reverse.h5", lambda file: set_names(file, "layer_names", reverse))
    legacy_h5.load(model, path)
    assert_holds(model)


def test_layers_of_other_names_load_by_position(original):
    model = model_of(LAYOUT, rename={"conv1": "conv2d_17", "bn_conv1": "batch_normalization_17"})
    report = legacy_h5.load(model, original)
    np.testing.assert_array_equal(
        variable(model, "conv2d_17", "kernel"), make_weights.make_array("conv1/kernel:0", [7, 7, 3, 4], 7)
    )
    assert not report.not_loaded and not report.unused_in_file


def test_weights_of_a_layer_are_told_apart_by_name(model, original, tmp_path):
    # Keras 2 lists trainable weights first: a partly frozen rpn_model comes in another order.
    def shuffle(file):
        stored = [name.decode() for name in file["rpn_model"].attrs["weight_names"]]
        set_names(file["rpn_model"], "weight_names", stored[2:] + stored[:2])

    legacy_h5.load(model, rewrite(original, tmp_path / "frozen.h5", shuffle))
    assert_holds(model)


def test_prefixes_of_weight_names_do_not_matter(model, original, tmp_path):
    def rename(file):
        group = file["conv1"]
        group.move("conv1", "conv1_3")
        set_names(group, "weight_names", ["conv1_3/kernel:0", "conv1_3/bias:0"])

    legacy_h5.load(model, rewrite(original, tmp_path / "prefix.h5", rename))
    assert_holds(model)


def test_weights_of_unknown_names_load_by_position(model, original, tmp_path):
    def rename(file):
        group = file["bn_conv1"]
        for new, old in (("running_mean", "moving_mean"), ("running_std", "moving_variance")):
            group.move(f"bn_conv1/{old}:0", f"bn_conv1/{new}:0")
        set_names(group, "weight_names", [f"bn_conv1/{n}:0" for n in ("gamma", "beta", "running_mean", "running_std")])

    legacy_h5.load(model, rewrite(original, tmp_path / "keras1.h5", rename))
    assert_holds(model)


def test_names_split_over_several_attributes_are_read(model, original, tmp_path):
    def split(file):
        stored = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = stored[:60], stored[60:]

    legacy_h5.load(model, rewrite(original, tmp_path / "split.h5", split))
    assert_holds(model)


def test_float64_is_converted(model, original, tmp_path):
    def widen(file):
        data = file["conv1/conv1/kernel:0"][...]
        del file["conv1/conv1/kernel:0"]
        file["conv1/conv1/kernel:0"] = data.astype("f8")

    legacy_h5.load(model, rewrite(original, tmp_path / "wide.h5", widen))
    assert_holds(model)


# --- by name, and exclude


def test_by_name_reports_what_either_lacks(model, tmp_path):
    path = tmp_path / "headless.h5"
    make_weights.write_weights(LAYOUT, path, seed=7, exclude=HEADS)
    with h5py.File(path, "a") as file:
        file.create_group("extra").attrs["weight_names"] = np.asarray([b"w:0"])
        file["extra/w:0"] = np.zeros(3, "f4")
        set_names(file, "layer_names", [name.decode() for name in file.attrs["layer_names"]] + ["extra"])
    report = legacy_h5.load(model, path, by_name=True)
    assert report.missing_in_file == ("mrcnn_bbox_fc", "mrcnn_class_logits", "mrcnn_mask")
    assert report.unused_in_file == ("extra",)
    assert_holds(model, without=HEADS)
    assert not variable(model, "mrcnn_mask", "kernel").any()


def test_exclude_implies_by_name_and_leaves_layers_alone(original):
    model = model_of(small_layout(num_classes=2))
    report = legacy_h5.load(model, original, exclude=HEADS)
    assert report.excluded == ("mrcnn_bbox_fc", "mrcnn_class_logits", "mrcnn_mask")
    assert not variable(model, "mrcnn_class_logits", "kernel").any()
    assert_holds(model, without=HEADS)


def test_an_excluded_layer_may_be_absent_from_the_network(original):
    """By position the other layers would find no partners."""
    layout = small_layout()
    layout["groups"] = [group for group in layout["groups"] if group["layer"] != "mrcnn_mask"]
    model = model_of(layout)
    legacy_h5.load(model, original, exclude="mrcnn_mask")
    assert_holds(model, layout)


def test_a_layer_inside_rpn_model_can_be_excluded(original):
    model = model_of(small_layout(anchors_per_location=5))
    report = legacy_h5.load(model, original, exclude=["rpn_class_raw", "rpn_bbox_pred"])
    assert report.excluded == ("rpn_model",)
    assert variable(model, "rpn_conv_shared", "kernel").any()
    assert not variable(model, "rpn_class_raw", "kernel").any()


def test_exclude_takes_none_and_a_single_name(model, original):
    assert legacy_h5.load(model, original, exclude=None).excluded == ()
    assert legacy_h5.load(model, original, exclude="mrcnn_mask").excluded == ("mrcnn_mask",)


def test_misspelt_exclude_is_warned_of_with_the_right_name(model, original, caplog):
    with caplog.at_level(logging.WARNING):
        legacy_h5.load(model, original, exclude=["mrcnn_clas_logits"])
    assert "did you mean mrcnn_class_logits" in caplog.text


def test_historic_exclude_list_is_not_warned_of(model, original, caplog):
    legacy_h5.load(model, original, exclude=HEADS)
    assert not caplog.records


# --- what does not fit: one error, nothing changed


def test_class_count_mismatch_is_one_complete_message(original):
    model = model_of(small_layout(num_classes=2))
    with pytest.raises(ValueError) as raised:
        legacy_h5.load(model, original, by_name=True)
    message = str(raised.value)
    for part in ("NUM_CLASSES: 81 in the file, 2 here", "original.h5", "set NUM_CLASSES = 81"[1:], str(HEADS)):
        assert part in message
    assert "mrcnn_class_logits/kernel:0: (64, 81) in the file, (64, 2) here" in message
    assert "mrcnn_bbox_fc/kernel:0: (64, 324) in the file, (64, 8) here" in message
    assert "mrcnn_mask/bias:0: (81,) in the file, (2,) here" in message
    assert is_zero(model)


def test_anchor_count_mismatch_names_the_ratios(original):
    with pytest.raises(
        ValueError, match="(?s)RPN_ANCHOR_RATIOS: 3 in the file, 5 here.*'rpn_class_raw', 'rpn_bbox_pred'"
    ):
        legacy_h5.load(model_of(small_layout(anchors_per_location=5)), original)


def test_pyramid_width_mismatch_names_the_attribute(original):
    layout = small_layout()
    for group in layout["groups"]:
        if group["layer"].startswith("fpn_"):
            for weight in group["weights"]:
                weight["shape"] = [12 if i == len(weight["shape"]) - 1 else s for i, s in enumerate(weight["shape"])]
    with pytest.raises(ValueError, match="TOP_DOWN_PYRAMID_SIZE: 16 in the file, 12 here"):
        legacy_h5.load(model_of(layout), original)


def test_other_depth_by_position_names_the_backbone(original):
    model = model_of(small_layout("resnet101_coco", all_blocks=True))
    with pytest.raises(
        ValueError,
        match="(?s)BACKBONE: resnet50 in the file, resnet101 here.*only in the network: res2b_branch2a.*BACKBONE = 'resnet50'",
    ):
        legacy_h5.load(model, original)
    assert is_zero(model)


def test_other_depth_by_name_loads_with_a_warning(original, caplog):
    # Scripts load mask_rcnn_coco.h5 (resnet101) into resnet50 by name: it has to work, but not silently.
    report = legacy_h5.load(model_of(small_layout("resnet101_coco")), original, by_name=True)
    assert "holds a resnet50, this network is a resnet101" in caplog.text
    assert "res4w_branch2a" in report.missing_in_file


def test_layer_with_fewer_weights_is_explained(model, original, tmp_path):
    path = rewrite(
        original, tmp_path / "bias.h5", lambda file: set_names(file["conv1"], "weight_names", ["conv1/kernel:0"])
    )
    with pytest.raises(ValueError, match="conv1/bias:0: missing in the file, .4,. here"):
        legacy_h5.load(model, path)


def test_no_common_name_is_an_error(original):
    with pytest.raises(ValueError, match="No layer of .* has a name in this network"):
        legacy_h5.load(chain([Holder([("kernel", (2, 2))], name="dense")]), original, by_name=True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_before_anything_changes(model, original, tmp_path, value):
    def spoil(file):
        file["mrcnn_mask/mrcnn_mask/kernel:0"][0, 0, 3, 5] = value

    with pytest.raises(ValueError, match="/mrcnn_mask/mrcnn_mask/kernel:0 holds 1 values that are not finite"):
        legacy_h5.load(model, rewrite(original, tmp_path / "nan.h5", spoil))
    assert is_zero(model)


def test_network_without_weights_is_refused(original):
    with pytest.raises(ValueError, match="no weights"):
        legacy_h5.load(chain([keras.layers.ReLU()]), original)


# --- saving


def test_saved_file_has_the_groups_of_the_original_in_its_order(model, original, tmp_path):
    legacy_h5.load(model, original)
    legacy_h5.save(model, tmp_path / "saved.h5")
    with h5py.File(original) as old, h5py.File(tmp_path / "saved.h5") as new:
        assert [name.decode() for name in new.attrs["layer_names"]] == [layer for layer, _ in weighted(LAYOUT)]
        assert new.attrs["backend"] == old.attrs["backend"] == b"tensorflow"
        assert new.attrs["keras_version"].startswith(b"2.")
        for layer, weights in weighted(LAYOUT):
            assert [name.decode() for name in new[layer].attrs["weight_names"]] == [name for name, _ in weights]
            for name, _ in weights:
                assert new[layer][name].dtype == np.dtype("<f4")
                np.testing.assert_array_equal(new[layer][name], old[layer][name])


def test_keras_reads_our_files_and_we_read_keras_files(tmp_path):
    def build():
        return keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                keras.layers.Conv2D(4, 3, name="conv1"),
                keras.layers.BatchNormalization(name="bn"),
            ]
        )

    ours, theirs = build(), build()
    legacy_h5.save(ours, tmp_path / "ours.h5")
    theirs.load_weights(tmp_path / "ours.h5")
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    again = build()
    theirs.save(tmp_path / "keras.h5")
    assert legacy_h5.load(again, tmp_path / "keras.h5").loaded == ("conv1", "bn")
    np.testing.assert_array_equal(again.get_layer("conv1").kernel, ours.get_layer("conv1").kernel)


def test_random_state_is_not_saved(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2, name="dense")])
    legacy_h5.save(model, tmp_path / "saved.h5")
    assert list(file_layout.describe(tmp_path / "saved.h5").layers) == ["dense"]


def test_custom_backbone_stands_first_and_keeps_its_order(tmp_path):
    order = ["mrcnn_mask", "stem", "block", "fpn_c5p5"]
    legacy_h5.save(chain([Holder([("kernel", (2,))], name=name) for name in order]), tmp_path / "saved.h5")
    assert list(file_layout.describe(tmp_path / "saved.h5").layers) == ["stem", "block", "fpn_c5p5", "mrcnn_mask"]


def test_layer_made_of_layers_round_trips(tmp_path):
    class Block(keras.layers.Layer):
        def build(self, input_shape):
            self.first, self.second = keras.layers.Dense(2, name="first"), keras.layers.Dense(2, name="second")
            self.first.build(input_shape)
            self.second.build(input_shape)

        def call(self, inputs):
            return self.second(self.first(inputs))

    def build():
        model = keras.Sequential([keras.Input((2,)), Block(name="block")])
        model(np.zeros((1, 2), "f4"))
        return model

    model, other = build(), build()
    legacy_h5.save(model, tmp_path / "saved.h5")
    legacy_h5.load(other, tmp_path / "saved.h5")
    for a, b in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_long_lists_of_names_are_split(model, tmp_path, monkeypatch):
    monkeypatch.setattr(legacy_h5, "_MAX_ATTRIBUTE_BYTES", 1000)
    legacy_h5.save(model, tmp_path / "saved.h5")
    with h5py.File(tmp_path / "saved.h5") as file:
        assert "layer_names" not in file.attrs and "layer_names1" in file.attrs
    assert list(file_layout.describe(tmp_path / "saved.h5").layers) == [layer for layer, _ in weighted(LAYOUT)]


def test_failed_save_keeps_the_old_file_and_leaves_nothing_behind(model, tmp_path, monkeypatch):
    path = tmp_path / "saved.h5"
    path.write_bytes(b"the previous checkpoint")

    def fail(file, *args):
        file.attrs["begun"] = 1
        raise OSError("disk full")

    monkeypatch.setattr(legacy_h5, "_write", fail)
    with pytest.raises(OSError, match="disk full"):
        legacy_h5.save(model, path)
    assert path.read_bytes() == b"the previous checkpoint"
    assert os.listdir(tmp_path) == ["saved.h5"]


def test_exclude_list_of_the_message_is_the_public_one():
    assert list(names.HEAD_LAYERS) == HEADS
