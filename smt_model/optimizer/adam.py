"""Adam, with one count of updates for all variables or with one for each."""

from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from smt_model.optimizer.base import Optimizer
from smt_model.schedule import Schedule

# As the kernels round them: √(1-β₂ᵗ) undoes the factor 1-β₂ only if both mean the same β₂.
BETA1, BETA2 = float(np.float32(0.9)), float(np.float32(0.999))
EPSILON = 1e-8


class Adam(Optimizer):
    """Adam with β₁ 0.9, β₂ 0.999, ε 1e-8; for embeddings, lazily.

    With t the step counted from 1: ``m = β₁m + (1-β₁)g; v = β₂v + (1-β₂)g²;
    w -= lr · √(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε)`` (Kingma and Ba 2015, section 2, in TensorFlow's
    form of ε). Embedding rows that a batch does not look up keep m, v and w as they are;
    ``tf.train.AdamOptimizer`` decays and moves all of them at every step, which costs a
    pass over the whole table.
    """

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule, {"m": 0.0, "v": 0.0})

    def advance(self) -> tf.Tensor:
        """Count one more update and return its learning rate, corrected for the bias."""
        return super().advance() * bias_correction(self.step)

    def apply(self, variable: tf.Variable, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        """Update a dense variable and its moments."""
        # The kernel would correct the bias in float32; with powers of zero it does not.
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self.slots["m"][variable.ref()].handle,
            v=self.slots["v"][variable.ref()].handle,
            beta1_power=0.0,
            beta2_power=0.0,
            lr=rate,
            beta1=BETA1,
            beta2=BETA2,
            epsilon=EPSILON,
            grad=gradient,
        )

    def update(
        self,
        table: object,
        values: tf.Tensor,
        slots: Sequence[tf.Tensor],
        gradient: tf.Tensor,
        rate: tf.Tensor,
    ) -> list[tf.Tensor]:
        """Return new values and moments."""
        m = BETA1 * slots[0] + (1 - BETA1) * gradient
        v = BETA2 * slots[1] + (1 - BETA2) * tf.square(gradient)
        return [values - rate * m / (tf.sqrt(v) + EPSILON), m, v]


class AdamAsync(Adam):
    """Adam in which each variable counts its own updates: t is a variable's, not the run's.

    Workers that update variables on their own, as with parameter servers, then need no shared
    step, and a variable that was updated less often is corrected for that. This is DeepRec's
    AdamAsyncOptimizer, which keeps the powers β₁ᵗ and β₂ᵗ; here the count t is kept and the
    powers follow from it. With one worker and every variable updated at each step it equals
    `Adam`.
    """

    def build(self, variables: Iterable[tf.Variable], tables: Iterable[object]) -> None:
        """Make the slots, and a count for each variable and each table."""
        variables = list(variables)
        super().build(variables, tables)
        for counted in [*(variable.ref() for variable in variables), *tables]:
            self.counts[counted] = tf.Variable([0], dtype=tf.int64, trainable=False)

    def advance(self) -> tf.Tensor:
        """Count one more update and return its learning rate, not corrected yet."""
        return Optimizer.advance(self)

    def apply(self, variable: tf.Variable, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        """Update a dense variable, its moments and its count."""
        super().apply(variable, gradient, self._corrected(variable.ref(), rate))

    def update(
        self,
        table: object,
        values: tf.Tensor,
        slots: Sequence[tf.Tensor],
        gradient: tf.Tensor,
        rate: tf.Tensor,
    ) -> list[tf.Tensor]:
        """Return new values and moments; counts one more update of the table."""
        return super().update(table, values, slots, gradient, self._corrected(table, rate))

    def _corrected(self, counted: object, rate: tf.Tensor) -> tf.Tensor:
        return rate * bias_correction(self.counts[counted].assign_add([1])[0])


def bias_correction(updates: tf.Tensor) -> tf.Tensor:
    """Return ``√(1-β₂ᵗ)/(1-β₁ᵗ)`` for update t, int64 counted from 1, as float32."""
    power = tf.cast(updates, tf.float64)
    power1, power2 = (tf.pow(tf.constant(beta, tf.float64), power) for beta in (BETA1, BETA2))
    return tf.cast(tf.sqrt(1 - power2) / (1 - power1), tf.float32)
