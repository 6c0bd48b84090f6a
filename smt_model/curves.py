"""What the curves of a report show, in NumPy: of one task, with labels of both classes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smt_model.metrics import Labels, Scores

Floats = NDArray[np.float64]

GROUPS = 10
"""Groups of equally many rows that calibration and lift are shown for."""

REPLICATES = 1000
"""Bootstrap samples of an interval."""

_BOOTSTRAP_GROUPS = 4096
_Z95 = 1.959963984540054


class Curve(NamedTuple):
    """Points of a curve, float64 [points] each."""

    x: Floats
    y: Floats


class Group(NamedTuple):
    """Rows of similar predictions.

    Attributes
    ----------
    rows, positives
        How many there are.
    predicted
        Mean probability.
    low, high
        Wilson's 95% interval of the rate of positives (Wilson, Probable inference, the law of
        succession, and statistical inference, JASA 1927).
    """

    rows: int
    positives: int
    predicted: float
    low: float
    high: float

    @property
    def observed(self) -> float:
        """Rate of positives."""
        return self.positives / self.rows


def roc(labels: Labels, scores: Scores) -> Curve:
    """Return the true positive rate over the false positive rate, a point per distinct score."""
    positives, negatives = _above_each_threshold(labels, scores)
    y, x = positives / positives[-1], negatives / negatives[-1]
    return Curve(np.concatenate([[0], x]), np.concatenate([[0], y]))


def precision_recall(labels: Labels, scores: Scores) -> Curve:
    """Return precision over recall, a point per distinct score."""
    positives, negatives = _above_each_threshold(labels, scores)
    return Curve(positives / positives[-1], positives / (positives + negatives))


def average_precision(curve: Curve) -> float:
    """Return ``Σ (recall_i - recall_{i-1}) · precision_i``, without interpolation."""
    return float(np.sum(np.diff(curve.x, prepend=0) * curve.y))


def groups_by_score(labels: Labels, probabilities: Scores) -> list[Group]:
    """Return up to ten groups of equally many rows, from the highest predictions down.

    Rows of equal prediction stand in the order given, and may fall into two groups.
    """
    order = np.argsort(-probabilities, kind="stable")
    parts = np.array_split(order, min(GROUPS, len(order)))
    return [_group(np.asarray(labels)[part], probabilities[part]) for part in parts]


def auc_interval(labels: Labels, scores: Scores, seed: int = 0) -> tuple[float, float]:
    """Return a 95% interval of the AUC by the percentile bootstrap.

    Positives and negatives are drawn anew separately, `REPLICATES` times (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, ch. 13). More than 4096 distinct scores are first
    joined, by rank, into as many groups of ties, so that the time does not depend on the rows.
    """
    _, ranks = np.unique(scores, return_inverse=True)
    distinct = int(ranks.max()) + 1
    count = min(distinct, _BOOTSTRAP_GROUPS)
    group = ranks * count // distinct
    is_positive = np.asarray(labels) != 0
    positives = np.bincount(group[is_positive], minlength=count)
    negatives = np.bincount(group[~is_positive], minlength=count)
    chance = np.random.default_rng(seed)
    areas = [
        _tied_auc(_drawn_anew(chance, positives), _drawn_anew(chance, negatives))
        for _ in range(REPLICATES)
    ]
    low, high = np.quantile(areas, [0.025, 0.975])
    return float(low), float(high)


def thinned(curve: Curve, points: int = 200) -> Curve:
    """Return a curve with about so many points, evenly spaced along x, which must not fall."""
    wanted = np.linspace(curve.x[0], curve.x[-1], points)
    chosen = np.unique([0, *np.searchsorted(curve.x, wanted), len(curve.x) - 1])
    return Curve(curve.x[chosen], curve.y[chosen])


def _above_each_threshold(labels: Labels, scores: Scores) -> tuple[Floats, Floats]:
    """Return the positives and negatives at or above each distinct score, highest first."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last_of_tie = np.append(ordered[1:] != ordered[:-1], True)
    positives = np.cumsum(np.asarray(labels)[order] != 0, dtype=np.float64)[last_of_tie]
    return positives, np.flatnonzero(last_of_tie) + 1.0 - positives


def _group(labels: Labels, probabilities: Scores) -> Group:
    rows, positives = len(labels), int(np.sum(labels))
    rate, z2 = positives / rows, _Z95**2
    centre = (rate + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z95 * np.sqrt(rate * (1 - rate) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
    predicted = float(np.mean(probabilities, dtype=np.float64))
    return Group(rows, positives, predicted, float(centre - half), float(centre + half))


def _drawn_anew(chance: np.random.Generator, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    total = counts.sum()
    return chance.multinomial(total, counts / total)


def _tied_auc(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> float:
    below = np.cumsum(negatives) - negatives
    return float(positives @ (below + negatives / 2) / (positives.sum() * negatives.sum()))
