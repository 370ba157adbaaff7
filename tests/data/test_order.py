"""mrcnn.data.order: repeat factors, and passes as pure functions of seed and number."""

import threading

import numpy as np
import pytest

from mrcnn.data import order

# Class 1 on 8 of 10 images, class 2 on 2, class 3 on 1; the last image shows nothing.
COUNTS = np.array([[0, 1, 0, 0]] * 7 + [[0, 3, 2, 0], [0, 0, 1, 5], [0, 0, 0, 0]])


def taken(passes, count):
    """The first `count` ids of the run."""
    return [int(ids[place]) for ids, place in map(passes.locate, range(count))]


def test_factor_is_that_of_the_rarest_class_and_counts_images_not_instances():
    factors = order.repeat_factors(COUNTS, threshold=0.4)
    np.testing.assert_allclose(factors, [1] * 7 + [2**0.5, 2, 1])  # √(0.4 / 0.2), √(0.4 / 0.1)


def test_classes_above_the_threshold_and_images_without_instances_are_not_repeated():
    assert order.repeat_factors(COUNTS, threshold=0.1).tolist() == [1] * 10
    assert order.repeat_factors(np.zeros((2, 3), int), 0.5).tolist() == [1, 1]
    assert order.repeat_factors(np.zeros((0, 3), int), 0.5).tolist() == []


def test_a_fraction_is_the_chance_of_one_more_showing():
    passes = order.Passes(np.arange(10), 0, counts=COUNTS, repeat_threshold=0.4)
    times = np.array([np.bincount(passes.order(turn), minlength=10) for turn in range(2000)])
    assert (times[:, :7] == 1).all() and (times[:, 8] == 2).all() and (times[:, 9] == 1).all()
    assert set(times[:, 7]) == {1, 2}
    assert times[:, 7].mean() == pytest.approx(2**0.5, abs=0.045)  # four standard errors of 2000 draws


def test_positions_run_through_passes_of_different_length():
    passes = order.Passes(np.arange(10), 3, counts=COUNTS, repeat_threshold=0.4)
    expected = [int(i) for turn in range(8) for i in passes.order(turn)]
    assert {len(passes.order(turn)) for turn in range(8)} == {11, 12}
    assert taken(passes, 80) == expected[:80]


def test_an_answer_does_not_depend_on_what_was_asked_before():
    options = {"counts": COUNTS, "repeat_threshold": 0.4, "empty_ratio": 0.05}
    expected = taken(order.Passes(np.arange(10), 1, **options), 60)
    passes, found = order.Passes(np.arange(10), 1, **options), {}

    def work(position):
        ids, place = passes.locate(position)
        found[position] = int(ids[place])

    threads = [threading.Thread(target=work, args=(p,)) for p in (59, 0, 30, 12, 47, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {p: expected[p] for p in found}


def test_passes_and_seeds_differ():
    passes = order.Passes(np.arange(10), 0, counts=COUNTS, repeat_threshold=0.4)
    other = order.Passes(np.arange(10), 1, counts=COUNTS, repeat_threshold=0.4)
    assert taken(passes, 11) != taken(other, 11) and passes.order(0).tolist() != passes.order(1).tolist()


def test_options_that_change_nothing_leave_the_order_as_it_is():
    plain = order.Passes(np.arange(10), 5)
    assert taken(order.Passes(np.arange(10), 5, counts=COUNTS, empty_ratio=0.1), 40) == taken(plain, 40)  # one of ten: as they come


@pytest.mark.parametrize(("ratio", "shown"), [(0, 0), (0.25, 2), (0.4, 4), (0.39, 3), (0.9, 4)])
def test_empty_images_are_limited_to_their_share_of_a_pass(ratio, shown):
    counts = np.array([[0, 1]] * 6 + [[0, 0]] * 4)
    passes = order.Passes(np.arange(10), 0, counts=counts, empty_ratio=ratio)
    orders = [passes.order(turn) for turn in range(30)]
    assert all(sorted(ids[ids < 6]) == list(range(6)) and (ids >= 6).sum() == shown for ids in orders)
    assert len({int(i) for ids in orders for i in ids if i >= 6}) == (4 if shown else 0)


def test_repeats_count_in_the_share():
    counts = np.array([[0, 1]] + [[0, 0]] * 3)  # shown √(1 / 0.25) = 2 times, so two empty ones are half
    passes = order.Passes(np.arange(4), 0, counts=counts, repeat_threshold=1.0, empty_ratio=0.5)
    assert all(sorted(np.minimum(passes.order(turn), 1).tolist()) == [0, 0, 1, 1] for turn in range(10))


def test_an_image_of_unknown_classes_is_not_left_out():
    counts = np.array([[0, 1], [-1, 0], [0, 0]])
    passes = order.Passes(np.arange(3), 0, counts=counts, empty_ratio=0)
    assert sorted(passes.order(0).tolist()) == [0, 1]


def test_a_limit_that_leaves_no_image_is_refused():
    with pytest.raises(ValueError, match="None of the 2 images has an instance by image_class_ids"):
        order.Passes(np.arange(2), 0, counts=np.zeros((2, 3), int), empty_ratio=0.1)
