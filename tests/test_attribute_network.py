"""The attribute head in the whole network: absent by default, trained, saved, told by detect. (Resumed: training/test_killed.py.)"""

import numpy as np
import pytest
import tiny
import tiny_network
from backend_tools import TENSORFLOW, arrays
from keras import ops

from mrcnn.config import LOSS_NAMES
from mrcnn.config_checks import ATTRIBUTE_LOSS
from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.weights import report as load_report

NAMES = {12: "red", 30: "round", 44: "never"}


class AttributeConfig(tiny.TinyConfig):
    NUM_ATTRIBUTES = 3
    ATTRIBUTE_MIN_CONFIDENCE = 0.4
    STEPS_PER_EPOCH = 2
    VALIDATION_STEPS = 1
    LOADER_WORKERS = 0


class Labelled(tiny.Squares):
    """Squares are red, discs are round; nobody knows of every third image."""

    def __init__(self, count=6):
        super().__init__(count)
        self.attribute_names = dict(NAMES)

    def load_attributes(self, image_id):
        return None if image_id % 3 == 2 else np.array([[1, 0, 0], [0, 1, 0]])


def weighted(model):
    return [layer.name for layer in model.layers if layer.weights and not layer.name.startswith("proposal_targets")]


@pytest.mark.portable
def test_the_head_adds_an_input_a_loss_and_one_layer_and_changes_no_other_weight():
    plain, headed = tiny_network.network("training"), tiny_network.network("training", NUM_ATTRIBUTES=5)
    assert [i.name for i in headed.inputs] == [*(i.name for i in plain.inputs), "input_gt_attributes"]
    assert tuple(headed.inputs[-1].shape[1:]) == (4, 5)
    assert plain.loss_names == LOSS_NAMES and headed.loss_names == (*LOSS_NAMES, ATTRIBUTE_LOSS)
    assert len(headed.outputs) == len(plain.outputs) + 1
    assert sorted(set(weighted(headed)) - set(weighted(plain))) == ["mrcnn_attributes"]
    assert set(weighted(plain)) < set(weighted(headed))
    fed = tiny_network.network("training", NUM_ATTRIBUTES=5, USE_RPN_ROIS=False)
    assert [i.name for i in fed.inputs][-2:] == ["input_gt_attributes", "input_roi"]


@pytest.mark.portable
def test_losses_of_the_other_heads_are_the_same_with_it():
    """The same weights, the same batch: five equal losses, and a sixth that is log 2 while the head says nothing."""
    plain, headed = tiny_network.network("training"), tiny_network.network("training", NUM_ATTRIBUTES=5, LOSS_WEIGHTS={ATTRIBUTE_LOSS: 2.0})
    for layer in headed.layers:
        layer.set_weights([0 * w for w in layer.get_weights()] if layer.name == "mrcnn_attributes" else plain_weights(plain, layer))
    batch = tiny_network.training_batch(tiny_network.config())
    labels = np.zeros((1, 4, 5), np.int8)
    labels[0, 0] = [1, 0, -1, 1, -1]
    outputs = [arrays(plain([ops.convert_to_tensor(a) for a in batch], training=False))]
    outputs.append(arrays(headed([ops.convert_to_tensor(a) for a in [*batch, labels]], training=False)))
    for before, after in zip(outputs[0], outputs[1][:-1], strict=True):
        np.testing.assert_array_equal(before, after)
    expected = 0.0 if float(outputs[1][-2][0]) == 0 else np.log(2)  # no mask loss: no positive roi among the random network's proposals
    assert float(outputs[1][-1][0]) == pytest.approx(expected, rel=1e-6)
    shown = {m.name for m in headed.metrics}
    assert ATTRIBUTE_LOSS in shown


def plain_weights(model, layer):
    return model.get_layer(layer.name).get_weights() if layer.weights else []


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short training, and a network that detects with what it has learned."""
    folder = tmp_path_factory.mktemp("logs")
    model = MaskRCNN("training", AttributeConfig(), folder)
    history = model.train(Labelled(), Labelled(3), 0.01, 1, "all").history
    inference = MaskRCNN("inference", AttributeConfig(), folder)
    inference.load_weights(model.find_last(), by_name=True)
    return {"model": model, "history": history, "inference": inference}


@pytest.mark.skipif(not TENSORFLOW, reason="training is shown on one backend")
class TestTrained:
    def test_its_loss_is_in_training_and_in_validation(self, trained):
        for name in (ATTRIBUTE_LOSS, f"val_{ATTRIBUTE_LOSS}"):
            assert np.isfinite(trained["history"][name]).all() and min(trained["history"][name]) > 0

    def test_its_weights_are_last_in_the_file_and_come_back(self, trained):
        from mrcnn.weights import layout

        described = layout.describe(trained["model"].find_last())
        assert list(described.layers)[-1] == "mrcnn_attributes" and described.facts.num_attributes == 3
        assert "NUM_ATTRIBUTES: 3" in layout.summary(described)
        here, there = (m.keras_model.get_layer("mrcnn_attributes").get_weights() for m in (trained["model"], trained["inference"]))
        assert all(np.array_equal(a, b) for a, b in zip(here, there, strict=True)) and here[0].any()

    def test_a_file_without_it_loads_and_says_so(self, trained, tmp_path):
        old = MaskRCNN("inference", tiny.TinyConfig(), tmp_path)
        found = old.load_weights(trained["model"].find_last(), by_name=True)
        assert found.unused_in_file == ("mrcnn_attributes",) and not found.missing_in_file
        old.keras_model.save_weights(tmp_path / "old.h5")
        headed = MaskRCNN("inference", AttributeConfig(), tmp_path)
        loaded = headed.load_weights(tmp_path / "old.h5", by_name=True)
        assert loaded.missing_in_file == ("mrcnn_attributes",) and "Random: attribute head." in load_report.describe(loaded)
        with pytest.raises(ValueError, match="1 layers hold random weights: mrcnn_attributes"):
            headed.detect([tiny.Squares(1).load_image(0)])
        more = AttributeConfig()
        more.NUM_ATTRIBUTES = 4
        with pytest.raises(ValueError, match=r"NUM_ATTRIBUTES: 3 in the file, 4 here"):
            MaskRCNN("inference", more, tmp_path).load_weights(trained["model"].find_last(), by_name=True)

    def test_detect_tells_attributes_beside_the_four_keys(self, trained):
        data = Labelled(3)
        images = [data.load_image(i) for i in range(3)]
        found = trained["inference"].detect(images)
        lazy = trained["inference"].detect(images, lazy_masks=True)
        assert sum(one.num for one in found) > 0
        for one, other in zip(found, lazy, strict=True):
            assert sorted(one) == ["class_ids", "masks", "rois", "scores"]
            assert one.attributes.shape == (one.num, 3) and one.attributes.dtype == np.float32
            assert ((one.attributes > 0) & (one.attributes < 1)).all() and one.attribute_min_confidence == 0.4
            np.testing.assert_allclose(other.attributes, one.attributes, atol=1e-6)
        molded, metas, _ = trained["inference"].mold_inputs(images[:2])
        again = trained["inference"].detect_molded(molded, metas)
        np.testing.assert_allclose(again[0].attributes, found[0].attributes, atol=1e-6)
        batch = trained["inference"].detect(images[:1])
        np.testing.assert_allclose(batch[0].attributes, found[0].attributes, atol=1e-6)

    def test_measuring_takes_the_attributes_along(self, trained):
        from mrcnn.evaluation.attributes import AttributeAccumulator
        from mrcnn.training.mean_average_precision import measure

        gathered = AttributeAccumulator(3, iou_threshold=0.01)
        measure(trained["inference"], Labelled(3), [0, 1, 2], attributes=gathered)
        scores = gathered.result()
        assert gathered.num_images == 3 and scores.num_instances == 6 and 0 < scores.num_found
        assert (scores.known <= 4).all()  # of the third image nothing is known


def test_a_weight_of_the_loss_without_the_head_is_refused():
    with pytest.raises(ValueError, match="mrcnn_attribute_loss belongs to the attribute head, but NUM_ATTRIBUTES is 0"):
        tiny_network.config(LOSS_WEIGHTS={ATTRIBUTE_LOSS: 1.0}).validate()


@pytest.mark.parametrize(
    ("name", "value"), [("NUM_ATTRIBUTES", -1), ("NUM_ATTRIBUTES", 2.5), ("NUM_ATTRIBUTES", None), ("ATTRIBUTE_MIN_CONFIDENCE", 1)]
)
def test_impossible_values_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        tiny_network.config(**{name: value}).validate()
