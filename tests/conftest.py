"""What tests of several folders share."""

import keras
import pytest

collect_ignore = ["conftest.py"]  # the search for doctests can't import two of this name


@pytest.fixture(scope="module", autouse=True)
def _seeded():
    """Random networks of a file are the same whatever ran before it in the process: some find nothing, and no test is about that."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="module")
def untraced():
    """Run TensorFlow's functions without tracing: for files whose networks train two steps, and which ask what is written and said, not computed.

    Tracing is most of such a test's time. Ask for it by `pytestmark = pytest.mark.usefixtures("untraced")`.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(eager)


# With two processes that take a file at a time, a long one that comes last leaves the other process idle.
LONGEST = ("test_killed", "test_readme", "test_mask_rcnn", "test_training_traces", "test_leaving", "test_from_scratch", "test_guard")


def pytest_collection_modifyitems(items):
    """Begin with the longest files. Where nothing is traced, TensorFlow warns that Keras' input functions are all the same."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))
    for item in items:
        if "untraced" in getattr(item, "fixturenames", ()):
            item.add_marker(
                pytest.mark.filterwarnings(
                    "ignore:Even though the .tf.config.experimental_run_functions_eagerly:UserWarning"
                )
            )
