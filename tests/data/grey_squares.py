"""A data set of grey images with squares, and its batches."""

import numpy as np
from loader_data import SmallConfig

from mrcnn.data import pipeline
from mrcnn.data.dataset import Dataset
from mrcnn.ops import anchors as anchor_ops


class Squares(Dataset):
    """Image i is grey of value i and has instances[i] squares."""

    def __init__(self, instances, broken=(), side=64):
        super().__init__()
        self.instances, self.broken, self.side = instances, set(broken), side
        self.add_class("a", 1, "one")
        self.add_class("a", 2, "two")
        for i in range(len(instances)):
            self.add_image("a", f"image-{i}", None)
        self.prepare()

    def load_image(self, image_id):
        if image_id in self.broken:
            raise OSError("disk error")
        return np.full((self.side, self.side, 3), image_id, np.uint8)

    def load_mask(self, image_id):
        count = self.instances[image_id]
        masks = np.zeros((self.side, self.side, count), np.uint8)
        for i in range(count):
            masks[4 * i : 4 * i + 10, 10:30, i] = 1
        return masks, np.arange(count) % 2 + 1


def anchors(config=None, shape=(64, 64)):
    config = config or SmallConfig()
    shapes = anchor_ops.feature_shapes(shape, config.BACKBONE_STRIDES)
    return anchor_ops.generate_pyramid(
        config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, shapes, config.BACKBONE_STRIDES
    )


def batches(dataset, config=None, batch_size=2, steps=3, **kwargs):
    kwargs.setdefault("anchors", anchors(config))
    return pipeline.Batches(
        dataset, config or SmallConfig(), batch_size=batch_size, steps=steps, **{"seed": 0, **kwargs}
    )


def image_ids(source, epoch):
    """The images of an epoch, by the id in their meta vectors."""
    return [int(meta[0]) for step in range(len(source)) for meta in source.batch(epoch, step)[1]]


def equal(first, second):
    return all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))
