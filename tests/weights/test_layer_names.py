"""Layer names: the original's order, guesses, translation."""

import pytest
from weight_fakes import GOLDEN, make_weights, weighted

from mrcnn.weights import names


def recorded(name):
    return [layer for layer, _ in weighted(make_weights.load_layout(GOLDEN / f"layout_{name}.json"))]


@pytest.mark.parametrize("backbone", ["resnet50", "resnet101"])
def test_file_order_is_the_originals(backbone):
    expected = recorded(f"{backbone}_coco")
    assert names.file_order(sorted(expected)) == expected
    assert names.resnet_layers(backbone) == [name for name in expected if not names.is_detector_layer(name)]


@pytest.mark.parametrize("backbone", ["resnet50", "resnet101"])
def test_backbone_is_told_by_the_last_block_of_stage_4(backbone):
    assert names.backbone_of(recorded(f"{backbone}_coco")) == backbone


def test_other_backbones_are_custom_and_none_is_none():
    assert names.backbone_of(["conv1", "conv_dw_1", "fpn_p2"]) == "custom"
    assert names.backbone_of(["res2a_branch2a", "res3a_branch2a"]) == "resnet"
    assert names.backbone_of(["fpn_p2", "rpn_model"]) is None


def test_unknown_detector_layers_come_last():
    assert names.file_order(["mrcnn_attributes", "mrcnn_mask", "stem"]) == ["stem", "mrcnn_mask", "mrcnn_attributes"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("conv1_bn", "bn_conv1"),
        ("conv2_block1_0_conv", "res2a_branch1"),
        ("conv3_block4_1_conv", "res3d_branch2a"),
        ("conv4_block23_3_bn", "bn4w_branch2c"),
        ("conv5_block3_2_bn", "bn5c_branch2b"),
        ("res2a_branch2a", None),
        ("conv2_block1_out", None),
        ("conv6_block1_1_conv", None),
    ],
)
def test_names_of_keras_applications_are_translated(theirs, ours):
    assert names.from_keras_applications(theirs) == ours


def test_translation_of_all_blocks_gives_all_layers():
    theirs = ["conv1_conv", "conv1_bn"]
    for stage, blocks in zip((2, 3, 4, 5), (3, 4, 23, 3), strict=True):
        for block in range(1, blocks + 1):
            parts = range(4) if block == 1 else range(1, 4)
            theirs += [f"conv{stage}_block{block}_{part}_{kind}" for part in parts for kind in ("conv", "bn")]
    assert sorted(map(names.from_keras_applications, theirs)) == sorted(names.resnet_layers("resnet101"))
