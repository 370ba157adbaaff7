"""The averaged weights: which ones, where they are saved, that they are measured, and that training doesn't notice."""

import glob
import os

import keras
import numpy as np
import pytest
import tiny
import tiny_network
from keras import ops

from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.training import average, memory, optimizer
from mrcnn.training.mean_average_precision import MeanAveragePrecisionCallback


class EmaConfig(tiny.TinyConfig):
    EMA_DECAY = 0.9


class InferenceConfig(tiny.TinyConfig):
    pass


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An epoch of all layers, one of the heads."""
    folder = str(tmp_path_factory.mktemp("logs"))
    model, inference = MaskRCNN("training", EmaConfig(), folder), MaskRCNN("inference", InferenceConfig(), folder)
    data, notes = tiny.Squares(4), []
    logs = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: notes.append(dict(logs)))
    measure = MeanAveragePrecisionCallback(model, inference, data, dataset_limit=2, verbose=0)
    model.train(data, None, 0.05, 1, "all", custom_callbacks=[measure, logs])
    first = {v.path: ops.convert_to_numpy(v) for v in model.keras_model.weights}
    averages = average.weights(model.keras_model)
    model.train(data, None, 0.05, 2, "heads", custom_callbacks=[measure, logs])
    return {"model": model, "inference": inference, "notes": notes, "first": first, "averages": averages, "measure": measure}



def test_a_file_an_epoch_that_no_search_for_checkpoints_meets(trained):
    model = trained["model"]
    assert sorted(os.listdir(os.path.join(model.log_dir, "ema"))) == ["ema_tiny_0001.h5", "ema_tiny_0002.h5"]
    found = glob.glob(os.path.join(model.model_dir, "**", "mask_rcnn_*.h5"), recursive=True)
    assert sorted(map(os.path.basename, found)) == ["mask_rcnn_tiny_0001.h5", "mask_rcnn_tiny_0002.h5"]
    assert os.path.dirname(average.path_of("run/mask_rcnn_mask_rcnn_x_{epoch:04d}.h5")) == os.path.join("run", "ema")
    assert os.path.basename(average.path_of("run/mask_rcnn_mask_rcnn_x_{epoch:04d}.h5")).startswith("ema_mask_rcnn_x")


def test_file_is_a_whole_network_with_the_averages_in_it(trained):
    model = trained["model"]
    other = MaskRCNN("inference", InferenceConfig(), model.model_dir)
    report = other.load_weights(average.path_of(model.checkpoint_path).format(epoch=1))
    assert not report.not_loaded and not report.unused_in_file
    expected = trained["first"] | trained["averages"]
    moved = 0
    for variable in other.keras_model.weights:
        if variable.path in expected:
            np.testing.assert_array_equal(ops.convert_to_numpy(variable), expected[variable.path])
            moved += not np.array_equal(expected[variable.path], trained["first"][variable.path])
    assert moved > 20


def test_average_lies_between_the_weights_it_has_seen(trained):
    """BatchNorm's statistics have none; what trains has one that is not the weight itself."""
    assert not any("moving" in path for path in trained["averages"])
    kernel = next(path for path in trained["averages"] if path.endswith("fpn_p2/kernel"))
    gap = np.abs(trained["averages"][kernel] - trained["first"][kernel]).max()
    assert 0 < gap < 0.05


def test_average_of_resting_layers_approaches_their_weights(trained):
    now, kernel = average.weights(trained["model"].keras_model), "res1a_branch2a/kernel"
    weight = trained["first"][kernel]
    np.testing.assert_array_equal(ops.convert_to_numpy(trained["model"].keras_model.get_layer("res1a_branch2a").kernel), weight)
    share = np.prod([(1 + n) / (10 + n) for n in (4, 5, 6)])
    np.testing.assert_allclose(now[kernel] - weight, (trained["averages"][kernel] - weight) * share, atol=1e-6)


def test_map_of_the_averages_is_in_the_logs_beside_that_of_the_checkpoint(trained):
    for logs in trained["notes"]:
        assert logs["val_map"] == logs["val_mean_average_precision"]
        assert 0 <= logs["val_map_ema"] <= 1
    assert trained["measure"].ema_result.num_images == 2
    last = {v.path: ops.convert_to_numpy(v) for v in trained["model"].keras_model.weights}
    for variable in trained["inference"].keras_model.weights:  # it ends with the checkpoint's
        if variable.path in last:
            np.testing.assert_array_equal(ops.convert_to_numpy(variable), last[variable.path])


def test_saving_leaves_the_model_as_it_is(trained, tmp_path):
    model = trained["model"].keras_model
    before = [ops.convert_to_numpy(v) for v in [*model.variables, *model.optimizer.variables]]
    average.save(model, tmp_path / "x.h5")
    assert os.listdir(tmp_path) == ["x.h5"]
    for old, variable in zip(before, [*model.variables, *model.optimizer.variables], strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(variable))


def test_without_averages_saving_says_what_to_set(tmp_path):
    model = tiny_network.network("training")
    opt = optimizer.build("sgd", 0.1, momentum=0.9, clip_norm=None, weight_decay=0.0)
    memory.Memory().give(opt, model.trainable_variables)
    model.compile(optimizer=opt)
    with pytest.raises(ValueError, match="set EMA_DECAY, 0.999 say"):
        average.save(model, tmp_path / "x.h5")
    callback = average.SaveAverage(str(tmp_path / "mask_rcnn_x_{epoch:04d}.h5"))
    callback.set_model(model)
    callback.on_epoch_end(0)
    assert os.listdir(tmp_path) == []
