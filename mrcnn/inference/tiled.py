"""Large photos in overlapping tiles, each at the network's own resolution, and the tiles' detections as those of one photo.

A detection is cut where its box comes near a side of its tile that is not a side of the photo. A cut one whose box lies whole within another tile is
dropped, whatever its class: that tile sees more of the object, and has said what it is. Of those left two of one class, of different tiles, are one
object
- if both are whole: when their masks' IoU is above the threshold; the better score stays;
- if one is cut: when more than that share of the cut one's pixels is in the whole one; the whole one stays;
- if both are cut: when their masks' IoU, counted where both tiles look, is above it; they become one, with all their pixels, a box around both
  boxes and the better score. So an object larger than a tile is put together from its parts.
The photo as a whole, made smaller, is one more tile, without cuts: it sees what is too large for a tile.

Source: slices with overlap and a full view as in SAHI (Akyon, Altinuc and Temizel 2022, Slicing Aided Hyper Inference), which then suppresses or
unites boxes by their intersection over the smaller one. Masks and the knowledge of what was cut make the rule here; it is ours.

Memory: the photo, BATCH_SIZE tiles, and all masks as run lengths.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.data import images as data_images
from mrcnn.ops import moved_rle, rle, waiting
from mrcnn.ops.waiting import EncodedMasks
from mrcnn.results import Detections

#: A box that ends within this share of a tile's side from its border counts as cut. Too large a share does no harm: a whole object that counts as
#: cut is dropped only where another tile has it too.
BORDER = 0.02


class Tiled:
    """A model that looks at tiles of a photo; takes the place of a MaskRCNN in inference mode for `detect` and for measuring.

    Args:
        model: With `detect` and `config`: a MaskRCNN in inference mode, an `augmented.Augmented` or an `ensemble.Ensemble`.
        tile: Side of a tile in pixels of the photo. None: what the network takes without resizing (IMAGE_MAX_DIM, or IMAGE_MIN_DIM in modes pad64
            and crop). A network trained on photos made smaller knows objects at that size: larger tiles may suit it better.
        overlap: Share of a tile that the next one sees too, at least the size of the objects that are to be seen whole.
        whole: Also look at the whole photo, made smaller.
        threshold: Share of pixels above which two detections are one object; see the top of this module.

    Attributes:
        config: The model's.

    Raises:
        ValueError: an impossible number, or `whole` in resize mode "none".

    Example: `Tiled(model, tile=1024).detect([photo])[0].to_coco(1)`
    """

    def __init__(self, model: Any, tile: int | None = None, overlap: float = 0.25, whole: bool = True, threshold: float = 0.5):
        config = model.config
        if tile is None:
            tile = config.IMAGE_MIN_DIM if config.IMAGE_RESIZE_MODE in ("pad64", "crop") else config.IMAGE_MAX_DIM
        if isinstance(tile, bool) or not isinstance(tile, (int, np.integer)) or tile < 16:
            raise ValueError(f"tile = {tile!r}: a whole number of at least 16 pixels is expected, such as {config.IMAGE_MAX_DIM}")
        if not 0 <= overlap <= 0.9:
            raise ValueError(f"overlap = {overlap!r}: a share of the tile from 0 to 0.9 is expected, such as 0.25")
        if not 0 < threshold < 1:
            raise ValueError(f"threshold = {threshold!r}: a share between 0 and 1 is expected, such as 0.5")
        if whole and config.IMAGE_RESIZE_MODE == "none":
            raise ValueError("whole=True needs photos made smaller, and IMAGE_RESIZE_MODE = 'none' takes them as they are. Pass whole=False.")
        self.model, self.config = model, config
        self.tile, self.overlap, self.whole, self.threshold = int(tile), overlap, whole, threshold
        self._lazy = waiting.asked_of(model.detect)

    def detect(self, images: Sequence[np.ndarray], verbose: int = 0) -> list[Detections]:
        """Detect tile by tile and merge; as `MaskRCNN.detect`, masks wait as run lengths until they are read. A photo may have more detections
        than DETECTION_MAX_INSTANCES, which counts for a tile."""
        return [self._detect(image, verbose) for image in data_images.check_all(images, self.config.IMAGE_CHANNEL_COUNT)]

    def _detect(self, image: np.ndarray, verbose: int) -> Detections:
        height, width = image.shape[:2]
        tiles = cut(height, width, self.tile, self.overlap)
        if self.whole and len(tiles) > 1:
            tiles = [(0, 0, height, width), *tiles]
        placed: list[Detections] = []
        at_once = self.config.BATCH_SIZE
        for first in range(0, len(tiles), at_once):
            chunk = tiles[first : first + at_once]
            found = self.model.detect([image[y1:y2, x1:x2] for y1, x1, y2, x2 in chunk], verbose, **self._lazy)
            placed += [_placed(one, tile, (height, width)) for one, tile in zip(found, chunk, strict=True)]
        return merge(placed, tiles, self.threshold)


def cut(height: int, width: int, tile: int, overlap: float) -> list[tuple[int, int, int, int]]:
    """Cover an image with tiles of one size that overlap.

    Args:
        height, width: of the image.
        tile: side of a tile; where the image is smaller, the tile is too.
        overlap: least share of a tile that its neighbour covers too.

    Returns:
        (y1, x1, y2, x2) of each tile, row by row. The last ones end with the image, and so overlap more.

    >>> cut(100, 250, 100, 0.2)
    [(0, 0, 100, 100), (0, 80, 100, 180), (0, 150, 100, 250)]
    """
    step = max(1, int(tile * (1 - overlap)))

    def starts(side: int) -> list[int]:
        return [*range(0, max(side - tile, 0), step), max(side - tile, 0)]

    return [(y, x, min(y + tile, height), min(x + tile, width)) for y in starts(height) for x in starts(width)]


def merge(found: Sequence[Detections], tiles: Sequence[tuple[int, int, int, int]], threshold: float = 0.5) -> Detections:
    """Make the detections of all tiles those of one photo, see the top of this module.

    Args:
        found: A tile's each, boxes and masks already in the photo's frame.
        tiles: (y1, x1, y2, x2) of each.
        threshold: Share of pixels above which two detections are one object.

    Returns:
        Detections of the photo, best first, masks as `EncodedMasks`.
    """
    image_shape = found[0].image_shape
    parts = _Parts(found, tiles, image_shape)
    order = np.argsort(-parts.scores, kind="stable")
    gone = parts.cut & parts.seen_better()
    for place, index in enumerate(order.tolist()):
        if parts.cut[index] or gone[index]:
            continue
        rivals = [other for other in parts.rivals(index, order[place + 1 :]) if not parts.cut[other] and not gone[other]]
        gone[[other for other, share in parts.ious(index, rivals) if share > threshold]] = True
    for index in np.flatnonzero(parts.cut & ~gone).tolist():
        wholes = [other for other in parts.rivals(index, order) if not parts.cut[other] and not gone[other]]
        gone[index] = any(share > threshold for share in parts.shares_inside(index, wholes))
    groups = _groups(parts, np.flatnonzero(parts.cut & ~gone), threshold)
    groups += [[index] for index in np.flatnonzero(~parts.cut & ~gone).tolist()]
    scores = np.array([parts.scores[group].max() for group in groups], np.float32)
    groups = [groups[i] for i in np.argsort(-scores, kind="stable").tolist()]
    if not groups:
        nothing = found[0].select([])  # with as many attributes as the network tells, of no object
        nothing.window = None
        return nothing
    encoded = [parts.encoded[group[0]] if len(group) == 1 else rle.merge_coco([parts.encoded[i] for i in group]) for group in groups]
    told = [one.attributes for one in found]
    return Detections(
        rois=np.stack([np.concatenate([parts.rois[group, :2].min(axis=0), parts.rois[group, 2:].max(axis=0)]) for group in groups]),
        class_ids=parts.class_ids[[group[0] for group in groups]],
        scores=-np.sort(-scores, kind="stable"),
        masks=EncodedMasks(encoded, image_shape),
        attributes=None if any(one is None for one in told) else np.concatenate(told)[[group[0] for group in groups]],  # of the best part
        attribute_min_confidence=found[0].attribute_min_confidence,
    )


def _placed(found: Detections, tile: tuple[int, int, int, int], image_shape: tuple[int, int]) -> Detections:
    """Bring a tile's detections into the photo's frame."""
    corner = np.array(tile[:2], np.int32)
    masks = EncodedMasks([moved_rle.move(one, corner, image_shape) for one in found.rles], image_shape)
    return found.replaced(found["rois"] + np.tile(corner, 2), masks)


class _Parts:
    """The detections of all tiles in one list, and how they lie to one another."""

    def __init__(self, found: Sequence[Detections], tiles: Sequence[tuple[int, int, int, int]], image_shape: tuple[int, int]):
        self.image_shape = image_shape
        self.rois = np.concatenate([one["rois"] for one in found])
        self.class_ids = np.concatenate([one["class_ids"] for one in found])
        self.scores = np.concatenate([one["scores"] for one in found])
        self.encoded = [one for of_tile in found for one in of_tile.rles]
        self.boxes = rle.boxes_coco(self.encoded)  # of the masks, which may reach out of no box, but not fill it
        self.areas = rle.area_coco(self.encoded)
        self.tile_ids = np.repeat(np.arange(len(found)), [one.num for one in found])
        self.tiles = np.array(tiles).reshape(-1, 4)
        # What a tile sees whole lies within it, and off its sides that are not the photo's: [T, 2] each.
        near = np.ceil(BORDER * (self.tiles[:, 2:] - self.tiles[:, :2]))
        self.low = np.where(self.tiles[:, :2] > 0, self.tiles[:, :2] + near, -np.inf)
        self.high = np.where(self.tiles[:, 2:] < np.array(image_shape), self.tiles[:, 2:] - near, np.inf)
        inside = (self.rois[:, :2] > self.low[self.tile_ids]) & (self.rois[:, 2:] < self.high[self.tile_ids])
        self.cut = ~inside.all(axis=1)

    def seen_better(self) -> np.ndarray:
        """[N] bool: whose box lies whole within another tile. The photo made smaller doesn't count: it sees less."""
        small = np.isfinite(self.low).any(axis=1) | np.isfinite(self.high).any(axis=1)
        seen = np.zeros(len(self.rois), bool)
        for tile in np.flatnonzero(small).tolist():
            inside = (self.rois[:, :2] > self.low[tile]) & (self.rois[:, 2:] < self.high[tile])
            seen |= inside.all(axis=1) & (self.tile_ids != tile)
        return seen

    def rivals(self, index: int, others: np.ndarray) -> list[int]:
        """Those of the same class and another tile whose masks' boxes meet that of `index`, in the order of `others`."""
        corners = np.maximum(self.boxes[index, :2], self.boxes[others, :2]), np.minimum(self.boxes[index, 2:], self.boxes[others, 2:])
        meets = (corners[0] < corners[1]).all(axis=1)
        meets &= (self.class_ids[others] == self.class_ids[index]) & (self.tile_ids[others] != self.tile_ids[index])
        return others[meets].tolist()

    def ious(self, index: int, others: list[int]) -> list[tuple[int, float]]:
        """IoU of masks with each of the others: (other, IoU)."""
        shares = rle.iou_coco([self.encoded[index]], [self.encoded[other] for other in others])[0]
        return list(zip(others, shares.tolist(), strict=True))

    def shares_inside(self, index: int, others: list[int]) -> list[float]:
        """Share of the pixels of `index` in each of the others."""
        return rle.iou_coco([self.encoded[index]], [self.encoded[other] for other in others], np.ones(len(others), bool))[0].tolist()

    def agreement(self, index: int, other: int) -> float:
        """IoU of two masks where both tiles look."""
        tiles = self.tiles[self.tile_ids[[index, other]]]
        (top, left), (bottom, right) = tiles[:, :2].max(axis=0).tolist(), tiles[:, 2:].min(axis=0).tolist()
        if bottom <= top or right <= left:
            return 0.0
        shape = (bottom - top, right - left)
        pair = [moved_rle.move(self.encoded[i], (-top, -left), shape) for i in (index, other)]
        return float(rle.iou_coco(pair[:1], pair[1:])[0, 0])


def _groups(parts: _Parts, indices: np.ndarray, threshold: float) -> list[list[int]]:
    """Gather cut detections that show parts of one object: lists of indices, the best score first."""
    group_of = {index: [index] for index in indices.tolist()}
    for place, index in enumerate(indices.tolist()):
        for other in parts.rivals(index, indices[place + 1 :]):
            if group_of[index] is not group_of[other] and parts.agreement(index, other) > threshold:
                joined = group_of[index] + group_of[other]
                for member in joined:
                    group_of[member] = joined
    unique = {id(group): group for group in group_of.values()}
    return [sorted(group, key=lambda index: -parts.scores[index]) for group in unique.values()]
