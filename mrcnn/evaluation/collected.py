"""Detections and ground truth of a data set, side by side: what every measure of `mrcnn.evaluation` reads.

Masks are COCO run lengths from the network to the last figure; nothing here makes a plane. Collected once
(`collect.from_dataset`, or `from_coco.read` from COCO's own files), saved if wanted, and measured as often as one likes.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn import files
from mrcnn.ops import rle

Encoding = dict[str, Any]
FORMAT = "mrcnn.evaluation.collected 1"


@dataclasses.dataclass(frozen=True)
class CollectedImage:
    """Ground truth and detections of one image.

    Attributes:
        image_id: Its id in the data set, or in the COCO file.
        name: What a person knows it by: a file, as a rule.
        height, width: In pixels.
        gt_class_ids: [N] int32; -k marks a crowd of class k.
        gt_boxes: [N, (y1, x1, y2, x2)] float64 pixels.
        gt_rles: N COCO encodings {"size": [H, W], "counts": bytes}; None where only boxes are known.
        gt_areas: [N] float64, by which COCO tells small from large: pixels of the mask, or what the COCO file says.
        class_ids: [P] int32, of the detections, from 1 on.
        scores: [P] float64.
        boxes: [P, (y1, x1, y2, x2)] float64 pixels.
        rles: P COCO encodings, or None.
    """

    image_id: int | str
    name: str
    height: int
    width: int
    gt_class_ids: np.ndarray
    gt_boxes: np.ndarray
    gt_rles: list[Encoding] | None
    gt_areas: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    rles: list[Encoding] | None

    def __post_init__(self) -> None:
        for name, kind, width in _ARRAYS:
            array = np.asarray(getattr(self, name), kind)
            object.__setattr__(self, name, array.reshape(-1, 4) if width else array)
        for side, parts in _SIDES.items():
            counts = {part: len(value) for part in parts if (value := getattr(self, part)) is not None}
            if len(set(counts.values())) > 1:
                raise ValueError(f"image {self.image_id!r}: its {side} disagree in their number: {counts}")
            rles = getattr(self, parts[-1])
            wrong = [one["size"] for one in rles or () if list(one["size"]) != [self.height, self.width]]
            if wrong:
                raise ValueError(
                    f"image {self.image_id!r} has {self.height} x {self.width} pixels (height x width), a mask of its {side} "
                    f"{wrong[0][0]} x {wrong[0][1]}"
                )

    def select(self, keep: np.ndarray) -> CollectedImage:
        """Return the image with those detections only that `keep` names: [P] bool, or their numbers in the order wanted."""
        keep = np.asarray(keep)
        rows = np.flatnonzero(keep) if keep.dtype == bool else keep.astype(np.int64)
        return dataclasses.replace(
            self, class_ids=self.class_ids[rows], scores=self.scores[rows], boxes=self.boxes[rows],
            rles=None if self.rles is None else [self.rles[i] for i in rows],
        )  # fmt: skip

    @property
    def crowd(self) -> np.ndarray:
        """[N] bool, which instances are crowds."""
        return self.gt_class_ids < 0


_ARRAYS = (
    ("gt_class_ids", np.int32, 0), ("gt_boxes", np.float64, 4), ("gt_areas", np.float64, 0),
    ("class_ids", np.int32, 0), ("scores", np.float64, 0), ("boxes", np.float64, 4),
)  # fmt: skip
_SIDES = {
    "instances": ("gt_class_ids", "gt_boxes", "gt_areas", "gt_rles"),
    "detections": ("class_ids", "scores", "boxes", "rles"),
}


@dataclasses.dataclass
class Collected:
    """Detections and ground truth of a data set.

    Attributes:
        class_names: [K], the background first; class id k is class_names[k].
        images: In the order of the data set.
        left_out: (image, reason) of images that could not be read or judged, and count nowhere.
        category_ids: [K] ids of the classes in a COCO file, 0 for the background; None: the class ids themselves.

    Example: one instance, found.
        >>> one = CollectedImage(7, "a.jpg", 2, 2, [1], [[0, 0, 2, 2]], None, [4], [1], [0.9], [[0, 0, 2, 2]], None)
        >>> found = Collected(["BG", "cat"], [one])
        >>> found.num_instances, found.num_detections, found.has_masks
        (1, 1, False)
    """

    class_names: list[str]
    images: list[CollectedImage] = dataclasses.field(default_factory=list)
    left_out: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    category_ids: list[int] | None = None

    @property
    def num_classes(self) -> int:
        """K, the background included."""
        return len(self.class_names)

    @property
    def num_instances(self) -> int:
        """Instances of all images, crowds not counted."""
        return sum(int((one.gt_class_ids > 0).sum()) for one in self.images)

    @property
    def num_detections(self) -> int:
        """Detections of all images."""
        return sum(len(one.class_ids) for one in self.images)

    @property
    def has_masks(self) -> bool:
        """Whether both sides of all images have masks."""
        return all(one.gt_rles is not None and one.rles is not None for one in self.images)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything as JSON, packed if the name ends in .gz.

        Raises:
            OSError: it can't be written.
        """
        content = {"format": FORMAT, "class_names": self.class_names, "category_ids": self.category_ids, "left_out": self.left_out}
        text = json.dumps(content | {"images": [_plain(one) for one in self.images]})
        path = os.fspath(path)
        files.write(path, gzip.compress(text.encode(), 6) if path.endswith(".gz") else text)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Collected:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is another kind of file, or damaged.
        """
        path = os.fspath(path)
        try:
            with gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8") as file:
                content = json.load(file)
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r}, not {FORMAT!r}")
            images = [_read(one) for one in content["images"]]
            left_out = [(name, reason) for name, reason in content["left_out"]]
            return cls(content["class_names"], images, left_out, content["category_ids"])
        except (ValueError, KeyError, TypeError, EOFError, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} is not what Collected.save writes: {error!r}. Collect the detections again.") from error


def _plain(image: CollectedImage) -> dict[str, Any]:
    plain = {one.name: getattr(image, one.name) for one in dataclasses.fields(image)}
    for name, value in plain.items():
        if isinstance(value, np.ndarray):
            plain[name] = value.tolist()
    for name in ("gt_rles", "rles"):
        plain[name] = None if plain[name] is None else [one["counts"].decode("ascii") for one in plain[name]]
    return plain


def _read(plain: dict[str, Any]) -> CollectedImage:
    size = [plain["height"], plain["width"]]
    for name in ("gt_rles", "rles"):
        if plain[name] is not None:
            plain[name] = [{"size": size, "counts": text.encode("ascii")} for text in plain[name]]
    return CollectedImage(**plain)


def areas(image: CollectedImage, kind: str) -> np.ndarray:
    """Return the areas of the detections: [P] float64 pixels, of masks ("segm") or boxes ("bbox")."""
    if kind == "segm":
        return rle.area_coco(image.rles or []).astype(np.float64)
    return np.prod(image.boxes[:, 2:] - image.boxes[:, :2], axis=1)


def checked_scores(scores: Sequence[float] | np.ndarray, name: object) -> np.ndarray:
    """Return scores as [P] float64; nan would be ranked anywhere.

    Raises:
        ValueError: one is not a number.
    """
    scores = np.asarray(scores, np.float64)
    if not np.isfinite(scores).all():
        raise ValueError(f"image {name!r}: scores must be numbers; got {scores[~np.isfinite(scores)][0]}")
    return scores
