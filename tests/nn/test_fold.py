"""Convolutions that take in the BatchNorm after them."""

import keras
import numpy as np
import pytest
from backend_tools import arrays
from keras import ops

from mrcnn.nn.layers import BatchNorm, FoldingConv2D, RoiConv2D, fold

pytestmark = pytest.mark.portable

X = np.random.default_rng(0).standard_normal((2, 9, 9, 3)).astype("float32")
ROIS = np.random.default_rng(0).standard_normal((2, 9, 4, 4, 3)).astype("float32")


def model_with(train_bn=False, convolution=FoldingConv2D, shape=X.shape[1:], tail=None, **arguments):
    inputs = keras.Input(shape)
    x = convolution(5, 3, name="conv", **arguments)(inputs)
    outputs = BatchNorm(train_bn=train_bn, name="bn")(x)
    model = keras.Model(inputs, [outputs, tail(x)] if tail else outputs)
    rng = np.random.default_rng(1)
    model.get_layer("bn").set_weights([rng.uniform(0.5, 2, 5), rng.normal(size=5), rng.normal(size=5), rng.uniform(0.5, 2, 5)])
    if model.get_layer("conv").use_bias:
        model.get_layer("conv").bias.assign(rng.normal(size=5).astype("float32"))
    return model


@pytest.mark.parametrize("arguments", [{}, {"use_bias": False}, {"dilation_rate": 2, "padding": "same"}])
def test_results_are_those_of_the_two_layers(arguments):
    model = model_with(**arguments)
    before = arrays(model(X))
    assert fold(model) == 1
    np.testing.assert_allclose(arrays(model(X)), before, atol=1e-5)


def test_results_on_rois_are_those_of_the_two_layers():
    model = model_with(convolution=RoiConv2D, shape=ROIS.shape[1:])
    before = arrays(model(ROIS))
    assert fold(model) == 1
    np.testing.assert_allclose(arrays(model(ROIS)), before, atol=1e-5)


def test_the_convolution_does_the_work():
    model = model_with()
    fold(model)
    convolution = keras.Model(model.input, model.get_layer("conv").output)
    np.testing.assert_array_equal(arrays(convolution(X)), arrays(model(X)))


def test_weights_loaded_later_count():
    model, other = model_with(), model_with()
    fold(model)
    other.set_weights([w + 0.1 for w in other.get_weights()])
    model.set_weights(other.get_weights())
    np.testing.assert_allclose(arrays(model(X)), arrays(other(X)), atol=1e-5)


@pytest.mark.parametrize("train_bn", [None, True])
def test_statistics_of_the_batch_are_left_alone(train_bn):
    assert fold(model_with(train_bn)) == 0


def test_a_convolution_that_another_layer_reads_is_left_alone():
    model = model_with(tail=keras.layers.ReLU())
    before = arrays(model(X))
    assert fold(model) == 0
    np.testing.assert_array_equal(arrays(model(X))[1], before[1])


def test_a_convolution_whose_result_the_model_returns_is_left_alone():
    model = model_with(tail=lambda x: x)
    before = arrays(model(X))
    assert fold(model) == 0
    np.testing.assert_array_equal(arrays(model(X))[1], before[1])


def test_a_convolution_with_an_activation_is_left_alone():
    assert fold(model_with(activation="relu")) == 0


def test_a_plain_convolution_is_left_alone():
    assert fold(model_with(convolution=keras.layers.Conv2D)) == 0


def test_a_kernel_larger_than_the_activations_is_left_alone():
    assert fold(model_with(shape=(8, 8, 3))) == fold(model_with(shape=(None, None, 3))) == 1
    assert fold(model_with(shape=(6, 6, 3))) == 0  # 4 x 4 positions, 3 x 3 x 3 weights a channel


def test_folding_twice_does_nothing_more():
    model = model_with()
    before = arrays(model(X))
    assert (fold(model), fold(model)) == (1, 0)
    np.testing.assert_allclose(arrays(model(X)), before, atol=1e-5)


def test_a_training_step_changes_all_weights_alike():
    models = [model_with(), model_with()]
    models[1].set_weights(models[0].get_weights())
    fold(models[1])
    for model in models:
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        model.train_on_batch(X, np.ones((2, 7, 7, 5), "float32"))
    for variable, expected in zip(models[1].variables, models[0].variables, strict=True):
        np.testing.assert_allclose(arrays(ops.convert_to_tensor(variable)), arrays(ops.convert_to_tensor(expected)), atol=1e-5)


def test_mixed_precision_makes_the_product_in_float32():
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = model_with()
    finally:
        keras.config.set_dtype_policy(policy)
    convolution, norm = model.get_layer("conv"), model.get_layer("bn")
    fold(model)
    scale = norm.get_weights()[0] / np.sqrt(norm.get_weights()[3] + norm.epsilon)
    kernel = ops.cast(ops.convert_to_tensor(convolution.get_weights()[0] * scale), "bfloat16")
    expected = ops.conv(ops.cast(X, "bfloat16"), kernel)
    shift = norm.get_weights()[1] - norm.get_weights()[2] * scale + convolution.get_weights()[1] * scale
    expected = ops.cast(expected + ops.cast(shift.astype("float32"), "bfloat16"), "float32")
    np.testing.assert_allclose(arrays(ops.cast(model(X), "float32")), arrays(expected), atol=0.02)
