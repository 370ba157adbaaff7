"""Choosing and packing rows with static shapes: batched gathers, random subsets, valid rows first.

Counts are whole numbers throughout: `count / 0.33` truncates differently from backend to backend.
"""

from fractions import Fraction
from typing import Any

from keras import ops

Tensor = Any


def take_rows(values: Tensor, indices: Tensor) -> Tensor:
    """Gather rows image by image.

    Args:
        values: [B, N, ...].
        indices: [B, M] int32.

    Returns:
        [B, M, ...]: values[b, indices[b, m]].
    """
    trailing = len(values.shape) - 2
    index = ops.reshape(indices, tuple(ops.shape(indices)) + (1,) * trailing)
    if trailing:
        index = ops.broadcast_to(index, tuple(ops.shape(indices)) + tuple(ops.shape(values)[2:]))
    return ops.take_along_axis(values, index, axis=1)


def random_subset(candidates: Tensor, priorities: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Choose up to `size` of the candidates of each image, those of highest priority.

    Args:
        candidates: [B, N] bool.
        priorities: [B, N] float32 in [0, 1), random for a random subset.
        size: Slots.

    Returns:
        indices [B, size] int32 and valid [B, size] bool, valid ones first. `size` may exceed N: the rest is invalid.
    """
    scores = ops.where(candidates, priorities, -1.0)
    missing = size - scores.shape[1]
    if missing > 0:
        scores = ops.pad(scores, ((0, 0), (0, missing)), constant_values=-1.0)
    values, indices = ops.top_k(scores, size)
    valid = values >= 0.0
    return ops.where(valid, ops.cast(indices, "int32"), 0), valid


def valid_first(category: Tensor, size: int) -> Tensor:
    """Order of the rows that puts higher categories first and keeps the order within one.

    Args:
        category: [B, N] int32, small and not negative.
        size: Rows to keep.

    Returns:
        [B, size] int32 indices.
    """
    count = category.shape[1]
    keys = category * count + (count - 1 - ops.arange(count, dtype="int32"))
    _, indices = ops.top_k(keys, size)
    return ops.cast(indices, "int32")


def negatives_for(num_positives: Tensor, ratio: float) -> Tensor:
    """Largest count of negatives that keeps positives at `ratio` of all: floor(positives / ratio) - positives, in whole numbers.

    Args:
        num_positives: [B] int32.
        ratio: Share of positives, 0 < ratio <= 1, exact to six digits.

    Returns:
        [B] int32.
    """
    share = Fraction(ratio).limit_denominator(10**6)
    return num_positives * share.denominator // share.numerator - num_positives
