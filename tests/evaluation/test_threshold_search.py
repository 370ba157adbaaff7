"""mrcnn.evaluation.tuning by hand-worked numbers."""

import numpy as np
import pytest

from mrcnn.evaluation import bootstrap, tuning
from mrcnn.evaluation.tuning import Counts, Grid, Image, Setting

GRID = Grid(nms=(0.3, 0.6), mask=(0.3, 0.5))
BEFORE = Setting(score=0.5, nms=0.3)


def image(candidates, truth=(1,), crowd=None, kept=None, areas=None, gt_areas=None):
    """Candidates (class, score, instance or None[, IoU]); best first. `kept` [nms, C], `areas` [mask, C]."""
    count, instances = len(candidates), len(truth)
    overlaps = np.zeros((2, count, instances))
    for i, (_, _, instance, *iou) in enumerate(candidates):
        if instance is not None:
            overlaps[:, i, instance] = iou[0] if iou else 0.9
    return Image(
        class_ids=np.array([c[0] for c in candidates], int), scores=np.array([c[1] for c in candidates], np.float32),
        kept=np.ones((2, count), bool) if kept is None else np.array(kept, bool), real=np.ones(count, bool),
        areas=np.full((2, count), 100) if areas is None else np.array(areas), overlaps=overlaps, gt_class_ids=np.array(truth, int),
        gt_crowd=np.zeros(instances, bool) if crowd is None else np.array(crowd, bool),
        gt_areas=np.full(instances, 100) if gt_areas is None else np.array(gt_areas),
    )  # fmt: skip


def tuned(images, num_classes=2, **how):
    return tuning.tune(images, GRID, BEFORE, num_classes, max_instances=100, min_instances=1, ious=(0.5,), **how)


def test_counts_give_precision_recall_and_f1():
    counts = Counts(np.array([3, 1]), np.array([1, 3]), np.array([2, 4]))
    assert (counts.precision, counts.recall) == pytest.approx(((3 / 4 + 1 / 4) / 2, (3 / 5 + 1 / 5) / 2))
    assert counts.f1 == pytest.approx((6 / 9 + 2 / 9) / 2)
    nothing = Counts(*np.zeros((3, 2), int))
    assert np.isnan(nothing.f1) and nothing.precision == nothing.recall == 0
    assert tuning.mean_f1({1: counts, 2: nothing}) == counts.f1 and np.isnan(tuning.mean_f1({2: nothing}))


def test_score_lies_between_the_last_right_and_the_first_wrong_candidate():
    result = tuned([image([(1, 0.9, 0), (1, 0.4, None)]), image([(1, 0.3, 0), (1, 0.1, None)])])
    assert result.settings[1].score == pytest.approx(0.2)  # three right or wrong of 0.9, 0.4, 0.3: F1 2·2 / (2 + 1 + 2)
    assert result.after[1].f1 == pytest.approx(0.8) and result.before[1].f1 == pytest.approx(2 / 3)


def test_setting_stays_where_no_other_is_better():
    result = tuned([image([(1, 0.9, 0), (1, 0.2, None)])] * 2)
    assert result.settings == {1: BEFORE} and result.origins == {1: "kept"} and result.gain == 0


def test_candidates_of_one_score_stay_together():
    result = tuned([image([(1, 0.3, 0), (1, 0.3, None), (1, 0.3, None)])] * 2)
    assert result.settings[1].score == pytest.approx(0.3) and result.after[1].wrong.tolist() == [4]


def test_nms_is_chosen_for_what_it_keeps():
    """Two instances side by side: only 0.6 keeps the second one's candidate."""
    result = tuned([image([(1, 0.9, 0), (1, 0.8, 1)], truth=(1, 1), kept=[[1, 0], [1, 1]])] * 2)
    assert result.settings[1] == Setting(score=0.5, nms=0.6)
    assert (result.before[1].f1, result.after[1].f1) == pytest.approx((2 / 3, 1))


def test_mask_threshold_is_chosen_by_the_masks_it_makes():
    better = image([(1, 0.9, 0)])
    better.overlaps[1] = 0.4
    result = tuned([better] * 2)
    assert result.settings[1] == Setting(score=0.5, nms=0.3, mask=0.3) and result.after[1].f1 == 1


def test_least_area_drops_false_alarms_smaller_than_the_instances():
    result = tuned([image([(1, 0.9, None), (1, 0.8, 0)], areas=[[20, 90]] * 2, gt_areas=[80])] * 2)
    assert result.settings[1].min_area == 80 and result.after[1].f1 == 1 and result.before[1].f1 == pytest.approx(2 / 3)


def test_class_with_few_instances_takes_what_all_share():
    images = [image([(1, 0.9, 0), (1, 0.3, 1), (2, 0.2, None)], truth=(1, 1, 2))] * 4
    result = tuning.tune(images, GRID, BEFORE, 3, max_instances=100, min_instances=5, ious=(0.5,))
    assert result.origins == {1: "own", 2: "shared"} and result.settings[2] == result.shared and result.settings[1].score < 0.3


COMMON = [(1, 0.9, 0), (1, 0.8, None), (1, 0.75, None), (1, 0.7, None)]  # class 1 wants a score above 0.8


def test_rare_class_keeps_what_was_there_where_the_shared_setting_ruins_it():
    """The rare class's objects have 0.6: found at 0.5, lost at what all share, in the halves too."""
    images = [image([*COMMON, (2, 0.6, 1)], truth=(1, 2)), *[image(COMMON)] * 2, image([*COMMON, (2, 0.6, 1)], truth=(1, 2))] * 2
    result = tuning.tune(images, GRID, BEFORE, 3, max_instances=100, min_instances=5, ious=(0.5,))
    assert result.origins == {1: "own", 2: "kept"} and result.shared.score > 0.8
    assert result.settings[2] == BEFORE and result.before[2].f1 == result.after[2].f1 == 1
    assert result.crossed[2].f1 == 1 and result.crossed[1].f1 == 1


def test_what_is_kept_is_decided_by_the_other_half_alone():
    """One image's rare object wants what was there, the other's what all share; over both these are equal, but each half is wrong for the other."""
    low = image([*COMMON, (2, 0.6, 1)], truth=(1, 2))
    high = image([*COMMON[:1], (2, 0.9, 1), *COMMON[1:], (2, 0.6, None), (2, 0.6, None)], truth=(1, 2))
    result = tuning.tune([low, high], GRID, BEFORE, 3, max_instances=100, min_instances=2, ious=(0.5,))
    low_alone = tuning._choose([low], GRID, BEFORE, (1, 2), set(), (0.5,))
    high_alone = tuning._choose([high], GRID, BEFORE, (1, 2), set(), (0.5,))
    assert (low_alone[2][2], high_alone[2][2]) == ("kept", "shared")
    assert [int(n[0]) for n in result.crossed[2]] == [1, 2, 1]  # low's choice finds high's object and both false alarms; high's loses low's object


def test_class_with_enough_objects_has_a_setting_of_its_own_in_the_halves_too():
    """Six objects in all, three in a half: fewer than the five of min_instances, but what is measured is a setting of its own."""
    rare = [(2, 0.4, 1), (2, 0.3, None)]
    images = [image([*COMMON, *rare], truth=(1, 2))] * 6
    result = tuning.tune(images, GRID, BEFORE, 3, max_instances=100, min_instances=5, ious=(0.5,))
    assert result.origins == {1: "own", 2: "own"} and 0.3 < result.settings[2].score <= 0.4
    assert result.crossed[2].f1 == 1


def test_class_without_instances_counts_in_no_mean():
    result = tuned([image([(1, 0.9, 0), (2, 0.8, None)])] * 2, num_classes=4)
    assert sorted(result.settings) == [1, 2, 3] and np.isnan(result.after[2].f1) and tuning.mean_f1(result.after) == 1


def test_crowds_absorb_and_are_not_to_be_found():
    images = [image([(1, 0.9, 0), (1, 0.8, 1), (1, 0.7, 1)], truth=(1, 1), crowd=[0, 1])] * 2
    counts = tuned(images).before[1]
    assert (counts.right.tolist(), counts.wrong.tolist(), counts.missed.tolist()) == ([2], [0], [0])


def test_maximum_count_is_taken_over_all_classes_before_areas_are_looked_at():
    images = [image([(2, 0.9, None), (1, 0.8, 0)], areas=[[1, 100]] * 2)]
    settings = {1: BEFORE, 2: Setting(0.5, 0.3, min_area=50)}
    assert tuning.measure(images, GRID, settings, (0.5,), 1)[1].right.tolist() == [0]
    assert tuning.measure(images, GRID, settings, (0.5,), 2)[1].right.tolist() == [1]
    assert tuning.measure(images, GRID, settings, (0.5,), 2)[2].wrong.tolist() == [0]


def test_candidate_without_area_takes_a_place_and_is_dropped():
    line = image([(1, 0.9, None), (1, 0.8, 0)])
    line.real[0] = False
    assert tuning.measure([line], GRID, {1: BEFORE}, (0.5,), 2)[1].wrong.tolist() == [0]
    assert tuning.measure([line], GRID, {1: BEFORE}, (0.5,), 1)[1].right.tolist() == [0]


def test_cross_fitted_figure_is_of_the_other_halfs_choice():
    """One image wants a low score, the other a high one: each half's choice is wrong for the other."""
    low, high = image([(1, 0.3, 0)]), image([(1, 0.9, 0), (1, 0.45, None)])
    result = tuned([low, high])
    assert result.after[1].f1 == pytest.approx(2 * 2 / (2 + 1 + 2))
    assert (result.crossed[1].right.tolist(), result.crossed[1].wrong.tolist(), result.crossed[1].missed.tolist()) == ([1], [1], [1])
    assert result.gain == pytest.approx(0.5 - 2 / 3)


def test_intervals_draw_the_same_images_before_and_cross_fitted():
    """Ten images whose object is found at 0.4 only, never before: found by every draw. One whose object nothing finds makes draws differ."""
    result = tuned([image([(1, 0.4, 0)])] * 10)
    before, crossed, gain = (result.intervals[name] for name in ("before", "crossed", "gain"))
    assert (before.value, before.low, before.high) == (0, 0, 0)
    assert (crossed.value, crossed.low, crossed.high, gain.value, gain.low, gain.high) == (1,) * 6
    result = tuned([image([(1, 0.4, 0)])] * 9 + [image([])])
    assert result.intervals["crossed"].value == tuning.mean_f1(result.crossed) == pytest.approx(2 * 9 / (2 * 9 + 1))
    assert 2 * 6 / (2 * 6 + 4) <= result.intervals["crossed"].low < 0.95 and result.intervals["crossed"].high == 1
    assert result.intervals["gain"].value == result.gain


def test_a_gain_of_the_same_images_has_a_narrower_interval_than_they_have():
    """Half of the images have an object that nothing finds; on each, before and after, one more object is found or not: the gain hardly varies."""
    hard, easy = image([(1, 0.9, 0)], truth=(1,) * 10), image([(1, 0.9, 0), (1, 0.4, 1)], truth=(1, 1))
    result = tuned([hard, easy] * 20)
    before, gain = result.intervals["before"], result.intervals["gain"]
    separate = np.hypot(before.high - before.low, result.intervals["crossed"].high - result.intervals["crossed"].low)
    assert gain.low > 0 and gain.high - gain.low < separate


def test_cross_fitted_counts_are_in_the_order_of_the_images():
    """Of images none of which is like another the counts image by image are each one's own, whatever half it is in."""
    images = [image([(1, 0.9, 0)] + [(1, 0.8, None)] * n) for n in range(6)]
    drawn = []

    def of(figure, count, seed):
        drawn.append([figure(np.eye(count, dtype=int)[i]) for i in range(count)])
        return bootstrap.Interval(0, 0, 0, 0.95, 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning.bootstrap, "of", of)
        tuned(images)
    assert drawn[0] == pytest.approx([2 / (2 + n) for n in range(6)])
    assert drawn[1] == pytest.approx([1] * 6)  # each half chooses a score above 0.8


def test_f1_is_the_mean_over_the_ious():
    images = [image([(1, 0.9, 0, 0.6)])] * 2
    result = tuning.tune(images, GRID, BEFORE, 2, max_instances=9, min_instances=1, ious=(0.5, 0.75))
    assert result.before[1].f1 == pytest.approx(0.5)


def test_images_without_candidates_or_instances_are_counted():
    result = tuned([image([], truth=(1,)), image([(1, 0.9, None)], truth=()), image([], truth=())])
    assert (result.before[1].missed.tolist(), result.before[1].wrong.tolist()) == ([1], [1]) and result.num_images == 3


def test_too_little_to_tune_on_is_refused():
    with pytest.raises(ValueError, match="at least two images and an instance on them; got 1 images"):
        tuned([image([(1, 0.9, 0)])])
    with pytest.raises(ValueError, match="an instance on them"):
        tuned([image([(1, 0.9, None)], truth=())] * 3)
    with pytest.raises(ValueError, match="an instance on them"):
        tuned([image([(1, 0.9, 0)], crowd=[1])] * 3)
