"""The modes of BatchNorm."""

import keras
import numpy as np
import pytest
from backend_tools import arrays
from keras import ops

from mrcnn.nn.layers import BatchNorm

pytestmark = pytest.mark.portable

X = np.random.default_rng(0).standard_normal((8, 2, 2, 3)).astype("float32") * 5 + 7


def model_with(train_bn, **call):
    inputs = keras.Input((2, 2, 3))
    layer = BatchNorm(train_bn=train_bn, name="bn")
    return keras.Model(inputs, layer(inputs, **call)), layer


def moving(layer):
    return arrays(layer.moving_mean), arrays(layer.moving_variance)


def uses_the_batch(model, training):
    """Whether the result is centred by the batch's own mean; the stored one is 0."""
    return abs(float(np.mean(arrays(model(ops.convert_to_tensor(X), training=training))))) < 0.1


@pytest.mark.parametrize(
    ("train_bn", "training", "expected"), [(False, True, False), (False, False, False), (None, True, True), (None, False, False), (True, False, True)]
)
def test_whose_statistics_are_used(train_bn, training, expected):
    model, _ = model_with(train_bn)
    assert uses_the_batch(model, training) == expected


def test_stored_statistics_stay_when_fixed_though_the_model_trains():
    model, layer = model_with(False)
    before = moving(layer)
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    model.train_on_batch(X, np.zeros_like(X))
    for a, b in zip(before, moving(layer), strict=True):
        np.testing.assert_array_equal(a, b)
    assert arrays(layer.beta).any()  # gamma and beta still train


def test_stored_statistics_follow_the_batches_when_not_fixed():
    model, layer = model_with(None)
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    model.train_on_batch(X, np.zeros_like(X))
    np.testing.assert_allclose(moving(layer)[0], 0.01 * X.mean((0, 1, 2)), rtol=1e-3)  # momentum 0.99 from 0


@pytest.mark.parametrize("training", [False, True])
def test_training_given_when_the_graph_is_built_fixes_the_mode(training):
    model, layer = model_with(None, training=training)
    assert layer.train_bn is training
    assert uses_the_batch(model, not training) == training


def test_training_given_in_a_real_call_does_not():
    layer = BatchNorm()
    layer(ops.convert_to_tensor(X), training=True)
    assert layer.train_bn is None


def test_stored_statistics_by_hand():
    layer = BatchNorm(train_bn=False)
    layer.build((None, 2))
    layer.set_weights([np.float32(v) for v in ([2, 1], [1, 0], [3, 0], [4 - 1e-3, 1 - 1e-3])])  # gamma, beta, mean, variance
    assert arrays(layer(ops.convert_to_tensor(np.float32([[5, 6]])), training=True))[0].tolist() == pytest.approx([3, 6])
