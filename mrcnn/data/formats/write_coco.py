"""COCO json written: a data set, and detections ("results")."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import writing
from mrcnn.data.formats.writing import Object, Written
from mrcnn.ops import rle
from mrcnn.results import Detections


def write(dataset: Dataset, path: str, overwrite: bool = False) -> Written:
    """Write a data set: outlines as polygons, clipped to the image; other masks, and crowds, as compressed run lengths.

    Args:
        dataset: prepared.
        path: the .json file. Photos are named from the folder that all have in common.
        overwrite: replace the file.

    Raises:
        FileExistsError: it is there, and overwrite is False.
    """
    images, annotations, counts, left_out = [], [], Counter(), Counter()
    categories = writing.category_numbers(dataset)
    numbered = zip(dataset.image_ids.tolist(), writing.image_numbers(dataset), writing.file_names(dataset), strict=True)
    for image_id, number, name in numbered:
        height, width = writing.size(dataset, image_id)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for one in writing.objects(dataset, image_id, height, width, left_out):
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": categories[one.class_id]}
            annotations.append(entry | _described(one, height, width))
            counts[one.class_id] += 1
    content: dict[str, Any] = {"images": images, "annotations": annotations}
    content["categories"] = [{"id": number, "name": dataset.class_info[class_id]["name"]} for class_id, number in categories.items()]
    meanings = getattr(dataset, "attribute_names", None)
    if meanings:
        content["attributes"] = [{"id": attribute, "name": name} for attribute, name in meanings.items()]
    with writing.whole_file(path, overwrite) as file:
        json.dump(content, file, ensure_ascii=False)
    return Written(len(images), counts, left_out).say(path)


def _described(one: Object, height: int, width: int) -> dict[str, Any]:
    outline = None if one.crowd else writing.polygons(one, height, width)
    if outline is None:
        segmentation: Any = {"size": [height, width], "counts": one.encoded["counts"].decode("ascii")}
    else:
        segmentation = [part.ravel().tolist() for part in outline]
    (y1, x1, y2, x2) = rle.boxes_coco([one.encoded])[0].tolist()
    described = {
        "iscrowd": int(one.crowd),
        "area": int(rle.area_coco(one.encoded)),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "segmentation": segmentation,
    }
    return described | ({"attribute_ids": list(one.attributes)} if one.attributes else {})


def write_results(found: Mapping[int, Detections], dataset: Dataset, path: str, overwrite: bool = False) -> Written:
    """Write detections as COCO results, with the ids that `write` gives the data set's images and classes.

    Args:
        found: {image id in the data set: detections}.
        dataset: prepared.
        path: the .json file.
        overwrite: replace the file.

    Raises:
        FileExistsError: it is there, and overwrite is False.
        ValueError: an image id is not the data set's.
    """
    numbers, categories = writing.image_numbers(dataset), writing.category_numbers(dataset)
    results: list[dict[str, Any]] = []
    counts: Counter[int] = Counter()
    for image_id, detections in found.items():
        dataset._info(image_id)  # refuses ids out of range
        results += detections.to_coco(numbers[image_id], categories)
        counts.update(detections["class_ids"].tolist())
    with writing.whole_file(path, overwrite) as file:
        json.dump(results, file)
    return Written(len(found), counts, Counter())
