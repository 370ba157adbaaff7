"""Names of the network's layers: a public contract, because weight files and layers="heads" are keyed by them.

The order in which weighted layers stand in a file matters too: the original loads by position unless told by_name=True.
Its order is that of a training network in Keras 2.2: layers by depth, so the mask head and the class head interleave.
"""

import re
from collections.abc import Iterable

# The layers whose shape depends on the number of classes; mrcnn_bbox (a reshape) has no weights, but scripts list it.
HEAD_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask")
RPN_MODEL = "rpn_model"
RPN_LAYERS = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")
FPN_LAYERS = ("fpn_c5p5", "fpn_c4p4", "fpn_c3p3", "fpn_c2p2", "fpn_p5", "fpn_p2", "fpn_p3", "fpn_p4")
ROI_LAYERS = (
    "mrcnn_mask_conv1",
    "mrcnn_mask_bn1",
    "mrcnn_mask_conv2",
    "mrcnn_mask_bn2",
    "mrcnn_class_conv1",
    "mrcnn_class_bn1",
    "mrcnn_mask_conv3",
    "mrcnn_mask_bn3",
    "mrcnn_class_conv2",
    "mrcnn_class_bn2",
    "mrcnn_mask_conv4",
    "mrcnn_mask_bn4",
    "mrcnn_bbox_fc",
    "mrcnn_mask_deconv",
    "mrcnn_class_logits",
    "mrcnn_mask",
)
_AFTER_BACKBONE = {name: i for i, name in enumerate((*FPN_LAYERS, RPN_MODEL, *ROI_LAYERS))}
_DETECTOR = re.compile(r"(fpn|rpn|mrcnn)_")
_RESIDUAL = re.compile(r"(res|bn)(\d)(.)_branch(1|2a|2b|2c)")
# Within a block the shortcut's convolution stands beside the last of the branch: both have the same depth.
_BLOCK_ORDER = (
    ("res", "2a"),
    ("bn", "2a"),
    ("res", "2b"),
    ("bn", "2b"),
    ("res", "2c"),
    ("res", "1"),
    ("bn", "2c"),
    ("bn", "1"),
)
_KERAS_BLOCK = re.compile(r"conv([2-5])_block(\d+)_([0-3])_(conv|bn)")
_KERAS_BRANCH = ("1", "2a", "2b", "2c")
_BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
_STAGES = re.compile(r"(?:res|bn)([2-5])._branch")


def is_detector_layer(name: str) -> bool:
    """Whether a layer belongs to the pyramid, the RPN or the heads, not to the backbone."""
    return _DETECTOR.match(name) is not None


def file_order(layers: Iterable[str]) -> list[str]:
    """Sort weighted layers as the original's training network has them.

    Args:
        layers: names in the order of the model. A backbone that is not a plain ResNet keeps this order.

    Returns:
        Backbone, pyramid, rpn_model, heads; then detector layers that the original does not know.
    """
    layers = list(layers)
    backbone = [name for name in layers if not is_detector_layer(name)]
    ranks = [_resnet_rank(name) for name in backbone]
    if None not in ranks:
        backbone = [name for _, name in sorted(zip(ranks, backbone, strict=True))]
    known = sorted((name for name in layers if name in _AFTER_BACKBONE), key=_AFTER_BACKBONE.__getitem__)
    unknown = [name for name in layers if is_detector_layer(name) and name not in _AFTER_BACKBONE]
    return backbone + known + unknown


def resnet_layers(backbone: str) -> list[str]:
    """Name the weighted layers of resnet50 or resnet101 in file order."""
    layers = ["conv1", "bn_conv1"]
    for stage, blocks in enumerate(_BLOCKS[backbone], start=2):
        for block in range(blocks):
            letter = chr(ord("a") + block)
            for prefix, branch in _BLOCK_ORDER:
                if branch != "1" or block == 0:
                    layers.append(f"{prefix}{stage}{letter}_branch{branch}")
    return layers


def backbone_of(layers: Iterable[str]) -> str | None:
    """Guess the backbone from layer names: resnet50, resnet101, custom; None where no layer is a backbone's.

    A ResNet of other depth, or one that lacks stage 4, is "resnet".
    """
    backbone = {name for name in layers if not is_detector_layer(name)}
    if not backbone:
        return None
    if not any(_RESIDUAL.fullmatch(name) for name in backbone):
        return "custom"
    last = max((name[4] for name in backbone if re.fullmatch(r"res4._branch2c", name)), default="")
    return {"f": "resnet50", "w": "resnet101"}.get(last, "resnet")


def group_of(name: str) -> str:
    """Name the part of the network that a layer belongs to, as a person would say it."""
    if name.startswith("rpn_"):
        return "RPN"
    if name.startswith("fpn_"):
        return "FPN"
    if name.startswith("mrcnn_mask"):
        return "mask head"
    if name.startswith("mrcnn_attributes"):
        return "attribute head"
    if name.startswith(("mrcnn_class", "mrcnn_bbox")):
        return "class and box head"
    if name in ("conv1", "bn_conv1"):
        return "stage 1"
    stage = _STAGES.match(name)
    if stage:
        return f"stage {stage.group(1)}"
    return "other layers" if is_detector_layer(name) else "backbone"


def from_keras_applications(name: str) -> str | None:
    """Translate a layer name of keras.applications' ResNet50/101; None for a name of another kind.

    Example:
        >>> from_keras_applications("conv4_block2_0_bn"), from_keras_applications("conv1_conv")
        ('bn4b_branch1', 'conv1')
    """
    if name in ("conv1_conv", "conv1_bn"):
        return {"conv1_conv": "conv1", "conv1_bn": "bn_conv1"}[name]
    found = _KERAS_BLOCK.fullmatch(name)
    if found is None:
        return None
    stage, block, branch, kind = found.groups()
    prefix = "res" if kind == "conv" else "bn"
    return f"{prefix}{stage}{chr(ord('a') + int(block) - 1)}_branch{_KERAS_BRANCH[int(branch)]}"


def _resnet_rank(name: str) -> tuple[int, str, int] | None:
    if name in ("conv1", "bn_conv1"):
        return (1, "", ("conv1", "bn_conv1").index(name))
    found = _RESIDUAL.fullmatch(name)
    if found is None:
        return None
    prefix, stage, block, branch = found.groups()
    return (int(stage), block, _BLOCK_ORDER.index((prefix, branch)))
