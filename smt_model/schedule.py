"""The learning rate at each step."""

import math
from dataclasses import dataclass
from typing import Self

import tensorflow as tf

from smt_model.config import ScheduleName, TrainConfig


@dataclass(frozen=True)
class Schedule:
    """A warm-up, then the rate constant or falling.

    At step s, counted from 1, the rate is ``lr · s / warmup_steps`` up to step `warmup_steps`.
    After that, with ``t = (s - 1 - warmup_steps) / decay_steps``:

    - constant: ``lr``
    - cosine: ``lr · (1 + cos(π · min(t, 1))) / 2`` (Loshchilov and Hutter 2017, equation 5,
      one period)
    - exponential: ``lr · decay_rate^t``

    Attributes
    ----------
    learning_rate
        The highest rate.
    name
        Which of the three.
    warmup_steps, decay_steps
        Lengths in steps; `decay_steps` is at least 1.
    decay_rate
        What `decay_steps` steps multiply the rate by.
    """

    learning_rate: float
    name: ScheduleName = "constant"
    warmup_steps: int = 0
    decay_steps: int = 1
    decay_rate: float = 1.0

    @classmethod
    def of(cls, config: TrainConfig, total_steps: int) -> Self:
        """Return the schedule of a run; by default it falls from the warm-up to the end."""
        rest = max(total_steps - config.warmup_steps, 1)
        return cls(
            config.learning_rate,
            config.lr_schedule,
            config.warmup_steps,
            config.lr_decay_steps or rest,
            config.lr_decay_rate,
        )

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Return the rate of a step, float32; `step` is int64, counted from 1."""
        if self.name == "constant" and not self.warmup_steps:
            return tf.constant(self.learning_rate)
        step = tf.cast(step, tf.float64)
        warm = tf.minimum(step / max(self.warmup_steps, 1), 1.0)
        t = tf.maximum(step - 1 - self.warmup_steps, 0.0) / self.decay_steps
        return tf.cast(self.learning_rate * warm * self._decay(t), tf.float32)

    def _decay(self, t: tf.Tensor) -> tf.Tensor:
        match self.name:
            case "constant":
                return tf.ones_like(t)
            case "cosine":
                return (1 + tf.cos(math.pi * tf.minimum(t, 1.0))) / 2
            case "exponential":
                return tf.pow(tf.constant(self.decay_rate, tf.float64), t)
