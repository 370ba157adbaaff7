"""The pipeline's batches as Keras' fit takes them."""

import threading

import keras
import numpy as np

from mrcnn.training.feed import Feed


class Batches:
    """Two batches an epoch, whose first array says which: (epoch, index); instances as in the pipeline."""

    seed = 5

    def __init__(self, shuffle=True):
        self.shuffle = shuffle

    def __len__(self):
        return 2

    def batch(self, epoch, index):
        image = np.full((2, 64, 96, 3), 10 * epoch + index, "float32")
        class_ids, boxes = np.int32([[1, -2, 0], [0, 0, 0]]), np.zeros((2, 3, 4), "int32")
        boxes[0, :2] = [[10, 10, 20, 20], [30, 30, 50, 60]]
        return [image, *[np.zeros(1)] * 3, class_ids, boxes, np.zeros(1)]


def test_batch_comes_as_a_tuple_of_inputs_and_epochs_count_up():
    feed = Feed(Batches(), epoch=3)
    assert len(feed) == 2
    (inputs,) = feed[1]
    assert len(inputs) == 7 and inputs[0][0, 0, 0, 0] == 31
    feed.on_epoch_end()
    assert feed[0][0][0][0, 0, 0, 0] == 40


def test_a_feed_that_begins_inside_an_epoch_goes_on_with_its_batches():
    later = Feed(Batches(), epoch=3).at(5, 1)
    assert len(later) == 1 and later[0][0][0][0, 0, 0, 0] == 51


def test_random_rois_are_added_and_follow_from_seed_epoch_and_batch():
    feed = Feed(Batches(), num_random_rois=40)
    rois = feed[0][0][7]
    assert rois.shape == (2, 40, 4) and rois.dtype == np.float32
    assert (rois[..., 2:] > rois[..., :2]).all() and rois.min() >= 0
    assert (rois[..., [0, 2]] <= 64).all() and (rois[..., [1, 3]] <= 96).all()
    np.testing.assert_array_equal(rois, feed[0][0][7])
    assert not np.array_equal(rois, feed[1][0][7])
    feed.on_epoch_end()
    assert not np.array_equal(rois, feed[0][0][7])


def test_random_rois_of_validation_are_the_same_after_every_epoch():
    feed = Feed(Batches(shuffle=False), num_random_rois=40)
    before = feed[0][0]
    feed.on_epoch_end()
    after = feed[0][0]
    boxes_differ = not np.array_equal(before[0], after[0])  # this stand-in's images show the epoch, the real ones don't
    assert boxes_differ and np.array_equal(before[7], after[7])


def test_announced_inputs_stand_for_batches_until_an_epoch_begins():
    feed = Feed(Batches())
    inputs = [keras.KerasTensor((None, None, None, 3))]
    feed.announce(inputs)
    assert [(one.shape, one.dtype) for one in feed[0][0]] == [((None, None, None, 3), "float32")]
    assert feed[0][0][0] is not inputs[0]  # a network's input knows its whole graph
    loaded_ahead = []
    thread = threading.Thread(target=lambda: loaded_ahead.append(feed[1]))
    thread.start(), thread.join()
    assert isinstance(loaded_ahead[0][0][0], np.ndarray)
    feed.on_epoch_begin()
    assert isinstance(feed[0][0][0], np.ndarray)
