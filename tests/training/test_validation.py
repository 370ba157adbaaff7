"""Validation is complete and the same after every epoch, through the real fit on a tiny network."""

import numpy as np
import pytest
import tiny

from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.training import trainer
from mrcnn.training.feed import Feed

LOSSES = ("val_rpn_class_loss", "val_rpn_bbox_loss", "val_mrcnn_class_loss", "val_mrcnn_bbox_loss", "val_mrcnn_mask_loss")


class Settings(tiny.TinyConfig):
    STEPS_PER_EPOCH = 1
    VALIDATION_STEPS = None
    TRAIN_BN = False  # with learning rate 0 nothing changes: no weight, no statistics


class Watched(tiny.Squares):
    """Notes which images are loaded."""

    def __init__(self, count):
        super().__init__(count, empty=4)
        self.loaded = []

    def load_image(self, image_id):
        self.loaded.append(image_id)
        return super().load_image(image_id)


def config(**parameters):
    return type("Settings", (Settings,), parameters)()


def run(folder, workers, **parameters):
    """Two epochs with learning rate 0: (history, model, validation data of five images)."""
    plain, val = Feed.__init__, Watched(5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Feed, "__init__", lambda self, *args, **options: plain(self, *args, workers=workers, **options))
        model = MaskRCNN("training", config(**parameters), folder)
        return model.train(tiny.Squares(4), val, 0.0, 2, "all").history, model, val


@pytest.fixture(scope="module")
def fed(tmp_path_factory):
    """One worker, rois fed by the generator: around the instances, so that all five losses have something to say."""
    return run(tmp_path_factory.mktemp("fed"), 1, USE_RPN_ROIS=False)


def feeds(model, val, **parameters):
    return trainer.feeds(
        tiny.Squares(4), val, config(**parameters), epoch=3, augmentation=None, no_augmentation_sources=None
    )


def test_unchanged_weights_give_the_same_losses_after_every_epoch(fed):
    history, _, _ = fed
    for name in ("val_loss", *LOSSES):
        assert history[name][0] == history[name][1] > 0, name


def test_so_they_do_with_the_networks_own_proposals(tmp_path):
    history, _, _ = run(tmp_path, 1)
    assert history["val_loss"][0] == history["val_loss"][1] > 0
    assert all(history[name][0] == history[name][1] for name in LOSSES)


def test_losses_do_not_depend_on_the_number_of_workers(fed, tmp_path):
    history, _, _ = run(tmp_path, 3, USE_RPN_ROIS=False)
    assert [history[name] for name in ("val_loss", *LOSSES)] == [fed[0][name] for name in ("val_loss", *LOSSES)]


def test_without_validation_steps_every_image_is_loaded_once_an_epoch(fed):
    assert fed[2].loaded[:2] == [0, 0]  # before training began: its channels, and that there is something to validate
    assert sorted(fed[2].loaded[2:]) == sorted([0, 1, 2, 3, 4] * 2)


@pytest.mark.parametrize(
    ("steps", "images"), [(1, [0, 1]), (2, [0, 1, 2, 3]), (3, [0, 1, 2, 3, 4]), (50, [0, 1, 2, 3, 4]), (None, [0, 1, 2, 3, 4])]
)
def test_validation_steps_are_honoured_up_to_one_pass(fed, steps, images):
    _, validation = feeds(fed[1], tiny.Squares(5), VALIDATION_STEPS=steps)
    assert [int(meta[0]) for i in range(len(validation)) for meta in validation[i][0][1]] == images


def test_a_set_of_which_no_photo_can_be_read_is_refused_by_name_before_training(fed):
    class Broken(tiny.Squares):
        def load_image(self, image_id):
            raise OSError("disk error")

    with pytest.raises(ValueError, match="Validation data set: None of the 3 images of the dataset can be used.*OSError: disk error"):
        feeds(fed[1], Broken(3))


def test_zero_validation_steps_mean_none(fed):
    assert feeds(fed[1], tiny.Squares(5), VALIDATION_STEPS=0)[1] is None


def test_a_batch_counts_by_its_images(fed):
    """Five images in batches of two: the losses are the means of the batches' with weights 2, 2 and 1."""
    history, model, val = fed
    _, feed = feeds(model, val, USE_RPN_ROIS=False)
    values = []
    for i in range(3):
        model.keras_model.reset_metrics()
        of_batch = model.keras_model.test_on_batch(tuple(feed[i][0]), return_dict=True)
        values.append([of_batch[name.removeprefix("val_")] for name in LOSSES])
    expected = np.average(values, axis=0, weights=[2, 2, 1])
    np.testing.assert_allclose([history[name][0] for name in LOSSES], expected, rtol=1e-5)
    assert history["val_loss"][0] == pytest.approx(expected.sum() + history["val_l2_loss"][0], rel=1e-5)
    assert (np.abs(np.mean(values, axis=0) - expected) > 1e-3 * expected).any()  # weights matter here
