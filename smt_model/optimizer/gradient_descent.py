"""Plain gradient descent."""

from collections.abc import Sequence

import tensorflow as tf

from smt_model.optimizer.base import Optimizer
from smt_model.schedule import Schedule


class GradientDescent(Optimizer):
    """``w -= lr · g``."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule, {})

    def apply(self, variable: tf.Variable, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        """Update a dense variable."""
        tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)

    def update(
        self,
        table: object,
        values: tf.Tensor,
        slots: Sequence[tf.Tensor],
        gradient: tf.Tensor,
        rate: tf.Tensor,
    ) -> list[tf.Tensor]:
        """Return new values."""
        return [values - rate * gradient]
