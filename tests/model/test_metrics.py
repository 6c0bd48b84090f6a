import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_model import metrics, pooled
from smt_model.report import evaluate_predictions

# Few distinct scores, so that ties are common.
rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-3, 3), st.integers(0, 2)), min_size=1, max_size=40
)


def slow_auc(labels: list[int], scores: list[float]) -> float | None:
    positives = [s for y, s in zip(labels, scores, strict=True) if y]
    negatives = [s for y, s in zip(labels, scores, strict=True) if not y]
    if not positives or not negatives:
        return None
    won = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
    return won / (len(positives) * len(negatives))


@given(rows)
def test_auc_is_the_share_of_pairs_in_order(data: list[tuple[int, int, int]]) -> None:
    labels, scores, _ = (list(column) for column in zip(*data, strict=True))
    assert metrics.auc(np.array(labels), np.array(scores, np.float32)) == pytest.approx(
        slow_auc(labels, scores)
    )


@given(rows)
def test_grouped_auc_weights_the_aucs_of_groups_by_their_rows(
    data: list[tuple[int, int, int]],
) -> None:
    total, weight, counted = 0.0, 0, 0
    for group in range(3):
        members = [(y, s) for y, s, g in data if g == group]
        area = slow_auc([y for y, _ in members], [s for _, s in members])
        if area is not None:
            total, weight, counted = total + area * len(members), weight + len(members), counted + 1
    labels, scores, groups = (np.array(column) for column in zip(*data, strict=True))
    found, users = metrics.grouped_auc(labels, scores.astype(np.float32), groups)
    assert users == counted
    assert found == (pytest.approx(total / weight) if counted else None)


def test_auc_of_a_ranking_computed_by_hand() -> None:
    # Pairs (positive, negative): 0.8>0.5, 0.8>0.3, 0.5=0.5, 0.5>0.3: 3.5 of 4.
    labels = np.array([1, 1, 0, 0])
    assert metrics.auc(labels, np.array([0.8, 0.5, 0.5, 0.3])) == 3.5 / 4


def test_log_loss_and_calibration_computed_by_hand() -> None:
    logits = np.log(np.array([3.0, 1 / 3]))  # probabilities 0.75 and 0.25
    labels = np.array([1, 0])
    assert metrics.log_loss(labels, logits) == pytest.approx(-np.log(0.75))
    assert metrics.calibration(labels, logits) == pytest.approx(1.0)
    assert metrics.calibration(np.array([1, 1]), logits) == pytest.approx(0.5)


def test_extreme_logits_do_not_overflow() -> None:
    logits = np.array([1000.0, -1000.0], np.float32)
    assert metrics.log_loss(np.array([0, 1]), logits) == 1000.0
    np.testing.assert_array_equal(metrics.sigmoid(logits), [1.0, 0.0])


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_auc(label: int) -> None:
    labels, logits = np.full(5, label), np.zeros(5)
    assert metrics.auc(labels, logits) is None
    assert metrics.grouped_auc(labels, logits, np.zeros(5, np.int64)) == (None, 0)
    assert pooled.threshold_auc(labels, logits + 0.5) is None


def test_no_rows_have_no_metrics() -> None:
    empty = np.zeros(0)
    assert metrics.auc(empty, empty) is None
    assert metrics.log_loss(empty, empty) is None
    assert metrics.calibration(empty, empty) is None
    assert pooled.accuracy(empty, empty) is None


def test_accuracy_counts_every_task_and_one_half_as_negative() -> None:
    labels = np.array([[1, 0], [1, 1]])
    probabilities = np.array([[0.9, 0.5], [0.5, 0.2]])
    assert pooled.accuracy(labels, probabilities) == 2 / 4


def test_threshold_auc_is_the_trapezoid_over_its_thresholds() -> None:
    # Between neighbouring thresholds the curve is a straight line: the two scores in
    # (10/999, 11/999) make one step of (1/2, 1/2) and so count as a tie.
    labels = np.array([[1], [1], [0], [0]])
    scores = np.array([[0.9], [10.6 / 999], [10.4 / 999], [0.001 / 999]])
    assert pooled.threshold_auc(labels, scores) == pytest.approx(3.5 / 4, abs=2e-6)


def test_threshold_auc_nears_the_exact_auc_of_spread_scores() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((4000, 2)) < 0.2
    scores = np.clip(rng.random((4000, 2)) * 0.8 + labels * 0.1, 0, 1)
    exact = metrics.auc(labels.ravel(), scores.ravel())
    assert pooled.threshold_auc(labels, scores) == pytest.approx(exact, abs=1e-4)


def test_a_report_says_what_is_undefined_and_why() -> None:
    labels = {"ctr": np.array([0, 1], np.int8), "cvr": np.array([0, 0], np.int8)}
    logits = np.array([[-1.0, -5.0], [1.0, -5.0]], np.float32)
    report = evaluate_predictions("test", 7, labels, logits, np.array([3, 3]))
    assert report.tasks["ctr"].auc == 1.0
    assert report.tasks["ctr"].gauc == 1.0
    assert report.tasks["cvr"].auc is None
    assert '"auc":null' in report.model_dump_json()
    text = report.text()
    assert "AUC          undefined (no positives)" in text
    assert "calibration  undefined (no positives)" in text
    assert "ACC = 1.000000" in text
