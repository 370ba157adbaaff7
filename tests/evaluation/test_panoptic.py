"""Panoptic quality, of panopticapi's sample exactly, and of instances by hand."""

import json
import pathlib
import shutil

import cv2
import numpy as np
import pytest
from small_detections import collected_image as image

from mrcnn.evaluation import from_coco, panoptic, segments
from mrcnn.evaluation.collected import Collected

SAMPLE = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data" / "expected" / "panopticapi_sample" / "sample_data"
needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="../shared is not there")
TRUTH = SAMPLE / "panoptic_examples.json"


def test_pixels_of_void_count_in_no_union():
    """Of ten pixels found four lie on void and six on an instance of eight: 6 / 8, where 6 / 12 would be no match."""
    counts = panoptic.Counts(2, void=True)
    nothing = np.zeros(2, bool)
    counts.add(segments.Table(np.array([[20, 4], [2, 6]]), np.array([0, 1]), nothing, np.array([0, 1])))
    found = counts.result().per_class[1]
    assert (found.tp, found.fp, found.fn, found.sq) == (1, 0, 0, 0.75)


def test_a_crowd_is_not_to_be_matched():
    """Six of the crowd's eight pixels, all that was found: neither found nor invented."""
    counts = panoptic.Counts(2)
    counts.add(segments.Table(np.array([[20, 0], [2, 6]]), np.array([0, 1]), np.array([False, True]), np.array([0, 1])))
    found = counts.result().per_class[1]
    assert (found.tp, found.fp, found.fn, found.classes) == (0, 0, 0, 0)


@needs_sample
def test_the_sample_against_itself_is_perfect():
    found, _ = panoptic.of_files(str(TRUTH), str(TRUTH))
    assert found.all == panoptic.Quality(1, 1, 1, 47, 0, 0, 8)
    assert found.things == panoptic.Quality(1, 1, 1, 40, 0, 0, 4) and found.stuff == panoptic.Quality(1, 1, 1, 7, 0, 0, 4)


@needs_sample
def test_a_disturbed_sample_has_the_figures_of_panopticapi(tmp_path):
    """The expected numbers are those of panopticapi's evaluation.py for the same files."""
    found, ids = panoptic.of_files(str(TRUTH), str(disturbed(tmp_path)))
    expected = {
        "all": (0.3682513309844629, 0.5429320566002855, 0.49572829131652657),
        "things": (0.21837700675914778, 0.503634137172304, 0.3247899159663865),
        "stuff": (0.518125655209778, 0.5822299760282671, 0.6666666666666666),
    }
    for name, numbers in expected.items():
        one = getattr(found, name)
        np.testing.assert_allclose((one.pq, one.sq, one.rq), numbers, rtol=0, atol=1e-12)
    person = found.per_class[ids[1]]
    assert (person.tp, person.fp, person.fn) == (9, 7, 17) and person.sq == pytest.approx(5.604041852403791 / 9, abs=1e-12)
    assert found.all.classes == 8 and np.isnan(found.per_class[ids[2]].pq)


def disturbed(folder):
    """Segments moved, of another class, and left out."""
    truth = json.loads(TRUTH.read_text())
    (folder / "disturbed").mkdir()
    categories = sorted({s["category_id"] for one in truth["annotations"] for s in one["segments_info"]})
    for one in truth["annotations"]:
        png = np.roll(cv2.imread(str(SAMPLE / "panoptic_examples" / one["file_name"])), (3, 5), axis=(0, 1))
        kept = []
        for number, segment in enumerate(one["segments_info"]):
            color = [segment["id"] >> 16 & 255, segment["id"] >> 8 & 255, segment["id"] & 255]
            if number % 7 == 3:
                png[(png == color).all(axis=-1)] = 0
                continue
            if number % 5 == 1:
                segment["category_id"] = categories[(categories.index(segment["category_id"]) + 1) % len(categories)]
            kept.append(segment | {"iscrowd": 0})
        one["segments_info"] = kept
        cv2.imwrite(str(folder / "disturbed" / one["file_name"]), png)
    (folder / "disturbed.json").write_text(json.dumps(truth))
    return folder / "disturbed.json"


@needs_sample
def test_the_segments_as_instances_make_the_png_again():
    """The same segments in detection format, painted by our rule, are panopticapi's PNG."""
    found = from_coco.read(SAMPLE / "panoptic_coco_detection_format.json", [])
    truth = json.loads(TRUTH.read_text())
    for one, entry in zip(found.images, sorted(truth["annotations"], key=lambda one: one["image_id"]), strict=True):
        png = cv2.imread(str(SAMPLE / "panoptic_examples" / entry["file_name"])).astype(int) @ [65536, 256, 1]
        painted = segments.plane(one.gt_rles, (one.height, one.width))
        pairs = np.unique(np.stack([png.ravel(), painted.ravel()]), axis=1)
        assert len(pairs[0]) == len(set(pairs[0])) == len(set(pairs[1])) and ((pairs[0] == 0) == (pairs[1] == 0)).all()


@needs_sample
def test_instances_that_are_all_found_are_perfect():
    content = json.loads((SAMPLE / "panoptic_coco_detection_format.json").read_text())
    results = [one | {"score": 1.0} for one in content["annotations"] if not one["iscrowd"]]
    found = panoptic.evaluate(from_coco.read(content, results)).all
    assert (found.pq, found.sq, found.rq, found.tp, found.classes) == (1, 1, 1, 47, 8)


@needs_sample
@pytest.mark.parametrize("break_it", ["missing", "png", "json", "size"])
def test_files_that_disagree_are_refused(tmp_path, break_it):
    shutil.copytree(SAMPLE / "panoptic_examples", tmp_path / "broken")
    truth = json.loads(TRUTH.read_text())
    first = truth["annotations"][0]
    if break_it == "missing":
        truth["annotations"].pop(0)
    elif break_it == "png":
        first["segments_info"].pop()
    elif break_it == "json":
        first["segments_info"].append(first["segments_info"][0] | {"id": 1})
    else:
        cv2.imwrite(str(tmp_path / "broken" / first["file_name"]), cv2.imread(str(tmp_path / "broken" / first["file_name"]))[:-1])
    (tmp_path / "broken.json").write_text(json.dumps(truth))
    message = {"missing": "no prediction for image 142238", "png": "only in the PNG", "json": r"\[1\] only in the JSON", "size": "has \\(426, 640\\)"}
    with pytest.raises(ValueError, match=message[break_it]):
        panoptic.of_files(str(TRUTH), str(tmp_path / "broken.json"))


def one(truth, found, names=("BG", "a", "b"), **cut):
    return panoptic.evaluate(Collected(list(names), [image(truth, found)]), **cut)


def test_quality_is_the_product_of_its_parts():
    # class 1: a match of IoU 1000/1600… by hand: 20x50 of 40x50 shared, IoU 0.5 is no match; 30x50 of 40x50 is, 0.75
    found = one([(1, 0, 0, 40, 50), (1, 50, 0, 90, 50)], [(1, 0.9, 0, 0, 30, 50), (1, 0.8, 50, 0, 70, 50)])
    quality = found.per_class[1]
    assert (quality.tp, quality.fp, quality.fn) == (1, 1, 1)
    assert (quality.sq, quality.rq, quality.pq) == (0.75, 0.5, 0.375)
    assert found.all.classes == 1 and np.isnan(found.per_class[2].pq)


def test_the_highest_score_has_the_pixel():
    # the second detection keeps 10 of its 40 rows
    quality = one([(1, 0, 0, 40, 50)], [(1, 0.8, 0, 0, 40, 50), (1, 0.9, 0, 0, 30, 50)]).per_class[1]
    assert (quality.tp, quality.fp, quality.sq) == (1, 1, 0.75)


def test_the_smaller_instance_is_in_front():
    table = segments.table(image([(1, 0, 0, 40, 40), (2, 10, 10, 20, 20)], []), np.zeros(0))
    pixels = dict(zip(table.gt_class_ids.tolist(), table.shared.sum(axis=1).tolist(), strict=True))
    assert pixels == {0: 100 * 120 - 1600, 1: 1500, 2: 100}


def test_crowds_forgive_their_class_only():
    truth = [(1, 0, 0, 20, 20), (-1, 50, 50, 100, 120)]
    assert one(truth, [(1, 0.9, 60, 60, 70, 70)]).all.fp == 0
    assert one(truth, [(2, 0.9, 60, 60, 70, 70)]).all.fp == 1


def test_scores_below_the_cut_count_nowhere():
    truth, found = [(1, 0, 0, 20, 20)], [(1, 0.4, 0, 0, 20, 20), (2, 0.4, 50, 50, 60, 60)]
    assert one(truth, found).all.tp == 0
    assert one(truth, found, score=0.4).all.tp == 1
    assert (one(truth, found, score={1: 0.3, 2: 0.5}).all.tp, one(truth, found, score={1: 0.3, 2: 0.5}).all.fp) == (1, 0)


def test_nothing_on_either_side_has_no_quality():
    assert np.isnan(one([], []).all.pq) and one([], []).all.classes == 0
    assert one([(1, 0, 0, 5, 5)], []).all.pq == 0 and one([], [(1, 0.9, 0, 0, 5, 5)]).all.pq == 0
