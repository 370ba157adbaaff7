"""ResNet-50 and -101 backbones, Caffe style: the stride is on the first 1x1 convolution, every convolution has a bias.

Source: Deep Residual Learning (He et al. 2016), table 1 and figure 5 right. Layer names are those of the published weight files.
"""

from typing import Any

from keras import layers

from mrcnn.nn.layers import FoldingConv2D
from mrcnn.nn.norm import normalization

Tensor = Any

STAGE4_BLOCKS = {"resnet50": 6, "resnet101": 23}


def identity_block(
    input_tensor: Tensor, kernel_size: int, filters: tuple[int, int, int], stage: int, block: str, use_bias: bool = True,
    train_bn: bool | None = True, norm: str = "batch",
) -> Tensor:  # fmt: skip
    """Bottleneck whose shortcut is its input.

    Args:
        input_tensor: [B, H, W, filters[2]].
        kernel_size: Side of the middle convolution.
        filters: Channels of the three convolutions.
        stage: Number of the stage, part of the layers' names.
        block: Letter of the block, part of the layers' names.
        use_bias: Whether the convolutions have a bias.
        train_bn: Mode of BatchNorm, see `layers.BatchNorm`.
        norm: Kind of normalisation, see `norm.normalization`.

    Returns:
        [B, H, W, filters[2]].
    """
    x = _bottleneck(input_tensor, kernel_size, filters, stage, block, use_bias, train_bn, norm, strides=(1, 1))
    x = layers.Add()([x, input_tensor])
    return layers.Activation("relu", name=f"res{stage}{block}_out")(x)


def conv_block(
    input_tensor: Tensor, kernel_size: int, filters: tuple[int, int, int], stage: int, block: str, strides: tuple[int, int] = (2, 2),
    use_bias: bool = True, train_bn: bool | None = True, norm: str = "batch",
) -> Tensor:  # fmt: skip
    """Bottleneck whose shortcut is a 1x1 convolution: first of each stage. Arguments as `identity_block`.

    Returns:
        [B, H / strides[0], W / strides[1], filters[2]].
    """
    x = _bottleneck(input_tensor, kernel_size, filters, stage, block, use_bias, train_bn, norm, strides)
    names = f"{stage}{block}_branch1"
    shortcut = FoldingConv2D(filters[2], 1, strides=strides, use_bias=use_bias, name=f"res{names}")(input_tensor)
    shortcut = normalization(norm, train_bn, f"bn{names}")(shortcut)
    x = layers.Add()([x, shortcut])
    return layers.Activation("relu", name=f"res{stage}{block}_out")(x)


def _bottleneck(
    x: Tensor, kernel_size: int, filters: tuple[int, int, int], stage: int, block: str, use_bias: bool, train_bn: bool | None,
    norm: str, strides: tuple[int, int],
) -> Tensor:  # fmt: skip
    convolutions = (("2a", 1, strides, "valid"), ("2b", kernel_size, (1, 1), "same"), ("2c", 1, (1, 1), "valid"))
    for (branch, kernel, stride, padding), channels in zip(convolutions, filters, strict=True):
        names = f"{stage}{block}_branch{branch}"
        x = FoldingConv2D(channels, kernel, strides=stride, padding=padding, use_bias=use_bias, name=f"res{names}")(x)
        x = normalization(norm, train_bn, f"bn{names}")(x)
        if branch != "2c":
            x = layers.Activation("relu")(x)
    return x


def resnet_graph(
    input_image: Tensor, architecture: str, stage5: bool = False, train_bn: bool | None = True, norm: str = "batch"
) -> list[Tensor | None]:
    """Build the backbone.

    Args:
        input_image: [B, H, W, C], H and W multiples of 64.
        architecture: "resnet50" or "resnet101".
        stage5: Whether to build the last stage.
        train_bn: Mode of BatchNorm, see `layers.BatchNorm`.
        norm: Kind of normalisation, see `norm.normalization`.

    Returns:
        [C1, C2, C3, C4, C5], strides 4, 4, 8, 16, 32 and 64, 256, 512, 1024, 2048 channels; C5 is None without stage 5.

    Raises:
        ValueError: unknown architecture.
    """
    if architecture not in STAGE4_BLOCKS:
        raise ValueError(f"architecture {architecture!r}: one of {', '.join(STAGE4_BLOCKS)} is expected")
    x = layers.ZeroPadding2D((3, 3))(input_image)
    x = FoldingConv2D(64, 7, strides=2, use_bias=True, name="conv1")(x)
    x = normalization(norm, train_bn, "bn_conv1")(x)
    x = layers.Activation("relu")(x)
    outputs = [layers.MaxPooling2D(3, strides=2, padding="same")(x)]
    blocks = {2: 3, 3: 4, 4: STAGE4_BLOCKS[architecture], 5: 3}
    for stage in (2, 3, 4, 5) if stage5 else (2, 3, 4):
        width = 64 * 2 ** (stage - 2)
        filters = (width, width, 4 * width)
        x = conv_block(outputs[-1], 3, filters, stage, "a", strides=(1, 1) if stage == 2 else (2, 2), train_bn=train_bn, norm=norm)
        for i in range(1, blocks[stage]):
            x = identity_block(x, 3, filters, stage, chr(ord("a") + i), train_bn=train_bn, norm=norm)
        outputs.append(x)
    return outputs if stage5 else [*outputs, None]
