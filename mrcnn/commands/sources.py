"""Where a command's images come from: photos and folders, a video file, a camera; one after the other, never all in memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mrcnn.data import reading
from mrcnn.data.formats import photos

VIDEO_SUFFIXES = (".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
USUAL_RATE = 25.0  # frames a second, of cameras and files that don't say


class Item(NamedTuple):
    """One image to look at.

    Attributes:
        name: Of a photo its path within the folder, of a frame "frame_000012"; differs from all others.
        image: [H, W, C] uint8, RGB.
        frame: Number of a frame from 0; None of a photo.
        seconds: Its time in the video; None of a photo.
    """

    name: str
    image: np.ndarray
    frame: int | None = None
    seconds: float | None = None


class Photo(NamedTuple):
    """A photo to read: its name and its file."""

    name: str
    path: str


def is_video(path: str) -> bool:
    """Tell a video by its suffix."""
    return path.lower().endswith(VIDEO_SUFFIXES)


def find(paths: Sequence[str], recursive: bool) -> list[Photo]:
    """Return the photos of files and folders: those of a folder by suffix and sorted, without hidden ones.

    Args:
        paths: Files and folders.
        recursive: Folders within folders too; links to folders are not followed.

    Raises:
        FileNotFoundError: a path is not there, or there is no photo at all.
        ValueError: two photos have one name.
    """
    found: list[Photo] = []
    for path in paths:
        if os.path.isdir(path):
            found += [Photo(os.path.relpath(one, path).replace(os.sep, "/"), one) for one in _within(path, recursive)]
        elif os.path.isfile(path):
            found.append(Photo(os.path.basename(path), path))
        else:
            raise FileNotFoundError(f"There is no file or folder {path}.")
    if not found:
        more = "" if recursive else " --recursive also looks into the folders within."
        raise FileNotFoundError(f"No photo ({', '.join(photos.SUFFIXES)}) in {', '.join(paths)}.{more}")
    name, count = Counter(photo.name for photo in found).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{count} photos are named {name}: their results would have one name too. Give one folder at a time.")
    return found


def _within(folder: str, recursive: bool) -> list[str]:
    if not recursive:
        return [path for path in photos.within(folder) if not os.path.basename(path).startswith(".")]
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [os.path.join(parent, name) for name in sorted(names) if name.lower().endswith(photos.SUFFIXES) and not name.startswith(".")]
    return found


def read(found: Sequence[Photo], channels: int) -> Iterator[Item | tuple[Photo, str]]:
    """Read photos one after the other: an Item, or the photo and why it can't be read."""
    for photo in found:
        try:
            yield Item(photo.name, reading.read(photo.path, channels))
        except (OSError, ValueError) as error:
            yield photo, str(error)


class Video:
    """A video file or a camera, read frame by frame. Use it in a with statement.

    Args:
        source: Path of the file, or number of the camera, 0 for the first.
        every: Take each so-many-th frame.
        limit: Take so many frames at most; None: all, of a camera without end.

    Attributes:
        rate: Frames a second of what is taken.
        total: Frames that will come; None of a camera, or where the file doesn't say.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it can't be opened as a video, or there is no such camera.
    """

    def __init__(self, source: str | int, every: int = 1, limit: int | None = None):
        if isinstance(source, str) and not os.path.isfile(source):
            raise FileNotFoundError(f"There is no file {source}.")
        self._capture = cv2.VideoCapture(source)
        if not self._capture.isOpened():
            self._capture.release()
            if isinstance(source, int):
                raise ValueError(f"There is no camera {source}, or another program has it.")
            raise ValueError(f"OpenCV can't read {source} as a video: damaged, or of a codec that it lacks. ffmpeg -i can convert it to mp4.")
        self.every, self.limit = every, limit
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._source_rate = rate if np.isfinite(rate) and 0 < rate < 1000 else USUAL_RATE
        self.rate = self._source_rate / every
        frames = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)) if isinstance(source, str) else 0
        counts = [n for n in (-(-frames // every) if frames > 0 else None, limit) if n is not None]
        self.total = min(counts, default=None)

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *error: object) -> None:
        self._capture.release()

    def __iter__(self) -> Iterator[Item]:
        taken = number = 0
        while self.limit is None or taken < self.limit:
            if number % self.every:
                if not self._capture.grab():
                    return
            else:
                there, frame = self._capture.read()
                if not there:
                    return
                yield Item(f"frame_{number:06d}", cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), number, number / self._source_rate)
                taken += 1
            number += 1
