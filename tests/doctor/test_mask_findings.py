"""One defect of a mask, or one thing lost on the way to the network, one finding."""

import numpy as np
import pytest
from doctor_data import SIDE, Photos, bad, examine, only

from mrcnn.data import formats
from mrcnn.ops import rle


def box(y1, x1, y2, x2, height=SIDE, width=SIDE):
    mask = np.zeros((height, width), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def test_a_mask_without_a_pixel_is_named_with_its_place():
    photos = Photos()
    photos.masks[3][1] = box(0, 0, 0, 0)
    found = only(examine(photos), "masks.empty")
    assert found.examples == ("3: 0_3, instance 1",) and found.instances == {3: (1,)} and found.what.startswith("1 of 24 instances (4.2 %)")


@pytest.mark.parametrize("mask", [box(5, 5, 7, 7), box(5, 5, 6, 60), box(5, 5, 60, 6)])
def test_a_mask_of_a_few_pixels_or_a_line_is_tiny(mask):
    photos = Photos()
    photos.masks[3].append(mask)
    photos.classes[3].append(1)
    assert only(examine(photos, MINI_MASK_SHAPE=(120, 120)), "masks.tiny").instances == {3: (2,)}


def test_masks_of_the_same_pixels_are_duplicated_whatever_their_class():
    photos = Photos()
    photos.masks[3].append(photos.masks[3][0].copy())
    photos.classes[3].append(2)
    assert only(examine(photos), "masks.duplicated").instances == {3: (2,)}


def test_masks_that_share_their_box_alone_are_not_duplicated():
    photos = Photos()
    square = box(40, 10, 80, 50)
    frame = square & ~box(44, 14, 76, 46)
    photos.masks[3], photos.classes[3] = [square, frame], [1, 2]
    assert bad(examine(photos)) == {}


@pytest.mark.parametrize(("count", "severity"), [(12, "warning"), (6, "error")])
def test_masks_of_another_size_than_the_image(count, severity):
    photos = Photos(count)
    photos.size_of_masks(3, 64, 64)
    found = only(examine(photos), "masks.size")
    assert found.severity == severity and found.examples == ("3: 0_3 (masks 64 × 64, image 128 × 128)",)


@pytest.mark.parametrize(
    ("result", "check"),
    [
        (np.zeros((SIDE, SIDE, 1), bool), "masks.form"),
        ((np.zeros((SIDE, SIDE), bool), np.array([1])), "masks.form"),
        ((np.zeros((SIDE, SIDE, 2), bool), np.array([1])), "masks.form"),
        ((np.zeros((SIDE, SIDE, 1), bool), np.array(["hat"])), "masks.form"),
        (RuntimeError("the tablet is away"), "masks.unreadable"),
    ],
)
def test_what_load_mask_must_not_return(result, check):
    class Odd(Photos):
        def load_mask(self, image_id):
            if image_id != 3:
                return super().load_mask(image_id)
            if isinstance(result, Exception):
                raise result
            return result

    found = only(examine(Odd()), check)
    assert found.image_ids == (3,) and (check == "masks.form" or "RuntimeError: the tablet is away" in found.examples[0])


@pytest.mark.parametrize("class_id", [3, 0, -3])
def test_class_ids_out_of_range_are_named(class_id):
    photos = Photos()
    photos.classes[3][1] = class_id
    found = only(examine(photos), "classes.out_of_range")
    assert found.examples == (f"3: 0_3 (class id {class_id})",) and found.instances == {3: (1,)} and "1 to 2" in found.advice


def test_a_crowd_is_no_defect():
    photos = Photos()
    photos.classes[3][1] = -2
    report = examine(photos)
    assert bad(report) == {} and report.surveys[0].statistics().num_crowds == 1


def test_instances_above_the_limit_are_counted():
    photos = Photos()
    photos.masks[3] = photos.masks[3] + [box(y, x, y + 30, x + 30) for y in (2, 50) for x in (3, 70)]
    photos.classes[3] = [1, 2, 1, 1, 1, 1]
    found = only(examine(photos, MAX_GT_INSTANCES=4), "lost.max_gt_instances")
    assert found.what.startswith("2 of 28 instances (7.1 %)") and found.severity == "warning" and "MAX_GT_INSTANCES = 6" in found.advice
    assert examine(photos, MAX_GT_INSTANCES=1).exit_status == 1


def large(photos, image_id, *masks):
    """Replace a photo by a noisy one of 1280 px."""
    photos.images[image_id] = np.random.default_rng(0).integers(0, 255, (1280, 1280, 3)).astype(np.uint8)
    photos.masks[image_id] = list(masks)
    photos.classes[image_id] = [1] * len(masks)


def test_what_resizing_leaves_without_a_pixel_is_lost():
    photos = Photos()
    large(photos, 3, box(100, 100, 500, 500, 1280, 1280), box(14, 14, 18, 18, 1280, 1280))
    found = only(examine(photos), "lost.resizing")
    assert found.instances == {3: (1,)} and "IMAGE_MAX_DIM" in found.advice


def test_what_is_less_than_a_cell_at_the_network_is_small():
    photos = Photos()
    large(photos, 3, box(100, 100, 500, 500, 1280, 1280), box(800, 800, 820, 820, 1280, 1280))
    assert only(examine(photos), "lost.small").instances == {3: (1,)}


def test_mini_masks_that_are_too_coarse_are_measured_and_finer_ones_proposed():
    photos = Photos()
    comb = box(10, 10, 74, 74)
    comb[:, ::8] = comb[:, 1::8] = comb[:, 2::8] = comb[:, 3::8] = False
    photos.masks[3][0] = comb
    found = only(examine(photos, MINI_MASK_SHAPE=(9, 9)), "lost.mini_masks")
    assert found.instances == {3: (0,)} and "MINI_MASK_SHAPE = (18, 18)" in found.advice
    assert bad(examine(photos, USE_MINI_MASK=False)) == {}


def coco(folder, *segmentations, categories=("square",)):
    """Write photos and a COCO file with a polygon each, and read it."""
    import json

    photos = Photos(len(segmentations), folder=folder)
    annotations = [
        {"id": i, "image_id": i, "category_id": 1, "segmentation": [points], "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 0}
        for i, points in enumerate(segmentations)
    ]
    images = [{"id": i, "file_name": f"0_{i}.png", "height": SIDE, "width": SIDE} for i in range(len(photos.images))]
    names = [{"id": i, "name": name} for i, name in enumerate(categories, start=1)]
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": names}))
    return formats.load("coco", folder / "annotations.json", images=folder)


SQUARE = [20, 20, 58, 20, 58, 58, 20, 58]


@pytest.mark.parametrize(
    ("polygon", "check", "severity"),
    [
        ([200, 200, 240, 200, 240, 240], "masks.outside", "warning"),
        ([20, 20], "masks.broken", "warning"),
        ([90, 20, 150, 20, 150, 60, 90, 60], "masks.clipped", "note"),
    ],
)
def test_what_the_reader_of_a_format_left_out_is_reported(tmp_path, polygon, check, severity):
    report = examine(coco(tmp_path, *[SQUARE] * 11, polygon), NUM_CLASSES=2)
    found = [one for one in report.findings if one.check == check]
    assert [one.severity for one in found] == [severity] and found[0].what.startswith("1 of 12 annotations"), str(report)
    assert bad(report) == ({check: "warning"} if severity == "warning" else {})


def test_an_instance_that_the_reader_drops_as_empty_is_reported(tmp_path):
    thin = [20.2, 20.2, 20.3, 20.2, 20.3, 20.3]
    found = only(examine(coco(tmp_path, *[SQUARE] * 11, thin), NUM_CLASSES=2), "masks.empty")
    assert found.image_ids == (11,) and "load_mask leaves them out" in found.what


class Runs(Photos):
    """The same photos with masks as run lengths."""

    def load_rles(self, image_id):
        masks, class_ids = Photos.load_mask(self, image_id)
        return [rle.encode_coco(masks[..., place]) for place in range(len(class_ids))], class_ids


@pytest.mark.parametrize("mode", ["square", "crop"])
def test_run_lengths_are_measured_as_planes_are_and_never_become_any(mode, monkeypatch):
    def spoiled(kind):
        photos = kind()
        photos.masks[3].append(photos.masks[3][0].copy())
        photos.classes[3].append(2)
        photos.masks[4][1], photos.classes[5][0] = box(0, 0, 0, 0), 3
        photos.masks[6], photos.classes[6] = [], []
        photos.classes[7] = [0, -7]
        photos.size_of_masks(8, 64, 64)
        photos.masks[9][1] = box(3, 3, 4, 60)
        return photos

    planes = examine(spoiled(Photos), IMAGE_RESIZE_MODE=mode)
    runs = spoiled(Runs)
    monkeypatch.setattr(rle, "decode_coco", lambda *args: pytest.fail("a plane"))
    report = examine(runs, IMAGE_RESIZE_MODE=mode)
    assert str(report) == str(planes) and {"masks.duplicated", "masks.empty", "masks.size", "classes.out_of_range", "masks.tiny"} <= set(bad(report))
    for one, other in zip(report.surveys[0].photos, planes.surveys[0].photos, strict=True):
        for mine, wanted in zip(one.instances or (), other.instances or (), strict=True):
            np.testing.assert_array_equal(mine, wanted)


def test_a_broken_run_length_is_a_finding():
    class Broken(Runs):
        def load_rles(self, image_id):
            encoded, class_ids = super().load_rles(image_id)
            return ([{"size": [SIDE, SIDE], "counts": [5]}, *encoded[1:]] if image_id == 3 else encoded), class_ids

    found = only(examine(Broken()), "masks.unreadable")
    assert found.image_ids == (3,) and "the counts add up to 5" in found.examples[0]
