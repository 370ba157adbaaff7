"""IMAGE_CHANNEL_COUNT from the files to the figures: train, save, load, detect, measure."""

import numpy as np
import pytest
import tiny
from PIL import Image

from mrcnn.data import augment
from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.training import mean_average_precision


class Files(tiny.Squares):
    """The squares and discs as files of so many channels: image files for 1, 3 and 4, arrays of float32 for others."""

    def __init__(self, folder, channels, count=4):
        super().__init__(count)
        self.channels = channels
        for image_id in self.image_ids:
            rgb = tiny.Squares.load_image(self, image_id)
            if channels in (1, 3, 4):
                path = folder / f"{image_id}.png"
                alpha = np.full((*rgb.shape[:2], 1), 9, np.uint8)
                Image.fromarray({1: rgb[..., 0], 3: rgb, 4: np.concatenate([rgb, alpha], axis=-1)}[channels]).save(path)
            else:
                path = folder / f"{image_id}.npy"
                np.save(path, np.repeat(rgb[..., :1], channels, axis=-1).astype(np.float32))
            self.image_info[image_id]["path"] = str(path)

    def load_image(self, image_id):
        return super(tiny.Squares, self).load_image(image_id)


def config_of(channels):
    class Channels(tiny.TinyConfig):
        NAME = "channels"
        IMAGE_CHANNEL_COUNT = channels
        MEAN_PIXEL = np.full(channels, 100.0)
        STEPS_PER_EPOCH, VALIDATION_STEPS = 2, 1

    return Channels()


@pytest.mark.parametrize("channels", [pytest.param(1, marks=pytest.mark.slow), 4, pytest.param(6, marks=pytest.mark.slow)])
def test_files_of_any_channels_train_detect_and_are_measured(tmp_path, channels, caplog):
    config, dataset = config_of(channels), Files(tmp_path, channels)
    assert dataset.load_image(0).shape == (64, 64, channels)
    model = MaskRCNN("training", config, str(tmp_path / "logs"))
    inference = MaskRCNN("inference", config, str(tmp_path / "logs"))
    measure = mean_average_precision.MeanAveragePrecisionCallback(model, inference, dataset)
    steps = [augment.flip, augment.scale_jitter]  # colour is for RGB, and says so
    history = model.train(dataset, dataset, 0.001, epochs=1, layers="all", custom_callbacks=[measure], augmentation=steps)
    assert np.isfinite(history.history["loss"][0]) and np.isfinite(history.history["val_loss"][0])
    assert 0 <= history.history["val_map"][0] <= 1
    (found,) = inference.detect([dataset.load_image(0)])
    assert found["masks"].shape[:2] == (64, 64)
    assert list((tmp_path / "logs").glob("*/pictures/*.png"))
    assert not [record for record in caplog.records if "kipping" in record.message], caplog.text


def test_the_wrong_number_of_channels_is_refused_with_both_places_to_set(tmp_path):
    dataset = Files(tmp_path, 4)
    dataset.channels = 3
    model = MaskRCNN("training", config_of(4), str(tmp_path / "logs"))
    with pytest.raises(ValueError, match=r"Training data set: .*3 channels, but IMAGE_CHANNEL_COUNT = 4.*dataset\.channels = 4"):
        model.train(dataset, None, 0.001, epochs=1, layers="all")
