"""Weights of the classes from their counts, for `Config.CLASS_WEIGHTS`: rare classes weigh more in the class loss.

Source: Cui et al., Class-Balanced Loss Based on Effective Number of Samples (CVPR 2019), equations 2 and 3; the inverse frequency and its square root
are what it is compared with there (section 2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

METHODS = ("inverse", "sqrt", "effective")


def from_counts(counts: Sequence[int] | np.ndarray, method: str = "inverse", *, beta: float = 0.999) -> np.ndarray:
    """Compute a weight for each class.

    The mean over all instances is 1, and the background's weight is 1: so the instances together weigh against the background what they do without
    weights. (Cui et al. make the mean over the classes 1; among 100 : 1 instances the frequent class would then weigh a fiftieth of background.)

    Args:
        counts: [K] number of instances of each class id, as np.bincount gives it; entry 0, the background's, is not read.
        method: "inverse", 1 / n: each class as much as any other. "sqrt", 1 / √n: half way. "effective", (1 - β) / (1 - βⁿ): 1 / n for classes much
            smaller than 1 / (1 - β), the same for all much larger ones, whose further instances add little that is new.
        beta: β of "effective", from 0 (all the same) to below 1; 0.9, 0.99, 0.999 and 0.9999 are usual.

    Returns:
        [K] float64. A class without instances has weight 1, which no target meets.

    Raises:
        ValueError: no class, a negative or broken count, no instance at all, an unknown method, or beta outside of 0 to 1.

    >>> from_counts([0, 90, 10]).round(3).tolist()
    [1.0, 0.556, 5.0]
    >>> from_counts([0, 90, 10], "sqrt").round(3).tolist()
    [1.0, 0.833, 2.5]
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or len(counts) < 2 or counts.dtype.kind not in "iuf" or not (counts[1:] >= 0).all() or (counts[1:] % 1).any():
        raise ValueError(f"counts: [NUM_CLASSES] whole numbers are expected, the background's first; got {counts.tolist()}")
    if method not in METHODS:
        raise ValueError(f"method {method!r}: one of {', '.join(METHODS)} is expected")
    if not 0 <= beta < 1:
        raise ValueError(f"beta = {beta}: a number from 0 to below 1 is expected")
    number = counts[1:].astype(np.float64)
    present = number > 0
    if not present.any():
        raise ValueError("counts: no class has an instance; there is nothing to weigh")
    number = number[present]
    # -expm1(n log β) is 1 - βⁿ without the rounding of 1 - (almost 1)
    effective = -np.expm1(number * np.log(beta)) / (1 - beta) if beta else np.ones_like(number)
    raw = 1.0 / {"inverse": number, "sqrt": np.sqrt(number), "effective": effective}[method]
    weights = np.ones(len(counts))
    weights[1:][present] = raw * number.sum() / (raw * number).sum()
    return weights
