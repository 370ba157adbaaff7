"""Data sets in the forms that people have: each a Dataset in one line. See docs/formats.md.

>>> from mrcnn.data import formats
>>> sorted(formats.FORMATS)
['coco', 'cvat', 'imaterialist', 'index_masks', 'labelme', 'png_masks', 'supervisely', 'via', 'yolo']
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from typing import Any

from mrcnn.data.formats import coco, cvat, imaterialist, index_masks, labelme, png_masks, supervisely, via, yolo
from mrcnn.data.formats.dataset import Classes, FormatDataset
from mrcnn.data.formats.parsed import Report

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
    if format not in FORMATS:
        raise ValueError(f"Format {format!r} is unknown; use one of {', '.join(sorted(FORMATS))}.")
    read, path = FORMATS[format], os.fspath(path)
    known = list(inspect.signature(read).parameters)[2:]
    wrong = [name for name in options if name not in known]
    if wrong:
        raise ValueError(f"{format} has no option {', '.join(wrong)}; it has: {', '.join(known) or 'none of its own'}.")
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
