"""Rates by hand: the highest is 0.8, the warm-up takes 4 steps, the fall 10."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from smt_model.config import TrainConfig
from smt_model.schedule import Schedule


def rates(total: int = 14, **options: Any) -> list[float]:
    schedule = Schedule.of(TrainConfig(learning_rate=0.8, **options), total)
    return [float(schedule(tf.constant(step, tf.int64))) for step in range(1, total + 1)]


def test_a_constant_rate_is_constant() -> None:
    np.testing.assert_allclose(rates(3), [0.8, 0.8, 0.8])


def test_the_warm_up_rises_from_zero_in_equal_steps() -> None:
    np.testing.assert_allclose(rates(7, warmup_steps=4), [0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8])


def test_cosine_falls_from_the_warm_up_to_the_end_of_the_run() -> None:
    found = rates(lr_schedule="cosine", warmup_steps=4)
    np.testing.assert_allclose(found[:5], [0.2, 0.4, 0.6, 0.8, 0.8])
    np.testing.assert_allclose(found[9], 0.4, rtol=1e-6)  # half way
    # One step before the end: (1 + cos(162°)) / 2 = 0.0244717.
    np.testing.assert_allclose(found[13], 0.8 * 0.0244717, rtol=1e-5)
    assert all(later < sooner for sooner, later in pairwise(found[4:]))


def test_cosine_stays_at_zero_after_its_steps() -> None:
    found = rates(lr_schedule="cosine", lr_decay_steps=2)
    np.testing.assert_allclose(found, [0.8, 0.4, *[0.0] * 12], atol=1e-7)


def test_exponential_reaches_its_factor_after_its_steps_and_goes_on() -> None:
    found = rates(21, lr_schedule="exponential", lr_decay_steps=10, lr_decay_rate=0.25)
    np.testing.assert_allclose([found[0], found[5], found[10], found[20]], [0.8, 0.4, 0.2, 0.05])


def test_exponential_falls_by_ten_in_a_run_unless_told_otherwise() -> None:
    found = rates(12, lr_schedule="exponential", warmup_steps=2)
    np.testing.assert_allclose(found[11] / found[2], 10**-0.9, rtol=1e-6)


@pytest.mark.parametrize("name", ["constant", "cosine", "exponential"])
def test_a_run_shorter_than_its_warm_up_ends_in_it(name: Any) -> None:
    np.testing.assert_allclose(rates(3, lr_schedule=name, warmup_steps=8), [0.1, 0.2, 0.3])
