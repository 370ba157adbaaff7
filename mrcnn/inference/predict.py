"""Detection: mold the images, run the network in batches of one size, bring its answers back to the original images."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from mrcnn import build
from mrcnn.config import Config
from mrcnn.data import anchor_grid, images
from mrcnn.log import log
from mrcnn.ops import boxes, paste
from mrcnn.results import Detections, SmallMasks


class Molded(NamedTuple):
    """One image as the network takes it: image [H, W, C] float32, meta [12 + K] float64, window (y1, x1, y2, x2) pixels."""

    image: np.ndarray
    meta: np.ndarray
    window: tuple[int, int, int, int]


def mold_image(image: np.ndarray, config: Config) -> Molded:
    """Resize, pad and subtract the mean.

    Args:
        image: [H, W, C].
        config: IMAGE_* and MEAN_PIXEL are read; mode crop as mode square.

    Raises:
        ValueError: mode none, and a side is not a multiple of 64.
    """
    resized = images.resize(image, **_resizing(config))
    height, width = resized.image.shape[:2]
    if height % 64 or width % 64:
        raise ValueError(
            f"An image of {height} x {width} pixels with IMAGE_RESIZE_MODE = 'none': both sides must be multiples of 64. Resize it, or set "
            "IMAGE_RESIZE_MODE = 'square' or 'pad64'."
        )
    molded = images.mold(resized.image, config.MEAN_PIXEL, out=np.empty(resized.image.shape, np.float32))
    no_classes = np.zeros([config.NUM_CLASSES], np.int32)  # unknown here, and not used
    meta = images.compose_meta(0, image.shape, resized.image.shape, resized.window, resized.scale, no_classes)
    return Molded(molded, meta, resized.window)


def mold_together(inputs: Sequence[np.ndarray], config: Config) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`mold_image` of several images of one molded size, stacked; see `MaskRCNN.mold_inputs`.

    Raises:
        ValueError: the images differ in molded size.
    """
    molded = [mold_image(image, config) for image in images.check_all(inputs, config.IMAGE_CHANNEL_COUNT)]
    sizes = {m.image.shape for m in molded}
    if len(sizes) > 1:
        raise ValueError(f"The molded images differ in size: {sorted(sizes)}. mold_inputs stacks them; detect takes any sizes.")
    return np.stack([m.image for m in molded]), np.stack([m.meta for m in molded]), np.stack([m.window for m in molded])


def unmold_detections(
    detections: np.ndarray, mrcnn_mask: np.ndarray, original_image_shape: Sequence[int], image_shape: Sequence[int], window: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bring one image's detections from the network's frame to the original image.

    Args:
        detections: [D, (y1, x1, y2, x2, class id, score)], boxes in the unit square, zero rows at the end.
        mrcnn_mask: [D, h, w, K] in [0, 1].
        original_image_shape: (H, W, C) before resizing.
        image_shape: (H, W, C) of the molded image.
        window: (y1, x1, y2, x2) of the real image in the molded one, pixels.

    Returns:
        boxes [N, 4] int32 pixels, class_ids [N] int32, scores [N] float32, masks [H, W, N] bool. Detections without area after rounding are dropped.
    """
    pixels, class_ids, scores, small = unmold(detections, mrcnn_mask, original_image_shape, image_shape, window)
    return pixels, class_ids, scores, paste.planes(*small)


def unmold(
    detections: np.ndarray, mrcnn_mask: np.ndarray, original_image_shape: Sequence[int], image_shape: Sequence[int], window: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, SmallMasks]:
    """`unmold_detections` with the masks not yet on the image."""
    return unmold_rows(detections, mrcnn_mask, original_image_shape, image_shape, window)[:4]


def unmold_rows(
    detections: np.ndarray, mrcnn_mask: np.ndarray, original_image_shape: Sequence[int], image_shape: Sequence[int], window: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, SmallMasks, np.ndarray]:
    """As `unmold`, and the rows of `detections` that were kept, [N]."""
    empty = np.flatnonzero(detections[:, 4] == 0)
    count = int(empty[0]) if len(empty) else len(detections)
    class_ids = detections[:count, 4].astype(np.int32)
    scores = detections[:count, 5].astype(np.float32)
    small = mrcnn_mask[np.arange(count), :, :, class_ids]

    if window[2] - window[0] < 2 or window[3] - window[1] < 2:  # a photo so narrow that a line is left of it: no box has an area there
        count = 0
        class_ids, scores, small = class_ids[:0], scores[:0], small[:0]
        window = (0, 0, *image_shape[:2])
    frame = boxes.normalize(np.asarray(window), image_shape[:2])
    scale = np.array([frame[2] - frame[0], frame[3] - frame[1]] * 2)
    in_window = (detections[:count, :4] - np.array([frame[0], frame[1]] * 2)) / scale
    pixels = boxes.denormalize(in_window, original_image_shape[:2])
    real = (pixels[:, 2] > pixels[:, 0]) & (pixels[:, 3] > pixels[:, 1])
    pixels, class_ids, scores, small = pixels[real], class_ids[real], scores[real], small[real]
    return pixels, class_ids, scores, SmallMasks(small, pixels, tuple(original_image_shape[:2])), np.flatnonzero(real)


class Predictor:
    """Runs an inference network on any list of images.

    Args:
        model: Built by `build.build(config, "inference")`.
        config: Of the model.
    """

    def __init__(self, model: keras.Model, config: Config):
        self.model, self.config = model, config
        self._anchors: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        self.pixel_anchors: np.ndarray | None = None

    def checked(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the images as arrays [H, W, C].

        Raises:
            ValueError, TypeError: it is no list of images.
        """
        return images.check_all(inputs, self.config.IMAGE_CHANNEL_COUNT)

    def detect(self, inputs: Sequence[np.ndarray], verbose: int = 0, *, lazy_masks: bool = False) -> list[Detections]:
        """Detect on images of any number and sizes, in batches of BATCH_SIZE images of equal molded size.

        Args:
            inputs: Images [H, W, C], RGB.
            verbose: 1 prints what arrives.
            lazy_masks: Leave the masks as the network gives them until somebody reads them.

        Returns:
            Detections of each image, in order.
        """
        checked = self.checked(inputs)
        results: list[Detections | None] = [None] * len(checked)
        for i, molded, outputs in self.answers(checked, verbose):
            results[i] = self.to_detections(outputs, molded, checked[i].shape, lazy_masks=lazy_masks)
        return results

    def answers(self, checked: Sequence[np.ndarray], verbose: int = 0) -> Iterator[tuple[int, Molded, list[np.ndarray]]]:
        """Run the network, and yield for each image its number, its molded form and the network's answers for it; batch by batch, so in any order.

        Args:
            checked: As `checked` returns them.
            verbose: 1 prints what arrives.
        """
        if verbose:
            log(f"Processing {len(checked)} images")
            for image in checked:
                log("image", image)
        for places in self._groups(checked):
            molded = [mold_image(checked[i], self.config) for i in places]
            outputs = self.predict(np.stack([m.image for m in molded]), np.stack([m.meta for m in molded]), verbose)
            for row, (i, item) in enumerate(zip(places, molded, strict=True)):
                yield i, item, [output[row] for output in outputs]

    def detect_molded(self, molded: np.ndarray, metas: np.ndarray, verbose: int = 0) -> list[Detections]:
        """Detect on molded images of one size, [B, H, W, C] float32 with their metas [B, 12 + K]; boxes and masks are in their pixels."""
        if verbose:
            log(f"Processing {len(molded)} images")
        results, size, shape = [], self.config.BATCH_SIZE, molded.shape[1:]
        for first in range(0, len(molded), size):
            outputs = self.predict(molded[first : first + size], metas[first : first + size], verbose)
            for row in range(len(outputs[0])):
                results.append(self._detections([o[row] for o in outputs], shape, shape, (0, 0, *shape[:2]), lazy_masks=False))
        return results

    def to_detections(self, outputs: Sequence[np.ndarray], molded: Molded, image_shape: Sequence[int], *, lazy_masks: bool) -> Detections:
        """Make detections of the network's answers for one image, [D, 6] detections first and [D, h, w, K] masks fourth."""
        found = self._detections(outputs, image_shape, molded.image.shape, molded.window, lazy_masks)
        found.window = molded.window
        return found

    def _detections(
        self, outputs: Sequence[np.ndarray], original_shape: Sequence[int], shape: Sequence[int], window: Sequence[int], lazy_masks: bool
    ) -> Detections:
        """Make one image's detections of the network's outputs for it, attributes included where it tells them."""
        *parts, small, rows = unmold_rows(outputs[0], outputs[3], original_shape, shape, window)
        found = Detections(*parts, small if lazy_masks else paste.planes(*small))
        if len(outputs) > 7:
            found.attributes, found.attribute_min_confidence = outputs[7][rows], self.config.ATTRIBUTE_MIN_CONFIDENCE
        return found

    def predict(self, molded_images: np.ndarray, image_metas: np.ndarray, verbose: int = 0) -> list[np.ndarray]:
        """Run the network on molded images of one size, at most BATCH_SIZE; where sizes are fixed a short batch is filled up, to keep its shape.

        Returns:
            The inference network's seven outputs, or eight, see `build.build`.
        """
        count = len(molded_images)
        missing = max(0, self.config.BATCH_SIZE - count) if build.image_size(self.config)[0] else 0
        fill = [*range(count), *[count - 1] * missing]
        molded_images, image_metas = molded_images[fill], image_metas[fill].astype(np.float32)
        anchor_boxes = np.repeat(self.anchors(molded_images.shape[1:])[None], len(fill), axis=0)
        if verbose:
            for name, array in (("molded_images", molded_images), ("image_metas", image_metas), ("anchors", anchor_boxes)):
                log(name, array)
        if build.image_size(self.config)[0] is None and self.model.predict_function is None:
            _trace_for_any_size(self.model)
        outputs = self.model.predict_on_batch([molded_images, image_metas, anchor_boxes])
        return [np.asarray(o)[:count] for o in outputs]

    def anchors(self, image_shape: Sequence[int]) -> np.ndarray:
        """Anchors of a molded image in its unit square, [A, 4] float32, kept for the next image of the size. Those in pixels: `pixel_anchors`."""
        self.pixel_anchors, normalized = self._both(image_shape)
        return normalized

    def _both(self, image_shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        key = (int(image_shape[0]), int(image_shape[1]))
        if key not in self._anchors:
            in_pixels = anchor_grid.pixel_anchors(self.config, image_shape)
            self._anchors[key] = (in_pixels, boxes.normalize(in_pixels, key))
        return self._anchors[key]

    def _groups(self, inputs: list[np.ndarray]) -> list[list[int]]:
        """Places of the images that go together: same molded size, at most BATCH_SIZE."""
        by_size: dict[tuple[int, ...], list[int]] = {}
        for i, image in enumerate(inputs):
            by_size.setdefault(self._molded_size(image), []).append(i)
        size = self.config.BATCH_SIZE
        return [places[i : i + size] for places in by_size.values() for i in range(0, len(places), size)]

    def _molded_size(self, image: np.ndarray) -> tuple[int, ...]:
        """Height and width that `mold_image` will give the image; nothing where all are made equal."""
        config = self.config
        if build.image_size(config)[0]:
            return ()
        return images.resized_size(*image.shape[:2], **_resizing(config))


def _resizing(config: Config) -> dict[str, Any]:
    """Arguments of `images.resize` and `images.resized_size`. Mode crop is for training; here the image is taken as with mode square."""
    if config.IMAGE_RESIZE_MODE == "crop":
        return {"min_dim": config.IMAGE_MIN_DIM, "max_dim": config.IMAGE_MIN_DIM, "mode": "square"}
    return {
        "min_dim": config.IMAGE_MIN_DIM, "max_dim": config.IMAGE_MAX_DIM, "min_scale": config.IMAGE_MIN_SCALE, "mode": config.IMAGE_RESIZE_MODE,
    }  # fmt: skip


def _trace_for_any_size(model: keras.Model) -> None:
    """Let TensorFlow make one graph for all sizes at once. By itself it makes one for the first size, for the second, and only then one for all; no
    faster than this one, and seconds each. Other backends compile for each size."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    model.make_predict_function()
    model.predict_function.get_concrete_function([([tf.TensorSpec(i.shape, i.dtype) for i in model.inputs],)])
