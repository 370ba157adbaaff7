"""Thresholds of each class that were tuned for a weight file: the JSON beside it, and detection with them."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mrcnn import fetch, files
from mrcnn.evaluation.tuning import Setting
from mrcnn.inference import candidates, predict
from mrcnn.inference.two_parts import TwoParts
from mrcnn.results import Detections, SmallMasks

SUFFIX = ".thresholds.json"
FORMAT = "mrcnn.thresholds 1"


@dataclass(frozen=True)
class Thresholds:
    """What each class's detections have to pass.

    Attributes:
        class_names: [K], background first.
        settings: {class id: Setting}, of every class but background.
        weights_sha256: Of the weight file they were tuned for; None: of none in particular.
        figures: How they were tuned and what they are worth, for people.
    """

    class_names: tuple[str, ...]
    settings: dict[int, Setting]
    weights_sha256: str | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sorted(self.settings) != list(range(1, len(self.class_names))):
            raise ValueError(f"thresholds need a setting for each class id from 1 to {len(self.class_names) - 1}; got {sorted(self.settings)}")
        for class_id, setting in self.settings.items():
            numbers = asdict(setting)
            if any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in numbers.values()) or not (
                0 <= setting.score <= 1 and 0 <= setting.nms <= 1 and 0 < setting.mask < 1 and setting.min_area >= 0
            ):
                raise ValueError(
                    f"thresholds of {self.class_names[class_id]}: score and nms from 0 to 1, mask between 0 and 1 and min_area of at least 0 are "
                    f"expected; got {numbers}"
                )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write them as JSON, whole or not at all."""
        classes = [{"class_id": i, "name": self.class_names[i], **asdict(self.settings[i])} for i in sorted(self.settings)]
        content = {"format": FORMAT, "weights_sha256": self.weights_sha256, "background": self.class_names[0], "classes": classes}
        files.write(os.fspath(path), json.dumps({**content, "figures": self.figures}, indent=1))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Thresholds":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is another file, or what it says is impossible.
        """
        with open(path, "rb") as file:
            data = file.read()
        try:
            content = json.loads(data)
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r}, {FORMAT!r} is expected")
            classes = sorted(content["classes"], key=lambda one: one["class_id"])
            names = (content["background"], *(one["name"] for one in classes))
            settings = {one["class_id"]: Setting(**{name: one[name] for name in ("score", "nms", "mask", "min_area")}) for one in classes}
            return cls(names, settings, content["weights_sha256"], content["figures"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{os.fspath(path)} is no file of thresholds as `python -m mrcnn tune` writes it: {error!r}. Tune anew.") from error

    def of_classes(self, name: str) -> np.ndarray:
        """Return a value of each class, [K] float64, background's 0: "score", "nms", "mask" or "min_area"."""
        return np.array([0.0, *(getattr(self.settings[i], name) for i in range(1, len(self.class_names)))])


def beside(weights: str | os.PathLike[str]) -> str:
    """Return the path of the thresholds of a weight file."""
    return os.fspath(weights) + SUFFIX


def load_for(weights: str | None, path: str | os.PathLike[str] | None, num_classes: int) -> Thresholds:
    """Read thresholds and check that they are those of a network.

    Args:
        weights: The file that the network's weights came from; None: they were not loaded.
        path: Of the thresholds; None: beside the weights.
        num_classes: K of the network.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file, of other classes, or tuned for other weights.
    """
    if path is None and weights is None:
        raise ValueError("No weights were loaded, so there are no thresholds beside them: call load_weights first, or pass the path.")
    path = beside(weights) if path is None else os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"No thresholds at {path}: `python -m mrcnn tune --weights …` makes them.")
    found = Thresholds.load(path)
    if len(found.class_names) != num_classes:
        raise ValueError(f"{path} is of {len(found.class_names)} classes with background, the network has NUM_CLASSES = {num_classes}.")
    if found.weights_sha256 and weights is not None and (digest := fetch.digest(weights, "sha256")) != found.weights_sha256:
        raise ValueError(
            f"{path} was tuned for other weights (SHA-256 {found.weights_sha256[:12]}…) than {weights} ({digest[:12]}…): tune for these. To use it "
            "all the same: mrcnn.inference.thresholds.Thresholds.load(path)."
        )
    return found


def detect(
    parts: TwoParts, inputs: Sequence[np.ndarray], thresholds: Thresholds, *, verbose: int = 0, lazy_masks: bool = False
) -> list[Detections]:
    """Detect with thresholds of each class in place of the configuration's.

    Args:
        parts: Of the network.
        inputs: Images [H, W, C], RGB.
        thresholds: Of the network's classes.
        verbose, lazy_masks: See `Predictor.detect`.

    Returns:
        Detections of each image, in order. The most confident DETECTION_MAX_INSTANCES are taken before those with too small a mask are dropped.

    Raises:
        ValueError: thresholds of other classes.
    """
    config = parts.predictor.config
    num_classes = config.NUM_CLASSES
    if not isinstance(thresholds, Thresholds) or len(thresholds.class_names) != num_classes:
        what = f"of {len(thresholds.class_names)} classes" if isinstance(thresholds, Thresholds) else repr(thresholds)
        raise ValueError(f"thresholds {what}: what load_thresholds() returns is expected, of NUM_CLASSES = {num_classes}")
    scores, nms, cuts, areas = (thresholds.of_classes(name) for name in ("score", "nms", "mask", "min_area"))
    images = parts.predictor.checked(inputs)
    results: list[Detections | None] = [None] * len(images)
    for i, molded, outputs in parts.predictor.answers(images, verbose):
        found = parts.candidates_of(outputs, molded)
        kept, _ = candidates.chosen(found, min_confidence=scores, nms_threshold=nms, max_instances=parts.max_instances)
        chosen = found.select(kept)
        rois, class_ids, values, small, rows = predict.unmold_rows(
            *parts.rows(chosen, outputs, molded), images[i].shape, molded.image.shape, molded.window
        )
        waiting = Detections(rois, class_ids, values, cut_at(small, cuts[class_ids]), window=molded.window)
        told = parts.attributes_of(chosen, outputs)
        if told is not None:
            waiting.attributes, waiting.attribute_min_confidence = told[rows], config.ATTRIBUTE_MIN_CONFIDENCE
        if areas.any():
            waiting = waiting.select(waiting.areas >= areas[class_ids])
        if not lazy_masks:
            waiting["masks"]  # noqa: B018  reading makes planes of them
        results[i] = waiting
    return results


class WithThresholds:
    """A network that detects with thresholds of each class; takes the place of a MaskRCNN for `detect` and for measuring.

    Args:
        model: MaskRCNN in inference mode, its weights loaded.
        path: Of the thresholds; None: beside the weights.

    Attributes:
        config: The model's.
        thresholds: That were read.

    Raises:
        FileNotFoundError, ValueError: see `load_for`; or the network has suppression that thresholds can't be used with.
    """

    def __init__(self, model: Any, path: str | os.PathLike[str] | None = None):
        self.model, self.config, self.thresholds = model, model.config, model.load_thresholds(path)
        self.detect([])  # what they can't be used with is refused here, not photo by photo

    def detect(self, images: Sequence[np.ndarray], verbose: int = 0, *, lazy_masks: bool = False) -> list[Detections]:
        """Detect as `MaskRCNN.detect` does."""
        return self.model.detect(images, verbose, lazy_masks=lazy_masks, thresholds=self.thresholds)


def cut_at(small: SmallMasks, thresholds: np.ndarray) -> SmallMasks:
    """Return masks that, cut at 0.5 as always, are these cut at another probability.

    Enlarging is linear, 0 around the mask included: a mask cut at t is the mask times 0.5 / t cut at 0.5.

    Args:
        small: N masks.
        thresholds: [N], above 0.
    """
    factors = (0.5 / np.asarray(thresholds, np.float64)).astype(np.float32)
    return SmallMasks(small.masks * factors[:, None, None], small.boxes, small.image_shape)
