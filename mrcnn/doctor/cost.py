"""What a training step costs: counted from the network that the configuration builds, or measured by taking steps.

Counted are the multiplications and additions of convolutions and dense layers, forward and backward, and the bytes of
weights, gradients, the optimizer's state and the layers' outputs that the backward pass needs. Time follows from the
machine's rate in a matrix product, taken at the moment. docs/doctor.md says how far such estimates were off.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mrcnn.config import Config
    from mrcnn.data.dataset import Dataset

#: Operations of a step over those of a forward pass: the gradients of inputs and of weights cost a forward pass each.
BACKWARD = 3.0
#: Share of the matrix product's rate that a training step reaches: measured for ResNet50 at 512 px, docs/results.md.
EFFICIENCY = 0.79
#: Bytes that the program holds once the framework is loaded and has traced a step, and how often the counted outputs are
#: held at the peak, gradients and work space included: fitted to two measured peaks, docs/doctor.md.
OVERHEAD, HELD = 1.1e9, 2.3
_PROBE = 1536
_SLOTS = {"sgd": 1, "adamw": 2}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a step costs.

    Attributes:
        image_shape: (height, width) of the network's input that it is for.
        batch_size: images of the step.
        parameters: numbers in the weights.
        forward_flops: operations of one forward pass of the batch.
        activations: bytes of outputs kept for the backward pass.
        memory: estimated bytes of a step, program included.
        rate: operations a second of a matrix product on this machine, now.
        seconds: estimated of a step.
        measured_seconds: of a step taken, or None.
        measured_memory: peak bytes while it was taken, or None.
    """

    image_shape: tuple[int, int]
    batch_size: int
    parameters: int
    forward_flops: float
    activations: float
    memory: float
    rate: float
    seconds: float
    measured_seconds: float | None = None
    measured_memory: float | None = None

    def lines(self) -> list[str]:
        """Say it to a person."""
        height, width = self.image_shape
        size = f"batch of {self.batch_size} at {height} × {width} px"
        found = [
            f"{self.parameters / 1e6:.1f} million parameters; a forward pass ({size}): {self.forward_flops / 1e9:,.1f} GFLOP",
            f"a training step of all layers, estimated: {_seconds(self.seconds)} on this machine "
            f"({self.rate / 1e9:,.0f} GFLOP/s in a matrix product just now: others can double the time), {self.memory / 1e9:.1f} GB of memory",
        ]
        if self.measured_seconds is None:
            found.append("measured: not yet; --measure (measure=True) takes some steps")
        else:
            memory = "" if self.measured_memory is None else f", {self.measured_memory / 1e9:.1f} GB"
            found.append(f"measured: {_seconds(self.measured_seconds)} a step{memory}")
        return found


def estimate(config: Config, image_shape: Sequence[int]) -> Cost:
    """Build the training network and count; takes some seconds.

    Args:
        config: valid.
        image_shape: (height, width) of the input to count for, where the configuration leaves it open.

    Raises:
        ValueError: the network can't be built; says why.
    """
    import keras

    from mrcnn import build

    fixed = copy.copy(config)
    if None in build.image_size(config):
        fixed.IMAGE_RESIZE_MODE, fixed.IMAGE_MIN_DIM, fixed.IMAGE_MAX_DIM = "square", None, 1024
        fixed.IMAGE_SHAPE = (*image_shape, config.IMAGE_CHANNEL_COUNT)
    model = build.build(fixed, "training", saver=_nothing, loader=_nothing)
    batch, shape = config.BATCH_SIZE, tuple(int(side) for side in build.image_size(fixed))
    rows = int(config.TRAIN_ROIS_PER_IMAGE * config.ROI_POSITIVE_RATIO)
    flops = batch * sum(_operations(layer, config, shape, rows) for layer in model.layers)
    activations = batch * sum(_kept(layer, config, shape, rows) for layer in model.layers)
    parameters = model.count_params()
    slots = 2 + _SLOTS[config.OPTIMIZER] + (config.EMA_DECAY is not None) + (config.GRADIENT_ACCUMULATION > 1)
    rate = _rate()
    memory = OVERHEAD + 4.0 * parameters * slots + HELD * activations
    keras.backend.clear_session(free_memory=True)
    return Cost(shape, batch, parameters, flops, activations, memory, rate, BACKWARD * flops / (EFFICIENCY * rate))


def measure(config: Config, dataset: Dataset, cost: Cost, steps: int = 3) -> Cost:
    """Take training steps of all layers on the data set's own batches, from random weights which are then forgotten.

    Args:
        config: valid.
        dataset: of training, with an instance.
        cost: the estimate to complete.
        steps: timed, after one that is not (it traces the graph); their median counts.

    Raises:
        ValueError: no batch can be made.
    """
    import tempfile

    from mrcnn.mask_rcnn import MaskRCNN
    from mrcnn.training import trainer

    with tempfile.TemporaryDirectory() as folder, _Peak() as peak:
        model = MaskRCNN("training", config, folder)
        model.set_trainable(".*", verbose=0)
        model.compile(config.LEARNING_RATE, config.LEARNING_MOMENTUM)
        feed, _ = trainer.feeds(dataset, None, config, epoch=0, augmentation=None, no_augmentation_sources=None)
        batch = feed[0][0]
        times = []
        for _ in range(1 + steps):
            start = time.perf_counter()
            model.keras_model.train_on_batch(batch)
            times.append(time.perf_counter() - start)
    return dataclasses.replace(cost, measured_seconds=float(np.median(times[1:])), measured_memory=peak.bytes)


def _nothing(*_: Any, **__: Any) -> None:
    """Neither saves nor loads: the network is thrown away."""


def _sizes(tensors: Any, rows: int) -> list[int]:
    """Count the numbers of a layer's outputs for one image; a number of rows that is open is that of the mask head."""
    found = []
    for tensor in tensors if isinstance(tensors, list | tuple) else [tensors]:
        found.append(math.prod(rows if side is None else side for side in tensor.shape[1:]))
    return found


def _levels(config: Config, shape: tuple[int, int]) -> int:
    """Count the places of the RPN."""
    from mrcnn import build

    cells = build.feature_shapes(config, (*shape, config.IMAGE_CHANNEL_COUNT))
    return int(sum(math.prod(-(-int(side) // config.RPN_ANCHOR_STRIDE) for side in level) for level in cells))


def _operations(layer: Any, config: Config, shape: tuple[int, int], rows: int) -> float:
    """Count the operations of a layer for one image."""
    from keras import layers

    if layer.name == "rpn_model":
        kernels = [math.prod(inner.kernel.shape) for inner in layer.layers if hasattr(inner, "kernel")]
        return 2.0 * sum(kernels) * _levels(config, shape)
    if isinstance(layer, layers.Conv2DTranspose):
        return 2.0 * math.prod(layer.kernel.shape[:3]) * sum(_sizes(layer.input, rows))
    if isinstance(layer, layers.DepthwiseConv2D):
        return 2.0 * math.prod(layer.kernel.shape[:2]) * sum(_sizes(layer.output, rows))
    if isinstance(layer, layers.SeparableConv2D):
        return 2.0 * math.prod(layer.pointwise_kernel.shape[:3]) * sum(_sizes(layer.output, rows))
    if isinstance(layer, layers.Conv2D | layers.Dense):
        return 2.0 * math.prod(layer.kernel.shape[:-1]) * sum(_sizes(layer.output, rows))
    return 0.0


def _kept(layer: Any, config: Config, shape: tuple[int, int], rows: int) -> float:
    """Count the bytes of a layer's outputs for one image that the backward pass needs.

    A convolution's gradient needs its input, an activation's its output, pooling's both; sums and folded normalisation
    need nothing, and their outputs are gone when the activation after them has run.
    """
    from keras import layers

    width = 2 if str(layer.compute_dtype).endswith("16") else 4
    if layer.name == "rpn_model":
        shared = [inner.filters for inner in layer.layers if inner.name == "rpn_conv_shared"]
        return width * sum(shared) * _levels(config, shape) * 1.0
    kept = layers.Activation | layers.ReLU | layers.MaxPooling2D | layers.UpSampling2D | layers.ZeroPadding2D
    named = layer.name.startswith(("fpn_", "roi_align")) or layer.name == "input_image"
    if isinstance(layer, kept) or named or type(layer).__name__ == "PyramidROIAlign":
        return width * float(sum(_sizes(layer.output, rows)))
    normalised = isinstance(layer, layers.BatchNormalization | layers.GroupNormalization)
    return width * float(sum(_sizes(layer.input, rows))) if normalised and not config.FOLD_BATCH_NORM else 0.0


def _rate() -> float:
    """Measure operations a second of a matrix product where Keras computes."""
    from keras import ops

    a = ops.ones((_PROBE, _PROBE), "float32")
    times = []
    for _ in range(6):
        start = time.perf_counter()
        ops.convert_to_numpy(ops.matmul(a, a)[0, 0])
        times.append(time.perf_counter() - start)
    return 2.0 * _PROBE**3 / float(np.median(times[1:]))


class _Peak:
    """Peak resident bytes of this process while it is open, and `bytes` then; None where the system doesn't say."""

    def __enter__(self) -> _Peak:
        self.bytes, self._over = _resident(), threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        while self.bytes is not None and not self._over.wait(0.01):
            self.bytes = max(self.bytes, _resident() or 0)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()


def _resident() -> float | None:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return float(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 1 else f"{1000 * value:.0f} ms"
