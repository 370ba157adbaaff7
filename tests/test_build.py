"""Config to network: what is refused, every kind of input, the outputs and names of the contract, the L2 term."""

import keras
import numpy as np
import pytest
import tiny_network
from backend_tools import JAX, arrays
from keras import ops

from mrcnn import build
from mrcnn.config import LOSS_NAMES
from mrcnn.nn.layers import BatchNorm
from mrcnn.ops import anchors as anchor_boxes


def train(model, settings, batch, learning_rate=0.01):
    """One step; the logs."""
    model.compile(optimizer=keras.optimizers.SGD(learning_rate), jit_compile=JAX)
    return model.train_on_batch(tuple(batch), return_dict=True)


def step(size=(64, 64), **attributes):
    """A network after one training call, without compiling it, and its losses by name."""
    settings = tiny_network.config(**attributes)
    model = tiny_network.network("training", **attributes)
    outputs = model([ops.convert_to_tensor(a) for a in tiny_network.training_batch(settings, size)], training=True)
    logs = dict(zip(LOSS_NAMES, (float(arrays(o)[0]) for o in outputs[-5:]), strict=True))
    return model, logs | {"loss": float(arrays(model.compute_loss(y_pred=outputs)))}


def detect(size=(64, 64), batch=1, **attributes):
    settings = tiny_network.config(**attributes)
    model = tiny_network.network("inference", **attributes)
    image = np.random.default_rng(0).standard_normal((batch, *size, settings.IMAGE_CHANNEL_COUNT)).astype("float32")
    meta = tiny_network.training_batch(settings, size)[1][:1].repeat(batch, axis=0)
    shapes = build.feature_shapes(settings, (*size, 3))
    boxes = anchor_boxes.generate_pyramid(settings.RPN_ANCHOR_SCALES, settings.RPN_ANCHOR_RATIOS, shapes, settings.BACKBONE_STRIDES, 1)
    boxes = np.float32(boxes / 64)[None].repeat(batch, axis=0)
    return model, model.predict_on_batch([image, meta, boxes])


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="mode 'train': 'training' or 'inference'"):
        tiny_network.network("train")


def test_config_is_validated_before_anything_is_built():
    with pytest.raises(ValueError, match="NUM_CLASSES = 1"):
        tiny_network.network("training", NUM_CLASSES=1)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda x: x, "five tensors C1…C5"),
        (lambda x: [x, x], "list of 2: five tensors"),
        (lambda x: [x] * 4 + [None], r"C2…C5 must be \[B, H, W, C\]"),
    ],
    ids=["tensor", "two", "none"],
)
def test_backbone_that_returns_something_else_is_refused(result, message):
    with pytest.raises(ValueError, match=message):
        tiny_network.network("inference", BACKBONE=staticmethod(lambda image, stage5=True, train_bn=None: result(image)))


def test_backbone_with_other_strides_is_refused():
    """C2 of stride 2, where BACKBONE_STRIDES says 4: the anchors would lie elsewhere than the loader's."""

    def backbone(image, stage5=True, train_bn=None):
        stages = [image]
        for stride in (2, 1, 2, 2, 2):
            stages.append(keras.layers.Conv2D(4, 3, strides=stride, padding="same")(stages[-1]))
        return stages[1:]

    for mode in ("square", "pad64"):
        with pytest.raises(ValueError, match="BACKBONE_STRIDES = .* Set the strides that BACKBONE really has"):
            tiny_network.network("training", BACKBONE=staticmethod(backbone), IMAGE_RESIZE_MODE=mode)
    tiny_network.network("training", BACKBONE=staticmethod(backbone), BACKBONE_STRIDES=[2, 4, 8, 16, 32])


def test_strides_that_the_backbone_has_not_are_refused():
    with pytest.raises(ValueError, match="BACKBONE_STRIDES"):
        tiny_network.network("training", BACKBONE_STRIDES=[8, 16, 32, 64, 128])


INPUTS = ["input_image", "input_image_meta", "input_rpn_match", "input_rpn_bbox", "input_gt_class_ids", "input_gt_boxes", "input_gt_masks"]


@pytest.mark.portable
def test_training_graph_has_the_inputs_outputs_and_layers_of_the_contract():
    settings = tiny_network.config()
    model = tiny_network.network("training")
    assert [i.name for i in model.inputs] == INPUTS
    anchors = (16 * 16 + 8 * 8 + 4 * 4 + 2 * 2 + 1) * 3
    assert [tuple(o.shape[1:]) for o in model.outputs[:9]] == [
        (anchors, 2), (anchors, 2), (anchors, 4), (8, 3), (8, 3), (8, 3, 4), (2, 8, 8, 3), (20, 4), (8, 4)
    ]  # fmt: skip
    names = {layer.name for layer in model.layers}
    fpn = {"fpn_c5p5", "fpn_c4p4", "fpn_c3p3", "fpn_c2p2", "fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5", "fpn_p6"}
    rpn = {"rpn_model", "rpn_class_logits", "rpn_class", "rpn_bbox", "ROI", "proposal_targets", "output_rois"}
    box = {"roi_align_classifier", "mrcnn_class_logits", "mrcnn_class", "mrcnn_bbox_fc", "mrcnn_bbox"}
    mask = {"roi_align_mask", "mrcnn_mask_deconv", "mrcnn_mask"}
    numbered = {f"mrcnn_class_{k}{i}" for k in ("conv", "bn") for i in (1, 2)} | {f"mrcnn_mask_{k}{i}" for k in ("conv", "bn") for i in (1, 2, 3, 4)}
    assert fpn | rpn | box | mask | numbered | set(LOSS_NAMES) <= names
    assert {"rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"} <= {layer.name for layer in model.get_layer("rpn_model").layers}

    kernels = [v for v in model.trainable_variables if v.name == "kernel"]
    before = [arrays(v).copy() for v in kernels]
    logs = train(model, settings, tiny_network.training_batch(settings))
    assert set(logs) == {"loss", "l2_loss", *LOSS_NAMES} and all(np.isfinite(float(v)) for v in logs.values())
    assert float(logs["loss"]) == pytest.approx(sum(float(v) for n, v in logs.items() if n != "loss"), rel=1e-4)
    assert not any(np.array_equal(a, arrays(v)) for a, v in zip(before, kernels, strict=True))  # the decay alone changes each


@pytest.mark.portable
def test_inference_graph_has_the_inputs_and_outputs_of_the_contract():
    model, outputs = detect(batch=2, IMAGES_PER_GPU=2, DETECTION_MIN_CONFIDENCE=0)
    assert [i.name for i in model.inputs] == ["input_image", "input_image_meta", "input_anchors"]
    detections, probs, deltas, masks, rois, rpn_class, rpn_bbox = outputs
    assert [o.shape for o in outputs[:5]] == [(2, 5, 6), (2, 10, 3), (2, 10, 3, 4), (2, 5, 8, 8, 3), (2, 10, 4)]
    assert rpn_class.shape == (2, 1023, 2) and rpn_bbox.shape == (2, 1023, 4)
    assert {"mrcnn_detection", "ROI", "rpn_model"} <= {layer.name for layer in model.layers}
    np.testing.assert_allclose(probs.sum(-1), 1, rtol=1e-5)
    assert rois.min() >= 0 and rois.max() <= 1 and set(np.unique(detections[..., 4])) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("mode", "size"), [("square", (64, 64)), ("none", (64, 128)), ("pad64", (128, 64)), ("crop", (64, 64))], ids=["square", "none", "pad64", "crop"]
)
@pytest.mark.parametrize("use_mini_mask", [True, False])
def test_every_resize_mode_trains(mode, size, use_mini_mask):
    model, logs = step(size, IMAGE_RESIZE_MODE=mode, USE_MINI_MASK=use_mini_mask)
    assert tuple(model.inputs[0].shape[1:3]) == ((64, 64) if mode in ("square", "crop") else (None, None))
    assert np.isfinite(float(logs["loss"])) and float(logs["mrcnn_class_loss"]) > 0


def test_varying_sizes_train_and_detect_in_a_graph():
    settings = tiny_network.config(IMAGE_RESIZE_MODE="pad64", USE_MINI_MASK=False)
    model = tiny_network.network("training", IMAGE_RESIZE_MODE="pad64", USE_MINI_MASK=False)
    assert np.isfinite(float(train(model, settings, tiny_network.training_batch(settings, (128, 64)))["loss"]))
    _, outputs = detect((64, 128), IMAGE_RESIZE_MODE="none", DETECTION_MIN_CONFIDENCE=0)
    assert all(np.isfinite(o).all() for o in outputs)


@pytest.mark.parametrize("channels", [1, 4])
def test_channel_count(channels):
    model, logs = step(IMAGE_CHANNEL_COUNT=channels, MEAN_PIXEL=np.zeros(channels))
    assert model.inputs[0].shape[-1] == channels and np.isfinite(float(logs["loss"]))


def test_rois_fed_by_the_generator():
    model, logs = step(USE_RPN_ROIS=False)
    assert [i.name for i in model.inputs] == [*INPUTS, "input_roi"]
    assert float(logs["mrcnn_mask_loss"]) > 0  # the box itself is among the rois


def test_shapes_of_the_levels():
    settings = tiny_network.config()
    assert build.feature_shapes(settings, (64, 128, 3)).tolist() == [[16, 32], [8, 16], [4, 8], [2, 4], [1, 2]]
    own = tiny_network.config(COMPUTE_BACKBONE_SHAPE=staticmethod(lambda shape: [[shape[0] // s, shape[1] // s] for s in (4, 8, 16, 32, 64)]))
    assert build.feature_shapes(own, (64, 128, 3)).tolist() == [[16, 32], [8, 16], [4, 8], [2, 4], [1, 2]]


@pytest.mark.parametrize(("train_bn", "moves"), [(False, False), (None, True), (True, True)])
def test_train_bn(train_bn, moves):
    model, _ = step(TRAIN_BN=train_bn)
    for name in ("bn2a_branch1", "mrcnn_class_bn1", "mrcnn_mask_bn4"):
        layer = model.get_layer(name)
        assert bool(arrays(layer.moving_mean).any()) == moves, name


def test_stored_statistics_serve_in_detection_whatever_train_bn():
    model, _ = detect(TRAIN_BN=True)
    assert all(layer.train_bn is False for layer in model.layers if hasattr(layer, "train_bn"))


def test_aligned_sampling_trains():
    _, logs = step(ROI_ALIGN="aligned")
    assert np.isfinite(float(logs["loss"]))


@pytest.mark.parametrize("limit", [2.5, None])
def test_every_layer_that_decodes_boxes_has_the_limit_of_log_dh(limit):
    found = [layer.max_log for mode in ("training", "inference") for layer in tiny_network.network(mode, BOX_DELTA_MAX_LOG=limit).layers
             if hasattr(layer, "max_log")]  # fmt: skip
    assert found == [limit] * 3  # proposals twice, detections


def test_deviations_of_the_rpn_and_of_the_head_reach_their_own_layers():
    own, head = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.5, 0.6, 0.7, 0.8])
    found = {}
    for mode in ("training", "inference"):
        layers = tiny_network.network(mode, RPN_BBOX_STD_DEV=own, BBOX_STD_DEV=head).layers
        found |= {(mode, layer.name): layer.std_dev for layer in layers if hasattr(layer, "std_dev")}
    assert found == {
        ("training", "ROI"): own.tolist(), ("training", "proposal_targets"): head.tolist(),
        ("inference", "ROI"): own.tolist(), ("inference", "mrcnn_detection"): head.tolist(),
    }  # fmt: skip


@pytest.mark.parametrize(("decay_biases", "expected"), [(None, 0.005 * (32 * 4 + 8 * 9)), (True, 0.005 * (32 * 4 + 8 * 9)), (False, 0.005 * 32 * 4)])
def test_l2_takes_biases_by_choice_and_by_default_as_the_original(decay_biases, expected):
    model = tiny_network.network("training", WEIGHT_DECAY=0.01, WEIGHT_DECAY_BIASES=decay_biases)
    for layer in model.layers:
        layer.trainable = layer.name == "fpn_c2p2"
    model.get_layer("fpn_c2p2").set_weights([np.full((1, 1, 4, 8), 2.0), np.full(8, 3.0)])
    assert float(arrays(model.l2())) == pytest.approx(expected)


def test_loss_weights_scale_what_is_shown_and_the_total():
    settings = tiny_network.config()
    model = tiny_network.network("training", WEIGHT_DECAY=0, LOSS_WEIGHTS={"rpn_class_loss": 3.0, "mrcnn_class_loss": 0.0})
    outputs = model([ops.convert_to_tensor(a) for a in tiny_network.training_batch(settings)], training=False)
    losses = dict(zip(LOSS_NAMES, (float(arrays(o)[0]) for o in outputs[-5:]), strict=True))
    losses |= {"rpn_class_loss": 3 * losses["rpn_class_loss"], "mrcnn_class_loss": 0.0}
    assert float(arrays(model.compute_loss(y_pred=outputs))) == pytest.approx(sum(losses.values()), rel=1e-5)
    assert {m.name: float(arrays(m.result())) for m in model.metrics if m.name in LOSS_NAMES} == pytest.approx(losses, rel=1e-5)


@pytest.mark.parametrize("divided", [False, True])
def test_l2_by_hand(divided):
    """Kernels and biases that train, BatchNorm's left out: decay / 2 times the sum of squares, or decay times their mean."""
    model = tiny_network.network("training", WEIGHT_DECAY=0.01, WEIGHT_DECAY_DIVIDED_BY_SIZE=divided)
    for layer in model.layers:
        layer.trainable = layer.name in ("fpn_c2p2", "mrcnn_class_bn1")
    model.get_layer("mrcnn_class_bn1").beta.assign(np.full(8, 5.0))
    layer = model.get_layer("fpn_c2p2")  # kernel [1, 1, 4, 8], bias [8]
    layer.set_weights([np.full((1, 1, 4, 8), 2.0), np.full(8, 3.0)])
    expected = 0.01 * (4 + 9) if divided else 0.005 * (32 * 4 + 8 * 9)
    assert float(arrays(model.l2())) == pytest.approx(expected)


def test_weights_go_through_the_functions_given():
    calls = []
    saver, loader = (lambda m, path: calls.append(path)), (lambda m, path, by_name, exclude: calls.append((path, by_name, exclude)))
    model = build.build(tiny_network.config(), "inference", saver=saver, loader=loader)
    model.save_weights("a.h5")
    model.load_weights("b.h5", by_name=True, exclude=["mrcnn_mask"])
    assert calls == ["a.h5", ("b.h5", True, ["mrcnn_mask"])]


def test_padding_boxes_stay_zero_when_normalized():
    boxes = np.float32([[[0, 0, 64, 32], [0, 0, 0, 0], [0, 0, 1, 1]]])
    found = arrays(build.NormalizeBoxes()([ops.convert_to_tensor(boxes), ops.zeros((1, 64, 32, 3))]))
    np.testing.assert_allclose(found[0], [[0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_mixed_precision_is_the_convolutions_alone(mode):
    model = tiny_network.network(mode, PRECISION="mixed_bfloat16")
    assert model.get_layer("fpn_p2").compute_dtype == "bfloat16"
    assert {keras.backend.standardize_dtype(output.dtype) for output in model.outputs} <= {"float32", "int32"}
    assert {keras.backend.standardize_dtype(variable.dtype) for variable in model.trainable_variables} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_batch_norm_is_folded_where_its_statistics_are_fixed():
    def folded(mode, **attributes):
        norms = [layer for layer in tiny_network.network(mode, **attributes).layers if isinstance(layer, BatchNorm)]
        return sum(norm.folded for norm in norms), len(norms)

    heads = 1 + 4  # not the plain convolutions of the tiny backbone, nor mrcnn_class_conv1, whose kernel is large for 8 rois
    assert folded("inference", TRAIN_BN=True)[0] == folded("training")[0] == heads
    assert folded("training", TRAIN_BN=True)[0] == folded("training", TRAIN_BN=None)[0] == 0
    assert folded("inference", FOLD_BATCH_NORM=False)[0] == 0


@pytest.mark.parametrize(
    ("weights", "expected"), [(None, None), ([1, 2, 3], [1, 2, 3]), (np.array([0.5, 1, 4]), [0.5, 1, 4]), ({2: 5}, [1, 1, 5]), ({}, [1, 1, 1])]
)
def test_class_weights_reach_the_class_loss(weights, expected):
    assert tiny_network.network("training", CLASS_WEIGHTS=weights).get_layer("mrcnn_class_loss").class_weights == expected


def test_focal_loss_starts_with_few_objects_and_trains():
    """At the prior of 0.01 a thousand negatives cost about a thousand times 0.01² · 0.01: the loss is that of the four positives."""
    attributes = {"RPN_FOCAL_GAMMA": 2.0, "RPN_FOCAL_ALPHA": 0.25}
    settings, model = tiny_network.config(**attributes), tiny_network.network("training", **attributes)
    assert (model.get_layer("rpn_class_loss").gamma, model.get_layer("rpn_class_loss").alpha) == (2.0, 0.25)
    batch = tiny_network.training_batch(settings)
    batch[0] *= 0  # the bias alone speaks
    batch[2][:, 4:] = -1
    outputs = model([ops.convert_to_tensor(a) for a in batch], training=False)
    np.testing.assert_allclose(arrays(outputs[1])[..., 1], 0.01, rtol=1e-3)
    expected = 0.25 * 0.99**2 * -np.log(0.01) + 0.75 * 1019 / 4 * 0.01**2 * -np.log(0.99)
    assert float(arrays(outputs[-5])[0]) == pytest.approx(expected, rel=1e-3)
    before = arrays(ops.convert_to_tensor(model.get_layer("rpn_model").get_layer("rpn_class_raw").bias)).copy()
    logs = train(model, settings, batch)
    assert np.isfinite(float(logs["loss"]))
    assert (arrays(ops.convert_to_tensor(model.get_layer("rpn_model").get_layer("rpn_class_raw").bias)) != before).all()


def test_without_focal_loss_anchors_start_undecided():
    head = tiny_network.network("training").get_layer("rpn_model").get_layer("rpn_class_raw")
    assert not arrays(ops.convert_to_tensor(head.bias)).any()
