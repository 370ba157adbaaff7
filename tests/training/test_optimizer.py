"""The optimizers, and what they carry from stage to stage."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.training import optimizer


def variables(*names):
    return [keras.Variable(np.ones(3, "float32"), name=name) for name in names]


def sgd(learning_rate=0.1, clip_norm=None):
    return optimizer.build("sgd", learning_rate, momentum=0.9, clip_norm=clip_norm, weight_decay=0.0)


def step(opt, chosen, value):
    opt.apply([ops.full((3,), value) for _ in chosen], chosen)


def test_sgd_with_momentum_by_hand():
    """Steps of 0.1, then 0.1 * 0.9 + 0.1."""
    (weight,) = chosen = variables("w")
    opt = sgd()
    opt.build(chosen)
    step(opt, chosen, 1.0)
    step(opt, chosen, 1.0)
    np.testing.assert_allclose(weight.numpy(), 1 - 0.1 - 0.19, rtol=1e-6)


def test_gradient_is_clipped_by_the_norm_of_all_together():
    """Two gradients (3, 0, 0) and (4, 0, 0): norm 5, scaled to 1, not each to 1."""
    chosen = variables("a", "b")
    opt = sgd(1.0, clip_norm=1.0)
    opt.build(chosen)
    opt.apply([ops.convert_to_tensor([3.0, 0, 0]), ops.convert_to_tensor([4.0, 0, 0])], chosen)
    np.testing.assert_allclose([v.numpy()[0] for v in chosen], [1 - 0.6, 1 - 0.8], rtol=1e-5)


def test_momentum_is_carried_to_the_variables_that_go_on():
    a, b, c = variables("a", "b", "c")
    first = sgd()
    first.build([a, b])
    step(first, [a, b], 1.0)
    second = sgd(0.5)
    assert optimizer.carry_over(first, second, [b, c]) == 1
    np.testing.assert_allclose([m.numpy()[0] for m in second.momentums], [-0.1, 0], rtol=1e-6)
    step(second, [b, c], 0.0)
    np.testing.assert_allclose(b.numpy(), 1 - 0.1 - 0.09, rtol=1e-6)
    np.testing.assert_allclose(c.numpy(), 1.0)


def test_without_one_before_nothing_is_carried():
    assert optimizer.carry_over(None, sgd(), variables("a")) == 0


def test_nothing_is_carried_between_kinds():
    (a,) = chosen = variables("a")
    first = sgd()
    first.build(chosen)
    step(first, chosen, 1.0)
    assert optimizer.carry_over(first, optimizer.build("adamw", 0.1, momentum=0.9, clip_norm=None, weight_decay=0.01), chosen) == 0


@pytest.mark.parametrize(("names", "iterations"), [(("a", "b"), 1), (("a", "c"), 0)])
def test_adamw_keeps_its_count_of_steps_only_where_every_average_is_kept(names, iterations):
    held = {name: variable for name, variable in zip("abc", variables("a", "b", "c"), strict=True)}
    first, second = (optimizer.build("adamw", 0.1, momentum=0.9, clip_norm=None, weight_decay=0.0) for _ in range(2))
    first.build([held["a"], held["b"]])
    step(first, [held["a"], held["b"]], 1.0)
    optimizer.carry_over(first, second, [held[n] for n in names])
    assert int(second.iterations.numpy()) == iterations


def test_adamw_decays_kernels_only():
    chosen = variables("kernel", "bias", "gamma", "beta")
    opt = optimizer.build("adamw", 0.1, momentum=0.9, clip_norm=None, weight_decay=0.5)
    opt.build(chosen)
    step(opt, chosen, 0.0)
    np.testing.assert_allclose([v.numpy()[0] for v in chosen], [0.95, 1, 1, 1], rtol=1e-6)
