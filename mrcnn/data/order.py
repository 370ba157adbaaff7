"""The order in which training shows the images: pass after pass, each a pure function of (seed, number of the pass).

Without options a pass is a permutation: every image once. Repeat-factor sampling shows images of rare classes several
times a pass, and a limit on images without instances leaves a part of those out of each pass; passes then differ in
length.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

# First entry of a generator's seed; `pipeline` numbers the other streams.
_ORDER = 0


def repeat_factors(counts: np.ndarray, threshold: float) -> np.ndarray:
    """Return how often a pass shows each image, so that images of rare classes come more often.

    r_c = max(1, √(t / f_c)) for a class that the share f_c of all images shows; r_i = max r_c over the classes of image
    i, and 1 for an image without instances.

    Args:
        counts: [N, K] instances of each class on each image; column 0 is not read.
        threshold: t; classes on a smaller share of the images are repeated. LVIS: 0.001.

    Returns:
        [N] float64, at least 1.

    Source: Gupta, Dollár and Girshick, LVIS, CVPR 2019, section on repeat factor sampling (after Mahajan et al., 2018).

    Example: class 2 is on one of four images; t = 1 gives it √(1 / 0.25).
        >>> repeat_factors(np.array([[0, 1, 0], [0, 2, 0], [0, 1, 1], [0, 1, 0]]), threshold=1.0).tolist()
        [1.0, 1.0, 2.0, 1.0]
    """
    shown = counts[:, 1:] > 0
    share = shown.mean(axis=0) if len(shown) else np.zeros(shown.shape[1])
    of_class = np.maximum(1.0, np.sqrt(threshold / np.maximum(share, 1e-300)))
    return np.where(shown, of_class, 1.0).max(axis=1, initial=1.0)


class Passes:
    """The images of pass after pass, by position from the beginning of the run. May be asked from several threads."""

    def __init__(
        self,
        image_ids: np.ndarray,
        seed: int,
        *,
        counts: np.ndarray | None = None,
        repeat_threshold: float | None = None,
        empty_ratio: float | None = None,
    ) -> None:
        """Prepare.

        Args:
            image_ids: [N] ids.
            seed: the order follows from it.
            counts: [N, K] instances of each class on each image (`counts.instance_counts`); needed by the two options.
            repeat_threshold: see `repeat_factors`. The fraction of a factor is the chance of one more showing, drawn
                anew for each pass. None: every image once.
            empty_ratio: largest share of images without instances among those of a pass, 0 to below 1. Where there are
                more, each pass takes a part of them, drawn anew. None: all.

        Raises:
            ValueError: empty_ratio is given, and no image has instances by `counts`.
        """
        self.image_ids, self.seed, self.empty_ratio = np.asarray(image_ids), seed, empty_ratio
        self.factors = None if repeat_threshold is None else repeat_factors(counts, repeat_threshold)
        # An image whose classes are not known (-1 in column 0) may have instances: it is not left out.
        self.empty = np.zeros(len(self.image_ids), bool) if empty_ratio is None else ~counts.any(axis=1)
        if len(self.empty) and self.empty.all():
            raise ValueError(
                f"None of the {len(self.empty)} images has an instance by image_class_ids, so a limit on images without any leaves none. "
                "Let image_class_ids return what load_mask does."
            )
        self._starts = [0]  # where each pass begins, as far as they are known
        self._last: tuple[int, np.ndarray] | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def locate(self, position: int) -> tuple[np.ndarray, int]:
        """Return the order of the pass that a position belongs to, and the place in it.

        Args:
            position: items before it since the beginning of the run.

        Returns:
            ids [M] of the pass, and 0…M - 1.
        """
        if self.factors is None and not self.empty.any():
            turn, place = divmod(position, len(self.image_ids))
            return self.order(turn), place
        with self._lock:
            while self._starts[-1] <= position:  # a pass's length follows from its draws alone, whoever asks first
                self._starts.append(self._starts[-1] + len(self._chosen(len(self._starts) - 1)[0]))
            turn = int(np.searchsorted(self._starts, position, side="right")) - 1
            return self.order(turn), position - self._starts[turn]

    def order(self, turn: int) -> np.ndarray:
        """Return the ids of pass `turn`, from 0, in their order: [M]."""
        last = self._last
        if last is None or last[0] != turn:
            chosen, rng = self._chosen(turn)
            last = self._last = turn, rng.permutation(chosen)
        return last[1]

    def _chosen(self, turn: int) -> tuple[np.ndarray, np.random.Generator]:
        """Draw what a pass shows: ids [M] by number, and the generator, which goes on to the permutation."""
        rng = np.random.default_rng([_ORDER, self.seed, turn])
        times = np.ones(len(self.image_ids), np.int64)
        if self.factors is not None:
            times = np.floor(self.factors).astype(np.int64)
            times += rng.random(len(times)) < self.factors - times
        if self.empty.any():
            empty = np.flatnonzero(self.empty)
            most = int(times[~self.empty].sum() * self.empty_ratio / (1 - self.empty_ratio) + 1e-9)
            if most < len(empty):
                times[rng.choice(empty, len(empty) - most, replace=False)] = 0
        return np.repeat(self.image_ids, times), rng
