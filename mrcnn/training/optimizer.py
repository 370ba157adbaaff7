"""The optimizers: Keras' SGD and AdamW, with what training needs around one update.

An update whose gradient is not finite is refused, gradients of several batches are added up before one, and a moving average of the weights
follows. Keras has the last two itself, but (3.15) its moving average also counts batches that only accumulate, and starts at zero for weights that
join later. `memory.Memory` carries the state over to another optimizer.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

Tensor = Any

INITIAL_LOSS_SCALE = 2.0**15
NORMS = ("gamma", "beta")  # weights of normalisations, which no weight decay touches


def build(
    kind: str, learning_rate: Any, *, momentum: float, clip_norm: float | None, weight_decay: float, decay_biases: bool | None = None,
    accumulation: int = 1, ema_decay: float | None = None, scale_loss: bool = False,
) -> keras.optimizers.Optimizer:  # fmt: skip
    """Build an optimizer.

    Args:
        kind: "sgd", as the original trained with, or "adamw" (Loshchilov & Hutter 2019), which learns faster from scratch.
        learning_rate: Number or schedule of Keras. A schedule is asked with the number of batches, whatever `accumulation`.
        momentum: Of SGD, from 0 to 1. AdamW has its own (0.9 and 0.999).
        clip_norm: Largest norm of the whole gradient; None: any. (Keras 2's `clipnorm` clipped the norm of all gradients together: Keras 3's
            `global_clipnorm`.)
        weight_decay: Of AdamW: each update takes learning rate * weight_decay of a weight away, normalisations excepted. SGD decays through the
            loss instead, as in the original; see `nn.network.TrainingModel.l2`.
        decay_biases: Whether AdamW's decay takes biases too; None: it doesn't.
        accumulation: Batches whose gradients are averaged for one update.
        ema_decay: Share that the average of the weights keeps at each update; None: no average.
        scale_loss: Search for the largest factor of the loss whose gradients float16 can hold.
    """
    rate = float(learning_rate) if isinstance(learning_rate, (int, float)) else learning_rate
    options = {"global_clipnorm": clip_norm, "accumulation": accumulation, "ema_decay": ema_decay, "name": kind}  # the name is part of all paths
    if kind == "sgd":
        optimizer = SGD(rate, momentum=float(momentum), **options)
    else:
        undecayed = NORMS if decay_biases else (*NORMS, "bias")
        optimizer = AdamW(rate, weight_decay=weight_decay, undecayed=undecayed, **options)
    if not scale_loss:
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=INITIAL_LOSS_SCALE, name="loss_scale")


def core(optimizer: keras.optimizers.Optimizer) -> Any:
    """The optimizer itself, without the search for a loss scale around it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


class _Guarded:
    """Mixin over an optimizer of Keras.

    Args:
        accumulation: See `build`.
        ema_decay: See `build`.
        undecayed: Names of weights that weight decay leaves alone.
        *args: The optimizer's own.
        **kwargs: Likewise.

    Attributes:
        updates: Updates applied since the beginning of the training, those of earlier stages included.
        refused: Batches whose gradient was not finite; nothing at all was changed for them.
        averages: Moving averages of the weights, in their order; empty without `ema_decay`.
        resting: Averages of weights that this optimizer doesn't train, see `memory.Memory`.
    """

    def __init__(
        self, *args: Any, accumulation: int = 1, ema_decay: float | None = None, undecayed: Sequence[str] = (), **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.accumulation, self.ema_decay, self.undecayed = int(accumulation), ema_decay, tuple(undecayed)
        self.resting: dict[str, Any] = {}

    def build(self, variables: list[Any]) -> None:
        """Make the state for the variables; averages start at the weights as they are."""
        if self.built:
            return
        if self.undecayed:
            self.exclude_from_weight_decay(var_list=[v for v in variables if v.name in self.undecayed])
        super().build(variables)
        self.updates = self.add_variable((), dtype="int", name="updates")
        self.refused = self.add_variable((), dtype="int", name="refused")
        self.accumulators, self.averages = [], []
        if self.accumulation > 1:
            self.accumulated = self.add_variable((), dtype="int", name="accumulated")
            self.accumulators = self.add_optimizer_variables(variables, "accumulator")
        if self.ema_decay is not None:
            self.averages = self.add_optimizer_variables(variables, "average")
            for average, variable in zip(self.averages, variables, strict=True):
                average.assign(ops.copy(ops.convert_to_tensor(variable)))  # JAX would hand on one buffer for both

    def apply(self, grads: list[Tensor], trainable_variables: list[Any] | None = None) -> None:
        """Use the gradients of a batch, unless one of them is not finite: then count that, and change nothing else."""
        if not self.built:
            self.build(list(trainable_variables))
        apply = super().apply
        self._norm = _global_norm([g for g in grads if g is not None])
        self._either(ops.isfinite(self._norm), lambda: apply(grads, trainable_variables), lambda: _add(self.refused, 1))

    def _backend_apply_gradients(self, grads: list[Tensor], trainable_variables: list[Any]) -> None:
        """What Keras' `apply` calls with the pairs that have a gradient."""
        if self.accumulation == 1:
            self._update(grads, trainable_variables, self._norm)
            return
        places = [self._get_variable_index(v) for v in trainable_variables]
        sums = [self.accumulators[place] + g for place, g in zip(places, grads, strict=True)]

        def update() -> None:
            means = [s / self.accumulation for s in sums]
            self._update(means, trainable_variables, _global_norm(means))
            for place in places:
                self.accumulators[place].assign(ops.zeros(self.accumulators[place].shape))
            self.accumulated.assign(0)

        def wait() -> None:
            for place, value in zip(places, sums, strict=True):
                self.accumulators[place].assign(value)
            _add(self.accumulated, 1)

        self._either(self.accumulated + 1 >= self.accumulation, update, wait)

    def _update(self, grads: list[Tensor], variables: list[Any], norm: Tensor) -> None:
        """Clip, decay, change the weights, and let their averages follow."""
        if self.global_clipnorm:
            scale = self.global_clipnorm * ops.minimum(1.0 / norm, 1.0 / self.global_clipnorm)
            grads = [g * scale for g in grads]
        self._apply_weight_decay(variables)
        self._backend_update_step(grads, variables, self.learning_rate)
        _add(self.updates, 1)
        if self.averages:
            left = 1.0 - ema_share(ops.cast(self.updates, "float32"), self.ema_decay, ops.minimum)
            for average, variable in zip(self.averages, self._trainable_variables, strict=True):
                average.assign(average + (variable - average) * ops.cast(left, variable.dtype))

    def _either(self, condition: Tensor, first: Callable[[], None], second: Callable[[], None]) -> None:
        """Run one of two functions that change variables of the optimizer or its weights."""
        if keras.backend.backend() != "jax":
            ops.cond(condition, first, second)
            return
        state = [*self._trainable_variables, *self.variables]
        values = [ops.convert_to_tensor(v) for v in state]

        def changed(function: Callable[[], None]) -> list[Tensor]:
            with keras.StatelessScope(state_mapping=list(zip(state, values, strict=True))) as scope:
                function()
            return [scope.get_current_value(v) for v in state]

        for variable, value in zip(state, ops.cond(condition, lambda: changed(first), lambda: changed(second)), strict=True):
            variable.assign(value)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "accumulation": self.accumulation, "ema_decay": self.ema_decay, "undecayed": self.undecayed}


@keras.saving.register_keras_serializable("mrcnn")
class SGD(_Guarded, keras.optimizers.SGD):
    """Keras' SGD, guarded."""


@keras.saving.register_keras_serializable("mrcnn")
class AdamW(_Guarded, keras.optimizers.AdamW):
    """Keras' AdamW, guarded; the bias of each weight's young averages is corrected by the number of that weight's own updates.

    With one count for all, a weight that joins late would move up to six times as fast as it should for its first 20 updates, and one that keeps
    its averages while the count starts anew would hardly move for the first hundreds.

    Source: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2.
    """

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        # The update before each weight's first one.
        self.born = [self.add_variable((), dtype="int", name=f"{_flat(v)}_born") for v in variables]

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        place, dtype = self._get_variable_index(variable), variable.dtype
        rate, gradient = ops.cast(learning_rate, dtype), ops.cast(gradient, dtype)
        step = ops.cast(self.updates - self.born[place] + 1, dtype)
        mean, square = self._momentums[place], self._velocities[place]
        rate = rate * ops.sqrt(1.0 - ops.power(ops.cast(self.beta_2, dtype), step)) / (1.0 - ops.power(ops.cast(self.beta_1, dtype), step))
        self.assign_add(mean, (gradient - mean) * (1.0 - self.beta_1))
        self.assign_add(square, (ops.square(gradient) - square) * (1.0 - self.beta_2))
        self.assign_sub(variable, mean * rate / (ops.sqrt(square) + self.epsilon))

    def _backend_update_step(self, grads: list[Tensor], trainable_variables: list[Any], learning_rate: Tensor) -> None:
        if keras.backend.backend() != "torch":
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        for gradient, variable in zip(grads, trainable_variables, strict=True):  # Keras' own way on torch goes round update_step
            self.update_step(gradient, variable, learning_rate)


def ema_share(updates: Any, decay: float, minimum: Callable[[Any, Any], Any]) -> Any:
    """Share of itself that an average keeps at an update, counted from 1: `decay`, less at first, so that it soon forgets where it started.

    Source: TensorFlow's tf.train.ExponentialMovingAverage, num_updates.
    """
    return minimum(decay, (1.0 + updates) / (10.0 + updates))


def key(optimizer: Any, variable: Any, name: str) -> str:
    """Path of what `optimizer` holds under `name` for a weight, as Keras builds it."""
    return f"{optimizer.name}/{_flat(variable)}_{name}"


def _flat(variable: Any) -> str:
    return variable.path.replace("/", "_")


def _add(variable: Any, value: int) -> None:
    variable.assign(variable + value)  # assign_add returns something on one backend and nothing on another, which a cond would refuse


def _global_norm(gradients: list[Tensor]) -> Tensor:
    """Euclidean norm of all gradients together: scalar float32."""
    return ops.sqrt(ops.sum(ops.stack([ops.sum(ops.square(ops.cast(g, "float32"))) for g in gradients])))
