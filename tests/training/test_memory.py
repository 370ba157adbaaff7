"""What optimizers have gathered, through any sequence of stages, and written down."""

import keras
import numpy as np
import pytest
import tiny_network
from backend_tools import TENSORFLOW
from keras import ops

from mrcnn.training import memory, optimizer


def variables(*names):
    return {name: keras.Variable(np.ones(3, "float32"), name=name) for name in names}


def build(kind="sgd", **options):
    return optimizer.build(kind, 0.1, **{"momentum": 0.9, "clip_norm": None, "weight_decay": 0.0, **options})


def step(opt, chosen, value):
    opt.apply([ops.full((3,), value) for _ in chosen], chosen)


def value(variable):
    return ops.convert_to_numpy(variable)


class Stages:
    """Optimizers one after the other, with one memory."""

    def __init__(self, kind="sgd", **options):
        self.memory, self.make, self.optimizer = memory.Memory(), lambda: build(kind, **options), None

    def __call__(self, chosen, gradients=()):
        if self.optimizer is not None:
            self.memory.gather(self.optimizer)
        self.optimizer = self.make()
        self.carried = self.memory.give(self.optimizer, chosen)
        for gradient in gradients:
            step(self.optimizer, chosen, gradient)
        return optimizer.core(self.optimizer)


def test_momentum_survives_a_stage_without_the_weight():
    """0.1 and 0.19 of speed; then rest; then 0.9 * 0.19."""
    held = variables("backbone", "head")
    stages = Stages()
    stages([*held.values()], [1.0, 1.0])
    stages([held["head"]], [0.0])
    before = value(held["backbone"])
    last = stages([*held.values()])
    assert stages.carried == 2
    np.testing.assert_allclose([value(m)[0] for m in last.momentums], [-0.19, -0.171], rtol=1e-6)
    step(last, [*held.values()], 0.0)
    np.testing.assert_allclose(value(held["backbone"]), before - 0.171, rtol=1e-6)


def test_a_weight_that_joins_starts_without_momentum():
    held = variables("a", "b", "c")
    stages = Stages()
    stages([held["a"], held["b"]], [1.0])
    last = stages([held["b"], held["c"]])
    assert stages.carried == 1
    np.testing.assert_allclose([value(m)[0] for m in last.momentums], [-0.1, 0], rtol=1e-6)


def test_without_one_before_nothing_is_carried():
    stages = Stages()
    stages([*variables("a").values()])
    assert stages.carried == 0


def test_nothing_is_carried_between_kinds():
    held = [*variables("a").values()]
    stages = Stages()
    stages(held, [1.0])
    stages.make = lambda: build("adamw")
    stages(held)
    assert stages.carried == 0


def test_another_shape_is_not_carried():
    stages = Stages()
    stages([*variables("a").values()], [1.0])
    stages([keras.Variable(np.ones(4, "float32"), name="a")])
    assert stages.carried == 0


def test_adamw_corrects_each_weight_by_its_own_count():
    """A first step of AdamW is the learning rate, and so is each one of a gradient that stays the same."""
    held = variables("old", "new")
    stages = Stages("adamw")
    stages([held["old"]], [2.0] * 5)
    stages([*held.values()], [2.0])
    np.testing.assert_allclose(value(held["new"]), 1 - 0.1, rtol=1e-5)
    np.testing.assert_allclose(value(held["old"]), 1 - 0.6, rtol=1e-4)


def test_rest_does_not_age_the_moments_of_adamw():
    held = variables("backbone", "head")
    stages = Stages("adamw")
    stages([*held.values()], [2.0] * 3)
    stages([held["head"]], [2.0] * 50)
    stages([*held.values()], [2.0])
    np.testing.assert_allclose(value(held["backbone"]), 1 - 0.4, rtol=1e-4)


def test_average_of_a_resting_weight_goes_on_to_approach_it():
    held, tracked = variables("backbone", "head"), variables("backbone", "head")
    stages, all_along = Stages(ema_decay=0.9), Stages(ema_decay=0.9, momentum=0.0)
    stages.make = lambda: build(ema_decay=0.9, momentum=0.0)
    stages([*held.values()], [1.0] * 3)
    stages([held["head"]], [1.0] * 4)
    last = stages([*held.values()])
    opt = all_along([*tracked.values()], [1.0] * 3)
    for _ in range(4):
        opt.apply([ops.zeros(3), ops.ones(3)], [*tracked.values()])
    np.testing.assert_allclose([value(a) for a in last.averages], [value(a) for a in opt.averages], rtol=1e-5)


def test_average_of_a_weight_that_joins_starts_at_the_weight():
    held = variables("a", "b")
    stages = Stages(ema_decay=0.9)
    stages([held["a"]], [1.0])
    held["b"].assign(np.full(3, 7.0))
    np.testing.assert_array_equal(value(stages([*held.values()]).averages[1]), 7)


def test_a_cycle_goes_on_with_fewer_weights_and_starts_anew_with_more():
    held = variables("backbone", "head")
    stages = Stages(accumulation=2)
    stages([*held.values()], [1.0])
    heads = stages([held["head"]])
    assert int(value(heads.accumulated)) == 1
    step(heads, [held["head"]], 3.0)
    np.testing.assert_allclose(value(held["head"]), 1 - 0.1 * 2, rtol=1e-6)
    step(heads, [held["head"]], 5.0)
    last = stages([*held.values()])
    assert int(value(last.accumulated)) == 0 and not any(value(a).any() for a in last.accumulators)


def test_loss_scale_is_remembered():
    held = [*variables("a").values()]
    stages = Stages(scale_loss=True)
    stages(held, [np.inf, np.inf])
    stages(held)
    assert float(value(stages.optimizer.dynamic_scale)) == optimizer.INITIAL_LOSS_SCALE / 4


@pytest.mark.skipif(not TENSORFLOW, reason="eager steps of a whole network take minutes elsewhere")
@pytest.mark.parametrize(
    ("kind", "options"),
    [("sgd", {"ema_decay": 0.9}), ("adamw", {"accumulation": 2, "ema_decay": 0.9, "scale_loss": True})],
    ids=["sgd, averaged", "adamw, averaged, scaled, amid a cycle"],
)
def test_training_goes_on_bit_for_bit_from_what_was_written_down(kind, options, tmp_path):
    """Three steps, all written and read into new objects, three steps: as six in one go."""
    settings = tiny_network.config()
    batches = [tiny_network.training_batch(settings, seed=i) for i in range(6)]

    def start(weights=None, arrays=None):
        keras.utils.set_random_seed(3)
        model, held = tiny_network.network("training"), memory.Memory()
        if weights is not None:
            for variable, array in zip(model.variables, weights, strict=True):  # by place: Keras numbers the paths of random states
                variable.assign(array)
            held.arrays = arrays
        opt = build(kind, clip_norm=5.0, weight_decay=0.01, **options)
        held.give(opt, model.trainable_variables)
        model.compile(optimizer=opt, run_eagerly=True)
        return model, held

    def train(model, chosen):
        for batch in chosen:
            model.train_on_batch(tuple(batch))
        return model

    whole, kept = start()
    train(whole, batches[:3])
    kept.gather(whole.optimizer)
    weights = [value(v).copy() for v in whole.variables]
    np.savez(tmp_path / "memory.npz", **{path.replace("/", "|"): array for path, array in kept.arrays.items()})
    train(whole, batches[3:])
    with np.load(tmp_path / "memory.npz") as arrays:
        again, _ = start(weights, {path.replace("|", "/"): arrays[path] for path in arrays.files})
    train(again, batches[3:])
    for a, b in zip([*whole.variables, *whole.optimizer.variables], [*again.variables, *again.optimizer.variables], strict=True):
        np.testing.assert_array_equal(value(a), value(b), err_msg=a.path)
