"""Where the figures of a run go: metrics.jsonl, TensorBoard, and whoever watches."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from smt_model.checkpoint import Pending
from smt_model.events import EventWriter
from smt_model.progress import Report, TrainingProgress
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
    step, samples
        Updates done, and the rows they took.
    pending
        The losses that an earlier process had collected and not reported.
    """

    def __init__(
        self, run: RunDirectory, tasks: list[str], step: int, samples: int, pending: Pending
    ) -> None:
        self._run = run
        self._tasks = tasks
        self._events = EventWriter(run.path, step)
        self._steps = pending.steps
        self._sums = np.zeros(1 + len(tasks))
        if pending.sums:
            self._sums += pending.sums
        self.time_from(step, samples)

    @property
    def pending(self) -> Pending:
        """The losses that are not reported yet."""
        return Pending(steps=self._steps, sums=tuple(self._sums.tolist()))

    def time_from(self, step: int, samples: int) -> None:
        """Let the rate of the next report be that of what follows these updates and rows."""
        self._since = time.perf_counter()
        self._first_step, self._first_sample = step, samples

    @contextmanager
    def untimed(self) -> Iterator[None]:
        """Leave the time that the block takes out of the rate."""
        started = time.perf_counter()
        yield
        self._since += time.perf_counter() - started

    def add(self, losses: NDArray[np.float32]) -> None:
        """Take in losses float32 [steps, 1 + tasks]."""
        for loss in losses:  # one by one: sums are the same however steps are grouped
            self._sums += loss
        self._steps += len(losses)

    def report(self, step: int, epoch: int, samples: int, progress: TrainingProgress) -> None:
        """Record the mean losses of the steps since the last report, and the rates.

        Parameters
        ----------
        step, epoch, samples
            Updates done, the epoch of the last one, and the rows of all of them.
        progress
            Who watches.
        """
        if not self._steps:  # the chief of a cluster waited while others trained
            return
        seconds = time.perf_counter() - self._since
        loss, *by_task = (self._sums / self._steps).tolist()
        report = Report(
            step=step,
            epoch=epoch,
            loss=loss,
            task_losses=dict(zip(self._tasks, by_task, strict=True)),
            steps_per_second=(step - self._first_step) / seconds,
            samples_per_second=(samples - self._first_sample) / seconds,
        )
        self._run.metrics.append({"step": step, "epoch": epoch, **report.figures})
        self._events.scalars(step, report.figures)
        progress.report(report)
        self._steps, self._sums = 0, np.zeros_like(self._sums)
        self.time_from(step, samples)

    def activations(self, step: int, layers: Mapping[str, NDArray[np.float32]]) -> None:
        """Record what the layers gave for a batch, as DeepRec's script does.

        A layer whose output is not finite has no histogram; the next loss will stop the run. One
        without rows has none, either: a worker's share of a short batch may be empty.
        """
        layers = {name: x for name, x in layers.items() if x.size and np.isfinite(x).all()}
        self._events.histograms(step, {f"{name}/activation": x for name, x in layers.items()})
        zeros = {f"{n}/fraction_of_zero_values": float(np.mean(x == 0)) for n, x in layers.items()}
        self._events.scalars(step, zeros)

    def evaluation(self, result: Evaluation) -> None:
        """Record the metrics of a split; TensorBoard gets those that are defined."""
        self._run.metrics.append(result.model_dump())
        scalars = {"ACC": result.accuracy, "AUC": result.auc}
        for task, found in result.tasks.items():
            scalars |= {f"{task}/auc": found.auc, f"{task}/log_loss": found.log_loss}
        known = {f"{result.split}/{k}": v for k, v in scalars.items() if v is not None}
        self._events.scalars(result.step, known)
