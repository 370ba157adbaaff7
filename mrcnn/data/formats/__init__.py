"""Data sets in the forms that people have, read (`load`) and written (`save`, `save_results`) in one line. See docs/formats.md.

>>> from mrcnn.data import formats
>>> sorted(formats.FORMATS)
['coco', 'cvat', 'imaterialist', 'index_masks', 'labelme', 'png_masks', 'supervisely', 'via', 'yolo']
>>> sorted(formats.WRITERS), sorted(formats.RESULTS)
(['coco', 'imaterialist', 'yolo'], ['coco', 'imaterialist'])
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import (
    coco,
    cvat,
    imaterialist,
    index_masks,
    labelme,
    png_masks,
    supervisely,
    via,
    write_coco,
    write_imaterialist,
    write_yolo,
    yolo,
)
from mrcnn.data.formats.dataset import Classes, FormatDataset
from mrcnn.data.formats.parsed import Report
from mrcnn.data.formats.writing import Written
from mrcnn.results import Detections

FORMATS = {
    "coco": coco.read,
    "cvat": cvat.read,
    "imaterialist": imaterialist.read,
    "index_masks": index_masks.read,
    "labelme": labelme.read,
    "png_masks": png_masks.read,
    "supervisely": supervisely.read,
    "via": via.read,
    "yolo": yolo.read,
}
WRITERS = {"coco": write_coco.write, "imaterialist": write_imaterialist.write, "yolo": write_yolo.write}
RESULTS = {"coco": write_coco.write_results, "imaterialist": write_imaterialist.write_results}


def load(
    format: str,
    path: str | os.PathLike,
    *,
    images: str | os.PathLike | Sequence[str] | None = None,
    classes: Classes = None,
    source: str | None = None,
    strict: bool = False,
    keep_missing: bool = False,
    **options: Any,
) -> FormatDataset:
    """Read a data set: `train = load("labelme", "photos/train")`.

    Give what is read for validation the classes of what is read for training, `load("labelme", "photos/val",
    classes=train)`: formats without a list of classes number those they meet, and a class that the one has and the
    other has not would shift all that follow.

    Args:
        format: one of `FORMATS`.
        path: file or folder, see docs/formats.md.
        images: folder of the photos, or several; None looks where the format has them.
        classes: which are read. None: all, as the source numbers them or by the alphabet. A list of names: these, in
            this order. {source name: our name}: these, renamed; several may become one. A Dataset: its classes, with
            its ids. Other instances are left out and counted.
        source: name of the source in the data set; None takes the format's.
        strict: the first broken annotation is an error. Otherwise they are left out, and a line in the log says how
            many and which.
        keep_missing: keep images whose photo isn't there, if the format tells their size: to convert annotations.
        **options: the format's own, see docs/formats.md.

    Returns:
        A data set, prepared.

    Raises:
        FileNotFoundError: file, folder or all photos are missing.
        ValueError: an unknown format or option, or a file that is not what it should be. The message names the file,
            the entry, what was expected and what to do.
    """
    read, path = _checked(FORMATS, format, options), os.fspath(path)
    if images is None:
        folders = []
    else:
        folders = [os.fspath(one) for one in ([images] if isinstance(images, str | os.PathLike) else images)]
        absent = [folder for folder in folders if not os.path.isdir(folder)]
        if absent:
            raise FileNotFoundError(f"images={absent[0]!r} is no folder: give the one that holds the photos of {path}.")
    report, dataset = Report(path, strict), FormatDataset()
    dataset.fill(read(path, report, **options), report, source or format, classes, folders, keep_missing)
    dataset.prepare()
    return dataset


def save(format: str, dataset: Dataset, path: str | os.PathLike, *, overwrite: bool = False, **options: Any) -> Written:
    """Write a data set of any kind: `save("coco", dataset, "train.json")`. Photos stay where they are.

    Args:
        format: one of `WRITERS`.
        dataset: prepared.
        path: file, or for yolo a folder.
        overwrite: replace what is there.
        **options: the format's own, see docs/formats.md.

    Returns:
        How many images and instances were written, and what was left out.

    Raises:
        ValueError: an unknown format or option, or what the format can't hold.
        FileExistsError: path is there, and overwrite is False.
    """
    write = _checked(WRITERS, format, options)
    return write(dataset, os.fspath(path), overwrite, **options)


def save_results(
    format: str,
    found: Mapping[int, Mapping[str, Any]] | Sequence[Mapping[str, Any]],
    dataset: Dataset,
    path: str | os.PathLike,
    *,
    overwrite: bool = False,
) -> Written:
    """Write detections: `save_results("coco", {image_id: model.detect([photo])[0], …}, dataset, "results.json")`.

    Args:
        format: "coco" (results json) or "imaterialist" (submission CSV, no pixel in two masks).
        found: what detect() returned by image id, or for all images of the data set in their order.
        dataset: prepared; gives images and classes their ids, the same as `save` gives them.
        path: the file.
        overwrite: replace the file.

    Raises:
        ValueError: an unknown format, an image id that is not the data set's, or detections that are none.
        FileExistsError: path is there, and overwrite is False.
    """
    write = _checked(RESULTS, format, {})
    if not isinstance(found, Mapping):
        if len(found) != len(dataset.image_ids):
            raise ValueError(f"{len(found)} detections for {len(dataset.image_ids)} images: give a dict {{image id: detections}}.")
        found = dict(enumerate(found))
    checked = {int(image_id): Detections.from_mapping(one) for image_id, one in found.items()}
    return write(checked, dataset, os.fspath(path), overwrite)


def options_of(functions: Mapping[str, Callable], format: str) -> list[str]:
    """Return the names of a format's own options.

    >>> options_of(FORMATS, "via")
    ['attribute', 'class_name']
    """
    if format not in functions:
        raise ValueError(f"Format {format!r} is unknown; use one of {', '.join(sorted(functions))}.")
    shared = ("path", "report", "dataset", "found", "overwrite")
    return [name for name in inspect.signature(functions[format]).parameters if name not in shared]


def _checked(functions: Mapping[str, Callable], format: str, options: Mapping[str, Any]) -> Callable:
    """Return the function of a format, if it takes these options."""
    known = options_of(functions, format)
    wrong = [name for name in options if name not in known]
    if wrong:
        raise ValueError(f"{format} has no option {', '.join(wrong)}; it has: {', '.join(known) or 'none of its own'}.")
    return functions[format]
