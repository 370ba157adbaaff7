"""Floating point operations of a TensorFlow graph: the multiplications and additions of its convolutions and matrix products.

What else there is (BatchNorm, activations, resampling, boxes) is not counted: it is what a rate below the machine's shows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any


def count(function: Callable[..., Any], *inputs: Any) -> dict[str, int]:
    """Count what one call does, forward or with gradients.

    Args:
        function: Of TensorFlow tensors.
        *inputs: Tensors, or tf.TensorSpec of full shapes.

    Returns:
        Operations by kind ("Conv2D", "MatMul", …), a multiplication and an addition counted as two.

    Raises:
        ValueError: a shape is not known, or there is a product that this does not know.
    """
    import tensorflow as tf

    graph = tf.function(function, autograph=False).get_concrete_function(*inputs).graph
    found: Counter[str] = Counter()
    for operation in _operations(graph):
        cost = _cost(operation)
        if cost:
            found[operation.type] += cost
    return dict(found)


def _operations(graph: Any) -> Any:
    yield from graph.get_operations()
    for name in graph._functions:  # bodies of calls, branches and loops
        body = getattr(graph._get_function(name), "graph", None)
        if body is not None:
            for operation in body.get_operations():
                if _cost(operation):
                    raise ValueError(f"{operation.name} is inside the function {name}: how often it runs is not known.")


def _cost(operation: Any) -> int:
    kind = operation.type
    if kind == "Conv2D":
        return 2 * _size(operation.outputs[0]) * _size(operation.inputs[1], slice(0, 3))
    if kind == "Conv2DBackpropInput":  # (sizes, kernel, gradient); a transposed convolution is this one too
        return 2 * _size(operation.inputs[2]) * _size(operation.inputs[1], slice(0, 3))
    if kind == "Conv2DBackpropFilter":  # (input, sizes, gradient)
        return 2 * _size(operation.inputs[2]) * _size(operation.outputs[0], slice(0, 3))
    if kind in ("MatMul", "BatchMatMulV2"):
        flag = operation.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
        shape = operation.inputs[0].shape
        return 2 * _size(operation.outputs[0]) * int(shape[-2 if flag else -1])
    if kind in ("Einsum", "DepthwiseConv2dNative", "Conv3D", "BatchMatMul", "BatchMatMulV3"):
        raise ValueError(f"{operation.name} is a {kind}, which is not counted yet: add its cost to benchmarks/flops.py.")
    return 0


def _size(tensor: Any, axes: slice = slice(None)) -> int:
    """Number of values of a tensor, or along some axes; ValueError where that is not known."""
    if tensor.shape.rank is None or None in tensor.shape.as_list()[axes]:
        raise ValueError(f"{tensor.name} has shape {tensor.shape}: give inputs of full shapes to count it.")
    return math.prod(tensor.shape.as_list()[axes])
