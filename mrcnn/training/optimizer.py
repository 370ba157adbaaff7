"""The optimizers. Their gradient is clipped by its global norm, and their state survives from stage to stage."""

from typing import Any

import keras

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


def carry_over(old: keras.optimizers.Optimizer | None, new: keras.optimizers.Optimizer, variables: list[Any]) -> int:
    """Build `new` for the variables and give it what `old` has gathered for them (momentum and the like), matched by the variables' paths.

    AdamW's count of steps, which corrects the bias of young averages, is kept only where every average is.

    Args:
        old: Optimizer of the stage before; None gives nothing.
        new: Not yet built.
        variables: What `new` will train.

    Returns:
        Number of state variables carried over.
    """
    new.build(variables)
    if old is None or type(old) is not type(new):
        return 0
    gathered = {v.path: v for v in old.variables}
    state = [v for v in new.variables if not v.path.endswith(_NOT_STATE)]
    carried = [v for v in state if v.path in gathered]
    for variable in carried:
        variable.assign(gathered[variable.path])
    if len(carried) == len(state):
        new.iterations.assign(old.iterations)
    return len(carried)
