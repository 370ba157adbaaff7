"""Test-time augmentation: a network looks at a photo several times, mirrored and at other sizes, and the answers are fused.

Each view's boxes and masks are brought back to the photo and fused as those of an ensemble (`ensemble.fuse`): boxes of one class that overlap are
one object, with the mean box weighted by score, the mean score times the share of the views that saw it, and the mask that the majority of the
scores has. So what one view alone sees keeps a share of its score: with 4 views a quarter, and a threshold on scores wants to be lower.

Source: weighted boxes fusion, Solovyev et al. 2021 (test-time augmentation is one of its uses there); views of mirror and scale as in Detectron
(Girshick et al. 2018, TEST.BBOX_AUG), which suppresses boxes instead and averages the mask head's output at the boxes that are left.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn import build
from mrcnn.config import Config
from mrcnn.data import images as data_images
from mrcnn.inference import ensemble, predict
from mrcnn.ops import waiting
from mrcnn.results import Detections

SCALED_MODES = ("square", "pad64", "crop")


class Augmented:
    """A model that looks several times; takes the place of a MaskRCNN in inference mode for `detect` and for measuring.

    Args:
        model: MaskRCNN in inference mode, its weights loaded; with the flip alone also a `tiled.Tiled` or an `ensemble.Ensemble`.
        flip: Look at the mirrored photo too, at each scale.
        scales: Sizes of the photo as the network sees it, as factors of IMAGE_MIN_DIM and IMAGE_MAX_DIM; rounded to what the network
            takes, multiples of 64 pixels.
        iou_threshold: See `ensemble.fuse`.

    Attributes:
        config: The model's.
        num_views: How many times it looks.

    In resize modes square and crop the network's input has one size, so other scales need a second network with a copy of the weights that the
    model has now: seconds, and their memory once more.

    Raises:
        ValueError: an impossible scale, two that are the same size for the network, or scales in resize mode "none".

    Example: `Augmented(model, scales=(0.75, 1, 1.5)).detect([photo])[0]["rois"]`
    """

    def __init__(self, model: Any, flip: bool = True, scales: Sequence[float] = (1.0,), iou_threshold: float = ensemble.IOU_THRESHOLD):
        self.model, self.flip, self.iou_threshold, self.config = model, flip, iou_threshold, model.config
        configs = _scaled(model.config, [float(scale) for scale in scales])
        self.num_views = len(configs) * (2 if flip else 1)
        others = [config for config in configs if config is not model.config]
        if others and not hasattr(model, "keras_model"):
            raise ValueError(f"scales = {list(scales)} need a MaskRCNN; got {type(model).__name__}. Augment the model inside, or use the flip alone.")
        network = _network(model, others[0]) if others else None
        self._looks = [model.detect if config is model.config else predict.Predictor(network, config).detect for config in configs]
        self._lazy = waiting.asked_of(model.detect)

    def detect(self, images: Sequence[np.ndarray], verbose: int = 0) -> list[Detections]:
        """Detect in all views and fuse; as `MaskRCNN.detect`, masks wait as run lengths until they are read."""
        images = data_images.check_all(images, self.config.IMAGE_CHANNEL_COUNT)
        views: list[list[Detections]] = []
        for look in self._looks:
            views.append(look(images, verbose, **self._lazy))
            if self.flip:
                mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in images]
                views.append([found.mirrored() for found in look(mirrored, verbose, **self._lazy)])
        fused = [ensemble.fuse(of_image, self.iou_threshold) for of_image in zip(*views, strict=True)]
        for one, first in zip(fused, views[0], strict=True):
            one.window = first.window
        return fused


def _scaled(config: Config, scales: list[float]) -> list[Config]:
    """A configuration for each scale; the model's own where nothing changes."""
    if not scales or not all(np.isfinite(scale) and scale > 0 for scale in scales):
        raise ValueError(f"scales = {scales}: one or more numbers above 0 are expected, such as (0.75, 1, 1.5)")
    mode = config.IMAGE_RESIZE_MODE
    if mode not in SCALED_MODES and scales != [1.0]:
        raise ValueError(f"scales = {scales} need IMAGE_RESIZE_MODE {', '.join(SCALED_MODES)}; with {mode!r} photos are not resized. Use flip alone.")
    found, sizes = [], set()
    for scale in scales:
        own = copy.copy(config)
        if scale == 1:
            own = config
        else:
            own.__dict__.pop("IMAGE_SHAPE", None)  # one set by hand would be of the model's size
            for name in ("IMAGE_MIN_DIM", "IMAGE_MAX_DIM"):
                value = getattr(config, name)
                setattr(own, name, value and max(64, 64 * round(value * scale / 64)))
            if config.IMAGE_MIN_DIM and mode == "square":
                own.IMAGE_MIN_DIM = min(round(config.IMAGE_MIN_DIM * scale), own.IMAGE_MAX_DIM)
            own.validate()
        size = (own.IMAGE_MIN_DIM, own.IMAGE_MAX_DIM)
        if size in sizes:
            raise ValueError(f"scales = {scales}: {scale} gives a size that another one has, {size}: the network takes multiples of 64 pixels")
        sizes.add(size)
        found.append(own)
    return found


def _network(model: Any, config: Config) -> Any:
    """A network for photos of any size: the model's own if it is one, else another with its weights."""
    if build.image_size(model.config)[0] is None:
        return model.keras_model
    config = copy.copy(config)
    config.IMAGE_RESIZE_MODE, config.IMAGE_MIN_DIM = "pad64", config.IMAGE_MAX_DIM
    network = model.build("inference", config)
    network.set_weights(model.keras_model.get_weights())
    return network
