"""Training that repeats bit for bit."""

import os

import keras

from mrcnn.log import log


def start(seed: int, deterministic: bool) -> None:
    """Seed everything random, and choose operations whose results don't hang on the order in which threads finish.

    Two runs of one program on one machine then give the same weights to the bit, and so does a run that was stopped and resumed. It holds for the
    whole process from then on.

    Args:
        seed: Of Python's, NumPy's and the backend's generators.
        deterministic: False: only the seed; sums of many threads then differ in their last digits from run to run.
    """
    keras.utils.set_random_seed(seed)
    if not deterministic:
        return
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        # A gradient that three or more layers give to one tensor is added in the order of whichever buffer is free first (AddN); one operation at a
        # time makes that order fixed. The threads within an operation stay.
        try:
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError:
            if os.environ.get("TF_NUM_INTEROP_THREADS") != "1":
                log(
                    "DETERMINISTIC: TensorFlow was used before this network was built, so its operations may still run side by side, and sums may "
                    "differ in their last bits. Build the training network first, or start the program with TF_NUM_INTEROP_THREADS=1."
                )
    elif backend == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    elif "xla_gpu_deterministic_ops" not in os.environ.get("XLA_FLAGS", ""):  # on a CPU XLA is deterministic anyway
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
