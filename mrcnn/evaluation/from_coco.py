"""Ground truth and results in COCO's own form, from files or as Python data, made into `Collected`."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from mrcnn.evaluation.collected import Collected, CollectedImage, checked_scores
from mrcnn.ops import rle

Entry = Mapping[str, Any]


def read(ground_truth: str | os.PathLike[str] | Entry, results: str | os.PathLike[str] | Sequence[Entry]) -> Collected:
    """Read an "instances" file and a results file, or their contents.

    Every image of the ground truth counts, also one without a result. Classes are numbered 1 … K - 1 in the order of their
    category ids. Polygons become run lengths by COCO's own rule (pycocotools), and an instance's area is what the file
    says, as COCOeval takes it; a mask of a result counts with its own pixels, its box where it gives one.

    Args:
        ground_truth: {"images", "annotations", "categories"}.
        results: [{"image_id", "category_id", "score", "bbox" [x, y, width, height] and / or "segmentation"}].

    Raises:
        FileNotFoundError: a file isn't there.
        ValueError: it is not what it should be; names the entry.
    """
    truth, truth_name = _content(ground_truth, "the ground truth")
    found, found_name = _content(results, "the results")
    if not isinstance(truth, Mapping) or any(not isinstance(truth.get(key), list) for key in ("images", "annotations", "categories")):
        raise ValueError(f'{truth_name}: a COCO file {{"images": […], "annotations": […], "categories": […]}} is expected.')
    if not isinstance(found, list):
        raise ValueError(f'{found_name}: a list [{{"image_id": …, "category_id": …, "bbox" or "segmentation": …, "score": …}}] is expected.')
    try:
        categories = {int(one["id"]): str(one["name"]) for one in truth["categories"]}
        infos = {one["id"]: one for one in truth["images"]}
        order = sorted(infos)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{truth_name}: images and categories with their ids are expected; {error!r}.") from error
    ids = sorted(categories)
    numbers = {category_id: number for number, category_id in enumerate(ids, start=1)}
    annotations = _by_image(truth["annotations"], infos, numbers, truth_name, "annotation")
    detections = _by_image(found, infos, numbers, found_name, "result")
    masked = _masked(found, found_name)
    names = ["BG", *(categories[i] for i in ids)]
    images = [_image(infos[i], annotations[i], detections[i], numbers, masked, (truth_name, found_name)) for i in order]
    return Collected(names, images, category_ids=[0, *ids])


def as_coco(collected: Collected) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return ground truth and results in COCO's form, run lengths as text: ready for json.dump.

    Instances without masks have a box only. The area of a result is not written: readers take it from mask or box.
    """
    ids = collected.category_ids or list(range(collected.num_classes))
    truth: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    truth["categories"] = [{"id": ids[i], "name": name} for i, name in enumerate(collected.class_names) if i]
    results = []
    for image in collected.images:
        truth["images"].append({"id": image.image_id, "file_name": image.name, "height": image.height, "width": image.width})
        for i, class_id in enumerate(image.gt_class_ids.tolist()):
            entry = {"id": len(truth["annotations"]) + 1, "image_id": image.image_id, "category_id": ids[abs(class_id)], "iscrowd": int(class_id < 0)}
            truth["annotations"].append(entry | {"area": float(image.gt_areas[i])} | _shape(image.gt_boxes[i], image.gt_rles, i))
        for i, class_id in enumerate(image.class_ids.tolist()):
            entry = {"image_id": image.image_id, "category_id": ids[class_id], "score": float(image.scores[i])}
            results.append(entry | _shape(image.boxes[i], image.rles, i))
    return truth, results


def _shape(box: np.ndarray, rles: list | None, i: int) -> dict[str, Any]:
    y1, x1, y2, x2 = box.tolist()
    shape: dict[str, Any] = {"bbox": [x1, y1, x2 - x1, y2 - y1]}
    if rles is not None:
        shape["segmentation"] = {"size": list(rles[i]["size"]), "counts": rles[i]["counts"].decode("ascii")}
    return shape


def _content(given: Any, what: str) -> tuple[Any, str]:
    if not isinstance(given, str | os.PathLike):
        return given, what
    path = os.fspath(given)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: {what} should be here, a JSON file of COCO's form, and no file is.")
    with open(path, "rb") as file:  # json tells UTF-8, 16 and 32 apart
        try:
            return json.load(file), path
        except ValueError as error:
            raise ValueError(f"{path} is no JSON: {error}") from error


def _by_image(entries: list, infos: Mapping, numbers: Mapping[int, int], source: str, what: str) -> Mapping[Any, list]:
    """Sort entries by their image, and check what all must have."""
    sorted_in: dict[Any, list] = defaultdict(list)
    for place, one in enumerate(entries):
        name = f"{source}, {what} number {place + 1}"
        if not isinstance(one, Mapping) or not {"image_id", "category_id"} <= set(one):
            raise ValueError(f"{name}: image_id and category_id are expected; got {str(one)[:80]}.")
        if one["image_id"] not in infos:
            raise ValueError(f"{name}: image_id {one['image_id']!r} is not among the {len(infos)} images of the ground truth.")
        if one["category_id"] not in numbers:
            raise ValueError(
                f"{name}: category_id {one['category_id']!r} is not among the {len(numbers)} categories of the ground truth. Results carry the "
                "file's category ids, not the network's class ids."
            )
        sorted_in[one["image_id"]].append(one)
    return sorted_in


def _masked(entries: list, source: str) -> bool:
    """Tell whether the results have masks; all or none."""
    having = sum("segmentation" in one for one in entries)
    if having not in (0, len(entries)):
        raise ValueError(f"{source}: {having} of {len(entries)} results have a segmentation; all or none should.")
    return having > 0 or not entries


def _image(info: Entry, annotations: list, detections: list, numbers: Mapping, masked: bool, sources: tuple[str, str]) -> CollectedImage:
    truths = [_truth(one, info, f"{sources[0]}, annotation {one.get('id', '?')}") for one in annotations]
    shapes = [_detection(one, info, masked, f"{sources[1]}, a result of image {info['id']!r}") for one in detections]
    gt_masked = all(mask is not None for _, mask, _ in truths)
    return CollectedImage(
        info["id"], str(info.get("file_name", info["id"])), int(info["height"]), int(info["width"]),
        [numbers[one["category_id"]] * (-1 if one.get("iscrowd") else 1) for one in annotations],
        [box for box, _, _ in truths], [mask for _, mask, _ in truths] if gt_masked else None, [area for _, _, area in truths],
        [numbers[one["category_id"]] for one in detections], checked_scores([one["score"] for one in detections], info["id"]),
        [box for box, _ in shapes], [mask for _, mask in shapes] if masked else None,
    )  # fmt: skip


def _truth(one: Entry, info: Entry, name: str) -> tuple[list[float], dict[str, Any] | None, float]:
    mask = encoding(one["segmentation"], info, name) if one.get("segmentation") else None
    box = _box(one, mask, name)
    area = one.get("area")
    if area is None:
        area = float(rle.area_coco(mask)) if mask is not None else (box[2] - box[0]) * (box[3] - box[1])
    return box, mask, float(area)


def _detection(one: Entry, info: Entry, masked: bool, name: str) -> tuple[list[float], dict[str, Any] | None]:
    if "score" not in one:
        raise ValueError(f"{name} has no score: {str(one)[:80]}")
    mask = encoding(one["segmentation"], info, name) if masked else None
    return _box(one, mask, name), mask


def _box(one: Entry, mask: dict[str, Any] | None, name: str) -> list[float]:
    """Return (y1, x1, y2, x2) of the entry's bbox, or around its mask."""
    if one.get("bbox"):
        if len(one["bbox"]) != 4:
            raise ValueError(f"{name}: bbox is [x, y, width, height]; got {one['bbox']}")
        x, y, width, height = (float(side) for side in one["bbox"])
        return [y, x, y + height, x + width]
    if mask is None:
        raise ValueError(f"{name} has neither bbox nor segmentation.")
    return [float(side) for side in rle.boxes_coco([mask])[0]]


def encoding(segmentation: Any, info: Entry, name: str) -> dict[str, Any]:
    """Return a COCO segmentation, of polygons or run lengths, as one encoding of the image's size.

    Raises:
        ValueError: it is neither.
    """
    try:
        if isinstance(segmentation, list):
            parts = segmentation if isinstance(segmentation[0], list) else [segmentation]
            return coco_mask.merge(coco_mask.frPyObjects(parts, int(info["height"]), int(info["width"])))
        return rle.checked_coco(segmentation)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise ValueError(f"{name}: polygons or run lengths are expected; {error}") from error
