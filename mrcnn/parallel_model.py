"""The original's way to several devices, which needs TensorFlow 1: kept as a name that says what to do instead."""

from typing import Any


class ParallelModel:
    """Not available: it cut a Keras 2 graph into device scopes of one TensorFlow 1 session.

    Raises:
        NotImplementedError: Always; the message names the new way.
    """

    def __init__(self, keras_model: Any = None, gpu_count: int | None = None):
        raise NotImplementedError(
            "ParallelModel cannot work under Keras 3, which has no sessions to cut a graph for. Use the model as it is: set GPU_COUNT = 1 and choose "
            "IMAGES_PER_GPU so that one device is full (MaskRCNN.train does the rest). To spread batches over several devices Keras 3 has "
            "keras.distribution.DataParallel on JAX and tf.distribute.MirroredStrategy on TensorFlow."
        )
