"""Toy shapes: squares, circles and triangles on a plain background, drawn as they are asked for.

    python samples/shapes/shapes.py train --weights coco               # as the original's notebook: heads, then all layers
    python samples/shapes/shapes.py train --weights imagenet --stages heads:1e-3:1,all:1e-4:1

    from samples.shapes.shapes import ShapesConfig, ShapesDataset      # or: import shapes, from this folder
"""

import argparse
import math
import os
import random
import sys

import cv2
import numpy as np

ROOT_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if ROOT_DIR not in sys.path:
    sys.path.insert(0, ROOT_DIR)  # this folder's own library, where another is installed too

from mrcnn import utils  # noqa: E402  (the path is known only now)
from mrcnn.config import Config  # noqa: E402
from samples import program  # noqa: E402

DEFAULT_LOGS_DIR = program.DEFAULT_LOGS_DIR
CLASS_NAMES = ("square", "circle", "triangle")
BORDER = 20  # pixels from a shape's centre to the image's edge, and its half side, at least; a fifth of a side below 100 px
SMALLEST_IMAGE = 32  # pixels
MOST_SHAPES = 4


class ShapesConfig(Config):
    """Small images, so eight fit into a batch and an epoch is short."""

    NAME = "shapes"
    GPU_COUNT = 1
    IMAGES_PER_GPU = 8
    NUM_CLASSES = 1 + len(CLASS_NAMES)
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)  # small anchors for small objects
    TRAIN_ROIS_PER_IMAGE = 32  # few objects: more rois would all be background
    STEPS_PER_EPOCH = 100
    VALIDATION_STEPS = 5


class ShapesDataset(utils.Dataset):
    """Images of one to four shapes. Nothing is kept but what to draw: image and masks are drawn on the fly.

    >>> shapes = ShapesDataset()
    >>> shapes.load_shapes(2, 128, 128, seed=0)
    >>> shapes.prepare()
    >>> shapes.class_names, shapes.load_image(0).shape
    (['BG', 'square', 'circle', 'triangle'], (128, 128, 3))
    """

    def __init__(self, class_map=None):
        super().__init__(class_map)
        self._dice = random  # the module: random.seed() decides, as in the original

    def load_shapes(self, count, height, width, seed=None):
        """Add images to draw; then call prepare().

        Args:
            count: how many.
            height, width: of each, in pixels; at least SMALLEST_IMAGE.
            seed: whole number that decides what is drawn. None, as in the original: Python's `random` as it stands.

        Raises:
            ValueError: no image, or images too small.
        """
        height, width = int(height), int(width)
        if count < 1 or min(height, width) < SMALLEST_IMAGE:
            least = f"at least one image of at least {SMALLEST_IMAGE} x {SMALLEST_IMAGE} px is expected"
            raise ValueError(f"load_shapes(count={count}, height={height}, width={width}): {least}.")
        self._dice = random if seed is None else random.Random(seed)
        for number, name in enumerate(CLASS_NAMES, start=1):
            self.add_class("shapes", number, name)
        for number in range(count):
            bg_color, shapes = self.random_image(height, width)
            self.add_image("shapes", image_id=number, path=None, width=width, height=height, bg_color=bg_color, shapes=shapes)

    def load_image(self, image_id):
        """Draw an image: [H, W, 3] uint8 RGB. Later shapes lie over earlier ones."""
        info = self.image_info[image_id]
        image = np.empty((info["height"], info["width"], 3), np.uint8)
        image[:] = np.asarray(info["bg_color"], np.uint8)
        for shape, color, dims in info["shapes"]:
            image = self.draw_shape(image, shape, dims, color)
        return image

    def image_reference(self, image_id):
        """Return what is drawn: [(name, colour, (x, y, half side)), …]."""
        info = self.image_info[image_id]
        return info["shapes"] if info["source"] == "shapes" else super().image_reference(image_id)

    def load_mask(self, image_id):
        """Draw the visible part of each shape: masks [H, W, N] bool, class ids [N] int32. One of which nothing is seen is left out."""
        info = self.image_info[image_id]
        masks, hidden = [], np.zeros((info["height"], info["width"]), bool)
        for shape, _, dims in reversed(info["shapes"]):
            whole = self.draw_shape(np.zeros(hidden.shape, np.uint8), shape, dims, 1).astype(bool)
            masks.insert(0, whole & ~hidden)
            hidden |= whole
        class_ids = np.array([self.map_source_class_id(f"shapes.{CLASS_NAMES.index(shape) + 1}") for shape, _, _ in info["shapes"]], np.int32)
        masks = np.stack(masks, axis=-1)
        seen = masks.any(axis=(0, 1))
        return masks[:, :, seen], class_ids[seen]

    def draw_shape(self, image, shape, dims, color):
        """Draw a filled shape into an image and return it.

        Args:
            image: [H, W, 3] or [H, W] uint8; it is changed.
            shape: square, circle or triangle.
            dims: (x, y, s), centre and half side in pixels.
            color: a number for each channel.

        Raises:
            ValueError: another shape.
        """
        x, y, s = dims
        if shape == "square":
            return cv2.rectangle(image, (x - s, y - s), (x + s, y + s), color, -1)
        if shape == "circle":
            return cv2.circle(image, (x, y), s, color, -1)
        if shape == "triangle":
            half = round(s / math.sin(math.radians(60)))
            return cv2.fillPoly(image, [np.array([(x, y - s), (x - half, y + s), (x + half, y + s)], np.int32)], color)
        raise ValueError(f"There is no shape {shape!r}: write one of {', '.join(CLASS_NAMES)}.")

    def random_shape(self, height, width):
        """Return what a shape may be: its name, colour (three numbers up to 255) and (x, y, half side)."""
        dice, border = self._dice, min(BORDER, height // 5, width // 5)
        shape = dice.choice(CLASS_NAMES)
        color = tuple(dice.randint(0, 255) for _ in range(3))
        y, x = dice.randint(border, height - border - 1), dice.randint(border, width - border - 1)
        return shape, color, (x, y, dice.randint(border, max(border, height // 4)))

    def random_image(self, height, width):
        """Return the colour of a background, and one to four shapes that don't hide each other much."""
        dice = self._dice
        bg_color = [dice.randint(0, 255) for _ in range(3)]
        shapes = [self.random_shape(height, width) for _ in range(dice.randint(1, MOST_SHAPES))]
        boxes = np.array([(y - s, x - s, y + s, x + s) for _, _, (x, y, s) in shapes])
        kept = utils.non_max_suppression(boxes, np.arange(len(shapes)), 0.3)
        return bg_color, [shape for number, shape in enumerate(shapes) if number in kept]


def main(arguments=None):
    """Run one command; what the user can mend ends with a message and status 1."""
    options = _parser().parse_args(arguments)
    program.run("shapes.py", train, options)


def train(options):
    """Train, with the mAP after each epoch."""
    config = program.configured(ShapesConfig(), options.settings)
    height, width = config.IMAGE_SHAPE[:2]
    dataset_train, dataset_val = ShapesDataset(), ShapesDataset()
    # Two seeds far apart: other shapes, and the same ones in each run.
    dataset_train.load_shapes(options.images, height, width, seed=2 * config.SEED)
    dataset_val.load_shapes(options.val_images, height, width, seed=2 * config.SEED + 1)
    for dataset in (dataset_train, dataset_val):
        dataset.prepare()
    model = program.training_model(config, options)
    found = program.configured(ShapesConfig(), options.settings)
    measure = program.map_after_each_epoch(model, found, options, dataset_val)
    plan = options.stages or [("heads", config.LEARNING_RATE, 1), ("all", config.LEARNING_RATE / 10, 1)]
    program.fit(model, dataset_train, dataset_val, plan, custom_callbacks=[measure])


def _parser():
    parser = argparse.ArgumentParser(prog="shapes.py", description="Train Mask R-CNN on toy shapes.")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train")
    of_train = commands.add_parser("train", help="train, with the mAP after each epoch")
    program.add_weights(of_train, "coco")
    program.add_logs(of_train)
    of_train.add_argument("--images", type=program.count, default=500, help="to train on. Default: 500")
    of_train.add_argument("--val-images", type=program.count, default=50, help="to judge by. Default: 50")
    program.add_stages(of_train, "the heads, then all layers at a tenth of LEARNING_RATE, an epoch each")
    program.add_settings(of_train)
    return parser


if __name__ == "__main__":
    main()
