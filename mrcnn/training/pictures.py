"""Pictures of detections beside the ground truth, for people who want to see what the figures mean."""

import inspect
import os
import re
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from mrcnn import files
from mrcnn.evaluation import matching
from mrcnn.log import log
from mrcnn.ops import boxes
from mrcnn.results import Detections
from mrcnn.training import mean_average_precision
from mrcnn.visualize import render

NUM = 8
MIN_SCORE = 0.5  # detections below it are kept for the mAP, but would cover the picture
SHEET = "all.png"
_SMALL, _LARGE = 512, 1024  # a photo is drawn at a longer side of at least, and at most, about so many pixels
_SHEET_WIDTH, _SHEET_COLUMNS = 1000, 2
_GAP = 6
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write(folder: str, inference_model: Any, dataset: Any, image_ids: Sequence[int], epoch: int) -> int:
    """Detect on images and write each with its ground truth on the left: 01.png, 02.png, …, and all of them as all.png.

    Pictures of an earlier call are replaced. An image that can't be loaded is said and left out.

    Args:
        folder: Made where it is absent.
        inference_model: MaskRCNN in inference mode with the weights of `epoch`.
        dataset: Prepared data set with masks.
        image_ids: Which images; NUM of them at most, spread evenly.
        epoch: For the captions.

    Returns:
        How many were written.

    Raises:
        OSError: a file can't be written.
    """
    chosen, drawn = mean_average_precision.spread(np.asarray(image_ids), NUM).tolist(), []
    size = inference_model.config.BATCH_SIZE
    for first in range(0, len(chosen), size):
        drawn += _draw_batch(inference_model, dataset, chosen[first : first + size], epoch)
    if not drawn:
        return 0
    for number, picture in enumerate(drawn, start=1):
        files.write(os.path.join(folder, f"{number:02d}.png"), _png(picture))
    files.write(os.path.join(folder, SHEET), _png(_sheet(drawn)))
    for name in os.listdir(folder):
        if re.fullmatch(r"\d\d\.png", name) and int(name[:2]) > len(drawn):
            os.remove(os.path.join(folder, name))
    return len(drawn)


def _draw_batch(inference_model: Any, dataset: Any, image_ids: list[int], epoch: int) -> list[np.ndarray]:
    """Load images, detect on all of them at once, and draw each. Those that can't be loaded are said and left out."""
    truths = {}
    for image_id in image_ids:
        try:
            truths[image_id] = mean_average_precision.load_truth(dataset, image_id, inference_model.config.IMAGE_CHANNEL_COUNT)
        except Exception as error:  # whatever a user's load_image or load_mask raises
            log(f"No picture of image {image_id}: {type(error).__name__}: {error}")
    if not truths:
        return []
    lazy = {"lazy_masks": True} if "lazy_masks" in inspect.signature(inference_model.detect).parameters else {}  # an override may not know it
    results = inference_model.detect([image for image, _, _ in truths.values()], verbose=0, **lazy)
    return [
        draw(image, masks, class_ids, Detections.from_mapping(found), dataset.class_names, _name(dataset, image_id), epoch)
        for (image_id, (image, masks, class_ids)), found in zip(truths.items(), results, strict=True)
    ]


def draw(
    image: np.ndarray, masks: np.ndarray, class_ids: np.ndarray, found: Detections, class_names: Sequence[str], name: str, epoch: int
) -> np.ndarray:
    """Draw the ground truth, and beside it what was found, each under a line that says how much that is.

    Args:
        image: [H, W, C].
        masks: [H, W, N] bool, of the ground truth.
        class_ids: [N] int of the ground truth, negative for crowds.
        found: The detections; those below MIN_SCORE are counted only.
        class_names: The name of each class id.
        name: What the image is called.
        epoch: That the weights are of.

    Returns:
        [H, W, 3] uint8 RGB.
    """
    shown = found.filter(min_score=MIN_SCORE)
    right = _count_right(masks, class_ids, shown)
    truth = Detections(boxes.from_masks(masks), np.abs(class_ids), np.ones(len(class_ids)), masks)  # a crowd's class is negative
    crowds = int((class_ids < 0).sum())
    left = f"{name}, ground truth: {len(class_ids) - crowds}" + (f" and {crowds} crowds" if crowds else "")
    below = f", {found.num - shown.num} below" if found.num > shown.num else ""
    heading = f"epoch {epoch}: {shown.num} found, {right} right (score {MIN_SCORE:g} and more{below})"
    return np.hstack(
        [_pane(image, truth, class_names, left, show_scores=False), _pane(image, shown, class_names, heading, show_scores=True)]
    )  # fmt: skip


def _name(dataset: Any, image_id: int) -> str:
    try:
        path = os.path.basename(dataset.image_info[image_id]["path"])
        return f"image {image_id} ({path.encode('ascii', 'replace').decode()})" if path else f"image {image_id}"
    except (AttributeError, KeyError, IndexError, TypeError):  # no Dataset of ours, or images that have no path
        return f"image {image_id}"


def _count_right(masks: np.ndarray, class_ids: np.ndarray, found: Detections) -> int:
    """Detections that match an instance of their class at mask IoU 0.5."""
    truth = (boxes.from_masks(masks), class_ids, masks)
    _, matched, _ = matching.compute_matches(*truth, found["rois"], found["class_ids"], found["scores"], found["masks"])
    return int((matched >= 0).sum())


def _pane(image: np.ndarray, detections: Detections, class_names: Sequence[str], heading: str, *, show_scores: bool) -> np.ndarray:
    """The image with its instances, brought to a size that can be read, under its heading, with a white border."""
    longer = max(image.shape[:2])
    enlarge = max(1, _SMALL // longer)
    pane = render.draw_instances(image, detections, class_names, show_scores=show_scores, enlarge=enlarge)
    if longer * enlarge > _LARGE:
        pane = _resized(pane, _LARGE / (longer * enlarge))
    strip = np.full((26, pane.shape[1], 3), 255, np.uint8)
    scale = 0.5
    while cv2.getTextSize(heading, _FONT, scale, 1)[0][0] > pane.shape[1] - 8 and scale > 0.2:
        scale -= 0.02
    cv2.putText(strip, heading, (4, 18), _FONT, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return cv2.copyMakeBorder(np.vstack([strip, pane]), 0, _GAP, _GAP, _GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _sheet(pictures: list[np.ndarray]) -> np.ndarray:
    """Lay pictures of any sizes out in rows, each brought to one width: [H, W, 3]."""
    same = [_resized(picture, _SHEET_WIDTH / picture.shape[1]) for picture in pictures]
    columns = min(_SHEET_COLUMNS, len(same))
    rows = []
    for first in range(0, len(same), columns):
        row = same[first : first + columns]
        height = max(picture.shape[0] for picture in row)
        sheet = np.full((height, columns * _SHEET_WIDTH, 3), 255, np.uint8)
        for number, picture in enumerate(row):
            sheet[: picture.shape[0], number * _SHEET_WIDTH : (number + 1) * _SHEET_WIDTH] = picture
        rows.append(sheet)
    return np.vstack(rows)


def _resized(picture: np.ndarray, factor: float) -> np.ndarray:
    height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def _png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()
