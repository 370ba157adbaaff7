"""The work "input": one photo with its 8 instances on the way into training at 512 px, against the original's way; real photos; a large one's
memory. One core each, no network."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import input_photos, scenes
from benchmarks.contest import Entry, play, print_ratio, print_times, ratio
from benchmarks.workers import Tasks, Worker

SIZE, PHOTO = 512, (480, 640)
ITEMS = 5  # photos of one call
WHOLE = "whole"


def run(options: Namespace, notes: list[str]) -> dict[str, Any]:
    """Play the contest and print it. Arguments and result as `inference.run`; every step takes 3 times the rounds, being short."""
    print(f"\ninput: a photo of {PHOTO[0]} x {PHOTO[1]} with 8 instances to the network's inputs at {SIZE} px: ours against the original's way")
    with tempfile.TemporaryDirectory() as folder:
        settings = {"path": _photo(folder)}
        with Worker("benchmarks.input_pipeline:ours", settings) as ours, Worker("benchmarks.input_pipeline:original", settings) as theirs:
            names = list(ours.facts()["tasks"])
            pairs = {n: (Entry(f"{n}: ours", ours, n, per=ITEMS), Entry(f"{n}: the original's way", theirs, n, per=ITEMS)) for n in names}
            entries = [entry for pair in pairs.values() for entry in pair]
            play(entries, 3 * options.rounds)
            print_times(entries)
            ratios = {name: ratio(*pair) for name, pair in pairs.items()}
            for name, value in ratios.items():
                print_ratio(f"{name}: ours / the original's way", value)
            share = ratio(pairs["RPN targets"][0], pairs[WHOLE][0])
            print_ratio("RPN targets / whole, ours", share)
            return {
                "entries": [e.to_dict() for e in entries], "ratios": {name: value._asdict() for name, value in ratios.items()},
                "rpn_targets_share": share._asdict(), "photos": input_photos.run(options, notes),
            }  # fmt: skip


def _photo(folder: str) -> str:
    import cv2

    path = str(Path(folder) / "photo.jpg")
    cv2.imwrite(path, scenes.photo(0, *PHOTO))
    return path


def _masks() -> np.ndarray:
    """Masks of the photo's instances, [H, W, 8] bool: those of a square scene, cut to its height."""
    return np.ascontiguousarray(scenes.masks(scenes.scene(3, PHOTO[1]))[:, : PHOTO[0]].transpose(1, 2, 0))


def _config() -> Any:
    from mrcnn.config import Config

    class InputConfig(Config):
        NAME = "input"
        NUM_CLASSES = scenes.NUM_CLASSES
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = SIZE

    return InputConfig()


def _anchors(config: Any) -> np.ndarray:
    from mrcnn.ops import anchors

    shapes = anchors.feature_shapes((SIZE, SIZE), config.BACKBONE_STRIDES)
    return anchors.generate_pyramid(config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, shapes, config.BACKBONE_STRIDES, config.RPN_ANCHOR_STRIDE)


def _tasks(steps: dict[str, Any]) -> Tasks:
    def repeated(step: Any) -> Any:
        def task() -> None:
            for _ in range(ITEMS):
                step()

        return task

    return Tasks({name: repeated(step) for name, step in steps.items()}, {"tasks": list(steps)})


def ours(path: str) -> Tasks:
    """The loader's item, and its steps one by one."""
    from mrcnn.data import images, pipeline, rpn_targets
    from mrcnn.data.dataset import Dataset
    from mrcnn.ops import boxes, masks

    config, drawn, rng = _config(), _masks(), np.random.default_rng(0)
    class_ids = np.arange(1, 1 + drawn.shape[-1], dtype=np.int32)

    class Photo(Dataset):
        def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
            return drawn.copy(), class_ids

    dataset = Photo()
    for number in range(1, config.NUM_CLASSES):
        dataset.add_class("bench", number, str(number))
    dataset.add_image("bench", 0, path)
    dataset.prepare()
    grid = _anchors(config)
    batches = pipeline.Batches(dataset, config, batch_size=1, steps=1, anchors=grid)
    photo = images.read(path)
    resized, _, scale, padding, _ = images.resize(photo, min_dim=SIZE, max_dim=SIZE, mode="square")
    full = masks.resize_mask(drawn, scale, padding)
    found = boxes.from_masks(full)
    return _tasks(
        {
            WHOLE: lambda: batches.item(0, 0),
            "read": lambda: images.read(path),
            "resize": lambda: images.resize(photo, min_dim=SIZE, max_dim=SIZE, mode="square"),
            "masks": lambda: masks.resize_mask(drawn, scale, padding),
            "boxes and mini-masks": lambda: masks.minimize(boxes.from_masks(full), full, config.MINI_MASK_SHAPE),
            "RPN targets": lambda: rpn_targets.build(
                grid, class_ids, found, num_anchors=config.RPN_TRAIN_ANCHORS_PER_IMAGE, std_dev=config.RPN_BBOX_STD_DEV, rng=rng
            ),
            "mold": lambda: images.mold(resized, config.MEAN_PIXEL, out=np.empty(resized.shape, np.float32)),
        }
    )


def original(path: str) -> Tasks:
    """The same steps in the original's way."""
    from benchmarks import original_way

    config, drawn, rng = _config(), _masks(), np.random.default_rng(0)
    grid, count, std_dev = _anchors(config), config.RPN_TRAIN_ANCHORS_PER_IMAGE, config.RPN_BBOX_STD_DEV
    photo = original_way.read(path)
    resized, scale, padding = original_way.resize_square(photo, SIZE)
    full = original_way.resize_masks(drawn, scale, padding)
    found = original_way.boxes_of(full)

    def whole() -> None:
        image, scale, padding = original_way.resize_square(original_way.read(path), SIZE)
        masks = original_way.resize_masks(drawn.copy(), scale, padding)
        boxes = original_way.boxes_of(masks)
        original_way.minimize(boxes, masks, config.MINI_MASK_SHAPE)
        original_way.rpn_targets(grid, boxes.astype(float), count, std_dev, rng)
        original_way.mold(image, config.MEAN_PIXEL)

    return _tasks(
        {
            WHOLE: whole,
            "read": lambda: original_way.read(path),
            "resize": lambda: original_way.resize_square(photo, SIZE),
            "masks": lambda: original_way.resize_masks(drawn, scale, padding),
            "boxes and mini-masks": lambda: original_way.minimize(original_way.boxes_of(full), full, config.MINI_MASK_SHAPE),
            "RPN targets": lambda: original_way.rpn_targets(grid, found.astype(float), count, std_dev, rng),
            "mold": lambda: original_way.mold(resized, config.MEAN_PIXEL),
        }
    )
