"""Values of a Config as JSON and back."""

import json
import math
import pathlib

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.training import plain


def through(value):
    return plain.decode(json.loads(json.dumps(plain.encode(value), allow_nan=False)))


@pytest.mark.parametrize(
    "value", [None, True, 0, -3, 1.5, "text", "ä", [1, [2, "x"]], {"a": {"b": [1.0]}}, {"@odd": 1}, {1: "one", (2, 3): "pair"}, [], {}]
)  # fmt: skip
def test_values_come_back(value):
    assert through(value) == value and type(through(value)) is type(value)


def test_numbers_that_are_none_come_back():
    assert math.isnan(through(math.nan))
    assert through([math.inf, {"x": -math.inf}]) == [math.inf, {"x": -math.inf}]


@pytest.mark.parametrize(
    "array",
    [np.array([123.7, 116.8]), np.zeros((0, 4), np.float32), np.array([[True], [False]]), np.array(5, np.int16), np.array([np.nan, np.inf]),
     np.array(["a", "bc"])],
)  # fmt: skip
def test_arrays_come_back_with_shape_and_dtype(array):
    back = through(array)
    assert back.dtype == array.dtype and back.shape == array.shape
    np.testing.assert_array_equal(back, array)


def test_numpy_scalars_tuples_and_sets_become_plain():
    assert through((np.float32(0.5), np.int64(2), np.bool_(True), np.str_("x"))) == [0.5, 2, True, "x"]
    assert through({3, 1, 2}) == [1, 2, 3]


class Broken:
    def __repr__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize("value", [lambda x: x, Config, len, Broken(), object(), pathlib.Path("a"), 1j, np.array([object()]), np.zeros(1001)])
def test_code_and_objects_are_written_by_their_name_only(value):
    assert through(value) is plain.UNREADABLE
    assert through([1, value]) is plain.UNREADABLE and through({"a": value}) is plain.UNREADABLE


def test_an_object_has_the_same_text_in_every_run():
    assert plain.encode(object()) == {"@object": "builtins.object", "text": "<object object>"}
    assert "no text form: RuntimeError: no" in plain.encode(Broken())["text"]
    assert len(plain.text("x" * 10000)) < 2100


def test_large_arrays_differ_by_their_content():
    one, other = np.zeros(2000), np.zeros(2000)
    other[7] = 1
    assert plain.encode(one) == plain.encode(one.copy()) != plain.encode(other)


def test_a_value_that_holds_itself_ends():
    loop = []
    loop.append(loop)
    assert through(loop) is plain.UNREADABLE


class Refusing:
    def __get__(self, instance, owner):
        if instance is None:
            return self
        raise RuntimeError("nothing here")


class Special(Config):
    NAME = "special"
    NUM_CLASSES = 3
    WANDB_API_KEY = "abc"
    own = {"x": 1}
    SCALE = staticmethod(lambda x: x)

    BROKEN = Refusing()

    def method(self):
        return 1


def test_attributes_are_all_but_methods_derived_ones_and_secrets():
    config = Special()
    found = plain.attributes(config)
    assert (found["NUM_CLASSES"], found["own"], found["SCALE"]) == (3, {"x": 1}, {"@callable": f"{__name__}.Special.<lambda>"})
    assert "abc" not in json.dumps(found) and "secret" in found["WANDB_API_KEY"]["@object"]
    assert not {"method", "BATCH_SIZE", "IMAGE_META_SIZE", "validate"} & set(found)
    assert found["BROKEN"] == "could not be read: RuntimeError: nothing here"
    config.BATCH_SIZE = 5
    assert plain.attributes(config)["BATCH_SIZE"] == 5


def test_every_parameter_of_config_comes_back():
    config = Config()
    for name, value in plain.attributes(config).items():
        original = getattr(config, name)
        back = plain.decode(value)
        np.testing.assert_equal(back, list(original) if isinstance(original, tuple) else original)


def test_short_form_for_the_log():
    assert plain.short(plain.encode(np.array([1.0, 2.0]))) == "[1.0, 2.0]"
    assert plain.short(plain.encode(len)) == "builtins.len"
    assert len(plain.short("x" * 500)) == 78
