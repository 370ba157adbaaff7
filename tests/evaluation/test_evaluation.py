"""All figures of a data set as one object, as text, JSON, CSV and a page."""

import csv
import io
import json

import numpy as np
import pytest
from small_detections import collected_image as image

from mrcnn.evaluation import coco, confusion, measure, operating, overlaps, panoptic, semantic
from mrcnn.evaluation.collected import Collected, CollectedImage


def two_images():
    """One image without a fault, one with a miss, a confusion and two false alarms."""
    good = image([(1, 0, 0, 40, 40), (2, 50, 50, 90, 90)], [(1, 0.9, 0, 0, 40, 40), (2, 0.8, 50, 50, 90, 90)], 0)
    bad = image(
        [(1, 0, 0, 40, 40), (2, 50, 50, 90, 90), (-1, 0, 60, 30, 110)],
        [(2, 0.7, 0, 0, 40, 40), (1, 0.6, 60, 0, 80, 20), (1, 0.55, 42, 0, 58, 20), (1, 0.9, 0, 70, 10, 80), (2, 0.2, 50, 50, 90, 90)],
        1,
    )
    return Collected(["BG", "cat", "dog", "cow"], [good, bad], [("c.jpg", "OSError: gone")])


@pytest.fixture(scope="module")
def evaluated():
    return measure.evaluate(two_images(), samples=20)


def test_every_measure_is_the_one_of_its_module(evaluated):
    collected = two_images()
    assert {kind: one.figures for kind, one in evaluated.coco.items()} == {
        kind: pytest.approx(coco.evaluate(collected, kind).figures, nan_ok=True) for kind in coco.KINDS
    }
    rankings = overlaps.rankings(collected, (0.5, 0.75))
    assert evaluated.average_precision[1].map == rankings[1].result(interpolation="area").map
    assert str(evaluated.best) == str(operating.best(rankings[0]))
    assert evaluated.confusion.tolist() == confusion.matrix(collected).tolist() == [[0, 2, 0, 0], [0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert str(evaluated.panoptic) == str(panoptic.evaluate(collected))
    assert str(evaluated.semantic) == str(semantic.evaluate(collected))


def test_intervals_are_around_the_figures(evaluated):
    figures = {"AP": evaluated.coco["segm"].figures["AP"], "AP50": evaluated.coco["segm"].figures["AP50"]}
    figures |= {"PQ": evaluated.panoptic.all.pq, "mIoU": evaluated.semantic.mean_iou}
    assert set(evaluated.intervals) == set(figures)
    for name, interval in evaluated.intervals.items():
        assert interval.value == pytest.approx(figures[name], abs=1e-12), name
        assert interval.low <= interval.value <= interval.high and interval.samples == 20


def test_the_worst_images_come_first_and_good_ones_not_at_all(evaluated):
    assert [(one.name, one.missed, one.invented, one.confused, one.found) for one in evaluated.worst()] == [("1.jpg", 1, 2, 1, 0)]


def test_json_holds_every_figure_and_null_where_there_is_none(evaluated):
    content = json.loads(json.dumps(evaluated.to_dict(), allow_nan=False))
    assert content["coco"]["segm"]["AP50"] == evaluated.coco["segm"].figures["AP50"] and content["coco"]["segm"]["APl"] is None
    assert content["images"] == 2 and content["left_out"] == [{"image": "c.jpg", "reason": "OSError: gone"}]
    assert [row["class"] for row in content["per_class"]] == ["cat", "dog"]
    assert content["per_class"][0]["tp"] == 1 and content["confusion"]["counts"][0][1] == 2
    assert content["panoptic"]["pq"] == evaluated.panoptic.all.pq and content["intervals"]["PQ"]["samples"] == 20
    assert content["mean_average_precision"][0]["per_image"] == evaluated.average_precision[0].per_image


def test_csv_has_a_row_a_class_and_empty_cells_for_what_is_undefined(evaluated):
    rows = list(csv.DictReader(io.StringIO(evaluated.per_class_csv())))
    assert [row["class"] for row in rows] == ["cat", "dog"] and rows[0]["segm_APl"] == ""
    assert float(rows[1]["pq"]) == evaluated.panoptic.per_class[2].pq
    table = list(csv.reader(io.StringIO(evaluated.confusion_csv())))
    assert table[0][1:] == ["background", "cat", "dog", "cow"] and table[2] == ["cat", "0", "1", "1", "0"]


def test_the_summary_shows_figures_intervals_and_classes(evaluated):
    text = str(evaluated)
    assert "2 images, 1 left out, 4 instances and 1 crowds, 7 detections" in text
    assert f"{evaluated.panoptic.all.pq:.3f}" in text and f"{evaluated.intervals['PQ'].high:.3f}" in text
    line = next(line for line in text.splitlines() if line.split()[:1] == ["cat"])
    assert f"{evaluated.best[1].f1:.3f}" in line.split()


def test_files_are_written_and_the_page_needs_no_other(evaluated, tmp_path):
    evaluated.notes.append("a <note>")
    paths = evaluated.save(tmp_path / "made", curves=[("a <curve>", b"png")], pictures=[("a photo", b"jpg")])
    evaluated.notes.clear()
    assert sorted(p.rpartition("/")[2] for p in paths) == ["confusion.csv", "evaluation.json", "per_class.csv", "report.html"]
    page = (tmp_path / "made" / "report.html").read_text()
    assert "a &lt;curve&gt;" in page and "a &lt;note&gt;" in page and "image/jpeg;base64,anBn" in page and "c.jpg" in page and "<script" not in page


def test_a_score_of_its_own_for_each_class_or_a_given_one():
    collected = two_images()
    best = measure.evaluate(collected, samples=0, score="best")
    assert str(best.at_score) == str(best.best) and best.intervals == {} and best.to_dict()["score"] == "best"
    assert best.confusion.tolist() == confusion.matrix(collected, score={i: one.score for i, one in best.best.items()}).tolist()
    given = measure.evaluate(collected, samples=0, score={1: 0.58, 2: 0.1})
    assert given.at_score[2].found == 2 and given.to_dict()["score"] == {"cat": 0.58, "dog": 0.1}


def test_boxes_alone_have_no_figures_of_masks():
    boxes = CollectedImage(0, "a", 90, 90, [1], [[0, 0, 40, 40]], None, [1600], [1], [0.9], [[0, 0, 40, 40]], None)
    found = measure.evaluate(Collected(["BG", "a"], [boxes]), samples=5)
    assert list(found.coco) == ["bbox"] and found.panoptic is None and found.semantic is None and set(found.intervals) == {"AP", "AP50"}
    assert found.to_dict()["panoptic"] is None and "PQ" not in str(found)


BOX = (0, 0, 9, 9)


@pytest.mark.parametrize(("truth", "found"), [([], []), ([], [(1, 0.9, *BOX)]), ([(1, *BOX)], []), ([(-1, *BOX)], [(1, 0.9, *BOX)])])
def test_empty_sides_make_a_report_without_warning(truth, found, tmp_path):
    evaluation = measure.evaluate(Collected(["BG", "a"], [image(truth, found)]), samples=5)
    assert evaluation.save(tmp_path) and evaluation.summary()
    assert evaluation.to_dict()["instances"] == sum(one[0] > 0 for one in truth)


def test_more_than_a_hundred_detections_of_a_class_are_cut_as_cocos():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 80, (130, 2)).tolist()
    found = [(1, float(score), y, x, y + 12, x + 12) for score, (y, x) in zip(rng.random(130), corners, strict=True)]
    collected = Collected(["BG", "a"], [image([(1, *one[2:]) for one in found[::7]], found)])
    assert overlaps.rankings(collected, [0.5])[0].result().map == pytest.approx(coco.evaluate(collected).figures["AP50"], abs=1e-12)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"score": "most"}, '"best" is expected'),
        ({"iou_thresholds": ()}, r"iou_thresholds = \[\]"),
        ({"iou_thresholds": (0.5, 1.5)}, "up to 1 are expected"),
        ({"samples": -1}, "samples = -1"),
    ],
)
def test_impossible_wishes_are_refused(how, message):
    with pytest.raises(ValueError, match=message):
        measure.evaluate(two_images(), **how)
    with pytest.raises(ValueError, match="no image"):
        measure.evaluate(Collected(["BG", "a"]))
