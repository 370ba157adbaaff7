"""Networks of seconds for the sample programs."""

import pytest
import tensorflow as tf
import tiny

collect_ignore = ["conftest.py"]  # the search for doctests can't import two of this name


@pytest.fixture
def small(monkeypatch):
    """Give configuration classes the tiny network's values, and run it without tracing: two steps need none, and it is most of their time."""

    def shrink(*classes, **others):
        for cls in classes:
            for name, value in (vars(tiny.TinyConfig) | others).items():
                if name.isupper() and name not in ("NAME", "NUM_CLASSES"):
                    monkeypatch.setattr(cls, name, value, raising=False)

    eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    yield shrink
    tf.config.run_functions_eagerly(eager)


def pytest_collection_modifyitems(items):
    """Where nothing is traced, TensorFlow warns that Keras' input functions are all the same."""
    for item in items:
        if "small" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.filterwarnings("ignore:Even though the .tf.config.experimental_run_functions_eagerly:UserWarning"))
