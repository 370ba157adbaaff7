"""The graph functions, layers and MaskRCNN.unmold_detections against the original's recorded results, through `mrcnn.model` and `mrcnn.utils`.

The cases come from functions.json and functions.npz in the folder MRCNN_REFERENCE, or the golden ones where it has none. Each runs with the
original's behaviour switched on. What differs all the same is named below, by function and a condition on the inputs.
"""

import importlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
import reference_cases
from keras import ops

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config

FOLDER = next((f for f in (reference_cases.REFERENCE, reference_cases.GOLDEN) if (f / "functions.json").is_file()), reference_cases.REFERENCE)
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def described_cases():
    return json.loads((FOLDER / "functions.json").read_text())["cases"] if (FOLDER / "functions.json").is_file() else []


def config_of(case):
    return type("CaseConfig", (Config,), case["config"] or {})().original_behaviour()


# --- How each is called: case and arguments, in the original's order, to its result.


def tensors(function, **options):
    return lambda case, *args: function(*args, **options)


def configured(function):
    return lambda case, *args: function(*args, config_of(case))


def pack(case, x, counts):
    return modellib.batch_pack_graph(x, counts, num_rows=len(counts))


def align(case, boxes, image_meta, feature_maps):
    return modellib.PyramidROIAlign(case["pool_shape"]).call([boxes, image_meta, *feature_maps])


def propose(case, *args):
    return modellib.ProposalLayer(case["proposal_count"], case["nms_threshold"], config=config_of(case)).call(list(args))


def unmold(case, *args):
    return modellib.MaskRCNN.unmold_detections(None, *[np.asarray(argument) for argument in args])


FUNCTIONS = {
    "model.apply_box_deltas_graph": tensors(modellib.apply_box_deltas_graph),
    "model.clip_boxes_graph": tensors(modellib.clip_boxes_graph),
    "model.overlaps_graph": tensors(modellib.overlaps_graph, undefined=float("nan")),
    "utils.box_refinement_graph": tensors(utils.box_refinement_graph),
    "model.trim_zeros_graph": tensors(modellib.trim_zeros_graph),
    "model.norm_boxes_graph": tensors(modellib.norm_boxes_graph),
    "model.denorm_boxes_graph": tensors(modellib.denorm_boxes_graph),
    "model.batch_pack_graph": pack,
    "model.refine_detections_graph": configured(modellib.refine_detections_graph),
    "model.smooth_l1_loss": tensors(modellib.smooth_l1_loss),
    "model.rpn_class_loss_graph": tensors(modellib.rpn_class_loss_graph),
    "model.rpn_bbox_loss_graph": lambda case, *args: modellib.rpn_bbox_loss_graph(config_of(case), *args),
    "model.mrcnn_class_loss_graph": tensors(modellib.mrcnn_class_loss_graph, original_behaviour=True),
    "model.mrcnn_bbox_loss_graph": tensors(modellib.mrcnn_bbox_loss_graph),
    "model.mrcnn_mask_loss_graph": tensors(modellib.mrcnn_mask_loss_graph),
    "model.PyramidROIAlign": align,
    "model.ProposalLayer": propose,
    "model.DetectionTargetLayer": lambda case, *args: modellib.DetectionTargetLayer(config_of(case)).call(list(args)),
    "model.DetectionLayer": lambda case, *args: modellib.DetectionLayer(config_of(case)).call(list(args)),
    "model.MaskRCNN.unmold_detections": unmold,
}

CASES = [case for case in described_cases() if case["function"] in FUNCTIONS]
pytestmark = pytest.mark.skipif(not CASES, reason=f"no functions.json in {FOLDER}; set MRCNN_REFERENCE")
each_case = pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])


def cases_of(*functions):
    chosen = [case for case in CASES if case["function"] in functions and not case["raises"]]
    return pytest.mark.parametrize("case", chosen, ids=[case["id"] for case in chosen])


@pytest.fixture(scope="module")
def arrays():
    with np.load(FOLDER / "functions.npz") as file:
        return dict(file)


def value_of(described, arrays):
    if "array" in described:
        return arrays[described["array"]]
    if "list" in described:
        return [value_of(item, arrays) for item in described["list"]]
    return described["value"]


def arguments_of(case, arrays):
    return {name: value_of(described, arrays) for name, described in case["args"].items()}


def as_list(result):
    return [ops.convert_to_numpy(part) for part in (result if isinstance(result, (list, tuple)) else [result])]


def run(case, arguments):
    """The function's results as arrays; lists are of tensors, so that they are not taken for one array."""
    if case["function"] == "model.MaskRCNN.unmold_detections":
        return as_list(unmold(case, *arguments.values()))
    as_tensors = [[ops.convert_to_tensor(v) for v in a] if isinstance(a, list) else ops.convert_to_tensor(a) for a in arguments.values()]
    return as_list(FUNCTIONS[case["function"]](case, *as_tensors))


@each_case
def test_the_result_is_the_originals(case, arrays):
    assert not case["raises"], "no failure of the original is recorded for these functions: decide what is right"
    arguments = arguments_of(case, arrays)
    results = run(case, arguments)
    expected = [value_of(described, arrays) for described in case["outputs"]]
    COMPARISONS.get(case["function"], compare)(case, SimpleNamespace(**arguments), results, expected)


# --- Comparisons: the plain one, and those that name a deviation.


def compare(case, arguments, results, expected):
    assert len(results) == len(expected)
    for got, right in zip(results, expected, strict=True):
        assert got.shape == right.shape
        assert got.dtype == right.dtype
        if right.dtype.kind == "f":
            np.testing.assert_allclose(got, right, **TOLERANCE)
        else:
            np.testing.assert_array_equal(got, right)


def compare_class_loss(case, arguments, results, expected):
    """Deviation of mrcnn_class_loss_graph where no roi's predicted class is active: 0 instead of nan."""
    predicted = arguments.pred_class_logits.argmax(axis=-1)
    if not arguments.active_class_ids[0][predicted].any():
        expected = [np.zeros((), np.float32)]
    compare(case, arguments, results, expected)


def compare_pooled(case, arguments, results, expected):
    """Deviation of PyramidROIAlign for a box that ends on the far border: its last samples are the border's, never 0 by rounding.

    On TensorFlow such a box is drawn in by 1.2e-7 of the image's side to that end, which moves its other samples by up to 1.3e-5 cells of the
    finest map here.
    """
    got, right = results[0].copy(), expected[0].copy()
    touching = np.abs(arguments.boxes[..., 2:] - 1.0) < 1e-6  # [B, R, (y2, x2)]
    for pooled in (got, right):
        pooled[touching[..., 0], -1] = 0.0
        pooled[touching[..., 1], :, -1] = 0.0
    touching = touching.any(axis=-1)
    np.testing.assert_allclose(got[touching], right[touching], rtol=1e-5, atol=5e-5)
    compare(case, arguments, [got[~touching]], [right[~touching]])


def compare_targets(case, arguments, results, expected):
    """The order of positives and of negatives is random: both sides are sorted by roi."""
    compare(case, arguments, sorted_rows(results), sorted_rows(expected))


def sorted_rows(targets):
    rois, class_ids, deltas, masks = (part[0] for part in targets)
    kind = np.where(class_ids > 0, 0, np.where(rois.any(axis=1), 1, 2))
    order = np.lexsort((*rois.T[::-1], kind))
    assert (np.diff(kind) >= 0).all(), "positives come first, then negatives, then zero rows"
    return [part[order] for part in (rois, class_ids, deltas, masks)]


def compare_unmolded(case, arguments, results, expected):
    """Deviation of unmold_detections without detections: masks are bool as always, not float64."""
    if not (arguments.detections[:, 4] != 0).any():
        expected = [*expected[:3], expected[3].astype(bool)]
    compare(case, arguments, results, expected)


COMPARISONS = {
    "model.mrcnn_class_loss_graph": compare_class_loss,
    "model.PyramidROIAlign": compare_pooled,
    "model.DetectionTargetLayer": compare_targets,
    "model.MaskRCNN.unmold_detections": compare_unmolded,
}


# --- Corrections that have a way back, which the test above takes: here the default.


@cases_of("model.overlaps_graph")
def test_overlaps_of_boxes_without_area_are_0_by_default(case, arrays):
    got = ops.convert_to_numpy(modellib.overlaps_graph(*arguments_of(case, arrays).values()))
    np.testing.assert_allclose(got, np.nan_to_num(value_of(case["outputs"][0], arrays)), **TOLERANCE)


@cases_of("model.mrcnn_class_loss_graph")
def test_the_class_loss_takes_each_images_own_active_classes_by_default(case, arrays):
    arguments = arguments_of(case, arrays)
    ids, logits, active = arguments.values()
    logits = logits.astype(np.float64)
    entropy = np.log(np.exp(logits).sum(axis=-1)) - np.take_along_axis(logits, ids[..., None], axis=-1)[..., 0]
    counts = np.take_along_axis(active, logits.argmax(axis=-1), axis=1)
    expected = (entropy * counts).sum() / max(counts.sum(), 1)
    np.testing.assert_allclose(modellib.mrcnn_class_loss_graph(*arguments.values()), expected, rtol=1e-5)


@cases_of("model.DetectionTargetLayer")
def test_negatives_fill_the_rois_by_default(case, arrays):
    config = config_of(case)
    config.ROI_NEGATIVES_FILL = True
    arguments = arguments_of(case, arrays)
    rois, class_ids, *_ = as_list(modellib.DetectionTargetLayer(config).call([ops.convert_to_tensor(a) for a in arguments.values()]))
    original = value_of(case["outputs"][1], arrays)
    assert (class_ids > 0).sum() == (original > 0).sum()
    negatives = rois[0].any(axis=1) & (class_ids[0] == 0)
    assert negatives.sum() >= (value_of(case["outputs"][0], arrays)[0].any(axis=1) & (original[0] == 0)).sum()
    assert negatives.any()


@cases_of("model.DetectionTargetLayer")
def test_detection_targets_graph_is_the_layer_on_one_image(case, arrays):
    arguments = [ops.convert_to_tensor(argument) for argument in arguments_of(case, arrays).values()]
    config = config_of(case)
    layer = as_list(modellib.DetectionTargetLayer(config)(arguments))
    graph = as_list(modellib.detection_targets_graph(*[argument[0] for argument in arguments], config))
    for one, batch in zip(graph, layer, strict=True):
        np.testing.assert_array_equal(one, batch[0])


# --- Nothing is left out.


def test_the_three_files_cover_every_recorded_function():
    files = ("test_reference_functions_numpy", "test_reference_functions_evaluation", "test_reference_functions_graph")
    covered = set().union(*(importlib.import_module(name).FUNCTIONS for name in files))
    assert {case["function"] for case in described_cases()} <= covered
