"""COCO's images and annotations, downloaded into the folders that the original's sample expects.

    FOLDER/train2017/*.jpg  val2017/*.jpg  annotations/instances_train2017.json …
"""

from __future__ import annotations

import logging
import os
from typing import NamedTuple

from mrcnn import fetch
from mrcnn.data import archives

logger = logging.getLogger(__name__)

IMAGES_URL = "http://images.cocodataset.org/zips/"
ANNOTATIONS_URL = "http://images.cocodataset.org/annotations/"
# The two parts of val2014 that the papers of 2015 to 2017 train and test on; no checksum of them was published.
MINIVAL_URL = "https://dl.dropboxusercontent.com/s/o43o90bna78omob/instances_minival2014.json.zip?dl=1"
VALMINUSMINIVAL_URL = "https://dl.dropboxusercontent.com/s/s3tw5zcg7395368/instances_valminusminival2014.json.zip?dl=1"

#: MD5 of the archives, as data set tools of several projects agree on them.
MD5 = {
    "train2014.zip": "0da8c0bd3d6becc4dcb32757491aca88",
    "val2014.zip": "a3d79f5ed8d289b7a7554ce06a5782b3",
    "annotations_trainval2014.zip": "0a379cfc70b0e71301e0f377548639bd",
    "train2017.zip": "cced6f7f71b7629ddf16f17bbcfab6b2",
    "val2017.zip": "442b8da7639aecaf257c1dceb8ba8c80",
    "annotations_trainval2017.zip": "f4bbac642086de4f52a3fdda2de5fa2c",
}
#: Photos of each folder.
COUNTS = {"train2014": 82_783, "val2014": 40_504, "train2017": 118_287, "val2017": 5_000}
YEARS = (2014, 2017)
SUBSETS = ("train", "val", "minival", "valminusminival")


class Files(NamedTuple):
    """Where a subset lies: the folder of its images, and its annotations."""

    images: str
    annotations: str


def download(folder: str | os.PathLike[str], subset: str, year: int | str = 2017, *, keep_archives: bool = False) -> Files:
    """Fetch a subset unless it is there: images (train 18 or 13 GB, val 0.8 or 6 GB) and annotations (0.24 GB).

    Interrupted, the same call goes on: an archive from the byte where it broke off, unpacking from the file. The archives are checked by their MD5
    before they are unpacked, and deleted after it.

    Args:
        folder: of the data set.
        subset: train, val, minival or valminusminival (these two of 2014, with the images of val).
        year: 2014 or 2017.
        keep_archives: leave the archives in the folder.

    Returns:
        The folder of the images and the annotations' path.

    Raises:
        ValueError: no such subset or year, or an archive that can't be unpacked.
        fetch.DownloadError: an archive can't be had; the message says how to put it there by hand.
        OSError: the disk has not the room.
    """
    found = place(folder, subset, year)
    folder, of_images = os.fspath(folder), f"{'train' if subset == 'train' else 'val'}{year}"
    if not os.path.isfile(found.annotations):
        _unpack(*_annotations(subset, year), folder, keep_archives, found.annotations)
    if _num_photos(found.images) < COUNTS[of_images]:
        _unpack(f"{IMAGES_URL}{of_images}.zip", f"{of_images}.zip", folder, keep_archives, found.images)
    return found


def place(folder: str | os.PathLike[str], subset: str, year: int | str = 2017) -> Files:
    """Return where `download` puts a subset; nothing is fetched.

    Raises:
        ValueError: no such subset or year.

    >>> place("coco", "minival", 2014)
    Files(images='coco/val2014', annotations='coco/annotations/instances_minival2014.json')
    """
    if str(year) not in map(str, YEARS) or subset not in SUBSETS or (subset not in ("train", "val") and str(year) != "2014"):
        raise ValueError(f"COCO {subset} {year}: train and val are there of {YEARS[0]} and {YEARS[1]}, minival and valminusminival of {YEARS[0]}.")
    images = os.path.join(os.fspath(folder), f"{'train' if subset == 'train' else 'val'}{year}")
    return Files(images, os.path.join(os.fspath(folder), "annotations", f"instances_{subset}{year}.json"))


def _num_photos(folder: str) -> int:
    return sum(entry.name.endswith(".jpg") for entry in os.scandir(folder)) if os.path.isdir(folder) else 0


def _annotations(subset: str, year: int | str) -> tuple[str, str]:
    """Return URL and file name of the archive with a subset's annotations."""
    special = {"minival": MINIVAL_URL, "valminusminival": VALMINUSMINIVAL_URL}.get(subset)
    if special:
        return special, f"instances_{subset}{year}.json.zip"
    name = f"annotations_trainval{year}.zip"
    return ANNOTATIONS_URL + name, name


def _unpack(url: str, name: str, folder: str, keep: bool, expected: str) -> None:
    """Fetch an archive and unpack it; `expected` must be there then."""
    path = os.path.join(folder, name)
    logger.info("Downloading %s to %s ...", url, path)
    fetch.fetch(url, path, md5=MD5.get(name), progress=fetch.log_progress())
    logger.info("Unpacking %s ...", path)
    # The archives of the two parts hold the bare file, all others their folder.
    archives.extract(path, os.path.join(folder, "annotations") if name.startswith("instances_") else folder)
    if not os.path.exists(expected):
        raise ValueError(f"{path} holds no {os.path.relpath(expected, folder)}: it is not the archive it should be. Remove it and try again.")
    if not keep:
        os.remove(path)
