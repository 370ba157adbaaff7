"""What a new process takes from a saved state, and what it must not: the rate and the patience of a stage are that stage's own."""

import json
import os
import signal

import keras
import pytest
import tiny

from mrcnn.data import augment
from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.training import session, state, trainer
from mrcnn.training.mean_average_precision import MeanAveragePrecisionCallback
from mrcnn.training.session import Session
from mrcnn.training.stages import Stage
from mrcnn.training.state import State


class Steps(keras.callbacks.Callback):
    """Notes the rate of each step; sends Ctrl-C after a number of steps."""

    def __init__(self, left=None):
        super().__init__()
        self.rates, self.left = [], left

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))
        if self.left == len(self.rates):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def data():
    return tiny.Squares(6)


def opened(folder, **options):
    config = tiny.TinyConfig()
    for name, value in {"VALIDATION_STEPS": 0, **options}.items():
        setattr(config, name, value)
    return MaskRCNN("training", config, str(folder))


@pytest.fixture(autouse=True)
def ctrl_c():
    """The suite's own handling of SIGINT may differ."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_next_stage_of_a_new_process_has_its_own_rate_and_an_old_checkpoint_begins_a_new_course(tmp_path, data, capsys):
    opened(tmp_path).train(data, None, 1e-2, 2, "heads")
    model, steps = opened(tmp_path), Steps()
    model.load_initial_weights("last")
    model.train(data, None, 1e-4, 3, "all", custom_callbacks=[steps])
    assert steps.rates == pytest.approx([1e-4] * 3)

    # Back to the first checkpoint, as a diverged run is advised, with a lower rate; left inside the epoch.
    model, steps = opened(tmp_path), Steps(left=2)
    model.load_weights(model.find_last().replace("_0003", "_0001"), by_name=True)
    with pytest.raises(KeyboardInterrupt):
        model.train(data, None, 1e-3, 3, "heads", custom_callbacks=[steps])
    assert steps.rates == pytest.approx([1e-3] * 2)
    assert "What this run already had of epochs 2 to 3 is kept in" in capsys.readouterr().out
    again = opened(tmp_path)
    assert again.load_initial_weights("last").endswith("0001_000002.h5")

    # The steps of an epoch have become fewer than are done; a new run forgets the state.
    again.config.STEPS_PER_EPOCH = 2
    with pytest.raises(ValueError, match="left after step 2 of epoch 2, and an epoch now has 2. Set STEPS_PER_EPOCH above 2"):
        again.train(data, None, 1e-3, 3, "heads")
    again.set_log_dir()
    assert again.epoch == 0 and again._session.resume is None and not again.optimizer_memory.arrays


def test_after_a_time_limit_the_script_s_next_lines_train_nothing(tmp_path, data, capsys):
    model, steps = opened(tmp_path, TIME_LIMIT=1e-3), Steps()
    model.train(data, None, 1e-2, 2, "heads")
    assert model.train(data, None, 1e-4, 4, "all", custom_callbacks=[steps]) is None
    assert model.fit_stages(data, None, "all:1e-4:4", custom_callbacks=[steps]) is None
    assert steps.rates == [] and "TIME_LIMIT has been reached" in capsys.readouterr().out
    model.config.TIME_LIMIT = None
    model.train(data, None, 1e-2, 1, "heads", custom_callbacks=[steps])
    assert model.epoch == 1 and len(steps.rates) == 2  # the first step of three was done
    assert "Going on after step 1 of 3 in epoch 1." in capsys.readouterr().out


def resumed(**stage):
    """A session that has loaded a state of two finished epochs in this stage."""
    session = Session()
    noted = {"index": 0, "count": 1, "start": 0, "layers": "heads", "ended": False, **stage}
    session.resume = State("", "", {}, {"epoch": 2, "step": 0, "stage": noted})
    return session


STAGES = [Stage("heads", 1e-2, 3), Stage("all", 1e-3, 4)]


def test_a_stage_may_be_added_behind_the_one_that_was_left():
    assert [(p.stage.layers, p.start, p.end) for p in resumed().plan(STAGES, 2)] == [("heads", 0, 3), ("all", 3, 7)]


def test_a_stage_that_was_ended_early_stays_ended_when_another_is_added():
    assert [(p.stage.layers, p.start, p.end) for p in resumed(ended=True).plan(STAGES, 2)] == [("all", 2, 6)]


def test_stages_of_other_layers_are_counted_by_their_epochs():
    assert [(p.stage.layers, p.start) for p in resumed(layers="4+", ended=True).plan(STAGES, 2)] == [("heads", 0), ("all", 3)]


def test_a_call_of_train_that_goes_on_ends_with_the_epoch_it_would_have_ended_with():
    went_on = resumed(count=0, layers="all", start=1).single("all", 1e-2, 10, 2)
    assert (went_on.start, went_on.stage.epochs, went_on.end) == (1, 9, 10)
    anew = resumed(count=0, layers="heads", start=1).single("all", 1e-2, 10, 2)
    assert (anew.start, anew.stage.epochs, anew.end) == (2, 8, 10)


def order(data, augmentation=None, spared=None):
    config = tiny.TinyConfig()
    config.LOADER_WORKERS = 0
    feed, _ = trainer.feeds(data, None, config, epoch=0, augmentation=augmentation, no_augmentation_sources=spared)
    return session.order_of(feed)


class Squares(tiny.Squares):
    """The same number of images, other ones."""

    def __init__(self, first=0):
        super().__init__(6)
        for info in self.image_info:
            info["id"] += first


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (lambda: order(Squares(6)), "(the images are others, or in another order)"),
        (lambda: order(Squares(), augmentation=[augment.flip]), "(augmentation None is now '[<function flip>]')"),
        (lambda: order(Squares(), spared=["tiny"]), "(no_augmentation_sources [] is now ['tiny'])"),
        (lambda: order(Squares()), None),
    ],
)
def test_a_resume_says_where_images_or_augmentation_are_others(now, says, capsys):
    before = State("", "", {}, {"order": json.loads(json.dumps(order(Squares())))})
    Session._compare(before, now())
    said = capsys.readouterr().out
    assert (says in said and "not exactly as it would have" in said) if says else not said


def test_a_resume_asks_a_state_of_an_older_version_for_nothing_it_has_not(capsys):
    Session._compare(State("", "", {}, {"order": {"images": 6}}), order(Squares()))
    assert not capsys.readouterr().out


def test_an_epoch_without_a_map_repeats_the_figure_of_the_one_before_in_another_process(tmp_path):
    for epoch, logs in ((1, {"val_map": 0.25}), (2, {"val_map": 0.5, "loss": 1.0}), (3, {"loss": 0.5})):
        state.write_facts(state.facts_path(str(tmp_path), epoch, 0), {"epoch": epoch, "step": 0, "weights": "", "logs": logs})
    callback = MeanAveragePrecisionCallback.__new__(MeanAveragePrecisionCallback)
    callback.every, callback._figures, logs = 2, {}, {}
    callback.recall(state.figures(str(tmp_path)))
    callback.on_epoch_end(4, logs)
    assert logs == {"val_map": 0.5}
    callback.recall([{"val_map": 0.0}])  # what it has measured or recalled itself is newer
    callback.on_epoch_end(6, logs)
    assert logs == {"val_map": 0.5}
