"""Stages and learning rates."""

import math

import keras
import numpy as np
import pytest

from mrcnn.training import stages
from mrcnn.training.rates import Rates
from mrcnn.training.stages import Schedule, Stage


def test_text_gives_the_stages_of_the_first_users():
    assert stages.read("heads:1e-3:5,4+:1e-3:10,all:1e-4:15") == [Stage("heads", 1e-3, 5), Stage("4+", 1e-3, 10), Stage("all", 1e-4, 15)]


def test_text_tuples_and_stages_mean_the_same():
    wanted = [Stage("all", 2e-3, 12, Schedule("step", 500, (8.0, 11.0)))]
    assert stages.read("all:2e-3:12:warmup@500+step@8/11") == wanted
    assert stages.read([("all", 2e-3, 12, "warmup@500+step@8/11")]) == wanted
    assert stages.read(wanted) == wanted


def test_regular_expression_with_colons_is_a_stage_s_layers():
    assert stages.read("(?:mrcnn_.*):1e-3:2:cosine")[0].layers == "(?:mrcnn_.*)"


@pytest.mark.parametrize("layers", ["res[45][a-z]{1,2}_.*", "(res4.*|bn(4|5).{1,9})", "[a,b].*", r"(mrcnn_.*)|(fpn_.{1,3})"])
def test_a_comma_inside_an_expression_separates_no_stages(layers):
    assert [s.layers for s in stages.read(f"heads:1e-3:1,{layers}:1e-3:2:step@1,all:1e-4:1")] == ["heads", layers, "all"]


@pytest.mark.parametrize(
    "text",
    ["", "heads", "heads:1e-3", "heads:fast:5", "heads:1e-3:0", "heads:-1:5", "heads:1e-3:5:falling", "heads:1e-3:5:step@", "heads:1e-3:5:warmup@9+"],
)
def test_nonsense_is_refused_with_a_form_to_follow(text):
    with pytest.raises(ValueError, match="expected|Write for example"):
        stages.read(text)


def test_numbers_of_numpy_are_numbers():
    stage = Stage("heads", np.float32(0.5), np.int64(3))
    assert stage == Stage("heads", 0.5, 3) and (type(stage.learning_rate), type(stage.epochs)) == (float, int)


@pytest.mark.parametrize("epochs", [0, -1, True, np.True_, 2.0, np.float64(2), "2", None])
def test_epochs_that_are_no_whole_number_are_refused(epochs):
    with pytest.raises(ValueError, match="a whole number of at least 1"):
        Stage("heads", 1e-3, epochs)


@pytest.mark.parametrize("rate", [-1e-3, True, np.True_, np.float32("nan"), float("inf"), "1e-3", None, 1j])
def test_a_rate_that_is_no_number_is_refused(rate):
    with pytest.raises(ValueError, match="a number of at least 0"):
        Stage("heads", rate, 1)


def test_a_milestone_behind_the_stage_s_end_is_refused():
    with pytest.raises(ValueError, match="step@…11: the stage has 11 epochs"):
        stages.read("all:2e-3:11:step@8/11")


def test_rate_and_keras_schedule_with_a_schedule_are_one_too_many():
    with pytest.raises(ValueError, match="both were given"):
        Stage("all", keras.optimizers.schedules.CosineDecay(0.1, 10), 2, Schedule("cosine"))


def test_warmup_rises_to_the_rate_and_the_cosine_falls_to_nothing():
    stage = Stage("all", 0.1, 2, Schedule("cosine", warmup=2))
    rates = [stage.rate(step, 4) for step in range(8)]
    assert rates[:2] == pytest.approx([0.05, 0.05 * (1 + math.cos(math.pi / 8))])
    assert rates[1:] == sorted(rates[1:], reverse=True) and rates[4] == pytest.approx(0.05) and rates[7] < 0.005


def test_the_rate_falls_with_the_first_step_after_its_epoch():
    stage = Stage("all", 1.0, 3, Schedule("step", milestones=(1, 2)))
    assert [stage.rate(step, 2) for step in range(6)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_keras_schedule_is_asked_with_the_step_of_the_stage():
    stage = Stage("all", keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.5, 0.25]), 2)
    assert [stage.rate(step, 3) for step in (0, 2, 3)] == [0.5, 0.5, 0.25]


class Model:
    """Has an optimizer with a rate."""

    def __init__(self):
        self.optimizer = keras.optimizers.SGD(1.0)


def played(stage, epochs=2, steps=2, between=lambda optimizer: None, first_step=0, start=0, noted=None):
    """Rates at each step, and the callback."""
    rates = Rates(stage, start, steps, first_step)
    rates.set_model(Model())
    if noted:
        rates.resume(noted)
    rates.on_train_begin()
    seen = []
    for epoch in range(start, start + epochs):
        rates.on_epoch_begin(epoch)
        for batch in range(steps - (first_step if epoch == start else 0)):
            rates.on_train_batch_begin(batch)
            seen.append(float(rates.model.optimizer.learning_rate.numpy() if hasattr(rates.model.optimizer.learning_rate, "numpy") else 0))
        rates.on_epoch_end(epoch, {})
        between(rates.model.optimizer)
    return seen, rates


def test_each_step_gets_its_rate():
    stage = Stage("all", 0.1, 2, Schedule("cosine"))
    assert played(stage)[0] == pytest.approx([stage.rate(step, 2) for step in range(4)], rel=1e-6)


def test_a_stage_that_begins_late_in_the_run_counts_its_own_steps():
    stage = Stage("all", 0.1, 2, Schedule("cosine"))
    assert played(stage, start=3)[0] == pytest.approx(played(stage)[0], rel=1e-6)


def test_fit_that_begins_inside_an_epoch_goes_on_with_its_step():
    stage = Stage("all", 0.1, 2, Schedule("cosine"))
    assert played(stage, first_step=1)[0] == pytest.approx([stage.rate(step, 2) for step in (1, 2, 3)], rel=1e-6)


@pytest.mark.parametrize("schedule", [Schedule(), Schedule("cosine")])
def test_plateau_that_halves_the_rate_halves_what_follows(schedule):
    stage = Stage("all", 0.1, 2, schedule)

    def halve(optimizer):
        optimizer.learning_rate = optimizer.learning_rate.numpy() / 2

    seen, rates = played(stage, between=halve)
    assert seen == pytest.approx([stage.rate(0, 2), stage.rate(1, 2), stage.rate(2, 2) / 2, stage.rate(3, 2) / 2], rel=1e-5)
    later, _ = played(Stage("all", 0.1, 3, schedule), epochs=1, start=0, noted=rates.note())
    assert later[0] == pytest.approx(0.1 / 4, rel=1e-5)


def test_what_a_plateau_made_of_the_rate_outlasts_the_fit_of_an_epoch_that_went_on():
    rates = Rates(Stage("all", 0.1, 3), 0, 2, first_step=1)
    rates.set_model(Model())
    rates.resume({"factor": 1.0, "current": 0.05})
    rates.on_train_begin()
    assert float(rates.model.optimizer.learning_rate.numpy()) == pytest.approx(0.05)
    rates.model.optimizer.learning_rate = 0.025
    rates.on_train_begin()  # of the epochs after
    assert float(rates.model.optimizer.learning_rate.numpy()) == pytest.approx(0.025)


def test_rate_is_among_the_figures_of_the_epoch():
    rates, logs = Rates(Stage("all", 0.25, 1), 0, 1), {}
    rates.set_model(Model())
    rates.on_train_begin()
    rates.on_epoch_end(0, logs)
    assert logs == {"learning_rate": 0.25}


def test_the_first_rate_of_a_schedule_of_keras_is_a_number():
    """The line "Starting at epoch 0. LR=…" showed where the schedule lies in memory."""
    assert Stage("all", keras.optimizers.schedules.CosineDecay(0.25, 10), 1).first_rate == 0.25
    assert str(Stage("all", 0.001, 1).first_rate) == "0.001"


def test_two_halvings_of_a_plateau_make_a_quarter_of_the_schedule():
    rates = Rates(Stage("all", 1.0, 10, Schedule("step", milestones=(9,))), 0, 10)
    rates.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    rates.model.compile(keras.optimizers.SGD(0.0))
    seen = []
    rates.on_epoch_begin(0)
    for step in range(3):
        rates.on_train_batch_begin(step)
        seen.append(float(rates.model.optimizer.learning_rate))
        rates.model.optimizer.learning_rate = seen[-1] / 2
    assert seen == [1.0, 0.5, 0.25]
