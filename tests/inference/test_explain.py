"""mrcnn.inference.explain: each stage by hand on a photo of 101 x 101 pixels, and the recomputed steps against the network's own."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tiny
from keras import ops

from mrcnn.inference import candidates, explain
from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.nn import detections
from mrcnn.nn.detections import DetectionLayer
from mrcnn.nn.rpn import ProposalLayer
from mrcnn.ops import boxes
from mrcnn.results import Detections

FRAME = explain.Frame((101, 101), (101, 101), (0, 0, 101, 101))
LEFT, RIGHT = (10, 10, 50, 40), (10, 60, 50, 90)
SHIFTED = (14, 10, 54, 40)  # IoU 36 / 44 with LEFT
CENTRE = (40, 40, 60, 60)


def fates(anchors, answers, places, class_ids=None, *, count=10, rpn_nms=0.9, limit=100, confidence=0.5, nms=0.3, instances=10):
    """Fates of objects, from anchors (box, RPN score), best first, and the box head's answers for the proposals, (probs[, box])."""
    explanation = explained(anchors, answers, places, class_ids, count=count, rpn_nms=rpn_nms, limit=limit, confidence=confidence, nms=nms,
                            instances=instances)  # fmt: skip
    return explanation.fates


def explained(anchors, answers, places, class_ids=None, *, count=10, rpn_nms=0.9, limit=100, confidence=0.5, nms=0.3, instances=10, frame=FRAME):
    layers = {"ROI": ProposalLayer(count, rpn_nms, limit), "mrcnn_detection": DetectionLayer(instances, confidence, nms)}
    unit = boxes.normalize(np.array([box for box, _ in anchors], np.float32), (101, 101))
    rpn_probs = np.array([(1 - score, score) for _, score in anchors], np.float32)
    probs, deltas = np.tile(np.float32([1, 0, 0]), (count, 1)), np.zeros((count, 3, 4), np.float32)
    for row, (values, *target) in enumerate(answers):
        probs[row] = values
        if target:
            deltas[row] = boxes.encode(unit[[row]], boxes.normalize(np.array(target), (101, 101))) / [0.1, 0.1, 0.2, 0.2]
    outputs = [None, probs, deltas, None, None, rpn_probs, np.zeros((len(anchors), 4), np.float32)]
    objects = explain.read_objects([(places, class_ids) if class_ids else places], [(101, 101)], 3)[0]
    return explain.explain(SimpleNamespace(get_layer=layers.get), outputs, unit, frame, objects)


SURE, OTHER, NOTHING = (0.1, 0.9, 0.0), (0.1, 0.0, 0.9), (0.8, 0.2, 0.0)


def test_found_names_detection_score_and_overlap():
    first, second = fates([(LEFT, 0.9), (SHIFTED, 0.8)], [(OTHER,), (SURE,)], [LEFT, LEFT], [2, 1])
    assert (first.stage, second.stage) == ("found", "found")
    assert first.numbers["detection"] == 0 and first.numbers["iou"] == pytest.approx(1)
    assert second.numbers["detection"] == 1 and second.numbers["iou"] == pytest.approx(36 / 44)
    assert second.why(["", "hat", "bag"]) == "Detection 1: hat, score 0.900, IoU 0.82." and second.advice == ""


def test_anchors_that_overlap_too_little():
    (fate,) = fates([(LEFT, 0.9)], [(SURE,)], [CENTRE])
    assert fate.stage == "anchors" and fate.numbers["best_iou"] == 0
    assert (fate.numbers["height"], fate.numbers["anchor_height"]) == pytest.approx((20, 40))
    assert "20 x 20 pixels at the network's size, that anchor 40 x 30" in fate.why() and "RPN_ANCHOR_SCALES" in fate.advice


def test_rpn_box_that_does_not_reach_the_object():
    (fate,) = fates([(LEFT, 0.9)], [(SURE,)], [(20, 10, 90, 40)])  # IoU 30 / 80
    assert fate.stage == "rpn_box" and fate.numbers["best_iou"] == pytest.approx(30 / 80) and not fate.numbers["shared"]


def test_a_box_that_overlaps_another_object_more_is_not_the_objects():
    first, second = fates([(LEFT, 0.9)], [(SURE,)], [LEFT, (20, 10, 55, 40)])
    assert first.stage == "found" and second.stage == "rpn_box" and second.numbers["shared"]
    assert "no box of its own" in second.why()


def test_rpn_rank_says_rank_limit_and_scores():
    (fate,) = fates([(LEFT, 0.9), (CENTRE, 0.8), (RIGHT, 0.7)], [(SURE,)] * 2, [RIGHT], limit=2)
    assert fate.stage == "rpn_rank"
    assert fate.numbers == pytest.approx({"rank": 3, "score": 0.7, "iou": 1, "limit": 2, "last_score": 0.8})
    assert "PRE_NMS_LIMIT = 3 or more" in fate.advice


def test_proposal_nms_names_the_overlap_with_the_better_proposal():
    narrow = (10, 10, 50, 22)
    (fate,) = fates([(LEFT, 0.9), (narrow, 0.8)], [(SURE,)], [narrow], rpn_nms=0.35)  # IoU 12 / 30 = 0.4 in both
    assert fate.stage == "proposal_nms" and fate.numbers["by_object_iou"] == pytest.approx(0.4)
    assert fate.numbers["by_iou"] == pytest.approx(0.38, abs=0.01)  # in the unit square the boxes are a pixel smaller
    assert fate.numbers["rank"] == 2 and "RPN_NMS_THRESHOLD above 0.3" in fate.advice


def test_proposal_count_cuts_what_nothing_suppresses():
    (fate,) = fates([(LEFT, 0.9), (RIGHT, 0.8)], [(SURE,)], [RIGHT], count=1)
    assert fate.stage == "proposal_count" and fate.numbers["limit"] == 1 and fate.numbers["rank"] == 2


def test_class_says_who_won_with_which_scores():
    lost, taken = fates([(LEFT, 0.9), (RIGHT, 0.8)], [(NOTHING,), (OTHER,)], [LEFT, RIGHT], [1, 1])
    assert lost.stage == "class" and lost.numbers == pytest.approx({"iou": 1, "winner": 0, "winner_score": 0.8, "wanted": 1, "wanted_score": 0.2})
    assert lost.why() == "A proposal covers it (IoU 1.00), but background won with 0.800; class 1 has 0.200."
    assert (taken.stage, taken.numbers["winner"]) == ("class", 2) and taken.why().endswith("Detection 0 covers it as class 2, score 0.900.")


def test_any_class_will_do_where_none_is_said():
    found, lost = fates([(LEFT, 0.9), (RIGHT, 0.8)], [(OTHER,), (NOTHING,)], [LEFT, RIGHT])
    assert found.stage == "found" and (lost.stage, lost.numbers["wanted"]) == ("class", 1)


def test_box_that_the_head_moves_away():
    (fate,) = fates([(LEFT, 0.9)], [(SURE, CENTRE)], [LEFT])
    assert fate.stage == "box" and fate.numbers["roi_iou"] == pytest.approx(1) and fate.numbers["iou"] < 0.5


def test_confidence_says_score_and_limit():
    (fate,) = fates([(LEFT, 0.9)], [((0.3, 0.4567, 0.2433),)], [LEFT], [1])
    assert fate.stage == "confidence" and fate.numbers == pytest.approx({"min_confidence": 0.5, "class_id": 1, "score": 0.4567, "iou": 1})
    assert fate.advice == "Set DETECTION_MIN_CONFIDENCE = 0.45 or less."


def test_class_nms_names_the_detection_that_suppresses():
    """Two objects of one class, IoU 36 / 44: one detection is left for both."""
    first, second = fates([(LEFT, 0.9), (SHIFTED, 0.8)], [(SURE,), ((0.2, 0.8, 0),)], [LEFT, SHIFTED])
    assert first.stage == "found" and second.stage == "class_nms"
    numbers = second.numbers
    assert (numbers["detection"], numbers["by_score"], numbers["score"]) == pytest.approx((0, 0.9, 0.8))
    assert numbers["by_shows"] == 0 and "That one shows object 0." in second.why()
    assert numbers["by_iou"] == pytest.approx(35 / 43) and "DETECTION_NMS_THRESHOLD above 0.81" in second.advice


def test_class_nms_tells_a_worse_box_of_the_same_object_from_another_object():
    low, object_box = (20, 10, 60, 40), (12, 10, 45, 40)  # IoU of low 25 / 48, of LEFT 33 / 40
    (fate,) = fates([(low, 0.9), (LEFT, 0.8)], [(SURE, (26, 10, 66, 40)), ((0.2, 0.8, 0),)], [object_box], nms=0.2)
    assert fate.stage == "class_nms" and fate.numbers["by_shows"] is None and fate.numbers["by_object_iou"] == pytest.approx(19 / 54, abs=0.01)
    assert "overlaps the object by 0.35." in fate.why() and "worse box had the better score" in fate.advice


def test_max_count_says_the_rank():
    (fate,) = fates([(LEFT, 0.9), (RIGHT, 0.8)], [(SURE,), ((0.2, 0.8, 0),)], [RIGHT], instances=1)
    assert fate.stage == "max_count" and (fate.numbers["rank"], fate.numbers["limit"]) == (2, 1)


def test_a_photo_squeezed_to_a_line_loses_its_detections_for_area():
    frame = explain.Frame((101, 101), (101, 101), (0, 0, 101, 1))
    explanation = explained([((0, 0, 101, 1), 0.9)], [(SURE,)], np.zeros((0, 4)), frame=frame)
    assert explanation.first_empty == "area" and "is it a line" in explanation.advice


def test_points_are_found_by_the_box_that_holds_them():
    inside, outside = fates([(LEFT, 0.9)], [(SURE,)], [(11, 39), (95, 95)])
    assert inside.why() == "Detection 0: class 1, score 0.900, it holds the point."
    assert (inside.stage, outside.stage) == ("found", "anchors") and outside.why() == "No anchor holds the point."
    assert fates([(LEFT, 0.9)], [(NOTHING,)], [(50, 20)])[0].stage == "anchors"  # y2 lies outside
    assert fates([(LEFT, 0.9)], [(NOTHING,)], [(49, 20)])[0].stage == "class"


def test_several_points_in_one_detection_are_all_found():
    assert [fate.stage for fate in fates([(LEFT, 0.9)], [(SURE,)], [(20, 20), (30, 30)])] == ["found", "found"]


def test_two_objects_with_one_box_each_have_their_fate():
    assert [f.stage for f in fates([(LEFT, 0.9)], [(SURE,)], [LEFT, LEFT], [1, 2])] == ["found", "class"]


def test_counts_follow_the_boxes_down_to_nothing():
    explanation = explained([(LEFT, 0.9), (SHIFTED, 0.8), (RIGHT, 0.7)], [((0.3, 0.4, 0.3),), (NOTHING,)], [], rpn_nms=0.5, limit=3)
    counts = {count.stage: count.left for count in explanation.counts}
    assert counts == {"anchors": 3, "rpn_rank": 3, "proposal_nms": 2, "class": 1, "confidence": 0, "class_nms": 0, "max_count": 0, "area": 0}
    assert explanation.first_empty == "confidence" and explanation.num_detections == 0
    assert explanation.numbers["best_rpn_score"] == pytest.approx(0.9) and explanation.numbers["best_winner_score"] == pytest.approx(0.4)
    text = str(explanation)
    assert "nothing is left after confidence; best score 0.400, class 1" in text and "DETECTION_MIN_CONFIDENCE = 0.4 or less" in text


def test_background_everywhere_shows_the_best_score_of_another_class():
    explanation = explained([(LEFT, 0.9)], [(NOTHING,)], [])
    assert explanation.first_empty == "class" and explanation.numbers["best_winner_score"] is None
    assert "the best score of another class is 0.200" in explanation.advice


def test_scores_that_are_no_numbers_are_said():
    explanation = explained([(LEFT, np.nan)], [], [])
    assert explanation.not_finite == 2 and "2 scores are no numbers" in str(explanation)


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (np.zeros((1, 4)), r"one entry for each of the 1 photos; got ndarray of 1"),
        ([LEFT, RIGHT], r"1 photos; got list of 2"),
        ([LEFT], r"photo 0: boxes \[N, \(y1, x1, y2, x2\)\] or points .* got \(.*One of them is a list of one"),
        ([[(10, 10, 10, 40)]], r"\[10.0, 10.0, 10.0, 40.0\] has no area"),
        ([[(200, 5)]], r"\[200.0, 5.0\] is outside of the photo, 101 x 101"),
        ([([LEFT], [3])], r"1 class ids from 1 to 2 are expected, whole numbers; got \[3\]"),
        ([([LEFT], [1.5])], r"whole numbers; got \[1.5\]"),
        ([([LEFT], ["hat"])], r"whole numbers; got \['hat'\]"),
        ([[("a", 5)]], r"photo 0: boxes .* or points .* are expected, all numbers and all of one kind; got \[\('a', 5\)\]"),
        ([[(1, 2), LEFT]], r"all of one kind; got"),
        ([[(10**400, 2)]], r"all numbers"),
        (5, r"1 photos; got int"),
        ([([LEFT], [1, 1])], r"1 class ids from 1 to 2"),
        ([[(1, 2), (np.nan, 5)]], r"in pixels are expected; got \[nan, 5.0\]"),
    ],
)
def test_objects_of_another_form_are_refused(objects, message):
    with pytest.raises(ValueError, match=message):
        explain.read_objects(objects, [(101, 101, 3)], 3)


def test_objects_may_be_none_empty_or_crowds():
    none, empty, crowd = explain.read_objects([None, [], ([LEFT], [-2])], [(101, 101)] * 3, 3)
    assert none.places.shape == empty.places.shape == (0, 4) and crowd.class_ids.tolist() == [2]


class WideConfig(tiny.TinyConfig):
    IMAGE_RESIZE_MODE = "pad64"
    IMAGES_PER_GPU = 2
    DETECTION_NMS_THRESHOLD = 0.2
    DETECTION_MAX_INSTANCES = 3
    PRE_NMS_LIMIT = 200


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    keras.utils.set_random_seed(0)
    model = MaskRCNN("inference", WideConfig(), tmp_path_factory.mktemp("logs"))
    model.allow_random_weights = True
    for name, scale in (("mrcnn_class_logits", 0.7), ("mrcnn_bbox_fc", 0.3)):  # several classes win, and boxes stay near their proposals
        kernel = model.keras_model.get_layer(name).kernel
        kernel.assign(np.random.default_rng(0).standard_normal(kernel.shape) * scale)
    return model


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*size, 3), np.uint8) for size in ((64, 100), (70, 128), (64, 64))]


@pytest.fixture(scope="module")
def seen(model, photos):
    """For each photo what the network answered, the recomputed stages, and the detections."""
    found, plain = {}, model.detect(photos)
    for number, molded, outputs in model._predictor.answers(photos):
        frame = explain.Frame(photos[number].shape[:2], molded.image.shape[:2], molded.window)
        stages = explain.stages(model.keras_model, outputs, model.get_anchors(molded.image.shape), frame)
        found[number] = (outputs, stages, plain[number])
    return [found[number] for number in sorted(found)]


def test_recomputed_proposals_are_the_networks(seen):
    for outputs, stages, _ in seen:
        count = len(stages.kept)
        np.testing.assert_allclose(stages.rpn_unit_boxes[stages.kept], outputs[4][:count], atol=1e-6)
        assert (outputs[4][count:] == 0).all() and count > 5


def test_recomputed_detections_are_the_networks(seen):
    for outputs, stages, found in seen:
        rows = outputs[0][outputs[0][:, 4] > 0]
        chosen = stages.candidates.select(stages.chosen)
        np.testing.assert_allclose(chosen.boxes, rows[:, :4], atol=1e-6)
        assert chosen.class_ids.tolist() == rows[:, 4].tolist() and chosen.scores.tolist() == rows[:, 5].tolist()
        shown = stages.candidates.select(np.array(sorted(stages.detections), int))
        assert shown.class_ids.tolist() == found["class_ids"].tolist()
        np.testing.assert_array_equal(np.around(stages.candidate_boxes[sorted(stages.detections)]), found["rois"])
        assert found.num


def test_detect_leaves_results_as_they_are_and_the_explanation_beside(model, photos):
    plain = model.detect(photos)
    told = model.detect(photos, explain=True, objects=[None, [(10, 10, 40, 40)], [(30, 30)]])
    for a, b in zip(plain, told, strict=True):
        assert a.explain is None and all(np.array_equal(a[key], b[key]) for key in a) and sorted(b) == sorted(a)
        assert b.explain.num_detections == b.num and b.explain.first_empty is None
    assert [len(found.explain.fates) for found in told] == [0, 1, 1]
    assert told[1].explain.image_shape == (70, 128) and told[1].explain.network_shape == (128, 128)


def test_a_detections_own_box_is_found(model, photos):
    (found,) = model.detect(photos[:1])
    sides = found["rois"][:, 2:] - found["rois"][:, :2]
    largest = found.select(np.array([sides.min(axis=1).argmax()]))  # rounding moves a thin box by more than half of it
    (told,) = model.detect(photos[:1], objects=[(largest["rois"], largest["class_ids"])], lazy_masks=True)
    assert sides.min(axis=1).max() > 4 and [fate.stage for fate in told.explain.fates] == ["found"] and not told.pasted


def test_heads_that_were_never_loaded_are_named(model, photos):
    (found,) = model.detect(photos[:1], explain=True)
    assert "mrcnn_mask" in found.explain.random_layers and "mrcnn_bbox_fc" not in found.explain.random_layers
    assert "Never loaded or trained" in str(found.explain) and "load_weights" in found.explain.advice


def test_explanation_travels_with_a_pickle_and_not_with_a_selection(model, photos):
    import pickle

    (found,) = model.detect(photos[:1], explain=True)
    assert pickle.loads(pickle.dumps(found)).explain == found.explain and found.select(np.array([0])).explain is None
    assert Detections.empty(4, 4).explain is None


@pytest.mark.parametrize(("confidence", "threshold"), [(0.5, 0.3), (None, 0.6)])
def test_candidates_and_choice_are_those_of_the_networks_last_layer(confidence, threshold):
    rng = np.random.default_rng(0)
    corners = rng.random((80, 2), np.float32) * 0.4
    rois = np.concatenate([corners, corners + 0.3 + rng.random((80, 2), np.float32) * 0.3], axis=1)
    probs = rng.dirichlet([0.3, 0.3, 0.3], 80).astype(np.float32)
    deltas, window = rng.standard_normal((80, 3, 4)).astype(np.float32), np.float32([0.1, 0, 0.9, 1])
    layer = DetectionLayer(12, confidence, threshold)
    rows = detections.refine(
        *(ops.convert_to_tensor(value[None]) for value in (rois, probs, deltas, window)), max_instances=12, min_confidence=confidence,
        nms_threshold=threshold, std_dev=layer.std_dev,
    )  # fmt: skip
    found = candidates.of_image(layer, rois, probs, deltas, window)
    chosen, by = candidates.chosen(found, min_confidence=confidence, nms_threshold=threshold, max_instances=12)
    found, rows = found.select(chosen), ops.convert_to_numpy(rows)[0]
    np.testing.assert_array_equal(rows[:, 4], found.class_ids)
    np.testing.assert_array_equal(rows[:, 5], found.scores)
    np.testing.assert_allclose(rows[:, :4], found.boxes, atol=1e-6)
    assert (by >= 0).sum() > 10


@pytest.mark.parametrize(("name", "value"), [("nms_method", "linear"), ("nms_per_class", False)])
def test_suppression_of_another_kind_is_refused(name, value):
    layer = {"nms_method": "hard", "nms_per_class": True}
    candidates.require_hard_suppression(**layer)
    with pytest.raises(ValueError, match=f"DETECTION_{name.upper()} = {value!r}"):
        candidates.require_hard_suppression(**layer | {name: value})


def test_candidates_choose_by_values_of_each_class():
    found = candidates.Candidates(
        np.arange(4), np.float32([LEFT, SHIFTED, LEFT, SHIFTED]), np.array([1, 1, 2, 2], np.int32), np.float32([0.9, 0.8, 0.7, 0.6])
    )
    chosen, by = candidates.chosen(found, min_confidence=[0, 0.85, 0], nms_threshold=[1, 0.3, 0.9], max_instances=9)
    assert chosen.tolist() == [0, 2, 3] and by.tolist() == [-1, candidates.BELOW, -1, -1]
    chosen, by = candidates.chosen(found, min_confidence=None, nms_threshold=0.3, max_instances=1)
    assert chosen.tolist() == [0] and by.tolist() == [-1, 0, -1, 2]
