"""A data set that worker processes can import, and its batches."""

import os
import sys
import threading
import time

import numpy as np

from mrcnn.config import Config
from mrcnn.data import anchor_grid, pipeline
from mrcnn.data.dataset import Dataset


class SmallConfig(Config):
    NAME = "small"
    NUM_CLASSES = 3
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    MINI_MASK_SHAPE = (14, 14)
    MAX_GT_INSTANCES = 4
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    RPN_ANCHOR_SCALES = (8, 16, 32, 48, 64)


def bright(image, masks, rng):
    """An augmentation that draws."""
    return np.clip(image + rng.integers(0, 50), 0, 255).astype(np.uint8), masks


def shrinking(image, masks, rng):
    """An augmentation that is at fault."""
    return image[:-1], masks


class Told(Dataset):
    """Image i is grey of value i with i % 3 squares and one; `told` says what else happens to images, by id."""

    def __init__(self, count=7, told=None):
        super().__init__()
        self.told = told or {}
        self.add_class("a", 1, "one")
        self.add_class("a", 2, "two")
        for i in range(count):
            self.add_image("a", f"image-{i}", None)
        self.prepare()

    def load_image(self, image_id):
        what = self.told.get(image_id)
        if what == "broken":
            raise OSError("disk error")
        if what == "slow":
            time.sleep(0.1)
        if what == "framework":
            return np.full((64, 64, 3), 200 if {"keras", "tensorflow"} & set(sys.modules) else 100, np.uint8)
        if what == "hanging":
            time.sleep(0.7)
        if what == "deadly":
            os._exit(3)
        if what == "wide":
            return np.full((64, 128, 3), image_id, np.uint8)
        if isinstance(what, threading.Event):
            what.wait()
        return np.full((64, 64, 3), image_id, np.uint8)

    def load_mask(self, image_id):
        shape = self.load_image_shape(image_id)
        masks = np.zeros((*shape, image_id % 3 + 1), np.uint8)
        for i in range(masks.shape[-1]):
            masks[4 * i : 4 * i + 10, 10:30, i] = 1
        return masks, np.arange(masks.shape[-1]) % 2 + 1

    def load_image_shape(self, image_id):
        return (64, 128) if self.told.get(image_id) == "wide" else (64, 64)


def batches(told=None, count=7, batch_size=2, steps=6, shuffle=True, config=None, **kwargs):
    config = config or SmallConfig()
    return pipeline.Batches(
        Told(count, told), config, batch_size=batch_size, steps=steps, shuffle=shuffle, anchors=anchor_grid.PixelAnchors(config), **kwargs
    )
