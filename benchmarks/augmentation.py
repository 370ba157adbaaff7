"""The work "augment": flip, scale jitter and colour on a photo of 512 px with its 8 masks: ours, imgaug's and albumentations'.

    python benchmarks/augmentation.py [--rounds 5] [--json augment.json]

Each goes through `augment.apply`, as in the loader: what a library needs before and after its pixels (a copy of the pipeline, a
seed, masks turned into its form) is its own, and counted. One core each. Made equal: mirror half of the photos; scale by 0.8 to
1.25, bilinear for the photo and at most bilinear for the masks; brightness, contrast, saturation by up to 0.2, hue by up to 0.02 of
the circle. Not equal: ours lays the scaled photo at a random place, theirs in the middle; ours turns hue in YIQ in one pass, theirs
in HSV after a pass for each of the others. MRCNN_BENCH_AUGMENT names an interpreter that has albumentations, where this one has not.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import contest, scenes  # noqa: E402
from benchmarks.contest import Entry, play, print_ratio, print_times, ratio  # noqa: E402
from benchmarks.workers import Tasks, Worker  # noqa: E402

SIZE, DRAWS = 512, 8  # pixels; draws of one call, mirrored and not, enlarged and reduced
STEPS = ("flip", "jitter", "colour")
WHOLE = "flip + jitter + colour"


def pipeline(kind: str, steps: tuple[str, ...]) -> Any:
    """What a contestant passes as augmentation: ours, imgaug or albumentations."""
    from mrcnn.data import augment

    if kind == "ours":
        own = {"flip": augment.flip, "jitter": augment.scale_jitter, "colour": augment.colour}
        return [own[step] for step in steps]
    if kind == "imgaug":
        iaa = augment.import_imgaug().augmenters
        theirs = {
            "flip": [iaa.Fliplr(0.5)],
            "jitter": [iaa.Affine(scale=(0.8, 1.25))],
            "colour": [iaa.Multiply((0.8, 1.2)), iaa.LinearContrast((0.8, 1.2)),
                       iaa.MultiplyHueAndSaturation(mul_saturation=(0.8, 1.2)), iaa.AddToHue((-5, 5))],  # of 255
        }  # fmt: skip
        return iaa.Sequential([augmenter for step in steps for augmenter in theirs[step]])
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as A

    theirs = {
        "flip": A.HorizontalFlip(p=0.5),
        "jitter": A.Affine(scale=(0.8, 1.25), p=1),
        "colour": A.ColorJitter((0.8, 1.2), (0.8, 1.2), (0.8, 1.2), (-0.02, 0.02), p=1),
    }
    return A.Compose([theirs[step] for step in steps])


def example() -> Any:
    """A photo with its instances, as `augment.apply` takes it."""
    from mrcnn.data import augment

    found = scenes.scene(0, SIZE)
    masks = np.ascontiguousarray(scenes.masks(found).transpose(1, 2, 0))
    return augment.Example(np.ascontiguousarray(found.image), masks, np.arange(1, 1 + masks.shape[-1]), (0, 0, SIZE, SIZE))


def tasks(kind: str) -> Tasks:
    """A contestant: each step by itself, and all of them."""
    import cv2

    from mrcnn.data import augment

    cv2.setNumThreads(1)
    photo = example()

    def task(steps: tuple[str, ...]) -> Any:
        augmentation = pipeline(kind, steps)
        augment.check(augmentation)

        def run() -> None:
            for seed in range(DRAWS):
                augment.apply(augmentation, photo, rng=np.random.default_rng(seed))

        return run

    return Tasks({WHOLE: task(STEPS), **{step: task((step,)) for step in STEPS}}, {})


def run(options: argparse.Namespace, notes: list[str]) -> dict[str, Any]:
    """Play the contest and print it; every contestant plays 3 times the rounds, being short."""
    print(f"\naugment: {WHOLE} on a photo of {SIZE} px with {scenes.OBJECTS} masks")
    other = os.environ.get("MRCNN_BENCH_AUGMENT", sys.executable)
    figures: dict[str, Any] = {"entries": [], "ratios": {}}
    with ExitStack() as stack:
        workers = {}
        for kind, python in (("ours", sys.executable), ("imgaug", sys.executable), ("albumentations", other)):
            worker = contest.optional(kind, notes, lambda kind=kind, python=python: Worker("benchmarks.augmentation:tasks", {"kind": kind}, python))
            if worker:
                workers[kind] = stack.enter_context(worker)
        for name in (WHOLE, *STEPS):
            entries = {kind: Entry(f"{name}: {kind}", worker, name, per=DRAWS) for kind, worker in workers.items()}
            play(list(entries.values()), 3 * options.rounds)
            print_times(list(entries.values()))
            for kind in entries:
                if kind != "ours":
                    value = ratio(entries["ours"], entries[kind])
                    print_ratio(f"{name}: ours / {kind}", value)
                    figures["ratios"][f"{name}: ours / {kind}"] = value._asdict()
            figures["entries"] += [entry.to_dict() for entry in entries.values()]
    return figures


if __name__ == "__main__":
    contest.play_alone(run, __doc__)
