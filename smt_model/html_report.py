"""The evaluation as one HTML page: no script, nothing from the network."""

from html import escape

import numpy as np

from smt_model import metrics
from smt_model.curves import (
    GROUPS,
    REPLICATES,
    Group,
    auc_interval,
    average_precision,
    groups_by_score,
    precision_recall,
    roc,
    thinned,
)
from smt_model.predictions import Predictions
from smt_model.report import Evaluation, TaskMetrics
from smt_model.svg import STYLE, Axis, Chart

_STYLE = """
:root { color-scheme: light dark; --mark: #1f6fb2; --line: #8884; }
@media (prefers-color-scheme: dark) { :root { --mark: #6cb6ff; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 1rem 0.3rem 0; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child { text-align: left; font-weight: normal; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 2rem; }
.scroll { overflow-x: auto; }
figure { margin: 0; } figcaption { font-weight: 600; }
.notes { font-size: 0.85rem; }
"""

_NOTES = f"""
<p>AUC: chance that a positive scores above a negative, ties one half. Interval: 95%, percentile
bootstrap over positives and negatives, {REPLICATES:,} samples (Efron and Tibshirani 1993); rows
count as independent, though those of one user are not, so it is rather too narrow.</p>
<p>GAUC: mean of the AUC of each user who has both classes, weighted by the user's impressions or
by the user's positives (Zhu et al., Optimized Cost per Click in Taobao Display Advertising, KDD
2017; by impressions also in Zhou et al., Deep Interest Network, KDD 2018). Users whose ids share
a bucket count as one.</p>
<p>Calibration: {GROUPS} groups of equally many rows by prediction, mean prediction against rate
of positives with Wilson's 95% interval; on the dashed line predictions are right. Lift: a
group's rate of positives over that of all rows, highest predictions first. Average precision:
sum of precision times gain in recall, without interpolation.</p>
"""


def html_report(title: str, result: Evaluation, predictions: Predictions) -> str:
    """Return the page.

    Parameters
    ----------
    title
        What was evaluated.
    result
        The metrics.
    predictions
        What they were computed from.
    """
    found = {task: _Task(predictions, column) for column, task in enumerate(result.tasks)}
    sections = [_section(task, one) for task, one in found.items()]
    head = f"<title>{escape(title)}</title><style>{_STYLE}{STYLE}</style>"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">{head}</head><body>
<h1>{escape(title)}</h1>
<p>Split {escape(result.split)}: {result.rows:,} rows, weights of step {result.step:,}.
Pooled over tasks, as DeepRec prints them: ACC {_number(result.accuracy)},
AUC {_number(result.auc)}.</p>
{_table(result.tasks, found)}
{"".join(sections)}
<h2>Definitions</h2>
<div class="notes">{_NOTES}</div>
</body></html>
"""


class _Task:
    """Labels and logits of a task, and the figures that only the page shows."""

    def __init__(self, predictions: Predictions, column: int) -> None:
        self.labels = list(predictions.labels.values())[column]
        self.logits = predictions.logits[:, column]
        self.has_both = 0 < int(self.labels.sum()) < len(self.labels)
        self.interval = auc_interval(self.labels, self.logits) if self.has_both else None
        self.precision = (
            average_precision(precision_recall(self.labels, self.logits)) if self.has_both else None
        )
        users = predictions.users
        self.gauc_by_positives = (
            None
            if users is None
            else metrics.grouped_auc(self.labels, self.logits, users, "positives")[0]
        )


def _table(tasks: dict[str, TaskMetrics], found: dict[str, _Task]) -> str:
    rows: dict[str, list[str]] = {
        "positives": [f"{task.positives:,}" for task in tasks.values()],
        "AUC": [_number(task.auc) for task in tasks.values()],
        "95% interval": [_interval(one.interval) for one in found.values()],
        "GAUC by impressions": [_number(task.gauc) for task in tasks.values()],
        "GAUC by positives": [_number(one.gauc_by_positives) for one in found.values()],
        "users with both classes": [f"{task.gauc_users:,}" for task in tasks.values()],
        "average precision": [_number(one.precision) for one in found.values()],
        "log loss": [_number(task.log_loss) for task in tasks.values()],
        "predicted / observed": [_number(task.calibration) for task in tasks.values()],
    }
    head = "".join(f'<th scope="col">{escape(task)}</th>' for task in tasks)
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, cells in rows.items()
    )
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">task</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _section(name: str, task: _Task) -> str:
    if not task.has_both:
        why = "without a positive and a negative row there are no curves"
        return f"<h2>{escape(name)}</h2><p>Undefined: {why}.</p>"
    groups = groups_by_score(task.labels, metrics.sigmoid(task.logits))
    charts = {
        "ROC": _roc(task),
        "Precision and recall": _precision_recall(task),
        "Calibration": _calibration(groups),
        "Lift by decile": _lift(groups),
    }
    figures = "".join(
        f"<figure><figcaption>{caption}</figcaption>{chart.to_svg()}</figure>"
        for caption, chart in charts.items()
    )
    return f'<h2>{escape(name)}</h2><div class="charts">{figures}</div>'


def _roc(task: _Task) -> Chart:
    chart = Chart("ROC curve", Axis("false positive rate", 0, 1), Axis("true positive rate", 0, 1))
    chart.line((0, 1), (0, 1), "reference")
    chart.line(*thinned(roc(task.labels, task.logits)))
    return chart


def _precision_recall(task: _Task) -> Chart:
    curve = thinned(precision_recall(task.labels, task.logits))
    chart = Chart(
        "Precision over recall",
        Axis("recall", 0, 1),
        Axis("precision", 0, float(curve.y.max()) * 1.05),
    )
    rate = float(np.mean(task.labels))
    chart.line((0, 1), (rate, rate), "reference")
    chart.line(*curve)
    return chart


def _calibration(groups: list[Group]) -> Chart:
    right = max(group.predicted for group in groups) * 1.1
    top = max(right, *(group.high for group in groups))
    chart = Chart(
        "Observed rate over mean prediction of ten groups",
        Axis("mean prediction", 0, right),
        Axis("rate of positives", 0, top),
    )
    end = min(right, top)
    chart.line((0, end), (0, end), "reference")
    for group in groups:
        note = (
            f"predicted {group.predicted:.4g}, observed {group.observed:.4g}, {group.rows:,} rows"
        )
        chart.point(group.predicted, group.observed, group.low, group.high, note)
    return chart


def _lift(groups: list[Group]) -> Chart:
    rows, positives = sum(g.rows for g in groups), sum(g.positives for g in groups)
    lifts = [group.observed / (positives / rows) for group in groups]
    chart = Chart(
        "Lift of each tenth of the rows, highest predictions first",
        Axis("tenth of the rows", 0.4, len(groups) + 0.6, range(1, len(groups) + 1)),
        Axis("lift", 0, max(lifts) * 1.1),
    )
    for number, (group, lift) in enumerate(zip(groups, lifts, strict=True), 1):
        note = f"lift {lift:.3g}: {group.positives:,} of {group.rows:,} rows"
        chart.bar(number, lift, 0.7, note)
    chart.line((0.4, len(groups) + 0.6), (1, 1), "reference")
    return chart


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _interval(bounds: tuple[float, float] | None) -> str:
    return "undefined" if bounds is None else f"{bounds[0]:.4f} to {bounds[1]:.4f}"
