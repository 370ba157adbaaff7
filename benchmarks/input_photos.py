"""Real photos on their way into training, and what a photo of 4,000 x 3,000 with 100 instances adds to the memory. Parts of the work "input"."""

from __future__ import annotations

import json
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import contest, scenes
from benchmarks.workers import ROOT, Tasks, Worker

FOLDER = ROOT.parent / "shared" / "data" / "ccp_fashion"
SIZE, PHOTOS = 512, 40
BIG, INSTANCES, BIG_SIZE = (3000, 4000), 100, 1024
LIMIT_MB = 400


def run(options: Namespace, notes: list[str]) -> dict[str, Any]:
    """Play both and print them; arguments as `inference.run`."""
    return {"real": _run_real(options, notes), "big": _run_big(options)}


def _run_real(options: Namespace, notes: list[str]) -> dict[str, Any] | None:
    if not FOLDER.is_dir():
        notes.append(f"input: no photos in {FOLDER}, load_image_gt is left out")
        print(f"  {notes[-1]}")
        return None
    with Worker("benchmarks.input_photos:real", {"folder": str(FOLDER)}) as worker:
        entry = contest.Entry(f"load_image_gt, {PHOTOS} photos of {FOLDER.name} at {SIZE} px, each", worker, "load", per=PHOTOS)
        contest.play([entry], options.rounds)
        contest.print_times([entry])
        cpu = contest.spread([1000 * answer["cpu_seconds"] / PHOTOS for answer in entry.answers])
        print(f"  processor time of one: {cpu:.2f} ms")
        return {**entry.to_dict(), "cpu_ms": cpu._asdict()}


def _run_big(options: Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("run lengths", "planes"):
            with Worker("benchmarks.input_photos:big", {"folder": folder, "kind": kind}) as worker:
                entry = contest.Entry(f"{BIG[0]} x {BIG[1]}, {INSTANCES} instances as {kind}, at {BIG_SIZE} px", worker, "item")
                memory = worker.facts()
                contest.play([entry], min(options.rounds, 3))
                contest.print_times([entry])
                print(f"  adds {memory['added_mb']:.0f} MB to the peak" + (f" (limit {LIMIT_MB})" if kind == "run lengths" else ""))
                figures[kind] = {**entry.to_dict(), **memory}
    return figures


def real(folder: str) -> Tasks:
    """What the original calls load_image_gt, mini-masks included, on the first photos of a folder in COCO's form."""
    from mrcnn.config import Config
    from mrcnn.data import samples
    from mrcnn.data.dataset import Dataset

    document = json.loads((Path(folder) / "instances_train.json").read_text())
    by_photo: dict[int, list[dict[str, Any]]] = {}
    for annotation in document["annotations"]:
        by_photo.setdefault(annotation["image_id"], []).append(annotation)

    class Photos(Dataset):
        def load_rles(self, image_id: int) -> tuple[list[dict[str, Any]], np.ndarray]:
            found = self.image_info[image_id]["annotations"]
            return [one["segmentation"] for one in found], np.array([one["category_id"] for one in found])

    class PhotosConfig(Config):
        NAME = "photos"
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = SIZE

    dataset, config = Photos(), PhotosConfig()
    for number in range(1, 1 + max(one["id"] for one in document["categories"])):
        dataset.add_class("ccp", number, str(number))
    for image in document["images"][:PHOTOS]:
        dataset.add_image("ccp", image["id"], str(Path(folder) / "train" / image["file_name"]), annotations=by_photo.get(image["id"], []))
    dataset.prepare()

    def load() -> dict[str, float]:
        start = time.process_time()
        for image_id in dataset.image_ids:
            samples.load(dataset, config, int(image_id), use_mini_mask=True)
        return {"cpu_seconds": time.process_time() - start}

    instances = sum(len(info["annotations"]) for info in dataset.image_info)
    return Tasks({"load": load}, {"photos": len(dataset.image_ids), "instances": instances})


def big(folder: str, kind: str) -> Tasks:
    """One item of the loader from one large photo; the facts say what its first call adds to the peak, after one of a small photo."""
    from mrcnn.config import Config
    from mrcnn.data import anchor_grid, pipeline
    from mrcnn.data.dataset import Dataset

    class BigConfig(Config):
        NAME = "big"
        NUM_CLASSES = 2
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = BIG_SIZE

    class Photo(Dataset):
        def load_rles(self, image_id: int) -> Any:
            encoded = self.image_info[image_id]["encoded"]
            return encoded, np.ones(len(encoded), np.int32)

    class Planes(Photo):
        def load_mask(self, image_id: int) -> Any:
            return Dataset.load_mask(self, image_id)

    config = BigConfig()

    def batches(shape: tuple[int, int], count: int) -> pipeline.Batches:
        dataset = (Photo if kind == "run lengths" else Planes)()
        dataset.add_class("bench", 1, "thing")
        dataset.add_image("bench", 0, _photo(folder, shape), encoded=_instances(shape, count))
        dataset.prepare()
        return pipeline.Batches(dataset, config, batch_size=1, steps=1, anchors=grid)

    grid = anchor_grid.PixelAnchors(config)
    batches((300, 400), 2).item(0, 0)
    large = batches(BIG, INSTANCES)
    return Tasks({"item": lambda: large.item(0, 0) and {}}, {"added_mb": added_to_peak(lambda: large.item(0, 0))})


def added_to_peak(call: Any) -> float:
    """MB of resident memory that a call takes at most, beyond what is resident before it. Linux only."""
    status = Path("/proc/self/status")

    def megabytes(name: str) -> float:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name)) * 1024 / 1e6

    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before = megabytes("VmRSS")
    call()
    return megabytes("VmHWM") - before


def _photo(folder: str, shape: tuple[int, int]) -> str:
    import cv2

    path = Path(folder) / f"{shape[0]}.jpg"
    if not path.exists():
        cv2.imwrite(str(path), scenes.photo(0, *shape))
    return str(path)


def _instances(shape: tuple[int, int], count: int) -> list[dict[str, Any]]:
    """Ellipses whose half axes are 2 to 17 % of the photo's height, as run lengths."""
    from mrcnn.ops import rle

    rng = np.random.default_rng(0)
    y, x = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    found = []
    for _ in range(count):
        centre, half = rng.uniform(0.1, 0.9, 2) * shape, rng.uniform(1 / 60, 1 / 6, 2) * shape[0]
        found.append(rle.encode_coco(((y - centre[0]) / half[0]) ** 2 + ((x - centre[1]) / half[1]) ** 2 <= 1))
    return found
