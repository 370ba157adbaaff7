"""The optimizers. Their gradient is clipped by its global norm, and their state survives from stage to stage."""

from typing import Any

import keras
import numpy as np

_NAME = "optimizer"  # part of the paths of its variables, by which the state of one stage finds its place in the next
_NOT_STATE = ("learning_rate", "iteration")


def build(kind: str, learning_rate: Any, *, momentum: float, clip_norm: float | None, weight_decay: float) -> keras.optimizers.Optimizer:
    """Build an optimizer.

    Args:
        kind: "sgd", as the original trained with, or "adamw" (Loshchilov & Hutter 2019), which learns faster from scratch.
        learning_rate: Number or schedule of Keras.
        momentum: Of SGD, from 0 to 1. AdamW has its own (0.9 and 0.999).
        clip_norm: Largest norm of the whole gradient; None: any. (Keras 2's `clipnorm` clipped the norm of all gradients together: Keras 3's
            `global_clipnorm`.)
        weight_decay: Of AdamW: each step takes learning rate * weight_decay of a weight away, BatchNorm and biases excepted. SGD decays through the
            loss instead, as in the original; see `nn.network.TrainingModel.l2`.
    """
    if kind == "sgd":
        return keras.optimizers.SGD(learning_rate, momentum=float(momentum), global_clipnorm=clip_norm, name=_NAME)
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay, global_clipnorm=clip_norm, name=_NAME)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


class Memory:
    """What optimizers have gathered for each variable (momentum and the like), across stages that train other layers, and across processes.

    Args:
        arrays: Of another process; path of the optimizer's variable to value.
    """

    def __init__(self, arrays: dict[str, np.ndarray] | None = None):
        self.arrays = dict(arrays or {})

    def gather(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Remember the state of an optimizer."""
        self.arrays.update({v.path: np.array(v) for v in optimizer.variables if not v.path.endswith("learning_rate")})

    def give(self, optimizer: keras.optimizers.Optimizer, variables: list[Any]) -> int:
        """Build an optimizer for the variables and give it what is remembered for them.

        AdamW's count of steps, which corrects the bias of young averages, is kept only where every average is.

        Returns:
            Number of state variables given.
        """
        optimizer.build(variables)
        state = [v for v in optimizer.variables if not v.path.endswith(_NOT_STATE)]
        known = [v for v in state if v.path in self.arrays]
        for variable in known:
            variable.assign(self.arrays[variable.path])
        if len(known) == len(state) and optimizer.iterations.path in self.arrays:
            optimizer.iterations.assign(self.arrays[optimizer.iterations.path])
        return len(known)
