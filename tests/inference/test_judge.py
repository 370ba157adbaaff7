"""A network judged on a data set: once over the images, in order, masks as run lengths, report with pictures."""

import json

import cv2
import numpy as np
import pytest
from tiny import Squares, TinyConfig

from mrcnn.evaluation import collect
from mrcnn.inference import judge, report
from mrcnn.ops import rle
from mrcnn.results import Detections
from mrcnn.training import mean_average_precision

SIZES = [(64, 64), (48, 64), (64, 40)]


class Finder:
    """In the place of a MaskRCNN: finds the discs and squares of `Squares`, by their colour, and calls some of them by another name."""

    mode = "inference"

    def __init__(self, **settings):
        self.config = type("FinderConfig", (TinyConfig,), settings)()
        self.batches = []

    def detect(self, images, verbose=0, *, lazy_masks=False):
        self.batches.append(len(images))
        return [self.find(image) for image in images]

    def find(self, image):
        if image.shape[0] == 7:
            raise ValueError("7 pixels are too few")
        masks = [np.all(image == color, axis=-1) for color in ((220, 40, 40), (40, 60, 230))]
        seen = [i for i, mask in enumerate(masks) if mask.any()]
        boxes = [cv2.boundingRect(masks[i].astype(np.uint8)) for i in seen]
        rois = [(y, x, y + h, x + w) for x, y, w, h in boxes]
        planes = np.stack([masks[i] for i in seen], axis=-1) if seen else np.zeros((*image.shape[:2], 0), bool)
        scores = [0.9 - 0.1 * i - 0.001 * (int(image[..., 0].sum()) % 97) for i in seen]
        return Detections(rois, [i + 1 for i in seen], scores, planes)


def test_the_figure_is_that_of_the_map_after_each_epoch():
    dataset, model = Squares(9, empty=4), Finder()
    evaluation = judge.evaluate(model, dataset, verbose=0, samples=0)
    result = mean_average_precision.measure(Finder(), dataset, dataset.image_ids)
    assert evaluation.average_precision[0] == result
    assert 0.5 < result.map < 1  # some discs hide a part of a square


def test_run_lengths_of_a_data_set_stay_such_for_the_map():
    class WithRles(Squares):
        def load_mask(self, image_id):
            raise AssertionError("planes were asked for")

        def load_rles(self, image_id):
            masks, class_ids = self.instances(image_id)
            return rle.encode_coco(masks), class_ids

    of_rles, of_planes = (mean_average_precision.measure(Finder(), dataset(9, empty=4), range(9)) for dataset in (WithRles, Squares))
    assert of_rles == of_planes


def test_batches_are_those_of_the_network_and_progress_is_said(capsys):
    model = Finder()
    judge.gather(model, Squares(5), image_ids=[4, 0, 2])
    assert model.batches == [2, 1]
    assert "Evaluating: 3/3 images" in capsys.readouterr().out
    model = Finder(IMAGE_RESIZE_MODE="pad64")
    judge.gather(model, Squares(9), verbose=0)
    assert model.batches == [8, 1]


def test_an_image_that_the_detector_refuses_is_left_out_alone():
    class Narrow(Squares):
        def load_image(self, image_id):
            return super().load_image(image_id)[:7] if image_id == 2 else super().load_image(image_id)

        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            return (masks[:7], class_ids) if image_id == 2 else (masks, class_ids)

    found = judge.gather(Finder(), Narrow(4), verbose=0)
    assert [one.image_id for one in found.images] == [0, 1, 3]
    assert found.left_out == [("tiny/2", "ValueError: 7 pixels are too few")]


def test_what_makes_ap_another_figure_is_said():
    assert judge.notes(Finder(DETECTION_MIN_CONFIDENCE=0, DETECTION_MAX_INSTANCES=100).config) == []
    said = judge.notes(Finder(DETECTION_MIN_CONFIDENCE=0.7, DETECTION_MAX_INSTANCES=6).config)
    assert len(said) == 2 and "DETECTION_MIN_CONFIDENCE = 0.7" in said[0] and "DETECTION_MAX_INSTANCES = 6" in said[1]


def test_classes_must_be_as_many():
    with pytest.raises(ValueError, match="has 3 classes, background included, the model NUM_CLASSES = 5"):
        judge.gather(Finder(NUM_CLASSES=5), Squares(1), verbose=0)


def test_the_report_has_curves_and_the_worst_images(tmp_path):
    class Wrong(Finder):
        def find(self, image):
            found = super().find(image)
            found["class_ids"] = 3 - found["class_ids"]
            return found

    evaluation = judge.evaluate(Wrong(), Squares(3), output=tmp_path, verbose=0, samples=5)
    page = (tmp_path / "report.html").read_text()
    assert page.count("image/png") == 5 and page.count("image/jpeg") == 3  # 3 kinds of overlap, classes, confusion
    assert json.loads((tmp_path / "evaluation.json").read_text())["coco"]["segm"]["AP"] == 0
    assert len(evaluation.notes) == 1 and "DETECTION_MAX_INSTANCES = 6" in page


def test_pictures_show_what_was_missed_and_invented():
    dataset = Squares(1)
    evaluation = judge.evaluate(Finder(), dataset, verbose=0, samples=0)
    assert report.worst(evaluation, lambda image: dataset.load_image(image.image_id)) == []  # nothing went wrong
    nothing = judge.evaluate(SimpleDetector(), dataset, verbose=0, samples=0)
    ((caption, picture),) = report.worst(nothing, lambda image: dataset.load_image(image.image_id))
    drawn = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    assert drawn.shape == (report.SIDE, 2 * report.SIDE + report.GAP, 3)
    left, right = drawn[:, : report.SIDE], drawn[:, -report.SIDE :]
    yellow = np.abs(left - np.round(255 * np.array(report.MISSED))).max(axis=-1) < 40
    assert yellow.sum() > 500 and "2 missed" in caption
    assert (np.abs(right - np.round(255 * np.array(report.MISSED))).max(axis=-1) < 40).sum() == 0


class SimpleDetector(Finder):
    def find(self, image):
        return Detections.empty(*image.shape[:2])


def test_a_photo_that_is_gone_costs_its_picture_only(caplog):
    dataset = Squares(2)
    evaluation = judge.evaluate(SimpleDetector(), dataset, verbose=0, samples=0)

    def load(image):
        if image.image_id:
            raise FileNotFoundError("gone")
        return dataset.load_image(0)

    assert len(report.worst(evaluation, load)) == 1 and "No picture of tiny/1: FileNotFoundError: gone" in caplog.text


def test_names_of_images_are_their_paths_or_ids():
    dataset = Squares(1)
    dataset.image_info[0]["path"] = None
    assert collect.image_name(dataset, 0) == "0"
