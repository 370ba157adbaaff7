"""Masks of 100 detections put on a photo of 4000 × 3000 pixels: ours, ours as run-length encodings, and the original's way.

    python benchmarks/paste.py [--rounds 5] [--json paste.json]

The original's way, written here from its description: each 28 × 28 mask resized to its box by scikit-image in floating
point, compared with ½, put on a plane of its own, and the planes stacked along the last axis. Boxes are as large as
those of photos full of things: sides from 3 to 60 % of the photo's height, evenly over the orders of magnitude.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import contest, workers  # noqa: E402

SHAPE = (3000, 4000)
COUNT = 100
NAMES = {"original": "the original's way", "planes": "ours", "rles": "ours, to run lengths", "encoded": "ours, planes then encoded"}


def scene(seed: int, count: int = COUNT, shape: tuple[int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Smooth outlines as a mask head gives them, [N, 28, 28] float32, and their boxes, [N, (y1, x1, y2, x2)] int32."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    angle, waves = np.arctan2(y, x), np.arange(1, 6)[:, None, None]
    masks = []
    for _ in range(count):
        radius = 0.75 + (rng.normal(0, 0.1, (5, 1, 1)) * np.cos(waves * angle + rng.uniform(0, 6, (5, 1, 1)))).sum(axis=0)
        masks.append(1 / (1 + np.exp(12 * (np.hypot(y, x) - radius))))
    sides = shape[0] * np.exp(rng.uniform(np.log(0.03), np.log(0.6), (count, 1)) + rng.normal(0, 0.25, (count, 2)))
    sides = np.clip(sides, 2, np.array(shape) - 2)
    corner = rng.uniform(0, 1, (count, 2)) * (np.array(shape) - sides)
    return np.array(masks, np.float32), np.rint(np.concatenate([corner, corner + sides], axis=1)).astype(np.int32)


def pasted_by_skimage(masks: np.ndarray, boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The original's way: [H, W, N] bool."""
    from skimage import transform

    planes = []
    for mask, (y1, x1, y2, x2) in zip(masks, boxes.tolist(), strict=True):
        resized = transform.resize(
            mask, (y2 - y1, x2 - x1), order=1, mode="constant", cval=0, clip=True, preserve_range=True, anti_aliasing=False
        )
        plane = np.zeros(shape, bool)
        plane[y1:y2, x1:x2] = np.where(resized >= 0.5, 1, 0).astype(bool)
        planes.append(plane)
    return np.stack(planes, axis=-1)


def contestants(seed: int = 0) -> dict[str, Callable[[], Any]]:
    """The ways by name, each a call that returns its result."""
    from mrcnn.ops import paste, rle

    masks, boxes = scene(seed)
    return {
        "original": lambda: pasted_by_skimage(masks, boxes, SHAPE),
        "planes": lambda: paste.planes(masks, boxes, SHAPE),
        "rles": lambda: paste.coco_rles(masks, boxes, SHAPE),
        "encoded": lambda: rle.encode_coco(paste.planes(masks, boxes, SHAPE)),
    }


def tasks(name: str, seed: int = 0) -> workers.Tasks:
    """One contestant in a process of its own; the facts hold the memory of its first call."""
    call = contestants(seed)[name]
    memory = memory_beyond_result(call)
    return workers.Tasks({name: lambda: {"seconds": _seconds(call)}}, memory)


def _seconds(call: Callable[[], Any]) -> float:
    """Time of a call, without that of giving its result's memory back."""
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    del result
    return seconds


def memory_beyond_result(call: Callable[[], Any]) -> dict[str, float]:
    """Memory of one call, in MB; only in a fresh process is the peak the call's own.

    Returns:
        peak_mb, by how much the resident memory rose at most; result_mb, the size of the result, its pages touched or
        not; beyond_mb, the peak less what giving the result back frees, so that pages of the result that were never
        touched hide nothing; temporary_mb, the peak less what stayed resident while the result was held.
    """
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")  # forget the peak so far
    before = _memory("VmRSS")
    result = call()
    peak, after = _memory("VmHWM") - before, _memory("VmRSS") - before
    size = result.nbytes if isinstance(result, np.ndarray) else sum(len(one["counts"]) for one in result)
    del result
    freed = max(0.0, after - (_memory("VmRSS") - before))
    return {"peak_mb": peak, "result_mb": size / 2**20, "beyond_mb": peak - freed, "temporary_mb": max(0.0, peak - after)}


def _memory(field: str) -> float:
    """Resident memory of this process, now (VmRSS) or at most (VmHWM), MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def unlike_the_original(seed: int, count: int = 10) -> tuple[int, int]:
    """Pixels of some masks that come out unlike the original's, and how many pixels their boxes have."""
    from mrcnn.ops import paste, rle

    masks, boxes = scene(seed, count)
    ours, original = paste.planes(masks, boxes, SHAPE), pasted_by_skimage(masks, boxes, SHAPE)
    if paste.coco_rles(masks, boxes, SHAPE) != rle.encode_coco(ours):
        raise RuntimeError("The run-length encodings are not those of the planes.")
    return int(np.count_nonzero(ours != original)), int(((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)).sum())


def run(options: argparse.Namespace, notes: list[str]) -> dict[str, Any]:
    """Play the contest, print it, and return its figures."""
    print(f"\npaste: {COUNT} masks of 28 x 28 on {SHAPE[1]} x {SHAPE[0]} pixels")
    figures: dict[str, Any] = {"memory": {}, "ratios": {}}
    entries: dict[str, contest.Entry] = {}
    with contextlib.ExitStack() as stack:
        for name, title in NAMES.items():
            worker = contest.optional(title, notes, lambda name=name: workers.Worker("benchmarks.paste:tasks", {"name": name}))
            if worker:
                stack.enter_context(worker)
                figures["memory"][name] = worker.facts()
                entries[name] = contest.Entry(title, worker, name)
        if "original" in entries:
            different, pixels = figures["pixels_unlike"] = unlike_the_original(0)
            print(f"  pixels unlike the original's: {different} of {pixels:,} in 10 boxes")
        contest.play(list(entries.values()), options.rounds)
        contest.print_times(list(entries.values()))
        for ours, yardstick in (("planes", "original"), ("rles", "planes"), ("rles", "encoded")):
            if yardstick in entries:
                value = contest.ratio(entries[ours], entries[yardstick])
                contest.print_ratio(f"{NAMES[ours]} over {NAMES[yardstick]}", value)
                figures["ratios"][f"{ours} over {yardstick}"] = value._asdict()
        figures["contestants"] = [entry.to_dict() for entry in entries.values()]
    for name, memory in figures["memory"].items():
        print(f"  memory of {NAMES[name]}: peak {memory['peak_mb']:,.0f} MB, result {memory['result_mb']:,.1f} MB, "
              f"beyond what it holds {memory['beyond_mb']:,.0f} MB, given back {memory['temporary_mb']:,.0f} MB")  # fmt: skip
    return figures


if __name__ == "__main__":
    contest.play_alone(run, __doc__)
