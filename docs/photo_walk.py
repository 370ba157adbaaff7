"""The photo of how_it_works.md and its way through the network; draw_how_it_works.py draws what is gathered here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config
from mrcnn.data import synthetic
from mrcnn.inference import explain, predict
from mrcnn.ops import boxes as box_ops
from samples.fashion import fashion_config

NAMES = ["BG", *synthetic.CLASS_NAMES]
#: The photo: series and number of the scene, side as drawn, columns that are kept. Training took series 0.
SERIES, NUMBER, SIDE, COLUMNS = 7, 4, 512, slice(64, 448)
EXAMPLE = "bag"  # class of the detection that is followed through RoIAlign and heads
LEVELS = ("P2", "P3", "P4", "P5", "P6")


class InspectedConfig(fashion_config.Small):
    """The fashion sample's small network, one photo at a time."""

    NUM_CLASSES = len(NAMES)
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = Config.DETECTION_MIN_CONFIDENCE  # the library's; the sample keeps more, for its mAP


class OnePhoto(utils.Dataset):
    """A data set of one photo with its instances."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = synthetic.scene(SERIES, NUMBER, SIDE)
        for class_id, name in enumerate(NAMES[1:], start=1):
            self.add_class("scenes", class_id, name)
        self.add_image("scenes", image_id=f"{SERIES}/{NUMBER}", path=None)
        self.prepare()

    def load_image(self, image_id: int) -> np.ndarray:
        return self.scene.image[:, COLUMNS].copy()

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        return self.scene.masks[:, COLUMNS].copy(), self.scene.class_ids.copy()


@dataclass(frozen=True)
class Walk:
    """One photo's way through the network.

    Attributes:
        photo: [H, W, 3] uint8.
        molded: what the network gets.
        config, model: of the network.
        outputs: its seven answers for the photo, see `build.build`.
        frame, seen: the boxes of each stage, in pixels of the photo; see `explain.stages`.
        class_ids, boxes, masks: the truth as training has it: [N], [N, 4] in pixels of the molded image, [H, W, N].
        inside: tensors of the network by name.
    """

    photo: np.ndarray
    molded: predict.Molded
    config: Config
    model: modellib.MaskRCNN
    outputs: list[np.ndarray]
    frame: explain.Frame
    seen: explain.Stages
    class_ids: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray
    inside: dict[str, np.ndarray]

    @property
    def pale(self) -> np.ndarray:
        """The photo, lighter, so that what is drawn on it stands out."""
        return (0.5 * self.photo + 127).astype(np.uint8)

    def to_photo(self, boxes: np.ndarray) -> np.ndarray:
        """Bring boxes [N, 4] from pixels of the molded image to pixels of the photo."""
        return self.frame.to_photo(box_ops.normalize(np.asarray(boxes), self.frame.network_shape))

    @property
    def example(self) -> int:
        """Place among the chosen of the detection that several pictures follow: the best one of class EXAMPLE."""
        names = [NAMES[k] for k in self.seen.candidates.class_ids[self.seen.chosen]]
        return names.index(EXAMPLE) if EXAMPLE in names else 0


def walk(weights: str | None, config: Config | None = None) -> Walk:
    """Send the photo through the network.

    Args:
        weights: a checkpoint of the configuration's network; None: random weights, for a test.
        config: None: `InspectedConfig`.
    """
    config = config or InspectedConfig()
    model = modellib.MaskRCNN("inference", config, "logs")
    if weights is not None:
        model.load_weights(weights, by_name=True)
    dataset = OnePhoto()
    photo = dataset.load_image(0)
    predictor = predict.Predictor(model.keras_model, config)
    [(_, molded, outputs)] = predictor.answers([photo])
    frame = explain.Frame(photo.shape[:2], molded.image.shape[:2], molded.window)
    seen = explain.stages(model.keras_model, outputs, predictor.anchors(molded.image.shape), frame)
    _, _, class_ids, boxes, masks = modellib.load_image_gt(dataset, config, 0, use_mini_mask=False)
    layer = model.keras_model.get_layer
    tensors = {f"C{level}": layer(name).input for level, name in ((2, "fpn_c2p2"), (3, "fpn_c3p3"), (4, "fpn_c4p4"), (5, "fpn_c5p5"))}
    tensors |= {name: layer(f"fpn_{name.lower()}").output for name in LEVELS}
    tensors |= {"rois": layer("ROI").output, "cut": layer("roi_align_classifier").output}
    inside = {name: value[0] for name, value in model.run_graph([photo], list(tensors.items())).items()}
    return Walk(photo, molded, config, model, outputs, frame, seen, class_ids, boxes, masks, inside)
