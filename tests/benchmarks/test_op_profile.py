import numpy as np
import pytest

from benchmarks import op_profile


@pytest.mark.parametrize(
    ("spans", "length"), [([], 0), ([(0, 1)], 1), ([(0, 2), (1, 3)], 3), ([(4, 5), (0, 1)], 2), ([(0, 10), (2, 3), (9, 11)], 11)]
)
def test_overlapping_spans_count_once(spans, length):
    assert op_profile.covered(spans) == length


def test_a_call_that_only_multiplies_is_nearly_all_network_and_one_that_sleeps_is_not():
    tf = pytest.importorskip("tensorflow")
    import time

    matrix = tf.constant(np.ones((1500, 1500), np.float32))
    multiply = tf.function(lambda: matrix @ (matrix @ (matrix @ matrix)), jit_compile=False)
    multiply()

    def half():
        start = time.monotonic()
        multiply()
        time.sleep(2 * (time.monotonic() - start))

    assert op_profile.not_network(multiply)["not_network"] < 0.4
    assert op_profile.not_network(half)["not_network"] > 0.5


def test_names_of_operations_are_told_apart():
    assert op_profile.NETWORK_OPERATION.search("mask_rcnn/res2a/Relu:_MklNativeFusedConv2D")
    assert op_profile.NETWORK_OPERATION.search("head/MatMul:_MklMatMul")
    assert not op_profile.NETWORK_OPERATION.search("ROI/non_max:NonMaxSuppressionV4")
    assert not op_profile.NETWORK_OPERATION.search("mask_rcnn/conv1/Conv2D/ReadVariableOp:ReadVariableOp")
