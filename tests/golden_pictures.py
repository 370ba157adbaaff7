"""Small pictures, one a drawing function, that tests/visualize/test_golden_pictures.py holds against the files in tests/golden/visualize.

`python tests/golden_pictures.py` writes the files anew. Look at them before they are committed.
"""

import io
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib import pyplot as plt

from mrcnn import visualize
from mrcnn.ops import boxes as box_ops
from mrcnn.results import Detections
from mrcnn.visualize import training_curves

FOLDER = Path(__file__).parent / "golden" / "visualize"
NAMES = ["BG", "ring", "square", "moon"]
HEIGHT, WIDTH = 90, 120


def photo():
    """A gradient from dark to light, [90, 120, 3] uint8."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([40 + x, 60 + y, 200 - x], axis=-1).astype(np.uint8)


def masks():
    """A ring, a square over its edge, a moon at the border: [90, 120, 3] bool."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(y - 38, x - 36)
    square = (y >= 45) & (y < 78) & (x >= 50) & (x < 83)
    moon = (np.hypot(y - 20, x - 105) < 22) & (np.hypot(y - 14, x - 96) >= 16)
    return np.stack([(distance < 26) & (distance >= 12) & ~square, square, moon], axis=-1)


def detections():
    """The three, the square two pixels off and one too many."""
    found = masks()
    found[:, :, 1] = np.roll(found[:, :, 1], 2, axis=1)
    extra = np.zeros((HEIGHT, WIDTH, 1), bool)
    extra[60:85, 5:30] = True
    found = np.concatenate([found, extra], axis=2)
    return Detections(box_ops.from_masks(found), [1, 2, 3, 2], [0.98, 0.9, 0.75, 0.6], found)


def instances():
    found = detections()
    given = found["rois"], found["masks"], found["class_ids"], NAMES, found["scores"]
    return visualize.display_instances(photo(), *given, title="instances", figsize=(4, 3.5))


def differences():
    truth, found = masks(), detections()
    _, ax = plt.subplots(figsize=(4, 3.5))
    given = (found["rois"], found["class_ids"], found["scores"], found["masks"])
    return visualize.display_differences(photo(), box_ops.from_masks(truth), np.array([1, 2, 3]), truth, *given, NAMES, ax=ax)


def images():
    shown = [photo(), masks()[:, :, 0], photo() / 255, photo()[:, :, 0]]
    return visualize.display_images(shown, ["photo", "mask", "floats", "one channel"], cols=4, cmap="gray")


def top_masks():
    return visualize.display_top_masks(photo(), masks(), np.array([1, 2, 3]), NAMES, limit=4)


def boxes():
    _, ax = plt.subplots(figsize=(4, 3.5))
    before, after = detections()["rois"] - 4, detections()["rois"]
    captions = ["ring", "square", "moon", ""]
    return visualize.draw_boxes(photo(), before, after, captions=captions, visibilities=[2, 1, 1, 0], title="boxes", ax=ax)


def rois():
    found = detections()
    small = np.stack([cv2.resize(found["masks"][y1:y2, x1:x2, i].astype(np.float32), (14, 14)) for i, (y1, x1, y2, x2) in enumerate(found["rois"])])
    return visualize.draw_rois(photo(), found["rois"], found["rois"] + 3, small, np.array([1, 2, 3, 0]), NAMES)


def overlaps():
    return visualize.plot_overlaps([1, 2, 3], [1, 2, 2], [0.98, 0.9, 0.6], np.array([[1.0, 0.1, 0], [0.05, 0.83, 0], [0, 0, 0.6]]), NAMES)


def precision_recall():
    return visualize.plot_precision_recall(0.7, np.array([1, 1, 0.8, 0.8, 0]), np.array([0, 0.4, 0.4, 0.9, 1]))


def history():
    return visualize.plot_history({"loss": [3, 2, 1.5], "val_loss": [3.2, 2.5, 2.4], "val_mean_average_precision": [0.1, 0.3, 0.4]})


def run_curves():
    epochs = np.arange(1, 6)
    table = {"epoch": epochs, "learning_rate": np.full(5, 1e-3), "val_map": epochs / 6}
    table |= {name: 2 / epochs for name in training_curves.LOSSES} | {f"val_{name}": 2.5 / epochs for name in training_curves.LOSSES}
    return training_curves.draw_run(table, [(0, "heads"), (1, "all of the layers"), (2, "4+")], "run")


def render():
    return visualize.draw_instances(photo(), detections(), NAMES, show_captions=False, enlarge=2)


def render_captions():
    return visualize.draw_instances(photo(), detections(), NAMES, track_ids=[1, 2, 3, 4], enlarge=4)


def verdicts():
    return visualize.draw_results([photo()], [masks()], [[1, 2, -3]], [detections().select([1, 2, 3])], NAMES, width=500)


#: Drawn with matplotlib, and how large the files are: dots an inch.
FIGURES = {
    instances: 60, differences: 60, images: 32, top_masks: 32, boxes: 60, rois: 24, overlaps: 36, precision_recall: 40, history: 36, run_curves: 36,
}  # fmt: skip
#: Drawn with OpenCV: without text, and with it.
ARRAYS, WRITTEN = (render,), (render_captions, verdicts)


def draw(function):
    """Draw one: [H, W, 3] uint8 RGB."""
    dpi = FIGURES.get(function)
    if dpi is None:
        return function()
    with matplotlib.rc_context({"figure.dpi": dpi, "font.family": "DejaVu Sans"}):  # the font that matplotlib brings along
        figure, content = function(), io.BytesIO()
        figure.savefig(content, format="png", dpi=dpi)
        plt.close(figure)
    return cv2.imdecode(np.frombuffer(content.getvalue(), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def load(function):
    """Read the file of one: [H, W, 3] uint8 RGB."""
    return cv2.imread(str(FOLDER / f"{function.__name__}.png"))[:, :, ::-1]


def main():
    matplotlib.use("agg")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for function in (*FIGURES, *ARRAYS, *WRITTEN):
        cv2.imwrite(str(FOLDER / f"{function.__name__}.png"), draw(function)[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
