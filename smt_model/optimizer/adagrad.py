"""Adagrad, and Adagrad with a decaying accumulator."""

from collections.abc import Sequence

import tensorflow as tf

from smt_model.optimizer.base import Optimizer
from smt_model.schedule import Schedule

ACCUMULATOR, DECAYS = "accumulator", "decays"


class Adagrad(Optimizer):
    """``a += g²; w -= lr · g / √a``, as ``tf.train.AdagradOptimizer`` (no epsilon).

    Duchi, Hazan and Singer 2011, figure 1, with the diagonal alone.
    """

    def __init__(self, schedule: Schedule, initial_accumulator: float) -> None:
        super().__init__(schedule, {ACCUMULATOR: initial_accumulator})

    def apply(self, variable: tf.Variable, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        """Update a dense variable and its accumulator."""
        tf.raw_ops.ResourceApplyAdagradV2(
            var=variable.handle,
            accum=self.slots[ACCUMULATOR][variable.ref()].handle,
            lr=rate,
            epsilon=0.0,
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
        """Return new values and accumulators."""
        accumulator = slots[0] + tf.square(gradient)
        return [values - rate * gradient * tf.math.rsqrt(accumulator), accumulator]


class AdagradDecay(Adagrad):
    """Adagrad whose accumulators shrink now and then, so that old data does not stop learning.

    With s the step counted from 1: when an element is updated, and it has seen fewer decays
    than ⌊s / decay_steps⌋, then first ``a = max(a · decay_rate, initial)``, once, however many
    decays it missed. This is DeepRec's AdagradDecayOptimizer.

    Parameters
    ----------
    schedule, initial_accumulator
        As for Adagrad.
    decay_steps
        Steps between decays.
    decay_rate
        What an accumulator is multiplied by.
    """

    def __init__(
        self, schedule: Schedule, initial_accumulator: float, decay_steps: int, decay_rate: float
    ) -> None:
        # A row and its slots have one shape, so the number of decays stands beside each element;
        # float32 counts exactly up to 2^24 of them.
        Optimizer.__init__(self, schedule, {ACCUMULATOR: initial_accumulator, DECAYS: 0.0})
        self._decay_steps = decay_steps
        self._decay_rate = decay_rate

    def apply(self, variable: tf.Variable, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        """Update a dense variable, its accumulator and its number of decays."""
        kept = [self.slots[name][variable.ref()] for name in (ACCUMULATOR, DECAYS)]
        for slot, values in zip(kept, self._decayed(*kept), strict=True):
            slot.assign(values)
        super().apply(variable, gradient, rate)

    def update(
        self,
        table: object,
        values: tf.Tensor,
        slots: Sequence[tf.Tensor],
        gradient: tf.Tensor,
        rate: tf.Tensor,
    ) -> list[tf.Tensor]:
        """Return new values, accumulators and numbers of decays."""
        accumulator, decays = self._decayed(*slots)
        return [*super().update(table, values, [accumulator], gradient, rate), decays]

    def _decayed(self, accumulator: tf.Tensor, decays: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        due = tf.cast(self.step // self._decay_steps, tf.float32)
        lower = tf.maximum(accumulator * self._decay_rate, self.initial[ACCUMULATOR])
        return tf.where(decays < due, lower, accumulator), tf.zeros_like(decays) + due
