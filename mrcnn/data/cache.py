"""Images of a data set kept in memory, up to a bound, so that files are read and decoded (and shrunk by `load_image`) once.

    train = cache.Cached(train, "jpeg", megabytes=4000)
"""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np

from mrcnn.data.dataset import Dataset, Subset

KINDS = ("decoded", "jpeg")


class Cached(Subset):
    """A data set whose images are kept as they are first loaded. Masks are loaded anew each time.

    "decoded" keeps the pixels: nothing changes but the time. "jpeg" keeps them compressed, uint8 of 1 or 3 channels: more images
    in the same memory, slightly other pixels. Which images have found room depends on the order of loading, so every image is
    compressed, kept or not: what an item shows never depends on what was loaded before it.

    When the bound is reached what is there stays, and the rest is loaded as without a cache: of images that all come once a
    pass, throwing out the oldest would throw out each just before it comes again.

    Attributes:
        num_kept: images that are kept.
        bytes_kept: their memory.

    >>> photos = Dataset()
    >>> photos.add_image("fashion", "a", path=None)
    >>> photos.prepare()
    >>> photos.load_image = lambda image_id: np.zeros((4, 5, 3), np.uint8)
    >>> kept = Cached(photos, "decoded", megabytes=1)
    >>> kept.load_image(0).shape, kept.num_kept, kept.bytes_kept
    ((4, 5, 3), 1, 60)
    """

    def __init__(self, whole: Dataset, kind: str, megabytes: float, quality: int = 95) -> None:
        """Prepare; images are kept as they are loaded.

        Args:
            whole: prepared data set.
            kind: "decoded" or "jpeg".
            megabytes: bound of the memory, in units of 10^6 bytes. Worker processes share it out among them.
            quality: of JPEG, 1 to 100.

        Raises:
            ValueError: an unknown kind, or a number that is out of range.
        """
        if kind not in KINDS:
            raise ValueError(f"A cache keeps images {' or '.join(map(repr, KINDS))}; got {kind!r}.")
        if not megabytes > 0 or not 1 <= quality <= 100:
            raise ValueError(f"megabytes is above 0, quality from 1 to 100; got {megabytes} and {quality}.")
        super().__init__(whole, whole.image_ids)
        self.kind, self.quality, self._limit = kind, int(quality), megabytes * 1e6
        self._kept: dict[int, np.ndarray] = {}
        self.bytes_kept = 0
        self._lock = threading.Lock()

    @property
    def num_kept(self) -> int:
        """Images that are kept."""
        return len(self._kept)

    def load_image(self, image_id: int) -> np.ndarray:
        """As the whole's, from memory where it is there.

        Raises:
            ValueError: of kind "jpeg", and the image is not uint8 of 1 or 3 channels; and what the whole's raises.
        """
        whole_id = self._whole_id(image_id)
        kept = self._kept.get(whole_id)
        if kept is None:
            image = self.whole.load_image(whole_id)
            kept = image if self.kind == "decoded" else self._compressed(image, image_id)
            self._keep(whole_id, kept)
        return kept.copy() if self.kind == "decoded" else _decompressed(kept)

    def divide(self, parts: int) -> None:
        """Lower the bound to a part: one of so many worker processes."""
        self._limit /= parts

    def _keep(self, whole_id: int, kept: np.ndarray) -> None:
        with self._lock:
            if whole_id not in self._kept and self.bytes_kept + kept.nbytes <= self._limit:
                self._kept[whole_id] = kept.copy() if kept.base is not None else kept  # a view would keep what it is of
                self.bytes_kept += kept.nbytes

    def _compressed(self, image: np.ndarray, image_id: int) -> np.ndarray:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3):
            raise ValueError(
                f"Image {image_id} ({self.image_info[image_id]['id']!r}) is {image.dtype} of shape {image.shape}: JPEG keeps uint8 of 1 or 3 "
                'channels. Use Cached(…, "decoded", …).'
            )
        if image.shape[-1] == 3:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1].ravel()

    def __getstate__(self) -> dict[str, Any]:
        """Travel empty."""
        return {**{name: value for name, value in self.__dict__.items() if name != "_lock"}, "_kept": {}, "bytes_kept": 0}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


def _decompressed(data: np.ndarray) -> np.ndarray:
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    return image[..., None] if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
