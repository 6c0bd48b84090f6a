"""Ends a run when a task's metric stops improving, and knows the best evaluation."""

from collections.abc import Container, Iterable
from typing import Self

from smt_model.config import TrainConfig
from smt_model.report import Evaluation
from smt_schemas import UserError

_LOWER_IS_BETTER = frozenset({"log_loss"})


class EarlyStopping:
    """Follows a metric over the evaluations of a run.

    Parameters
    ----------
    metric
        ``TASK.auc``, ``TASK.gauc`` or ``TASK.log_loss``.
    patience
        Evaluations in a row without improvement after which the run stops.

    Attributes
    ----------
    best
        The first evaluation with the best value so far.
    """

    def __init__(self, metric: str, patience: int) -> None:
        self._metric = metric
        self._patience = patience
        self._stale = 0
        self.best: Evaluation | None = None

    @classmethod
    def of(
        cls, config: TrainConfig, evaluations: Iterable[Evaluation], kept: Container[int]
    ) -> Self | None:
        """Return that of a run with these evaluations behind it; None when it has none.

        The best one has its checkpoint among those of the steps that were `kept`: of a run that
        was asked to stop early only later on, better ones may not have any.
        """
        if config.early_stop_metric is None:
            return None
        stopping = cls(config.early_stop_metric, config.early_stop_patience)
        for evaluation in evaluations:
            if evaluation.step in kept or not stopping.improves(evaluation):
                stopping.add(evaluation)
        return stopping

    @property
    def stops(self) -> bool:
        """Whether the run is to end."""
        return self._stale >= self._patience

    def add(self, evaluation: Evaluation) -> None:
        """Take in the next evaluation.

        Raises
        ------
        UserError
            When there is no such task, or the rows define no such metric.
        """
        if self.improves(evaluation):
            self.best = evaluation
            self._stale = 0
        else:
            self._stale += 1

    def improves(self, evaluation: Evaluation) -> bool:
        """Return whether an evaluation is better than the best so far; raises as `add`."""
        score = self._score(evaluation)
        return self.best is None or score > self._score(self.best)

    def describe(self) -> str:
        """Return, in words, what the best value is and where it was reached."""
        if self.best is None:
            return f"no evaluation of {self._metric} yet"
        value = abs(self._score(self.best))
        return f"best {self._metric} {value:.6f} at step {self.best.step:,}"

    def _score(self, evaluation: Evaluation) -> float:
        task, _, name = self._metric.rpartition(".")
        if task not in evaluation.tasks:
            tasks = ", ".join(evaluation.tasks)
            msg = f"--early-stop-metric {self._metric}: there is no task {task!r}, only {tasks}."
            raise UserError(msg)
        value: float | None = getattr(evaluation.tasks[task], name)
        if value is None:
            msg = (
                f"{self._metric} is undefined on split {evaluation.split}, "
                f"which has {evaluation.tasks[task].positives:,} positives of {task} in "
                f"{evaluation.rows:,} rows. Choose another --early-stop-metric."
            )
            raise UserError(msg)
        return -value if name in _LOWER_IS_BETTER else value
