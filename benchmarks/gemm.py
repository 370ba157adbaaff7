"""What the machine can do at best: the rate of one large matrix product."""

from __future__ import annotations

import numpy as np

from benchmarks.workers import Tasks

SIDE = 4096
#: Operations of one product.
OPERATIONS = 2 * SIDE**3


def products() -> Tasks:
    """Products of two [4096, 4096] matrices, by TensorFlow in float32 and bfloat16 and by NumPy in float32."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIDE, SIDE), dtype=np.float32) for _ in range(2))
    multiply = tf.function(tf.matmul)

    def by_tensorflow(dtype: tf.DType):
        x, y = tf.constant(a, dtype), tf.constant(b, dtype)
        return lambda: multiply(x, y)

    def by_numpy() -> None:
        a @ b

    return Tasks({"tf_float32": by_tensorflow(tf.float32), "tf_bfloat16": by_tensorflow(tf.bfloat16), "numpy_float32": by_numpy}, {})
