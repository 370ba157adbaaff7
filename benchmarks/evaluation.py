"""How long the figures take once detection is done: synthetic results of the size of COCO's val2017.

    python benchmarks/evaluation.py [--images 5000] [--detections 100] [--classes 80] [--all] [--reference] [--json FILE]

Instances are ellipses with a wobble, 1 to 14 an image; two thirds of the detections are shifted copies of instances, the
rest lie anywhere; scores tell the better from the worse with noise. Masks are run lengths, as the judge keeps them. The
time is that of the process on the processor (`time.process_time`), with BLAS and OpenCV on one thread, so a busy machine
does not change it much; making the data is not counted. --reference also runs pycocotools itself and compares.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy
    os.environ.setdefault(name, "1")

import cv2  # noqa: E402
import numpy as np  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mrcnn.evaluation.collected import Collected, CollectedImage  # noqa: E402
from mrcnn.ops import rle, runs  # noqa: E402

HEIGHT, WIDTH = 480, 640


def synthetic(images: int, detections: int, classes: int, seed: int = 0) -> Collected:
    """Make results of a data set; the same ones for the same numbers."""
    rng = np.random.default_rng(seed)
    names = ["BG", *(f"class {i}" for i in range(1, classes + 1))]
    return Collected(names, [_image(i, detections, classes, rng) for i in range(images)])


def _image(image_id: int, num: int, classes: int, rng: np.random.Generator) -> CollectedImage:
    instances = int(rng.integers(1, 15))
    own = rng.integers(1, classes + 1, 3)  # an image shows few classes
    gt_ids = rng.choice(own, instances).astype(np.int32)
    gt = np.stack([rng.uniform(0, HEIGHT, instances), rng.uniform(0, WIDTH, instances), *np.exp(rng.uniform(1.5, 5, (2, instances)))], axis=1)
    copies = np.flatnonzero(rng.random(num) < 2 / 3)
    of = rng.integers(0, instances, len(copies))
    shift = rng.exponential(0.12, (len(copies), 1))
    found = np.stack([rng.uniform(0, HEIGHT, num), rng.uniform(0, WIDTH, num), *np.exp(rng.uniform(1.5, 5, (2, num)))], axis=1)
    found[copies, :2] = gt[of, :2] + rng.normal(size=(len(copies), 2)) * shift * gt[of, 2:]
    found[copies, 2:] = gt[of, 2:] * np.exp(rng.normal(size=(len(copies), 2)) * shift)
    ids, scores = rng.choice(own, num).astype(np.int32), rng.random(num) * 0.5
    ids[copies] = np.where(rng.random(len(copies)) < 0.8, gt_ids[of], ids[copies])
    scores[copies] += np.exp(-3 * shift[:, 0]) * 0.5
    gt_rles, rles = _ellipses(gt, rng), _ellipses(found, rng)
    crowd = np.where(rng.random(instances) < 0.02, -1, 1)
    return CollectedImage(
        image_id, f"{image_id}.jpg", HEIGHT, WIDTH, gt_ids * crowd, rle.boxes_coco(gt_rles), gt_rles, rle.area_coco(gt_rles), ids,
        scores.astype(np.float32), rle.boxes_coco(rles), rles,
    )  # fmt: skip


def _ellipses(shapes: np.ndarray, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Encode ellipses [N, (y, x, ry, rx)] whose outline wobbles from column to column."""
    owners, edges = [], []
    for i, (y, x, ry, rx) in enumerate(shapes):
        columns = np.arange(max(0, int(x - rx)), min(WIDTH, int(x + rx) + 1))
        half = ry * np.sqrt(np.maximum(0, 1 - ((columns - x) / rx) ** 2)) + rng.integers(0, 3, len(columns))
        top, bottom = np.clip(y - half, 0, HEIGHT).astype(np.int64), np.clip(y + half, 0, HEIGHT).astype(np.int64)
        real = bottom > top
        one = runs.odd(np.stack([columns * HEIGHT + top, columns * HEIGHT + bottom], axis=1)[real].ravel())
        owners.append(np.full(len(one), i))
        edges.append(one)
    return runs.encode(np.concatenate(owners), np.concatenate(edges), len(shapes), (HEIGHT, WIDTH))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Run something; returns what it gives, and the seconds this process was on the processor."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def reference(collected: Collected) -> tuple[dict[str, float], float]:
    """COCOeval as everybody calls it, on masks; index and results are laid out before the clock runs, as for ours."""
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from mrcnn.evaluation import coco, from_coco

    truth, found = from_coco.as_coco(collected)
    for one in found:
        del one["bbox"]  # else loadRes takes the areas of boxes
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = truth
        gt.createIndex()
        judge = COCOeval(gt, gt.loadRes(found), "segm")
        _, seconds = timed(lambda: (judge.evaluate(), judge.accumulate(), judge.summarize()))
    return dict(zip(coco.NAMES, map(float, judge.stats), strict=True)), seconds


def measured(collected: Collected, everything: bool) -> dict[str, float]:
    """Return the seconds of each part; "segm" is COCO's matching by masks, from run lengths to the twelve figures."""
    from mrcnn.evaluation import coco, confusion, measure, overlaps, panoptic, semantic

    parts: dict[str, Callable[[], Any]] = {"segm": lambda: coco.evaluate(collected, "segm")}
    if everything:
        parts |= {kind: lambda kind=kind: coco.evaluate(collected, kind) for kind in ("bbox", "boundary")}
        parts["mAP at one IoU"] = lambda: overlaps.rankings(collected, [0.5])[0].result()
        parts["confusion matrix"] = lambda: confusion.matrix(collected)
        parts["PQ"], parts["mIoU"] = lambda: panoptic.evaluate(collected), lambda: semantic.evaluate(collected)
        parts["all, with 1000 draws"] = lambda: measure.evaluate(collected)
    return {name: timed(work)[1] for name, work in parts.items()}


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; returns what it prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100, help="an image")
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--all", action="store_true", help="every figure, not COCO's of masks alone")
    parser.add_argument("--reference", action="store_true", help="pycocotools as everybody calls it, and how far ours is off")
    parser.add_argument("--json", help="write the seconds there")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    collected = synthetic(options.images, options.detections, options.classes)
    print(f"{options.images} images, {collected.num_instances} instances, {collected.num_detections} detections, {options.classes} classes")
    result: dict[str, Any] = {"images": options.images, "detections": options.detections, "classes": options.classes}
    result["seconds"] = measured(collected, options.all)
    for name, seconds in result["seconds"].items():
        print(f"{name:24} {seconds:8.1f} s of one core")
    if options.reference:
        from mrcnn.evaluation import coco

        theirs, seconds = reference(collected)
        result["pycocotools"], ours = seconds, coco.evaluate(collected).figures
        result["largest difference"] = max(abs(ours[name] - theirs[name]) for name in theirs if theirs[name] >= 0)
        print(f"{'pycocotools, segm':24} {seconds:8.1f} s of one core; largest difference of the twelve figures {result['largest difference']:.1e}")
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    main()
