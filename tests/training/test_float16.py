"""Training in mixed_float16: like float32's, with a search for the loss scale that is no error."""

import keras
import numpy as np
import pytest
import tiny
import tiny_network
from backend_tools import TENSORFLOW

from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.training import guard, optimizer

pytestmark = pytest.mark.skipif(not TENSORFLOW, reason="a second network a test takes minutes elsewhere")


def compiled(precision):
    keras.utils.set_random_seed(4)
    model = tiny_network.network("training", PRECISION=precision)
    scaled = model.dtype_policy.name == "mixed_float16"
    opt = optimizer.build("sgd", 0.01, momentum=0.9, clip_norm=5.0, weight_decay=0.0, scale_loss=scaled)
    opt.build(model.trainable_variables)
    model.compile(optimizer=opt, run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def half():
    return compiled("mixed_float16")


@pytest.fixture
def batch():
    return tiny_network.training_batch(tiny_network.config())


def losses(model, batch, steps=2):
    return np.array([list(model.train_on_batch(tuple(batch), return_dict=True).values()) for _ in range(steps)])


def scale(model):
    return float(keras.ops.convert_to_numpy(model.optimizer.dynamic_scale))


def test_losses_are_near_those_of_float32(half, batch):
    """Two steps: a third may sample other rois, where two scores are nearly equal."""
    assert isinstance(half.optimizer, keras.optimizers.LossScaleOptimizer)
    assert half.get_layer("fpn_p2").compute_dtype == "float16"
    found, expected = losses(half, batch), losses(compiled("float32"), batch)
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.02)
    assert found[-1, 1] < found[0, 1]  # the total falls


def test_scale_falls_while_gradients_overflow_and_weights_wait(half, batch):
    half.optimizer.dynamic_scale.assign(2.0**60)
    before = [v.numpy() for v in half.trainable_variables]
    logs = half.train_on_batch(tuple(batch), return_dict=True)
    assert scale(half) == 2.0**59 and np.isfinite(logs["loss"])
    assert int(half.optimizer.inner_optimizer.refused.numpy()) == 0
    for old, variable in zip(before, half.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


def test_a_loss_that_is_not_finite_is_one_in_float16_too(half, batch):
    callback = guard.NonFinite(type("Data", (), {"image_info": []})(), "stop")
    callback.set_model(half)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    half.optimizer.dynamic_scale.assign(1024.0)
    half.train_on_batch(tuple(batch))
    callback.on_train_batch_end(0)
    batch[3][0, 0] = np.nan
    half.train_on_batch(tuple(batch))
    with pytest.raises(FloatingPointError, match="Epoch 1, step 2: not finite: rpn_bbox_loss = nan"):
        callback.on_train_batch_end(1)


def test_the_scale_goes_on_through_stages_and_the_same_layers_keep_the_optimizer(tmp_path):
    class HalfConfig(tiny.TinyConfig):
        PRECISION = "mixed_float16"

    model = MaskRCNN("training", HalfConfig(), tmp_path)
    model.compile(0.1, 0.9)
    first = model.keras_model.optimizer
    assert isinstance(first, keras.optimizers.LossScaleOptimizer)
    first.dynamic_scale.assign(64.0)
    model.compile(0.01, 0.9)
    assert model.keras_model.optimizer is first and float(first.learning_rate) == pytest.approx(0.01)
    model.set_trainable("heads", verbose=0)
    model.compile(0.01, 0.9)
    assert model.keras_model.optimizer is not first and scale(model.keras_model) == 64.0
