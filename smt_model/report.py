"""The metrics of an evaluation, as JSON and as text."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from smt_model import metrics, pooled


class TaskMetrics(BaseModel):
    """Metrics of a task; None where the rows define none.

    Attributes
    ----------
    positives
        Rows with label 1.
    auc
        Exact area under the ROC curve.
    gauc, gauc_users
        AUC by user, weighted by rows, over the users with both classes; and how many those are.
    log_loss
        Mean cross-entropy, in nats.
    calibration
        Predicted over observed positives.
    """

    model_config = ConfigDict(frozen=True)

    positives: int
    auc: float | None
    gauc: float | None
    gauc_users: int
    log_loss: float | None
    calibration: float | None


class Evaluation(BaseModel):
    """Metrics of a split: DeepRec's two over all tasks, and those of each task.

    `restored` names the full checkpoint and the delta that were evaluated, if there was a delta.
    """

    model_config = ConfigDict(frozen=True)

    split: str
    step: int
    rows: int
    accuracy: float | None
    auc: float | None
    tasks: dict[str, TaskMetrics]
    restored: str | None = Field(default=None, exclude_if=lambda name: name is None)

    @property
    def line(self) -> str:
        """The most important metrics in one line."""
        by_task = "".join(
            f"  {task} AUC {_number(found.auc, _one_class(found.positives, self.rows))}"
            for task, found in self.tasks.items()
        )
        return f"step {self.step:,} on split {self.split}:{by_task}"

    def text(self) -> str:
        """Return the metrics for people to read."""
        origin = f" ({self.restored})" if self.restored else ""
        lines = [
            f"Evaluation on split {self.split}: {self.rows:,} rows at step {self.step:,}{origin}",
            f"ACC = {_number(self.accuracy, 'no rows')}",
            f"AUC = {_number(self.auc, 'one class only')}",
        ]
        for task, found in self.tasks.items():
            why = _one_class(found.positives, self.rows)
            users = "no user with both classes"
            lines += [
                f"{task}: {found.positives:,} positives",
                f"  AUC          {_number(found.auc, why)}",
                f"  GAUC         {_number(found.gauc, users)} ({found.gauc_users:,} users)",
                f"  log loss     {_number(found.log_loss, 'no rows')}",
                f"  calibration  {_number(found.calibration, 'no positives')}",
            ]
        return "\n".join(lines)


def evaluate_predictions(
    split: str,
    step: int,
    labels: dict[str, NDArray[np.int8]],
    logits: NDArray[np.float32],
    users: NDArray[np.integer] | None,
) -> Evaluation:
    """Return the metrics of a split.

    Parameters
    ----------
    split, step
        What was evaluated, and the training step of the weights.
    labels
        Task name to int8 [N], in the order of the columns of `logits`.
    logits
        float32 [N, tasks].
    users
        The user of each row [N], for GAUC. Users are told apart by their hashed id, so that
        those whose ids collide count as one. None leaves GAUC undefined.
    """
    both = np.stack(list(labels.values()), axis=1)
    probabilities = metrics.sigmoid(logits)
    tasks = {
        task: _task(values, logits[:, column], users)
        for column, (task, values) in enumerate(labels.items())
    }
    return Evaluation(
        split=split,
        step=step,
        rows=len(logits),
        accuracy=pooled.accuracy(both, probabilities),
        auc=pooled.threshold_auc(both, probabilities),
        tasks=tasks,
    )


def _task(
    labels: NDArray[np.int8], logits: NDArray[np.float32], users: NDArray[np.integer] | None
) -> TaskMetrics:
    gauc, counted = (None, 0) if users is None else metrics.grouped_auc(labels, logits, users)
    return TaskMetrics(
        positives=int(labels.sum()),
        auc=metrics.auc(labels, logits),
        gauc=gauc,
        gauc_users=counted,
        log_loss=metrics.log_loss(labels, logits),
        calibration=metrics.calibration(labels, logits),
    )


def _number(value: float | None, reason: str) -> str:
    return f"undefined ({reason})" if value is None else f"{value:.6f}"


def _one_class(positives: int, rows: int) -> str:
    if rows == 0:
        return "no rows"
    return "no positives" if positives == 0 else "no negatives"
