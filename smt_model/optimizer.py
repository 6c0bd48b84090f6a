"""Update rules. Dense variables are updated whole, embeddings by the rows looked up."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from smt_model.config import TrainConfig

# As the kernels round them: √(1-β₂ᵗ) undoes the factor 1-β₂ only if both mean the same β₂.
BETA1, BETA2 = float(np.float32(0.9)), float(np.float32(0.999))
EPSILON = 1e-8


class Optimizer(tf.Module, ABC):
    """An update rule.

    Parameters
    ----------
    learning_rate
        Its factor.
    initial
        Slot name to initial value, in the order in which `update` takes the slots.

    Attributes
    ----------
    step
        int64, updates done; `advance` comes before the updates of a step.
    slots
        Slot name to the slots of the dense variables, by ``variable.ref()``.
    """

    def __init__(self, learning_rate: float, initial: Mapping[str, float]) -> None:
        super().__init__(name="optimizer")
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.initial = dict(initial)
        self.slots: dict[str, dict[object, tf.Variable]] = {name: {} for name in initial}
        self._rate = learning_rate

    def build(self, variables: Iterable[tf.Variable]) -> None:
        """Make the slots of the dense variables."""
        for variable in variables:
            for name, value in self.initial.items():
                slot = tf.Variable(tf.fill(variable.shape, value), trainable=False)
                self.slots[name][variable.ref()] = slot

    def advance(self) -> None:
        """Count one more update."""
        self.step.assign_add(1)

    @abstractmethod
    def apply(self, variable: tf.Variable, gradient: tf.Tensor) -> None:
        """Update a dense variable; `gradient` has its shape."""

    @abstractmethod
    def update(
        self, values: tf.Tensor, slots: Sequence[tf.Tensor], gradient: tf.Tensor
    ) -> list[tf.Tensor]:
        """Return the new values of some rows, then their new slots; all have one shape.

        The rows are distinct, and `gradient` is summed over all uses of a row.
        """


class GradientDescent(Optimizer):
    """``w -= lr · g``."""

    def __init__(self, learning_rate: float) -> None:
        super().__init__(learning_rate, {})

    def apply(self, variable: tf.Variable, gradient: tf.Tensor) -> None:
        """Update a dense variable."""
        tf.raw_ops.ResourceApplyGradientDescent(
            var=variable.handle, alpha=self._rate, delta=gradient
        )

    def update(
        self, values: tf.Tensor, slots: Sequence[tf.Tensor], gradient: tf.Tensor
    ) -> list[tf.Tensor]:
        """Return new values."""
        return [values - self._rate * gradient]


class Adagrad(Optimizer):
    """``a += g²; w -= lr · g / √a``, as ``tf.train.AdagradOptimizer`` (no epsilon)."""

    def __init__(self, learning_rate: float, initial_accumulator: float) -> None:
        super().__init__(learning_rate, {"accumulator": initial_accumulator})

    def apply(self, variable: tf.Variable, gradient: tf.Tensor) -> None:
        """Update a dense variable and its accumulator."""
        tf.raw_ops.ResourceApplyAdagradV2(
            var=variable.handle,
            accum=self.slots["accumulator"][variable.ref()].handle,
            lr=self._rate,
            epsilon=0.0,
            grad=gradient,
        )

    def update(
        self, values: tf.Tensor, slots: Sequence[tf.Tensor], gradient: tf.Tensor
    ) -> list[tf.Tensor]:
        """Return new values and accumulators."""
        accumulator = slots[0] + tf.square(gradient)
        return [values - self._rate * gradient * tf.math.rsqrt(accumulator), accumulator]


class Adam(Optimizer):
    """Adam with β₁ 0.9, β₂ 0.999, ε 1e-8; for embeddings, lazily.

    With t the step counted from 1: ``m = β₁m + (1-β₁)g; v = β₂v + (1-β₂)g²;
    w -= lr · √(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε)`` (Kingma and Ba 2015, section 2, in TensorFlow's
    form of ε). Embedding rows that a batch does not look up keep m, v and w as they are;
    ``tf.train.AdamOptimizer`` decays and moves all of them at every step, which costs a
    pass over the whole table.
    """

    def __init__(self, learning_rate: float) -> None:
        super().__init__(learning_rate, {"m": 0.0, "v": 0.0})

    def apply(self, variable: tf.Variable, gradient: tf.Tensor) -> None:
        """Update a dense variable and its moments."""
        # The kernel would correct the bias in float32; with powers of zero it does not.
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self.slots["m"][variable.ref()].handle,
            v=self.slots["v"][variable.ref()].handle,
            beta1_power=0.0,
            beta2_power=0.0,
            lr=self._corrected_rate(),
            beta1=BETA1,
            beta2=BETA2,
            epsilon=EPSILON,
            grad=gradient,
        )

    def update(
        self, values: tf.Tensor, slots: Sequence[tf.Tensor], gradient: tf.Tensor
    ) -> list[tf.Tensor]:
        """Return new values and moments."""
        rate = self._corrected_rate()
        m = BETA1 * slots[0] + (1 - BETA1) * gradient
        v = BETA2 * slots[1] + (1 - BETA2) * tf.square(gradient)
        return [values - rate * m / (tf.sqrt(v) + EPSILON), m, v]

    def _corrected_rate(self) -> tf.Tensor:
        step = tf.cast(self.step, tf.float64)
        power1, power2 = (tf.pow(tf.constant(beta, tf.float64), step) for beta in (BETA1, BETA2))
        return tf.cast(self._rate * tf.sqrt(1 - power2) / (1 - power1), tf.float32)


def make_optimizer(config: TrainConfig) -> Optimizer:
    """Return the optimizer of a run."""
    match config.optimizer:
        case "adagrad":
            return Adagrad(config.learning_rate, config.initial_accumulator)
        case "adam":
            return Adam(config.learning_rate)
        case "gradientdescent":
            return GradientDescent(config.learning_rate)
