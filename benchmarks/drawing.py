"""Detections drawn on a frame of 1280 × 720 pixels: `draw_instances` against `display_instances`.

    python benchmarks/drawing.py [--rounds 5]

Process time, the least of the rounds. `display_instances` is drawn into pixels too, since a video needs these. Masks come as planes, as planes whose
instances lie side by side (stacked along the last axis by users), and as masks that wait (`lazy_masks=True`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import paste  # noqa: E402

SHAPE = (720, 1280)
COUNTS = (20, 100)
NAMES = ["BG", *(f"class {number}" for number in range(1, 9))]


def contestants(count: int, seed: int = 0, shape: tuple[int, int] = SHAPE) -> dict[str, Callable[[], np.ndarray]]:
    """The ways by name, each a call that returns the picture [H, W, 3 or 4] uint8."""
    from matplotlib import pyplot as plt

    from mrcnn import results, visualize

    plt.switch_backend("agg")
    rng = np.random.default_rng(seed)
    frame = np.repeat(np.linspace(0, 255, shape[1]).astype(np.uint8)[None, :, None], shape[0], axis=0).repeat(3, axis=2)
    masks, boxes = paste.scene(seed, count, shape)
    parts = boxes, rng.integers(1, len(NAMES), count), rng.uniform(0.5, 1, count)

    def waiting() -> results.Detections:
        return results.Detections(*parts, results.SmallMasks(masks, boxes, shape))

    planes = results.Detections(*parts, waiting()["masks"])
    stacked = results.Detections(*parts, np.ascontiguousarray(planes["masks"]))

    def by_matplotlib() -> np.ndarray:
        figure = visualize.display_instances(
            frame, planes["rois"], planes["masks"], planes["class_ids"], NAMES, planes["scores"], figsize=(shape[1] / 100, shape[0] / 100)
        )
        figure.canvas.draw()
        picture = np.asarray(figure.canvas.buffer_rgba()).copy()
        plt.close(figure)
        return picture

    return {
        "display_instances": by_matplotlib,
        "planes": lambda: visualize.draw_instances(frame, planes, NAMES),
        "stacked planes": lambda: visualize.draw_instances(frame, stacked, NAMES),
        "masks that wait": lambda: visualize.draw_instances(frame, waiting(), NAMES),
    }


def measure(count: int, rounds: int) -> dict[str, float]:
    """Seconds of process time of each way, the ways in turn in each round."""
    calls = contestants(count)
    best = dict.fromkeys(calls, np.inf)
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if number:  # the first round fills caches
                best[name] = min(best[name], time.process_time() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    for count in COUNTS:
        seconds = measure(count, rounds)
        for name, value in seconds.items():
            print(f"{count:4} instances, {name:18} {1000 * value:7.1f} ms, ratio {seconds['display_instances'] / value:5.1f}")


if __name__ == "__main__":
    main()
