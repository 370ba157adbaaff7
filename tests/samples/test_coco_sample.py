"""The COCO sample: its data set, its results, pycocotools' figures, and its program on real images."""

import json

import numpy as np
import pytest
import reference_cases
from pycocotools import mask as coco_mask

from mrcnn.results import Detections
from samples.coco import coco

SHARED = reference_cases.ROOT.parent / "shared" / "data"
DATA = SHARED / "coco_small"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")


def loaded(subset="val", **options):
    dataset = coco.CocoDataset()
    truth = dataset.load_coco(str(DATA), subset, year=2017, return_coco=True, **options)
    dataset.prepare()
    return dataset, truth


class Knows:
    """Stands for a trained network: finds what is there, but for the class it is blind to, and calls one instance by a wrong class."""

    def __init__(self, dataset, blind_to=None):
        self.config = coco.InferenceConfig()
        self.config.IMAGES_PER_GPU = 3
        self.truth = {dataset.load_image(i).tobytes(): dataset.load_mask(i) for i in dataset.image_ids}
        self.blind_to, self.asked = blind_to, 0

    def detect(self, images, verbose=0, lazy_masks=False):
        found = []
        for image in images:
            self.asked += 1
            masks, class_ids = self.truth[image.tobytes()]
            kept = (class_ids > 0) & (class_ids != self.blind_to)
            masks, class_ids = masks[:, :, kept], class_ids[kept]
            rows = [np.argwhere(mask) for mask in np.moveaxis(masks, 2, 0)]
            boxes = [[*points.min(axis=0), *(points.max(axis=0) + 1)] for points in rows]
            found.append(Detections(boxes, class_ids, np.full(len(boxes), 0.9), masks) if boxes else Detections.empty(*image.shape[:2]))
        return found


def test_the_configuration_is_the_originals():
    config = coco.CocoConfig()
    assert (config.NAME, config.NUM_CLASSES, config.BATCH_SIZE, coco.InferenceConfig().DETECTION_MIN_CONFIDENCE) == ("coco", 81, 2, 0)


@needs_data
def test_classes_are_in_cocos_order_and_crowds_negative():
    dataset, truth = loaded("train")
    assert dataset.num_classes == 81 and dataset.class_names[:3] == ["BG", "person", "bicycle"]
    assert [info["id"] for info in dataset.class_info[1:]] == sorted(truth.getCatIds())
    assert (dataset.num_images, sum((dataset.image_class_ids(i) < 0).sum() for i in dataset.image_ids)) == (57, 6)
    assert dataset.image_reference(0) == f"https://cocodataset.org/#explore?id={dataset.image_info[0]['id']}"


@needs_data
def test_some_classes_can_be_chosen_by_cocos_numbers():
    dataset, truth = loaded(class_ids=[18, 1])
    assert dataset.class_names == ["BG", "person", "dog"]
    expected = set(truth.getImgIds(catIds=[1])) | set(truth.getImgIds(catIds=[18]))
    assert {info["id"] for info in dataset.image_info} == expected
    with pytest.raises(ValueError, match="has no class 12; it has: 1, 2, 3"):
        coco.CocoDataset().load_coco(str(DATA), "val", year=2017, class_ids=[1, 12])


@needs_data
def test_masks_of_annotations_are_pycocotools():
    dataset, truth = loaded("train")
    kinds = set()
    for annotation in list(truth.anns.values())[:40] + [one for one in truth.anns.values() if one["iscrowd"]]:
        image = truth.imgs[annotation["image_id"]]
        mask = dataset.annToMask(annotation, image["height"], image["width"])
        assert mask.shape == (image["height"], image["width"]) and np.array_equal(mask, truth.annToMask(annotation))
        kinds.add(type(annotation["segmentation"]))
        assert set(dataset.annToRLE(annotation, image["height"], image["width"])) == {"size", "counts"}
    assert kinds == {list, dict}


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="val2017 is not there. --download fetches COCO's files; --year is 2017"):
        coco.CocoDataset().load_coco(str(tmp_path), "val", year=2017)
    (tmp_path / "val2014").mkdir()
    with pytest.raises(FileNotFoundError, match="instances_minival2014.json is not there"):
        coco.CocoDataset().load_coco(str(tmp_path), "minival")
    with pytest.raises(ValueError, match="minival and valminusminival of 2014"):
        coco.CocoDataset().load_coco(str(tmp_path), "minival", year=2017)


@needs_data
def test_results_have_cocos_ids_and_boxes():
    dataset, _ = loaded(class_ids=[18])
    mask = np.zeros((6, 5, 1), bool)
    mask[1:4, 2:5] = True
    (result,) = coco.build_coco_results(dataset, [77], np.array([[1, 2, 4, 5]]), np.array([1]), np.array([0.5]), mask)
    assert (result["image_id"], result["category_id"], result["bbox"], result["score"]) == (77, 18, [2, 1, 3, 3], 0.5)
    assert np.array_equal(coco_mask.decode(result["segmentation"]), mask[:, :, 0])
    assert coco.build_coco_results(dataset, [77], None, None, None, None) == []


@needs_data
def test_the_truth_has_an_ap_of_one_and_blindness_to_a_class_costs_its_share():
    dataset, truth = loaded()
    kinds = {class_id for i in dataset.image_ids for class_id in dataset.image_class_ids(i).tolist() if class_id > 0}
    seeing = Knows(dataset)
    figures = coco.evaluate_coco(seeing, dataset, truth, ("bbox", "segm"))
    assert seeing.asked == dataset.num_images  # once for both
    assert figures["segm"]["AP"] == pytest.approx(1)
    assert figures["bbox"]["AP75"] == pytest.approx(1) and figures["bbox"]["APl"] == pytest.approx(1)  # COCO's boxes have fractions
    blind = coco.evaluate_coco(Knows(dataset, blind_to=1), dataset, truth, "segm")
    assert blind == {"segm": pytest.approx(blind["segm"])} and blind["segm"]["AP50"] == pytest.approx(1 - 1 / len(kinds))


def test_masks_are_small_or_large_by_their_own_area():
    """A thin diagonal false alarm is small as a mask and large as a box: it costs small objects their precision."""
    masks = np.zeros((400, 400, 2), bool)
    masks[np.arange(300), np.arange(300), 0] = masks[300:330, 10:40, 1] = True
    found = Detections([[0, 0, 300, 300], [300, 10, 330, 40]], [1, 1], [0.9, 0.8], masks).to_coco(1)
    truth = coco.COCO()
    truth.dataset = {"images": [{"id": 1, "height": 400, "width": 400}], "categories": [{"id": 1, "name": "hat"}]}
    truth.dataset["annotations"] = [{**found[1], "id": 1, "iscrowd": 0, "area": 900}]
    truth.createIndex()
    figures = coco._figures(truth, found, [1], "segm")
    assert figures["APs"] == pytest.approx(figures["AP"]) == pytest.approx(0.5)
    assert coco._figures(truth, found, [1], "bbox")["APs"] == pytest.approx(1)


@needs_data
def test_a_limit_takes_the_first_images_and_finding_nothing_is_an_ap_of_nought():
    dataset, truth = loaded()
    model = Knows(dataset)
    assert coco.evaluate_coco(model, dataset, truth, "bbox", limit=4)["bbox"]["AP50"] == pytest.approx(1) and model.asked == 4
    model.truth = {key: (masks[:, :, :0], class_ids[:0]) for key, (masks, class_ids) in model.truth.items()}
    assert coco.evaluate_coco(model, dataset, truth, "segm", image_ids=dataset.image_ids[:2])["segm"]["AP"] == 0
    with pytest.raises(ValueError, match="eval_type 'keypoints'"):
        coco.evaluate_coco(model, dataset, truth, "keypoints")
    with pytest.raises(ValueError, match="no image"):
        coco.evaluate_coco(model, dataset, truth, image_ids=[])


@pytest.mark.parametrize(("words", "expected"), [([], False), (["--download"], True), (["--download=True"], True), (["--download", "false"], False)])
def test_download_is_a_flag_that_can_be_off(words, expected):
    assert coco._parser().parse_args(["train", "--dataset", "d", "--model", "none", *words]).download is expected


def test_downloads_are_asked_for_before_anything_is_read(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(coco.coco_files, "download", lambda *given: asked.append(given))
    with pytest.raises(SystemExit) as caught:
        coco.main(["evaluate", "--dataset", str(tmp_path), "--model", "coco", "--download"])
    assert asked == [(str(tmp_path), "minival", "2014")] and "coco.py evaluate:" in caught.value.code
    with pytest.raises(SystemExit):
        coco.main(["evaluate", "--dataset", str(tmp_path), "--model", "coco", "--download", "maybe"])
    assert "write --download alone, or with True or False" in capsys.readouterr().err


@needs_data
def test_the_course_is_the_originals(monkeypatch):
    asked = []
    monkeypatch.setattr(coco.program, "training_model", lambda config, options: None)
    monkeypatch.setattr(coco.program, "fit", lambda model, train, val, plan, **others: asked.append((train.num_images, val.num_images, plan)))
    coco.main(["train", "--dataset", str(DATA), "--year", "2017", "--model", "none"])
    assert asked == [(57, 20, [("heads", 0.001, 40), ("4+", 0.001, 80), ("all", 0.0001, 40)])]


@needs_data
def test_the_program_trains_and_evaluates(tmp_path, capsys, small):
    small(coco.CocoConfig, STEPS_PER_EPOCH=2, VALIDATION_STEPS=1)
    words = ["--dataset", str(DATA), "--year", "2017", "--logs", str(tmp_path)]
    coco.main(["train", *words, "--model", "none", "--stages", "all:1e-3:1"])
    coco.main(["evaluate", *words, "--model", "last", "--limit", "3"])
    out = capsys.readouterr().out
    assert "Running COCO evaluation on 3 images." in out and "bbox:" in out and "segm:" in out and out.count("Average Precision  (AP)") == 12
    (run,) = tmp_path.glob("coco*")
    assert json.loads((run / "config.json").read_text())["config"]["NUM_CLASSES"] == 81
