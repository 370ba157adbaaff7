"""The optimizer: SGD with momentum whose gradient is clipped by its global norm, and whose momentum survives from stage to stage."""

from collections.abc import Sequence
from typing import Any

import keras


def build(learning_rate: float, momentum: float, clip_norm: float | None) -> keras.optimizers.Optimizer:
    """SGD as the original trained with. (Keras 2's `clipnorm` clipped the norm of all gradients together: Keras 3's `global_clipnorm`.)

    Args:
        learning_rate: At least 0.
        momentum: From 0 to 1.
        clip_norm: Largest norm of the whole gradient; None: any.
    """
    return keras.optimizers.SGD(learning_rate=learning_rate, momentum=float(momentum), global_clipnorm=clip_norm)


def carry_over(
    old: keras.optimizers.Optimizer | None, old_variables: Sequence[Any], new: keras.optimizers.Optimizer, variables: Sequence[Any]
) -> int:
    """Build `new` for the variables and give it the momentum that `old` has gathered for them, matched by the variables' paths.

    Args:
        old: Optimizer of the stage before; None gives nothing.
        old_variables: What `old` was built for.
        new: Not yet built.
        variables: What `new` will train.

    Returns:
        Number of momentum buffers carried over.
    """
    new.build(list(variables))
    if old is None or not getattr(old, "momentums", None) or not new.momentums:
        return 0
    gathered = {v.path: m for v, m in zip(old_variables, old.momentums, strict=True)}
    carried = 0
    for variable, momentum in zip(variables, new.momentums, strict=True):
        if variable.path in gathered:
            momentum.assign(gathered[variable.path])
            carried += 1
    return carried
