"""YOLO's segmentation labels written: FOLDER/labels/<photo>.txt, FOLDER/data.yaml, and images/ if asked for."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter

import numpy as np

from mrcnn import files
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import photos, writing
from mrcnn.data.formats.outline import outline
from mrcnn.data.formats.writing import Object, Written
from mrcnn.ops import rle

PHOTOS = ("copy", "link", "leave")


def write(dataset: Dataset, path: str, overwrite: bool = False, photos_as: str = "leave") -> Written:
    """Write a data set. A line holds one polygon: parts and holes of a mask are reached over lines without area.

    Crowds have no place in the format: they are counted and left out.

    Args:
        dataset: prepared.
        path: folder to make.
        overwrite: go on in a folder that is there.
        photos_as: "copy" or "link" the photos into images/, or "leave" them where they are.

    Raises:
        FileExistsError: the folder is there, and overwrite is False; or it has labels of other photos.
        ValueError: two photos have one name, a photo is no file, or photos_as is unknown.
    """
    if photos_as not in PHOTOS:
        raise ValueError(f"photos_as={photos_as!r} is unknown; use one of {', '.join(PHOTOS)}.")
    writing.refuse_existing(path, overwrite)
    stems = [photos.stem(name) for name in writing.file_names(dataset)]
    twice = [stem for stem, count in Counter(stems).items() if count > 1]
    if twice:
        raise ValueError(f"{len(twice)} names of photos come twice, such as {twice[0]!r}: YOLO's labels go by them. Rename the photos.")
    without = [info["id"] for info in dataset.image_info if photos_as != "leave" and not info["path"]]
    if without:
        raise ValueError(f"{len(without)} images, such as {without[0]!r}, are no files that one could {photos_as}. Use photos_as='leave'.")
    _refuse_others(os.path.join(path, "labels"), set(stems))
    os.makedirs(os.path.join(path, "labels"), exist_ok=True)
    counts: Counter[int] = Counter()
    left_out: Counter[str] = Counter()
    for image_id, stem in zip(dataset.image_ids.tolist(), stems, strict=True):
        height, width = writing.size(dataset, image_id)
        lines = []
        for one in writing.objects(dataset, image_id, height, width, left_out):
            if one.crowd:
                left_out["YOLO knows no crowds"] += 1
            else:
                lines.append(_line(one, height, width))
                counts[one.class_id] += 1
        with writing.whole_file(os.path.join(path, "labels", stem + ".txt"), overwrite, sync=False) as file:
            file.writelines(lines)
        if photos_as != "leave":
            _place(dataset.image_info[image_id]["path"], os.path.join(path, "images"), photos_as)
    with writing.whole_file(os.path.join(path, "data.yaml"), overwrite) as file:
        names = [str(info["name"]) for info in dataset.class_info[1:]]
        file.write("path: .\ntrain: images\nval: images\nnames:\n")
        file.writelines(f"  {number}: {json.dumps(name, ensure_ascii=False)}\n" for number, name in enumerate(names))
    return Written(len(stems), counts, left_out).say(path)


def _refuse_others(folder: str, stems: set[str]) -> None:
    """Refuse a folder with labels of photos that aren't written: whoever reads it would take them too, with the numbers of other classes perhaps."""
    there = os.listdir(folder) if os.path.isdir(folder) else []
    others = sorted(name for name in there if name.endswith(".txt") and name != "classes.txt" and name.removesuffix(".txt") not in stems)
    if others:
        raise FileExistsError(
            f"{folder} has {len(others)} label files of photos that this data set doesn't have, such as {others[0]}: they would belong to it from "
            "now on. Delete them and their photos, or write into another folder."
        )


def _line(one: Object, height: int, width: int) -> str:
    parts = writing.polygons(one, height, width)
    polygon = parts[0] if parts and len(parts) == 1 else outline(rle.decode_coco(one.encoded))
    shares = np.clip(polygon / [width, height], 0, 1)
    return " ".join([str(one.class_id - 1), *(f"{share:.15g}" for share in shares.ravel().tolist())]) + "\n"


def _place(photo: str, folder: str, how: str) -> None:
    """Put a photo into a folder, in the place of what has its name there: of a link, not of the photo that this leads to."""
    os.makedirs(folder, exist_ok=True)
    target = os.path.join(folder, os.path.basename(photo))
    if os.path.exists(target) and os.path.samefile(photo, target) and (how == "link" or not os.path.islink(target)):
        return
    with files.replacing(target, sync=False) as temporary:
        if how == "copy":
            shutil.copyfile(photo, temporary)
        else:
            os.symlink(os.path.abspath(photo), temporary)
