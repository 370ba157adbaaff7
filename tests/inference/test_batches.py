"""Which images share a batch in detect() and in the mAP, and that it changes nothing."""

import concurrent.futures

import keras
import numpy as np
import pytest
import tiny

from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.training import mean_average_precision

# In mode pad64 with IMAGE_MIN_DIM 64: 128 x 128 for all but those of 64 rows.
SIZES = ((90, 120), (64, 100), (99, 120), (80, 120), (64, 128), (100, 120))


class Pad64Config(tiny.TinyConfig):
    IMAGE_RESIZE_MODE = "pad64"
    IMAGES_PER_GPU = 4


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    keras.utils.set_random_seed(0)  # a random network; some find nothing
    model = MaskRCNN("inference", Pad64Config(), tmp_path_factory.mktemp("logs"))
    model.allow_random_weights = True
    return model


@pytest.fixture
def batches(model, monkeypatch):
    """Shapes [B, H, W] of the batches that reach the network, as they come."""
    shapes, predict = [], model.keras_model.predict_on_batch
    monkeypatch.setattr(model.keras_model, "predict_on_batch", lambda inputs: (shapes.append(inputs[0].shape[:3]), predict(inputs))[1])
    return shapes


def photos(sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*size, 3), np.uint8) for size in sizes]


def test_photos_of_other_sizes_share_a_batch_where_they_mold_to_one_size(model, batches):
    model.detect(photos(SIZES))
    assert batches == [(4, 128, 128), (2, 64, 128)]


def test_a_group_is_cut_at_the_batch_size(model, batches):
    model.detect(photos([(90, 120)] * 5 + [(100, 100)] * 4))
    assert batches == [(4, 128, 128), (4, 128, 128), (1, 128, 128)]


def test_results_keep_the_order_and_equal_those_of_one_photo_at_a_time(model):
    images = photos(SIZES)
    for image, result in zip(images, model.detect(images), strict=True):
        (alone,) = model.detect([image])
        assert result.num and result["masks"].shape[:2] == image.shape[:2]
        np.testing.assert_array_equal(result["class_ids"], alone["class_ids"])
        np.testing.assert_array_equal(result["rois"], alone["rois"])
        np.testing.assert_allclose(result["scores"], alone["scores"], atol=1e-5)
        assert (result["masks"] != alone["masks"]).mean() < 1e-3


class Mixed(tiny.Squares):
    """Every second image molds to 128 x 128, the others to 64 x 128."""

    def load_image(self, image_id):
        self.size = (100 + image_id, 120) if image_id % 2 else (64, 100 + image_id)
        return super().load_image(image_id)

    def load_mask(self, image_id):
        self.load_image(image_id)
        return super().load_mask(image_id)


def test_map_of_mixed_sizes_runs_in_full_batches_and_gives_the_same(model, batches):
    data = Mixed(20)
    found = mean_average_precision.measure(model, data, data.image_ids)
    # 16 photos go to detect() first, 8 of each size, and then the 4 that are left
    assert batches == [(4, 64, 128)] * 2 + [(4, 128, 128)] * 2 + [(2, 64, 128), (2, 128, 128)]
    batches.clear()
    model.config.IMAGES_PER_GPU = 1
    try:
        alone = mean_average_precision.measure(model, data, data.image_ids)
    finally:
        model.config.IMAGES_PER_GPU = 4
    assert found.num_images == alone.num_images == 20 and found.map == pytest.approx(alone.map, abs=1e-6)
    assert {shape[0] for shape in batches} == {1}


def test_threads_that_share_a_model_get_what_one_alone_gets(model):
    """A web server's threads; the first ones also meet while the network is traced."""
    given = photos(SIZES * 2)
    fresh = MaskRCNN("inference", Pad64Config(), model.model_dir)
    fresh.allow_random_weights = True
    fresh.keras_model.set_weights(model.keras_model.get_weights())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda photo: fresh.detect([photo])[0], given))
    for one, photo in zip(found, given, strict=True):
        alone = model.detect([photo])[0]
        np.testing.assert_array_equal(one["rois"], alone["rois"])
        np.testing.assert_array_equal(one["scores"], alone["scores"])
        np.testing.assert_array_equal(one["masks"], alone["masks"])
