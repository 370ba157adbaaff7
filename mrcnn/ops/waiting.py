"""Masks of one image that are not planes yet: as the network gives them, or as run lengths.

A hundred planes of a large photo are a gigabyte; these are kilobytes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mrcnn.ops import boxes as box_ops
from mrcnn.ops import moved_rle, paste, rle


def asked_of(detect: Callable[..., Any]) -> dict[str, bool]:
    """Return the keyword that has a `detect` leave its masks waiting; nothing where it has none: an override of the user's may not.

    >>> asked_of(lambda images, verbose=0, *, lazy_masks=False: []), asked_of(lambda images, verbose=0: [])
    ({'lazy_masks': True}, {})
    """
    return {"lazy_masks": True} if "lazy_masks" in inspect.signature(detect).parameters else {}


class SmallMasks(NamedTuple):
    """Masks as the mask head gives them, not yet put on the image.

    Attributes:
        masks: [N, M, M] float32 probabilities, one mask a box.
        boxes: [N, (y1, x1, y2, x2)] whole pixels; they may reach outside the image.
        image_shape: (H, W) of the image; more values are ignored.
    """

    masks: np.ndarray
    boxes: np.ndarray
    image_shape: Sequence[int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """That of the planes: (H, W, N)."""
        height, width = self.image_shape[:2]
        return height, width, len(self.masks)

    def select(self, indices: np.ndarray) -> SmallMasks:
        """Return copies of these masks."""
        return SmallMasks(self.masks[indices], self.boxes[indices], self.image_shape)

    def mirrored(self) -> SmallMasks:
        """Return the masks of the image seen in a mirror: left is right."""
        return SmallMasks(self.masks[:, :, ::-1], box_ops.mirrored(self.boxes, int(self.image_shape[1])), self.image_shape)

    def planes(self) -> np.ndarray:
        """Put them on the image: [H, W, N] bool."""
        return paste.planes(*self)

    def rles(self) -> list[dict[str, Any]]:
        """N COCO encodings, without planes."""
        return paste.coco_rles(*self)


class EncodedMasks(NamedTuple):
    """Masks as run lengths of the whole image: what is left of masks that were cut, united or moved.

    Attributes:
        encoded: N COCO encodings of one size.
        image_shape: (H, W) of the image, theirs.
    """

    encoded: Sequence[dict[str, Any]]
    image_shape: Sequence[int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """That of the planes: (H, W, N)."""
        height, width = self.image_shape[:2]
        return height, width, len(self.encoded)

    @property
    def boxes(self) -> np.ndarray:
        """[N, (y1, x1, y2, x2)] int32, tight. With `masks` this is what `SmallMasks` has: who pastes one after the other need not ask which it is."""
        return rle.boxes_coco(self.encoded)

    @property
    def masks(self) -> Sequence[np.ndarray]:
        """Each mask within its box, [h, w] float32 of 0 and 1; of no size where it is empty. Decoded one by one when asked for."""
        return _Within(self.encoded)

    def select(self, indices: np.ndarray) -> EncodedMasks:
        """Return these masks; encodings are never changed, and so not copied."""
        return EncodedMasks([self.encoded[i] for i in np.arange(len(self.encoded))[indices].tolist()], self.image_shape)

    def mirrored(self) -> EncodedMasks:
        """Return the masks of the image seen in a mirror, decoded one after the other."""
        flipped = [rle.encode_coco(rle.decode_coco(one)[:, ::-1]) for one in self.encoded]
        return EncodedMasks(flipped, self.image_shape)

    def planes(self) -> np.ndarray:
        """Decode them: [H, W, N] bool, laid out as pasted ones, one instance's mask contiguous in memory."""
        planes = np.zeros((len(self.encoded), *self.image_shape[:2]), bool)
        for encoded, plane in zip(self.encoded, planes, strict=True):
            rle.paint_coco(encoded, plane)
        return planes.transpose(1, 2, 0)

    def rles(self) -> list[dict[str, Any]]:
        """The encodings, a new list."""
        return list(self.encoded)


class _Within(Sequence):
    """Decodes one mask within its box at a time."""

    def __init__(self, encoded: Sequence[dict[str, Any]]):
        self._encoded = encoded

    def __len__(self) -> int:
        return len(self._encoded)

    def __getitem__(self, index: int) -> np.ndarray:
        encoded = self._encoded[index]
        top, left, bottom, right = rle.boxes_coco([encoded])[0].tolist()
        part = moved_rle.move(encoded, (-top, -left), (bottom - top, right - left))
        return rle.decode_coco(part).astype(np.float32)
