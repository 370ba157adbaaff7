"""Feature pyramid: P2…P6 from C2…C5. Source: Feature Pyramid Networks (Lin et al. 2017), section 3; P6 as in its section 4.1."""

from typing import Any

from keras import layers

from mrcnn.nn.norm import GroupNorm

Tensor = Any


def build(stages: list[Tensor], channels: int, norm: str = "batch") -> list[Tensor]:
    """Build the pyramid.

    Args:
        stages: [C2, C3, C4, C5], strides 4 to 32.
        channels: Width of every level.
        norm: Kind of normalisation in the network. With "group" each convolution is followed by GroupNorm, "fpn_p2_gn" for instance, as in
            Detectron's models with it; the published files of the other kinds have no normalisation here, so there is none.

    Returns:
        [P2, P3, P4, P5, P6], strides 4 to 64; P6 (P5 subsampled) serves the RPN only.
    """
    c2, c3, c4, c5 = stages
    top = _convolution(c5, channels, 1, "fpn_c5p5", norm)
    sums = {5: top}
    for level, stage in ((4, c4), (3, c3), (2, c2)):
        raised = layers.UpSampling2D(2, name=f"fpn_p{level + 1}upsampled")(sums[level + 1])
        lateral = _convolution(stage, channels, 1, f"fpn_c{level}p{level}", norm)
        sums[level] = layers.Add(name=f"fpn_p{level}add")([raised, lateral])
    pyramid = [_convolution(sums[level], channels, 3, f"fpn_p{level}", norm) for level in (2, 3, 4, 5)]
    pyramid.append(layers.MaxPooling2D(1, strides=2, name="fpn_p6")(pyramid[-1]))
    return pyramid


def _convolution(x: Tensor, channels: int, kernel: int, name: str, norm: str) -> Tensor:
    x = layers.Conv2D(channels, kernel, padding="same", name=name)(x)
    return GroupNorm(name=f"{name}_gn")(x) if norm == "group" else x
