"""Misses and false alarms: who is one, and how they are drawn."""

import numpy as np
import pytest

from mrcnn import visualize
from mrcnn.results import Detections
from mrcnn.visualize import verdicts

NAMES = ["BG", "shirt", "shoe"]
SIZE = (48, 64)


def masks(*places):
    """[H, W, N]: squares of 10 pixels at (y, x)."""
    planes = np.zeros((*SIZE, len(places)), bool)
    for i, (y, x) in enumerate(places):
        planes[y : y + 10, x : x + 10, i] = True
    return planes


def found(places, class_ids, scores=None):
    boxes = [[y, x, y + 10, x + 10] for y, x in places]
    scores = np.linspace(0.9, 0.6, len(places)) if scores is None else scores
    return Detections(np.reshape(boxes, (-1, 4)), np.array(class_ids, int), scores, masks(*places))


def judge(gt_places, gt_class_ids, detections, **options):
    pred = detections["masks"], detections["class_ids"], detections["scores"]
    return verdicts.judge(masks(*gt_places), np.array(gt_class_ids, int), *pred, **options)


def test_an_instance_is_found_by_the_best_detection_of_its_class_and_the_second_is_a_false_alarm():
    seen = judge([(5, 5), (30, 40)], [1, 2], found([(6, 5), (5, 5)], [1, 1]))
    assert seen.matches.tolist() == [0, -1]
    assert (seen.found.tolist(), seen.missed.tolist()) == ([True, False], [False, True])
    assert seen.false_alarms.tolist() == [False, True]


def test_a_wrong_class_misses_and_alarms():
    seen = judge([(5, 5)], [1], found([(5, 5)], [2]))
    assert seen.missed.tolist() == seen.false_alarms.tolist() == [True]


def test_the_threshold_is_part_of_a_match():
    half = found([(5, 10)], [1])  # 50 of 150 pixels in common
    assert judge([(5, 5)], [1], half, iou_threshold=1 / 3).found.tolist() == [True]
    assert judge([(5, 5)], [1], half, iou_threshold=0.34).found.tolist() == [False]


def test_detections_on_a_crowd_of_their_class_are_not_judged_and_a_crowd_is_not_missed():
    seen = judge([(5, 5)], [-1], found([(5, 5), (9, 5), (12, 5), (5, 5)], [1, 1, 1, 2]))
    assert seen.ignored.tolist() == [True, True, False, False]  # all of it, 6 of 10 rows, 3 of 10, another class
    assert seen.false_alarms.tolist() == [False, False, True, True]
    assert (seen.found.tolist(), seen.missed.tolist()) == ([False], [False])


@pytest.mark.parametrize(("gt", "number"), [([], 2), ([(5, 5)], 0), ([], 0)])
def test_nothing_there_or_nothing_found(gt, number):
    seen = judge(gt, [1] * len(gt), found([(5, 5), (9, 30)][:number], [1, 1][:number]))
    assert seen.missed.sum() == len(gt) and seen.false_alarms.sum() == number
    assert seen.found.shape == (len(gt),) and seen.matches.shape == (number,)


def test_parts_that_disagree_are_refused():
    with pytest.raises(ValueError, match="with 2 classes"):
        judge([(5, 5)], [1, 2], found([(5, 5)], [1]))
    with pytest.raises(ValueError, match="height, width"):
        verdicts.judge(np.zeros((4, 5, 1)), [1], np.zeros((5, 4, 1)), [1], [0.5])


def near(picture, color):
    """Pixels that have a colour at full strength: outlines, boxes and plates."""
    return np.abs(picture.astype(int) - np.rint(np.array(color) * 255)).max(axis=2) <= 2


def test_each_verdict_has_its_colour_in_its_half():
    image = np.full((*SIZE, 3), 128, np.uint8)
    pair = visualize.draw_verdicts(image, masks((5, 5), (30, 40), (5, 40)), [1, 2, -1], found([(5, 5), (30, 5), (5, 40)], [1, 2, 1]), NAMES)
    half = pair.shape[1] // 2
    expected = {verdicts.RIGHT: (True, True), verdicts.MISSED: (True, False), verdicts.FALSE_ALARM: (False, True), verdicts.NOT_JUDGED: (True, True)}
    for color, sides in expected.items():
        assert (near(pair[:, :half], color).any(), near(pair[:, half:], color).any()) == sides, color
    assert (image == 128).all()


def test_lines_count(monkeypatch):
    written = []
    pane = verdicts._pane
    monkeypatch.setattr(verdicts, "_pane", lambda *parts, **more: written.append((parts[3], more["captions"])) or pane(*parts, **more))
    image = np.zeros((*SIZE, 3), np.uint8)
    visualize.draw_verdicts(image, masks((5, 5), (30, 40), (5, 40)), [1, 2, -1], found([(5, 5), (30, 5)], [1, 2]), NAMES, name="photo")
    assert written == [
        ("photo: 2 and 1 crowd, 1 missed", ["shirt", "missed: shoe", "shirt (crowd)"]),
        ("2 detections, 1 false", ["shirt 0.90", "false: shoe 0.60"]),
    ]


def test_images_without_anything_are_drawn():
    image = np.zeros((*SIZE, 3), np.uint8)
    pair = visualize.draw_verdicts(image, np.zeros((0, 0, 0)), [], Detections.empty(*SIZE), NAMES)
    assert pair.shape[0] == 8 * SIZE[0] + verdicts.HEADING + verdicts.GAP


def test_a_sheet_has_a_legend_and_leaves_low_scores_out():
    image, truth = np.zeros((*SIZE, 3), np.uint8), masks((5, 5))
    low = found([(5, 5)], [1], [0.4])
    drawn = visualize.draw_results([image] * 3, [truth] * 3, [[1]] * 3, [low, low, found([(5, 5)], [1])], NAMES, width=400)
    legend = verdicts.HEADING + verdicts.GAP
    assert drawn.shape[1] == 800 and drawn.dtype == np.uint8
    for color, _ in verdicts.LEGEND:
        assert near(drawn[:legend], color).any()
    first, third = drawn[legend : legend + 150, :400], drawn[-150:, :400]
    assert near(first, verdicts.MISSED).any() and not near(third, verdicts.MISSED).any()
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        visualize.draw_results([image] * 2, [truth], [[1]], [low], NAMES)


def test_pictures_of_different_sizes_share_a_sheet():
    wide, tall, legend = np.zeros((100, 400, 3), np.uint8), np.zeros((400, 100, 3), np.uint8), verdicts.HEADING + verdicts.GAP
    assert verdicts.sheet([wide]).shape == (250 + legend, 1000, 3)
    assert verdicts.sheet([wide, tall, wide]).shape == (4000 + 250 + legend, 2000, 3)
    with pytest.raises(ValueError, match="needs pictures"):
        verdicts.sheet([])
