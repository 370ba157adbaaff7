"""Why an object was not found: the stage of detection at which its last box was lost.

An object's boxes are followed from the anchors to the detections: those that overlap it by an IoU of 0.5 or more (or hold the clicked point), and
overlap no other object of the question more. A detection shows one object, the one it overlaps most: matching as in evaluation, the most confident
detection first. The stage is the one after the furthest that a box of the object reached.

All comes from what the network answered anyway; the layers' own arithmetic is repeated on it, outside the graph. A detection that nobody asks to
explain costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from mrcnn.data.rpn_targets import NEGATIVE_IOU
from mrcnn.inference import candidates as heads
from mrcnn.inference import predict
from mrcnn.inference.asked import COVERS, Objects, read_objects
from mrcnn.inference.explanation import Count, Explanation, Fate
from mrcnn.ops import boxes, matching, tensor_boxes
from mrcnn.results import Detections


@dataclass(frozen=True)
class Frame:
    """Where the photo lies in the molded image.

    Attributes:
        image_shape: (H, W) of the photo.
        network_shape: (H, W) of the molded image.
        window: (y1, x1, y2, x2) of the photo in it, pixels.
    """

    image_shape: tuple[int, int]
    network_shape: tuple[int, int]
    window: tuple[int, int, int, int]

    @property
    def unit_window(self) -> np.ndarray:
        """The window in the unit square of the molded image, [4] float32."""
        return boxes.normalize(np.asarray(self.window), self.network_shape)

    def to_photo(self, unit_boxes: np.ndarray) -> np.ndarray:
        """Return boxes [..., 4] of the molded image's unit square in pixels of the photo, not rounded."""
        y1, x1, y2, x2 = self.unit_window
        scale = np.array([max(y2 - y1, 1e-9), max(x2 - x1, 1e-9)] * 2)
        height, width = self.image_shape
        return (unit_boxes - np.array([y1, x1] * 2)) / scale * np.array([height - 1, width - 1] * 2) + np.array([0, 0, 1, 1])

    @property
    def empty(self) -> bool:
        """Whether the photo is so narrow that `predict.unmold` finds nothing on it."""
        return self.window[2] - self.window[0] < 2 or self.window[3] - self.window[1] < 2


@dataclass(frozen=True)
class Stages:
    """One photo's boxes on their way, in pixels of the photo, not rounded.

    Attributes:
        anchors: [A, 4].
        rpn_scores: [A] probability of an object.
        rpn_boxes: [A, 4] the anchors moved by the RPN and clipped to the molded image.
        order: [limit] int, the anchors that enter suppression, best first.
        kept: [P] int into `order`, rising: the proposals.
        rpn_unit_boxes: [limit, 4] float32, those of `order` in the unit square, as suppression compares them.
        probs: [R, K] of the rois, the proposals first.
        candidates: see `candidates.Candidates`; its rows count rois.
        candidate_boxes: [C, 4].
        suppressed_by, chosen: see `candidates.chosen`.
        detections: {candidate: its number among the detections}; chosen ones without area are not in it.
    """

    anchors: np.ndarray
    rpn_scores: np.ndarray
    rpn_boxes: np.ndarray
    order: np.ndarray
    kept: np.ndarray
    rpn_unit_boxes: np.ndarray
    probs: np.ndarray
    candidates: heads.Candidates
    candidate_boxes: np.ndarray
    suppressed_by: np.ndarray
    chosen: np.ndarray
    detections: dict[int, int]

    @property
    def proposals(self) -> np.ndarray:
        """[P, 4] those that suppression kept."""
        return self.rpn_boxes[self.order[self.kept]]


def stages(model: keras.Model, outputs: Sequence[np.ndarray], anchors: np.ndarray, frame: Frame) -> Stages:
    """Find one photo's boxes after every stage.

    Args:
        model: Inference network.
        outputs: Its seven answers for this photo, without the batch axis; see `build.build`.
        anchors: [A, 4] in the unit square.
        frame: Of the photo.
    """
    probs, deltas, rpn_probs, rpn_deltas = (outputs[i] for i in (1, 2, 5, 6))
    rpn, detection = model.get_layer("ROI"), model.get_layer("mrcnn_detection")
    inputs = [ops.convert_to_tensor(value[None], "float32") for value in (rpn_probs, rpn_deltas, anchors)]
    steps = {name: ops.convert_to_numpy(value)[0] for name, value in rpn.stages(inputs).items()}
    moved = tensor_boxes.decode(inputs[2], inputs[1] * np.asarray(rpn.std_dev, np.float32), rpn.max_log)
    moved = ops.convert_to_numpy(tensor_boxes.clip(moved, (0.0, 0.0, 1.0, 1.0)))[0]
    kept = steps["post_nms_anchor_ix"][steps["kept"]]
    rois = np.zeros((rpn.proposal_count, 4), np.float32)
    rois[: len(kept)] = steps["refined_anchors_clipped"][kept]

    found = heads.of_image(detection, rois, probs, deltas, frame.unit_window)
    chosen, by = heads.chosen(
        found, min_confidence=detection.min_confidence, nms_threshold=detection.nms_threshold, max_instances=detection.max_instances
    )
    photo_boxes = frame.to_photo(found.boxes)
    whole = np.around(photo_boxes[chosen])
    real = np.flatnonzero((whole[:, 2] > whole[:, 0]) & (whole[:, 3] > whole[:, 1]) & (not frame.empty))
    return Stages(
        anchors=frame.to_photo(anchors), rpn_scores=rpn_probs[:, 1], rpn_boxes=frame.to_photo(moved), order=steps["pre_nms_anchor_ix"], kept=kept,
        rpn_unit_boxes=steps["refined_anchors_clipped"], probs=probs, candidates=found, candidate_boxes=photo_boxes, suppressed_by=by,
        chosen=chosen, detections={int(chosen[place]): number for number, place in enumerate(real)},
    )  # fmt: skip


def detect(
    predictor: predict.Predictor, inputs: Sequence[np.ndarray], objects: Any = None, *, verbose: int = 0, lazy_masks: bool = False,
    random_layers: Sequence[str] = (),
) -> list[Detections]:  # fmt: skip
    """Detect as `Predictor.detect` does, and leave the explanation in the attribute `explain` of each photo's detections.

    Args:
        predictor: Of the network.
        inputs: Images [H, W, C], RGB.
        objects: See `read_objects`.
        verbose, lazy_masks: As there.
        random_layers: Layers that were never loaded or trained.

    Raises:
        ValueError: objects of another form, or a network with soft suppression or one across classes.
    """
    layer = predictor.model.get_layer("mrcnn_detection")
    heads.require_hard_suppression(layer.nms_method, layer.nms_per_class)
    images = predictor.checked(inputs)
    wanted = read_objects(objects, [image.shape for image in images], predictor.config.NUM_CLASSES)

    results: list[Detections | None] = [None] * len(images)
    for i, molded, outputs in predictor.answers(images, verbose):
        results[i] = found = predictor.to_detections(outputs, molded, images[i].shape, lazy_masks=lazy_masks)
        frame = Frame(images[i].shape[:2], molded.image.shape[:2], molded.window)
        found.explain = explain(predictor.model, outputs, predictor.anchors(molded.image.shape), frame, wanted[i], random_layers)
    return results


def explain(
    model: keras.Model, outputs: Sequence[np.ndarray], anchors: np.ndarray, frame: Frame, objects: Objects, random_layers: Sequence[str] = ()
) -> Explanation:
    """Explain one photo.

    Args:
        model, outputs, anchors, frame: See `stages`.
        objects: What to look for.
        random_layers: Layers that were never loaded or trained.
    """
    seen = stages(model, outputs, anchors, frame)
    rpn, detection = model.get_layer("ROI"), model.get_layer("mrcnn_detection")
    tracer = _Tracer(seen, objects, rpn, detection, frame)
    counts, numbers = _counts(seen, rpn, detection)
    return Explanation(
        image_shape=frame.image_shape, network_shape=frame.network_shape, counts=counts, numbers=numbers,
        fates=tuple(tracer.fate(number) for number in range(len(objects.places))), random_layers=tuple(random_layers),
        not_finite=int(np.count_nonzero(~np.isfinite(outputs[1])) + np.count_nonzero(~np.isfinite(outputs[5]))),
    )  # fmt: skip


def _counts(seen: Stages, rpn: Any, detection: Any) -> tuple[tuple[Count, ...], dict[str, Any]]:
    """Return the boxes left after each stage, and the best scores."""
    scores = seen.candidates.scores
    numbers = {
        "best_rpn_score": float(seen.rpn_scores.max(initial=0)),
        "best_object_score": float(seen.probs[:, 1:].max(initial=0)),
        "best_winner_score": float(scores[0]) if len(scores) else None,
        "best_winner_class_id": int(seen.candidates.class_ids[0]) if len(scores) else None,
        "min_confidence": float(detection.min_confidence or 0),
    }
    best = f", best score {scores[0]:.3f}" if len(scores) else ""
    full = " (reached)" if len(seen.kept) == rpn.proposal_count else ""
    last = f", last {seen.rpn_scores[seen.order[-1]]:.3g}" if len(seen.order) else ""
    counts = (
        Count("anchors", len(seen.anchors)),
        Count("rpn_rank", len(seen.order), f"PRE_NMS_LIMIT = {rpn.pre_nms_limit}, best score {numbers['best_rpn_score']:.3g}{last}"),
        Count("proposal_nms", len(seen.kept), f"RPN_NMS_THRESHOLD = {rpn.nms_threshold:g}, POST_NMS_ROIS_INFERENCE = {rpn.proposal_count}{full}"),
        Count("class", len(scores), f"won by another class than background{best}"),
        Count("confidence", int((seen.suppressed_by != heads.BELOW).sum()), f"DETECTION_MIN_CONFIDENCE = {numbers['min_confidence']:g}"),
        Count("class_nms", int((seen.suppressed_by == -1).sum()), f"DETECTION_NMS_THRESHOLD = {detection.nms_threshold:g}"),
        Count("max_count", len(seen.chosen), f"DETECTION_MAX_INSTANCES = {detection.max_instances}"),
        Count("area", len(seen.detections), "with an area in whole pixels of the photo"),
    )
    return counts, numbers


class _Tracer:
    """Follows the boxes of each object; `fate` tells where they ended."""

    def __init__(self, seen: Stages, objects: Objects, rpn: Any, detection: Any, frame: Frame):
        self.seen, self.objects, self.rpn, self.detection, self.frame = seen, objects, rpn, detection, frame
        found = seen.candidates
        self.overlaps = objects.overlaps(seen.candidate_boxes)  # [C, N]
        self.own, self.allowed = objects.own(self.overlaps), objects.allowed(found.class_ids)
        self.shown = self._matched()

    def _matched(self) -> np.ndarray:
        """Return [N] the candidate that shows each object, -1 where none does."""
        real = np.array(sorted(self.seen.detections), np.int64)  # rising, so the most confident first
        if not self.objects.are_boxes:
            showing = (self.overlaps[real] >= COVERS) & self.allowed[real]
            first = showing.argmax(axis=0) if len(real) else np.zeros(showing.shape[1], np.int64)
            return np.array([real[row] if showing[:, i].any() else -1 for i, row in enumerate(first)], np.int64)
        _, gt_match = matching.greedy(self.overlaps[real], COVERS, self.allowed[real])
        return np.where(gt_match >= 0, real[gt_match] if len(real) else -1, -1)

    def fate(self, number: int) -> Fate:
        """Tell what became of an object."""
        class_id = None if self.objects.class_ids is None else int(self.objects.class_ids[number])
        for step in (self._found, self._after_heads, self._at_heads, self._at_proposals):
            ended = step(number)
            if ended:
                break
        stage, numbers = ended
        if stage != "found":
            numbers |= self._shown_as_another(number)
        return Fate(tuple(self.objects.places[number].tolist()), class_id, stage, numbers)

    def _shown_as_another(self, number: int) -> dict[str, Any]:
        """Return the detection of another class that covers an object whose class was said."""
        taken = set(self.shown.tolist())
        for candidate, detection in self.seen.detections.items():
            if self.own[candidate, number] and candidate not in taken and not self.allowed[candidate, number]:
                class_id, score = self.seen.candidates.class_ids[candidate], self.seen.candidates.scores[candidate]
                return {"other_detection": detection, "other_class_id": int(class_id), "other_score": float(score)}
        return {}

    def _of(self, candidate: int, number: int) -> dict[str, Any]:
        found = self.seen.candidates
        return {
            "class_id": int(found.class_ids[candidate]), "score": float(found.scores[candidate]), "iou": float(self.overlaps[candidate, number])
        }  # fmt: skip

    def _found(self, number: int) -> tuple[str, dict[str, Any]] | None:
        candidate = int(self.shown[number])
        return ("found", {"detection": self.seen.detections[candidate], **self._of(candidate, number)}) if candidate >= 0 else None

    def _after_heads(self, number: int) -> tuple[str, dict[str, Any]] | None:
        """Where the candidates of its class were lost; None where there is none."""
        seen = self.seen
        mine = self.own[:, number] & self.allowed[:, number]
        mine[self.shown[self.shown >= 0]] = False  # they show other objects
        places = np.flatnonzero(mine)  # best first
        if not len(places):
            return None
        by = seen.suppressed_by[places]
        if (by == heads.BELOW).all():
            return "confidence", {"min_confidence": float(self.detection.min_confidence), **self._of(places[0], number)}
        free = places[by == -1]
        if not len(free):
            best = places[by >= 0][0]
            return "class_nms", self._suppressor(best, number)
        rank = int((seen.suppressed_by[: free[0]] == -1).sum()) + 1
        if rank > len(seen.chosen):
            return "max_count", {"rank": rank, "limit": self.detection.max_instances, **self._of(free[0], number)}
        return "area", self._of(free[0], number)

    def _suppressor(self, candidate: int, number: int) -> dict[str, Any]:
        found, better = self.seen.candidates, int(self.seen.suppressed_by[candidate])
        shows = np.flatnonzero(self.shown == better)
        return {
            "by_object_iou": float(self.overlaps[better, number]), "by_shows": int(shows[0]) if len(shows) else None,
            "detection": self.seen.detections.get(better), "by_class_id": int(found.class_ids[better]), "by_score": float(found.scores[better]),
            "by_iou": float(boxes.iou(found.boxes[[candidate]], found.boxes[[better]])[0, 0]), "threshold": float(self.detection.nms_threshold),
            **self._of(candidate, number),
        }  # fmt: skip

    def _at_heads(self, number: int) -> tuple[str, dict[str, Any]] | None:
        """What the box head made of the proposals that cover it; None where none does."""
        seen = self.seen
        all_overlaps = self.objects.overlaps(seen.proposals)  # [P, N]
        rows = np.flatnonzero(self.objects.own(all_overlaps)[:, number])
        moved = self.own[:, number] & ~self.allowed[:, number]  # another class, moved onto it
        rows = np.union1d(rows, seen.candidates.rows[moved][seen.candidates.rows[moved] < len(all_overlaps)]).astype(np.int64)
        if not len(rows):
            return None
        probs, overlaps = seen.probs[rows], all_overlaps[rows, number]
        winners = probs.argmax(axis=1)
        right = np.flatnonzero(self.objects.allowed(winners)[:, number])
        if len(right):
            best = right[probs[right, winners[right]].argmax()]
            candidate = int(np.flatnonzero(seen.candidates.rows == rows[best])[0])
            return "box", {"roi_iou": float(overlaps[best]), **self._of(candidate, number)}
        wanted = slice(1, None) if self.objects.class_ids is None else slice(self.objects.class_ids[number], self.objects.class_ids[number] + 1)
        best = int(probs[:, wanted].max(axis=1).argmax())
        class_id = int(probs[best, wanted].argmax()) + wanted.start
        return "class", {
            "iou": float(overlaps[best]), "winner": int(winners[best]), "winner_score": float(probs[best].max()), "wanted": class_id,
            "wanted_score": float(probs[best, class_id]),
        }  # fmt: skip

    def _at_proposals(self, number: int) -> tuple[str, dict[str, Any]]:
        """Where the RPN's boxes that cover it were lost."""
        seen, objects = self.seen, self.objects
        overlaps = objects.overlaps(seen.rpn_boxes)
        own, overlaps = objects.own(overlaps)[:, number], overlaps[:, number]
        of_anchors = objects.overlaps(seen.anchors)[:, number]
        if not own.any():
            best = int(of_anchors.argmax())
            if of_anchors[best] < NEGATIVE_IOU:
                return "anchors", {"best_iou": float(of_anchors[best]), **self._sizes(number, best)}
            best_iou = float(overlaps.max())
            return "rpn_box", {"best_anchor_iou": float(of_anchors[best]), "best_iou": best_iou, "shared": best_iou >= COVERS}
        entered = np.flatnonzero(own[seen.order])  # places in the order, best first
        if not len(entered):
            best = int(np.flatnonzero(own)[seen.rpn_scores[own].argmax()])
            rank = int((seen.rpn_scores > seen.rpn_scores[best]).sum()) + 1
            last = float(seen.rpn_scores[seen.order[-1]])
            score, iou = float(seen.rpn_scores[best]), float(overlaps[best])
            return "rpn_rank", {"rank": rank, "score": score, "iou": iou, "limit": len(seen.order), "last_score": last}
        with_kept = boxes.iou(seen.rpn_unit_boxes[entered], seen.rpn_unit_boxes[seen.kept])  # [E, P]
        with_kept[seen.kept[None] >= entered[:, None]] = 0  # only better ones suppress
        free = np.flatnonzero((with_kept <= self.rpn.nms_threshold).all(axis=1))
        best = int(free[0]) if len(free) else 0
        anchor = seen.order[entered[best]]
        numbers = {"rank": int(entered[best]) + 1, "score": float(seen.rpn_scores[anchor]), "iou": float(overlaps[anchor])}
        if len(free):
            return "proposal_count", {**numbers, "limit": self.rpn.proposal_count}
        by = int(with_kept[best].argmax())
        return "proposal_nms", {
            **numbers, "by_iou": float(with_kept[best, by]), "threshold": float(self.rpn.nms_threshold),
            "by_object_iou": float(overlaps[seen.order[seen.kept[by]]]),
        }  # fmt: skip

    def _sizes(self, number: int, anchor: int) -> dict[str, float]:
        """Return height and width of an object and an anchor, in pixels of the network's input."""
        window, (height, width) = self.frame.window, self.frame.image_shape
        scale = np.array([(window[2] - window[0]) / height, (window[3] - window[1]) / width])
        place, box = self.objects.places[number], self.seen.anchors[anchor]
        if not self.objects.are_boxes:
            return {}
        size, own = (place[2:] - place[:2]) * scale, (box[2:] - box[:2]) * scale
        return {"height": float(size[0]), "width": float(size[1]), "anchor_height": float(own[0]), "anchor_width": float(own[1])}
