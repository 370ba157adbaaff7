"""Loading and targets with the original's names and arguments; see `data.samples`, `data.rpn_targets` and `data.pipeline`.

Where the original drew from NumPy's global random state, single calls still do, so that `np.random.seed` decides; the generators follow from
config.SEED, epoch and index, as training does.
"""

import random
import warnings
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from mrcnn import build
from mrcnn.config import Config
from mrcnn.data import anchor_grid, pipeline, random_rois, rpn_targets, samples
from mrcnn.data import augment as augmenting
from mrcnn.data.dataset import Dataset
from mrcnn.legacy import detection_targets

# First entry of a generator's seed; the pipeline's own streams have 0 and 1.
_ROIS = 2

_DEPRECATED = "'augment' is deprecated: pass augmentation=imgaug.augmenters.Fliplr(0.5) instead of augment=True"


def compute_backbone_shapes(config: Config, image_shape: Sequence[int]) -> np.ndarray:
    """Height and width of P2…P6 for a molded image: [5, 2] int."""
    return build.feature_shapes(config, image_shape)


def load_image_gt(
    dataset: Dataset, config: Config, image_id: int, augment: Any = False, augmentation: Any = None, use_mini_mask: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load an image with its instances, resized, and augmented if asked for.

    Both signatures in circulation work: this one, and (dataset, config, image_id, augmentation).

    Args:
        dataset: Prepared data set.
        config: IMAGE_* and MINI_MASK_SHAPE are read.
        image_id: 0…dataset.num_images - 1.
        augment: Deprecated. True mirrors image and instances with probability 1/2. An augmenter here is taken as `augmentation`.
        augmentation: See `data.augment`, or None.
        use_mini_mask: Cut the masks to their boxes and shrink them to MINI_MASK_SHAPE.

    Returns:
        image [H, W, C] uint8, image_meta [12 + K], class_ids [N] int32, bbox [N, (y1, x1, y2, x2)] int32 pixels, mask [H, W, N] bool (or the
        mini-masks).

    Raises:
        ValueError, FileNotFoundError: See `data.samples.load`.
    """
    augment, augmentation = _which_augmentation(augment, augmentation)
    sample = samples.load(dataset, config, image_id, augmentation=augmentation, use_mini_mask=use_mini_mask)
    return tuple(_mirror(sample) if augment and random.randint(0, 1) else sample)


def build_rpn_targets(
    image_shape: Sequence[int], anchors: np.ndarray, gt_class_ids: np.ndarray, gt_boxes: np.ndarray, config: Config
) -> tuple[np.ndarray, np.ndarray]:
    """Label anchors and encode the positive ones.

    Args:
        image_shape: Not read, as in the original.
        anchors: [A, (y1, x1, y2, x2)] pixels.
        gt_class_ids: [N]; negative for crowds.
        gt_boxes: [N, (y1, x1, y2, x2)] pixels.
        config: RPN_* and CROWD_OVERLAP are read.

    Returns:
        rpn_match [A] int32 (1 positive, -1 negative, 0 neutral), rpn_bbox [RPN_TRAIN_ANCHORS_PER_IMAGE, (dy, dx, log(dh), log(dw))] float32.
    """
    return rpn_targets.build(
        anchors, gt_class_ids, gt_boxes, num_anchors=config.RPN_TRAIN_ANCHORS_PER_IMAGE, std_dev=config.RPN_BBOX_STD_DEV,
        forced_match_own_box=config.RPN_FORCED_MATCH_OWN_BOX, ignore_zero_overlap=config.RPN_IGNORE_ZERO_OVERLAP,
        sample=not config.RPN_FOCAL_GAMMA, crowd_overlap=config.CROWD_OVERLAP, rng=_global_rng(),
    )  # fmt: skip


def generate_random_rois(image_shape: Sequence[int], count: int, gt_class_ids: np.ndarray, gt_boxes: np.ndarray) -> np.ndarray:
    """Draw rois [count, (y1, x1, y2, x2)] int32 pixels, nine tenths of them around the instances; gt_class_ids is not read, as in the original."""
    return random_rois.generate(image_shape, count, gt_boxes, _global_rng())


def build_detection_targets(
    rpn_rois: np.ndarray, gt_class_ids: np.ndarray, gt_boxes: np.ndarray, gt_masks: np.ndarray, config: Config
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Choose R of rois [P, 4] in pixels, and what the heads should answer: rois [R, 4], class_ids [R], deltas [R, K, 4], masks [R, h, w, K].

    See `legacy.detection_targets.build`, also for the arguments' shapes.
    """
    return detection_targets.build(rpn_rois, gt_class_ids, gt_boxes, gt_masks, config, _global_rng())


class DataGenerator(keras.utils.PyDataset):
    """Batches of a data set, an epoch of all its images.

    Args:
        dataset: Prepared data set.
        config: As in training; BATCH_SIZE, SEED.
        shuffle: A new order each epoch. False: the order of the data set; then without augmentation.
        augmentation: See `data.augment`, or None.
        random_rois: Rois an image to draw around the instances, an eighth input. 0: none.
        detection_targets: With random_rois: targets of the heads as well, three outputs.
        augment: Deprecated: mirror each image with probability 1/2.
        batch_size: Images a batch. None: config.BATCH_SIZE.
        no_augmentation_sources: Sources whose images are left as they are.
        **kwargs: workers and max_queue_size of `keras.utils.PyDataset`.

    Item i is (inputs, outputs) as of `data_generator`, in tuples, which Keras' `fit` takes where it refuses lists; a last batch that isn't full
    goes on with the first images.

    Raises:
        ValueError: See `data.pipeline.Batches`.
    """

    def __init__(
        self, dataset: Dataset, config: Config, shuffle: bool = True, augmentation: Any = None, random_rois: int = 0,
        detection_targets: bool = False, augment: bool = False, batch_size: int | None = None,
        no_augmentation_sources: Collection[str] | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if isinstance(augmentation, bool):  # the original's order of arguments: shuffle, augment, augmentation
            augment, augmentation = augmentation or augment, None
        augment, augmentation = _which_augmentation(augment, augmentation)
        size = batch_size or config.BATCH_SIZE
        self.batches = _batches(dataset, config, shuffle, augment, augmentation, size, no_augmentation_sources)
        self.random_rois, self.detection_targets, self.epoch = random_rois, detection_targets, 0

    def __len__(self) -> int:
        return -(-len(self.batches.dataset.image_ids) // self.batches.batch_size)

    def __getitem__(self, index: int) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"Batch {index} is out of range; an epoch has {len(self)} batches.")
        inputs, outputs = _batch(self.batches, self.epoch * len(self) + index % len(self), self.random_rois, self.detection_targets)
        return tuple(inputs), tuple(outputs)

    def on_epoch_end(self) -> None:
        """Go to the next epoch."""
        self.epoch += 1


def data_generator(
    dataset: Dataset, config: Config, shuffle: bool = True, augment: Any = False, augmentation: Any = None, random_rois: int = 0, batch_size: int = 1,
    detection_targets: bool = False, no_augmentation_sources: Collection[str] | None = None,
) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:  # fmt: skip
    """Batches without end, image after image.

    Args: As `DataGenerator`.

    Yields:
        inputs: images [B, H, W, C] float32, image_meta [B, 12 + K], rpn_match [B, A, 1], rpn_bbox [B, T, 4], gt_class_ids [B, N], gt_boxes [B, N, 4]
            pixels, gt_masks [B, h, w, N]; with config.NUM_ATTRIBUTES also
            gt_attributes [B, N, NUM_ATTRIBUTES]; with random_rois also rpn_rois [B, random_rois, 4] pixels; with detection_targets rois [B, R, 4]
            pixels.
        outputs: empty, or with detection_targets class_ids [B, R, 1], deltas [B, R, K, 4] and masks [B, R, *MASK_SHAPE, K].

    Raises:
        ValueError: Before the first batch: see `data.pipeline.Batches`. Later: none of the images can be used.
    """
    augment, augmentation = _which_augmentation(augment, augmentation)
    batches = _batches(dataset, config, shuffle, augment, augmentation, batch_size, no_augmentation_sources)
    return _forever(batches, random_rois, detection_targets)


def _forever(batches: pipeline.Batches, num_rois: int, detection_targets: bool) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
    number = 0
    while True:
        yield _batch(batches, number, num_rois, detection_targets)
        number += 1


def _batch(
    batches: pipeline.Batches, number: int, num_rois: int, detection_targets_too: bool
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Inputs and outputs of a batch, counted from the beginning of the run."""
    if detection_targets_too and not num_rois:
        raise ValueError("detection_targets=True needs rois to build them from: pass random_rois, the number an image, as well.")
    epoch, index = divmod(number, len(batches))
    inputs = batches.batch(epoch, index)
    if not num_rois:
        return inputs, []
    image, _, _, _, class_ids, boxes, masks, *_ = inputs
    rngs = [np.random.default_rng([_ROIS, batches.seed, number, i]) for i in range(len(image))]
    real = class_ids != 0
    rois = [random_rois.generate(image.shape[1:], num_rois, b[r], rng) for b, r, rng in zip(boxes, real, rngs, strict=True)]
    inputs.append(np.stack(rois))
    if not detection_targets_too:
        return inputs, []
    targets = [
        detection_targets.build(rois[i], class_ids[i, r], boxes[i, r], masks[i][..., r], batches.config, rngs[i]) for i, r in enumerate(real)
    ]
    rois, ids, deltas, targets_masks = (np.stack(parts) for parts in zip(*targets, strict=True))
    return [*inputs, rois], [ids[..., None], deltas, targets_masks]


class _MirroringBatches(pipeline.Batches):
    """Batches whose images are mirrored with probability 1/2, as augment=True did."""

    def _load(self, image_id: int, rng: np.random.Generator) -> samples.Sample:
        sample = super()._load(image_id, rng)
        return _mirror(sample) if rng.integers(2) else sample


def _batches(
    dataset: Dataset, config: Config, shuffle: bool, augment: bool, augmentation: Any, batch_size: int, no_augmentation_sources: Any
) -> pipeline.Batches:
    # As many batches an "epoch" as there are images: whole passes, so that without shuffling the order goes on from batch to batch.
    return (_MirroringBatches if augment else pipeline.Batches)(
        dataset, config, batch_size=batch_size, steps=max(1, len(dataset.image_ids)), shuffle=shuffle, augmentation=augmentation,
        no_augmentation_sources=no_augmentation_sources, seed=config.SEED, anchors=anchor_grid.PixelAnchors(config),
    )  # fmt: skip


def _which_augmentation(augment: Any, augmentation: Any) -> tuple[bool, Any]:
    """Tell the deprecated flag from an augmenter passed in its place."""
    if not isinstance(augment, (bool, int, np.bool_)) and augment is not None:
        if augmentation is not None:
            raise ValueError(f"Two augmentations were passed, {augment!r} and {augmentation!r}; one is expected.")
        return False, augment
    if augment:
        warnings.warn(_DEPRECATED, DeprecationWarning, stacklevel=3)
    return bool(augment), augmentation


def _mirror(sample: samples.Sample) -> samples.Sample:
    """Mirror image, boxes and masks (mini-masks too), left to right."""
    image, masks = augmenting.flip_horizontal(sample.image, sample.masks)
    y1, x1, y2, x2 = sample.boxes.T
    width = image.shape[1]
    return sample._replace(image=image, masks=masks, boxes=np.stack([y1, width - x2, y2, width - x1], axis=1))


def _global_rng() -> np.random.Generator:
    """A generator that follows from NumPy's global state."""
    return np.random.default_rng(np.random.randint(2**31))
