"""How many instances of each class every image of a data set shows."""

from __future__ import annotations

import logging

import numpy as np

from mrcnn.data.dataset import Dataset

logger = logging.getLogger(__name__)


def instance_counts(dataset: Dataset) -> np.ndarray:
    """Count the instances of each class on each image, crowds left out.

    Args:
        dataset: prepared; asked for `image_class_ids` of every image.

    Returns:
        [num_images, num_classes] int64; column 0, the background, is 0. An image whose classes cannot be read has -1
        in column 0, and a line in the log says why.
    """
    counts = np.zeros((len(dataset.image_ids), dataset.num_classes), np.int64)
    for row, image_id in enumerate(dataset.image_ids):
        try:
            class_ids = np.asarray(dataset.image_class_ids(int(image_id))).astype(np.int64)
            counts[row] = np.bincount(class_ids[class_ids > 0], minlength=dataset.num_classes)
        except Exception as error:  # whatever a user's load_mask raises; training will skip the image and count it
            logger.warning("The classes of image %s are not known: %s: %s", image_id, type(error).__name__, error)
            counts[row, 0] = -1
    return counts
