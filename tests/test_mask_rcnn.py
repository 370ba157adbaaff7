"""MaskRCNN as a user sees it, on a network that trains in seconds."""

import csv
import gc
import os
import re
import weakref

import keras
import numpy as np
import pytest
import tiny

from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.training import keeper, mean_average_precision, memory, runs, trainer
from mrcnn.training.mean_average_precision import MeanAveragePrecisionCallback

LOSSES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")


class InferenceConfig(tiny.TinyConfig):
    pass


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two epochs: heads, then all; with a mAP after each."""
    folder = str(tmp_path_factory.mktemp("logs"))
    model = MaskRCNN("training", tiny.TinyConfig(), folder)
    inference = MaskRCNN("inference", InferenceConfig(), folder)
    data, val = tiny.Squares(6), tiny.Squares(5, empty=3)
    callback = MeanAveragePrecisionCallback(model, inference, val, dataset_limit=4)
    seen = []
    watcher = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
    history = [model.train(data, val, 0.01, 1, "heads", custom_callbacks=[watcher, callback]).history]
    momentum = len(model._compilation.optimizer.momentums)
    history.append(model.train(data, val, 0.01, 2, "all", custom_callbacks=[watcher, callback]).history)
    return {"model": model, "inference": inference, "folder": folder, "history": history, "seen": seen, "callback": callback, "momentum": momentum}


def test_files_of_a_run_have_the_historic_names(trained):
    model = trained["model"]
    assert re.fullmatch(r"tiny\d{8}T\d{4}", os.path.basename(model.log_dir))
    assert [f for f in sorted(os.listdir(model.log_dir)) if f.endswith(".h5")] == ["mask_rcnn_tiny_0001.h5", "mask_rcnn_tiny_0002.h5"]
    assert model.epoch == 2


def test_history_has_five_losses_and_their_validation_twins(trained):
    for history in trained["history"]:
        for name in ("loss", *LOSSES):
            assert np.isfinite(history[name]).all() and np.isfinite(history[f"val_{name}"]).all()
        total = sum(history[n][0] for n in LOSSES) + history["l2_loss"][0]
        assert history["loss"][0] == pytest.approx(total, rel=1e-4)


def test_map_reaches_the_users_callbacks_and_the_csv(trained):
    assert all("val_mean_average_precision" in logs for logs in trained["seen"])  # although the user's callback stood first
    with open(os.path.join(trained["model"].log_dir, "metrics.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["val_mean_average_precision"]) == pytest.approx(trained["callback"].result.map)


def test_map_is_of_the_last_checkpoint(trained):
    other = MaskRCNN("inference", InferenceConfig(), trained["folder"])
    other.load_weights(other.find_last(), by_name=True)
    for a, b in zip(other.keras_model.get_weights(), trained["inference"].keras_model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert trained["callback"].result.num_images == 4


def test_adamw_trains_and_decays_outside_the_loss(tmp_path):
    class AdamConfig(tiny.TinyConfig):
        OPTIMIZER = "adamw"
        WEIGHT_DECAY = 0.02

    model = MaskRCNN("training", AdamConfig(), tmp_path)
    history = model.train(tiny.Squares(4), None, 0.001, 1, "all").history
    assert history["l2_loss"] == [0.0] and np.isfinite(history["loss"]).all()
    before = model._compilation.optimizer
    model.compile(0.0005, 0.9)
    for old, new in zip(before.variables, model._compilation.optimizer.variables, strict=True):
        if not new.path.endswith("learning_rate"):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(old), keras.ops.convert_to_numpy(new))


def test_momentum_survives_the_change_of_stage(trained):
    model = trained["model"]
    assert len(model._compilation.optimizer.momentums) > trained["momentum"] > 0
    before = {m.path: keras.ops.convert_to_numpy(m) for m in model._compilation.optimizer.momentums}
    model.set_trainable("heads", verbose=0)
    model.compile(0.001, 0.9)
    assert model._compilation.optimizer.momentums
    for momentum in model._compilation.optimizer.momentums:
        assert np.abs(momentum).max() > 0 or "conv_shared" not in momentum.path
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(momentum), before[momentum.path])


def test_last_continues_the_run(trained, capsys):
    model = MaskRCNN("training", tiny.TinyConfig(), trained["folder"])
    assert model.log_dir != trained["model"].log_dir  # a new run takes the next free minute
    model.load_weights(model.find_last(), by_name=True)
    assert "Re-starting from epoch 2" in capsys.readouterr().out
    assert (model.epoch, model.log_dir) == (2, trained["model"].log_dir)
    assert model.train(tiny.Squares(4), None, 0.01, 2, "all") is None
    assert "Nothing to train" in capsys.readouterr().out


def test_find_last_takes_the_newest_run_and_skips_broken_files(trained, tmp_path, capsys):
    model = trained["inference"]
    all_runs = {"tiny20200101T0000": {"0009": b"x"}, "tiny20210101T0000": {"0001": None, "0002": b"broken"}, "tiny_other20300101T0000": {}}
    for run, files in all_runs.items():
        os.makedirs(tmp_path / run)
        for epoch, content in files.items():
            path = tmp_path / run / f"mask_rcnn_tiny_{epoch}.h5"
            path.write_bytes(content) if content else model.keras_model.save_weights(path)
    other = MaskRCNN("inference", InferenceConfig(), tmp_path)
    assert other.find_last().endswith(os.path.join("tiny20210101T0000", "mask_rcnn_tiny_0001.h5"))
    assert "Skipping a broken checkpoint" in capsys.readouterr().out


def test_find_last_without_runs_says_where_it_looked(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run of 'Tiny'"):
        MaskRCNN("inference", InferenceConfig(), tmp_path).find_last()


def test_detect_takes_any_number_and_sizes_and_gives_what_one_at_a_time_gives(trained):
    model = trained["inference"]
    rng = np.random.default_rng(0)
    images = [tiny.Squares(1, size=s).load_image(0) for s in ((64, 64), (40, 90), (130, 70), (64, 64), (30, 28))]
    images[3] = rng.integers(0, 255, (64, 64, 3), np.uint8)
    together = model.detect(images)
    assert len(together) == 5 and model.detect([]) == []
    for image, result in zip(images, together, strict=True):
        (alone,) = model.detect([image])
        assert set(result) == {"rois", "class_ids", "scores", "masks"}
        assert result["masks"].shape == (*image.shape[:2], len(result["rois"])) and result["masks"].dtype == bool
        np.testing.assert_array_equal(result["class_ids"], alone["class_ids"])
        np.testing.assert_allclose(result["scores"], alone["scores"], atol=1e-5)
        assert (result["masks"] != alone["masks"]).mean() < 1e-3 if result["masks"].size else True


@pytest.mark.parametrize(
    ("image", "error", "says"),
    [
        (None, ValueError, "is None"),
        ("photo.jpg", TypeError, "is the text"),
        (np.zeros((5, 5, 2), np.uint8), ValueError, "shape"),
        (np.zeros((0, 5, 3), np.uint8), ValueError, "no pixels"),
        (np.full((5, 5, 3), np.nan), ValueError, "not finite"),
        (np.array([[["a"]]]), TypeError, "dtype"),
    ],
)
def test_detect_refuses_what_is_no_image(trained, image, error, says):
    with pytest.raises(error, match=says):
        trained["inference"].detect([image])


def test_masks_that_wait_are_those_that_detect_gives_at_once(trained):
    photos = [tiny.Squares().load_image(0), tiny.Squares(size=(40, 90)).load_image(1)]
    for at_once, waiting in zip(trained["inference"].detect(photos), trained["inference"].detect(photos, lazy_masks=True), strict=True):
        assert at_once.pasted and not waiting.pasted
        assert waiting.num and waiting.window == at_once.window
        assert waiting.rles == at_once.rles
        np.testing.assert_array_equal(waiting["masks"], at_once["masks"])


def test_detect_refuses_heads_that_were_never_loaded(trained, tmp_path):
    model = MaskRCNN("inference", InferenceConfig(), tmp_path)
    with pytest.raises(ValueError, match="hold random weights"):
        model.detect([np.zeros((64, 64, 3), np.uint8)])
    path = trained["model"].checkpoint_path.format(epoch=2)
    model.load_weights(path, by_name=True, exclude=["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"])
    with pytest.raises(ValueError, match="mrcnn_class_logits"):
        model.detect([np.zeros((64, 64, 3), np.uint8)])
    model.allow_random_weights = True
    assert len(model.detect([np.zeros((64, 64, 3), np.uint8)])) == 1


def test_modes_are_checked(trained):
    with pytest.raises(ValueError, match="mode='inference'"):
        trained["model"].detect([np.zeros((64, 64, 3), np.uint8)])
    with pytest.raises(ValueError, match="mode='training'"):
        trained["inference"].train(None, None, 0.1, 1, "all")
    with pytest.raises(ValueError, match="'training' or 'inference'"):
        MaskRCNN("predict", tiny.TinyConfig(), "logs")


def test_layers_that_match_nothing_are_refused(trained):
    with pytest.raises(ValueError, match="matches no layer"):
        trained["model"].train(tiny.Squares(4), None, 0.01, 9, "head")


def test_weights_of_other_classes_are_explained(trained, tmp_path):
    class Other(tiny.TinyConfig):
        NUM_CLASSES = 5

    model = MaskRCNN("training", Other(), tmp_path)
    with pytest.raises(ValueError, match="mrcnn_class_logits") as caught:
        model.load_weights(trained["model"].checkpoint_path.format(epoch=2), by_name=True)
    for part in ("mrcnn_bbox_fc", "NUM_CLASSES = 3", "exclude"):
        assert part in str(caught.value)


def test_a_loss_that_is_no_number_stops_training_and_leaves_no_checkpoint(tmp_path):
    class Exploding(tiny.TinyConfig):
        NAME = "exploding"
        GRADIENT_CLIP_NORM = None
        STEPS_PER_EPOCH = 4

    model = MaskRCNN("training", Exploding(), tmp_path)
    images = r"\d \(source tiny, id \d, path tiny/\d\); "
    with pytest.raises(FloatingPointError, match=rf"Epoch 1, step \d: not finite: .*_loss = (nan|inf).* Images: {images}"):
        model.train(tiny.Squares(4), None, 1e30, 1, "all")
    assert not [f for f in os.listdir(model.log_dir) if f.endswith(".h5")]


def test_same_seed_gives_the_same_training(tmp_path):
    class Short(tiny.TinyConfig):
        NAME = "short"
        STEPS_PER_EPOCH = 2

    def losses(folder):
        model = MaskRCNN("training", Short(), tmp_path / folder)
        return model.train(tiny.Squares(6), None, 0.01, 1, "all").history["loss"]

    np.testing.assert_allclose(losses("a"), losses("b"), rtol=1e-5)


def test_the_map_callback_accepts_both_names_of_its_period_and_checks_its_arguments(trained):
    model, inference, data = trained["model"], trained["inference"], tiny.Squares(3)
    assert MeanAveragePrecisionCallback(model, inference, data, calculate_map_at_every_X_epoch=4).every == 4
    assert MeanAveragePrecisionCallback(model, inference, data, 3).every == 3
    with pytest.raises(ValueError, match="inference_model has mode 'training'"):
        MeanAveragePrecisionCallback(model, model, data)
    with pytest.raises(ValueError, match="at least 1"):
        MeanAveragePrecisionCallback(model, inference, data, 0)


def test_map_by_hand(trained):
    """Three images, two classes: square AP 1/2 (one of two found), disc AP 1; the third image is empty and gets a false alarm of low score."""
    from mrcnn.results import Detections

    data = tiny.Squares(4, empty=3)  # image 0 and 3 have no instance

    class Perfect:
        mode, config = "inference", InferenceConfig()

        def detect(self, images, verbose=0):
            self.calls = getattr(self, "calls", 0)
            results = []
            for _ in images:
                masks, class_ids = data.load_mask(self.calls)
                scores = np.array([0.9, 0.8][: len(class_ids)], np.float32)
                if self.calls == 1:
                    masks, class_ids, scores = masks[..., 1:], class_ids[1:], scores[1:]  # the square is missed
                if self.calls == 3:  # nothing is there
                    masks, class_ids, scores = np.ones((64, 64, 1), bool), np.array([1]), np.array([0.1], np.float32)
                rois = np.tile([0, 0, 64, 64], (len(class_ids), 1)).astype(np.int32)
                results.append(Detections(rois.reshape(-1, 4), class_ids, scores, masks))
                self.calls += 1
            return results

    result = MeanAveragePrecisionCallback(trained["model"], Perfect(), data).calculate()
    assert result.per_class == {1: pytest.approx(0.5), 2: pytest.approx(1.0)}
    assert result.map == pytest.approx(0.75)
    assert result.per_image == pytest.approx(np.mean([1.0, 0.5, 1.0, 0.0]))  # nothing there and nothing found; half found; all found; a false alarm


class Noting:
    """An inference model that notes how it was asked."""

    def __init__(self, model):
        self.model, self.mode, self.config, self.batches, self.found = model, model.mode, model.config, [], []

    def detect(self, images, verbose=0, *, lazy_masks=False):
        self.batches.append(len(images))
        self.found += self.model.detect(images, verbose, lazy_masks=lazy_masks)
        return self.found[-len(images) :]


def test_map_detects_in_full_batches_and_pastes_no_mask(trained):
    model, done = Noting(trained["inference"]), []
    lazy = mean_average_precision.measure(model, Partly(7), range(7), done.append)
    assert model.batches == [2, 2, 1]  # images 1 and 2 cannot be used
    assert done == [4, 6, 7]
    assert not any(one.pasted for one in model.found)

    def pasted(images, verbose=0):  # as an override from before lazy_masks has it
        return trained["inference"].detect(images, verbose)

    model.detect = pasted
    assert mean_average_precision.measure(model, Partly(7), range(7)) == lazy


def test_every_image_counts_as_done_when_the_last_ones_are_bad(trained):
    done = []
    mean_average_precision.measure(trained["inference"], Partly(5), [0, 3, 4, 1, 2], done.append)
    assert done == [2, 5]
    done.clear()
    mean_average_precision.measure(trained["inference"], Partly(5), [0, 3, 1], done.append)
    assert done == [2, 3]


class Partly(tiny.Squares):
    """Images 1 and 2 cannot be used."""

    def load_image(self, image_id):
        image = super().load_image(image_id)
        return np.full(image.shape, np.nan, np.float32) if image_id == 1 else image

    def load_mask(self, image_id):
        if image_id == 2:
            raise ValueError("bad mask file")
        return super().load_mask(image_id)


def test_bad_images_are_left_out_of_training_and_of_the_map(trained, tmp_path, caplog):
    model = trained["model"]
    batches = trainer.feeds(Partly(5), None, model.config, epoch=0, augmentation=None, no_augmentation_sources=None)[0].batches
    for index in range(3):
        assert np.isfinite(batches.batch(0, index)[0]).all()
    assert set(batches.skipped) == {1, 2}
    result = mean_average_precision.measure(trained["inference"], Partly(5), range(5))
    assert result.num_images == 3
    assert "Left out of the mAP: image 1" in caplog.text and "bad mask file" in caplog.text
    with pytest.raises(ValueError, match="None of the 2 images"):
        mean_average_precision.measure(trained["inference"], Partly(5), [1, 2])


def test_images_of_other_channels_are_skipped_with_their_id(trained):
    class Grey(tiny.Squares):
        def load_image(self, image_id):
            return super().load_image(image_id)[..., :1] if image_id == 0 else super().load_image(image_id)

    model = trained["model"]
    batches = trainer.feeds(Grey(4), None, model.config, epoch=0, augmentation=None, no_augmentation_sources="tiny")[0].batches
    for index in range(3):
        batches.batch(0, index)
    assert "IMAGE_CHANNEL_COUNT" in batches.skipped[0]
    assert batches.no_augmentation_sources == {"tiny"}


def test_weights_that_are_not_finite_are_no_checkpoint(trained, tmp_path):
    network = trained["inference"].keras_model
    kernel = network.get_layer("fpn_p2").kernel
    kept = keras.ops.convert_to_numpy(kernel).copy()
    keep = keeper.Keeper(runs.Run(str(tmp_path), str(tmp_path / "mask_rcnn_{epoch:04d}.h5")), memory.Memory(), {})
    keep.begin(network, None, [])
    kernel.assign(np.full(kept.shape, np.nan, np.float32))
    with pytest.raises(FloatingPointError, match="not finite"):
        keep.save_epoch(1, {"loss": 1.0})
    kernel.assign(kept)
    assert os.listdir(tmp_path) == ["state"] and not os.listdir(tmp_path / "state")
    keep.save_epoch(1, {"loss": 1.0})
    assert sorted(os.listdir(tmp_path)) == ["mask_rcnn_0001.h5", "state"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"train_dataset": None}, "train_dataset is None"),
        ({"learning_rate": float("nan")}, "learning_rate = nan"),
        ({"epochs": 9.5}, "epochs = 9.5"),
    ],
)
def test_train_refuses_nonsense(trained, arguments, says):
    usual = {"train_dataset": tiny.Squares(4), "val_dataset": None, "learning_rate": 0.01, "epochs": 9, "layers": "all"}
    with pytest.raises(ValueError, match=says):
        trained["model"].train(**{**usual, **arguments})


def test_a_config_class_in_place_of_an_instance_is_refused(tmp_path):
    with pytest.raises(ValueError, match="an instance of a Config"):
        MaskRCNN("training", tiny.TinyConfig, tmp_path)


def test_keras_files_that_nothing_could_load_are_not_written(trained, tmp_path):
    with pytest.raises(ValueError, match="save_weights"):
        trained["model"].keras_model.save(tmp_path / "model.keras")


def test_a_photo_of_one_line_has_no_detections(trained, recwarn):
    (found,) = trained["inference"].detect([np.zeros((1, 500, 3), np.uint8)])
    assert found["masks"].shape == (1, 500, 0)


def test_a_trained_model_is_freed_with_its_last_reference(tmp_path):
    """TensorFlow keeps generators that it was ever given; they must not hold the network, or each fold of a script costs its memory for ever."""
    config = tiny.TinyConfig()
    config.STEPS_PER_EPOCH = config.VALIDATION_STEPS = 1
    model = MaskRCNN("training", config, str(tmp_path))
    model.train(tiny.Squares(2), tiny.Squares(2), 0.001, 1, "heads")
    seen = weakref.ref(model), weakref.ref(model.keras_model)
    del model
    gc.collect()
    assert [one() for one in seen] == [None, None]
