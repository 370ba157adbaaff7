"""Floating point operations of a TensorFlow graph: the multiplications and additions of its convolutions and matrix products.

What else there is (BatchNorm, activations, resampling, boxes) is not counted: it is what a rate below the machine's shows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any


def count(function: Callable[..., Any], *inputs: Any, leading: int | None = None) -> dict[str, int]:
    """Count what one call does, forward or with gradients.

    Args:
        function: Of TensorFlow tensors.
        *inputs: Tensors, or tf.TensorSpec of full shapes.
        leading: First dimension of tensors inside of which only that one is not known when the graph is made.

    Returns:
        Operations by kind ("Conv2D", "MatMul", …), a multiplication and an addition counted as two.

    Raises:
        ValueError: a shape is not known, or there is a product that this does not know.
    """
    import tensorflow as tf

    graph = tf.function(function, autograph=False).get_concrete_function(*inputs).graph
    found: Counter[str] = Counter()
    for operation in _operations(graph):
        cost = _cost(operation, leading)
        if cost:
            found[operation.type] += cost
    return dict(found)


def _operations(graph: Any) -> Any:
    yield from graph.get_operations()
    for name in graph._functions:  # bodies of calls, branches and loops
        body = getattr(graph._get_function(name), "graph", None)
        if body is not None:
            for operation in body.get_operations():
                if _cost(operation, 1):
                    raise ValueError(f"{operation.name} is inside the function {name}: how often it runs is not known.")


def _cost(operation: Any, leading: int | None) -> int:
    def size(tensor: Any) -> int:
        return math.prod(_shape(tensor, leading))

    def per_position(kernel: Any) -> int:
        return math.prod(kernel.shape.as_list()[:3])

    kind = operation.type
    if kind == "Conv2D":
        return 2 * size(operation.outputs[0]) * per_position(operation.inputs[1])
    if kind == "Conv2DBackpropInput":  # (sizes, kernel, gradient); a transposed convolution is this one too
        return 2 * size(operation.inputs[2]) * per_position(operation.inputs[1])
    if kind == "Conv2DBackpropFilter":  # (input, sizes, gradient)
        return 2 * size(operation.inputs[2]) * per_position(operation.outputs[0])
    if kind in ("MatMul", "BatchMatMulV2"):
        flag = operation.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
        return 2 * size(operation.outputs[0]) * _shape(operation.inputs[0], leading)[-2 if flag else -1]
    if kind in ("Einsum", "DepthwiseConv2dNative", "Conv3D", "BatchMatMul", "BatchMatMulV3"):
        raise ValueError(f"{operation.name} is a {kind}, which is not counted yet: add its cost to benchmarks/flops.py.")
    return 0


def _shape(tensor: Any, leading: int | None) -> list[int]:
    """Shape of a tensor, all known; ValueError where it is not."""
    shape = tensor.shape.as_list() if tensor.shape.rank else [None]
    if shape[0] is None and leading is not None:
        shape[0] = leading
    if None in shape:
        raise ValueError(f"{tensor.name} has shape {tensor.shape}: give inputs of full shapes to count it, or say what its first dimension is.")
    return shape
