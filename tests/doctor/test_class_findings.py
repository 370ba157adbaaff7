"""One defect of the classes, or of the split, one finding."""

import cv2
import numpy as np
import pytest
from doctor_data import SIDE, Photos, bad, examine, only

from mrcnn.doctor import likeness


def finding(report, check):
    return next(one for one in report.findings if one.check == check)


def test_a_class_without_instances_is_named():
    found = only(examine(Photos(names=("square", "circle", "star")), NUM_CLASSES=4), "classes.without_instances")
    assert found.severity == "warning" and found.examples == ("star",)


def test_a_class_without_instances_in_validation_is_a_note():
    val = Photos(4, seed=1)
    val.classes = [[1, 1]] * 4
    report = examine(Photos(), val)
    assert bad(report) == {} and finding(report, "classes.without_instances").examples == ("circle",)


def test_names_with_a_comma_are_shown_whole_and_long_ones_cut_with_an_ellipsis():
    report = examine(Photos(names=("shirt, blouse", "top, t-shirt", "a" * 40, "star, small")), NUM_CLASSES=5)
    assert finding(report, "classes.without_instances").examples == (f"{'a' * 31}…", "star, small")
    [survey] = report.surveys
    assert survey.statistics().class_names[:3] == ["BG", "shirt, blouse", "top, t-shirt"]


def test_few_instances_and_imbalance_are_noted():
    photos = Photos()
    photos.masks = [masks[:1] * 30 for masks in photos.masks]
    photos.classes = [[1] * 30] * 12
    photos.masks[0], photos.classes[0] = photos.masks[0][:1], [2]
    report = examine(photos)
    assert finding(report, "classes.few").examples == ("circle (1)",)
    assert "square has 330 instances, circle 1: 330 times" in finding(report, "classes.imbalance").what


def test_names_that_come_twice_are_a_warning():
    found = only(examine(Photos(names=("shoe", "Shoe"))), "classes.duplicate_names")
    assert found.examples == ("shoe (2 times)",)


def test_images_of_the_same_id_or_path_are_a_warning():
    photos = Photos()
    photos.image_info[4]["id"] = photos.image_info[2]["id"]
    assert only(examine(photos), "images.duplicate_names").image_ids == (4,)


def test_the_same_bytes_under_two_names_in_one_data_set_are_a_warning(tmp_path):
    photos = Photos(folder=tmp_path)
    (tmp_path / "0_4.png").write_bytes((tmp_path / "0_2.png").read_bytes())
    assert only(examine(photos), "images.duplicated").image_ids == (2, 4)


def test_images_without_instances_are_noted_and_most_a_warning():
    photos = Photos()
    photos.masks[1], photos.classes[1] = [], []
    report = examine(photos)
    assert bad(report) == {} and finding(report, "images.without_instances").image_ids == (1,)
    for i in range(1, 9):
        photos.masks[i], photos.classes[i] = [], []
    assert only(examine(photos), "images.without_instances").severity == "warning"


def test_other_class_names_in_validation_are_an_error():
    found = only(examine(Photos(), Photos(4, seed=1, names=("circle", "square"))), "classes.differ")
    assert found.severity == "error" and found.examples == ("1: square / circle", "2: circle / square")


def test_a_file_of_training_in_validation_is_a_leak(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "val").mkdir()
    train, val = Photos(folder=tmp_path / "train"), Photos(12, seed=1, folder=tmp_path / "val")
    (tmp_path / "val" / "1_2.png").write_bytes((tmp_path / "train" / "0_7.png").read_bytes())
    found = only(examine(train, val), "leak.same")
    assert found.severity == "warning" and found.image_ids == (2,) and found.beside == {2: 7} and found.subset == "validation"


def test_nearly_the_same_photo_is_a_leak(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "val").mkdir()
    train, val = Photos(folder=tmp_path / "train"), Photos(12, seed=1, folder=tmp_path / "val")
    again = cv2.resize(train.images[7][..., ::-1], (96, 96), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "val" / "again.jpg"), cv2.convertScaleAbs(cv2.resize(again, (SIDE, SIDE)), beta=8))
    val.image_info[2]["path"] = str(tmp_path / "val" / "again.jpg")
    assert only(examine(train, val), "leak.near").beside == {2: 7}


def test_many_leaks_are_an_error():
    photos = Photos()
    assert only(examine(photos, Photos()), "leak.same").severity == "error"


def noise(seed, size=8):
    coarse = np.random.default_rng(seed).integers(0, 255, (size, size, 3)).astype(np.uint8)
    return cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)


def test_prints_tell_photos_apart_and_know_the_same_one_again():
    photos = [noise(i) for i in range(60)]
    prints = [likeness.of(photo) for photo in photos]
    assert likeness.pairs(prints[:30], prints[30:]) == []
    changed = []
    for i, photo in enumerate(photos):
        quality, side = (30, 60, 90)[i % 3], (80, 160, 320)[i % 3]
        jpeg = cv2.imdecode(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
        changed.append(likeness.of(cv2.convertScaleAbs(cv2.resize(jpeg, (side, side)), alpha=0.9, beta=10)))
    assert likeness.pairs(prints, changed) == [(i, i) for i in range(60)]


def test_photos_without_contrast_are_never_the_same():
    blank = likeness.of(np.full((40, 40, 3), 200, np.uint8))
    assert likeness.pairs([blank], [blank]) == [] and likeness.pairs([], [blank]) == [] == likeness.pairs([blank], [])


class Labelled(Photos):
    """Photos whose instances have some of `names` attributes."""

    def __init__(self, names=2, given=None):
        super().__init__()
        self.given = np.eye(2) if given is None else np.array(given)
        self.attribute_names = {number: f"a{number}" for number in range(names)}

    def load_attributes(self, image_id):
        return self.given if image_id % 2 else np.eye(2)


def test_attributes_that_fit_are_no_finding_and_without_a_head_nothing_is_asked():
    assert bad(examine(Labelled(), NUM_ATTRIBUTES=2)) == {} and bad(examine(Labelled(3, [[5]]))) == {}


@pytest.mark.parametrize(
    ("photos", "said"), [(Photos(), "names 0 attributes"), (Labelled(3), "names 3 attributes"), (Labelled(2, -np.ones((2, 2))), None)]
)
def test_a_head_for_attributes_that_the_data_do_not_have(photos, said):
    if said is None:
        photos.load_attributes = lambda image_id: photos.given
    report = examine(photos, NUM_ATTRIBUTES=2)
    assert (said or "no instance of 12 images has known attributes") in only(report, "config.num_attributes").what and not report.sensible


@pytest.mark.parametrize("given", [[[1, 0]], [[1, 0], [0, 2]], [[1, 0, 0], [0, 1, 0]]])
def test_attributes_of_another_form_are_named_with_their_images(given):
    found = only(examine(Labelled(2, given), NUM_ATTRIBUTES=2), "masks.attributes")
    assert found.image_ids == (1, 3, 5, 7, 9, 11) and found.severity == "error" and "load_attributes returned" in found.examples[0]
