"""GroupNorm and the choice of a normalisation."""

import ast
import subprocess
import sys

import keras
import numpy as np
import pytest
from backend_tools import TENSORFLOW, arrays, gradient
from keras import ops

from mrcnn.nn import layers, mask_head, norm

portable = pytest.mark.portable
X = np.random.default_rng(0).standard_normal((3, 4, 5, 8)).astype("float32") * 5 + 7


def by_hand(x, groups, epsilon=1e-5):
    """Equation 1 of Wu & He: each image and group by itself, over its channels and positions."""
    batch, height, width, channels = x.shape
    parts = x.reshape(batch, height, width, groups, channels // groups).astype("float64")
    mean, variance = parts.mean((1, 2, 4), keepdims=True), parts.var((1, 2, 4), keepdims=True)
    return ((parts - mean) / np.sqrt(variance + epsilon)).reshape(x.shape)


def built(shape, **arguments):
    layer = norm.GroupNorm(**arguments)
    layer.build(shape)
    return layer


@portable
def test_two_groups_by_hand():
    """One image of 1 x 2 cells: group one holds 1, 3, 5, 7 (mean 4, variance 5), group two the same value throughout."""
    layer = built((None, None, None, 4), groups=2)
    assert layer.groups == 2
    layer.gamma.assign([1, 1, 2, 2])
    layer.beta.assign([0, 10, 20, 30])
    found = arrays(layer(ops.convert_to_tensor(np.float32([[[[1, 3, 6, 6], [5, 7, 6, 6]]]]))))
    scale = 1 / np.sqrt(5 + 1e-5)
    np.testing.assert_allclose(found[0, 0], [[-3 * scale, 10 - scale, 20, 30], [scale, 10 + 3 * scale, 20, 30]], atol=1e-5)


@portable
def test_values_are_those_of_the_paper():
    layer = built(X.shape, groups=4)
    np.testing.assert_allclose(arrays(layer(X)), by_hand(X, 4), atol=1e-4)


@portable
def test_an_image_does_not_see_the_others_of_its_batch():
    layer = built(X.shape)
    np.testing.assert_allclose(arrays(layer(X))[:1], arrays(layer(X[:1])), atol=1e-5)


@portable
def test_training_and_detection_are_the_same_function_and_nothing_is_stored():
    layer = norm.normalization("group", None, "bn")
    inputs = keras.Input(X.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    np.testing.assert_array_equal(arrays(model(X, training=True)), arrays(model(X, training=False)))
    assert [weight.name for weight in layer.weights] == ["gamma", "beta"] and len(layer.trainable_weights) == 2


@portable
def test_each_roi_is_normalised_by_itself():
    """[B, R, H, W, C]: an empty roi beside a full one changes neither."""
    rois = np.random.default_rng(1).standard_normal((2, 3, 4, 4, 8)).astype("float32")
    rois[0, 1] = 0.0
    found = arrays(built(rois.shape, groups=4)(rois))
    np.testing.assert_allclose(found, by_hand(rois.reshape(6, 4, 4, 8), 4).reshape(rois.shape), atol=1e-4)
    assert not found[0, 1].any()


@portable
def test_number_of_groups():
    """32 as in the paper; fewer where channels are few, or where a roi has one position."""
    assert [norm.num_groups(c) for c in (2048, 256, 64, 48, 16, 8, 2, 1)] == [32, 32, 32, 24, 8, 4, 1, 1]
    assert [norm.num_groups(c, 1) for c in (1024, 512, 64, 16, 8)] == [32, 32, 4, 1, 1]
    assert norm.num_groups(7) == 1  # a prime has no other divisor that leaves two channels
    assert norm.num_groups(256, most=4) == 4


@portable
@pytest.mark.parametrize("shape", [(2, 1, 1, 16), (1, 3, 1, 1, 16), (1, 1, 1, 1)])
def test_a_map_of_one_position_is_finite_and_has_a_gradient_where_there_is_anything_to_normalise(shape):
    layer, x = built(shape), np.random.default_rng(2).standard_normal(shape).astype("float32")
    upstream = np.random.default_rng(3).standard_normal(shape).astype("float32")
    found = gradient(lambda v: ops.sum(ops.multiply(layer(v), upstream)), x)[0]
    assert np.isfinite(found).all() and bool(found.any()) == (shape[-1] > 1)


@portable
def test_constant_input_gives_beta_and_a_finite_gradient():
    layer, x = built((1, 4, 4, 8)), np.full((1, 4, 4, 8), 3.0, "float32")
    assert abs(arrays(layer(x))).max() < 1e-3
    assert np.isfinite(gradient(lambda v: ops.sum(layer(v) ** 2), x)[0]).all()


@portable
def test_half_precision_takes_its_statistics_in_float32():
    """In bfloat16 the mean of 400 values near 1000 would be off by units."""
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        layer = norm.GroupNorm(groups=2)
        x = ops.cast(X * 4 + 1000, "bfloat16")
        result = layer(x)
    finally:
        keras.config.set_dtype_policy(policy)
    assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"
    assert {keras.backend.standardize_dtype(w.dtype) for w in layer.weights} == {"float32"}
    np.testing.assert_allclose(arrays(ops.cast(result, "float32")), by_hand(arrays(ops.cast(x, "float32")), 2), atol=0.02)


@portable
def test_rows_that_are_left_out_do_not_change_the_others():
    """`UsedRows` hands on a number of rows that is known at run time only."""
    features = np.random.default_rng(4).standard_normal((2, 20, 2, 2, 8)).astype("float32")
    class_ids = np.tile(np.int32([1] * 3 + [0] * 17), (2, 1))
    inputs = [keras.Input(features.shape[1:]), keras.Input((20,), dtype="int32")]
    model = keras.Model(inputs, norm.GroupNorm(name="bn")(mask_head.UsedRows()(inputs)))
    found = model.predict_on_batch([features, class_ids])
    assert found.shape[1] == (8 if TENSORFLOW else 20)
    expected = by_hand(features.reshape(40, 2, 2, 8), model.get_layer("bn").groups).reshape(features.shape)
    np.testing.assert_allclose(found, expected[:, : found.shape[1]], atol=1e-4)


@portable
def test_folding_leaves_group_norm_alone():
    inputs = keras.Input((9, 9, 3))
    model = keras.Model(inputs, norm.normalization("group", False, "bn")(layers.FoldingConv2D(8, 3)(inputs)))
    assert layers.fold(model) == 0


@portable
def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="norm 'layer': one of batch, group, sync_batch"):
        norm.normalization("layer", None, "bn")


def test_synchronised_on_one_device_is_batch_norm():
    if not TENSORFLOW:
        with pytest.raises(ValueError, match="only supported with the TensorFlow backend"):
            norm.normalization("sync_batch", None, "bn")
        return
    results = []
    for kind in ("batch", "sync_batch"):
        inputs = keras.Input(X.shape[1:])
        model = keras.Model(inputs, norm.normalization(kind, None, "bn")(inputs))
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        model.train_on_batch(X, np.zeros_like(X))
        results.append([*model.get_weights(), arrays(model(X, training=True)), arrays(model(X, training=False))])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)  # its variance is E[x²] - E[x]², which rounds otherwise


TWO_DEVICES = """
import numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from mrcnn.nn import norm
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for kind in ("batch", "sync_batch"):
    with strategy.scope():
        layer = norm.normalization(kind, None, kind)
        layer.build((None, 1))
    one = strategy.experimental_distribute_values_from_function(lambda c: tf.fill([4, 1], 10.0 * c.replica_id_in_sync_group))
    values = strategy.run(lambda x: layer(x, training=True), args=(one,))
    print(kind, [float(v[0, 0]) for v in strategy.experimental_local_results(values)])
"""


@pytest.mark.skipif(not TENSORFLOW, reason="Keras synchronises with TensorFlow only")
def test_synchronised_on_two_devices_takes_the_statistics_of_both():
    """Device 0 sees zeros, device 1 tens: alone each is constant and becomes 0; together mean 5, variance 25: -1 and 1."""
    result = subprocess.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    found = {line.split()[0]: ast.literal_eval(line.split(maxsplit=1)[1]) for line in result.stdout.splitlines()}
    assert found["batch"] == pytest.approx([0, 0], abs=1e-4)
    assert found["sync_batch"] == pytest.approx([-1, 1], abs=1e-4)
