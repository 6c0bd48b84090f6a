import re

import numpy as np
import pytest
import tensorflow as tf

from smt_model.gradients import clip
from smt_model.loss import Loss, cross_entropy
from smt_model.task_weight import task_weights
from smt_schemas import UsageError


def test_cross_entropy_is_the_mean_of_minus_the_logarithm_of_what_was_predicted() -> None:
    probabilities = np.array([[0.9, 0.2], [0.5, 0.4]])
    logits = np.log(probabilities / (1 - probabilities)).astype(np.float32)
    labels = np.array([[1, 0], [0, 1]], np.float32)
    expected = [-(np.log(0.9) + np.log(0.5)) / 2, -(np.log(0.8) + np.log(0.4)) / 2]
    np.testing.assert_allclose(cross_entropy(logits, labels, 2.0), expected, rtol=1e-6)


def test_the_loss_is_the_weighted_mean_of_the_tasks_and_half_the_squared_kernels() -> None:
    loss = Loss((1.0, 10.0), l2=0.1)
    assert float(loss.weighted(tf.constant([0.5, 0.02]))) == pytest.approx((0.5 + 0.2) / 2)
    kernels = [tf.Variable([[1.0, 2.0]]), tf.Variable([[3.0]])]
    assert float(loss.penalty(kernels)) == pytest.approx(0.1 * (1 + 4 + 9) / 2)


def test_gradients_are_scaled_to_the_norm_together_and_only_when_longer() -> None:
    gradients = [tf.constant([[3.0], [0.0]]), tf.constant([4.0])]  # norm 5
    short, long = clip(gradients, 1.0), clip(gradients, 6.0)
    np.testing.assert_allclose(short[0], [[0.6], [0.0]], rtol=1e-6)
    np.testing.assert_allclose(short[1], [0.8], rtol=1e-6)
    np.testing.assert_allclose(long[0], gradients[0], rtol=1e-6)


def test_tasks_without_a_weight_weigh_one() -> None:
    assert task_weights("cvr=10", ["ctr", "cvr"]) == (1.0, 10.0)
    assert task_weights("cvr = 2.5, ctr=1e-3", ["ctr", "cvr"]) == (0.001, 2.5)
    assert task_weights(None, ["ctr", "cvr"]) == (1.0, 1.0)


def test_an_unknown_task_is_named_with_those_there_are() -> None:
    message = "--task-weight: there is no task 'cvt', only ctr, cvr."
    with pytest.raises(UsageError, match=re.escape(message)):
        task_weights("ctr=1,cvt=10", ["ctr", "cvr"])
