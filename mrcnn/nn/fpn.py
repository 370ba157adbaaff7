"""Feature pyramid: P2…P6 from C2…C5. Source: Feature Pyramid Networks (Lin et al. 2017), section 3; P6 as in its section 4.1."""

from typing import Any

from keras import layers

Tensor = Any


def build(stages: list[Tensor], channels: int) -> list[Tensor]:
    """Build the pyramid.

    Args:
        stages: [C2, C3, C4, C5], strides 4 to 32.
        channels: Width of every level.

    Returns:
        [P2, P3, P4, P5, P6], strides 4 to 64; P6 (P5 subsampled) serves the RPN only.
    """
    c2, c3, c4, c5 = stages
    top = layers.Conv2D(channels, 1, name="fpn_c5p5")(c5)
    sums = {5: top}
    for level, stage in ((4, c4), (3, c3), (2, c2)):
        raised = layers.UpSampling2D(2, name=f"fpn_p{level + 1}upsampled")(sums[level + 1])
        lateral = layers.Conv2D(channels, 1, name=f"fpn_c{level}p{level}")(stage)
        sums[level] = layers.Add(name=f"fpn_p{level}add")([raised, lateral])
    pyramid = [layers.Conv2D(channels, 3, padding="same", name=f"fpn_p{level}")(sums[level]) for level in (2, 3, 4, 5)]
    pyramid.append(layers.MaxPooling2D(1, strides=2, name="fpn_p6")(pyramid[-1]))
    return pyramid
