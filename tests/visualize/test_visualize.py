import inspect
import logging

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from small_scene import NAMES, scene

from mrcnn import results, visualize
from mrcnn.ops import rle
from mrcnn.visualize import figures

CONTRACT = {
    "display_images": "images, titles=None, cols=4, cmap=None, norm=None, interpolation=None",
    "apply_mask": "image, mask, color, alpha=0.5",
    "display_instances": "image, boxes, masks, class_ids, class_names, scores=None, title='', figsize=(16, 16), ax=None, "
    "show_mask=True, show_bbox=True, colors=None, captions=None",
    "display_differences": "image, gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask, class_names, "
    "title='', ax=None, show_mask=True, show_box=True, iou_threshold=0.5, score_threshold=0.5",
    "draw_rois": "image, rois, refined_rois, mask, class_ids, class_names, limit=10",
    "draw_box": "image, box, color",
    "display_top_masks": "image, mask, class_ids, class_names, limit=4",
    "plot_precision_recall": "AP, precisions, recalls",
    "plot_overlaps": "gt_class_ids, pred_class_ids, pred_scores, overlaps, class_names, threshold=0.5",
    "draw_boxes": "image, boxes=None, refined_boxes=None, masks=None, captions=None, visibilities=None, title='', ax=None",
    "display_table": "table",
    "display_weight_stats": "model",
}


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def shown_image(figure):
    return np.asarray(figure.axes[0].images[0].get_array())


@pytest.mark.parametrize("name", sorted(CONTRACT))
def test_signatures_are_those_of_the_original(name):
    parameters = inspect.signature(getattr(visualize, name)).parameters.values()
    plain = ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters)
    assert plain == CONTRACT[name]


def test_random_colors_begins_with_the_original_s_arguments():
    assert list(inspect.signature(visualize.random_colors).parameters)[:2] == ["N", "bright"]


def test_instances_are_coloured_captioned_and_the_image_stays():
    image, boxes, masks, ids = scene()
    figure = visualize.display_instances(image, boxes, masks, ids, NAMES, scores=np.array([0.91, 0.5]))
    assert isinstance(figure, Figure)
    assert texts(figure) == ["shirt 0.910", "shoe 0.500"]
    changed = (shown_image(figure) != 128).any(axis=2)
    np.testing.assert_array_equal(changed, masks.any(axis=2))
    assert (image == 128).all()


def test_a_score_of_zero_is_shown():
    image, boxes, masks, ids = scene(1)
    assert texts(visualize.display_instances(image, boxes, masks, ids, NAMES, scores=[0.0])) == ["shirt 0.000"]


def test_without_scores_the_class_alone_and_captions_go_before_both():
    assert texts(visualize.display_instances(*scene(), NAMES)) == ["shirt", "shoe"]
    assert texts(visualize.display_instances(*scene(), NAMES, scores=[1, 1], captions=["a", ""])) == ["a"]


def test_a_class_without_name_is_numbered():
    image, boxes, masks, _ = scene(1)
    assert texts(visualize.display_instances(image, boxes, masks, [7], NAMES)) == ["class 7"]


def test_of_more_colours_than_instances_the_first_are_taken():
    image, boxes, masks, ids = scene()
    figure = visualize.display_instances(image, boxes, masks, ids, NAMES, colors=[(1.0, 0, 0), (0, 0, 1.0), (0, 1.0, 0)])
    drawn = shown_image(figure)
    assert drawn[5, 6].tolist() == [191, 64, 64] and drawn[14, 20].tolist() == [64, 64, 191]
    with pytest.raises(ValueError, match="1 colors"):
        visualize.display_instances(image, boxes, masks, ids, NAMES, colors=["red"])


def test_padding_is_not_drawn():
    image, boxes, masks, ids = scene()
    boxes[1] = 0
    assert texts(visualize.display_instances(image, boxes, masks, ids, NAMES)) == ["shirt"]


def test_given_axes_are_drawn_on():
    figure, ax = plt.subplots()
    assert visualize.display_instances(*scene(), NAMES, ax=ax) is figure
    assert len(plt.get_fignums()) == 1


def test_masks_and_boxes_can_be_left_out():
    figure = visualize.display_instances(*scene(), NAMES, show_mask=False, show_bbox=False)
    assert (shown_image(figure) == 128).all()
    assert not figure.axes[0].patches


def test_no_instances_draw_the_photo_with_a_note_and_warn(caplog):
    with caplog.at_level(logging.WARNING):
        figure = visualize.display_instances(*scene(0), NAMES, title="photo")
    assert "No instances to display" in caplog.text
    assert figure.axes[0].get_title() == "photo\nno instances"
    assert (shown_image(figure) == 128).all()


def test_arguments_that_disagree_are_refused_with_their_shapes():
    image, boxes, masks, ids = scene()
    with pytest.raises(ValueError, match=r"\(2, 4\), \(20, 30, 1\), \(2,\)"):
        visualize.display_instances(image, boxes, masks[:, :, :1], ids, NAMES)
    with pytest.raises(ValueError, match="1 scores"):
        visualize.display_instances(image, boxes, masks, ids, NAMES, scores=[0.5])
    with pytest.raises(ValueError, match="differ in height or width"):
        visualize.display_instances(image, boxes, masks[:10], ids, NAMES)


def test_an_outline_at_the_border_is_closed():
    figure, ax = plt.subplots()
    figures.draw_outline(ax, np.ones((4, 6), bool), (1, 0, 0))
    points = ax.patches[0].get_xy()
    assert points.min(axis=0).tolist() == [-0.5, -0.5]
    assert points.max(axis=0).tolist() == [5.5, 3.5]


def test_a_notebook_shows_the_figure_once(monkeypatch):
    shown = []
    monkeypatch.setattr(figures.matplotlib, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    monkeypatch.setattr(figures.plt, "show", lambda *args, **options: shown.append(options))
    assert visualize.display_instances(*scene(), NAMES) is None
    assert shown == [{}]
    assert visualize.display_instances(*scene(), NAMES, ax=plt.gca()) is None  # the caller's figure appears at the end of the cell
    assert shown == [{}]


def test_a_window_never_blocks(monkeypatch):
    shown = []
    monkeypatch.setattr(figures.matplotlib, "get_backend", lambda: "QtAgg")
    monkeypatch.setattr(figures.plt, "show", lambda *args, **options: shown.append(options))
    assert isinstance(visualize.display_instances(*scene(), NAMES), Figure)
    assert shown == [{"block": False}]


def test_images_are_laid_out_in_rows():
    figure = visualize.display_images([np.zeros((4, 4)), np.zeros((4, 4, 1)), np.zeros((3, 5, 3))], list("abc"), cols=2)
    assert len(figure.axes) == 4
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "c", ""]
    with pytest.raises(ValueError, match="3 titles"):
        visualize.display_images([np.zeros((4, 4))], list("abc"))


def test_draw_box_changes_two_pixels_around_in_place():
    image = np.zeros((10, 10, 3), np.uint8)
    assert visualize.draw_box(image, (2, 3, 6, 7), (9, 8, 7)) is image
    assert image[2, 3].tolist() == image[7, 8].tolist() == [9, 8, 7]
    assert not image[4, 5].any()
    assert not image[1].any() and not image[8].any() and not image[:, 2].any() and not image[:, 9].any()


def test_draw_box_cuts_what_lies_outside():
    image = np.zeros((4, 4, 3), np.uint8)
    visualize.draw_box(image, (-9, -9, 20, 20), (1, 1, 1))
    assert not image.any()
    visualize.draw_box(image, (0, 0, 4, 4), (1, 1, 1))
    assert image[0, 0, 0] == image[1, 3, 0] == 1
    assert not image[2:, 2:].any()


def test_differences_give_score_and_overlap_of_each_prediction_in_its_own_order():
    image, boxes, masks, ids = scene()
    shifted = np.roll(masks, 3, axis=1)  # IoU of the 6 wide square: 3 / 9, of the 12 wide one: 9 / 15
    figure = visualize.display_differences(image, boxes, ids, masks, boxes, ids, [0.6, 0.9], shifted, NAMES)
    assert texts(figure) == ["0.60 / 0.33", "0.90 / 0.60"]


def test_differences_without_ground_truth_or_predictions_are_drawn():
    image, boxes, masks, ids = scene()
    none = np.zeros((0, 4)), np.zeros(0, int), np.zeros((0, 0, 0), bool)
    figure = visualize.display_differences(image, *none, boxes, ids, [0.6, 0.9], masks, NAMES)
    assert texts(figure) == ["0.60 / 0.00", "0.90 / 0.00"]
    figure = visualize.display_differences(image, boxes, ids, masks, none[0], none[1], np.zeros(0), none[2], NAMES)
    assert texts(figure) == []


def test_overlaps_are_judged_above_the_threshold():
    figure = visualize.plot_overlaps([1, 2, 0], [1, 1], [0.9, 0.8], np.array([[0.7, 0.1], [0.0, 0.6]]), NAMES)
    assert texts(figure) == ["0.700\nmatch", "0.100\n", "0.000\n", "0.600\nwrong"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["shirt (0.90)", "shirt (0.80)"]
    assert isinstance(visualize.plot_overlaps([], [1], [0.9], np.zeros((1, 0)), NAMES), Figure)
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        visualize.plot_overlaps([1, 2], [1], [0.9], np.zeros((2, 2)), NAMES)


def test_rois_are_counted_and_padding_and_background_have_no_caption():
    image, boxes, _, _ = scene()
    rois = np.concatenate([boxes, np.zeros((1, 4), np.int32)])
    figure = visualize.draw_rois(image, rois, rois + 1, np.ones((3, 7, 7)), np.array([1, 0, 0]), NAMES)
    assert figure.axes[0].get_title() == "1 positive and 1 negative rois (positive share 0.50)"
    assert texts(figure) == ["shirt"]
    assert (shown_image(figure) != 128).any(axis=2).sum() == 36
    with pytest.raises(ValueError, match=r"\(3, 4\)"):
        visualize.draw_rois(image, rois, boxes, np.ones((3, 7, 7)), np.array([1, 0, 0]), NAMES)


def test_rois_are_limited():
    image, boxes, _, _ = scene(1)
    rois = np.repeat(boxes, 9, axis=0)
    figure = visualize.draw_rois(image, rois, rois, np.ones((9, 7, 7)), np.ones(9, int), NAMES, limit=4)
    assert len(texts(figure)) == 4


def test_boxes_are_captioned_where_they_were_refined_to():
    image, boxes, masks, _ = scene()
    figure = visualize.draw_boxes(image, boxes, boxes + 2, masks, ["a", "b"], [1, 0])
    assert texts(figure) == ["a", "b"]
    assert figure.axes[0].texts[0].get_position() == (5, 4)  # refined
    assert figure.axes[0].texts[1].get_position() == (15, 10)  # invisible: not refined
    assert isinstance(visualize.draw_boxes(image, refined_boxes=boxes), Figure)
    with pytest.raises(ValueError, match="got neither"):
        visualize.draw_boxes(image)
    with pytest.raises(ValueError, match="'captions': 1"):
        visualize.draw_boxes(image, boxes, captions=["a"])


def test_the_classes_that_cover_most_come_first():
    figure = visualize.display_top_masks(*(scene()[k] for k in (0, 2, 3)), NAMES, limit=3)
    assert [ax.get_title() for ax in figure.axes] == ["20x30 pixels", "shoe", "shirt", "-"]
    figure = visualize.display_top_masks(*(scene(0)[k] for k in (0, 2, 3)), NAMES, limit=1)
    assert [ax.get_title() for ax in figure.axes] == ["20x30 pixels", "-"]


def test_precision_recall_has_ap_in_its_title():
    figure = visualize.plot_precision_recall(0.25, [1, 1, 0], [0, 0.25, 1])
    assert figure.axes[0].get_title() == "Precision-Recall Curve. AP@50 = 0.250"


def test_history_draws_a_panel_a_loss_with_its_twin_and_map():
    history = {"loss": [3.0, 2.0], "val_loss": [3.5, np.nan], "mrcnn_mask_loss": [1, 0.5], "learning_rate": [1, 1],
               "val_mean_average_precision": [0.1, 0.2]}  # fmt: skip
    figure = visualize.plot_history(history)
    drawn = {ax.get_title(): [line.get_ydata().tolist() for line in ax.lines] for ax in figure.axes}
    assert list(drawn) == ["total loss", "mrcnn_mask_loss", "mean average precision"]
    assert drawn["mrcnn_mask_loss"] == [[1, 0.5]]
    assert drawn["total loss"][0] == [3, 2]
    assert len(drawn["total loss"]) == 2
    with pytest.raises(ValueError, match=r"it holds \['accuracy'\]"):
        visualize.plot_history({"accuracy": [1]})


def test_the_history_of_one_epoch_is_a_point_at_one():
    ax = visualize.plot_history({"loss": [2.0]}).axes[0]
    ticks = [tick for tick in ax.get_xticks() if ax.get_xlim()[0] <= tick <= ax.get_xlim()[1]]
    assert ticks == [1] and ax.lines[0].get_marker() == "."


def test_a_table_outside_notebooks_is_aligned_text(capsys):
    visualize.display_table([["NAME", "N"], ["conv", 12], ["x"]])
    assert capsys.readouterr().out == "NAME  N\nconv  12\nx\n"
    visualize.display_table([])


class Variable:
    def __init__(self, name):
        self.name = name


class Layer:
    """What display_weight_stats uses of a Keras layer."""

    def __init__(self, name, **weights):
        self.name, self.arrays = name, list(weights.values())
        self.weights = [Variable(f"{key}:0") for key in weights]

    def get_weights(self):
        return self.arrays


class Model:
    def get_trainable_layers(self):
        return [Layer("conv1", kernel=np.array([[-1.0, 1.0]]), bias=np.zeros(2)), Layer("fc", kernel=np.zeros((2, 2)))]


def test_weight_stats_tell_shape_range_and_dead_kernels(capsys):
    visualize.display_weight_stats(Model())
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["conv1/kernel", "(1,", "2)", "-1.0000", "+1.0000", "+1.0000"]
    assert "***" not in lines[2]
    assert lines[3].startswith("fc/kernel *** dead?")
    overflow, nan = Layer("a", kernel=np.array([1.0, 2000.0])), Layer("b", kernel=np.array([1.0, np.nan]))
    assert [row[0] for row in visualize.weight_stats([overflow, nan])] == [
        "a/kernel *** overflow?",
        "b/kernel *** nan!",
    ]




# --- What users pass -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("masks", [None, [], np.zeros((0, 0, 0)), np.zeros((20, 30, 0)), np.zeros(0)])
def test_empty_lists_are_no_instances(masks):
    figure = visualize.display_instances(scene()[0], [], masks, [], NAMES, scores=[])
    assert figure.axes[0].get_title() == "no instances"


def test_empty_lists_go_through_every_function():
    image = scene()[0]
    drawn = [
        visualize.display_differences(image, [], [], [], [], [], [], [], NAMES),
        visualize.plot_overlaps([], [], [], [], NAMES),
        visualize.display_top_masks(image, [], [], NAMES),
        visualize.draw_rois(image, [], [], [], [], NAMES),
        visualize.draw_boxes(image, boxes=[]),
        visualize.plot_precision_recall(0.0, [], []),
    ]
    assert all(isinstance(figure, Figure) for figure in drawn)


def test_masks_may_be_a_list_of_planes_numbers_or_wait():
    image, boxes, masks, ids = scene()
    small = results.SmallMasks(np.ones((2, 4, 4), np.float32), boxes, (20, 30))
    drawn = [
        shown_image(visualize.display_instances(image, boxes.tolist(), given, ids.tolist(), NAMES))
        for given in (masks, list(np.moveaxis(masks, -1, 0)), masks.astype(np.uint8), masks * 1.0, small)
    ]
    for other in drawn[1:]:
        np.testing.assert_array_equal(other, drawn[0])


def test_masks_that_wait_as_run_lengths_are_drawn_everywhere():
    """`without_overlaps`, ensembles and tiles leave run lengths; every function takes them as it takes planes."""
    image, boxes, masks, ids = scene()
    waiting = results.EncodedMasks(rle.encode_coco(masks), masks.shape[:2])
    scores, found = np.array([0.9, 0.8]), results.Detections(boxes, ids, [0.9, 0.8], masks)
    for draw in (
        lambda given: visualize.display_instances(image, boxes, given, ids, NAMES),
        lambda given: visualize.display_differences(image, boxes, ids, given, boxes, ids, scores, given, NAMES),
        lambda given: visualize.draw_boxes(image, boxes, masks=given),
    ):
        np.testing.assert_array_equal(shown_image(draw(waiting)), shown_image(draw(masks)))
    shades = [[ax.images[0].get_array() for ax in visualize.display_top_masks(image, given, ids, NAMES, limit=2).axes] for given in (waiting, masks)]
    assert all(np.array_equal(one, other) for one, other in zip(*shades, strict=True))
    pairs = [visualize.draw_verdicts(image, given, ids, found, NAMES) for given in (waiting, masks)]
    np.testing.assert_array_equal(*pairs)


def test_masks_may_be_left_out():
    image, boxes, _, ids = scene()
    figure = visualize.display_instances(image, boxes, None, ids, NAMES)
    assert (shown_image(figure) == 128).all()
    assert len(figure.axes[0].patches) == 2  # the boxes


@pytest.mark.parametrize("image", [np.full((20, 30), 128, np.uint8), np.full((20, 30, 1), 128 / 255), np.full((20, 30, 4), 128.0)])
def test_photos_of_any_kind_are_drawn_on(image):
    _, boxes, masks, ids = scene()
    drawn = shown_image(visualize.display_instances(image, boxes, masks, ids, NAMES))
    assert drawn.shape == (20, 30, 3)
    assert drawn[0, 0].tolist() == [128] * 3


def test_names_may_hold_what_matplotlib_takes_for_formulas():
    image, boxes, masks, ids = scene()
    figure = visualize.display_instances(image, boxes, masks, ids, ["BG", "a$x", "b$^$"], title="$^$")
    figure.canvas.draw()
    assert texts(figure) == ["a$x", "b$^$"]


def test_colours_may_be_names():
    image, boxes, masks, ids = scene()
    ways = ["red", "#0000ff"], [(1, 0, 0), (0, 0, 1)]
    drawn = [shown_image(visualize.display_instances(image, boxes, masks, ids, NAMES, colors=way)) for way in ways]
    np.testing.assert_array_equal(*drawn)
    with pytest.raises(ValueError, match="nored"):
        visualize.draw_instances(image, results.Detections(boxes, ids, np.array([0.9, 0.0]), masks), NAMES, colors=["nored", "red"])


def test_boxes_that_are_no_numbers_are_refused_and_huge_ones_drawn():
    image, boxes, masks, ids = scene()
    with pytest.raises(ValueError, match=r"rows \[1\]"):
        visualize.display_instances(image, [boxes[0], [np.nan] * 4], masks, ids, NAMES)
    huge = results.Detections([[-(2**31), 5, 2**31 - 1, 9]], [1], [0.5], np.zeros((20, 30, 1), bool))
    drawn = visualize.draw_instances(image, huge, NAMES, show_captions=False, enlarge=2)
    assert (drawn != 128).any(axis=2).any(axis=0).nonzero()[0].tolist() == [10, 17]  # its sides alone


def test_a_crowd_is_named_as_one():
    image, boxes, masks, _ = scene(1)
    assert texts(visualize.display_instances(image, boxes, masks, [-2], NAMES)) == ["shoe (crowd)"]
    assert figures.class_label({3: "hat"}, -3) == "hat (crowd)"
