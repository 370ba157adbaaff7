"""What the detect command leaves: a line of JSON for each image as it is done, and pictures, a video and tables made from that.

The lines are the record: what they name is done, whenever the command ends. COCO results and the submission are written from them at the end, line
by line, so that memory does not grow with the number of images.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from mrcnn import files
from mrcnn.commands.sources import Item
from mrcnn.data.formats import photos, write_imaterialist, writing
from mrcnn.ops import overlaps, rle
from mrcnn.results import Detections

LINES = "detections.jsonl"
RECORD = "detect.json"
COCO = "coco_results.json"
SUBMISSION = "submission.csv"
PICTURES = "pictures"


class Lines:
    """The file detections.jsonl: a line for each image, written when the image is done.

    Args:
        folder: Of the output; made if it isn't there.
        made_with: What the detections follow from, JSON types; kept in detect.json.
        resume: Go on with the lines that are there.
        overwrite: Begin anew where there are lines.

    Attributes:
        done: Names of the images that have a line.

    Raises:
        FileExistsError: there are lines, and neither resume nor overwrite.
        ValueError: those that are there were made with something else, or are none of ours.
    """

    def __init__(self, folder: str, made_with: dict[str, Any], *, resume: bool = False, overwrite: bool = False):
        self.path, record = os.path.join(folder, LINES), os.path.join(folder, RECORD)
        os.makedirs(folder, exist_ok=True)
        there = os.path.exists(self.path)
        if there and not (resume or overwrite):
            raise FileExistsError(f"{self.path} is there already: --resume goes on with it, --overwrite begins anew, another --output keeps it.")
        if there and resume:
            _require_same(record, made_with)
            _cut_torn_line(self.path)
        self.done = {line["image"] for line in read(self.path)} if there and resume else set()
        if not (there and resume):
            files.write(record, json.dumps(made_with, indent=1, ensure_ascii=False))
        self._file = open(self.path, "a" if resume else "w", encoding="utf-8", errors="backslashreplace")

    def add(self, item: Item, found: Detections, class_names: Sequence[str]) -> None:
        """Write the line of an image."""
        height, width = found.image_shape
        line: dict[str, Any] = {"image": item.name, "height": height, "width": width}
        if item.frame is not None:
            line |= {"frame": item.frame, "seconds": round(item.seconds, 4)}
        parts = zip(found["class_ids"].tolist(), found["scores"].tolist(), found["rois"].tolist(), found.rles, strict=True)
        line["detections"] = [
            {
                "class_id": class_id, "class": class_names[class_id], "score": round(score, 5), "box": box,
                "segmentation": {"size": list(encoded["size"]), "counts": encoded["counts"].decode("ascii")},
            }
            for class_id, score, box, encoded in parts
        ]  # fmt: skip
        if found.attributes is not None:
            for one, probabilities in zip(line["detections"], found.attributes.tolist(), strict=True):
                one["attributes"] = [round(probability, 4) for probability in probabilities]
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file, one at a time.

    Raises:
        ValueError: a line is none of ours.
    """
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            try:
                line = json.loads(text)
                line["image"], line["detections"]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}, line {number} is not what mrcnn detect writes ({error!r}).") from error
            yield line


def write_coco(lines: str, path: str, categories: dict[int, int], image_ids: dict[str, Any]) -> None:
    """Write COCO results from the lines, one at a time.

    Args:
        lines: Path of detections.jsonl.
        path: The .json file, replaced if there.
        categories: {class id: category id}.
        image_ids: {file name: id}, with folders or without; an image that is not there has its name as id.
    """
    with writing.whole_file(path, overwrite=True) as file:
        file.write("[")
        separator = "\n"
        for line in read(lines):
            image_id = id_of(line["image"], image_ids)
            for one in line["detections"]:
                y1, x1, y2, x2 = one["box"]
                entry = {
                    "image_id": image_id, "category_id": categories[one["class_id"]], "bbox": [x1, y1, x2 - x1, y2 - y1], "score": one["score"],
                    "segmentation": one["segmentation"],
                }  # fmt: skip
                file.write(separator + json.dumps(entry))
                separator = ",\n"
        file.write("\n]\n")


def id_of(name: str, image_ids: dict[str, Any]) -> Any:
    """Return the id of an image by its name, with folders or without; else the name."""
    return image_ids.get(name, image_ids.get(os.path.basename(name), name))


def write_submission(lines: str, path: str) -> None:
    """Write an iMaterialist submission from the lines: ImageId, EncodedPixels (from 1), ClassId (from 0); no pixel twice, the smaller mask keeps it.

    As `formats.save_results("imaterialist", …)`, for classes in the order of the competition's.
    """
    with writing.whole_file(path, overwrite=True, newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("ImageId", "EncodedPixels", "ClassId"))
        for line in read(lines):
            encoded = [one["segmentation"] for one in line["detections"]]
            parts = overlaps.apart(encoded, np.argsort(rle.area_coco(encoded), kind="stable"))
            texts = [_start_length(part) for part in parts]
            rows = [(text, one["class_id"] - 1) for text, one in zip(texts, line["detections"], strict=True) if text]
            for row in rows or [write_imaterialist.NOTHING_FOUND]:
                table.writerow((photos.stem(line["image"]), *row))


def _start_length(encoded: dict[str, Any]) -> str:
    """Return "start length start length …", counted from 1."""
    counts = rle.counts_coco(encoded)
    starts, lengths = np.cumsum(counts)[0:-1:2] + 1, counts[1::2]
    return " ".join(f"{start} {length}" for start, length in zip(starts.tolist(), lengths.tolist(), strict=True) if length)


class Pictures:
    """Pictures of the detections as files of their own, named as the images.

    Args:
        folder: Of the output.
        names: Of all images: two that differ in their suffix alone keep it. Of frames, none.
    """

    def __init__(self, folder: str, names: Sequence[str] = ()):
        self.folder = os.path.join(folder, PICTURES)
        stems: dict[str, int] = {}
        for name in names:
            stem = os.path.splitext(name)[0]
            stems[stem] = stems.get(stem, 0) + 1
        self._twins = {stem for stem, count in stems.items() if count > 1}

    def path(self, name: str) -> str:
        """Return where the picture of an image goes."""
        stem = os.path.splitext(name)[0]
        return os.path.join(self.folder, *f"{name if stem in self._twins else stem}.jpg".split("/"))

    def add(self, item: Item, picture: np.ndarray) -> None:
        """Write the picture, [H, W, 3] RGB uint8, of an image.

        Raises:
            OSError: it can't be written.
        """
        there, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
        if not there:
            raise OSError(f"OpenCV could not make a JPEG of {item.name}, {picture.shape[0]} x {picture.shape[1]} pixels.")
        files.replace(self.path(item.name), lambda file: file.write(data.tobytes()), sync=False)

    def close(self) -> None:
        """Nothing is left to do."""


class Film:
    """The frames with their detections as a video file; it has its name once it is complete, and after Ctrl-C with what is done.

    Args:
        path: Of the file; its suffix says the container.
        rate: Frames a second.
        codec: Four letters that OpenCV knows: mp4v in .mp4, MJPG in .avi.

    Raises:
        ValueError: codec has not four letters.
    """

    def __init__(self, path: str, rate: float, codec: str = "mp4v"):
        if len(codec) != 4:
            raise ValueError(f"--codec {codec!r}: four letters are expected, such as mp4v or MJPG")
        self.path, self.rate, self.codec = path, rate, codec
        stem, suffix = os.path.splitext(os.path.basename(path))
        self._temporary = os.path.join(os.path.dirname(os.path.abspath(path)), f".{stem}.{os.getpid()}.partial{suffix}")
        self._writer: cv2.VideoWriter | None = None

    def add(self, item: Item, picture: np.ndarray) -> None:
        """Write a frame, [H, W, 3] RGB uint8.

        Raises:
            OSError: OpenCV can't write such a video.
        """
        if self._writer is None:
            size = (picture.shape[1], picture.shape[0])
            self._writer = cv2.VideoWriter(self._temporary, cv2.VideoWriter_fourcc(*self.codec), self.rate, size)
            if not self._writer.isOpened():
                self._writer = None
                raise OSError(
                    f"OpenCV can't write {self.path} of {size[0]} x {size[1]} pixels with the codec {self.codec!r}. Try --codec MJPG with "
                    "--video-name detections.avi, or --save pictures."
                )
        self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Complete the file."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            files.put(self._temporary, self.path)


def _require_same(record: str, made_with: dict[str, Any]) -> None:
    try:
        with open(record, encoding="utf-8") as file:
            before = json.load(file)
    except (OSError, ValueError) as error:
        raise ValueError(f"--resume: {record} can't be read ({error}), so nothing says what the detections there were made with.") from error
    now = json.loads(json.dumps(made_with))
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)] if isinstance(before, dict) else ["all"]
    if names:
        raise ValueError(
            f"--resume: the detections in {os.path.dirname(record)} were made with another {', '.join(names)}. Take the same, or another --output."
        )


def _cut_torn_line(path: str) -> None:
    """Drop what follows the last line's end: the line that a killed program was writing."""
    with open(path, "rb+") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            block = file.read(end - start)
            place = block.rfind(b"\n")
            if place >= 0:
                file.truncate(start + place + 1)
                return
            end = start
        file.truncate(0)
