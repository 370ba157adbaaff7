"""Small files in the forms that readers read, and the real ones of shared/data."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared(name):
    """Return a path in shared/data, or skip the test."""
    if not (SHARED / name).exists():
        pytest.skip(f"no {SHARED / name}: the shared data are not here")
    return SHARED / name


def photo(path, height=6, width=8):
    """Write a grey photo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))


def write_json(path, content):
    """Write a JSON file, and return its path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return str(path)


def masks_of(dataset, image_id=0):
    """Return the masks of a photo as lists of (row, column) pixels, and its class ids."""
    masks, class_ids = dataset.load_mask(image_id)
    return [np.argwhere(masks[..., i]).tolist() for i in range(masks.shape[-1])], class_ids.tolist()


def rectangle(top, left, bottom, right):
    """Return the pixels of a rectangle, as `masks_of` does."""
    return [[y, x] for y in range(top, bottom) for x in range(left, right)]
