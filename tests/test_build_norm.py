"""Config.NORM in the network: where each kind stands, what TRAIN_BN means to it, and that it trains."""

import logging

import keras
import numpy as np
import pytest
import tiny_network
from backend_tools import JAX, TENSORFLOW, arrays
from keras import ops

from mrcnn.nn import norm, resnet
from mrcnn.nn.layers import BatchNorm

HEAD_NORMS = {"mrcnn_class_bn1", "mrcnn_class_bn2", *(f"mrcnn_mask_bn{i}" for i in (1, 2, 3, 4))}
PYRAMID = {"fpn_c5p5_gn", "fpn_c4p4_gn", "fpn_c3p3_gn", "fpn_c2p2_gn", "fpn_p5_gn", "fpn_p4_gn", "fpn_p3_gn", "fpn_p2_gn"}


def of_class(model, kind):
    return {layer.name for layer in model.layers if isinstance(layer, kind)}


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_group_norm_stands_in_heads_and_pyramid_under_the_names_of_the_contract(mode):
    model = tiny_network.network(mode, NORM="group")
    assert of_class(model, norm.GroupNorm) == HEAD_NORMS | PYRAMID
    assert of_class(model, BatchNorm) == {f"bn{i}a_branch1" for i in (1, 2, 3, 4, 5)}  # the backbone's own stay its own
    assert not any("_gn" in layer.name for layer in model.get_layer("rpn_model").layers)


def test_default_network_has_batch_norm_alone_and_none_in_the_pyramid():
    model = tiny_network.network("training")
    assert HEAD_NORMS <= of_class(model, BatchNorm) and not of_class(model, norm.GroupNorm)
    assert not any(layer.synchronized for layer in model.layers if isinstance(layer, BatchNorm))


@pytest.mark.skipif(not TENSORFLOW, reason="Keras synchronises with TensorFlow only")
def test_synchronised_network_has_the_layers_and_weights_of_the_default():
    default, synchronised = tiny_network.network("training"), tiny_network.network("training", NORM="sync_batch")
    assert all(synchronised.get_layer(name).synchronized for name in HEAD_NORMS)
    layers, theirs = ([(la.name, [tuple(w.shape) for w in la.weights]) for la in m.layers if la.weights] for m in (default, synchronised))
    assert layers == theirs


def test_resnet_with_group_norm_keeps_the_names_of_its_layers():
    image = keras.Input((64, 64, 3))
    names, kinds = [], []
    for kind in ("batch", "group"):
        model = keras.Model(image, resnet.resnet_graph(image, "resnet50", stage5=True, train_bn=None, norm=kind))
        names.append({layer.name for layer in model.layers if layer.name.startswith(("bn", "res", "conv1"))})
        kinds.append({type(layer) for layer in model.layers if layer.name.startswith("bn")})
    assert names[0] == names[1] and kinds == [{BatchNorm}, {norm.GroupNorm}]
    assert model.get_layer("bn_conv1").groups == 32 and model.get_layer("bn5c_branch2c").groups == 32


@pytest.mark.portable
@pytest.mark.parametrize(("size", "attributes"), [(1, {}), (2, {"PRECISION": "mixed_bfloat16"})], ids=["one", "two_bfloat16"])
def test_group_norm_trains_and_every_gamma_and_beta_of_it_moves(size, attributes):
    attributes = {"NORM": "group", "IMAGES_PER_GPU": size, "USE_RPN_ROIS": False, **attributes}  # fed rois fit the box: the mask head learns
    settings, model = tiny_network.config(**attributes), tiny_network.network("training", **attributes)
    model.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=JAX)
    batch = tiny_network.training_batch(settings)
    batch[2][:, 12::7] = -1  # negative anchors on every level
    logs = model.train_on_batch(tuple(batch), return_dict=True)
    assert all(np.isfinite(float(v)) for v in logs.values()) and float(logs["mrcnn_mask_loss"]) > 0
    for name in HEAD_NORMS | PYRAMID:
        gamma, beta = (arrays(ops.convert_to_tensor(w)) for w in model.get_layer(name).weights)
        assert np.isfinite(gamma).all() and np.isfinite(beta).all() and (gamma != 1).any() and beta.any(), name


@pytest.mark.parametrize("train_bn", [None, True])
def test_train_bn_beside_group_norm_earns_a_line_that_it_does_nothing(train_bn, caplog):
    small = {"BACKBONE": "resnet50", "NORM": "group", "TRAIN_BN": train_bn}
    with caplog.at_level(logging.WARNING, logger="mrcnn.build"):
        model = tiny_network.network("training", **small)
    assert f"TRAIN_BN = {train_bn} does nothing: NORM = 'group'" in caplog.text
    assert not of_class(model, BatchNorm)


def test_a_backbone_of_its_own_reads_train_bn_whatever_norm_is(caplog):
    with caplog.at_level(logging.WARNING, logger="mrcnn.build"):
        model = tiny_network.network("training", NORM="group", TRAIN_BN=True)
    assert not caplog.text and model.get_layer("bn2a_branch1").train_bn is None
    assert tiny_network.network("training", NORM="group").get_layer("bn2a_branch1").train_bn is False
