"""The input pipeline: batches for training and validation, each item a pure function of (seed, epoch, index).

No item depends on what was loaded before it or in which thread, so any loader may ask for any batch in any order and
gets the same. Positions count from the beginning of the run, through pass after pass of the dataset (`order`), so every
image comes once a pass whatever the length of an epoch.

Training sees epochs from 1 on: Keras' `fit` calls `on_epoch_end` once before its first epoch, in each stage and each resumed
run alike, so what it shows as epoch e (from 1) is epoch e here, and epoch 0 is never trained on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrcnn.data import attributes, augment, images, order, rpn_targets, samples
from mrcnn.data.counts import instance_counts
from mrcnn.data.dataset import Dataset

if TYPE_CHECKING:
    from mrcnn.config import Config

logger = logging.getLogger(__name__)

# First entry of a generator's seed: streams that must not coincide. 0 is the order's, 2 that of splits.
_ITEM = 1
# Second images for copy_paste that may fail to load before an item goes without.
_TRIES = 5
# Images whose channels are looked at before training begins, as far as they are all wrong.
_LOOKED_AT = 3
# So many bad images are logged one by one; after that every hundredth.
LOGGED_IMAGES = 100


class Item(NamedTuple):
    """The training inputs of one image; see `Batches.batch` for the shapes, less B."""

    image: np.ndarray
    meta: np.ndarray
    rpn_match: np.ndarray
    rpn_bbox: np.ndarray
    class_ids: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray


#: An `Item` with the attributes of its instances, [MAX_GT_INSTANCES, NUM_ATTRIBUTES] int8, as an eighth value.
LabelledItem = NamedTuple("LabelledItem", [*((name, np.ndarray) for name in Item._fields), ("attributes", np.ndarray)])


class Batches:
    """Batches of a dataset.

    Images that cannot be loaded are replaced by the next of the permutation, logged once each, and counted: `skipped`
    maps their ids to the reason. Without TRAIN_EMPTY_IMAGES images without instances are passed over likewise, not
    counted.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: Config,
        *,
        batch_size: int,
        steps: int | None,
        shuffle: bool = True,
        one_pass: bool = False,
        augmentation: Any = None,
        no_augmentation_sources: Collection[str] | None = None,
        seed: int = 0,
        anchors: np.ndarray | Callable[[tuple[int, ...]], np.ndarray],
    ) -> None:
        """Check the dataset and prepare.

        Args:
            dataset: prepared dataset.
            config: sizes, modes and numbers of targets.
            batch_size: images a batch.
            steps: batches an epoch. None, with one_pass: as many as the dataset has.
            shuffle: a new order every pass. False, for validation: every epoch has the same items in the order of the
                dataset; augmentation must be None.
            one_pass: without shuffle, end an epoch after the last image at the latest, with a smaller batch where the
                size doesn't divide, so that no image comes twice. False: go on with the first.
            augmentation: functions of (image, masks, rng), an augmenter of imgaug, a Compose of albumentations, a list of
                these (see `augment`), or None.
            no_augmentation_sources: sources whose images are left as they are.
            seed: everything random follows from it.
            anchors: [A, (y1, x1, y2, x2)] pixels, or a function of an image's shape (H, W, C) where sizes vary.

        Raises:
            ValueError: no images, no instance in any image, a class count that differs from NUM_CLASSES, images of
                other channels, an augmenter that masks can't follow, no known attributes where they are to be learned.
        """
        _check_dataset(dataset, config)
        if one_pass and shuffle:
            raise ValueError("one_pass is for validation: it needs shuffle=False.")
        if one_pass:
            whole = -(-len(dataset.image_ids) // max(1, batch_size))
            steps = whole if steps is None else min(steps, whole)
        if batch_size < 1 or steps is None or steps < 1 or seed < 0:
            raise ValueError(f"batch_size and steps start at 1, seed at 0; got {batch_size}, {steps} and {seed}.")
        if augmentation is not None and not shuffle:
            raise ValueError("Validation (shuffle=False) shows the same images each epoch: augmentation must be None.")
        augment.check(augmentation)
        self.dataset, self.config, self.anchors, self.seed = dataset, config, anchors, seed
        self.batch_size, self.steps, self.shuffle = batch_size, steps, shuffle
        plain = [no_augmentation_sources] if isinstance(no_augmentation_sources, str) else no_augmentation_sources or ()
        self.augmentation, self.no_augmentation_sources = augmentation, frozenset(plain)
        self._of_source: dict[str, np.ndarray] = {}
        if augment.wants_another(augmentation):
            self._of_source = _by_source(dataset)
        self.skipped: dict[int, str] = {}
        self._lock = threading.Lock()
        self._length = len(dataset.image_ids) if one_pass else None
        self.require_instances()
        self._require_channels()
        attributes.require(dataset, config.NUM_ATTRIBUTES)
        self._passes = self._make_passes() if shuffle else None

    def __len__(self) -> int:
        """Return the batches an epoch."""
        return self.steps

    def batch(self, epoch: int, index: int) -> list[np.ndarray]:
        """Load a batch.

        Args:
            epoch: from 0 (training begins with 1, see above); ignored without shuffle.
            index: 0…steps - 1.

        Returns, B being batch_size, or less for the last batch with one_pass:
            images [B, H, W, C] float32 molded; image_meta [B, 12 + K] float32; rpn_match [B, A, 1] int32; rpn_bbox [B,
            RPN_TRAIN_ANCHORS_PER_IMAGE, 4] float32; gt_class_ids [B, MAX_GT_INSTANCES] int32; gt_boxes [B,
            MAX_GT_INSTANCES, 4] int32 pixels; gt_masks [B, H or mini height, W or mini width, MAX_GT_INSTANCES] bool; with
            NUM_ATTRIBUTES also gt_attributes [B, MAX_GT_INSTANCES, NUM_ATTRIBUTES] int8 (1, 0 or -1, see `attributes`).
            Instances come first, then zeros.

        Raises:
            ValueError: no image of the dataset can be used, or the images of the batch differ in size.
        """
        items = [self.item(epoch, position) for position in self.positions(index)]
        shapes = {item.image.shape for item in items}
        if len(shapes) > 1:
            ids = [int(item.meta[0]) for item in items]
            raise ValueError(
                f"The images of a batch differ in size after resizing: {sorted(shapes)} (images {ids}). With IMAGE_RESIZE_MODE "
                f"{self.config.IMAGE_RESIZE_MODE!r} set IMAGES_PER_GPU = 1, or use mode square."
            )
        return [np.stack(arrays) for arrays in zip(*items, strict=True)]

    def positions(self, index: int) -> range:
        """Return the items of an epoch that batch `index` is made of."""
        first = index * self.batch_size
        return range(first, first + self.batch_size if self._length is None else min(first + self.batch_size, self._length))

    def item(self, epoch: int, index: int) -> Item | LabelledItem:
        """Load one item; see `batch`, whose arrays stack these.

        Args:
            epoch: from 0; ignored without shuffle.
            index: 0…steps · batch_size - 1.

        Raises:
            ValueError: no image of the dataset can be used.
        """
        epoch = epoch if self.shuffle else 0
        reasons = []
        for image_id in self._candidates(epoch, index):
            # A generator per candidate: what replaces a bad image doesn't depend on how far loading the bad one got.
            rng = np.random.default_rng([_ITEM, self.seed, epoch, index, len(reasons)])
            try:
                sample = self._load(image_id, rng)
                item = self._targets(sample, rng)
            except augment.AugmentationError as error:  # the next image would fare no better
                raise augment.AugmentationError(f"Image {image_id} (id {self.dataset.image_info[image_id]['id']!r}): {error}") from error
            except Exception as error:  # whatever a user's load_mask raises: one bad image must not end the training
                reasons.append(self._count(image_id, error))
                continue
            if not self.config.TRAIN_EMPTY_IMAGES and not (sample.class_ids > 0).any():
                reasons.append(f"image {image_id}: no instances, and TRAIN_EMPTY_IMAGES is False")
                continue
            return item
        raise ValueError(
            f"None of the {len(reasons)} images of the dataset can be used. The first reasons: {'; '.join(reasons[:3])}"
        )

    def image_at(self, epoch: int, index: int) -> int:
        """Say which image an item shows, if it can be loaded: without loading it."""
        return next(self._candidates(epoch if self.shuffle else 0, index))

    def require_instances(self) -> None:
        """Look for the first image with an instance; it is usually the first image.

        In validation an image that can be read is enough: detecting nothing where nothing is can be validated.

        Raises:
            ValueError: there is none.
        """
        reasons, background, empty_too = [], 0, not self.shuffle and self.config.TRAIN_EMPTY_IMAGES
        for image_id in self.dataset.image_ids:
            try:
                found = samples.instances(self.dataset, int(image_id))
                has_instance = bool(found.areas()[found.class_ids > 0].any())
                background += int((found.class_ids == 0).sum())
            except Exception as error:  # as in item
                reasons.append(f"image {image_id}: {type(error).__name__}: {error}")
                continue
            if has_instance or empty_too:
                return
        count, what = len(self.dataset.image_ids), "learn" if self.shuffle else "validate"
        raise ValueError(
            f"None of the {count} images has an instance; there is nothing to {what}. Check load_mask"
            + (f": it failed for {len(reasons)} of them, first {'; '.join(reasons[:3])}" if reasons else ".")
            + (f" It gave {background} instances the class id 0, which is the background: classes are numbered from 1." if background else "")
        )

    def _require_channels(self) -> None:
        """Refuse a data set whose first images all have another number of channels: later they would be skipped one by one."""
        expected, found = self.config.IMAGE_CHANNEL_COUNT, set()
        for image_id in self.dataset.image_ids[:_LOOKED_AT]:
            try:
                shape = np.shape(self.dataset.load_image(int(image_id)))
            except Exception:  # as in item, which counts it
                return
            if len(shape) != 3 or shape[-1] == expected:  # what is no image at all is said by name where it is met
                return
            found.add(shape[-1])
        raise ValueError(
            f"The images have {' or '.join(map(str, sorted(found)))} channels, but IMAGE_CHANNEL_COUNT = {expected}. Set "
            f"dataset.channels = {expected} where it reads files, or IMAGE_CHANNEL_COUNT to what load_image returns, with as many MEAN_PIXEL."
        )

    def _make_passes(self) -> order.Passes:
        """Read the classes of all images, if an option asks for them, and prepare the order."""
        threshold, ratio = self.config.REPEAT_THRESHOLD, self.config.EMPTY_IMAGES_RATIO
        counts = None if threshold is None and ratio is None else instance_counts(self.dataset)
        return order.Passes(
            self.dataset.image_ids, self.seed, counts=counts, repeat_threshold=threshold, empty_ratio=ratio
        )

    def _candidates(self, epoch: int, index: int) -> Iterator[int]:
        """Yield the image of an item, then its replacements: the images after it in the order of its pass, each once."""
        if self._passes is not None:
            image_ids, place = self._passes.locate(epoch * self.steps * self.batch_size + index)
        else:
            image_ids, place = self.dataset.image_ids, index
        seen = set()
        for step in range(len(image_ids)):
            image_id = int(image_ids[(place + step) % len(image_ids)])
            if image_id not in seen:
                seen.add(image_id)
                yield image_id

    def _load(self, image_id: int, rng: np.random.Generator) -> samples.Sample | samples.LabelledSample:
        """Load a sample, augmented unless its source is excepted."""
        source = self.dataset.image_info[image_id]["source"]
        augmentation = None if source in self.no_augmentation_sources else self.augmentation
        sample = samples.load(
            self.dataset,
            self.config,
            image_id,
            augmentation=augmentation,
            use_mini_mask=self.config.USE_MINI_MASK,
            rng=rng,
            another=partial(self._another, source),
            num_attributes=self.config.NUM_ATTRIBUTES,
        )
        height, width = sample.image.shape[:2]
        if height % 64 or width % 64:
            raise ValueError(
                f"{height} × {width} pixels do not fit the pyramid, which halves its input six times. With IMAGE_RESIZE_MODE "
                f"{self.config.IMAGE_RESIZE_MODE!r} both sides must be multiples of 64; modes square and pad64 see to it."
            )
        self._check_pixels(sample.image)
        return sample

    def _another(self, source: str, rng: np.random.Generator) -> augment.Example | None:
        """Draw a second image for copy_paste from those of a source; bad ones are counted, and after some none is used."""
        for _ in range(_TRIES):
            # A generator of its own: how far loading a bad one got must not change what follows.
            image_id, seed = int(rng.choice(self._of_source[source])), rng.integers(2**32, size=4)
            try:
                own = np.random.default_rng(seed)
                example = samples.load_resized(self.dataset, self.config, image_id, own, self.config.NUM_ATTRIBUTES)
                self._check_pixels(example.image)
                return example
            except Exception as error:  # as in item
                self._count(image_id, error)
        return None

    def _check_pixels(self, image: np.ndarray) -> None:
        """Refuse an image that the network cannot take."""
        channels = self.config.IMAGE_CHANNEL_COUNT
        images.require(
            image, channels, "what load_image returned", f" Set dataset.channels = {channels} where it reads files, or convert it there."
        )

    def note_skipped(self, skipped: dict[int, str]) -> None:
        """Note bad images that others have met, by id with their reasons."""
        for image_id, reason in skipped.items():
            self._note(image_id, reason)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def _count(self, image_id: int, error: Exception) -> str:
        """Note a bad image."""
        reason = f"{type(error).__name__}: {error}"
        self._note(image_id, reason)
        return f"image {image_id}: {reason}"

    def _note(self, image_id: int, reason: str) -> None:
        """Log a bad image the first time."""
        with self._lock:
            new = image_id not in self.skipped
            self.skipped.setdefault(image_id, reason)
            count = len(self.skipped)
        if new and (count <= LOGGED_IMAGES or count % LOGGED_IMAGES == 0):
            logger.warning("Skipping image %d (%d skipped so far): %s", image_id, count, reason)

    def _targets(self, sample: samples.Sample | samples.LabelledSample, rng: np.random.Generator) -> Item | LabelledItem:
        """Turn a sample into the network's inputs: targets for the RPN, and instances padded to MAX_GT_INSTANCES."""
        config = self.config
        anchors = self.anchors(sample.image.shape) if callable(self.anchors) else self.anchors
        rpn_match, rpn_bbox = rpn_targets.build(
            anchors,
            sample.class_ids,
            sample.boxes,
            num_anchors=config.RPN_TRAIN_ANCHORS_PER_IMAGE,
            std_dev=config.RPN_BBOX_STD_DEV,
            forced_match_own_box=config.RPN_FORCED_MATCH_OWN_BOX,
            ignore_zero_overlap=config.RPN_IGNORE_ZERO_OVERLAP,
            sample=not config.RPN_FOCAL_GAMMA,
            crowd_overlap=config.CROWD_OVERLAP,
            rng=rng,
        )
        chosen = _choose(sample.class_ids, config.MAX_GT_INSTANCES, rng)
        item = Item(
            images.mold(sample.image, config.MEAN_PIXEL, out=np.empty(sample.image.shape, np.float32)),
            sample.meta.astype(np.float32),
            rpn_match[:, None],
            rpn_bbox,
            _pad(sample.class_ids[chosen], config.MAX_GT_INSTANCES, 0),
            _pad(sample.boxes[chosen], config.MAX_GT_INSTANCES, 0),
            _pad(sample.masks[..., chosen], config.MAX_GT_INSTANCES, 2),
        )
        if isinstance(sample, samples.Sample):
            return item
        return LabelledItem(*item, _pad(sample.attributes[chosen], config.MAX_GT_INSTANCES, 0))


def _by_source(dataset: Dataset) -> dict[str, np.ndarray]:
    """Return the image ids of each source."""
    sources = {dataset.image_info[image_id]["source"] for image_id in dataset.image_ids}
    return {source: samples.image_ids_of_source(dataset, source) for source in sources}


def _choose(class_ids: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    """Return the places [<= limit] of the instances that the network sees, a random subset where there are more.

    Crowds stay (up to half of the places, and what instances leave free): without one, the rois inside it would train as background.
    """
    places = np.arange(len(class_ids))
    if len(places) <= limit:
        return places
    crowds, instances = np.flatnonzero(class_ids < 0), np.flatnonzero(class_ids >= 0)
    crowds = crowds[: max(limit // 2, limit - len(instances))]
    return np.sort(np.concatenate([crowds, rng.choice(instances, limit - len(crowds), replace=False)]))


def _check_dataset(dataset: Dataset, config: Config) -> None:
    """Refuse a data set without images, or with other classes than the network has."""
    if not len(dataset.image_ids):
        added = len(dataset.image_info)
        remedy = (
            "Call dataset.prepare() after adding them." if added else "Add images with add_image, then prepare()."
        )
        raise ValueError(f"The dataset has no images ({added} were added). {remedy}")
    if dataset.num_classes != config.NUM_CLASSES:
        raise ValueError(
            f"The dataset has {dataset.num_classes} classes, background included, but NUM_CLASSES is "
            f"{config.NUM_CLASSES}. Set NUM_CLASSES = {dataset.num_classes}, or check the calls of add_class; of a file, "
            "formats.load(…, classes=train) gives validation the classes of training."
        )


def _pad(array: np.ndarray, length: int, axis: int) -> np.ndarray:
    """Append zeros along an axis up to a length."""
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, length - array.shape[axis])
    return np.pad(array, widths)
