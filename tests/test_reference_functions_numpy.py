"""The NumPy functions against the original's recorded results: every case of functions.json whose function is in
FUNCTIONS.

The cases come from the folder MRCNN_REFERENCE; other cases of the same form may lie there, so nothing here knows a case
by its id. Where a function corrects the original, its entry in CORRECTED names the condition and says what is right; a
recorded failure without such an entry fails the test. Tolerances are those of the reference's README: whole numbers and
masks exact, floats 1e-6 relative, resized images ±1 on at most 5 % of the values.
"""

import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
from reference_cases import GOLDEN, REFERENCE

from mrcnn.config import Config
from mrcnn.data import augment, images, rpn_targets, samples
from mrcnn.data.dataset import Dataset
from mrcnn.ops import anchors, boxes, masks, paste

FOLDER = next((folder for folder in (REFERENCE, GOLDEN) if (folder / "functions.json").is_file()), REFERENCE)


class ToyDataset(Dataset):
    """The dataset that load_image_gt's cases describe: one image, four classes of two sources."""

    def __init__(self, image=None, mask=None, class_ids=None):
        super().__init__()
        self.image, self.mask, self.instance_ids = image, mask, class_ids
        for source, class_id in (("toy", 1), ("other", 2), ("toy", 3), ("other", 4)):
            self.add_class(source, class_id, f"class{class_id}")
        self.add_image("toy", 0, path=None)
        self.prepare()

    def load_image(self, image_id):
        return self.image

    def load_mask(self, image_id):
        return self.mask, self.instance_ids


def load_image_gt(case, image, mask, class_ids):
    augmenter = None
    if case.get("augmentation"):
        try:
            augmenter = eval(case["augmentation"], vars(augment.import_imgaug().augmenters))
        except ImportError as error:
            pytest.skip(str(error))
    dataset = ToyDataset(image, mask, class_ids)
    return tuple(samples.load(dataset, config_of(case), 0, augmentation=augmenter, use_mini_mask=case["use_mini_mask"]))


def build_rpn_targets(case, image_shape, anchors, gt_class_ids, gt_boxes):
    config = config_of(case)
    return rpn_targets.build(
        anchors,
        gt_class_ids,
        gt_boxes,
        num_anchors=config.RPN_TRAIN_ANCHORS_PER_IMAGE,
        std_dev=config.RPN_BBOX_STD_DEV,
        forced_match_own_box=config.RPN_FORCED_MATCH_OWN_BOX,
        ignore_zero_overlap=config.RPN_IGNORE_ZERO_OVERLAP,
        crowd_overlap=config.CROWD_OVERLAP,
        rng=np.random.default_rng(0),
    )


def dataset_attributes(case):
    dataset = ToyDataset()
    attributes = {name: getattr(dataset, name) for name in case["attributes"] if name != "sources_sorted"}
    return {**attributes, "sources_sorted": sorted(dataset.sources)}


def plain(function):
    """For functions that need nothing of a case but its arguments."""
    return lambda case, **arguments: function(*arguments.values())


def with_mean(function):
    return lambda case, **arguments: function(*arguments.values(), config_of(case).MEAN_PIXEL)


FUNCTIONS = {
    "utils.compute_iou": plain(lambda *args: boxes.iou_with_one(*args, undefined=np.nan)),
    "utils.compute_overlaps": plain(lambda *args: boxes.iou(*args, undefined=np.nan)),
    "utils.compute_overlaps_masks": plain(lambda *args: masks.overlaps(*args, undefined=np.nan)),
    "utils.non_max_suppression": plain(boxes.non_max_suppression),
    "utils.apply_box_deltas": plain(boxes.decode),
    "utils.box_refinement": plain(boxes.encode),
    "utils.norm_boxes": plain(boxes.normalize),
    "utils.denorm_boxes": plain(boxes.denormalize),
    "utils.trim_zeros": plain(boxes.trim_zeros),
    "utils.extract_bboxes": plain(boxes.from_masks),
    "utils.resize_image": plain(lambda *args: tuple(images.resize(*args))),
    "utils.resize_mask": plain(masks.resize_mask),
    "utils.minimize_mask": plain(masks.minimize),
    "utils.expand_mask": plain(masks.expand),
    "utils.unmold_mask": plain(paste.plane),
    "utils.generate_anchors": plain(anchors.generate),
    "utils.generate_pyramid_anchors": plain(anchors.generate_pyramid),
    "utils.Dataset": dataset_attributes,
    "model.compute_backbone_shapes": lambda case, image_shape: anchors.feature_shapes(
        image_shape, config_of(case).BACKBONE_STRIDES
    ),
    "model.compose_image_meta": plain(images.compose_meta),
    "model.parse_image_meta": plain(images.parse_meta),
    "model.mold_image": with_mean(images.mold),
    "model.unmold_image": with_mean(lambda *args: images.unmold(*args, rounding=False)),
    "model.load_image_gt": load_image_gt,
    "model.build_rpn_targets": build_rpn_targets,
}

# Tested elsewhere: evaluation, and what runs in the graph.
ELSEWHERE = ("utils.compute_matches", "utils.compute_ap", "utils.compute_ap_range", "utils.compute_recall")


def load_cases():
    if not (FOLDER / "functions.json").is_file():
        return []
    return [
        case for case in json.loads((FOLDER / "functions.json").read_text())["cases"] if case["function"] in FUNCTIONS
    ]


CASES = load_cases()
pytestmark = pytest.mark.skipif(not CASES, reason=f"no functions.json in {FOLDER}; set MRCNN_REFERENCE")
each_case = pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])


@pytest.fixture(scope="module")
def arrays():
    with np.load(FOLDER / "functions.npz") as file:
        return dict(file)


def value_of(described, arrays):
    if "array" in described:
        return arrays[described["array"]]
    if "dict" in described:
        return {name: value_of(item, arrays) for name, item in described["dict"].items()}
    if "list" in described:
        return [value_of(item, arrays) for item in described["list"]]
    return described["value"]


def config_of(case):
    return type("CaseConfig", (Config,), case["config"] or {})().original_behaviour()


def run(case, arrays):
    if case.get("before"):
        exec(case["before"], {"random": random, "np": np})
    arguments = {name: value_of(described, arrays) for name, described in case["args"].items()}
    return arguments, FUNCTIONS[case["function"]](case, **arguments)


# --- What is right where the original fails: function -> (condition, expected value). Each takes the case's arguments.


def without_boxes(boxes, **_):
    return len(boxes) == 0


def not_a_table(x):
    return x.ndim != 2


def impossible_size(mode, min_dim, **_):
    return mode not in images.RESIZE_MODES or (mode == "pad64" and (min_dim is None or min_dim % 64 != 0))


def a_box_without_area(bbox, **_):
    return bool((boxes.area(np.atleast_2d(bbox)) == 0).any())


def minimized_one_by_one(bbox, mask, mini_shape):
    expected = np.zeros((*mini_shape, len(bbox)), bool)
    for i in np.flatnonzero(boxes.area(bbox)):
        expected[..., i] = masks.minimize(bbox[i : i + 1], mask[..., i : i + 1], mini_shape)[..., 0]
    return expected


def off_the_image(bbox, image_shape, **_):
    return bool((boxes.clip(bbox, (0, 0, *image_shape[:2])) != bbox).any()) or a_box_without_area(bbox)


def pasted_on_a_larger_canvas(mask, bbox, image_shape):
    if boxes.area(bbox) <= 0:
        return np.zeros(image_shape[:2], bool)
    margin = int(np.abs(bbox).max())
    canvas = paste.plane(mask, bbox + margin, [side + 3 * margin for side in image_shape[:2]])
    return canvas[margin : margin + image_shape[0], margin : margin + image_shape[1]]


def without_instances(gt_class_ids, **_):
    return not (gt_class_ids >= 0).any()


def all_negative(anchors, image_shape, gt_class_ids, gt_boxes):
    if len(gt_class_ids):
        anchors = anchors[(boxes.iou(anchors, gt_boxes).max(axis=1) < 0.001)]
    return (np.full(len(anchors), -1), None)


CORRECTED = {
    "utils.non_max_suppression": (without_boxes, lambda **_: np.zeros(0, np.int32)),
    "utils.trim_zeros": (not_a_table, ValueError),
    "utils.resize_image": (impossible_size, ValueError),
    "utils.minimize_mask": (a_box_without_area, minimized_one_by_one),
    "utils.unmold_mask": (off_the_image, pasted_on_a_larger_canvas),
    "model.build_rpn_targets": (without_instances, all_negative),
}


@each_case
def test_the_result_is_the_originals_or_the_corrected_one(case, arrays):
    if case["raises"]:
        condition, expected = CORRECTED[case["function"]]
        arguments = {name: value_of(described, arrays) for name, described in case["args"].items()}
        assert condition(**arguments), "the original fails here for a reason that is not listed"
        if isinstance(expected, type):
            with pytest.raises(expected):
                run(case, arrays)
            return
        result, expected = run(case, arrays)[1], expected(**arguments)
        for got, right in zip(as_list(result), as_list(expected), strict=True):
            if right is not None:
                np.testing.assert_array_equal(got, right)
        return
    arguments, result = run(case, arrays)
    if "attributes" in case:
        assert_equal(result, case["attributes"])
        return
    results = as_list(result)
    expected = [value_of(described, arrays) for described in case["outputs"]]
    assert len(results) == len(expected)
    compare = COMPARISONS.get(case["function"], compare_all)
    compare(case, arguments, results, expected)


def as_list(result):
    return list(result) if isinstance(result, tuple) else [result]


def compare_all(case, arguments, results, expected):
    for got, right in zip(results, expected, strict=True):
        assert_equal(got, right)


def compare_empty_overlaps(case, arguments, results, expected):
    """Deviation of compute_overlaps_masks where one side has no masks: float32 as everywhere, not float64."""
    if not expected[0].size:
        expected = [expected[0].astype(np.float32)]
    compare_all(case, arguments, results, expected)


def assert_equal_but_at_one_half(got, right, values):
    """Deviation of minimize_mask and expand_mask where the interpolated value is exactly ½: background, half to even.

    The original rounds likewise, but the last bits of its coordinates come out of a singular value decomposition, so
    that ½ falls either way. `values` are the interpolated ones before rounding.
    """
    assert got.dtype == right.dtype and got.shape == right.shape
    different = got != right
    np.testing.assert_allclose(values[different], 0.5, atol=1e-6)
    assert not got[different].any()


def interpolated(mask_stack, bbox, mini_shape):
    """Mini-masks before rounding."""
    parts = [mask_stack[y1:y2, x1:x2, i].astype(np.float64) for i, (y1, x1, y2, x2) in enumerate(bbox)]
    return np.stack([masks.resize_bilinear(part, mini_shape) for part in parts], axis=-1)


def compare_minimized(case, arguments, results, expected):
    if not len(arguments["bbox"]):
        return compare_all(case, arguments, results, expected)
    values = interpolated(arguments["mask"], arguments["bbox"], arguments["mini_shape"])
    assert_equal_but_at_one_half(results[0], expected[0], values)


def compare_expanded(case, arguments, results, expected):
    values = np.zeros(expected[0].shape)
    for i, (y1, x1, y2, x2) in enumerate(arguments["bbox"]):
        mini = arguments["mini_mask"][..., i].astype(np.float64)
        values[y1:y2, x1:x2, i] = masks.resize_bilinear(mini, (y2 - y1, x2 - x1))
    assert_equal_but_at_one_half(results[0], expected[0], values)


def compare_resized(case, arguments, results, expected):
    assert_image_close(results[0], expected[0])
    compare_all(case, arguments, results[1:], expected[1:])


def compare_loaded(case, arguments, results, expected):
    assert_image_close(results[0], expected[0])
    compare_all(case, arguments, results[1:4], expected[1:4])
    if not case["use_mini_mask"]:
        return compare_all(case, arguments, results[4:], expected[4:])
    full = {**case, "use_mini_mask": False}
    if case.get("before"):
        exec(case["before"], {"random": random, "np": np})
    full_masks = FUNCTIONS[case["function"]](full, **arguments)[4]
    values = interpolated(full_masks, results[3], results[4].shape[:2])
    assert_equal_but_at_one_half(results[4], expected[4], values)


def compare_targets(case, arguments, results, expected):
    """Only the first rows of rpn_bbox are stored, the others are zero. Here they are float32, as fed."""
    (match, deltas), (right_match, right_deltas) = results, expected
    assert_equal(match, right_match)
    assert deltas.shape == (config_of(case).RPN_TRAIN_ANCHORS_PER_IMAGE, 4)
    assert not deltas[len(right_deltas) :].any()
    assert_equal(deltas[: len(right_deltas)].astype(right_deltas.dtype), right_deltas)


COMPARISONS = {
    "utils.compute_overlaps_masks": compare_empty_overlaps,
    "utils.minimize_mask": compare_minimized,
    "utils.expand_mask": compare_expanded,
    "utils.resize_image": compare_resized,
    "model.load_image_gt": compare_loaded,
    "model.build_rpn_targets": compare_targets,
}


def assert_image_close(image, expected):
    """Within 1 on at most 5 % of the values; borders included, though the tolerance would spare them."""
    assert image.dtype == expected.dtype and image.shape == expected.shape
    difference = np.abs(image.astype(np.float64) - expected)
    if image.dtype.kind == "f":
        assert difference.max() <= 1e-3
    else:
        assert difference.max() <= 1
        assert np.count_nonzero(difference) <= 0.05 * difference.size


def assert_equal(got, expected):
    if isinstance(expected, dict):
        assert set(got) == set(expected)
        for name in expected:
            assert_equal(got[name], expected[name])
    elif isinstance(expected, np.ndarray):
        assert got.dtype == expected.dtype and got.shape == expected.shape
        if expected.dtype.kind == "f":
            # Relative to the row's largest value: a coordinate near 0 is a difference of large ones.
            scale = np.nanmax(np.abs(expected[np.isfinite(expected)]), initial=0.0)
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7 * scale, equal_nan=True)
        else:
            np.testing.assert_array_equal(got, expected)
    else:
        assert json.loads(json.dumps(got, default=lambda value: value.tolist())) == expected


# --- Corrections that have a way back, which the test above takes: here the default.


def cases_of(*functions):
    chosen = [case for case in CASES if case["function"] in functions and not case["raises"]]
    return pytest.mark.parametrize("case", chosen, ids=[case["id"] for case in chosen])


@cases_of("utils.compute_iou", "utils.compute_overlaps", "utils.compute_overlaps_masks")
def test_an_empty_union_has_iou_0_by_default(case, arrays):
    function = {
        "compute_iou": boxes.iou_with_one,
        "compute_overlaps": boxes.iou,
        "compute_overlaps_masks": masks.overlaps,
    }
    arguments = [value_of(described, arrays) for described in case["args"].values()]
    expected = np.nan_to_num(value_of(case["outputs"][0], arrays))
    np.testing.assert_allclose(function[case["function"].split(".")[1]](*arguments), expected, rtol=1e-6)


@cases_of("model.unmold_image")
def test_unmold_rounds_by_default(case, arrays):
    (molded,) = (value_of(described, arrays) for described in case["args"].values())
    mean = config_of(case).MEAN_PIXEL
    expected = np.clip(np.rint(molded.astype(np.float64) + mean), 0, 255)
    np.testing.assert_array_equal(images.unmold(molded, mean), expected)


@cases_of("model.build_rpn_targets")
def test_the_corrected_labels_are_the_originals_where_each_box_overlaps_an_anchor(case, arrays):
    arguments = SimpleNamespace(**{name: value_of(described, arrays) for name, described in case["args"].items()})
    kwargs = {"num_anchors": config_of(case).RPN_TRAIN_ANCHORS_PER_IMAGE, "std_dev": config_of(case).RPN_BBOX_STD_DEV}
    kwargs |= {"rng": np.random.default_rng(0), "crowd_overlap": "iou"}
    match, _ = rpn_targets.build(arguments.anchors, arguments.gt_class_ids, arguments.gt_boxes, **kwargs)
    targets = arguments.gt_boxes[arguments.gt_class_ids >= 0]
    if (boxes.iou(arguments.anchors, targets).max(axis=0) > 0).all():
        np.testing.assert_array_equal(match, value_of(case["outputs"][0], arrays))


def test_every_recorded_function_has_its_place():
    described = json.loads((FOLDER / "functions.json").read_text())["cases"]
    left = {case["function"] for case in described} - set(FUNCTIONS) - set(ELSEWHERE)
    graph = {name for name in left if name.endswith(("_graph", "Layer", "smooth_l1_loss", "PyramidROIAlign"))}
    assert left - graph <= {"model.MaskRCNN.unmold_detections"}
