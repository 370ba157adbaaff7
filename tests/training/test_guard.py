"""A batch whose loss or gradient is not finite: what it leaves of a network, what is said, when training ends."""

import logging
import types

import keras
import numpy as np
import pytest
import tiny
import tiny_network
from backend_tools import JAX, arrays

from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.training import guard, optimizer


def compiled(**attributes):
    """A tiny network with our optimizer, and a good and a bad batch: a pixel and a target that are no numbers."""
    settings = tiny_network.config(**attributes)
    model = tiny_network.network("training", **attributes)
    opt = optimizer.build("sgd", 0.01, momentum=0.9, clip_norm=5.0, weight_decay=0.0, ema_decay=0.9)
    opt.build(model.trainable_variables)
    model.compile(optimizer=opt, jit_compile=JAX)
    good, bad = tiny_network.training_batch(settings), tiny_network.training_batch(settings)
    bad[0][0, 5, 5, 0] = bad[3][0, 0] = np.nan
    bad[1][:, 0] = 17
    return model, tuple(good), tuple(bad)


def state(model):
    """Weights, averages of BatchNorm and the optimizer's state by path, without what counts batches."""
    counts = {id(v) for v in [*model.metrics_variables, model.optimizer.refused]}
    own = [v for v in [*model.variables, *model.optimizer.variables] if id(v) not in counts and "seed" not in v.path]
    return {v.path: arrays(v).copy() for v in own}


class Feed(keras.utils.PyDataset):
    """These batches, in this order."""

    def __init__(self, *batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return (self.batches[index],)


@pytest.mark.portable
def test_a_bad_batch_leaves_no_trace_and_the_next_one_trains(caplog):
    model, good, bad = compiled(TRAIN_BN=None)
    callback = guard.NonFinite(types.SimpleNamespace(image_info=[]), "skip")

    def fit(*batches):
        return model.fit(Feed(*batches), shuffle=False, verbose=0, callbacks=[callback]).history["loss"][0]

    assert np.isfinite(fit(good)) and not caplog.messages
    before = state(model)
    assert np.isnan(fit(bad))  # no batch counts
    after = state(model)
    assert [path for path, value in before.items() if not np.array_equal(value, after[path])] == []
    assert all(part in caplog.text for part in ("Epoch 1, step 1: not finite: ", "rpn_bbox_loss = nan", "Images: 17."))
    assert np.isfinite(fit(bad, good))  # the running means leave it out
    assert int(arrays(model.optimizer.refused)) == 2 and int(arrays(model.optimizer.iterations)) == 2
    changed = [path for path, value in state(model).items() if not np.array_equal(value, before[path])]
    assert any("moving_mean" in path for path in changed) and any("momentum" in path for path in changed)


def test_a_validation_that_is_not_finite_shows_it():
    model, good, bad = compiled()
    model.train_on_batch(good)
    assert np.isnan(model.test_on_batch(bad, return_dict=True)["loss"])
    assert np.isfinite(model.test_on_batch(good, return_dict=True)["loss"])


def fake(losses=(1.0, 2.0), refused=0, image_ids=(1, -1), scale=None):
    model = types.SimpleNamespace(shown=("rpn_class_loss", "l2_loss"), optimizer=types.SimpleNamespace())
    model.last_step = types.SimpleNamespace(values=np.float32([*losses, *image_ids]))
    model.optimizer.refused = np.array(refused)
    if scale is not None:
        model.optimizer.inner_optimizer = types.SimpleNamespace(refused=np.array(refused))
        model.optimizer.dynamic_scale = np.float32(scale)
    return model


def callback(action, **start):
    dataset = types.SimpleNamespace(image_info=[{"id": "a", "source": "photos", "path": "a.jpg"}, {"id": 7, "source": "photos", "path": None}])
    made = guard.NonFinite(dataset, action)
    made.set_model(fake(**start))
    made.on_train_begin()
    made.on_epoch_begin(4)
    return made


def see(made, step=0, **found):
    made.set_model(fake(**found))
    made.on_train_batch_end(step)


def test_stop_names_epoch_step_losses_and_images():
    images = r"0 \(source photos, id a, path a\.jpg\); 1 \(source photos, id 7\)"
    with pytest.raises(FloatingPointError, match=rf"Epoch 5, step 3: not finite: rpn_class_loss = nan\. Images: {images}\. The weights are those"):
        see(callback("stop"), 2, losses=(np.nan, 1), refused=1, image_ids=(0, 1))


def test_stop_says_where_only_the_gradient_is_not_finite():
    made = callback("stop", refused=3)
    see(made, refused=3)
    with pytest.raises(FloatingPointError, match="the losses are finite, but their gradient is not"):
        see(made, refused=4)


def test_an_id_that_the_data_set_does_not_know_is_given_as_it_is():
    with pytest.raises(FloatingPointError, match=r"Images: 9\."):
        see(callback("stop"), losses=(np.inf, 1), image_ids=(9, -1))


def test_skip_logs_a_bounded_number_of_lines_and_a_count(caplog):
    made = callback("skip")
    with caplog.at_level(logging.WARNING):
        for step in range(2 * (guard.LINES_AN_EPOCH + 5)):
            see(made, step, losses=(np.nan, 1) if step % 2 else (1, 1))
        assert len(caplog.records) == guard.LINES_AN_EPOCH
        made.on_epoch_end(4)
    assert caplog.messages[-1].startswith(f"Epoch 5: {guard.LINES_AN_EPOCH + 5} batches were skipped")
    made.on_epoch_begin(5)
    made.on_epoch_end(5)
    assert len(caplog.records) == guard.LINES_AN_EPOCH + 1


def test_skip_stops_after_too_many_in_a_row():
    made = callback("skip")
    for step in range(guard.MAX_IN_A_ROW - 1):
        see(made, step, losses=(np.nan, 1))
    see(made)  # one that is fine
    for step in range(guard.MAX_IN_A_ROW - 1):
        see(made, step, losses=(np.nan, 1))
    with pytest.raises(FloatingPointError, match=f"It is the {guard.MAX_IN_A_ROW}th in a row: the training has diverged"):
        see(made, losses=(np.nan, 1))


def test_the_search_for_a_loss_scale_is_no_error_until_it_finds_none():
    made = callback("stop", scale=8.0)
    see(made, scale=4.0)
    with pytest.raises(FloatingPointError, match="no gradient is finite in float16"):
        see(made, scale=2.0**-15)




@pytest.fixture
def poisoned(monkeypatch):
    """Image 3's box targets are nan in training."""
    from mrcnn.data import rpn_targets

    build = rpn_targets.build

    def broken(anchors, class_ids, boxes, **options):
        match, deltas = build(anchors, class_ids, boxes, **options)
        if np.array_equal(class_ids, [1, 2]) and np.array_equal(boxes[0], broken.box):
            deltas = deltas * np.nan
        return match, deltas

    masks, _ = tiny.Squares(4).instances(3)
    rows, columns = np.where(masks[..., 0].any(1))[0], np.where(masks[..., 0].any(0))[0]
    broken.box = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
    monkeypatch.setattr(rpn_targets, "build", broken)


class SkipConfig(tiny.TinyConfig):
    NAME = "skip"
    ON_NON_FINITE = "skip"
    IMAGES_PER_GPU = 1
    STEPS_PER_EPOCH = 4


def test_training_skips_a_bad_image_and_saves_what_the_others_taught(poisoned, tmp_path, caplog):
    model = MaskRCNN("training", SkipConfig(), tmp_path)
    with caplog.at_level(logging.WARNING):
        history = model.train(tiny.Squares(4), None, 0.001, 1, "all").history
    assert all(np.isfinite(values).all() for values in history.values())
    assert len([m for m in caplog.messages if "rpn_bbox_loss = nan" in m and "Images: 3 (source tiny, id 3, path tiny/3)" in m]) == 1
    assert any(m.startswith("Epoch 1: 1 batches were skipped") for m in caplog.messages)
    assert int(keras.ops.convert_to_numpy(model.keras_model.optimizer.iterations)) == 3
    assert MaskRCNN("inference", SkipConfig(), tmp_path).find_last().endswith("_0001.h5")
