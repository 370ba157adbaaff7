"""Photos with an EXIF tag and their masks: turned alike, or refused with what to do; and instances given as run lengths."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.config import Config
from mrcnn.data import pipeline, reading, samples
from mrcnn.data.cache import Cached
from mrcnn.data.dataset import Dataset
from mrcnn.data.merged import merge
from mrcnn.ops import rle


class SmallConfig(Config):
    NAME = "small"
    NUM_CLASSES = 3
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    MINI_MASK_SHAPE = (14, 14)
    RPN_ANCHOR_SCALES = (8, 16, 32, 48, 64)


def drawn(height=32, width=48):
    """Two masks on the upright photo; the photo is white where an object is."""
    masks = np.zeros((height, width, 2), bool)
    masks[2:14, 4:20, 0] = True
    masks[20:30, 30:46, 1] = True
    return masks


def stored(upright, orientation):
    """What lies in the file: the way back from `reading.turn`."""
    places = np.arange(upright.shape[0] * upright.shape[1])
    shape = upright.shape[:2] if orientation < 5 else upright.shape[1::-1]
    order = np.argsort(reading.turn(places.reshape(shape), orientation).ravel())
    return upright.reshape(len(places), -1)[order].reshape(*shape, *upright.shape[2:])


class Photo(Dataset):
    """One photo whose file has an EXIF tag; masks given as planes or as run lengths."""

    def __init__(self, folder, orientation, masks, runs=False, **kwargs):
        super().__init__()
        self.masks, self.runs = masks, runs
        path = folder / "photo.png"
        image = Image.fromarray(stored(np.repeat(drawn().any(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8) * 255, orientation))
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(path, exif=exif)
        self.add_class("a", 1, "one")
        self.add_class("a", 2, "two")
        self.add_image("a", "photo-7", str(path), **kwargs)
        self.prepare()

    def load_mask(self, image_id):
        return super().load_mask(image_id) if self.runs else (self.masks, np.array([1, 2]))

    def load_rles(self, image_id):
        return (rle.encode_coco(self.masks), np.array([1, 2])) if self.runs else None


def load(dataset, **kwargs):
    return samples.load(dataset, SmallConfig(), 0, **kwargs)


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_drawn_on_stored_pixels_are_turned_with_the_photo(tmp_path, orientation, runs):
    expected = load(Photo(tmp_path, 1, drawn()))
    dataset = Photo(tmp_path, orientation, stored(drawn(), orientation), runs)
    dataset.mask_frame = "stored"
    sample = load(dataset)
    assert (sample.image == expected.image).all() and (sample.masks == expected.masks).all()
    assert (sample.boxes == expected.boxes).all() and sample.class_ids.tolist() == [1, 2]
    assert (samples.load_instances(dataset, 0)[0] == drawn()).all()
    assert (samples.load_instances(dataset.subset([0]), 0)[0] == drawn()).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_drawn_on_the_upright_photo_stay(tmp_path, orientation):
    sample, expected = load(Photo(tmp_path, orientation, drawn())), load(Photo(tmp_path, 1, drawn()))
    assert (sample.image == expected.image).all() and (sample.masks == expected.masks).all()


def test_the_frame_can_be_said_for_one_image(tmp_path):
    dataset = Photo(tmp_path, 6, stored(drawn(), 6), mask_frame="stored")
    assert (samples.load_instances(dataset, 0)[0] == drawn()).all()


def test_transposed_masks_of_a_turned_photo_are_refused_with_both_remedies(tmp_path):
    with pytest.raises(ValueError, match=r"32 × 48 pixels .* masks 48 × 32\. .*orientation 6.*mask_frame = \"stored\".*upright photo\."):
        load(Photo(tmp_path, 6, stored(drawn(), 6)))


def test_transposed_masks_of_another_photo_hint_at_swapped_sides(tmp_path):
    with pytest.raises(ValueError, match="look for height and width swapped"):
        load(Photo(tmp_path, 1, stored(drawn(), 6)))


def test_a_frame_that_does_not_exist_or_has_no_file_is_refused(tmp_path):
    dataset = Photo(tmp_path, 6, drawn())
    dataset.mask_frame = "sideways"
    with pytest.raises(ValueError, match=r"photo-7.*'sideways'; \"upright\" is expected"):
        load(dataset)
    dataset.mask_frame, dataset.image_info[0]["path"] = "stored", None
    with pytest.raises(ValueError, match="there is no path"):
        dataset.mask_orientation(0)


# --- Run lengths -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_mini_mask", [False, True])
def test_run_lengths_give_the_sample_that_planes_give(tmp_path, use_mini_mask):
    samples_of = [load(Photo(tmp_path, 1, drawn(), runs), use_mini_mask=use_mini_mask) for runs in (False, True)]
    for plain, run in zip(*samples_of, strict=True):
        np.testing.assert_array_equal(plain, run)


def test_run_lengths_never_become_planes_on_the_way_to_training(tmp_path, monkeypatch):
    dataset = Photo(tmp_path, 1, drawn(), runs=True)
    monkeypatch.setattr(rle, "decode_coco", lambda *_: pytest.fail("decoded in full"))
    source = pipeline.Batches(dataset, SmallConfig(), batch_size=1, steps=1, anchors=np.array([[0.0, 0, 32, 32]]))
    assert source.item(0, 0).class_ids[:2].tolist() == [1, 2]


def test_load_mask_and_the_classes_come_from_run_lengths_too(tmp_path, monkeypatch):
    dataset = Photo(tmp_path, 1, drawn(), runs=True)
    masks, class_ids = dataset.load_mask(0)
    assert (masks == drawn()).all() and class_ids.tolist() == [1, 2]
    monkeypatch.setattr(rle, "decode_coco", lambda *_: pytest.fail("decoded for the classes alone"))
    assert dataset.image_class_ids(0).tolist() == [1, 2] == dataset.subset([0]).image_class_ids(0).tolist()


def test_a_load_mask_nearer_than_load_rles_has_the_last_word(tmp_path):
    class Only(Photo):
        def load_mask(self, image_id):
            return self.masks[..., :1], np.array([2])

    dataset = Only(tmp_path, 1, drawn(), runs=True)
    assert load(dataset).class_ids.tolist() == [2] == dataset.image_class_ids(0).tolist()
    assert load(dataset.subset([0])).class_ids.tolist() == [2]
    reader = Photo(tmp_path, 1, drawn(), runs=True)
    reader.load_mask = lambda image_id: (drawn()[..., 1:], np.array([1]))
    assert load(reader).class_ids.tolist() == [1]


def test_an_image_without_instances_has_no_run_lengths(tmp_path):
    dataset = Photo(tmp_path, 1, drawn(), runs=True)
    dataset.load_rles = lambda image_id: ([], np.zeros(0, np.int32))
    assert load(dataset).masks.shape == (64, 64, 0)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (([], np.array([1])), "0 masks but class ids"),
        (([{"size": [2, 2], "counts": [4]}, {"size": [2, 3], "counts": [6]}], np.array([1, 2])), "of one size"),
        (([np.zeros((2, 2))], np.array([1])), "of one size; got .*ndarray"),
        (([{"size": [32, 48], "counts": [5]}], np.array([1])), "add up to 5"),
        (([{"size": [32, 48], "counts": [1536]}], np.array([7])), "class id 7 is out of range"),
        ("all", "load_rles must return"),
    ],
)
def test_broken_run_lengths_are_refused(tmp_path, found, message):
    dataset = Photo(tmp_path, 1, drawn(), runs=True)
    dataset.load_rles = lambda image_id: found
    with pytest.raises(ValueError, match=message):
        load(dataset)


# --- Channels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_data_set_says_how_many_channels_its_files_give(tmp_path, channels):
    dataset = Photo(tmp_path, 6, drawn())
    dataset.channels = channels
    assert dataset.load_image(0).shape == (32, 48, channels) == dataset.subset([0]).load_image(0).shape


@pytest.mark.parametrize("name", ["channels", "mask_frame"])
def test_a_view_refuses_what_the_data_set_behind_it_decides(tmp_path, name):
    dataset = Dataset()
    dataset.add_class("a", 1, "one")
    dataset.add_image("a", 1, str(tmp_path / "a.png"))
    dataset.prepare()
    for view in (dataset.subset([0]), merge([dataset]), Cached(dataset, "decoded", 1)):
        with pytest.raises(ValueError, match=f"{name} is"):
            setattr(view, name, "stored")
