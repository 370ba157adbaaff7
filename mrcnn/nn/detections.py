"""From the heads' answers to detections: class, refined box, confidence, suppression. Source: Mask R-CNN, section 3.1, inference."""

from typing import Any

import keras
from keras import ops

from mrcnn.nn.layers import BoxLayer, image_shapes, windows
from mrcnn.ops import nms, sampling, tensor_boxes

Tensor = Any


#: What becomes of a detection that overlaps a better one, see `refine`.
NMS_METHODS = ("hard", "linear", "gaussian")


def refine(
    rois: Tensor, probs: Tensor, deltas: Tensor, window: Tensor, *, max_instances: int, min_confidence: float | None, nms_threshold: float,
    std_dev: Any, max_log: float | None = None, nms_method: str = "hard", nms_sigma: float = 0.5, nms_per_class: bool = True,
) -> Tensor:  # fmt: skip
    """Refine rois into detections.

    Args:
        rois: [B, R, 4] in the unit square.
        probs: [B, R, K].
        deltas: [B, R, K, 4].
        window: [B, 4] in the unit square: where the real image is.
        max_instances: D, rows of the result.
        min_confidence: Lesser detections are dropped; 0 or None: none. With soft-NMS the final scores decide.
        nms_threshold: Intersection over union above which the lesser detection of the same class is dropped ("hard"), or from which on its score
            is lowered ("linear").
        std_dev: Factors of the deltas, [4].
        max_log: See `tensor_boxes.decode`.
        nms_method: "hard": dropped. "linear" or "gaussian": its score is lowered, see `nms.soften`; one of score 0 is dropped.
        nms_sigma: Of "gaussian".
        nms_per_class: False: detections of different classes suppress one another too.

    Returns:
        [B, D, (y1, x1, y2, x2, class id, score)] float32, best first, zero rows at the end. A box may have no area left after clipping.
    """
    return refine_and_trace(
        rois, probs, deltas, window, max_instances=max_instances, min_confidence=min_confidence, nms_threshold=nms_threshold, std_dev=std_dev,
        max_log=max_log, nms_method=nms_method, nms_sigma=nms_sigma, nms_per_class=nms_per_class,
    )[0]  # fmt: skip


def refine_and_trace(
    rois: Tensor, probs: Tensor, deltas: Tensor, window: Tensor, *, max_instances: int, min_confidence: float | None, nms_threshold: float,
    std_dev: Any, max_log: float | None = None, nms_method: str = "hard", nms_sigma: float = 0.5, nms_per_class: bool = True,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """As `refine`, with the place among the rois that each detection comes from: [B, D] int32, any in rows without one."""
    class_ids = ops.cast(ops.argmax(probs, axis=-1), "int32")  # [B, R]
    scores = ops.max(probs, axis=-1)
    chosen = ops.take_along_axis(deltas, class_ids[..., None, None], axis=2)[:, :, 0]  # [B, R, 4]
    boxes = tensor_boxes.decode(rois, chosen * ops.convert_to_tensor(std_dev, dtype="float32"), max_log)
    boxes = tensor_boxes.clip(boxes, window[:, None])
    candidates = class_ids > 0
    if min_confidence:
        candidates = ops.logical_and(candidates, scores >= min_confidence)

    if nms_method == "hard":
        ranked, order = ops.top_k(ops.where(candidates, scores, -1.0), scores.shape[1])
        order = ops.cast(order, "int32")
        sorted_boxes, sorted_ids = sampling.take_rows(boxes, order), sampling.take_rows(class_ids, order)
        kept = nms.suppress(sorted_boxes, ranked >= 0.0, nms_threshold, groups=sorted_ids if nms_per_class else None)
        places, filled = nms.select(kept, max_instances)
        indices = sampling.take_rows(order, places)
        final = sampling.take_rows(scores, indices)
    else:
        indices, final, filled = nms.soften(
            boxes, scores, candidates, max_instances, method=nms_method, threshold=nms_threshold, sigma=nms_sigma,
            groups=class_ids if nms_per_class else None,
        )  # fmt: skip
        # One that was too low before takes part in nothing: those taken before it are better, and those after it are lower still.
        filled = ops.logical_and(filled, final >= min_confidence if min_confidence else final > 0.0)
    rows = [sampling.take_rows(boxes, indices), ops.cast(sampling.take_rows(class_ids, indices), "float32")[..., None], final[..., None]]
    return ops.where(filled[..., None], ops.concatenate(rows, axis=-1), 0.0), indices


@keras.saving.register_keras_serializable("mrcnn")
class DetectionLayer(BoxLayer):
    """`refine` as a layer. Arguments as there.

    Call with [rois [B, R, 4], mrcnn_class [B, R, K], mrcnn_bbox [B, R, K, 4], image_meta [B, 12 + K]]; returns [B, max_instances, 6]. With a fifth
    input, answers of other heads on the rois [B, R, A], also their rows of the detections, [B, max_instances, A].
    """

    def __init__(
        self, max_instances: int, min_confidence: float | None, nms_threshold: float, std_dev: Any = (0.1, 0.1, 0.2, 0.2),
        max_log: float | None = None, nms_method: str = "hard", nms_sigma: float = 0.5, nms_per_class: bool = True, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if nms_method not in NMS_METHODS:
            raise ValueError(f"nms_method = {nms_method!r}: one of {', '.join(NMS_METHODS)} is expected")
        self.max_instances, self.min_confidence, self.nms_threshold = max_instances, min_confidence, nms_threshold
        self.std_dev, self.max_log = [float(s) for s in std_dev], max_log
        self.nms_method, self.nms_sigma, self.nms_per_class = nms_method, nms_sigma, nms_per_class

    def call(self, inputs: list[Tensor]) -> Tensor | tuple[Tensor, ...]:
        rois, probs, deltas, image_meta, *others = inputs
        heights, widths = image_shapes(image_meta)
        window = tensor_boxes.normalize(windows(image_meta), heights, widths)
        detections, rows = refine_and_trace(
            rois, ops.cast(probs, "float32"), ops.cast(deltas, "float32"), window, max_instances=self.max_instances,
            min_confidence=self.min_confidence, nms_threshold=self.nms_threshold, std_dev=self.std_dev, max_log=self.max_log,
            nms_method=self.nms_method, nms_sigma=self.nms_sigma, nms_per_class=self.nms_per_class,
        )  # fmt: skip
        return (detections, *(sampling.take_rows(other, rows) for other in others)) if others else detections

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> Any:
        widths = [6, *(shape[-1] for shape in input_shape[4:])]
        shapes = [(input_shape[0][0], self.max_instances, width) for width in widths]
        return tuple(shapes) if len(shapes) > 1 else shapes[0]

    def get_config(self) -> dict[str, Any]:
        names = ("max_instances", "min_confidence", "nms_threshold", "std_dev", "max_log", "nms_method", "nms_sigma", "nms_per_class")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
