"""Draw the pictures of how_it_works.md: every stage of Mask R-CNN on one embedded scene that the network never saw.

    python samples/fashion/fashion.py train --stages all:2e-3:24:warmup@125+cosine --augment flip
    python docs/draw_how_it_works.py --weights logs/fashion.../mask_rcnn_fashion_0024.h5

Any checkpoint of the fashion sample's small variant will do. A picture shows what the library computed: boxes come from `inference.explain.stages`,
targets from the functions that training calls, activations from `MaskRCNN.run_graph`. Nothing is drawn by hand.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from docs.photo_walk import LEVELS, NAMES, Walk, walk  # noqa: E402
from mrcnn import model as modellib  # noqa: E402
from mrcnn import utils, visualize  # noqa: E402
from mrcnn.data import rpn_targets  # noqa: E402
from mrcnn.inference import candidates, predict  # noqa: E402
from mrcnn.nn import roi_align as levels_of_rois  # noqa: E402
from mrcnn.nn.targets import DetectionTargets  # noqa: E402
from mrcnn.ops import boxes as box_ops  # noqa: E402
from mrcnn.ops import masks as mask_ops  # noqa: E402
from mrcnn.ops import roi_align  # noqa: E402
from mrcnn.visualize import colors, figures  # noqa: E402

OUTPUT = ROOT / "docs" / "images" / "how_it_works"
SHOWN = 60  # best anchors by score in the picture of the proposals
DPI = 100
QUALITY = 85  # of the JPEGs


# --- One function a picture ------------------------------------------------------------------------------------------------


def molding(w: Walk) -> Figure:
    """The photo, resized and padded, less the mean."""
    figure, axes = _row(3, 4.2, widths=(0.75, 1, 1))
    height, width = w.photo.shape[:2]
    figures.draw_photo(axes[0], w.photo, f"the photo: {height} × {width}")
    resized = modellib.unmold_image(w.molded.image, w.config)
    rows, columns = resized.shape[:2]
    axes[1].imshow(resized)
    figures.draw_rectangle(axes[1], w.molded.window, "orange", alpha=1)
    scale = (w.molded.window[2] - w.molded.window[0]) / height
    axes[1].set_title(f"resized (× {scale:g}) and padded: {rows} × {columns}\nwindow {tuple(int(v) for v in w.molded.window)}")
    drawn = axes[2].imshow(w.molded.image[..., 0], cmap="RdBu_r", vmin=-150, vmax=150)
    axes[2].set_title(f"less MEAN_PIXEL, red channel:\n{w.molded.image[..., 0].min():.0f} to {w.molded.image[..., 0].max():.0f}")
    for ax in axes[1:]:
        ax.set(xticks=[], yticks=[])
    figure.colorbar(drawn, ax=axes[2], fraction=0.046, pad=0.03)
    return figure


def pyramid(w: Walk) -> Figure:
    """Mean activation of the backbone's stages and of the pyramid's levels."""
    figure, axes = plt.subplots(2, 6, figsize=(10, 4.1), layout="constrained")
    figures.draw_photo(axes[0, 0], modellib.unmold_image(w.molded.image, w.config), "molded")
    for ax in (axes[1, 0], axes[0, 5]):
        ax.axis("off")
    for row, names in enumerate((("C2", "C3", "C4", "C5"), LEVELS)):
        for ax, name in zip(axes[row, 1:], names, strict=False):
            feature = w.inside[name]
            ax.imshow(np.abs(feature).mean(axis=-1), cmap="viridis")
            ax.set_title(f"{name}: {feature.shape[0]} × {feature.shape[1]} × {feature.shape[2]}", fontsize=9)
            ax.set(xticks=[], yticks=[])
    return figure


def anchors(w: Walk) -> Figure:
    """The grid of each level and the anchors of one cell."""
    figure, axes = _row(5, 2.4)
    image = modellib.unmold_image(w.molded.image, w.config)
    rows, columns = image.shape[:2]
    pale = (0.5 * image + 127).astype(np.uint8)
    everything = w.model.anchors
    ratios, first = len(w.config.RPN_ANCHOR_RATIOS), 0
    for ax, name, scale in zip(axes, LEVELS, w.config.RPN_ANCHOR_SCALES, strict=True):
        height, width = w.inside[name].shape[:2]
        ax.imshow(pale)
        level = everything[first : first + height * width * ratios]
        centres = (level[::ratios, :2] + level[::ratios, 2:]) / 2
        ax.plot(centres[:, 1], centres[:, 0], ".", markersize=1.5 if height > 16 else 3, color="dimgray")
        middle = (height // 2 * width + width // 2) * ratios
        for box, color in zip(level[middle : middle + ratios], ("C0", "C1", "C2"), strict=False):
            figures.draw_rectangle(ax, box, color, alpha=1)
        ax.set(xlim=(-32, columns + 32), ylim=(rows + 32, -32), xticks=[], yticks=[])
        ax.set_title(f"{name}: {height} × {width} cells\nanchors of {scale} px", fontsize=9)
        ax.axis("off")
        first += height * width * ratios
    return figure


def targets_of_anchors(w: Walk) -> Figure:
    """Anchors by label, before the sample is drawn."""
    match, deltas = rpn_targets.build(
        w.model.anchors, w.class_ids, w.boxes, num_anchors=len(w.model.anchors), std_dev=w.config.RPN_BBOX_STD_DEV, sample=False,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    positive, negative, neutral = (np.flatnonzero(match == label) for label in (1, -1, 0))
    moved = utils.apply_box_deltas(w.model.anchors[positive], deltas[: len(positive)] * w.config.RPN_BBOX_STD_DEV)
    figure, axes = _row(3, 4.6)
    overlaps = utils.compute_overlaps(moved, w.boxes).argmax(axis=1)
    of_object = colors.random_colors(len(w.boxes), seed=1)
    _boxes(axes[0], w, w.to_photo(w.boxes), of_object, f"{len(positive)} positive (dotted), their objects")
    for box, number in zip(w.to_photo(w.model.anchors[positive]), overlaps, strict=True):
        figures.draw_rectangle(axes[0], box, of_object[number], ":", 0.8)
    rng = np.random.default_rng(0)
    for ax, places, title in ((axes[1], neutral, "neutral"), (axes[2], negative, "negative")):
        chosen = rng.choice(places, min(25, len(places)), replace=False)
        shown = w.to_photo(w.model.anchors[chosen])
        _boxes(ax, w, shown, ["dimgray" if title == "neutral" else "tab:red"] * len(shown), f"{len(shown)} of {len(places)} {title}", ":")
    return figure


def scores(w: Walk) -> Figure:
    """The RPN's probability of an object on each level: the best anchor of each cell."""
    figure, axes = _row(6, 2.1)
    figures.draw_photo(axes[0], modellib.unmold_image(w.molded.image, w.config), "molded")
    axes[0].title.set_fontsize(10)
    ratios, first = len(w.config.RPN_ANCHOR_RATIOS), 0
    for ax, name, scale in zip(axes[1:], LEVELS, w.config.RPN_ANCHOR_SCALES, strict=True):
        height, width = w.inside[name].shape[:2]
        level = w.seen.rpn_scores[first : first + height * width * ratios].reshape(height, width, ratios)
        drawn = ax.imshow(level.max(axis=-1), cmap="magma", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"{name}, {scale} px", fontsize=10)
        first += height * width * ratios
    figure.colorbar(drawn, ax=axes[-1], fraction=0.046, pad=0.03)
    return figure


def proposals(w: Walk) -> Figure:
    """The best anchors, moved and clipped, and what suppression leaves of them."""
    best = w.seen.order[:SHOWN]
    of_box = colors.random_colors(len(best), seed=2)
    kept = w.seen.kept[w.seen.kept < len(best)]
    figure, axes = _row(3, 4.6)
    _boxes(axes[0], w, w.seen.anchors[best], of_box, f"the {len(best)} anchors of best score", ":")
    _boxes(axes[1], w, w.seen.rpn_boxes[best], of_box, "moved by the RPN's deltas, clipped")
    _boxes(axes[2], w, w.seen.rpn_boxes[w.seen.order[kept]], [of_box[i] for i in kept], f"{len(kept)} of them after NMS")
    return figure


def targets_of_rois(w: Walk) -> Figure:
    """The sampled rois with their objects, and the masks that the positive ones should answer."""
    config = w.config
    layer = DetectionTargets(config.TRAIN_ROIS_PER_IMAGE, config.ROI_POSITIVE_RATIO, config.MASK_SHAPE, config.BBOX_STD_DEV, use_mini_mask=False)
    truth = box_ops.normalize(w.boxes, w.frame.network_shape).astype(np.float32)
    rois, class_ids, deltas, masks = (
        np.asarray(part)[0] for part in layer([w.inside["rois"][None], w.class_ids[None].astype(np.int32), truth[None], w.masks[None]])
    )
    positive = np.flatnonzero(class_ids > 0)
    negative = np.flatnonzero((class_ids == 0) & rois.any(axis=1))
    figure = plt.figure(figsize=(10, 4.1), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(0.31, 0.69))
    ax = left.subplots()
    _boxes(ax, w, w.frame.to_photo(rois[negative]), ["dimgray"] * len(negative), f"{len(positive)} positive rois, {len(negative)} negative", ":")
    of_roi = colors.random_colors(len(positive), seed=3)
    moved = utils.apply_box_deltas(rois[positive], deltas[positive] * config.BBOX_STD_DEV)
    for before, after, color in zip(w.frame.to_photo(rois[positive]), w.frame.to_photo(moved), of_roi, strict=True):
        figures.draw_rectangle(ax, before, color, ":", 1)
        figures.draw_rectangle(ax, after, color, "-", 1)
        ax.plot([before[1], after[1]], [before[0], after[0]], color=color, linewidth=1)
    shown = positive[:10]
    grid = right.subplots(2, 5)
    for ax in grid.flat[len(shown) :]:
        ax.axis("off")
    for ax, i, color in zip(grid.flat, shown, of_roi, strict=False):
        ax.set(xticks=[], yticks=[])
        ax.imshow(masks[i], cmap="gray", vmin=0, vmax=1)
        ax.set_title(NAMES[class_ids[i]], fontsize=10, color=[0.7 * c for c in color])
    right.suptitle(f"class and mask ({masks.shape[1]} × {masks.shape[2]}) that the positive ones should answer", fontsize=11)
    return figure


def cutting(w: Walk) -> Figure:
    """Level of a roi by its size; the samples that RoIAlign takes; what comes out."""
    figure, axes = _row(3, 3.7, widths=(1.1, 1.1, 1))
    sides = np.sqrt(box_ops.area(w.inside["rois"][: len(w.seen.kept)] * (np.array(w.frame.network_shape * 2) - 1)))
    edges = levels_of_rois.CANONICAL_SIZE * 2.0 ** np.array([-1.5, -0.5, 0.5])
    for low, high, name, color in zip([8, *edges], [*edges, 640], LEVELS, ("C0", "C1", "C2", "C3"), strict=False):
        axes[0].axvspan(low, high, color=color, alpha=0.25, linewidth=0)
        axes[0].text(np.sqrt(low * high), 1.02, name, ha="center", va="bottom", transform=axes[0].get_xaxis_transform())
    axes[0].hist(sides, bins=np.geomspace(8, 640, 40), color="dimgray")
    axes[0].set(xscale="log", xlim=(8, 640), xlabel="√(height · width) of a roi, pixels of the molded image", ylabel=f"of {len(sides)} proposals")
    axes[0].set_xticks([10, 32, *edges], ["10", "32", *(f"{edge:.0f}" for edge in edges)])
    axes[0].minorticks_off()

    found, pool = w.example, w.config.POOL_SIZE
    row = w.seen.candidates.rows[w.seen.chosen[found]]
    box, feature = w.inside["rois"][row], w.inside["P2"]
    height, width = feature.shape[:2]
    map_of_places = np.stack(np.mgrid[:height, :width], axis=-1).astype(np.float32)
    samples = np.asarray(
        roi_align.crop_portable([map_of_places[None]], box[None, None].astype(np.float32), np.zeros((1, 1), np.int32), (pool, pool))
    )[0, 0]
    axes[1].imshow(np.abs(feature).mean(axis=-1), cmap="viridis")
    y1, x1, y2, x2 = box * (np.array([height, width] * 2) - 1)
    figures.draw_rectangle(axes[1], (y1 + 0.5, x1 + 0.5, y2 + 0.5, x2 + 0.5), "w", alpha=1)
    axes[1].plot(samples[..., 1].ravel(), samples[..., 0].ravel(), ".", color="orange", markersize=5)
    axes[1].set(xticks=np.arange(width) - 0.5, yticks=np.arange(height) - 0.5, xticklabels=[], yticklabels=[])
    axes[1].grid(color="w", alpha=0.25, linewidth=0.5)
    side = max(y2 - y1, x2 - x1) / 2 + 2
    axes[1].set(xlim=((x1 + x2) / 2 - side, (x1 + x2) / 2 + side), ylim=((y1 + y2) / 2 + side, (y1 + y2) / 2 - side))
    axes[1].tick_params(length=0)
    axes[1].set_title(f"a roi on P2, its {pool} × {pool} samples")
    axes[2].imshow(np.abs(w.inside["cut"][row]).mean(axis=-1), cmap="viridis")
    axes[2].set(xticks=[], yticks=[])
    axes[2].set_title(f"cut out: {pool} × {pool} × {feature.shape[-1]}")
    return figure


def heads(w: Walk) -> Figure:
    """What the three heads say of one roi."""
    found = w.example
    one = w.seen.chosen[found]
    row, class_id = w.seen.candidates.rows[one], w.seen.candidates.class_ids[one]
    before, after = w.frame.to_photo(w.inside["rois"][row]), w.seen.candidate_boxes[one]
    figure = plt.figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(0.62, 0.38))
    box_ax, class_ax = left.subplots(1, 2)
    color = colors.class_color(class_id)
    _boxes(box_ax, w, [before], ["dimgray"], "box: the roi (dotted) and refined", ":")
    figures.draw_rectangle(box_ax, after, color, alpha=1)
    y, x, side = (before[0] + before[2]) / 2, (before[1] + before[3]) / 2, 0.8 * max(before[2] - before[0], before[3] - before[1])
    box_ax.set(xlim=(x - side, x + side), ylim=(y + side, y - side))
    probabilities = w.seen.probs[row]
    class_ax.barh(np.arange(len(NAMES)), probabilities, color=[colors.class_color(k) for k in range(len(NAMES))])
    class_ax.set(yticks=np.arange(len(NAMES)), yticklabels=NAMES, xlim=(0, 1))
    class_ax.invert_yaxis()
    class_ax.set_title(f"class: {NAMES[class_id]} {probabilities[class_id]:.3f}")
    masks = w.outputs[3][found]
    grid = right.subplots(3, 3)
    for k, ax in enumerate(grid.flat):
        ax.imshow(masks[..., k], cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(NAMES[k], fontsize=9, fontweight="bold" if k == class_id else None)
        for spine in ax.spines.values():
            spine.set(color="tab:red" if k == class_id else "none", linewidth=2.5)
    right.suptitle("mask: one a class, the class chooses", fontsize=11)
    return figure


def choosing(w: Walk) -> Figure:
    """Refined boxes by class: all, the confident ones, after suppression within each class."""
    found = w.seen.candidates
    confident = np.flatnonzero(w.seen.suppressed_by != candidates.BELOW)
    figure, axes = _row(3, 4.6)
    stages = (
        (np.arange(len(found.scores)), f"{len(found.scores)} of {len(w.seen.kept)} are no background"),
        (confident, f"{len(confident)} have a score of {w.config.DETECTION_MIN_CONFIDENCE} or more"),
        (w.seen.chosen, f"{len(w.seen.chosen)} after NMS within each class"),
    )
    for ax, (places, title) in zip(axes, stages, strict=True):
        of_box = [colors.class_color(k) for k in found.class_ids[places]]
        names = [f"{NAMES[found.class_ids[i]]} {found.scores[i]:.2f}" for i in places] if places is w.seen.chosen else ()
        _boxes(ax, w, w.seen.candidate_boxes[places], of_box, title, labels=names, size=8)
    return figure


def pasting(w: Walk) -> Figure:
    """A small mask, enlarged to its box, cut at one half; all masks on the photo."""
    pixels, class_ids, certainty, small = predict.unmold(w.outputs[0], w.outputs[3], w.photo.shape, w.molded.image.shape, w.molded.window)
    one = w.seen.detections[int(w.seen.chosen[w.example])]
    y1, x1, y2, x2 = pixels[one]
    enlarged = mask_ops.resize_bilinear(np.asarray(small.masks[one], np.float32), (y2 - y1, x2 - x1))
    figure, axes = _row(4, 3.1)
    for ax, image, title in (
        (axes[0], small.masks[one], f"{NAMES[class_ids[one]]}: {len(small.masks[one])} × {len(small.masks[one])}, 0 to 1"),
        (axes[1], enlarged, f"enlarged to its box: {y2 - y1} × {x2 - x1}"),
        (axes[2], enlarged >= 0.5, "from 0.5 on it is mask"),
    ):
        ax.imshow(image, cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=10)
    visualize.display_instances(
        w.photo, pixels, small, class_ids, NAMES, ax=axes[3], show_bbox=False, captions=[""] * len(pixels), title="all masks on the photo",
        colors=[colors.class_color(k) for k in class_ids],
    )  # fmt: skip
    return figure


PICTURES: dict[str, Callable[[Walk], Figure]] = {
    "01_molding": molding, "02_pyramid": pyramid, "03_anchors": anchors, "04_rpn_targets": targets_of_anchors, "05_rpn_scores": scores,
    "06_proposals": proposals, "07_detection_targets": targets_of_rois, "08_roi_align": cutting, "09_heads": heads, "10_detections": choosing,
    "11_masks": pasting,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw all pictures into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--weights", required=True, help="a checkpoint of the fashion sample's small variant")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the pictures (default: docs/images/how_it_works)")
    options = parser.parse_args(arguments)
    draw(walk(options.weights), options.output)


def draw(w: Walk, folder: Path) -> list[Path]:
    """Draw and save all pictures; returns their files."""
    matplotlib.use("agg")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, picture in PICTURES.items():
        with matplotlib.rc_context({"axes.titlesize": 11, "font.size": 10}):
            figure = picture(w)
            paths.append(folder / f"{name}.jpg")
            figure.savefig(paths[-1], dpi=DPI, pil_kwargs={"quality": QUALITY, "optimize": True})
            plt.close(figure)
    return paths


def _row(count: int, height: float, widths: Sequence[float] | None = None) -> tuple[Figure, np.ndarray]:
    """Axes side by side on a figure of the page's width."""
    figure, axes = plt.subplots(1, count, figsize=(10, height), layout="constrained", width_ratios=widths)
    for ax in axes[:3] if count == 3 and widths is None else ():
        ax.axis("off")
    return figure, axes


def _boxes(
    ax: Axes, w: Walk, boxes: Sequence[np.ndarray], of_box: Sequence[colors.Color | str], title: str, style: str = "-", labels: Sequence[str] = (),
    size: int = 9,
) -> None:  # fmt: skip
    """Draw boxes in pixels of the photo on the pale photo."""
    figures.draw_photo(ax, w.pale, title)
    for box, color in zip(boxes, of_box, strict=True):
        figures.draw_rectangle(ax, box, color, style, 0.8)
    figures.write(ax, [figures.Label(box[1], box[0], text, color) for box, text, color in zip(boxes, labels, of_box, strict=False)], size)


if __name__ == "__main__":
    main()
