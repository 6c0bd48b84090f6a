"""Curves and intervals against values computed by hand or the long way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from smt_model import metrics
from smt_model.curves import (
    Curve,
    auc_interval,
    average_precision,
    groups_by_score,
    precision_recall,
    roc,
    thinned,
)

LABELS = np.array([1, 0, 1, 0, 0], np.int8)
SCORES = np.array([0.9, 0.8, 0.8, 0.3, 0.1], np.float32)

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), min_size=2).filter(
    lambda pairs: len({label for label, _ in pairs}) == 2
)


def test_roc_has_a_point_for_each_distinct_score() -> None:
    curve = roc(LABELS, SCORES)
    assert_allclose(curve.x, [0, 0, 1 / 3, 2 / 3, 1])
    assert_allclose(curve.y, [0, 0.5, 1, 1, 1])


def test_precision_over_recall_by_hand() -> None:
    curve = precision_recall(LABELS, SCORES)
    assert_allclose(curve.x, [0.5, 1, 1, 1])
    assert_allclose(curve.y, [1, 2 / 3, 2 / 4, 2 / 5])
    assert average_precision(curve) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


@given(rows)
def test_the_area_under_the_roc_curve_is_the_auc(pairs: list[tuple[int, int]]) -> None:
    labels, scores = (np.array(values) for values in zip(*pairs, strict=True))
    curve = roc(labels, scores.astype(np.float64))
    area = np.trapezoid(curve.y, curve.x)
    assert area == pytest.approx(metrics.auc(labels, scores.astype(np.float64)))


def test_groups_go_from_high_to_low_and_hold_all_rows() -> None:
    probabilities = np.linspace(0, 0.96, 25)
    labels = (probabilities > 0.5).astype(np.int8)
    groups = groups_by_score(labels, probabilities)
    assert [group.rows for group in groups] == [3, 3, 3, 3, 3, 2, 2, 2, 2, 2]
    assert [group.positives for group in groups] == [3, 3, 3, 3, 0, 0, 0, 0, 0, 0]
    assert groups[0].predicted == pytest.approx((0.96 + 0.92 + 0.88) / 3)
    assert groups[0].observed == 1


def test_fewer_rows_than_groups_stand_alone() -> None:
    assert [group.rows for group in groups_by_score(LABELS, SCORES)] == [1] * 5


def test_wilsons_interval_by_hand() -> None:
    # 10 of 100: (0.1 + 1.9208/100 ± 1.96 √(0.0009 + 0.9604/10000)) / (1 + 3.8416/100)
    labels = np.zeros(1000, np.int8)
    labels[:10] = 1
    first, *_, last = groups_by_score(labels, np.linspace(0.2, 0.1, 1000))
    assert (first.rows, first.positives, last.positives) == (100, 10, 0)
    assert (first.low, first.high) == pytest.approx((0.05523, 0.17437), abs=1e-4)
    assert (last.low, last.high) == pytest.approx((0, 3.8416 / 103.8416), abs=1e-4)


def test_the_interval_is_that_of_samples_drawn_one_by_one() -> None:
    chance = np.random.default_rng(1)
    labels = (chance.random(600) < 0.2).astype(np.int8)
    scores = np.round(chance.normal(size=600) + labels, 1)
    positives, negatives = scores[labels == 1], scores[labels == 0]
    areas = []
    for _ in range(1500):
        p = chance.choice(positives, len(positives))
        n = chance.choice(negatives, len(negatives))
        difference = p[:, None] - n[None, :]
        areas.append(np.mean((difference > 0) + (difference == 0) / 2))
    assert auc_interval(labels, scores) == pytest.approx(
        np.quantile(areas, [0.025, 0.975]), abs=6e-3
    )


def test_joining_many_scores_does_not_move_the_interval() -> None:
    chance = np.random.default_rng(2)
    labels = (chance.random(20_000) < 0.1).astype(np.int8)
    scores = chance.normal(size=20_000) + labels
    low, high = auc_interval(labels, scores)
    area = metrics.auc(labels, scores)
    assert area is not None
    # Hanley and McNeil, The meaning and use of the area under a ROC curve, Radiology 1982.
    p, n = int(labels.sum()), int((1 - labels).sum())
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (p - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)
    error = 1.96 * np.sqrt(variance / (p * n))
    assert (low, high) == pytest.approx((area - error, area + error), abs=2e-3)


def test_the_interval_of_a_perfect_order_is_a_point_and_repeats() -> None:
    assert auc_interval(np.array([1, 1, 0, 0]), np.array([4.0, 3.0, 2.0, 1.0])) == (1, 1)
    assert auc_interval(LABELS, SCORES) == auc_interval(LABELS, SCORES)


def test_a_thinned_curve_keeps_its_ends_and_its_points() -> None:
    x = np.sort(np.random.default_rng(3).random(5000))
    curve = thinned(Curve(x, x**2))
    assert 150 < len(curve.x) <= 202
    assert (curve.x[0], curve.x[-1]) == (x[0], x[-1])
    assert_allclose(curve.y, curve.x**2)
    assert len(thinned(Curve(x[:3], x[:3])).x) == 3


def test_grouped_auc_by_rows_and_by_positives() -> None:
    # User 1 wins its only pair. User 2 has two positives and three negatives: the first
    # positive wins two pairs of three, the second one.
    labels = np.array([1, 0, 1, 1, 0, 0, 0])
    scores = np.array([2.0, 1.0, 3.0, 1.0, 4.0, 2.0, 0.5])
    users = np.array([1, 1, 2, 2, 2, 2, 2])
    assert metrics.grouped_auc(labels, scores, users)[0] == pytest.approx((2 * 1 + 5 * 0.5) / 7)
    by_positives, _ = metrics.grouped_auc(labels, scores, users, "positives")
    assert by_positives == pytest.approx((1 * 1 + 2 * 0.5) / 3)
