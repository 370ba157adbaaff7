"""Pictures of detections beside the ground truth, for people who want to see what the figures mean."""

import os
import re
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from mrcnn import files
from mrcnn.evaluation import collect
from mrcnn.log import log
from mrcnn.ops import rle, waiting
from mrcnn.results import Detections
from mrcnn.training import mean_average_precision
from mrcnn.visualize import verdicts

NUM = 8
MIN_SCORE = 0.5  # detections below it are kept for the mAP, but would cover the picture
SHEET = "all.png"
_SHEET_WIDTH, _SHEET_COLUMNS = 1000, 2


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
    files.write(os.path.join(folder, SHEET), _png(verdicts.sheet(drawn, columns=_SHEET_COLUMNS, width=_SHEET_WIDTH)))
    for name in os.listdir(folder):
        if re.fullmatch(r"\d\d\.png", name) and int(name[:2]) > len(drawn):
            os.remove(os.path.join(folder, name))
    return len(drawn)


def _draw_batch(inference_model: Any, dataset: Any, image_ids: list[int], epoch: int) -> list[np.ndarray]:
    """Load images, detect on all of them at once, and draw each. Those that can't be loaded are said and left out."""
    truths = {}
    for image_id in image_ids:
        try:
            truths[image_id] = collect.load(dataset, image_id, inference_model.config.IMAGE_CHANNEL_COUNT)
        except Exception as error:  # whatever a user's load_image or load_mask raises
            log(f"No picture of image {image_id}: {type(error).__name__}: {error}")
    if not truths:
        return []
    results = inference_model.detect([truth.image for truth in truths.values()], verbose=0, **waiting.asked_of(inference_model.detect))
    return [
        draw(
            truth.image, rle.decode_coco(truth.rles, truth.image.shape[:2]), truth.class_ids, Detections.from_mapping(found), dataset.class_names,
            _name(dataset, image_id), epoch,
        )
        for (image_id, truth), found in zip(truths.items(), results, strict=True)
    ]  # fmt: skip


def draw(
    image: np.ndarray, masks: np.ndarray, class_ids: np.ndarray, found: Detections, class_names: Sequence[str], name: str, epoch: int
) -> np.ndarray:
    """Draw the ground truth with what was missed, and beside it what was found with the false alarms, each under a line that counts them.

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
    right = int((verdicts.judge(masks, class_ids, shown["masks"], shown["class_ids"], shown["scores"]).matches >= 0).sum())
    below = f", {found.num - shown.num} below" if found.num > shown.num else ""
    heading = f"epoch {epoch}: {shown.num} found, {right} right (score {MIN_SCORE:g} and more{below})"
    return verdicts.draw_verdicts(image, masks, class_ids, shown, class_names, name=f"{name}, ground truth", heading=heading)


def _name(dataset: Any, image_id: int) -> str:
    try:
        path = os.path.basename(dataset.image_info[image_id]["path"])
        return f"image {image_id} ({path.encode('ascii', 'replace').decode()})" if path else f"image {image_id}"
    except (AttributeError, KeyError, IndexError, TypeError):  # no Dataset of ours, or images that have no path
        return f"image {image_id}"


def _png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()
