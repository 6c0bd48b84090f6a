"""What every update rule has: slots, a step counter and a learning rate."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from smt_model.schedule import Schedule


class Optimizer(tf.Module, ABC):
    """An update rule. Dense variables are updated whole, embeddings by the rows looked up.

    Parameters
    ----------
    schedule
        Its learning rate at each step.
    initial
        Slot name to initial value, in the order in which `update` takes the slots.

    Attributes
    ----------
    step
        int64, updates done; `advance` comes before the updates of a step.
    slots
        Slot name to the slots of the dense variables, by ``variable.ref()``.
    counts
        int64 [1], updates of a dense variable (by ``variable.ref()``) or of a table (by
        itself), for rules that count them.
    """

    def __init__(self, schedule: Schedule, initial: Mapping[str, float]) -> None:
        super().__init__(name="optimizer")
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.initial = dict(initial)
        self.slots: dict[str, dict[object, tf.Variable]] = {name: {} for name in initial}
        self.counts: dict[object, tf.Variable] = {}
        self._schedule = schedule

    def build(self, variables: Iterable[tf.Variable], tables: Iterable[object]) -> None:
        """Make what is kept for the dense variables, and for the tables besides their slots."""
        for variable in variables:
            for name, value in self.initial.items():
                slot = tf.Variable(tf.fill(variable.shape, value), trainable=False)
                self.slots[name][variable.ref()] = slot

    def advance(self) -> tf.Tensor:
        """Count one more update and return its learning rate, float32."""
        return self._schedule(self.step.assign_add(1))

    @abstractmethod
    def apply(self, variable: tf.Variable, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        """Update a dense variable; `gradient` has its shape, `rate` comes from `advance`."""

    @abstractmethod
    def update(
        self,
        table: object,
        values: tf.Tensor,
        slots: Sequence[tf.Tensor],
        gradient: tf.Tensor,
        rate: tf.Tensor,
    ) -> list[tf.Tensor]:
        """Return the new values of some rows, then their new slots; all have one shape.

        Called once a step for each table. The rows are distinct, and `gradient` is summed over
        all uses of a row.
        """
