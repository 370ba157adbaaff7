"""mrcnn.doctor.examine: a clean data set has no finding, a data set with one defect has that finding; the report and its exit status."""

import base64
import re

import cv2
import numpy as np
import pytest
from doctor_data import SIDE, PhotoConfig, Photos, bad, examine, only

from mrcnn import doctor
from mrcnn.data.dataset import Dataset
from mrcnn.doctor import html


def test_a_clean_data_set_has_no_finding_worse_than_a_note(tmp_path):
    report = examine(Photos(folder=tmp_path), Photos(8, seed=1))
    assert bad(report) == {} and report.sensible and report.exit_status == 0, str(report)
    assert report.verdict().startswith("Training makes sense.")


def test_a_data_set_of_any_subclass_is_asked_for_each_image_once():
    asked = []

    class Counting(Photos):
        def load_image(self, image_id):
            asked.append(("image", image_id))
            return super().load_image(image_id)

        def load_mask(self, image_id):
            asked.append(("mask", image_id))
            return super().load_mask(image_id)

    examine(Counting(6))
    assert sorted(asked) == sorted([(kind, i) for kind in ("image", "mask") for i in range(6)])


def test_nothing_is_changed(tmp_path):
    photos = Photos(4, folder=tmp_path)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    config = PhotoConfig()
    values = {name: str(value) for name, value in config.to_dict().items()}
    examine(photos, config=config).html()
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before
    assert {name: str(value) for name, value in config.to_dict().items()} == values


def test_a_data_set_that_is_not_prepared_is_an_error():
    photos = Dataset()
    photos.add_image("photos", 1, None)
    assert bad(examine(photos)) == {"dataset.prepare": "error"}


def test_an_empty_validation_set_is_an_error():
    finding = only(examine(Photos(6), Photos(0)), "dataset.empty")
    assert finding.subset == "validation" and "VALIDATION_STEPS = 0" in finding.advice


def test_another_number_of_classes_is_an_error():
    finding = only(examine(Photos(6), NUM_CLASSES=5), "config.num_classes")
    assert finding.severity == "error" and "NUM_CLASSES = 3" in finding.advice


def test_an_impossible_configuration_is_an_error():
    finding = only(examine(Photos(6), MINI_MASK_SHAPE=(0, 3)), "config.invalid")
    assert "MINI_MASK_SHAPE" in finding.what


def test_data_without_an_instance_are_an_error():
    photos = Photos(6)
    photos.masks, photos.classes = [[]] * 6, [[]] * 6
    report = examine(photos)
    assert only(report, "dataset.no_instances").severity == "error" and report.exit_status == 1
    assert report.verdict().startswith("Training makes no sense yet: dataset.no_instances.")


def test_findings_come_the_worst_first():
    photos = Photos(40)
    photos.masks[0][0] = np.zeros((SIDE, SIDE), bool)
    report = examine(photos, NUM_CLASSES=4)
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=("error", "warning", "note").index) and severities[:2] == ["error", "warning"]


def test_a_limit_looks_at_a_sample_drawn_by_the_seed():
    def seen(seed):
        report = doctor.examine(PhotoConfig(), Photos(30), limit=7, seed=seed, cost=False)
        return [photo.image_id for photo in report.surveys[0].photos]

    assert len(seen(0)) == 7 and seen(0) == seen(0) != seen(1)
    with pytest.raises(ValueError, match="limit = 0"):
        doctor.examine(PhotoConfig(), Photos(3), limit=0)


def test_ctrl_c_reports_what_was_seen():
    class Interrupted(Photos):
        def load_image(self, image_id):
            if image_id == 5:
                raise KeyboardInterrupt
            return super().load_image(image_id)

    photos = Interrupted(20)
    photos.masks[1][0] = np.zeros((SIDE, SIDE), bool)
    report = examine(photos, Photos(4, seed=1))
    assert len(report.surveys) == 1 and len(report.surveys[0].photos) == 5 and not report.complete
    assert report.exit_status in (1, 130) and "masks.empty" in bad(report)
    assert examine(Interrupted(20)).exit_status == 130


def test_progress_is_told():
    told = []
    doctor.examine(PhotoConfig(), Photos(3), Photos(2, seed=1), cost=False, progress=lambda *where: told.append(where))
    assert told == [("training", 1, 3), ("training", 2, 3), ("training", 3, 3), ("validation", 1, 2), ("validation", 2, 2)]


def test_the_text_says_what_where_how_bad_and_what_to_set():
    photos = Photos(30)
    photos.masks[7][1] = np.zeros((SIDE, SIDE), bool)
    text = str(examine(photos))
    for part in ("WARNING masks.empty (training)", "1 of 60 instances", "Where: 7: 0_7, instance 1", "Do: Remove them"):
        assert part in text, text
    assert re.search(r"square +30 +30 +0.5085", text), text


def test_the_page_holds_the_findings_with_pictures_and_needs_no_other_file(tmp_path):
    photos = Photos(30)
    photos.image_info[7]["id"] = "<script>alert(1)</script>"
    photos.masks[7][1] = np.zeros((SIDE, SIDE), bool)
    report = examine(photos, Photos(4, seed=1))
    report.save_html(str(tmp_path / "doctor.html"))
    page = (tmp_path / "doctor.html").read_text()
    assert "masks.empty" in page and "7: &lt;script&gt;" in page and "<script" not in page
    pictures = re.findall(r"<img [^>]*src='([^']{30})", page)
    assert len(pictures) >= 1 + 3 + 8 + 4 and all(source.startswith("data:image/") for source in pictures)


def test_pictures_of_the_page_have_the_photos_colours():
    photos = Photos(3)
    photos.images[1][:] = (230, 30, 40)
    photos.masks[1], photos.classes[1] = [], []
    text = re.search(r"base64,([^']+)'", html._picture(examine(photos).surveys[0], 1, None))[1]
    drawn = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)  # BGR
    assert np.abs(drawn.reshape(-1, 3).mean(axis=0) - (40, 30, 230)).max() < 6


def test_a_photo_that_cannot_be_drawn_leaves_the_page_whole():
    class Broken(Photos):
        def load_image(self, image_id):
            if image_id == 2:
                raise ValueError("no such plane")
            return super().load_image(image_id)

    page = examine(Broken(30)).html()
    assert "no picture (ValueError)" in page and page.rstrip().endswith("</html>")


def test_an_instance_whose_id_is_out_of_range_is_drawn_too():
    photos = Photos()
    photos.classes[3][1] = 9
    survey = examine(photos).surveys[0]
    drawn, bare = html._drawn(survey, 3, (1,)), html._drawn(survey, 3, ())
    assert drawn.shape != bare.shape  # around the instance, enlarged
    photos.masks[3][1] = np.zeros((SIDE, SIDE), bool)
    assert html._instances(survey, 3)[1].tolist() == [1, 9]
