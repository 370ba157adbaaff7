"""Non-maximum suppression with static shapes on every backend.

`suppress` is the portable form: boxes are taken in tiles of `TILE` in order of their score; a tile is first suppressed by the boxes kept before it,
then within itself by repeating "drop what a kept, better box of the tile overlaps" until nothing changes. The result is that of the greedy
algorithm, index for index. TensorFlow's own kernel, several times faster on a CPU, stands in front of it on that backend.

`soften` lowers the scores of boxes that overlap a better one, instead of dropping them.

Source: Faster R-CNN (Ren et al. 2015), section 3.3; greedy suppression as in Felzenszwalb et al. 2010. Soft-NMS: Bodla et al. 2017.
"""

from typing import Any

import keras
from keras import ops

from mrcnn.ops import sampling, tensor_boxes

Tensor = Any

TILE = 256


def non_max_suppression(boxes: Tensor, valid: Tensor, threshold: float, max_output: int) -> tuple[Tensor, Tensor]:
    """Keep the boxes that no better kept box overlaps by more than `threshold`.

    Args:
        boxes: [B, N, 4] float32, best first.
        valid: [B, N] bool; the others are left out.
        threshold: Intersection over union above which the lesser box is dropped. A box without area overlaps nothing.
        max_output: Boxes kept at most.

    Returns:
        indices [B, max_output] int32 into N, rising, and kept [B, max_output] bool; rows that are not kept point to 0.
    """
    if keras.backend.backend() == "tensorflow" and boxes.shape[1] != 0:  # the kernel doesn't pad the result of no boxes
        from mrcnn.ops import _tensorflow

        return _tensorflow.non_max_suppression(boxes, valid, threshold, max_output)
    return select(suppress(boxes, valid, threshold), max_output)


def suppress(boxes: Tensor, valid: Tensor, threshold: float, groups: Tensor | None = None) -> Tensor:
    """Portable suppression.

    Args:
        boxes: [B, N, 4] float32, best first.
        valid: [B, N] bool.
        threshold: As in `non_max_suppression`.
        groups: [B, N] int32; only boxes of the same group (class, say) suppress one another. None: one group.

    Returns:
        [B, N] bool: which boxes are kept.
    """
    count = boxes.shape[1]
    if not count:
        return valid
    tile = min(TILE, count)
    missing = -count % tile
    boxes = ops.pad(boxes, ((0, 0), (0, missing), (0, 0)))
    kept = ops.pad(ops.cast(valid, "bool"), ((0, 0), (0, missing)))
    groups = ops.zeros_like(kept, dtype="int32") if groups is None else ops.pad(groups, ((0, 0), (0, missing)))
    before = ops.arange(tile)[:, None] < ops.arange(tile)[None, :]  # [better, worse]

    def suppress_tile(index: Tensor, kept: Tensor) -> Tensor:
        start = index * tile
        own = ops.slice(boxes, (0, start, 0), (ops.shape(boxes)[0], tile, 4))  # [B, T, 4]
        own_kept = ops.slice(kept, (0, start), (ops.shape(kept)[0], tile))  # [B, T]
        earlier = ops.logical_and(kept, ops.arange(count + missing) < start)  # [B, N]
        own_groups = ops.slice(groups, (0, start), (ops.shape(groups)[0], tile))  # [B, T]
        overlaps = _overlap(boxes, groups, own, own_groups, threshold)  # [B, N, T]
        own_kept = ops.logical_and(own_kept, ops.logical_not(ops.any(ops.logical_and(overlaps, earlier[..., None]), axis=1)))
        within = ops.logical_and(_overlap(own, own_groups, own, own_groups, threshold), before)  # [B, T, T]
        own_kept = _settle(own_kept, within)
        return ops.slice_update(kept, (0, start), own_kept)

    kept = ops.fori_loop(0, (count + missing) // tile, suppress_tile, kept)
    return kept[:, :count]


def soften(
    boxes: Tensor, scores: Tensor, valid: Tensor, max_output: int, *, method: str, threshold: float, sigma: float, groups: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Soft-NMS: take the best box, lower the scores of those that overlap it, and so on with the rest.

    A box's score only falls, so the boxes come out in the order of their final scores, and `max_output` rounds give the best ones exactly.

    Args:
        boxes: [B, N, 4] float32.
        scores: [B, N] float32, above 0; of equal ones the first box is taken first.
        valid: [B, N] bool; the others are left out.
        max_output: Boxes taken at most, M.
        method: "linear": a score is multiplied by 1 - IoU where IoU >= threshold; "gaussian": by exp(-IoU^2 / sigma), whatever the IoU.
        threshold: Of "linear".
        sigma: Of "gaussian", above 0.
        groups: [B, N] int32; only boxes of the same group (class, say) touch one another. None: one group.

    Returns:
        indices [B, M] int32 into N, final scores [B, M], falling, and filled [B, M] bool; rows that are not filled point to 0 with score 0.

    Source: Bodla et al. 2017, Soft-NMS, section 3, algorithm 1 and the two weightings s_i. Which final scores are too low is the caller's to say.
    """
    batch, count = ops.shape(boxes)[0], boxes.shape[1]
    groups = ops.zeros_like(valid, dtype="int32") if groups is None else groups
    slots = ops.arange(max_output, dtype="int32")

    def take_best(step: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        left, share, indices, factors, filled = state
        best = ops.cast(ops.argmax(ops.where(left, scores * share, -1.0), axis=1), "int32")[:, None]  # [B, 1]
        found = ops.any(left, axis=1)[:, None]
        overlaps = tensor_boxes.iou(sampling.take_rows(boxes, best), boxes)[:, 0]  # [B, N]
        if method == "linear":
            weights = ops.where(overlaps >= threshold, 1.0 - overlaps, 1.0)
        else:
            weights = ops.exp(-ops.square(overlaps) / sigma)
        here = slots[None] == ops.cast(step, "int32")  # [1, M]
        indices = ops.where(here, ops.where(found, best, 0), indices)
        factors = ops.where(here, ops.where(found, sampling.take_rows(share, best), 0.0), factors)
        filled = ops.logical_or(filled, ops.logical_and(here, found))
        left = ops.logical_and(left, ops.arange(count, dtype="int32")[None] != best)
        share = ops.where(groups == sampling.take_rows(groups, best), share * weights, share)
        return left, share, indices, factors, filled

    nothing = ops.zeros((batch, max_output), "float32")
    state = (ops.cast(valid, "bool"), ops.ones_like(scores), ops.cast(nothing, "int32"), nothing, ops.cast(nothing, "bool"))
    if count:
        state = ops.fori_loop(0, max_output, take_best, state)
    _, _, indices, factors, filled = state
    return indices, sampling.take_rows(scores, indices) * factors if count else factors, filled


def _overlap(boxes1: Tensor, groups1: Tensor, boxes2: Tensor, groups2: Tensor, threshold: float) -> Tensor:
    same = ops.equal(groups1[:, :, None], groups2[:, None, :])
    return ops.logical_and(tensor_boxes.iou(boxes1, boxes2) > threshold, same)


def _settle(candidates: Tensor, overlaps: Tensor) -> Tensor:
    """Greedy result within a tile: repeat `kept = candidates without those that a kept box overlaps` until it no longer changes.

    Args:
        candidates: [B, T] bool.
        overlaps: [B, T, T] bool; [b, i, j]: i is better than j and overlaps it.

    Returns:
        [B, T] bool. After k rounds the first k rows are final, so it ends after at most T; a few are usual.
    """

    def changed(kept: Tensor, previous: Tensor) -> Tensor:
        return ops.any(ops.not_equal(kept, previous))

    def update(kept: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        hit = ops.any(ops.logical_and(overlaps, kept[..., None]), axis=1)
        return ops.logical_and(candidates, ops.logical_not(hit)), kept

    start = ops.logical_and(candidates, ops.logical_not(ops.any(ops.logical_and(overlaps, candidates[..., None]), axis=1)))
    kept, _ = ops.while_loop(changed, update, (start, candidates))
    return kept


def select(kept: Tensor, max_output: int) -> tuple[Tensor, Tensor]:
    """Indices of the first `max_output` kept rows.

    Args:
        kept: [B, N] bool; N may be known only when the graph runs.
        max_output: Slots.

    Returns:
        indices [B, max_output] int32, rising, 0 where there is none, and filled [B, max_output] bool.
    """
    count = ops.shape(kept)[1]
    keys = ops.where(kept, count - ops.arange(count, dtype="int32"), 0)
    missing = max_output if kept.shape[1] is None else max(0, max_output - count)
    if missing:
        keys = ops.pad(keys, ((0, 0), (0, missing)))
    values, indices = ops.top_k(keys, max_output)
    filled = values > 0
    return ops.where(filled, ops.cast(indices, "int32"), 0), filled

