"""What the tests of the network need on every backend: gradients, and tensors as NumPy arrays."""

import keras
import numpy as np
from keras import ops

TENSORFLOW, JAX = (keras.backend.backend() == name for name in ("tensorflow", "jax"))
if JAX:
    import jax

    jax.config.update("jax_disable_most_optimizations", True)  # nearly all the time of these tests is compilation


def compiled(function):
    """The function, on JAX as one program: compiling it operation by operation takes ten times as long."""
    if keras.backend.backend() != "jax":
        return function
    return jax.jit(function)


def gradient(function, *arrays):
    """Gradients of a scalar function at NumPy arrays: a list of arrays, zeros where none flows."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        return [np.asarray(g) for g in tape.gradient(value, tensors, unconnected_gradients="zero")]
    if backend == "jax":
        tensors = [ops.convert_to_tensor(a) for a in arrays]
        return [np.asarray(g) for g in jax.jit(jax.grad(function, argnums=tuple(range(len(tensors)))))(*tensors)]
    import torch

    tensors = [ops.convert_to_tensor(a).detach().requires_grad_() for a in arrays]
    value = function(*tensors)
    if not value.requires_grad:
        return [np.zeros_like(a) for a in arrays]
    found = torch.autograd.grad(value, tensors, allow_unused=True)
    return [np.zeros_like(a) if g is None else g.numpy(force=True) for g, a in zip(found, arrays, strict=True)]


def arrays(structure):
    """Tensors of a structure as NumPy arrays."""
    return keras.tree.map_structure(ops.convert_to_numpy, structure)
