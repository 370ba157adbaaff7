"""What a run of the fashion sample remembers beside its checkpoints, and what it writes: pictures and results."""

import json
import os
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import cv2
import fashion_attributes
import numpy as np
from fashion_config import VARIANTS

from mrcnn import files
from mrcnn.ops import rle
from mrcnn.results import Detections
from mrcnn.training import state

RECORD = "run.json"
NAME = "fashion"


@dataclass(frozen=True)
class Record:
    """What detect, evaluate and a resumed training must know of a run: its network, its classes and its data."""

    variant: str
    classes: list[str]
    dataset: str | None = None
    rle_from: int = 1
    val_share: float = 0.1
    seed: int = 0
    folds: int | None = None  # K of a K-fold split, and the fold held out, from 1
    fold: int | None = None
    sample: int | None = None  # images drawn for training, or before the folds are cut
    augment: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)  # parameters of Config that --set gave
    categories: list[int] | None = None  # the numbers of the classes in the data's own files, as submissions have them
    attributes: list[list[Any]] = field(default_factory=list)  # [id, name] of each that --attributes trains

    def write(self, log_dir: str) -> None:
        """Write it beside the checkpoints."""
        files.write(os.path.join(log_dir, RECORD), json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, checkpoint: str) -> "Record | None":
        """Return the record beside a checkpoint, or None where there is none.

        Raises:
            ValueError: there is one, but it is broken.
        """
        folder = os.path.dirname(os.path.abspath(checkpoint))
        if os.path.basename(folder) == state.FOLDER:  # of a training left inside an epoch
            folder = os.path.dirname(folder)
        path = os.path.join(folder, RECORD)
        if not os.path.isfile(path):
            return None
        try:
            with open(path, encoding="utf-8") as file:
                read = json.load(file)
            # A run from before folds, samples and augmentations names none.
            record = cls(**{one.name: read[one.name] for one in fields(cls) if one.name in read})
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{path} is not what fashion.py train writes ({error!r}): delete it, or restore it."
            ) from error
        if record.variant not in VARIANTS:
            raise ValueError(f"{path} names the variant {record.variant!r}; known are {', '.join(VARIANTS)}.")
        return record


def find_checkpoint(weights: str, logs: str, whole_epochs: bool = True) -> str:
    """Return the checkpoint that --weights names: a file, a run's folder (its newest one), or "last" (the newest under `logs`).

    Without `whole_epochs` it may be the weights of a training left inside an epoch.

    Raises:
        FileNotFoundError: there is none.
    """
    if os.path.isfile(weights):
        return weights
    from mrcnn.training import session
    from mrcnn.weights import layout

    return session.find(weights, logs, NAME, describe=layout.describe, whole_epochs=whole_epochs)


def rescaled(detections: Detections, height: int, width: int) -> Detections:
    """Return detections on a square brought to the photo of `height` and `width` that was squeezed into it."""
    size = detections.image_shape[0]
    scale = np.array([height / size, width / size] * 2)
    rois = np.rint(detections["rois"] * scale).astype(np.int32)
    masks = np.zeros((height, width, detections.num), bool)
    for number in range(detections.num):
        masks[:, :, number] = rescaled_mask(detections["masks"][:, :, number], height, width)
    least = detections.attribute_min_confidence
    return Detections(rois, detections["class_ids"], detections["scores"], masks, None, detections.attributes, least)


def rescaled_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a mask [h, w] bool at another size, [height, width] bool, its border smoothed."""
    if mask.shape == (height, width):
        return np.asarray(mask, bool)
    return cv2.resize(mask.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_LINEAR) >= 128


def as_json(path: str, detections: Detections, class_names: list[str], attributes: list[list[Any]] = ()) -> dict:
    """Return the detections of a photo in plain types; masks as run lengths down the columns, counted from 1.

    With `attributes`, [[id, name], …] of the run, each detection has those that are told of it.
    """
    height, width = detections.image_shape
    told = [{"attributes": one} if attributes else {} for one in fashion_attributes.as_json(detections, attributes)]
    found = [
        {
            "class_id": int(class_id),
            "class": class_names[class_id],
            "score": round(float(score), 4),
            "box": [int(side) for side in roi],
            "EncodedPixels": rle.encode(detections["masks"][:, :, number]),
        }
        | told[number]
        for number, (roi, class_id, score) in enumerate(
            zip(detections["rois"], detections["class_ids"], detections["scores"], strict=True)
        )
    ]
    return {"image": path, "height": height, "width": width, "detections": found}


def interval_line(name, gathered):
    """Return a line with the class-wise mAP of gathered detections and its bootstrap interval."""
    from mrcnn.evaluation import bootstrap

    if not gathered.result().per_class:
        return f"{name}: no instance to find, so no interval"
    interval = bootstrap.mean_average_precision(gathered)
    return f"{name} {interval}: in brackets {interval.level:.0%} of {interval.samples} draws of the images, seed 0"


def set_lines(gathered, class_names):
    """Return precision, recall and F1 of gathered detections as a set, class by class: thresholds are for these, and cut the mAP's ranking off."""
    lines, all_f1 = [f"{'as a set, IoU 0.5':24} precision  recall     F1"], []
    for class_id, ranked in sorted(gathered.ranked().items()):
        right, found, there = int(ranked.correct.sum()), len(ranked.correct), int(ranked.instances.sum())
        if there:
            all_f1.append(2 * right / (found + there))
            lines.append(f"{class_names[class_id]:24} {right / max(found, 1):9.3f}  {right / there:6.3f}  {all_f1[-1]:5.3f}")
    return "\n".join([*lines, f"{'mean of the classes':24} {'':9}  {'':6}  {np.mean(all_f1) if all_f1 else float('nan'):5.3f}"])
