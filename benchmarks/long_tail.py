"""What repeat factors, class weights and a focal loss do for rare classes: embedded scenes whose classes come 1 : 100.

    python benchmarks/long_tail.py --logs LOGS [--seeds 0] [--only none,repeat] [--stages …]

Scenes are taken in the order of their numbers unless a class would pass its quota (QUOTAS); nothing is drawn anew, and no garment that can be seen
goes without its mask. Every trial trains the fashion sample's small network from the same seed on the same scenes, with one option changed, and is
judged on scenes of the natural frequencies that none has seen. Intervals: 1,000 draws of those scenes; differences from "none" over the same draws.
They don't hold the spread between seeds: give two seeds to see it. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import trials  # noqa: E402

if TYPE_CHECKING:
    from mrcnn.data.dataset import Dataset

#: Instances that training holds at most, by class; the others (shirt, pants, shoe, bag) come as they come. Shoes are the most frequent: 2,796.
QUOTAS = {"hat": 700, "jacket": 300, "skirt": 120, "dress": 28}
POOL = 22_000  # scenes to choose from; those to judge by lie far beyond
JUDGED = 400
STAGES = "all:2e-3:8:warmup@125+cosine"
RARE = ("dress", "skirt")

#: Parameters of Config, from the [9] instances of each class in the training scenes.
TRIALS: dict[str, Callable[[np.ndarray], dict[str, Any]]] = {
    "none": lambda counts: {},
    "repeat": lambda counts: {"REPEAT_THRESHOLD": 0.3},
    "weights-sqrt": lambda counts: {"CLASS_WEIGHTS": _class_weights(counts, "sqrt")},
    "weights-inverse": lambda counts: {"CLASS_WEIGHTS": _class_weights(counts, "inverse")},
    "focal": lambda counts: {"RPN_FOCAL_GAMMA": 2.0, "RPN_FOCAL_ALPHA": 0.25},
}


def main(words: Sequence[str] | None = None) -> None:
    """Train, judge, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", required=True, help="folder for the runs")
    parser.add_argument("--seeds", default="0", help="comma-separated. Default: 0")
    parser.add_argument("--only", default=",".join(TRIALS), help=f"some of {', '.join(TRIALS)}. Default: all")
    parser.add_argument("--stages", default=STAGES, help=f"Default: {STAGES}")
    options = parser.parse_args(words)
    names = options.only.split(",")
    if unknown := [name for name in names if name not in TRIALS]:
        parser.error(f"--only {unknown[0]}: known are {', '.join(TRIALS)}")
    data, counts = tail(trials.scenes(POOL), options.logs)
    print(f"{data.num_images} scenes: " + ", ".join(f"{name} {n}" for name, n in zip(data.class_names[1:], counts[1:], strict=True)))
    for seed in options.seeds.split(","):
        print(f"\nseed {seed}\n\n{compare(names, data, counts, int(seed), options.stages, options.logs)}", flush=True)


def compare(names: Sequence[str], data: Dataset, counts: np.ndarray, seed: int, stages: str, logs: str) -> str:
    """Run the trials of one seed; return their table."""
    from mrcnn.evaluation import bootstrap

    judged = trials.scenes(JUDGED, trials.VAL_FIRST)
    gathered = {}
    for name in names:
        folder = os.path.join(logs, f"{name}-{seed}")
        settings = {**TRIALS[name](counts), "VALIDATION_STEPS": 0}
        checkpoint = trials.train(folder, trials.small(settings, seed), data, None, stages)
        gathered[name] = trials.judge(checkpoint, trials.small(seed=seed, detect=True), judged, folder)
    rare = [data.class_names.index(name) for name in RARE]
    rows = []
    for name, found in gathered.items():
        per_class = found.result().per_class
        cells = [bootstrap.mean_average_precision(found), bootstrap.mean_average_precision(found, class_ids=rare)]
        gain = bootstrap.difference(found, gathered["none"], class_ids=rare) if "none" in gathered and name != "none" else "–"
        rows.append([name, *cells, gain, *(f"{per_class[i]:.2f}" for i in range(1, data.num_classes))])
    header = ["option", "mAP@0.5", "mean of " + ", ".join(RARE), "less none's", *data.class_names[1:]]
    return trials.table(header, rows)


def tail(pool: Dataset, folder: str) -> tuple[Dataset, np.ndarray]:
    """Choose the scenes; they are kept in a file of the folder, since drawing all takes minutes.

    Returns:
        the subset, and [K] instances of each class in it.
    """
    from mrcnn import files

    path = os.path.join(folder, "scenes.json")
    key = {"quotas": QUOTAS, "pool": pool.num_images}
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        if kept["key"] == key:
            return pool.subset(kept["scenes"]), np.array(kept["counts"])
    print(f"Looking through {pool.num_images} scenes …", flush=True)
    limits = np.full(pool.num_classes, np.iinfo(np.int64).max)
    for name, most in QUOTAS.items():
        limits[pool.class_names.index(name)] = most
    chosen, counts = choose((np.bincount(pool.image_class_ids(i), minlength=pool.num_classes) for i in pool.image_ids), limits)
    files.write(path, json.dumps({"key": key, "scenes": chosen, "counts": counts.tolist()}))
    return pool.subset(chosen), counts


def choose(counts: Iterable[np.ndarray], limits: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Take scenes in their order, leaving out each that would bring a class above its limit.

    Args:
        counts: [K] instances of each class, scene by scene.
        limits: [K]; of a class that a scene doesn't show it doesn't matter.

    Returns:
        numbers of the scenes, and [K] the instances in them.

    >>> chosen, total = choose(np.array([[0, 1, 1], [0, 2, 1], [0, 3, 0]]), limits=np.array([9, 9, 1]))
    >>> chosen, total.tolist()
    ([0, 2], [0, 4, 1])
    """
    chosen, total = [], np.zeros(len(limits), np.int64)
    for number, found in enumerate(counts):
        if (total + found <= limits)[found > 0].all():
            chosen.append(number)
            total = total + found
    return chosen, total


def _class_weights(counts: np.ndarray, method: str) -> np.ndarray:
    from mrcnn.data import class_weights

    return class_weights.from_counts(counts, method)


if __name__ == "__main__":
    main()
