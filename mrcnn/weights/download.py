"""The Mask R-CNN that its authors trained on COCO, downloaded and checked."""

import logging
import os

from mrcnn import fetch
from mrcnn.fetch import DownloadError
from mrcnn.weights import layout, names

logger = logging.getLogger(__name__)

COCO_MODEL_URL = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
_COCO_PARAMETERS = 64_158_584
# What HDF5 may add to the weights themselves; in the published file it is 0.4 %.
_COCO_OVERHEAD = 1.05


def download_trained_weights(coco_model_path: str | os.PathLike[str], verbose: int = 1) -> None:
    """Download the Mask R-CNN that its authors trained on COCO (resnet101, 81 classes, 246 MB), unless it is there.

    No checksum of it was ever published. Size, HDF5 signature and the complete layout are checked, and the SHA-256 is
    written beside it for the next time.

    Args:
        coco_model_path: where the file goes.
        verbose: 0 logs nothing.

    Raises:
        DownloadError: it cannot be had, or what came is something else.
    """
    path = os.fspath(coco_model_path)
    record = f"{path}.sha256"
    fresh = not os.path.exists(path)
    recorded = None
    if os.path.exists(record) and not fresh:
        with open(record, encoding="ascii", errors="replace") as file:
            recorded = file.read(64)
    if fresh and verbose:
        logger.info("Downloading pretrained model to %s ...", path)
    fetch.fetch(COCO_MODEL_URL, path, sha256=recorded, progress=fetch.log_progress() if verbose else None)
    if recorded:
        return
    try:
        check_coco(path)
    except ValueError as error:
        if fresh:
            os.remove(path)
        remedy = "It was removed" if fresh else "Remove it"
        raise DownloadError(
            f"{path} is not the COCO model: {error} {remedy}; then {fetch.by_hand(COCO_MODEL_URL, path)}"
        ) from error
    with open(record, "w", encoding="ascii") as file:
        file.write(f"{fetch.digest(path, 'sha256')}  {os.path.basename(path)}\n")


def check_coco(path: str) -> None:
    """Check that a file is a Mask R-CNN with resnet101 and COCO's 81 classes, every layer there.

    Raises:
        ValueError: it is not; the message says in what.
    """
    size = os.path.getsize(path)
    least = 4 * _COCO_PARAMETERS
    if not least <= size <= _COCO_OVERHEAD * least:
        raise ValueError(f"It has {size:,} bytes, {least:,} and a little more are expected.")
    described = layout.describe(path)
    expected = [*names.resnet_layers("resnet101"), *names.FPN_LAYERS, names.RPN_MODEL, *names.ROI_LAYERS]
    if sorted(described.layers) != sorted(expected) or described.num_parameters != _COCO_PARAMETERS:
        raise ValueError(
            f"It holds {len(described.layers)} layers and {described.num_parameters:,} parameters; the resnet101 "
            f"network of 81 classes has {len(expected)} and {_COCO_PARAMETERS:,}."
        )
