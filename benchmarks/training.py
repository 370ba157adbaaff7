"""The work "train": one training step of two photos of 512², against torchvision's and against the original's way."""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack
from typing import Any

from benchmarks import contest, gemm
from benchmarks.contest import Entry, play, print_ratio, print_times, ratio, spread
from benchmarks.workers import Worker

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
#: With every sampled roi allowed to be positive the mask head runs on all 200 of them, as in the original, which had no bound there.
MASK_HEAD_ON_ALL = {"ROI_POSITIVE_RATIO": 1.0}
RATIOS = (
    ("ours float32", "torchvision float32"), ("ours bfloat16", "torchvision float32"), ("ours bfloat16", "torchvision bfloat16"),
    ("ours bfloat16", "ours float32"), ("ours float32", "mask head on all rois"),
)  # fmt: skip


def run(options: Namespace, notes: list[str]) -> dict[str, Any]:
    """Play the contest of training steps and print it. Arguments and result as `inference.run`."""
    size = options.train_size
    print(f"\ntrain: a step of 2 photos of {size} px, 8 objects each, 200 rois, all layers, SGD with clipping; {options.rounds} rounds in turns")
    facts = _facts(size)
    with ExitStack() as stack:
        entries = _entries(stack, options, notes)
        play(list(entries.values()), options.rounds)
        print_times(list(entries.values()))
        positives = {name: e.answers[-1].get("positives", facts["positives"]) for name, e in entries.items()}
        for other in ("mask head on all rois", "matrix product"):
            positives.pop(other, None)
        print("  positive rois of each image: " + ", ".join(f"{name} {count}" for name, count in positives.items()))
        if len({tuple(count) for count in positives.values()}) > 1:
            notes.append(f"train: the positives differ, so the work is not equal: {positives}")
            print("  " + notes[-1])
        ratios = {f"{ours} / {theirs}": ratio(entries[ours], entries[theirs]) for ours, theirs in RATIOS if {ours, theirs} <= set(entries)}
        for name, value in ratios.items():
            print_ratio(name, value)
        product, step = entries["matrix product"], entries["ours float32"]
        rate = spread([facts["operations"] / s * p / gemm.OPERATIONS for s, p in zip(step.seconds, product.seconds, strict=True)])
        print(f"  ours float32: {facts['operations'] / 1e9:.0f} GFLOP a step, at {rate:.3f} of the matrix product's rate")
        return {
            "facts": facts, "positives": positives, "entries": [e.to_dict() for e in entries.values()],
            "ratios": {name: value._asdict() for name, value in ratios.items()}, "rate_of_gemm": rate._asdict(),
        }  # fmt: skip


def _entries(stack: ExitStack, options: Namespace, notes: list[str]) -> dict[str, Entry]:
    ours, theirs = "benchmarks.ours_training:training", "benchmarks.torchvision_yardstick:training"
    size = {"size": options.train_size}
    entries = {"matrix product": Entry("matrix product", stack.enter_context(Worker("benchmarks.gemm:products")), "tf_float32")}
    for short, policy in PRECISIONS.items():
        name, yardstick = f"ours {short}", f"torchvision {short}"
        entries[name] = Entry(name, stack.enter_context(Worker(ours, {**size, "PRECISION": policy})), "step")
        settings = {**size, "precision": short}
        worker = contest.optional(yardstick, notes, lambda settings=settings: Worker(theirs, settings, options.torch_python))
        if worker:
            entries[yardstick] = Entry(yardstick, stack.enter_context(worker), "step")
    name = "mask head on all rois"
    entries[name] = Entry(name, stack.enter_context(Worker(ours, {**size, "PRECISION": "float32", **MASK_HEAD_ON_ALL})), "step")
    return entries


def _facts(size: int) -> dict[str, Any]:
    with Worker("benchmarks.ours_training:training", {"size": size, "PRECISION": "float32", "count_operations": True}) as worker:
        return worker.facts()
