"""Photos in memory or on disk with two instances each, and a configuration that fits them: clean but for the defects a test makes."""

import cv2
import numpy as np

from mrcnn import doctor
from mrcnn.config import Config
from mrcnn.data.dataset import Dataset

SIDE = 128


class PhotoConfig(Config):
    NAME = "photos"
    NUM_CLASSES = 3
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = SIDE
    IMAGES_PER_GPU = 1
    RPN_ANCHOR_SCALES = (27, 37, 38, 40, 49)
    RPN_ANCHOR_RATIOS = [0.92, 1, 1.09]


class Photos(Dataset):
    """`count` photos of coloured noise, a square and a circle of 24 to 40 px on each. Files, if a folder is given.

    Attributes:
        images: [count] arrays; change one to make a defect.
        masks: [count] lists of [H, W] bool.
        classes: [count] lists of ids.
    """

    def __init__(self, count=12, folder=None, seed=0, names=("square", "circle")):
        super().__init__()
        for number, name in enumerate(names, start=1):
            self.add_class("photos", number, name)
        self.images, self.masks, self.classes = [], [], []
        for number in range(count):
            rng = np.random.default_rng([seed, number])
            coarse = rng.integers(20, 230, (8, 8, 3)).astype(np.uint8)
            image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            self.images.append(image)
            self.masks.append([_shape(rng, 0, square=True), _shape(rng, SIDE // 2, square=False)])
            self.classes.append([1, 2])
            path = None
            if folder is not None:
                path = str(folder / f"{seed}_{number}.png")
                cv2.imwrite(path, image[..., ::-1])
            self.add_image("photos", f"{seed}_{number}", path)
        self.prepare()

    def load_image(self, image_id):
        return super().load_image(image_id) if self.image_info[image_id]["path"] else self.images[image_id]

    def load_mask(self, image_id):
        masks = self.masks[image_id]
        return (np.stack(masks, axis=-1) if masks else np.zeros((SIDE, SIDE, 0), bool)), np.array(self.classes[image_id], np.int32)

    def size_of_masks(self, image_id, height, width):
        """Replace the masks of a photo by ones of another size."""
        self.masks[image_id] = [np.ones((height, width), bool)]
        self.classes[image_id] = [1]


def _shape(rng, left, square):
    side = int(rng.integers(24, 41))
    y, x = rng.integers(2, SIDE - side - 2), left + rng.integers(2, SIDE // 2 - side - 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    if square:
        return (rows >= y) & (rows < y + side) & (columns >= x) & (columns < x + side)
    return np.hypot(rows - y - side / 2 + 0.5, columns - x - side / 2 + 0.5) < side / 2


def examine(train, val=None, weights=None, config=None, **settings):
    """Examine without the cost, with some parameters set."""
    config = config or PhotoConfig()
    for name, value in settings.items():
        setattr(config, name, value)
    return doctor.examine(config, train, val, weights, cost=False)


def bad(report):
    """Return {check: severity} of what is worse than a note."""
    return {finding.check: finding.severity for finding in report.findings if finding.severity != "note"}


def only(report, check):
    """Return the one finding worse than a note, which is of this check."""
    assert list(bad(report)) == [check], str(report)
    return next(finding for finding in report.findings if finding.check == check)
