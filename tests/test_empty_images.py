"""What trains where there is little to train on: no instance, no positive roi, a crowd alone, beside an ordinary image or not.

Fed rois (USE_RPN_ROIS off) stand in for the proposals, so that it is known which of them are positive. The weights that a step changes show where a
gradient arrived: there is no weight decay.
"""

import keras
import numpy as np
import pytest
import tiny_network
from backend_tools import JAX, arrays
from keras import ops

from mrcnn.config import LOSS_NAMES

pytestmark = pytest.mark.portable

BOX, CLASS, BACKGROUND = (8, 8, 40, 40), 2, (44, 44, 60, 60)
OPTIONS = {"USE_RPN_ROIS": False, "WEIGHT_DECAY": 0, "POST_NMS_ROIS_TRAINING": 3, "TRAIN_ROIS_PER_IMAGE": 9, "MAX_GT_INSTANCES": 2}
# Layers that only one loss trains.
OWN_LAYERS = {
    "rpn_bbox_loss": "rpn_bbox_pred", "rpn_class_loss": "rpn_class_raw", "mrcnn_class_loss": "mrcnn_class_logits",
    "mrcnn_bbox_loss": "mrcnn_bbox_fc", "mrcnn_mask_loss": "mrcnn_mask",
}  # fmt: skip

FULL = {"class_id": CLASS, "rois": [BOX, BACKGROUND]}
NO_POSITIVE_ROI = {"class_id": CLASS, "rois": [BACKGROUND, (0, 44, 10, 60)]}
EMPTY = {"class_id": 0, "rois": [BOX, BACKGROUND]}
CROWD = {"class_id": -CLASS, "rois": [BOX, (12, 12, 30, 30), BACKGROUND]}
CROWD_EVERYWHERE = {"class_id": -CLASS, "rois": [(12, 12, 30, 30), BOX]}


def batch_of(images):
    """The eight arrays of the training graph; positive anchors only where there is an instance. The picture is the same for all."""
    arrays_of_one = tiny_network.training_batch(tiny_network.config(**OPTIONS))
    arrays_of_one[0] = arrays_of_one[0] / 50  # logits of ordinary size: no loss is 0 by rounding
    batch = [np.repeat(array, len(images), axis=0) for array in arrays_of_one]
    for i, image in enumerate(images):
        if image["class_id"] <= 0:
            batch[2][i, :4], batch[3][i] = 0, 0
        batch[4][i], batch[5][i], batch[7][i] = 0, 0, 0
        if image["class_id"]:
            batch[4][i, 0], batch[5][i, 0] = image["class_id"], BOX
        batch[7][i, : len(image["rois"])] = image["rois"]
    return batch


@pytest.fixture(scope="module")
def models():
    """Networks for batches of one and two, of equal weights."""
    keras.utils.set_random_seed(0)
    made = {count: tiny_network.network("training", **OPTIONS, IMAGES_PER_GPU=count) for count in (1, 2)}
    made[2].set_weights(made[1].get_weights())
    return made, made[1].get_weights()


def losses_of(models, *images):
    made, initial = models
    made[len(images)].set_weights(initial)
    outputs = made[len(images)]([ops.convert_to_tensor(a) for a in batch_of(images)], training=False)
    return dict(zip(LOSS_NAMES, (float(arrays(o)[0]) for o in outputs[-5:]), strict=True)), arrays(outputs[3])


def step(models, *images):
    """One step; the losses that changed a weight of their own layers, all weights being finite."""
    made, initial = models
    model = made[len(images)]
    model.set_weights(initial)
    if not model.compiled:
        model.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=JAX)
    model.train_on_batch(tuple(batch_of(images)))
    assert all(np.isfinite(w).all() for w in model.get_weights())

    def layer(name):
        return model.get_layer("rpn_model").get_layer(name) if name.startswith("rpn") else model.get_layer(name)

    after = {loss: layer(name).get_weights() for loss, name in OWN_LAYERS.items()}
    model.set_weights(initial)
    return {loss for loss, name in OWN_LAYERS.items() if any((a != b).any() for a, b in zip(after[loss], layer(name).get_weights(), strict=True))}


CASES = {
    "full": ([FULL], set(LOSS_NAMES)),
    "no_positive_roi": ([NO_POSITIVE_ROI], {"rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss"}),
    "empty": ([EMPTY], {"rpn_class_loss", "mrcnn_class_loss"}),
    "crowd": ([CROWD], {"rpn_class_loss", "mrcnn_class_loss"}),
    "crowd_everywhere": ([CROWD_EVERYWHERE], {"rpn_class_loss"}),
    "empty_and_full": ([EMPTY, FULL], set(LOSS_NAMES)),
    "two_empty": ([EMPTY, EMPTY], {"rpn_class_loss", "mrcnn_class_loss"}),
}


@pytest.mark.parametrize(("images", "expected"), CASES.values(), ids=CASES)
def test_which_losses_are_above_zero_and_reach_their_weights(models, images, expected):
    losses, _ = losses_of(models, *images)
    assert {name for name, value in losses.items() if value != 0} == expected
    assert all(np.isfinite(value) for value in losses.values())
    assert step(models, *images) == expected


def entropy(logits, class_id):
    return np.log(np.exp(logits.astype("float64")).sum()) - logits[class_id]


@pytest.mark.parametrize(("image", "class_ids"), [(FULL, [CLASS, 0]), (NO_POSITIVE_ROI, [0, 0]), (EMPTY, [0, 0]), (CROWD, [0])])
def test_class_loss_is_the_mean_over_the_rois_that_count(models, image, class_ids):
    """Positives come first, negatives follow; the other rows are padding, and rois in the crowd are among neither."""
    losses, logits = losses_of(models, image)
    expected = np.mean([entropy(row, class_id) for row, class_id in zip(logits[0], class_ids, strict=False)])
    assert losses["mrcnn_class_loss"] == pytest.approx(expected, rel=1e-5)


def test_an_empty_image_beside_a_full_one_leaves_its_box_and_mask_losses_alone(models):
    """They are means over positives; the class losses are means over the four rois, and over the anchors, of both."""
    alone, _ = losses_of(models, FULL)
    empty, _ = losses_of(models, EMPTY)
    both, _ = losses_of(models, EMPTY, FULL)
    for name in ("rpn_bbox_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"):
        assert both[name] == pytest.approx(alone[name], rel=1e-4), name
    assert both["mrcnn_class_loss"] == pytest.approx((alone["mrcnn_class_loss"] + empty["mrcnn_class_loss"]) / 2, rel=1e-4)
    assert both["rpn_class_loss"] == pytest.approx((12 * alone["rpn_class_loss"] + 8 * empty["rpn_class_loss"]) / 20, rel=1e-4)
