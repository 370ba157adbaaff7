"""Which layers train."""

import keras
import pytest

from mrcnn.training import layer_groups

NAMES = [
    "conv1", "bn_conv1", "res2a_branch2a", "res3b_branch2a", "bn3b_branch2a", "res4a_branch1", "bn4w_branch2c", "res5c_branch2c", "fpn_p2",
    "mrcnn_mask",
]  # fmt: skip


@pytest.fixture
def model():
    """The layers of NAMES one after the other, the RPN nested as in the network."""
    inputs = x = keras.Input((4, 4, 2))
    for name in NAMES:
        x = keras.layers.BatchNormalization(name=name)(x) if name.startswith("bn") else keras.layers.Conv2D(2, 1, name=name)(x)
    inner = keras.Input((4, 4, 2))
    rpn = keras.Model(inner, keras.layers.Conv2D(2, 1, name="rpn_conv_shared")(inner), name="rpn_model")
    x = keras.layers.Dropout(0.5, name="mrcnn_dropout")(rpn(x))  # the state of its random generator is no weight
    return keras.Model(inputs, x)


HEADS = ["fpn_p2", "mrcnn_mask", "rpn_conv_shared"]
EXPECTED = {
    "heads": HEADS,
    "5+": ["res5c_branch2c", *HEADS],
    "4+": ["res4a_branch1", "bn4w_branch2c", "res5c_branch2c", *HEADS],
    "3+": ["res3b_branch2a", "bn3b_branch2a", "res4a_branch1", "bn4w_branch2c", "res5c_branch2c", *HEADS],
    "all": [*NAMES, "rpn_conv_shared"],
    "res4.*": ["res4a_branch1"],
    "conv1": ["conv1"],  # the whole name: not bn_conv1
}


@pytest.mark.parametrize("layers", EXPECTED)
def test_layers_of_a_group_train_and_no_others(model, layers):
    assert layer_groups.set_trainable(model, layers, verbose=False) == EXPECTED[layers]
    trains = {layer.name for layer in layer_groups.trainable_layers(model) if layer.trainable_weights}
    assert trains == set(EXPECTED[layers])


def test_an_expression_is_the_whole_name(model):
    with pytest.raises(ValueError, match="'res4a_branch' matches no layer"):
        layer_groups.set_trainable(model, "res4a_branch", verbose=False)


def test_groups_can_follow_one_another(model):
    layer_groups.set_trainable(model, "heads", verbose=False)
    assert layer_groups.set_trainable(model, "all", verbose=False) == EXPECTED["all"]
    assert len(model.trainable_weights) == 2 * len(EXPECTED["all"])


def test_chosen_layers_are_printed(model, capsys):
    layer_groups.set_trainable(model, "heads", indent=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  Selecting layers to train"
    assert [line.split() for line in lines[1:]] == [[name, "(Conv2D)"] for name in HEADS]


def test_nothing_is_printed_when_silent(model, capsys):
    layer_groups.set_trainable(model, "heads", verbose=False)
    assert not capsys.readouterr().out


def test_pattern_without_a_layer_is_refused(model):
    with pytest.raises(ValueError, match=r"layers 'head' matches no layer.*One of heads, .*named like conv1, bn_conv1"):
        layer_groups.set_trainable(model, "head", verbose=False)


def test_text_that_is_no_pattern_is_refused(model):
    with pytest.raises(ValueError, match=r"layers '\+5': one of heads, 3\+, 4\+, 5\+, all or a regular expression"):
        layer_groups.set_trainable(model, "+5", verbose=False)
