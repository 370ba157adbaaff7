"""One defect of an image, one finding."""

import cv2
import numpy as np
import pytest
from doctor_data import SIDE, Photos, bad, examine, only
from PIL import Image

from mrcnn.data import samples
from mrcnn.ops import boxes as box_ops


def names(report):
    return [finding.check for finding in report.findings]


def finding(report, check):
    return next(one for one in report.findings if one.check == check)


@pytest.mark.parametrize(("count", "severity"), [(12, "warning"), (6, "error")])
def test_an_unreadable_file_is_a_warning_and_many_are_an_error(tmp_path, count, severity):
    photos = Photos(count, folder=tmp_path)
    (tmp_path / "0_3.png").write_bytes(b"no image at all")
    found = only(examine(photos), "images.unreadable")
    assert found.severity == severity and found.image_ids == (3,) and "3: 0_3.png (ValueError" in found.examples[0]


def test_a_missing_file_is_unreadable(tmp_path):
    photos = Photos(12, folder=tmp_path)
    (tmp_path / "0_3.png").unlink()
    assert "FileNotFoundError" in only(examine(photos), "images.unreadable").examples[0]


def test_values_that_are_not_finite_are_unreadable():
    photos = Photos(12)
    photos.images[4] = np.full((SIDE, SIDE, 3), np.nan, np.float32)
    assert "not finite" in only(examine(photos), "images.unreadable").examples[0]


def test_a_wrong_suffix_is_named_with_what_the_file_is(tmp_path):
    photos = Photos(12, folder=tmp_path)
    cv2.imwrite(str(tmp_path / "x.jpg"), photos.images[5][..., ::-1])
    (tmp_path / "x.jpg").rename(tmp_path / "0_5.png")
    report = examine(photos)
    assert bad(report) == {} and finding(report, "images.mislabelled").examples == ("5: 0_5.png (is JPEG)",)


def turned(tmp_path, photos, orientation, name="turned.jpg"):
    """Save photo 2, 96 px high and SIDE wide as it is stored, with an EXIF tag."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / name
    Image.fromarray(photos.images[2][:96]).save(path, exif=exif)
    photos.image_info[2]["path"] = str(path)
    return str(path)


def test_a_turned_photo_is_noted_when_it_is_read_upright(tmp_path):
    photos = Photos(12, folder=tmp_path)
    turned(tmp_path, photos, 6)
    photos.masks[2] = [np.pad(np.ones((30, 30), bool), ((5, SIDE - 35), (5, 61)))]
    photos.classes[2] = [1]
    report = examine(photos)
    assert bad(report) == {} and finding(report, "images.exif").examples == ("2: turned.jpg (orientation 6)".replace("2: ", "2: 0_2, "),)


def test_a_turned_photo_read_as_stored_is_a_warning(tmp_path):
    photos = Photos(12, folder=tmp_path)
    path = turned(tmp_path, photos, 6)
    read = photos.load_image
    photos.load_image = lambda i: np.asarray(Image.open(path)) if i == 2 else read(i)
    photos.masks[2] = [np.pad(np.ones((30, 30), bool), ((5, 61), (5, SIDE - 35)))]
    photos.classes[2] = [1]
    only(examine(photos), "images.exif_ignored")


@pytest.mark.parametrize("orientation", [6, 3])
def test_masks_on_the_stored_pixels_are_turned_as_in_training(tmp_path, orientation):
    photos = Photos(12, folder=tmp_path)
    turned(tmp_path, photos, orientation)
    photos.image_info[2]["mask_frame"] = "stored"
    mask = np.pad(np.ones((30, 40), bool), ((5, 61), (7, SIDE - 47)))
    photos.masks[2], photos.classes[2] = [mask], [1]
    report = examine(photos)
    assert bad(report) == {}
    expected = samples.load_instances(photos, 2)[0][..., 0]
    assert report.surveys[0].photos[2].instances.boxes.tolist() == box_ops.from_masks(expected[..., None]).tolist()
    photos.masks[2] = [mask.T]
    assert "mask_frame" in only(examine(photos), "masks.size").advice


def test_a_turned_tiff_is_read_upright(tmp_path):
    photos = Photos(12, folder=tmp_path)
    turned(tmp_path, photos, 6, "turned.tif")
    photos.size_of_masks(2, SIDE, 96)
    assert "images.exif_ignored" not in names(examine(photos))


def test_an_orientation_that_is_none_turns_nothing(tmp_path):
    photos = Photos(12, folder=tmp_path)
    turned(tmp_path, photos, 0)
    photos.size_of_masks(2, 96, SIDE)
    assert "images.exif" not in names(examine(photos))


def test_masks_drawn_on_a_photo_that_lies_on_its_side_are_of_another_size(tmp_path):
    photos = Photos(12, folder=tmp_path)
    turned(tmp_path, photos, 6)
    photos.size_of_masks(2, 96, SIDE)
    assert "(turned)" in only(examine(photos), "masks.size").examples[0]


@pytest.mark.parametrize(
    ("check", "array"),
    [
        ("images.16_bit", np.uint16),
        ("images.grey", "grey"),
        ("images.alpha", "alpha"),
    ],
)
def test_pixels_of_other_kinds_are_noted(tmp_path, check, array):
    photos = Photos(12, folder=tmp_path)
    image = photos.images[1]
    if array == "grey":
        image = image[..., 0]
    elif array == "alpha":
        image = np.dstack([image, np.full((SIDE, SIDE), 255, np.uint8)])
    else:
        image = image.astype(array) * 257
    cv2.imwrite(str(tmp_path / "0_1.png"), image)
    report = examine(photos)
    assert bad(report) == {} and names(report) == [check] and finding(report, check).image_ids == (1,)


def test_cmyk_and_several_frames_are_noted(tmp_path):
    photos = Photos(12, folder=tmp_path)
    Image.fromarray(photos.images[1]).convert("CMYK").save(tmp_path / "c.jpg")
    frames = [Image.fromarray(photos.images[2]), Image.fromarray(photos.images[3])]
    frames[0].save(tmp_path / "f.tif", save_all=True, append_images=frames[1:])
    photos.image_info[1]["path"], photos.image_info[2]["path"] = str(tmp_path / "c.jpg"), str(tmp_path / "f.tif")
    report = examine(photos)
    assert bad(report) == {} and sorted(names(report)) == ["images.cmyk", "images.frames"]


def test_a_blank_image_is_a_warning():
    photos = Photos(12)
    photos.images[2] = np.full((SIDE, SIDE, 3), 7, np.uint8)
    assert only(examine(photos), "images.blank").image_ids == (2,)


def test_images_from_0_to_1_are_a_warning():
    photos = Photos(12)
    photos.images = [image.astype(np.float32) / 255 for image in photos.images]
    assert set(bad(examine(photos))) == {"images.range"}


def test_another_number_of_channels_is_an_error():
    photos = Photos(6)
    photos.images = [image[..., :1] for image in photos.images]
    report = examine(photos)
    assert bad(report) == {"images.channels": "error", "dataset.no_instances": "error"}  # none can be used
    assert "IMAGE_CHANNEL_COUNT" in finding(report, "images.channels").advice


def test_sides_that_are_no_multiple_of_64_are_an_error_in_mode_none():
    photos = Photos(6)
    photos.images[0], photos.masks[0], photos.classes[0] = photos.images[0][:100], [], []
    assert only(examine(photos, IMAGE_RESIZE_MODE="none"), "images.sides").image_ids == (0,)


def test_sizes_that_differ_in_a_batch_are_an_error():
    photos = Photos(6)
    photos.images[0] = photos.images[0][:64]
    photos.masks[0] = [mask[:64] for mask in photos.masks[0]]
    assert only(examine(photos, IMAGE_RESIZE_MODE="none", IMAGES_PER_GPU=2, MINI_MASK_SHAPE=(28, 28)), "images.batch_sizes").severity == "error"


def test_small_images_that_are_enlarged_are_noted():
    assert names(examine(Photos(12), IMAGE_MIN_DIM=256, IMAGE_MAX_DIM=256, RPN_ANCHOR_SCALES=(54, 74, 76, 80, 98))) == ["images.enlarged"]


def test_a_mean_pixel_for_images_from_0_to_1_is_a_warning():
    found = only(examine(Photos(12), MEAN_PIXEL=np.array([0.48, 0.45, 0.41])), "config.mean_pixel")
    assert "from 0 to 1" in found.what and "MEAN_PIXEL = np.array([1" in found.advice


def test_a_mean_pixel_far_from_the_images_is_noted_with_the_measured_mean():
    photos = Photos(12)
    photos.images = [np.clip(image // 8, 0, 40) for image in photos.images]
    report = examine(photos)
    mean = np.mean([image.mean(axis=(0, 1)) for image in photos.images], axis=0)
    assert bad(report) == {} and f"[{mean[0]:.1f}, {mean[1]:.1f}, {mean[2]:.1f}]" in finding(report, "config.mean_pixel").what
