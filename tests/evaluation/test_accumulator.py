import contextlib
import io
import json
import pathlib

import numpy as np
import pytest
from small_detections import detections, squares

from mrcnn import results
from mrcnn.evaluation import precision
from mrcnn.evaluation.accumulator import APAccumulator
from mrcnn.ops import rle

EXPECTED = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data" / "expected" / "coco_eval_fake100"


def three_images(masks_decide=True):
    """Three images, classes 1 and 2, with a false alarm, a miss and a duplicate.

    Class 1 has 3 instances; ranked 0.9 right (image 0), 0.8 duplicate (image 0), 0.7 right (image 1): precision 1, 1/2,
    2/3 at recall 1/3, 1/3, 2/3, the third is missed. AP = 1/3 + 1/3 · 2/3 = 5/9. Class 2 has 1 instance; ranked 0.95
    wrong (image 2), 0.6 right (image 0): AP = 1/2.
    """
    accumulator = APAccumulator(num_classes=4)
    images = [
        ([(0, 0), (4, 4)], [1, 2], [(0, 0), (0, 0), (4, 4)], [1, 1, 2], [0.9, 0.8, 0.6]),
        ([(0, 0), (4, 4)], [1, 1], [(4, 4)], [1], [0.7]),
        ([], [], [(0, 0)], [2], [0.95]),
    ]
    for gt, gt_ids, *found in images:
        boxes, masks = squares(*gt)
        accumulator.add(gt_ids, detections(*found), **({"gt_masks": masks} if masks_decide else {"gt_boxes": boxes}))
    return accumulator


@pytest.mark.parametrize("masks_decide", [True, False])
def test_three_images_by_hand(masks_decide):
    result = three_images(masks_decide).result()
    assert result.per_class == pytest.approx({1: 5 / 9, 2: 1 / 2})
    assert result.map == pytest.approx((5 / 9 + 1 / 2) / 2)
    assert result.num_instances == {1: 3, 2: 1, 3: 0}
    assert result.num_predictions == {1: 3, 2: 2, 3: 0}
    assert result.num_images == 3


def test_run_lengths_count_as_their_planes():
    rng, planes, encodings = np.random.default_rng(3), APAccumulator(num_classes=4), APAccumulator(num_classes=4)
    for i in range(8):
        ids, masks, found = random_image(rng, i)
        ids[:1] = 0  # padding
        planes.add(ids, found, gt_masks=masks)
        encodings.add(ids, found, gt_masks=rle.encode_coco(masks))
    assert encodings.result() == planes.result() and encodings.result().map > 0


def test_the_historic_figure_is_the_mean_over_images():
    # image 0: right, duplicate, right of two: 1/2 + 1/2 · 2/3 = 5/6; image 1: one of two, at once: 1/2; image 2: 0
    assert three_images().result().per_image == pytest.approx((5 / 6 + 1 / 2 + 0) / 3)


def test_the_historic_figure_is_that_of_compute_ap_on_random_images_without_crowds():
    rng = np.random.default_rng(5)
    accumulator, aps = APAccumulator(num_classes=4), []
    for i in range(12):
        ids, masks, found = random_image(rng, i)
        ids = np.abs(ids)
        accumulator.add(ids, found, gt_masks=masks)
        boxes = np.ones((len(ids), 4))  # no padding
        aps.append(precision.compute_ap(boxes, ids, masks, *found.values())[0])
    assert accumulator.result().per_image == pytest.approx(np.mean(aps))


def test_the_historic_figure_counts_an_empty_image_left_alone_as_one():
    accumulator = APAccumulator(num_classes=2)
    accumulator.add([], detections([], [], []), gt_masks=np.zeros((8, 10, 0), bool))
    assert accumulator.result().per_image == 1.0


def test_without_any_instance_the_mean_is_nan():
    accumulator = APAccumulator(num_classes=2)
    assert np.isnan(accumulator.result().map)
    assert np.isnan(accumulator.result().per_image)
    accumulator.add([], detections([(0, 0)], [1], [0.9]), gt_masks=np.zeros((8, 10, 0), bool))
    result = accumulator.result()
    assert np.isnan(result.map)
    assert result.per_class == {}
    assert result.per_image == 0.0


def test_a_class_without_instances_does_not_lower_the_mean():
    accumulator = APAccumulator(num_classes=3)
    accumulator.add([1], detections([(0, 0), (4, 4)], [1, 2], [0.9, 0.8]), gt_masks=squares((0, 0))[1])
    assert accumulator.result().per_class == {1: 1.0}


@pytest.mark.parametrize("masks_decide", [True, False])
def test_predictions_on_a_crowd_of_their_class_are_ignored(masks_decide):
    accumulator = APAccumulator(num_classes=3)
    boxes, masks = squares((0, 0), (4, 4))
    boxes[1], masks[4:8, 4:8, 1] = (4, 4, 8, 8), True  # the crowd: 4 × 4
    found = detections([(4, 4), (6, 6), (0, 0), (4, 6)], [1, 1, 1, 2], [0.9, 0.8, 0.7, 0.6])
    accumulator.add([1, -1], found, **({"gt_masks": masks} if masks_decide else {"gt_boxes": boxes}))
    result = accumulator.result()
    assert result.per_class == {1: 1.0}
    assert result.num_instances == {1: 1, 2: 0}
    assert result.num_predictions == {1: 1, 2: 1}  # class 2 is not of the crowd's class: a false alarm
    assert result.per_image == 1.0


def test_crowds_alone_are_nothing_to_find():
    accumulator = APAccumulator(num_classes=2)
    accumulator.add([-1], detections([(0, 0)], [1], [0.9]), gt_masks=squares((0, 0))[1])
    assert np.isnan(accumulator.result().map)
    assert accumulator.result().per_image == 1.0


def test_padding_of_the_ground_truth_is_ignored():
    accumulator = APAccumulator(num_classes=2)
    boxes = np.concatenate([squares((0, 0))[0], np.zeros((2, 4), np.int32)])
    accumulator.add([1, 0, 0], detections([(0, 0)], [1], [0.9]), gt_boxes=boxes)
    assert accumulator.result().num_instances == {1: 1}
    assert accumulator.result().map == 1.0


def test_the_order_in_which_images_arrive_does_not_matter_for_distinct_scores():
    rng = np.random.default_rng(3)
    images = [random_image(rng, i) for i in range(6)]
    figures = []
    for order in (range(6), range(5, -1, -1)):
        accumulator = APAccumulator(num_classes=4)
        for i in order:
            accumulator.add(images[i][0], images[i][2], gt_masks=images[i][1])
        figures.append(accumulator.result().per_class)
    assert figures[0] == pytest.approx(figures[1])


def test_a_plain_dict_is_taken():
    accumulator = APAccumulator(num_classes=2)
    accumulator.add([1], dict(detections([(0, 0)], [1], [0.9])), gt_masks=squares((0, 0))[1])
    assert accumulator.result().map == 1.0


@pytest.mark.parametrize(
    ("gt_ids", "ground_truth", "message"),
    [
        ([1], {}, "either gt_masks"),
        ([1, 1], {"gt_masks": squares((0, 0))[1]}, r"names 2 instances, but gt_masks has shape \(8, 10, 1\)"),
        ([5], {"gt_masks": squares((0, 0))[1]}, r"gt_class_ids holds \[5\], but num_classes is 2"),
    ],
)
def test_bad_ground_truth_is_refused(gt_ids, ground_truth, message):
    with pytest.raises(ValueError, match=message):
        APAccumulator(num_classes=2).add(gt_ids, detections([], [], []), **ground_truth)


def test_detected_classes_outside_the_data_set_are_refused():
    with pytest.raises(ValueError, match=r"detected class_ids holds \[3\]"):
        APAccumulator(num_classes=2).add([], detections([(0, 0)], [3], [0.5]), gt_boxes=np.zeros((0, 4)))


@pytest.mark.parametrize("options", [{"num_classes": 1}, {"num_classes": 2, "iou_threshold": 50}])
def test_bad_settings_are_refused(options):
    with pytest.raises(ValueError, match="num_classes|iou_threshold"):
        APAccumulator(**options)


# against pycocotools


def random_image(rng, i, size=(40, 50), num_classes=4):
    """Ellipses with jittered twins, false alarms, duplicates and a crowd now and then."""
    yy, xx = np.mgrid[: size[0], : size[1]]

    def ellipse(y, x, h, w):
        return ((yy - y) / h) ** 2 + ((xx - x) / w) ** 2 <= 1

    num = 0 if i == 0 else int(rng.integers(1, 6))
    places = [(rng.uniform(5, 35), rng.uniform(5, 45), rng.uniform(3, 12), rng.uniform(3, 12)) for _ in range(num)]
    ids = rng.integers(1, num_classes, num) * np.where(rng.random(num) < 0.2, -1, 1)
    found, found_ids = [], []
    for place, class_id in zip(places, ids, strict=True):
        for _ in range(int(rng.integers(0, 3))):
            found.append(ellipse(*(np.array(place) + rng.normal(0, 1.2, 4).clip(-2, 2))))
            found_ids.append(abs(class_id) if rng.random() < 0.9 else int(rng.integers(1, num_classes)))
    found.append(ellipse(20, 25, 5, 5))
    found_ids.append(int(rng.integers(1, num_classes)))
    masks = np.stack([np.zeros(size, bool), *(ellipse(*place) for place in places)], axis=2)[:, :, 1:]
    return ids, masks, as_detections(np.stack(found, axis=2), found_ids, rng.random(len(found)))


def as_detections(masks, class_ids, scores):
    rois = []
    for k in range(masks.shape[2]):
        rows, columns = np.flatnonzero(masks[:, :, k].any(1)), np.flatnonzero(masks[:, :, k].any(0))
        rois.append([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])
    return results.Detections(rois, class_ids, scores, masks)


def coco_eval(coco, cocoeval, ground_truth, found, kind, iou_threshold):
    """AP per category by COCOeval, {category: AP}."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = ground_truth
        truth.createIndex()
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(found), kind)
        evaluation.params.iouThrs = np.array([iou_threshold])
        evaluation.evaluate()
        evaluation.accumulate()
    figures = evaluation.eval["precision"][0, :, :, 0, -1].mean(axis=0)  # [recalls, categories] of area all
    return {k: ap for k, ap in zip(evaluation.params.catIds, figures, strict=True) if ap > -1}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
@pytest.mark.parametrize("iou_threshold", [0.5, 0.75])
def test_masks_agree_with_cocoeval(iou_threshold):
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    mask_api = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(11)
    accumulator = APAccumulator(4, iou_threshold, interpolation="coco")
    annotations, found_entries = [], []
    for i in range(25):
        ids, masks, found = random_image(rng, i)
        accumulator.add(ids, found, gt_masks=masks)
        found_entries += found.to_coco(image_id=i + 1)
        for class_id, mask in zip(ids.tolist(), np.moveaxis(masks, 2, 0), strict=True):
            rle = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))
            annotations.append({"id": len(annotations) + 1, "image_id": i + 1, "category_id": abs(class_id),
                                "iscrowd": int(class_id < 0), "segmentation": rle, "bbox": [0, 0, 1, 1],
                                "area": int(mask.sum())})  # fmt: skip
    ground_truth = {"info": {}, "images": [{"id": i + 1, "height": 40, "width": 50} for i in range(25)],
                    "annotations": annotations, "categories": [{"id": k} for k in (1, 2, 3)]}  # fmt: skip
    expected = coco_eval(coco, cocoeval, ground_truth, found_entries, "segm", iou_threshold)
    assert accumulator.result().per_class == pytest.approx(expected, abs=1e-9)
    assert 0.1 < accumulator.result().map < 0.95  # the images are neither trivial nor hopeless


@pytest.mark.skipif(not EXPECTED.is_dir(), reason=f"needs the published COCO figures in {EXPECTED}")
def test_boxes_agree_with_the_published_coco_figure():
    truth = json.loads((EXPECTED / "instances_val2014_100.json").read_text())
    found = json.loads((EXPECTED / "instances_val2014_fakebbox100_results.json").read_text())
    to_class = {c["id"]: i + 1 for i, c in enumerate(sorted(truth["categories"], key=lambda c: c["id"]))}
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    accumulator = APAccumulator(len(to_class) + 1, 0.5, interpolation="coco")
    scale = 100  # boxes have two decimals, rois are whole pixels

    def corners(entry):
        x, y, w, h = entry["bbox"]
        return np.rint(scale * np.array([y, x, y + h, x + w])).astype(int)

    for image_id in sorted(sizes):
        gt = [a for a in truth["annotations"] if a["image_id"] == image_id]
        pred = [r for r in found if r["image_id"] == image_id]
        one = results.Detections([corners(r) for r in pred], [to_class[r["category_id"]] for r in pred],
                                 [r["score"] for r in pred], np.zeros((1, 1, len(pred)), bool))  # fmt: skip
        gt_ids = [to_class[a["category_id"]] * (-1 if a["iscrowd"] else 1) for a in gt]
        accumulator.add(gt_ids, one, gt_boxes=np.array([corners(a) for a in gt]).reshape(-1, 4))
    assert accumulator.result().map == pytest.approx(0.697, abs=5e-4)


def test_merged_figures_are_those_of_all_images_in_one():
    first, second = three_images(), APAccumulator(num_classes=4)
    boxes, masks = squares((0, 0))
    second.add([1], detections([(0, 0)], [1], [0.85]), gt_masks=masks)
    together = three_images()
    together.add([1], detections([(0, 0)], [1], [0.85]), gt_masks=masks)
    first.merge(second)
    assert first.result() == together.result()
    # Class 1 by hand: 0.9 right, 0.85 right, 0.8 wrong, 0.7 right, one of four missed.
    assert first.result().per_class[1] == pytest.approx(1 / 4 + 1 / 4 + 1 / 4 * 3 / 4)
    assert second.result().num_images == 1


def test_figures_of_other_classes_or_another_iou_are_not_merged():
    for other in (APAccumulator(num_classes=3), APAccumulator(num_classes=4, iou_threshold=0.75)):
        with pytest.raises(ValueError, match="can't merge"):
            three_images().merge(other)
