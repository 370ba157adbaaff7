"""mrcnn.data.cache: files are read once, the bound holds, and items stay pure."""

import pickle

import loader_data
import numpy as np
import pytest
from loader_data import SmallConfig, Told

from mrcnn.data import anchor_grid, cache, pipeline


class Photos(Told):
    """Smooth coloured images; counts how often each is loaded."""

    def __init__(self, count=4, channels=3, dtype=np.uint8):
        super().__init__(count)
        self.channels_made, self.dtype, self.loads = channels, dtype, []

    def load_image(self, image_id):
        self.loads.append(image_id)
        y, x = np.mgrid[:64, :64]
        planes = [np.clip(part, 0, 255) for part in (3 * x + image_id, 3 * y, 2 * x + y, x, y)]
        return np.stack(planes[: self.channels_made], axis=-1).astype(self.dtype)


def batches(dataset, **kwargs):
    config = SmallConfig()
    return pipeline.Batches(dataset, config, batch_size=2, steps=2, anchors=anchor_grid.PixelAnchors(config), **kwargs)


def test_decoded_images_are_loaded_once_and_are_what_they_were():
    photos = Photos()
    kept = cache.Cached(photos, "decoded", megabytes=1)
    for _ in range(3):
        for image_id in range(4):
            assert (kept.load_image(image_id) == Photos().load_image(image_id)).all()
    assert photos.loads == [0, 1, 2, 3] and kept.num_kept == 4 and kept.bytes_kept == 4 * 64 * 64 * 3


def test_what_is_done_to_an_image_does_not_reach_the_cache():
    kept = cache.Cached(Photos(), "decoded", megabytes=1)
    for _ in range(2):
        kept.load_image(0)[:] = 0
    assert (kept.load_image(0) == Photos().load_image(0)).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_jpegs_take_less_memory_and_are_nearly_what_they_were(channels):
    photos = Photos(channels=channels)
    kept = cache.Cached(photos, "jpeg", megabytes=1)
    first, again = kept.load_image(1), kept.load_image(1)
    assert first.shape == (64, 64, channels) and (first == again).all() and photos.loads == [1]
    assert np.abs(first.astype(int) - Photos(channels=channels).load_image(1)).mean() < 3
    assert kept.bytes_kept < 64 * 64 * channels / 2


@pytest.mark.parametrize("kind", cache.KINDS)
def test_the_bound_holds_and_what_finds_no_room_is_loaded_again(kind):
    photos = Photos()
    kept = cache.Cached(photos, kind, megabytes=0.0125 if kind == "decoded" else 0.003)
    for _ in range(2):
        for image_id in range(4):
            kept.load_image(image_id)
    assert 0 < kept.num_kept < 4 and kept.bytes_kept <= kept._limit
    assert len(photos.loads) == 4 + (4 - kept.num_kept)


@pytest.mark.parametrize("kind", cache.KINDS)
def test_an_item_does_not_depend_on_what_was_kept(kind):
    fresh, small = cache.Cached(Photos(), kind, 1), cache.Cached(Photos(), kind, 1e-6)
    used = cache.Cached(Photos(), kind, 1)
    for image_id in (3, 1, 0, 2):
        used.load_image(image_id)
    items = [batches(dataset, augmentation=loader_data.bright).item(1, 2) for dataset in (fresh, small, used)]
    for other in items[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(items[0], other, strict=True))


def test_masks_classes_and_information_are_the_wholes():
    photos = Photos()
    kept = cache.Cached(photos, "decoded", 1)
    assert (kept.load_mask(2)[0] == photos.load_mask(2)[0]).all() and kept.image_class_ids(2).tolist() == [1, 2, 1]
    assert kept.class_names == photos.class_names and kept.image_info[3]["id"] == "image-3"
    assert kept.subset([3]).load_image(0).shape == (64, 64, 3) and photos.loads == [3]


def test_a_copy_for_a_process_travels_empty_with_its_part_of_the_bound():
    kept = cache.Cached(Told(4), "decoded", 1)
    kept.load_image(0)
    copy = pickle.loads(pickle.dumps(kept))
    copy.divide(4)
    assert copy.num_kept == copy.bytes_kept == 0 and copy._limit == 250_000
    assert (copy.load_image(1) == 1).all() and copy.num_kept == 1


@pytest.mark.parametrize(("channels", "dtype"), [(5, np.uint8), (3, np.float32)])
def test_what_jpeg_cannot_keep_is_refused_by_name(channels, dtype):
    kept = cache.Cached(Photos(channels=channels, dtype=dtype), "jpeg", 1)
    with pytest.raises(ValueError, match=r"Image 2 \('image-2'\).*JPEG keeps uint8 of 1 or 3 channels"):
        kept.load_image(2)
    assert cache.Cached(Photos(channels=channels, dtype=dtype), "decoded", 1).load_image(2).dtype == dtype


@pytest.mark.parametrize("arguments", [("png", 1), ("jpeg", 0), ("jpeg", 1, 101), ("decoded", float("nan"))])
def test_impossible_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="got"):
        cache.Cached(Photos(), *arguments)
