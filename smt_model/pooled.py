"""The two metrics that DeepRec's script prints, over the labels of all tasks at once."""

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = 1000
_EPSILON = 1e-6
_OUTSIDE = 1e-7


def accuracy(labels: NDArray[np.generic], probabilities: NDArray[np.floating]) -> float | None:
    """Return the share of right predictions over all tasks; None without rows.

    As ``tf.metrics.accuracy`` of the rounded probabilities: above one half is a positive,
    one half itself is not.

    Parameters
    ----------
    labels, probabilities
        [N, tasks].
    """
    if labels.size == 0:
        return None
    return float(np.mean((probabilities > 0.5) == (labels != 0)))


def threshold_auc(labels: NDArray[np.generic], probabilities: NDArray[np.floating]) -> float | None:
    """Return the AUC over all tasks, each (row, task) pair being one observation.

    As ``tf.metrics.auc(num_thresholds=1000)`` of TensorFlow 1.15: true and false positive
    rates where the probability is above -1e-7, i/999 for i = 1..998, and 1 + 1e-7; 1e-6 is
    added to the numerator of the true rate and to both denominators; then the trapezoidal
    rule. Thresholds are float32 there and float64 here.

    Parameters
    ----------
    labels, probabilities
        [N, tasks].

    Returns
    -------
    float or None
        None when there is no positive or no negative.
    """
    positive = np.asarray(labels).ravel() != 0
    scores = probabilities.ravel()
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return None
    inner = np.arange(1, THRESHOLDS - 1) / (THRESHOLDS - 1)
    thresholds = np.concatenate([[-_OUTSIDE], inner, [1 + _OUTSIDE]])
    true_rate = (_above(scores[positive], thresholds) + _EPSILON) / (positives + _EPSILON)
    false_rate = _above(scores[~positive], thresholds) / (negatives + _EPSILON)
    steps = false_rate[:-1] - false_rate[1:]
    return float(np.sum(steps * (true_rate[:-1] + true_rate[1:]) / 2))


def _above(scores: NDArray[np.floating], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    ordered = np.sort(scores.astype(np.float64))
    return len(ordered) - np.searchsorted(ordered, thresholds, side="right")
