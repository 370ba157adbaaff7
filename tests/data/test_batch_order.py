"""mrcnn.data.pipeline: which image comes when, in training, in validation and with the options that balance."""

import threading

import numpy as np
import pytest
from grey_squares import Squares, batches, equal, image_ids
from loader_data import SmallConfig


@pytest.mark.parametrize(("count", "batch_size", "steps"), [(5, 2, 3), (7, 2, 2), (3, 2, 5)])
def test_every_image_comes_once_a_pass(count, batch_size, steps):
    source = batches(Squares([1] * count), batch_size=batch_size, steps=steps)
    seen = [i for epoch in range(2 * count) for i in image_ids(source, epoch)]
    for start in range(0, len(seen) - count, count):
        assert sorted(seen[start : start + count]) == list(range(count))


def test_passes_differ_in_order_and_so_do_seeds():
    dataset = Squares([1] * 12)
    source, other = (batches(dataset, batch_size=4, steps=3, seed=seed) for seed in (0, 1))
    assert image_ids(source, 0) != image_ids(source, 1)
    assert image_ids(source, 0) != image_ids(other, 0)


def test_validation_shows_the_same_images_in_order_every_epoch():
    source = batches(Squares([9, 1, 2]), shuffle=False, batch_size=2, steps=2)
    assert image_ids(source, 0) == [0, 1, 2, 0]
    assert all(equal(source.batch(0, i), source.batch(7, i)) for i in range(2))


@pytest.mark.parametrize(
    ("count", "batch_size", "steps", "sizes"),
    [(5, 2, 9, [2, 2, 1]), (5, 2, None, [2, 2, 1]), (4, 2, None, [2, 2]), (5, 2, 2, [2, 2]), (1, 4, 3, [1]), (3, 1, None, [1] * 3)],
)
def test_one_pass_shows_each_image_once_and_ends_with_a_smaller_batch(count, batch_size, steps, sizes):
    source = batches(Squares([1] * count), shuffle=False, one_pass=True, batch_size=batch_size, steps=steps)
    assert [len(source.batch(3, i)[0]) for i in range(len(source))] == sizes
    assert image_ids(source, 0) == list(range(sum(sizes)))


def test_one_pass_is_for_validation():
    with pytest.raises(ValueError, match="one_pass.*shuffle=False"):
        batches(Squares([1]), one_pass=True)


def test_without_options_the_order_is_the_one_it_always_was():
    source = batches(Squares([1] * 7), batch_size=2, steps=3, seed=4)
    expected = [i for turn in range(3) for i in np.random.default_rng([0, 4, turn]).permutation(7)]
    assert [i for epoch in range(3) for i in image_ids(source, epoch)] == expected[:18]


def test_classes_are_read_only_if_an_option_asks():
    dataset = Squares([1, 0])
    dataset.image_class_ids = None  # would fail when called
    batches(dataset).batch(0, 0)


def rare():
    """Ten images: class 2 on the second only (two instances there), none on the last three."""
    return Squares([1, 2, 1, 1, 1, 1, 1, 0, 0, 0])


def balanced(**parameters):
    config = SmallConfig()
    for name, value in parameters.items():
        setattr(config, name, value)
    return config


def test_rare_classes_come_more_often_and_every_image_at_least_once_a_pass():
    source = batches(rare(), balanced(REPEAT_THRESHOLD=0.4), batch_size=1, steps=11)  # √(0.4 / 0.1) = 2
    seen = [i for epoch in range(3) for i in image_ids(source, epoch)]
    for start in (0, 11, 22):
        assert sorted(seen[start : start + 11]) == [0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_images_without_instances_keep_to_their_share():
    source = batches(rare(), balanced(EMPTY_IMAGES_RATIO=0.125), batch_size=1, steps=8)  # one of eight, beside seven
    passes = [image_ids(source, epoch) for epoch in range(12)]
    assert all(sorted(i for i in seen if i < 7) == list(range(7)) for seen in passes)
    assert {i for seen in passes for i in seen if i >= 7} == {7, 8, 9}


def test_balanced_batches_are_the_same_whoever_asks_and_in_whatever_order():
    config = balanced(REPEAT_THRESHOLD=0.3, EMPTY_IMAGES_RATIO=0.2)  # √3: a fraction, so passes differ in length
    source, expected = batches(rare(), config, steps=6), {}
    for epoch in range(4):
        for index in range(6):
            expected[epoch, index] = source.batch(epoch, index)
    keys = [(3, 5), (0, 0), (2, 1), (3, 0), (1, 5)]
    other, results = batches(rare(), config, steps=6), {}

    def work(key):
        results[key] = other.batch(*key)

    threads = [threading.Thread(target=work, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(equal(results[key], expected[key]) for key in keys)


def test_a_bad_image_that_comes_twice_a_pass_is_tried_once_an_item():
    dataset = rare()
    dataset.image_class_ids = lambda image_id: np.array([2] if image_id == 1 else [1])
    dataset.broken = set(range(10))
    with pytest.raises(ValueError, match="None of the 10 images of the dataset can be used"):
        batches(dataset, balanced(REPEAT_THRESHOLD=0.4)).item(0, 0)
