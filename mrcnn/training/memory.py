"""What optimizers have gathered, kept from stage to stage and from run to run."""

from typing import Any

import keras
import numpy as np

from mrcnn.training import optimizer as optimizers

_OF_THE_STAGE = ("learning_rate",)  # set anew by each stage


class Memory:
    """State of all optimizers so far, by the variables' paths: momentum, moments, averages, accumulated gradients, counts, the loss scale.

    A weight that rests in a stage (all → heads → all) finds its momentum again. Rest does it no harm: its moments in AdamW stay of the age they had,
    and its average goes on to approach the weight, as if it had been computed all along. Gradients accumulated for an update that never came are
    used if they cover all the weights that train next, and forgotten otherwise.

    Attributes:
        arrays: Path → value. To continue a run bit for bit write them down after `gather`, and put them back before `give`.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def gather(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Note what an optimizer holds; what others held for weights that it doesn't train stays.

        On JAX, in the middle of an epoch, call `jax_state_sync()` of the model before.
        """
        core = optimizers.core(optimizer)
        self.arrays = {path: array for path, array in self.arrays.items() if not path.endswith("_accumulator")}
        for variable in optimizer.variables:
            if not variable.path.endswith(_OF_THE_STAGE):
                self.arrays[variable.path] = np.array(keras.ops.convert_to_numpy(variable))
        for variable in core._trainable_variables:
            self.arrays[optimizers.key(core, variable, "seen")] = self.arrays[core.updates.path]

    def give(self, optimizer: keras.optimizers.Optimizer, variables: list[Any]) -> int:
        """Build an optimizer for the variables and give it what is known for them.

        Args:
            optimizer: Not yet built.
            variables: What it will train, with the values from which it will.

        Returns:
            Number of arrays it took that belong to a weight (momentum, moments, average, accumulated gradient).
        """
        core = optimizers.core(optimizer)
        optimizer.build(variables)
        known = {v.path: v for v in optimizer.variables if self._fits(v)}
        if not all(v.path in known for v in core.accumulators):  # a cycle of other weights: start a new one
            known = {path: v for path, v in known.items() if not path.endswith(("_accumulator", "/accumulated"))}
        for path, variable in known.items():
            variable.assign(self.arrays[path])
        for place, variable in enumerate(variables):
            self._wake(core, place, variable)
        own = {optimizers.key(core, v, "average") for v in variables}
        core.resting = {path: a for path, a in self.arrays.items() if path.endswith(("_average", "_seen")) and path not in own}
        return sum(v.shape != () and not path.endswith(_OF_THE_STAGE) for path, v in known.items())

    def _fits(self, variable: Any) -> bool:
        array = self.arrays.get(variable.path)
        return array is not None and array.shape == tuple(variable.shape) and not variable.path.endswith(_OF_THE_STAGE)

    def _wake(self, core: Any, place: int, variable: Any) -> None:
        """Make up for the updates through which a weight rested; one that is new is as old as the next update."""
        updates = int(core.updates)
        seen = self.arrays.get(optimizers.key(core, variable, "seen"))
        if hasattr(core, "born"):
            core.born[place].assign(updates if seen is None else int(core.born[place]) + updates - int(seen))
        if core.averages and seen is not None and optimizers.key(core, variable, "average") in self.arrays and int(seen) < updates:
            now = keras.ops.convert_to_numpy
            core.averages[place].assign(rested(now(core.averages[place]), now(variable), int(seen), updates, core.ema_decay))


def rested(average: np.ndarray, weight: np.ndarray, seen: int, updates: int, decay: float) -> np.ndarray:
    """The average of a weight that has not changed since update `seen`, at update `updates`."""
    share = np.prod(optimizers.ema_share(np.arange(seen + 1.0, updates + 1.0), decay, np.minimum))
    return (weight + (average - weight) * share).astype(np.float32)
