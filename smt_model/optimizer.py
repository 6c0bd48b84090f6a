"""Update rules. A sparse update reads and writes the looked-up rows only."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import tensorflow as tf

from smt_model.config import TrainConfig

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Optimizer(tf.Module, ABC):
    """Applies gradients to variables and keeps a slot of their shape where the rule needs it.

    Attributes
    ----------
    step
        int64, updates done; `advance` comes before the updates of a step.
    slots
        Slot name to the slot of each variable, by ``variable.ref()``.
    """

    initial: dict[str, float]
    """Slot name to initial value."""

    def __init__(self, variables: Iterable[tf.Variable], learning_rate: float) -> None:
        super().__init__(name="optimizer")
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self._rate = learning_rate
        self.slots = {
            name: {
                variable.ref(): tf.Variable(tf.fill(variable.shape, value), trainable=False)
                for variable in variables
            }
            for name, value in self.initial.items()
        }

    def advance(self) -> None:
        """Count one more update."""
        self.step.assign_add(1)

    @abstractmethod
    def apply_dense(self, variable: tf.Variable, gradient: tf.Tensor) -> None:
        """Update a whole variable; `gradient` has its shape."""

    @abstractmethod
    def apply_sparse(self, variable: tf.Variable, rows: tf.Tensor, gradient: tf.Tensor) -> None:
        """Update some rows: `rows` int32 [U] are distinct, `gradient` is float32 [U, dim]."""


class GradientDescent(Optimizer):
    """``w -= lr · g``."""

    initial = {}

    def apply_dense(self, variable: tf.Variable, gradient: tf.Tensor) -> None:
        tf.raw_ops.ResourceApplyGradientDescent(
            var=variable.handle, alpha=self._rate, delta=gradient
        )

    def apply_sparse(self, variable: tf.Variable, rows: tf.Tensor, gradient: tf.Tensor) -> None:
        tf.raw_ops.ResourceScatterSub(
            resource=variable.handle, indices=rows, updates=self._rate * gradient
        )


class Adagrad(Optimizer):
    """``a += g²; w -= lr · g / √a``, as ``tf.train.AdagradOptimizer`` (no epsilon)."""

    def __init__(
        self, variables: Iterable[tf.Variable], learning_rate: float, initial_accumulator: float
    ) -> None:
        self.initial = {"accumulator": initial_accumulator}
        super().__init__(variables, learning_rate)

    def apply_dense(self, variable: tf.Variable, gradient: tf.Tensor) -> None:
        tf.raw_ops.ResourceApplyAdagradV2(
            var=variable.handle,
            accum=self.slots["accumulator"][variable.ref()].handle,
            lr=self._rate,
            epsilon=0.0,
            grad=gradient,
        )

    def apply_sparse(self, variable: tf.Variable, rows: tf.Tensor, gradient: tf.Tensor) -> None:
        tf.raw_ops.ResourceSparseApplyAdagradV2(
            var=variable.handle,
            accum=self.slots["accumulator"][variable.ref()].handle,
            lr=self._rate,
            epsilon=0.0,
            grad=gradient,
            indices=rows,
        )


class Adam(Optimizer):
    """Adam with β₁ 0.9, β₂ 0.999, ε 1e-8; in a sparse variable, lazily.

    With t the step counted from 1: ``m = β₁m + (1-β₁)g; v = β₂v + (1-β₂)g²;
    w -= lr · √(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε)`` (Kingma and Ba 2015, section 2, in TensorFlow's
    form of ε). Rows of a sparse variable that a batch does not look up keep m, v and w as
    they are; ``tf.train.AdamOptimizer`` decays and moves all of them at every step, which
    costs a pass over the whole table.
    """

    initial = {"m": 0.0, "v": 0.0}

    def apply_dense(self, variable: tf.Variable, gradient: tf.Tensor) -> None:
        power1, power2 = self._powers()
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self.slots["m"][variable.ref()].handle,
            v=self.slots["v"][variable.ref()].handle,
            beta1_power=tf.cast(power1, tf.float32),
            beta2_power=tf.cast(power2, tf.float32),
            lr=self._rate,
            beta1=BETA1,
            beta2=BETA2,
            epsilon=EPSILON,
            grad=gradient,
        )

    def apply_sparse(self, variable: tf.Variable, rows: tf.Tensor, gradient: tf.Tensor) -> None:
        power1, power2 = self._powers()
        rate = tf.cast(self._rate * tf.sqrt(1 - power2) / (1 - power1), tf.float32)
        first, second = (self.slots[name][variable.ref()] for name in ("m", "v"))
        m = BETA1 * first.sparse_read(rows) + (1 - BETA1) * gradient
        v = BETA2 * second.sparse_read(rows) + (1 - BETA2) * tf.square(gradient)
        _scatter_update(first, rows, m)
        _scatter_update(second, rows, v)
        tf.raw_ops.ResourceScatterSub(
            resource=variable.handle, indices=rows, updates=rate * m / (tf.sqrt(v) + EPSILON)
        )

    def _powers(self) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.cast(self.step, tf.float64)
        return tuple(tf.pow(tf.constant(beta, tf.float64), count) for beta in (BETA1, BETA2))


def make_optimizer(config: TrainConfig, variables: Iterable[tf.Variable]) -> Optimizer:
    """Return the optimizer of a run."""
    variables = list(variables)
    match config.optimizer:
        case "adagrad":
            return Adagrad(variables, config.learning_rate, config.initial_accumulator)
        case "adam":
            return Adam(variables, config.learning_rate)
        case "gradientdescent":
            return GradientDescent(variables, config.learning_rate)


def _scatter_update(variable: tf.Variable, rows: tf.Tensor, values: tf.Tensor) -> None:
    tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=rows, updates=values)
