"""COCO's twelve figures: those published for COCO's fake results, and pycocotools' own, digit by digit."""

import contextlib
import io
import json
import pathlib

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from small_detections import collected_image as image
from small_detections import encoded

from mrcnn.evaluation import coco, from_coco, overlaps
from mrcnn.evaluation.collected import Collected, CollectedImage

FAKE = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data" / "expected" / "coco_eval_fake100"
TRUTH = FAKE / "instances_val2014_100.json"
PUBLISHED = {
    "segm": (0.320, 0.562, 0.299, 0.387, 0.310, 0.327, 0.268, 0.415, 0.417, 0.469, 0.377, 0.381),
    "bbox": (0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564),
}
#: Of faster-coco-eval 1.8.0 (boundary_dilation_ratio 0.02), an implementation of Boundary AP of other authors.
BOUNDARY = (
    0.22639400050237551, 0.3775010774391817, 0.2255798462421854, 0.3873740315997838, 0.2723674031279294, 0.07554378414806898,
    0.18722550309388875, 0.31265229701106306, 0.3140431150818811, 0.4694498622754236, 0.34054347826086956, 0.10387037037037035,
)  # fmt: skip
needs_fake = pytest.mark.skipif(not FAKE.is_dir(), reason="../shared is not there")


def results(kind):
    return FAKE / f"instances_val2014_fake{kind}100_results.json"


@pytest.fixture(scope="module")
def fake():
    """COCO's fake results of 100 images, of masks and of boxes."""
    return {kind: from_coco.read(TRUTH, results(kind)) for kind in ("segm", "bbox")}


def test_the_limit_of_detections_is_one_of_each_class():
    """Two of class 1 and two of class 2 stay; a limit of the image would leave two in all."""
    place = (0, 0, 10, 10)
    one = image([], [(1, 0.5, *place), (1, 0.9, *place), (2, 0.1, *place), (1, 0.7, *place), (2, 0.2, *place)])
    found = overlaps.rankings(Collected(["BG", "a", "b"], [one]), [0.5], max_detections=2)[0].ranked()
    assert {class_id: ranked.scores.tolist() for class_id, ranked in found.items()} == {1: [0.9, 0.7], 2: [0.2, 0.1]}


def pycocotools(truth, found, kind):
    """The tool itself, as everybody calls it."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO(str(truth))
        judge = COCOeval(gt, gt.loadRes(str(found)), kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


@needs_fake
@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_the_24_numbers_of_the_fake_results(fake, kind):
    found = coco.evaluate(fake[kind], kind)
    assert list(found.figures) == list(coco.NAMES)
    np.testing.assert_allclose(list(found.figures.values()), PUBLISHED[kind], atol=5e-4)  # three digits are published
    theirs = pycocotools(TRUTH, results(kind), kind)
    np.testing.assert_allclose(list(found.figures.values()), theirs.stats, rtol=0, atol=1e-12)
    precision = np.where(theirs.eval["precision"] < 0, np.nan, theirs.eval["precision"])
    np.testing.assert_array_equal(found.precisions, precision[..., 0, -1])
    known = [i for i, figures in found.per_class.items() if not np.isnan(figures["AP"])]
    assert len(known) == int((precision[0, 0, :, 0, -1] >= 0).sum())
    np.testing.assert_allclose([found.per_class[i]["AP"] for i in known], precision[..., 0, -1].mean(axis=(0, 1))[np.array(known) - 1])


@needs_fake
def test_boundary_figures_are_those_of_another_implementation(fake):
    np.testing.assert_allclose(list(coco.evaluate(fake["segm"], "boundary").figures.values()), BOUNDARY, rtol=0, atol=1e-12)


@needs_fake
def test_class_wise_map_at_any_iou_is_cocos(fake):
    found = coco.evaluate(fake["segm"], "segm")
    for gathered, threshold in zip(overlaps.rankings(fake["segm"], (0.5, 0.75)), (0.5, 0.75), strict=True):
        result = gathered.result()
        assert result.map == pytest.approx(found.figures[f"AP{round(100 * threshold)}"], abs=1e-12)
        assert all(result.per_class[i] == pytest.approx(found.per_class[i][f"AP{round(100 * threshold)}"]) for i in result.per_class)


@needs_fake
def test_a_file_and_its_copy_through_as_coco_give_the_same(fake, tmp_path):
    truth, found = from_coco.as_coco(fake["segm"])
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text(json.dumps(found))
    again = from_coco.read(tmp_path / "truth.json", tmp_path / "found.json")
    assert coco.evaluate(again).figures == coco.evaluate(fake["segm"]).figures


def test_detections_on_crowds_are_neither_right_nor_wrong():
    crowd = image([(1, 0, 0, 40, 40), (-1, 50, 50, 100, 120)], [(1, 0.9, 60, 60, 70, 70), (1, 0.8, 80, 80, 90, 90), (1, 0.7, 0, 0, 40, 40)])
    for kind in coco.KINDS:
        assert coco.evaluate(Collected(["BG", "a"], [crowd]), kind).figures["AP"] == pytest.approx(1)


def test_crowds_only_give_no_figure_and_no_warning():
    figures = coco.evaluate(Collected(["BG", "a"], [image([(-1, 0, 0, 9, 9)], [(1, 0.9, 0, 0, 9, 9)])])).figures
    assert all(np.isnan(list(figures.values())))


def test_nothing_found_gives_zero_and_sizes_without_instances_nan():
    figures = coco.evaluate(Collected(["BG", "a"], [image([(1, 0, 0, 9, 9)], [])])).figures
    assert figures["AP"] == figures["AR100"] == figures["APs"] == 0 and np.isnan(figures["APl"])


def test_more_than_the_last_limit_is_not_looked_at():
    one = image([(1, 0, 0, 9, 9)], [(1, 0.9, 20, 20, 30, 30), (1, 0.8, 0, 0, 9, 9)])
    figures = coco.evaluate(Collected(["BG", "a"], [one]), max_detections=(1, 2, 3)).figures
    assert figures["AR1"] == 0 and figures["AR2"] == 1 and figures["AP"] == pytest.approx(0.5)


def test_areas_of_masks_are_those_of_masks():
    """A thin mask in a large box is small: loadRes would call it large wherever results name their boxes too."""
    thin = encoded(0, 0, 1, 120)
    one = CollectedImage(0, "a", 100, 120, [], [], [], [], [1], [0.9], [[0, 0, 100, 120]], [thin])
    other = image([(1, 0, 0, 10, 10)], [(1, 0.5, 0, 0, 10, 10)], 1)
    figures = coco.evaluate(Collected(["BG", "a"], [one, other])).figures
    assert figures["APs"] == pytest.approx(0.5)  # the thin one is a false alarm among the small


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "mask"}, "one of segm, bbox, boundary"),
        ({"max_detections": (100,)}, "three whole numbers"),
        ({"max_detections": (100, 10, 1)}, "ascending"),
    ],
)
def test_impossible_wishes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        coco.evaluate(Collected(["BG", "a"], [image([], [])]), **arguments)


def test_what_cannot_be_evaluated_is_refused():
    boxes = CollectedImage(0, "a", 9, 9, [1], [[0, 0, 4, 4]], None, [16], [], [], [], None)
    with pytest.raises(ValueError, match="boxes only. Ask for bbox"):
        coco.evaluate(Collected(["BG", "a"], [boxes]), "segm")
    with pytest.raises(ValueError, match="no image"):
        coco.evaluate(Collected(["BG", "a"]))
