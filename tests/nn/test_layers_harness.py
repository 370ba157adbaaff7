"""One harness over every layer class of the network: configuration, static shapes, gradient, mixed precision, saving."""

import inspect

import keras
import numpy as np
import pytest
from backend_tools import TENSORFLOW, arrays, compiled, gradient
from keras import ops

import mrcnn.build
from mrcnn.nn import attribute_head, detections, layers, losses, mask_head, norm, roi_align, rpn, targets

portable = pytest.mark.portable

K, R, N, META = 4, 6, 3, 16


def boxes(rng, *shape):
    corners = rng.random((*shape, 2)) * 0.5
    return np.concatenate([corners, corners + 0.1 + rng.random((*shape, 2)) * 0.4], axis=-1).astype("float32")


def meta(batch):
    return np.tile(np.float32([0, 64, 64, 3, 64, 64, 3, 0, 0, 64, 64, 1] + [1] * K), (batch, 1))


def normal(rng, *shape):
    return rng.standard_normal(shape).astype("float32")


def probabilities(rng, *shape):
    values = rng.random(shape) + 0.05
    return (values / values.sum(-1, keepdims=True)).astype("float32")


def pyramid(rng, batch):
    return [normal(rng, batch, side, side, 5) for side in (16, 8, 4, 2)]


class Case:
    """A layer, its inputs for a batch, and which inputs (by position) a gradient must reach, and which it must not."""

    def __init__(self, make, inputs, flows=(), box_layer=True, several=True, stopped=()):
        self.make, self.inputs, self.box_layer, self.several = make, inputs, box_layer, several
        self.flows, self.stopped = flows, stopped

    def values(self, batch=2):
        return self.inputs(np.random.default_rng(0), batch)

    def call(self, layer, tensors):
        return layer(list(tensors) if self.several else tensors[0])

    def result(self, layer, tensors):
        """Results of a real call, a list; as one program where that is how the backend runs."""
        self.call(layer, [keras.KerasTensor(t.shape, keras.backend.standardize_dtype(t.dtype)) for t in tensors])  # built
        if layer.weights:
            return flat(self.call(layer, tensors))
        return flat(compiled(lambda *t: self.call(layer, t))(*tensors))


MATCH = np.int32([1, -1, 0, 1, 0, -1, -1, 0])[:, None]
CLASS_IDS = np.int32([2, 1, 0, 3, 0, 0])
CASES = {
    "BatchNorm": Case(lambda: layers.BatchNorm(train_bn=True), lambda r, b: [normal(r, b, 4, 4, 5)], [0], False, False),
    "GroupNorm": Case(norm.GroupNorm, lambda r, b: [normal(r, b, 4, 4, 6)], [0], False, False),
    "GroupNorm_rois": Case(lambda: norm.GroupNorm(3), lambda r, b: [normal(r, b, R, 4, 4, 6)], [0], False, False),
    "FoldingConv2D": Case(lambda: layers.FoldingConv2D(7, 3, padding="same"), lambda r, b: [normal(r, b, 4, 4, 5)], [0], False, False),
    "RoiConv2D": Case(lambda: layers.RoiConv2D(7, 3, padding="same"), lambda r, b: [normal(r, b, R, 4, 4, 5)], [0], False, False),
    "RoiConv2DTranspose": Case(
        lambda: layers.RoiConv2DTranspose(7, 2, strides=2), lambda r, b: [normal(r, b, R, 4, 4, 5)], [0], False, False
    ),
    "AnchorsLayer": Case(
        lambda: rpn.AnchorsLayer((8, 16, 32, 64), [0.5, 1, 2], [4, 8, 16, 32], 2), lambda r, b: [normal(r, b, 64, 64, 3), *pyramid(r, b)]
    ),
    "ProposalLayer": Case(
        lambda: rpn.ProposalLayer(R, 0.7, pre_nms_limit=20, max_log=4.0),
        lambda r, b: [probabilities(r, b, 30, 2), normal(r, b, 30, 4), boxes(r, b, 30)],
        [1, 2],
    ),
    "PyramidROIAlign": Case(
        lambda: roi_align.PyramidROIAlign((3, 2)), lambda r, b: [boxes(r, b, R), meta(b), *pyramid(r, b)], [2], box_layer=False, stopped=[0]
    ),
    "PyramidROIAlign_aligned": Case(
        lambda: roi_align.PyramidROIAlign((3, 2), "aligned"), lambda r, b: [boxes(r, b, R), meta(b), *pyramid(r, b)], [2],
        box_layer=False, stopped=[0]
    ),
    "DetectionTargets": Case(
        lambda: targets.DetectionTargets(R, 0.5, (4, 4), [0.1, 0.1, 0.2, 0.2], True, stop_gradient=False),
        lambda r, b: [boxes(r, b, 12), np.tile(np.int32([1, 3, 0]), (b, 1)), boxes(r, b, 12)[:, :N], r.random((b, 8, 8, N)) < 0.5],
        [0],
    ),
    "DetectionTargets_stopped": Case(
        lambda: targets.DetectionTargets(R, 0.5, (4, 4), [0.1, 0.1, 0.2, 0.2], False),
        lambda r, b: [boxes(r, b, 12), np.tile(np.int32([1, 3, 0]), (b, 1)), boxes(r, b, N), r.random((b, 64, 32, N)) < 0.5],
        stopped=[0],
    ),
    "DetectionLayer": Case(
        lambda: detections.DetectionLayer(5, 0.0, 0.5, max_log=4.0),
        lambda r, b: [boxes(r, b, R), probabilities(r, b, R, K), normal(r, b, R, K, 4), meta(b)],
        [0, 1, 2],
    ),
    "DetectionLayer_soft": Case(
        lambda: detections.DetectionLayer(5, 0.0, 0.5, max_log=4.0, nms_method="gaussian", nms_per_class=False),
        lambda r, b: [boxes(r, b, R), probabilities(r, b, R, K), normal(r, b, R, K, 4), meta(b)],
        [0, 1, 2],
    ),
    "DetectionTargets_attributes": Case(
        lambda: targets.DetectionTargets(R, 0.5, (4, 4), [0.1, 0.1, 0.2, 0.2], False),
        lambda r, b: [
            boxes(r, b, 12), np.tile(np.int32([1, 3, 0]), (b, 1)), boxes(r, b, N), r.random((b, 64, 32, N)) < 0.5,
            r.integers(-1, 2, (b, N, 5)).astype("int8"),
        ],
        stopped=[0],
    ),
    "DetectionLayer_attributes": Case(
        lambda: detections.DetectionLayer(5, 0.0, 0.5, max_log=4.0),
        lambda r, b: [boxes(r, b, R), probabilities(r, b, R, K), normal(r, b, R, K, 4), meta(b), normal(r, b, R, 7)],
        [0, 1, 2, 4],
    ),
    "MrcnnAttributeLoss": Case(
        attribute_head.MrcnnAttributeLoss, lambda r, b: [r.integers(-1, 2, (b, R, 5)).astype("float32"), normal(r, b, R, 5)], [1]
    ),
    "UsedRows": Case(
        mask_head.UsedRows, lambda r, b: [normal(r, b, 20, 2, 2, 3), np.tile(np.int32([2] * 9 + [0] * 11), (b, 1))], [0], box_layer=False
    ),
    "MaskConv2D": Case(lambda: mask_head.MaskConv2D(7, 1, rows=R), lambda r, b: [normal(r, b, 2, 4, 4, 5)], [0], False, False),
    "RpnClassLoss": Case(losses.RpnClassLoss, lambda r, b: [np.tile(MATCH, (b, 1, 1)), normal(r, b, 8, 2)], [1]),
    "RpnClassLoss_focal": Case(lambda: losses.RpnClassLoss(2.0, 0.25), lambda r, b: [np.tile(MATCH, (b, 1, 1)), normal(r, b, 8, 2)], [1]),
    "RpnBboxLoss": Case(losses.RpnBboxLoss, lambda r, b: [normal(r, b, 4, 4), np.tile(MATCH, (b, 1, 1)), normal(r, b, 8, 4)], [2]),
    "MrcnnClassLoss": Case(
        lambda: losses.MrcnnClassLoss(False, False), lambda r, b: [np.tile(CLASS_IDS, (b, 1)), normal(r, b, R, K), meta(b), boxes(r, b, R)], [1]
    ),
    "MrcnnClassLoss_weighted": Case(
        lambda: losses.MrcnnClassLoss(class_weights=[1, 2, 3, 4]),
        lambda r, b: [np.tile(CLASS_IDS, (b, 1)), normal(r, b, R, K), meta(b), boxes(r, b, R)],
        [1],
    ),
    "MrcnnBboxLoss": Case(losses.MrcnnBboxLoss, lambda r, b: [normal(r, b, R, 4), np.tile(CLASS_IDS, (b, 1)), normal(r, b, R, K, 4)], [2]),
    "MrcnnMaskLoss": Case(
        losses.MrcnnMaskLoss,
        lambda r, b: [np.float32(r.random((b, 3, 4, 4)) < 0.5), np.tile(CLASS_IDS, (b, 1)), r.random((b, 3, 4, 4, K)).astype("float32")],
        [2],
    ),
    "NormalizeBoxes": Case(mrcnn.build.NormalizeBoxes, lambda r, b: [boxes(r, b, R) * 60, normal(r, b, 64, 32, 3)]),
}

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def tensors(case, batch=2):
    return [ops.convert_to_tensor(v) for v in case.values(batch)]


def model_of(case):
    inputs = [keras.Input(v.shape[1:], dtype=str(v.dtype)) for v in case.values()]
    return keras.Model(inputs, case.call(case.make(), inputs))


def flat(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


def test_every_layer_class_has_a_case():
    defined = {
        name
        for module in (attribute_head, detections, layers, losses, mask_head, norm, roi_align, rpn, targets, mrcnn.build)
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, keras.layers.Layer) and value.__module__ == module.__name__
    }
    assert {n for n in defined if not n.startswith("_")} - {"BoxLayer"} == {n.split("_")[0] for n in CASES}


@each_case
def test_configuration_makes_the_same_layer_again(case):
    layer = case.make()
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    arguments = [n for c in type(layer).__mro__[:1] for n in inspect.signature(c.__init__).parameters if n not in ("self", "args", "kwargs")]
    assert set(arguments) <= set(layer.get_config())  # each argument is kept under its own name
    if not isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose)):  # no random weights
        for a, b in zip(arrays(case.result(layer, tensors(case))), arrays(case.result(copy, tensors(case))), strict=True):
            np.testing.assert_array_equal(a, b)


@portable
@each_case
def test_symbolic_shape_and_dtype_are_those_of_a_real_call(case):
    layer = case.make()
    real = case.result(layer, tensors(case))
    symbolic = flat(case.call(layer, [keras.KerasTensor(v.shape, str(v.dtype)) for v in case.values()]))
    known = [tuple(n and m for n, m in zip(s.shape, r.shape, strict=True)) for s, r in zip(symbolic, real, strict=True)]
    assert [tuple(s.shape) for s in symbolic] == known  # None stands for a size that the values decide
    assert [s.dtype for s in symbolic] == [keras.backend.standardize_dtype(r.dtype) for r in real]
    open_batch = flat(case.call(layer, [keras.KerasTensor((None, *v.shape[1:]), str(v.dtype)) for v in case.values()]))
    assert [tuple(s.shape[1:]) for s in open_batch] == [shape[1:] for shape in known]


@portable
@each_case
def test_gradient_is_finite_and_flows_where_it_should(case):
    layer, values = case.make(), case.values()
    fixed = tensors(case)
    case.call(layer, [keras.KerasTensor(v.shape, str(v.dtype)) for v in values])  # built
    places = [i for i, v in enumerate(values) if v.dtype == np.float32]

    def total(*chosen):
        filled = list(fixed)
        for place, value in zip(places, chosen, strict=True):
            filled[place] = value
        results = [ops.cast(r, "float32") for r in flat(case.call(layer, filled))]
        return sum(ops.sum(r * ops.cos(ops.cast(ops.reshape(ops.arange(int(np.prod(r.shape))), r.shape), "float32"))) for r in results)

    found = gradient(total, *[values[i] for i in places])
    for place, value in zip(places, found, strict=True):
        assert np.isfinite(value).all()
        assert value.any() or place not in case.flows, f"no gradient reaches input {place}"
        assert not value.any() or place not in case.stopped, f"a gradient reaches input {place}"


@each_case
def test_mixed_precision_runs_and_keeps_boxes_in_float32(case):
    exact = None if case.make().weights else arrays(case.result(case.make(), tensors(case)))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = case.make()
        half = [ops.cast(t, "bfloat16") if not case.box_layer and t.ndim > 3 else t for t in tensors(case)]
        result = case.result(layer, half)
    finally:
        keras.config.set_dtype_policy(before)
    if case.box_layer:
        assert layer.compute_dtype == "float32"
        assert all(keras.backend.standardize_dtype(r.dtype) in ("float32", "int32") for r in result)
        for a, b in zip(arrays(result), exact, strict=True):
            np.testing.assert_array_equal(a, b)
    else:
        assert all(keras.backend.standardize_dtype(r.dtype) == "bfloat16" for r in result)
        assert all(np.isfinite(arrays(ops.cast(r, "float32"))).all() for r in result)


@each_case
def test_a_saved_model_gives_the_same_after_loading(case, tmp_path):
    model = model_of(case)
    for weight in model.trainable_weights:
        weight.assign(keras.random.normal(weight.shape, seed=1))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for a, b in zip(flat(arrays(model(tensors(case)))), flat(arrays(loaded(tensors(case)))), strict=True):
        np.testing.assert_array_equal(a, b)


MIXES_IMAGES = ("Loss", "BatchNorm", "DetectionTargets")  # by a mean, batch statistics, random numbers


@portable
@pytest.mark.parametrize("case", [pytest.param(c, id=n) for n, c in CASES.items() if not any(m in n for m in MIXES_IMAGES)])
def test_two_images_give_what_each_gives_alone(case):
    layer, values = case.make(), case.values()
    both = arrays(case.result(layer, tensors(case)))
    for i in range(2):
        alone = arrays(case.result(layer, [ops.convert_to_tensor(v[i : i + 1]) for v in values]))
        for a, b in zip(alone, both, strict=True):
            np.testing.assert_allclose(a[0], b[i], atol=1e-6)


@pytest.mark.skipif(not TENSORFLOW, reason="graphs are TensorFlow's")
@each_case
def test_in_a_graph_it_gives_what_it_gives_eagerly(case):
    import tensorflow as tf

    layer = case.make()
    eager = flat(arrays(case.call(layer, tensors(case))))
    signature = [tf.TensorSpec((None, *v.shape[1:]), v.dtype) for v in case.values()]
    graph = tf.function(lambda *t: case.call(layer, t), input_signature=signature)
    for a, b in zip(flat(arrays(graph(*tensors(case)))), eager, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
