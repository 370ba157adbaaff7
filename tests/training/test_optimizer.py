"""The optimizers: an update by hand, refused, accumulated, averaged."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.training import optimizer


def variables(*names):
    return [keras.Variable(np.ones(3, "float32"), name=name) for name in names]


def sgd(learning_rate=0.1, clip_norm=None, **options):
    return optimizer.build("sgd", learning_rate, momentum=0.9, clip_norm=clip_norm, weight_decay=0.0, **options)


def adamw(**options):
    return optimizer.build("adamw", 0.1, momentum=0.9, **{"clip_norm": None, "weight_decay": 0.5, **options})


def values(variables):
    return [ops.convert_to_numpy(v) for v in variables]


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


def test_a_gradient_below_the_norm_is_left_as_it_is():
    (weight,) = chosen = variables("a")
    opt = sgd(1.0, clip_norm=1.0)
    opt.build(chosen)
    opt.apply([ops.convert_to_tensor([0.3, 0.4, 0])], chosen)
    np.testing.assert_allclose(weight.numpy(), [0.7, 0.6, 1], rtol=1e-5)


def test_adamw_decays_kernels_only():
    chosen = variables("kernel", "bias", "gamma", "beta")
    opt = adamw()
    opt.build(chosen)
    step(opt, chosen, 0.0)
    np.testing.assert_allclose([v.numpy()[0] for v in chosen], [0.95, 1, 1, 1], rtol=1e-6)


def test_adamw_decays_biases_by_choice_but_never_normalisations():
    chosen = variables("kernel", "bias", "gamma", "beta")
    opt = adamw(decay_biases=True)
    opt.build(chosen)
    step(opt, chosen, 0.0)
    np.testing.assert_allclose([v.numpy()[0] for v in chosen], [0.95, 0.95, 1, 1], rtol=1e-6)


def test_a_name_that_merely_holds_gamma_is_decayed():
    with keras.name_scope("beta_block"):
        (chosen,) = variables("kernel_gamma")
    opt = adamw()
    opt.build([chosen])
    step(opt, [chosen], 0.0)
    np.testing.assert_allclose(chosen.numpy(), 0.95, rtol=1e-6)


def test_adamw_is_keras_own_where_all_weights_train_from_the_start():
    chosen, twins = variables("kernel", "bias"), variables("kernel", "bias")
    opt, twin = adamw(clip_norm=1.0), keras.optimizers.AdamW(0.1, weight_decay=0.5, global_clipnorm=1.0)
    twin.exclude_from_weight_decay(var_names=["bias"])
    rng = np.random.default_rng(0)
    for _ in range(5):
        grads = [ops.convert_to_tensor(rng.standard_normal(3).astype("float32") * 3) for _ in range(2)]
        opt.apply(grads, chosen)
        twin.apply(grads, twins)
    np.testing.assert_allclose(values(chosen), values(twins), rtol=1e-6)


@pytest.mark.portable
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("make", [sgd, adamw])
def test_a_gradient_that_is_not_finite_changes_nothing(make, bad):
    chosen = variables("a", "b")
    opt = make(ema_decay=0.5, accumulation=2)
    opt.build(chosen)
    step(opt, chosen, 1.0)
    before = values([*chosen, *opt.variables])
    opt.apply([ops.ones(3), ops.convert_to_tensor(np.float32([0, bad, 0]))], chosen)
    changed = [v.path for v, old in zip([*chosen, *opt.variables], before, strict=True) if not np.array_equal(old, values([v])[0])]
    assert changed == [f"{opt.name}/refused"] and int(values([opt.refused])[0]) == 1


@pytest.mark.portable
@pytest.mark.parametrize("make", [sgd, adamw])
def test_accumulated_batches_are_one_update_by_their_mean(make):
    """Clipped, decayed and averaged once, by the mean: each by itself would be clipped to another."""
    options = {"clip_norm": 1.0, "ema_decay": 0.9}
    several, one = variables("kernel", "bias"), variables("kernel", "bias")
    opt, twin = make(accumulation=3, **options), make(**options)
    rng = np.random.default_rng(1)
    for _ in range(2):
        grads = rng.standard_normal((3, 2, 3)).astype("float32") * [[[5]], [[1]], [[1]]]
        for batch in grads.astype("float32"):
            opt.apply([ops.convert_to_tensor(g) for g in batch], several)
        twin.apply([ops.convert_to_tensor(g) for g in grads.mean(axis=0).astype("float32")], one)
    for a, b in ((several, one), (opt.averages, twin.averages)):
        np.testing.assert_allclose(values(a), values(b), rtol=1e-5)
    assert [int(values([v])[0]) for v in (opt.updates, opt.iterations, twin.updates)] == [2, 6, 2]


def test_weights_wait_until_the_last_of_the_batches():
    chosen = variables("a")
    opt = adamw(accumulation=2, ema_decay=0.5)
    opt.build(chosen)
    step(opt, chosen, 1.0)
    np.testing.assert_array_equal(chosen[0].numpy(), 1)
    step(opt, chosen, 1.0)
    assert (chosen[0].numpy() < 1).all()


def test_a_refused_batch_is_replaced_in_its_cycle_by_the_next():
    chosen = variables("a")
    opt = sgd(accumulation=2)
    opt.build(chosen)
    for value in (1.0, np.nan, 3.0):
        step(opt, chosen, value)
    np.testing.assert_allclose(chosen[0].numpy(), 1 - 0.1 * 2, rtol=1e-6)


def test_average_by_hand():
    """Decay 2/11, then 3/12 of itself, then the 0.26 asked for, since 4/13 is more."""
    (weight,) = chosen = variables("a")
    opt = optimizer.build("sgd", 1.0, momentum=0.0, clip_norm=None, weight_decay=0.0, ema_decay=0.26)
    opt.build(chosen)
    expected = 1.0
    for share in (2 / 11, 3 / 12, 0.26):
        step(opt, chosen, 1.0)
        expected = share * expected + (1 - share) * weight.numpy()[0]
        np.testing.assert_allclose(opt.averages[0].numpy(), expected, rtol=1e-6)


def test_loss_scale_falls_at_an_overflow_which_the_guard_does_not_count():
    chosen = variables("a")
    opt = sgd(scale_loss=True)
    opt.build(chosen)
    assert float(ops.convert_to_numpy(opt.scale_loss(2.0))) == 2 * optimizer.INITIAL_LOSS_SCALE
    step(opt, chosen, np.inf)
    assert float(opt.dynamic_scale.numpy()) == optimizer.INITIAL_LOSS_SCALE / 2
    assert int(opt.inner_optimizer.refused.numpy()) == int(opt.iterations.numpy()) == 0
    step(opt, chosen, optimizer.INITIAL_LOSS_SCALE / 2)  # a gradient of 1, scaled
    np.testing.assert_allclose(chosen[0].numpy(), 1 - 0.1, rtol=1e-6)


def test_an_optimizer_is_built_again_from_its_configuration():
    first = adamw(accumulation=2, ema_decay=0.9)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(first))
    assert type(again) is type(first) and again.get_config() == first.get_config()
    assert (again.accumulation, again.ema_decay, again.undecayed) == (2, 0.9, ("gamma", "beta", "bias"))
