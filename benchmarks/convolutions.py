"""Why the trunk stays below the matrix product: its single convolutions in TensorFlow, and the trunk with weights frozen or fusion off.

    python benchmarks/convolutions.py [--rounds 5] [--json convolutions.json]

The rates are those of a float32 convolution with bias on 1, 2 and 4 images, input and kernel random, taking turns in one process. The trunk
(ResNet50, pyramid, RPN at 1024 px, BatchNorms folded, biases not zero) is played three times, each in a process of its own: as detect() runs it;
frozen, every weight a constant, so that TensorFlow may fold and repack them; with TensorFlow's fusion of operations (its "remapping") switched off.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import contest  # noqa: E402
from benchmarks.workers import Tasks, Worker  # noqa: E402


class Convolution(NamedTuple):
    """A convolution with stride 1 that keeps its map's size."""

    side: int
    channels: int
    filters: int
    kernel: int
    where: str

    def operations(self, images: int) -> int:
        """Two for each multiplication."""
        return 2 * images * self.side**2 * self.channels * self.filters * self.kernel**2

    def __str__(self) -> str:
        return f"{self.side}², {self.channels} to {self.filters}, {self.kernel} × {self.kernel} ({self.where})"


CONVOLUTIONS = (
    Convolution(256, 256, 512, 3, "RPN on P2"), Convolution(256, 256, 256, 3, "P2"), Convolution(128, 256, 256, 3, "P3"),
    Convolution(64, 256, 256, 3, "stage 4"), Convolution(64, 1024, 256, 1, "stage 4"), Convolution(256, 64, 256, 1, "stage 2"),
)  # fmt: skip
IMAGES = (1, 2, 4)
WAYS = ("as it is", "frozen", "fusion off")
SIZE = 1024


def run(options: argparse.Namespace, notes: list[str]) -> dict[str, Any]:
    """Play, print, and return the figures. Arguments as in `inference.run`."""
    return {"convolutions": single(options), "trunk": trunk(options)}


def single(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The table of rates."""
    print(f"\nGFLOP/s of single convolutions on {', '.join(map(str, IMAGES))} images, {options.rounds} rounds in turns")
    with Worker("benchmarks.convolutions:convolutions") as worker:
        names = {(row, n): f"{row} {n}" for row in range(len(CONVOLUTIONS)) for n in IMAGES}
        entries = {key: contest.Entry(name, worker, name) for key, name in names.items()}
        contest.play(list(entries.values()), options.rounds)
    table = []
    for row, convolution in enumerate(CONVOLUTIONS):
        rates = {n: contest.spread([convolution.operations(n) / s / 1e9 for s in entries[row, n].seconds]) for n in IMAGES}
        print(f"  {convolution!s:44} " + "   ".join(f"{rate:.0f}" for rate in rates.values()))
        table.append({"convolution": str(convolution), "gflops": {n: rate._asdict() for n, rate in rates.items()}})
    return table


def trunk(options: argparse.Namespace) -> dict[str, Any]:
    """The trunk in the three ways."""
    print(f"\nthe trunk at {SIZE} px, {options.rounds} rounds in turns")
    with ExitStack() as stack:
        entries = [
            contest.Entry(way, stack.enter_context(Worker("benchmarks.convolutions:whole", {"way": way, "size": SIZE})), "trunk") for way in WAYS
        ]
        contest.play(entries, options.rounds)
        contest.print_times(entries)
        ratios = {entry.name: contest.ratio(entry, entries[0]) for entry in entries[1:]}
        for name, value in ratios.items():
            contest.print_ratio(f"{name} / {WAYS[0]}", value)
        return {"entries": [entry.to_dict() for entry in entries], "ratios": {name: value._asdict() for name, value in ratios.items()}}


# In the workers' processes ----------------------------------------------------------------------------------------------


def convolutions() -> Tasks:
    """A task for each convolution and number of images: "row images"."""
    import tensorflow as tf

    tf.random.set_seed(0)

    def task(convolution: Convolution, images: int) -> Any:
        side, channels, filters, kernel, _ = convolution
        image = tf.random.normal((images, side, side, channels))
        weights, bias = tf.Variable(0.01 * tf.random.normal((kernel, kernel, channels, filters))), tf.Variable(tf.random.normal((filters,)))
        call = tf.function(lambda: tf.nn.bias_add(tf.nn.conv2d(image, weights, 1, "SAME"), bias), jit_compile=False)
        return lambda: call()[0, 0, 0, 0].numpy()

    return Tasks({f"{row} {n}": task(convolution, n) for row, convolution in enumerate(CONVOLUTIONS) for n in IMAGES}, {})


def whole(way: str, size: int) -> Tasks:
    """The task "trunk" in one way."""
    import numpy as np
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from benchmarks import runtimes

    if way == "fusion off":
        tf.config.optimizer.set_experimental_options({"remapping": False})
    model = runtimes.trunk(size, "float32", fold=True)
    image = tf.constant(np.random.default_rng(0).uniform(-120, 120, (1, size, size, 3)).astype(np.float32))
    call = tf.function(lambda x: model(x, training=False), jit_compile=False)
    if way == "frozen":
        call = convert_variables_to_constants_v2(call.get_concrete_function(image))

    def task() -> list[np.ndarray]:
        return [output.numpy() for output in call(image)]

    return Tasks({"trunk": task}, {})


if __name__ == "__main__":
    contest.play_alone(run, __doc__)
