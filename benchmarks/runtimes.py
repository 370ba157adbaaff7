"""The work "runtimes": OpenVINO and ONNX Runtime against TensorFlow on what is dense in detect(), backbone + pyramid + RPN.

    python -m venv /tmp/runtimes && /tmp/runtimes/bin/pip install '.[export]' scipy
    python benchmarks/runtimes.py --python /tmp/runtimes/bin/python

Or `MRCNN_BENCH_RUNTIMES=/tmp/runtimes/bin/python python benchmarks/run.py runtimes`. Each runtime works in a process of its own, with the same number
of threads, the same weights and the same image, from the image to P2…P5 and the RPN's answers as NumPy arrays. TensorFlow runs the network with its
BatchNorms folded, as detect() does; the exported files hold them (the runtimes fold them themselves when they compile).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import contest  # noqa: E402
from benchmarks.contest import Entry, play, print_ratio, print_times, ratio, spread  # noqa: E402
from benchmarks.workers import Tasks, Worker  # noqa: E402

#: ONNX Runtime's CPU kernels know no bfloat16 convolution.
KINDS = ("tensorflow float32", "openvino float32", "onnxruntime float32", "tensorflow bfloat16", "openvino bfloat16")
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
OUTPUTS = ("rpn_class", "rpn_bbox", "fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5")
THREADS = len(os.sched_getaffinity(0))


def run(options: argparse.Namespace, notes: list[str]) -> dict[str, Any] | None:
    """Export the network, let the runtimes take turns, and print.

    Args:
        options: rounds, size.
        notes: What was skipped is added here.

    Returns:
        All figures, for the JSON file; None if a package is missing.
    """
    python = os.environ.get("MRCNN_BENCH_RUNTIMES", sys.executable)
    print(f"\nruntimes: ResNet50 + FPN + RPN at {options.size} px, {THREADS} threads, {options.rounds} rounds in turns")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        settings = {"folder": folder, "size": options.size}
        exporter = contest.optional("runtimes", notes, lambda: Worker("benchmarks.runtimes:exporter", settings, python))
        if exporter is None:
            return None
        with exporter:
            exported = exporter.run("export")
        entries = {}
        for kind in KINDS:
            entries[kind] = Entry(kind, stack.enter_context(Worker("benchmarks.runtimes:contestant", {**settings, "kind": kind}, python)), "trunk")
        play(list(entries.values()), options.rounds)
        print_times(list(entries.values()))
        facts = {kind: {**entry.worker.facts(), "difference": _difference(Path(folder), kind)} for kind, entry in entries.items()}
        for kind, fact in facts.items():
            fact["cpu_seconds"] = spread([answer["cpu_seconds"] for answer in entries[kind].answers]).median
            print(f"  {kind:20}  {fact['cpu_seconds']:.2f} CPU s   load {fact['load_seconds']:.1f} s   difference {fact['difference']:.1e}")
        ratios = {}
        for kind in KINDS:
            yardstick = f"tensorflow {kind.split()[1]}"
            if kind != yardstick:
                ratios[f"{kind} / {yardstick}"] = value = ratio(entries[kind], entries[yardstick])
                print_ratio(f"{kind} / {yardstick}", value)
        ratios = {name: value._asdict() for name, value in ratios.items()}
        return {"export": exported, "facts": facts, "entries": [e.to_dict() for e in entries.values()], "ratios": ratios}


def _difference(folder: Path, kind: str) -> float:
    """Largest of the outputs' mean absolute differences to TensorFlow in float32, each relative to its output's mean absolute value."""
    import numpy as np

    exact, found = np.load(folder / f"{KINDS[0]}.npz"), np.load(folder / f"{kind}.npz")
    return float(max(np.abs(found[name] - exact[name]).mean() / np.abs(exact[name]).mean() for name in OUTPUTS))


# --- In the workers' processes ----------------------------------------------------------------------------------------------


def trunk(size: int, precision: str, fold: bool) -> Any:
    """Backbone, pyramid and RPN of the inference network; its BatchNorms are not those of a fresh network."""
    import keras
    import numpy as np

    from mrcnn import build
    from mrcnn.config import Config
    from mrcnn.nn.layers import BatchNorm

    attributes = {"NAME": "runtimes", "NUM_CLASSES": 81, "BACKBONE": "resnet50", "IMAGES_PER_GPU": 1, "IMAGE_MIN_DIM": size, "IMAGE_MAX_DIM": size}
    config = type("RuntimesConfig", (Config,), {**attributes, "FOLD_BATCH_NORM": fold, "PRECISION": POLICIES[precision]})()
    keras.utils.set_random_seed(0)
    network = build.build(config, "inference", saver=None, loader=None)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, BatchNorm):
            channels = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.8, 1.2, channels), *rng.normal(0, 0.1, (2, channels)), rng.uniform(0.8, 1.2, channels)])
    return keras.Model(network.inputs[0], [network.get_layer(name).output for name in OUTPUTS])


def exporter(folder: str, size: int) -> Tasks:
    """Task "export": writes trunk.xml (OpenVINO), trunk.onnx, and image.npy."""
    import cv2
    import numpy as np
    import onnxruntime  # noqa: F401 (looked for here, so that the work is skipped before anything is exported)
    import openvino  # noqa: F401
    import scipy.signal  # noqa: F401 (Keras' export to OpenVINO needs it)
    import tf2onnx  # noqa: F401

    def export() -> None:
        model = trunk(size, "float32", fold=False)
        model.export(os.path.join(folder, "trunk.xml"), format="openvino", verbose=False)
        model.export(os.path.join(folder, "trunk.onnx"), format="onnx", verbose=False)
        coarse = np.random.default_rng(0).uniform(-120, 120, (size // 32, size // 32, 3)).astype(np.float32)
        np.save(os.path.join(folder, "image.npy"), cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)[None])

    return Tasks({"export": export}, {})


def contestant(kind: str, folder: str, size: int) -> Tasks:
    """Task "trunk": one runtime on the image. Its outputs are left in the folder."""
    import numpy as np

    image = np.load(os.path.join(folder, "image.npy"))
    runtime, precision = kind.split()
    start = time.perf_counter()
    call = {"tensorflow": _tensorflow, "openvino": _openvino, "onnxruntime": _onnxruntime}[runtime](Path(folder), size, precision)
    seconds = time.perf_counter() - start
    saved = False

    def task() -> dict[str, float]:
        nonlocal saved
        before = time.process_time()
        outputs = call(image)
        cpu_seconds = time.process_time() - before  # on a machine that others use this says more than the time on the clock
        if not saved:
            np.savez(os.path.join(folder, f"{kind}.npz"), **{name: np.asarray(o, np.float32) for name, o in zip(OUTPUTS, outputs, strict=True)})
            saved = True
        return {"cpu_seconds": cpu_seconds}

    return Tasks({"trunk": task}, {"load_seconds": seconds})


def _tensorflow(folder: Path, size: int, precision: str) -> Any:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    model = trunk(size, precision, fold=True)
    call = tf.function(lambda image: model(image, training=False), jit_compile=False)
    return lambda image: [output.numpy() for output in call(tf.constant(image))]


def _openvino(folder: Path, size: int, precision: str) -> Any:
    import numpy as np
    import openvino

    hint = "bf16" if precision == "bfloat16" else "f32"
    settings = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": THREADS}
    compiled = openvino.Core().compile_model(folder / "trunk.xml", "CPU", settings)
    return lambda image: [np.array(output) for output in compiled([image]).values()]


def _onnxruntime(folder: Path, size: int, precision: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(folder / "trunk.onnx", options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {session.get_inputs()[0].name: image})


def main(words: list[str] | None = None) -> dict[str, Any] | None:
    """Play this work alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=None, help="interpreter with the extra [export] and scipy (MRCNN_BENCH_RUNTIMES, else this one)")
    parser.add_argument("--size", type=int, default=1024, help="side of the image, pixels (1024)")
    parser.add_argument("--rounds", type=int, default=11, help="turns of each runtime after its first call (11)")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args(words)
    if options.python:
        os.environ["MRCNN_BENCH_RUNTIMES"] = options.python
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
    figures = run(options, notes := [])
    if options.json:
        options.json.write_text(json.dumps({"figures": figures, "notes": notes}, indent=1), encoding="utf-8")
    return figures


if __name__ == "__main__":
    main()
