"""Compiling a network for a stage: the optimizer with what those before it gathered, built anew only where it must be."""

from __future__ import annotations

from typing import Any

import keras

from mrcnn.config import Config
from mrcnn.training import optimizer
from mrcnn.training.memory import Memory


class Compilation:
    """The optimizer that a network was compiled with, and for what.

    Attributes:
        optimizer: The last one built; None before.
    """

    def __init__(self) -> None:
        self.optimizer: keras.optimizers.Optimizer | None = None
        self._plan: tuple[Any, ...] | None = None  # kind, settings and weights of the optimizer
        self._rate: Any = None

    def compile(self, model: keras.Model, config: Config, memory: Memory, restored: bool, learning_rate: Any, momentum: float) -> None:
        """Compile for the weights that are set to train.

        Where only the learning rate is another than before, a number, the compiled functions stay: tracing them anew takes seconds.

        Args:
            model: The training network.
            config: OPTIMIZER and its settings are read.
            memory: What optimizers gathered; the present one is added to it, and the new one takes from it.
            restored: `memory` was loaded with the weights: the present optimizer knows others.
            learning_rate: Number or schedule of Keras.
            momentum: Of SGD.
        """
        variables = list(model.trainable_variables)
        settings = {
            "momentum": momentum, "clip_norm": config.GRADIENT_CLIP_NORM, "weight_decay": config.WEIGHT_DECAY,
            "decay_biases": config.WEIGHT_DECAY_BIASES, "accumulation": config.GRADIENT_ACCUMULATION, "ema_decay": config.EMA_DECAY,
            "scale_loss": model.dtype_policy.name == "mixed_float16",
        }  # fmt: skip
        plan = (config.OPTIMIZER, settings, [v.path for v in variables])
        numbers = all(isinstance(rate, (int, float)) for rate in (learning_rate, self._rate))
        if numbers and plan == self._plan and model.optimizer is self.optimizer and not restored:
            self.optimizer.learning_rate = float(learning_rate)
        else:
            if self.optimizer is not None and not restored:
                memory.gather(self.optimizer)
            new = optimizer.build(config.OPTIMIZER, learning_rate, **settings)
            memory.give(new, variables)
            self.optimizer = new
            model.compile(optimizer=new, jit_compile=False if keras.backend.backend() == "tensorflow" else "auto")
        self._plan, self._rate = plan, learning_rate
