"""Slow, obvious NumPy versions of the network's arithmetic: what the tests hold the fast ones to."""

import math

import numpy as np


def iou(a, b):
    """IoU of two boxes; 0 where there is no area."""
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    intersection = max(height, 0.0) * max(width, 0.0)
    area_a = max(a[2] - a[0], 0.0) * max(a[3] - a[1], 0.0)
    area_b = max(b[2] - b[0], 0.0) * max(b[3] - b[1], 0.0)
    union = area_a + area_b - intersection
    return intersection / union if union > 0 else 0.0


def greedy_nms(boxes, valid, threshold, groups=None):
    """Keep [N] bool of one image's boxes, best first: each is kept unless a kept one of its group overlaps it."""
    boxes = np.asarray(boxes, "float64")
    kept = np.zeros(len(boxes), bool)
    for i in range(len(boxes)):
        if not valid[i]:
            continue
        rivals = [j for j in range(i) if kept[j] and (groups is None or groups[j] == groups[i])]
        kept[i] = all(iou(boxes[i], boxes[j]) <= threshold for j in rivals)
    return kept


def soft_nms(boxes, scores, valid, max_output, method, threshold, sigma, groups=None):
    """Indices and final scores of one image's boxes: algorithm 1 of Bodla et al. 2017, with lists."""
    left = [(float(scores[i]), i) for i in range(len(boxes)) if valid[i]]
    taken = []
    while left and len(taken) < max_output:
        best_score, best = max(left, key=lambda pair: (pair[0], -pair[1]))
        taken.append((best, best_score))
        lowered = []
        for score, i in left:
            if i == best:
                continue
            overlap = iou(boxes[best], boxes[i]) if groups is None or groups[i] == groups[best] else 0.0
            if method == "linear":
                score *= 1 - overlap if overlap >= threshold else 1
            else:
                score *= math.exp(-(overlap**2) / sigma)
            lowered.append((score, i))
        left = lowered
    return [i for i, _ in taken], [score for _, score in taken]


def first_kept(kept, max_output):
    """Indices and flags [max_output] of the first kept rows."""
    chosen = np.flatnonzero(kept)[:max_output]
    indices = np.zeros(max_output, "int32")
    indices[: len(chosen)] = chosen
    return indices, np.arange(max_output) < len(chosen)


def bilinear(feature, y, x):
    """Value [C] of a map [H, W, C] at a point that lies on it."""
    height, width, _ = feature.shape
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    fy, fx = y - top, x - left
    upper = feature[top, left] * (1 - fx) + feature[top, right] * fx
    lower = feature[bottom, left] * (1 - fx) + feature[bottom, right] * fx
    return upper * (1 - fy) + lower * fy


def corner_aligned(low, high, extent, samples):
    """Positions of the samples of crop_and_resize along one axis."""
    if samples == 1:
        return [0.5 * (low + high) * (extent - 1)]
    return [low * (extent - 1) + i * (high - low) * (extent - 1) / (samples - 1) for i in range(samples)]


def crop_and_resize(feature, box, size, tolerance=1e-3):
    """One corner-aligned sample a bin, 0 beyond the border: [h, w, C]."""
    height, width, channels = feature.shape
    result = np.zeros((*size, channels))
    y1, x1, y2, x2 = (float(v) for v in box)
    for i, y in enumerate(corner_aligned(y1, y2, height, size[0])):
        for j, x in enumerate(corner_aligned(x1, x2, width, size[1])):
            if -tolerance <= y <= height - 1 + tolerance and -tolerance <= x <= width - 1 + tolerance:
                result[i, j] = bilinear(feature, min(max(y, 0), height - 1), min(max(x, 0), width - 1))
    return result


def aligned(feature, box, size):
    """RoIAlign: the mean of 2 x 2 samples a bin, half-pixel centres, clamped to the map; the box is a fraction of the image: [h, w, C]."""
    height, width, channels = feature.shape
    result = np.zeros((*size, channels))
    y1, x1, y2, x2 = (float(v) for v in box)
    for i in range(size[0]):
        for j in range(size[1]):
            for u in (0.25, 0.75):
                for v in (0.25, 0.75):
                    y = (y1 + (y2 - y1) * (i + u) / size[0]) * height - 0.5
                    x = (x1 + (x2 - x1) * (j + v) / size[1]) * width - 0.5
                    result[i, j] += bilinear(feature, min(max(y, 0), height - 1), min(max(x, 0), width - 1)) / 4
    return result
