"""Where the figures of a run go: metrics.jsonl, TensorBoard, and whoever watches."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from smt_model.events import EventWriter
from smt_model.progress import TrainingProgress
from smt_model.report import Evaluation
from smt_model.run_directory import RunDirectory


class Recorder:
    """Collects the losses of steps and reports their mean, and the rate, now and then.

    Parameters
    ----------
    run
        The run directory.
    tasks
        Names of the tasks, in the order of the losses.
    """

    def __init__(self, run: RunDirectory, tasks: list[str]) -> None:
        self._run = run
        self._tasks = tasks
        self._events = EventWriter(run.path)
        self._losses: list[NDArray[np.float32]] = []
        self._since = time.perf_counter()

    @contextmanager
    def untimed(self) -> Iterator[None]:
        """Leave the time that the block takes out of the rate."""
        started = time.perf_counter()
        yield
        self._since += time.perf_counter() - started

    def add(self, losses: NDArray[np.float32]) -> None:
        """Take in losses float32 [steps, 1 + tasks]."""
        self._losses.append(losses)

    def report(self, step: int, epoch: int, progress: TrainingProgress) -> None:
        """Record the mean losses and the rate of the steps since the last report."""
        losses = np.concatenate(self._losses)
        rate = len(losses) / (time.perf_counter() - self._since)
        total, *by_task = (float(loss) for loss in losses.mean(axis=0, dtype=np.float64))
        values = {"loss": total, "steps_per_second": rate}
        for task, loss in zip(self._tasks, by_task, strict=True):
            values[f"loss_{task}"] = loss
        self._run.log({"step": step, "epoch": epoch, **values})
        self._events.scalars(step, values)
        progress.report(step, epoch, total, rate)
        self._losses = []
        self._since = time.perf_counter()

    def evaluation(self, result: Evaluation) -> None:
        """Record the metrics of a split; TensorBoard gets those that are defined."""
        self._run.log(result.model_dump())
        scalars = {"ACC": result.accuracy, "AUC": result.auc}
        for task, found in result.tasks.items():
            scalars |= {f"{task}/auc": found.auc, f"{task}/log_loss": found.log_loss}
        known = {f"{result.split}/{k}": v for k, v in scalars.items() if v is not None}
        self._events.scalars(result.step, known)
