"""Metrics of one task, exact, in float64. A metric that has no value is None."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Labels = NDArray[np.generic]


def auc(labels: Labels, scores: Scores) -> float | None:
    """Return the area under the ROC curve: P(a positive scores above a negative).

    Equal scores count one half (Mann-Whitney U over average ranks). Only the order of the
    scores matters, so that logits do as well as probabilities.

    Parameters
    ----------
    labels
        [N], 0 or 1.
    scores
        [N], finite.

    Returns
    -------
    float or None
        None when there is no positive or no negative.
    """
    return grouped_auc(labels, scores, np.zeros(len(labels), np.int64))[0]


def grouped_auc(
    labels: Labels,
    scores: Scores,
    groups: NDArray[np.integer],
    weight: Literal["rows", "positives"] = "rows",
) -> tuple[float | None, int]:
    """Return the weighted mean over groups of their AUC, and the groups counted.

    A group without a positive or without a negative has no AUC and is left out of both the
    sum and the weights. (GAUC of Zhu et al., Optimized Cost per Click in Taobao Display
    Advertising, KDD 2017, weighted by impressions or by clicks.)

    Parameters
    ----------
    labels, scores
        [N], as for `auc`.
    groups
        [N], what identifies a group, such as the user.
    weight
        What a group counts for: its rows, or its positives.

    Returns
    -------
    tuple of float or None, and int
        None and 0 when no group has both classes.
    """
    if len(labels) == 0:
        return None, 0
    order = np.lexsort((scores, groups))
    positive = np.asarray(labels)[order].astype(np.int64)
    group, score = groups[order], scores[order]
    new_group = np.concatenate([[True], group[1:] != group[:-1]])
    new_tie = new_group | np.concatenate([[True], score[1:] != score[:-1]])
    group_start = np.flatnonzero(new_group)
    size = np.diff(np.append(group_start, len(group)))
    # Twice the average rank of a run of equal scores, counted from 1 inside its group.
    tie_start = np.flatnonzero(new_tie)
    tie_end = np.append(tie_start[1:], len(group))
    doubled = (tie_start + tie_end + 1)[np.cumsum(new_tie) - 1]
    doubled = doubled - 2 * np.repeat(group_start, size)
    positives = np.add.reduceat(positive, group_start)
    doubled_rank_sum = np.add.reduceat(doubled * positive, group_start)
    both = (positives > 0) & (positives < size)
    if not both.any():
        return None, 0
    p, n = positives[both], size[both]
    areas = (doubled_rank_sum[both] - p * (p + 1)) / (2 * p * (n - p))
    return float(np.average(areas, weights=n if weight == "rows" else p)), int(both.sum())


def log_loss(labels: Labels, logits: Scores) -> float | None:
    """Return the mean sigmoid cross-entropy, in nats; None without rows.

    Computed from logits as ``max(z, 0) - z·y + log(1 + exp(-|z|))``.
    """
    if len(labels) == 0:
        return None
    z, y = logits.astype(np.float64), labels.astype(np.float64)
    return float(np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))))


def calibration(labels: Labels, logits: Scores) -> float | None:
    """Return predicted over observed positives, 1 being perfect; None without positives."""
    observed = int(np.sum(labels))
    return float(np.sum(sigmoid(logits)) / observed) if observed else None


def sigmoid(logits: Scores) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-logit))`` without overflow, in float64."""
    small = np.exp(-np.abs(logits.astype(np.float64)))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))
