import numpy as np
import pytest
from small_detections import detections, squares

from mrcnn.evaluation import bootstrap, precision
from mrcnn.evaluation.accumulator import APAccumulator


def images_found(found, num_classes=2, class_id=1):
    """One instance an image, found with its rank as score, or missed."""
    accumulator = APAccumulator(num_classes)
    _, masks = squares((0, 0))
    for i, right in enumerate(found):
        seen = detections([(0, 0)], [class_id], [1 - i / 1000]) if right else detections([], [], [])
        accumulator.add([class_id], seen, gt_masks=masks)
    return accumulator


def random_images(seed, num_images=12):
    """Two classes, false alarms and misses; scores differ."""
    rng = np.random.default_rng(seed)
    _, masks = squares((0, 0), (4, 4))
    images = []
    for _ in range(num_images):
        corners = [(0, 0), (4, 4), (6, 8)]
        kept = rng.random(3) < 0.7
        chosen = [c for c, keep in zip(corners, kept, strict=True) if keep]
        ids = [c for c, keep in zip([1, 2, 1], kept, strict=True) if keep]
        images.append((masks, detections(chosen, ids, rng.random(len(chosen)))))
    return images


def add_all(images, which):
    accumulator = APAccumulator(num_classes=3)
    for i in which:
        masks, found = images[i]
        accumulator.add([1, 2], found, gt_masks=masks)
    return accumulator


@pytest.mark.parametrize("interpolation", precision.INTERPOLATIONS)
def test_counted_predictions_are_the_list_written_out(interpolation):
    rng = np.random.default_rng(3)
    for _ in range(50):
        correct, counts = rng.random(20) < 0.5, rng.integers(0, 4, 20)
        written_out = precision.average_precision(np.repeat(correct, counts), 30, interpolation)[0]
        assert precision.average_precision(correct, 30, interpolation, counts)[0] == pytest.approx(written_out, abs=1e-12)


def test_counted_images_are_the_images_added_so_often():
    images = random_images(seed=1)
    whole = add_all(images, range(len(images)))
    rng = np.random.default_rng(0)
    for _ in range(5):
        drawn = np.sort(rng.integers(len(images), size=len(images)))
        expected = add_all(images, drawn).result()
        got = whole.result(np.bincount(drawn, minlength=len(images)))
        assert got.per_class == pytest.approx(expected.per_class, abs=1e-12)
        assert got.per_image == pytest.approx(expected.per_image, abs=1e-12)
        assert (got.num_instances, got.num_predictions) == (expected.num_instances, expected.num_predictions)


def test_an_interval_of_one_class_without_false_alarms_is_the_binomial_one():
    # AP is then the share that was found: 80 of 100, standard error √(0.8 · 0.2 / 100) = 0.04
    interval = bootstrap.mean_average_precision(images_found(np.arange(100) % 5 > 0), samples=2000)
    assert interval.value == pytest.approx(0.8)
    assert interval.low == pytest.approx(0.8 - 1.96 * 0.04, abs=0.012)
    assert interval.high == pytest.approx(0.8 + 1.96 * 0.04, abs=0.012)


def test_a_faultless_network_has_no_spread():
    interval = bootstrap.mean_average_precision(images_found([True] * 5), samples=50)
    assert (interval.value, interval.low, interval.high) == (1.0, 1.0, 1.0)


def test_equal_seeds_draw_equal_images_and_others_others():
    accumulator = images_found(np.arange(30) % 3 > 0)
    first, again, other = (bootstrap.mean_average_precision(accumulator, samples=40, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_difference_from_itself_is_exactly_nothing():
    images = random_images(seed=4)
    same = bootstrap.difference(add_all(images, range(12)), add_all(images, range(12)), samples=50)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_a_paired_difference_is_narrower_than_the_intervals_of_its_sides():
    baseline = images_found(np.arange(100) % 2 > 0)
    better = images_found((np.arange(100) % 2 > 0) | (np.arange(100) < 10))  # finds all the baseline does, and five more
    gain = bootstrap.difference(better, baseline, samples=500)
    side = bootstrap.mean_average_precision(baseline, samples=500)
    assert gain.value == pytest.approx(0.05)
    assert 0 < gain.low <= gain.value <= gain.high
    assert gain.high - gain.low < (side.high - side.low) / 2


def test_some_classes_alone():
    images = random_images(seed=2, num_images=40)
    accumulator = add_all(images, range(40))
    of_second = bootstrap.mean_average_precision(accumulator, samples=50, class_ids=[2])
    assert of_second.value == accumulator.result().per_class[2]
    with pytest.raises(ValueError, match="classes \\[7\\]"):
        bootstrap.mean_average_precision(accumulator, samples=5, class_ids=[7])


def test_other_images_are_not_compared():
    with pytest.raises(ValueError, match="same images"):
        bootstrap.difference(images_found([True, False]), images_found([True]))
    with pytest.raises(ValueError, match="same images"):
        bootstrap.difference(images_found([True], num_classes=3), images_found([True], num_classes=3, class_id=2))


@pytest.mark.parametrize("options", [{"samples": 0}, {"level": 1.0}, {"level": 95}])
def test_impossible_numbers_are_refused(options):
    with pytest.raises(ValueError, match="samples ="):
        bootstrap.mean_average_precision(images_found([True]), **options)


def test_without_images_or_instances_there_is_no_interval():
    with pytest.raises(ValueError, match="No image was added"):
        bootstrap.mean_average_precision(APAccumulator(num_classes=2))
    empty = APAccumulator(num_classes=2)
    empty.add([], detections([], [], []), gt_masks=np.zeros((8, 10, 0), bool))
    with pytest.raises(ValueError, match="No image has an instance"):
        bootstrap.mean_average_precision(empty)


@pytest.mark.parametrize("counts", [[1], [1.0, 1.0], [1, -1]])
def test_bad_counts_are_refused(counts):
    with pytest.raises(ValueError, match="2\\] whole numbers"):
        images_found([True, True]).result(np.array(counts))


def test_all_draws_at_once_give_the_same_interval():
    from mrcnn.evaluation.accumulator import APAccumulator

    rng, rankings = np.random.default_rng(3), [APAccumulator(4, threshold, interpolation="coco") for threshold in (0.5, 0.7)]
    for _ in range(12):
        gt, found = rng.integers(1, 4, rng.integers(0, 4)), rng.integers(1, 4, rng.integers(0, 7))
        table, scores = rng.random((len(found), len(gt))), rng.random(len(found))
        for one in rankings:
            one.add_overlaps(gt, found, scores, table)
    for one in rankings:
        assert bootstrap.of_rankings([one], samples=50) == bootstrap.mean_average_precision(one, samples=50)
    both = bootstrap.of_rankings(rankings, samples=50)
    assert both.value == pytest.approx(np.mean([one.result().map for one in rankings]))


def test_the_interval_of_any_figure():
    right = np.arange(20) < 10
    found = bootstrap.of(lambda counts: counts @ right / counts.sum(), 20, samples=200)
    assert found.value == 0.5 and 0.2 < found.low < 0.4 < 0.6 < found.high < 0.8
    with pytest.raises(ValueError, match="there is no figure"):
        bootstrap.of(lambda counts: float("nan"), 3, samples=2)
    with pytest.raises(ValueError, match="No image"):
        bootstrap.of(lambda counts: 1.0, 0)
