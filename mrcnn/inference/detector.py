"""The Predictor with what `MaskRCNN.detect` offers on top of plain detection."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mrcnn.inference import explain as explaining
from mrcnn.inference import predict, two_parts
from mrcnn.inference import thresholds as class_thresholds
from mrcnn.results import Detections


class Detector(predict.Predictor):
    """See `predict.Predictor`."""

    @functools.cached_property
    def two_parts(self) -> two_parts.TwoParts:
        """The network cut before its last choice; made when it is first asked for."""
        return two_parts.TwoParts(self.model, self.config)

    def detect_asked(
        self, inputs: Sequence[np.ndarray], verbose: int, *, lazy_masks: bool, explain: bool, objects: Any,
        thresholds: class_thresholds.Thresholds | None, random_layers: Callable[[], Sequence[str]],
    ) -> list[Detections]:  # fmt: skip
        """Detect as `MaskRCNN.detect` is asked to; arguments as there.

        Args:
            random_layers: Names the layers that were never loaded or trained; called where they are explained.

        Raises:
            ValueError: explain together with thresholds.
        """
        explain = explain or objects is not None
        if thresholds is not None and explain:
            raise ValueError("explain tells what the configuration's thresholds do: leave out thresholds, or explain and objects.")
        if thresholds is not None:
            return class_thresholds.detect(self.two_parts, inputs, thresholds, verbose=verbose, lazy_masks=lazy_masks)
        if explain:
            return explaining.detect(self, inputs, objects, verbose=verbose, lazy_masks=lazy_masks, random_layers=random_layers())
        return self.detect(inputs, verbose, lazy_masks=lazy_masks)
