"""mrcnn.data.splits: every image in one fold, classes shared evenly, groups together, the same for a seed."""

import numpy as np
import pytest

from mrcnn.data import splits
from mrcnn.data.dataset import Dataset


class Labelled(Dataset):
    """Image i shows the classes labels[i] (negative: a crowd); masks must not be read."""

    def __init__(self, labels, num_classes):
        super().__init__()
        self.labels = labels
        for number in range(1, num_classes + 1):
            self.add_class("a", number, f"class {number}")
        for i in range(len(labels)):
            self.add_image("a", f"image-{i}", None)
        self.prepare()

    def image_class_ids(self, image_id):
        return np.asarray(self.labels[image_id], int)

    def load_mask(self, image_id):
        raise AssertionError("a split must not read masks")


def long_tailed(count=1500, num_classes=20, seed=0):
    """Class frequencies from 0.6 down to 0.002, up to three instances each: [N, K]."""
    rng = np.random.default_rng(seed)
    shares = np.geomspace(0.6, 0.002, num_classes)
    counts = np.zeros((count, num_classes + 1), int)
    counts[:, 1:] = (rng.random((count, num_classes)) < shares) * rng.integers(1, 4, (count, num_classes))
    return counts


def test_hand_worked_folds():
    """The empty image, the rarest, goes anywhere; of class 2's images one to each fold, the first where there is more
    room; the second's fold then wants two more images of class 1, the first's one."""
    folds = splits.kfold(Labelled([[1, 2], [2], [1], [1], [1], []], 2), 2)
    first, second, *ones, _ = folds.fold_of
    assert first != second
    assert sorted(ones) == sorted([first, second, second])
    assert folds.report.deviation.tolist() == [0.5, 0, 0]  # no instances, class 1, class 2


@pytest.mark.parametrize("num_folds", [2, 5, 7])
def test_every_image_is_in_one_fold_and_sizes_are_near(num_folds):
    parts = splits.assign(long_tailed(501), splits.fold_sizes(501, num_folds), seed=3)
    sizes = np.bincount(parts, minlength=num_folds)
    assert len(parts) == 501 and sizes.sum() == 501 and len(sizes) == num_folds
    assert np.abs(sizes - 501 / num_folds).max() <= 0.1 * 501 / num_folds


@pytest.mark.parametrize("seed", range(5))
def test_no_class_of_long_tailed_data_deviates_by_a_whole_image(seed):
    counts = long_tailed(seed=seed)
    parts = splits.assign(counts, splits.fold_sizes(len(counts), 5), seed)
    shown = counts[:, 1:] > 0
    fair = shown.sum(axis=0) / 5
    images = np.array([shown[parts == fold].sum(axis=0) for fold in range(5)])
    assert np.abs(images - fair).max() <= 1
    at_random = np.random.default_rng(seed).permutation(np.arange(len(counts)) % 5)
    drawn = np.array([shown[at_random == fold].sum(axis=0) for fold in range(5)])
    assert np.abs(drawn - fair).max() > 8  # what it is good for


def test_a_common_class_that_comes_with_rare_ones_is_even_too():
    """24 classes of three images, each in three of five folds; the images of every second class show class 25 as well."""
    counts = np.zeros((72, 26), int)
    counts[np.arange(72), 1 + np.arange(72) // 3] = 1
    counts[np.arange(72) // 3 % 2 == 0, 25] = 1
    for seed in range(5):
        parts = splits.assign(counts, splits.fold_sizes(72, 5), seed)
        images = np.array([(counts[parts == fold] > 0).sum(axis=0) for fold in range(5)])
        assert images[:, 1:25].max() == 1 and np.abs(images[:, 25] - 36 / 5).max() <= 1


def test_a_class_rarer_than_the_folds_is_in_as_many_folds_as_it_has_images():
    counts = np.zeros((50, 3), int)
    counts[:, 1], counts[:3, 2] = 1, 4
    parts = splits.assign(counts, splits.fold_sizes(50, 5))
    assert len(set(parts[:3])) == 3


def test_images_without_instances_are_spread_and_crowds_count_as_none():
    labels = [[1]] * 10 + [[]] * 5 + [[-1]] * 5
    folds = splits.kfold(Labelled(labels, 1), 5)
    assert np.bincount(folds.fold_of[:10], minlength=6).tolist() == [0, 2, 2, 2, 2, 2]
    assert np.bincount(folds.fold_of[10:], minlength=6).tolist() == [0, 2, 2, 2, 2, 2]


def test_data_without_any_instance_is_split_by_size():
    assert np.bincount(splits.assign(np.zeros((7, 3), int), [4, 3])).tolist() == [4, 3]
    assert splits.assign(np.zeros((0, 3), int), []).tolist() == []


def test_the_split_follows_from_the_seed():
    counts = long_tailed(200)
    first, again, other = (splits.assign(counts, [100, 100], seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_images_of_a_group_stay_in_one_fold():
    counts = long_tailed(300)
    groups = np.random.default_rng(0).integers(0, 80, 300).astype(str)
    parts = splits.assign(counts, splits.fold_sizes(300, 4), groups=groups)
    assert all(len(set(parts[groups == group])) == 1 for group in set(groups))
    images = np.array([(counts[parts == fold, 1:] > 0).sum(axis=0) for fold in range(4)])
    assert np.abs(images - images.mean(axis=0)).max() <= 6  # groups have up to nine images


def test_all_images_of_a_group_count_not_one_of_them():
    """Groups of two, all with class 2 on the second image; on the first two groups have class 1, two have class 3."""
    counts = np.zeros((8, 4), np.int64)
    counts[1::2, 2] = counts[[0, 2], 1] = counts[[4, 6], 3] = 1
    for seed in range(20):
        parts = splits.assign(counts, [4, 4], seed, groups=list("aabbccdd"))
        assert parts[0] != parts[2] and parts[4] != parts[6]


def test_a_group_larger_than_a_fold_takes_one_and_no_fold_is_empty():
    groups = [0] * 7 + [1, 2, 3]
    parts = splits.assign(np.ones((10, 2), int), splits.fold_sizes(10, 3), groups=groups)
    assert len(set(parts[:7])) == 1 and set(parts) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(20))
def test_no_fold_is_empty_whatever_the_groups(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 6, 40)
    counts = np.pad((rng.random((40, 3)) < 0.3).astype(int), ((0, 0), (1, 0)))
    assert set(splits.assign(counts, splits.fold_sizes(40, 5), seed, groups)) == set(range(5))


def test_sizes_of_folds_add_up_and_differ_by_one_at_most():
    assert splits.fold_sizes(10, 3) == [4, 3, 3] and splits.fold_sizes(9, 3) == [3, 3, 3] and splits.fold_sizes(2, 3) == [1, 1, 0]


def test_folds_are_data_sets_that_share_out_all_images():
    dataset = Labelled([[1], [2], [1, 2], [], [1], [2]], 2)
    folds = splits.kfold(dataset, 3)
    held_out = []
    for fold in (1, 2, 3):
        train, val = folds.datasets(fold)
        assert sorted([*train.whole_ids, *val.whole_ids]) == list(range(6))
        assert [val.image_info[i]["id"] for i in val.image_ids] == [f"image-{i}" for i in val.whole_ids]
        held_out += val.whole_ids.tolist()
    assert sorted(held_out) == list(range(6))
    with pytest.raises(ValueError, match="Fold 0 of 3: folds are numbered 1 to 3"):
        folds.datasets(0)


@pytest.mark.parametrize("num_folds", [0, 1, True, 2.5])
def test_impossible_numbers_of_folds_are_refused(num_folds):
    with pytest.raises(ValueError, match="a whole number of at least 2"):
        splits.kfold(Labelled([[1]] * 4, 1), num_folds)


def test_more_folds_than_images_or_groups_are_refused():
    with pytest.raises(ValueError, match="5 parts need as many images; there are 4"):
        splits.kfold(Labelled([[1]] * 4, 1), 5)
    with pytest.raises(ValueError, match="3 parts need as many groups; there are 2"):
        splits.kfold(Labelled([[1]] * 4, 1), 3, groups=[0, 0, 1, 1])
    with pytest.raises(ValueError, match="groups names 3 images; the data set has 4"):
        splits.kfold(Labelled([[1]] * 4, 1), 2, groups=[0, 0, 1])


def test_a_sample_has_its_size_and_keeps_the_distribution():
    counts = long_tailed(1200)
    dataset = Labelled([np.repeat(np.arange(21), row) for row in counts], 20)
    small, report = splits.sample(dataset, 400, seed=1)
    assert small.num_images == 400 and small.whole_ids.tolist() == sorted(set(small.whole_ids.tolist()))
    images = (counts[small.whole_ids, 1:] > 0).sum(axis=0)
    distance = np.abs(images - (counts[:, 1:] > 0).sum(axis=0) / 3)
    assert distance.max() <= 3  # of 20 classes, shown on 1 to 240 of the 400
    np.testing.assert_allclose(report.deviation[1:], distance, atol=1e-9)


def test_a_choice_is_brought_to_its_size_by_the_images_that_are_least_missed():
    """Two of class 1 and two of class 2 of four each: the fifth, too many, is one of class 1."""
    labels = np.array([[0, 1, 0]] * 4 + [[0, 0, 1]] * 4)
    more = splits._of_size(labels, np.array([True, True, True, False, True, True, False, False]), 4)
    assert more[:4].sum() == 2 and more[4:].tolist() == [True, True, False, False]
    fewer = splits._of_size(labels, np.array([True, False, False, False, True, True, False, False]), 4)
    assert fewer[:4].sum() == 2 and fewer[4:].tolist() == [True, True, False, False]


@pytest.mark.parametrize("size", [1, 7, 100, 499, 500])
def test_a_sample_has_its_size_exactly(size):
    counts = long_tailed(501)
    small, _ = splits.sample(Labelled([np.repeat(np.arange(21), row) for row in counts], 20), size)
    assert small.num_images == size


@pytest.mark.parametrize("size", [3, 4, 100])
def test_a_sample_of_all_is_all(size):
    small, report = splits.sample(Labelled([[1], [], [2]], 2), size)
    assert small.whole_ids.tolist() == [0, 1, 2] and report.deviation.max() == 0


def test_a_sample_of_none_is_refused():
    with pytest.raises(ValueError, match="A sample of 0 images"):
        splits.sample(Labelled([[1]], 1), 0)


def test_report_counts_images_and_instances_and_names_the_largest_deviation():
    dataset = Labelled([[1, 1, 1], [1], [1, 2], []], 3)  # nothing shows class 3
    counts = splits.instance_counts(dataset)
    report = splits.Report.of(dataset, counts, np.array([0, 0, 0, 1]), {"a": 0.75, "b": 0.25})
    assert report.class_names == ["no instances", "class 1", "class 2"] and report.sizes.tolist() == [3, 1]
    assert report.images.tolist() == [[0, 1], [3, 0], [1, 0]] and report.instances.tolist() == [[0, 0], [5, 0], [1, 0]]
    # Fair shares: three quarters and a quarter of each class's images.
    assert report.deviation.tolist() == [0.75, 0.75, 0.25] and report.relative_deviation.tolist() == [3.0, 1.0, 1.0]
    lines = str(report).splitlines()
    assert lines[1].split() == ["any", "4", "3", "1"]
    assert lines[3].split() == ["class", "1", "3", "3", "0", "0.8", "100%", "5"]
    assert lines[-1] == "Largest deviation from a fair share: 0.8 images (no instances)."


def test_folds_print_their_report():
    folds = splits.kfold(Labelled([[1], [1]], 1), 2)
    assert str(folds) == str(folds.report) and "fold 2" in str(folds)
