"""Variation of the learning rate, of the trained layers, and of both, from the same pretrained weights on the same scenes.

    python benchmarks/techniques.py --logs LOGS [--seed 0] [--only …]

The first users' three techniques, on embedded scenes. The pretrained network is the fashion sample's small one after PRETRAINING on another series of
scenes; as with COCO's weights, the layers that depend on the classes (HEAD_LAYERS) start at random. Then each schedule trains EPOCHS epochs of
STEPS steps on 500 scenes and is judged on 400 others. Intervals: 1,000 draws of those; differences over the same draws. Interrupted, the same
command goes on.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import trials  # noqa: E402

EPOCHS, STEPS = 5, 80
PRETRAINING = "all:2e-3:4:warmup@125+cosine"
PRETRAINED_SERIES, PRETRAINED_SCENES = 2, 2000
SCENES, JUDGED = 500, 400

#: technique -> {what is done: stages}.
TECHNIQUES = {
    "learning rate": {
        "1e-4": "all:1e-4:5",
        "5e-4": "all:5e-4:5",
        "1e-3": "all:1e-3:5",
        "2e-3": "all:2e-3:5",
        "1e-3, a tenth after 4": "all:1e-3:5:step@4",
        "2e-3, cosine": "all:2e-3:5:warmup@50+cosine",
    },
    "layers": {
        "heads": "heads:1e-3:5",
        "heads 2, 4+ 3": "heads:1e-3:2,4+:1e-3:3",
        "heads 2, all 3": "heads:1e-3:2,all:1e-3:3",
        "heads 1, 4+ 2, all 2": "heads:1e-3:1,4+:1e-3:2,all:1e-3:2",
    },
    "both": {
        "heads 2e-3, all 5e-4": "heads:2e-3:2,all:5e-4:3",
        "heads 2e-3, 4+ 1e-3, all 2e-4": "heads:2e-3:1,4+:1e-3:2,all:2e-4:2",
        "heads 2e-3, all 2e-3 cosine": "heads:2e-3:1,all:2e-3:4:warmup@50+cosine",
    },
}


def main(words: Sequence[str] | None = None) -> None:
    """Train, judge, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", required=True, help="folder for the runs")
    parser.add_argument("--seed", type=int, default=0, help="Default: 0")
    parser.add_argument("--only", choices=sorted(TECHNIQUES), help="one technique. Default: all")
    options = parser.parse_args(words)
    start = pretrained(options.logs, options.seed)
    print(compare({options.only: TECHNIQUES[options.only]} if options.only else TECHNIQUES, start, options.seed, options.logs))


def pretrained(logs: str, seed: int) -> str:
    """Train the network that all start from; return its weights, under a name that no run has."""
    path = os.path.join(logs, f"pretrained-{seed}.h5")
    if not os.path.isfile(path):
        data = trials.scenes(PRETRAINED_SCENES, series=PRETRAINED_SERIES)
        folder = os.path.join(logs, f"pretraining-{seed}")
        shutil.copyfile(trials.train(folder, trials.small({"VALIDATION_STEPS": 0}, seed), data, None, PRETRAINING), path)
    return path


def compare(techniques: dict[str, dict[str, str]], start: str, seed: int, logs: str) -> str:
    """Run all schedules; return their table."""
    from mrcnn.evaluation import bootstrap
    from mrcnn.model import HEAD_LAYERS

    data, judged = trials.scenes(SCENES), trials.scenes(JUDGED, trials.VAL_FIRST)
    rows, first = [], None
    for technique, schedules in techniques.items():
        for name, stages in schedules.items():
            folder = os.path.join(logs, f"{technique}-{name}-{seed}".replace(" ", "_").replace(",", ""))
            config = trials.small({"VALIDATION_STEPS": 0}, seed, STEPS)
            checkpoint = trials.train(folder, config, data, None, stages, start=start, exclude=HEAD_LAYERS)
            found = trials.judge(checkpoint, trials.small(seed=seed, detect=True), judged, folder)
            first = first or found
            gain = bootstrap.difference(found, first) if found is not first else "–"
            rows.append([technique, f"`{stages}`", bootstrap.mean_average_precision(found), gain])
            print(trials.table(["technique", "stages", "mAP@0.5", "less the first row's"], rows[-1:]), flush=True)
    return trials.table(["technique", "stages", "mAP@0.5", "less the first row's"], rows)


if __name__ == "__main__":
    main()
