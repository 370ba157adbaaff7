"""compute_matches, compute_ap, compute_ap_range and compute_recall against the original's recorded results.

The cases come from functions.json and functions.npz in the folder MRCNN_REFERENCE. Where a function corrects the
original the test asserts the corrected value; `deviation` names every such condition. With original_behaviour=True the
recorded value must return.
"""

import json
import os
import pathlib

import numpy as np
import pytest

from mrcnn.evaluation import matching, precision

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = pathlib.Path(os.environ.get("MRCNN_REFERENCE", ROOT.parent / "shared" / "reference"))
FUNCTIONS = {
    "utils.compute_matches": matching.compute_matches,
    "utils.compute_ap": precision.compute_ap,
    "utils.compute_ap_range": precision.compute_ap_range,
    "utils.compute_recall": matching.compute_recall,
}
NAN_OVERLAP = "two empty masks: overlap 0 instead of nan, so that they do not match"
SCORE_THRESHOLD = "compute_matches: score_threshold is compared with scores instead of overlaps"
INNER_PADDING = "zero boxes before real ones: their classes and masks are left out with them"
NO_INSTANCES = "compute_ap: no instances: 1.0 without predictions and 0.0 with, instead of 0.0 and nan"
NO_BOXES = "compute_recall: no boxes to find: 1.0 instead of ValueError"
ARRAY = "compute_ap_range: an array of thresholds is taken instead of ValueError"


def load_cases():
    path = FOLDER / "functions.json"
    if not path.is_file():
        return []
    return [case for case in json.loads(path.read_text())["cases"] if case["function"] in FUNCTIONS]


CASES = load_cases()
pytestmark = pytest.mark.skipif(not CASES, reason=f"no cases in {FOLDER}/functions.json; set MRCNN_REFERENCE")
each_case = pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])


@pytest.fixture(scope="module")
def arrays():
    with np.load(FOLDER / "functions.npz") as file:
        return dict(file)


def value(described, arrays):
    if "array" in described:
        return arrays[described["array"]]
    if "list" in described:
        return [value(item, arrays) for item in described["list"]]
    return described["value"]


def arguments(case, arrays):
    return {name: value(described, arrays) for name, described in case["args"].items()}


def deviations(function, args):
    """Name the corrections that these arguments touch."""
    if function == "utils.compute_recall":
        return {NO_BOXES} if len(args["gt_boxes"]) == 0 else set()
    found = set()
    if not args["gt_masks"].any(axis=(0, 1)).all() and not args["pred_masks"].any(axis=(0, 1)).all():
        found.add(NAN_OVERLAP)
    least, iou = args.get("score_threshold", 0.0), args.get("iou_threshold", 0.5)
    if least > iou or (args["pred_scores"] < least).any():
        found.add(SCORE_THRESHOLD)
    for side in ("gt_boxes", "pred_boxes"):
        real = args[side].any(axis=1)
        if not real[: real.sum()].all():
            found.add(INNER_PADDING)
    if function != "utils.compute_matches" and not args["gt_boxes"].any():
        found.add(NO_INSTANCES)
    if isinstance(args.get("iou_thresholds"), np.ndarray):
        found.add(ARRAY)
    return found


def slow_matches(args, iou_threshold, least):
    """Match one pair after the other, as the docstring of compute_matches says."""
    gt = [(c, args["gt_masks"][:, :, j]) for j, c in enumerate(args["gt_class_ids"]) if args["gt_boxes"][j].any()]
    pred = [
        (s, c, args["pred_masks"][:, :, i])
        for i, (s, c) in enumerate(zip(args["pred_scores"], args["pred_class_ids"], strict=True))
        if args["pred_boxes"][i].any()
    ]
    pred = sorted(reversed(pred), key=lambda p: -p[0])
    gt_match, pred_match = [-1] * len(gt), [-1] * len(pred)
    overlaps = np.zeros((len(pred), len(gt)))
    for i, (score, class_id, mask) in enumerate(pred):
        best = -1
        for j, (gt_class_id, gt_mask) in enumerate(gt):
            overlaps[i, j] = (mask & gt_mask).sum() / max((mask | gt_mask).sum(), 1)
            usable = class_id == gt_class_id and gt_match[j] < 0 and overlaps[i, j] >= iou_threshold and score >= least
            if usable and (best < 0 or overlaps[i, j] >= overlaps[i, best]):
                best = j
        if best >= 0:
            gt_match[best], pred_match[i] = i, best
    return gt_match, pred_match, overlaps


def slow_ap(args, iou_threshold):
    """Add the best precision that is still to come at each found instance."""
    gt_match, pred_match, overlaps = slow_matches(args, iou_threshold, 0.0)
    correct = [match >= 0 for match in pred_match]
    reached = [sum(correct[: i + 1]) for i in range(len(correct))]
    envelope = [max(reached[k] / (k + 1) for k in range(i, len(correct))) for i in range(len(correct))]
    recalls = [0.0, *(n / max(len(gt_match), 1) for n in reached), 1.0]
    precisions = [max(envelope, default=0.0), *envelope, 0.0]
    if not gt_match:
        return float(not pred_match), precisions, recalls, overlaps
    return sum(p for p, c in zip(envelope, correct, strict=True) if c) / len(gt_match), precisions, recalls, overlaps


def corrected(function, args):
    """The values that a correction asks for, from the slow versions above."""
    if function == "utils.compute_recall":
        return [1.0, []]
    if function == "utils.compute_matches":
        return list(slow_matches(args, args.get("iou_threshold", 0.5), args.get("score_threshold", 0.0)))
    if function == "utils.compute_ap":
        return list(slow_ap(args, args.get("iou_threshold", 0.5)))
    thresholds = args.get("iou_thresholds")
    thresholds = np.arange(0.5, 1.0, 0.05) if thresholds is None else thresholds
    return [np.mean([slow_ap(args, threshold)[0] for threshold in thresholds])]


def assert_equal(got, expected):
    got = list(got) if isinstance(got, tuple) else [got]
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@each_case
def test_equals_the_original_or_its_correction(case, arrays):
    args = arguments(case, arrays)
    touched = deviations(case["function"], args)
    assert case["raises"] is None or touched, f"the original raises {case['raises']} and no correction explains it"
    expected = corrected(case["function"], args) if touched else [value(o, arrays) for o in case["outputs"]]
    assert_equal(FUNCTIONS[case["function"]](*args.values()), expected)


@each_case
def test_original_behaviour_gives_the_original_s_value(case, arrays):
    args = arguments(case, arrays)
    no_way_back = {NAN_OVERLAP, INNER_PADDING, NO_BOXES, ARRAY} & deviations(case["function"], args)
    if case["raises"] or no_way_back:
        return  # errors and nan overlaps: nobody wants them back
    way_back = {} if case["function"] == "utils.compute_recall" else {"original_behaviour": True}
    assert_equal(FUNCTIONS[case["function"]](*args.values(), **way_back), [value(o, arrays) for o in case["outputs"]])


@each_case
def test_the_slow_versions_agree_where_nothing_is_corrected(case, arrays):
    args = arguments(case, arrays)
    if case["function"] == "utils.compute_recall" or deviations(case["function"], args):
        return
    expected = [value(o, arrays) for o in case["outputs"]]
    for one, other in zip(corrected(case["function"], args), expected, strict=True):
        np.testing.assert_allclose(np.reshape(one, np.shape(other)), other, rtol=1e-6, atol=1e-9)
