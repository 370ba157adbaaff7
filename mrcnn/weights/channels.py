"""The first convolution for images that have not three channels, made of one that was trained on RGB.

- One or two channels: each gets the sum of the three kernels divided by their number. A grey image then gives what the
  same image as three equal channels gave.
- Four or more: the first three are R, G and B as they were, the others start at zero. The network begins as the one on RGB
  and learns what the rest is good for; gradients reach zero kernels as any other.

What the mean makes of it: both are exact where MEAN_PIXEL of grey images is that of the colours, or the others' is kept.
"""

from __future__ import annotations

import numpy as np

LAYER = "conv1"
_RGB = 3


def adaptable(layer: str, stored: tuple[int, ...] | None, own: tuple[int, ...] | None) -> bool:
    """Say whether a weight of a file is the first kernel, and lacks only the number of channels.

    Args:
        layer: of the network.
        stored: shape in the file, (height, width, channels, filters) for a kernel.
        own: shape in the network.

    >>> adaptable("conv1", (7, 7, 3, 64), (7, 7, 4, 64)), adaptable("conv1", (7, 7, 1, 64), (7, 7, 3, 64))
    (True, False)
    """
    if layer != LAYER or stored is None or own is None or len(stored) != 4 or len(own) != 4:
        return False
    return stored[2] == _RGB != own[2] and (*stored[:2], stored[3]) == (*own[:2], own[3])


def adapt(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Make a kernel for another number of channels.

    Args:
        kernel: [height, width, 3, filters], for R, G, B.
        channels: wanted.

    Returns:
        [height, width, channels, filters] in the kernel's dtype.

    >>> kernel = np.array([1.0, 2, 3]).reshape(1, 1, 3, 1)
    >>> adapt(kernel, 1).ravel().tolist(), adapt(kernel, 5).ravel().tolist()
    ([6.0], [1.0, 2.0, 3.0, 0.0, 0.0])
    """
    if channels < _RGB:
        return np.repeat(kernel.sum(axis=2, keepdims=True) / channels, channels, axis=2).astype(kernel.dtype)
    return np.pad(kernel, [(0, 0), (0, 0), (0, channels - _RGB), (0, 0)])


def describe(path: str, channels: int) -> str:
    """Say what happens to the kernel of a file."""
    what = (
        f"each of the {channels} gets the sum of R, G and B" + (f" / {channels}" if channels > 1 else "")
        if channels < _RGB
        else f"channels 1 to 3 get R, G and B, the other {channels - _RGB} start at zero"
    )
    return (
        f"{path} was trained on 3 channels, this network has IMAGE_CHANNEL_COUNT = {channels}: in {LAYER} {what}. "
        f"Exclude {LAYER} to start it afresh."
    )
