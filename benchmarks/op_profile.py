"""How much of one call the network's own operations take, from TensorFlow's profiler: both sides of the ratio come from the same call."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

#: Convolutions, matrix products, and what belongs to a layer of the network: pooling, activation, bias.
NETWORK_OPERATION = re.compile(r":(\w*Conv2D\w*|\w*MatMul\w*|\w*MaxPool\w*|\w*Relu\w*|\w*BiasAdd\w*|\w*Softmax\w*|\w*Sigmoid\w*)$")
_CALL = "benchmarked call"


def not_network(call: Callable[[], Any]) -> dict[str, float]:
    """Run a call under the profiler.

    Args:
        call: Warm: neither traced nor compiled any more.

    Returns:
        seconds of the call, and not_network: the share of them in which no operation of the network runs on any thread.
    """
    import tensorflow as tf

    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=2, python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, options)
        with tf.profiler.experimental.Trace(_CALL):
            call()
        tf.profiler.experimental.stop()
        events = list(_events(next(Path(folder).glob("**/*.xplane.pb"))))
    start, duration = next((begin, length) for name, begin, length in events if name == _CALL)
    spans = [(begin, begin + length) for name, begin, length in events if start <= begin < start + duration and NETWORK_OPERATION.search(name)]
    return {"seconds": duration, "not_network": 1.0 - covered(spans) / duration}


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of intervals (begin, end)."""
    total, last = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0, end - max(begin, last))
        last = max(last, end)
    return total


def _events(path: Path) -> Iterable[tuple[str, float, float]]:
    """Yield name (node:operation), start and length in seconds of what the processor's threads did."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(path.read_bytes())
    for plane in space.planes:
        if plane.name == "/host:CPU":
            for line in plane.lines:
                for event in line.events:
                    name = plane.event_metadata[event.metadata_id].name.split("#")[0]
                    yield name, line.timestamp_ns * 1e-9 + event.offset_ps * 1e-12, event.duration_ps * 1e-12
