"""What training and evaluation show on a terminal, and the lines of training elsewhere."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from smt_model.forecast import duration

T = TypeVar("T")


@dataclass(frozen=True)
class Report:
    """The figures of the steps since the report before.

    Attributes
    ----------
    step, epoch
        Updates done, and the epoch of the last one.
    loss, task_losses
        Mean loss, and mean cross-entropy by task.
    steps_per_second, samples_per_second
        Updates and rows a second.
    """

    step: int
    epoch: int
    loss: float
    task_losses: Mapping[str, float]
    steps_per_second: float
    samples_per_second: float

    @property
    def figures(self) -> dict[str, float]:
        """The figures by the names they have in metrics.jsonl and TensorBoard."""
        return {
            "loss": self.loss,
            **{f"loss_{task}": loss for task, loss in self.task_losses.items()},
            "steps_per_second": self.steps_per_second,
            "samples_per_second": self.samples_per_second,
        }

    @property
    def text(self) -> str:
        """The losses and rates for people to read."""
        by_task = " ".join(f"{task} {loss:.6f}" for task, loss in self.task_losses.items())
        return (
            f"loss {self.loss:.6f} ({by_task})  "
            f"{self.steps_per_second:.1f} steps/s  {self.samples_per_second:,.0f} samples/s"
        )


def tell(text: str) -> None:
    """Print a line on standard error, which holds all but the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def bar(console: Console, what: str) -> Progress:
    """Return a progress bar that stays silent when `console` is no terminal."""
    return Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def evaluating(batches: Iterable[T], total: int) -> Iterator[T]:
    """Yield the batches of an evaluation, showing how many of them are done."""
    with bar(Console(stderr=True), "evaluating") as progress:
        yield from progress.track(batches, total=total)


class TrainingProgress:
    """Reports on standard error, so that standard output holds the result alone.

    Parameters
    ----------
    total
        Steps of the run.
    step
        Steps that are done already.
    """

    def __init__(self, total: int, step: int = 0) -> None:
        self._total = total
        self._console = Console(stderr=True)
        self._bar = bar(self._console, "training")
        self._task = self._bar.add_task("training", total=total, completed=step)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        if self._console.is_terminal:
            # As it is: a command that is shown must not be broken in two when it is copied, nor
            # lose a part of a path in brackets.
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            tell(text)

    def advance(self, step: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=step)

    def report(self, report: Report) -> None:
        """Print the figures since the last report, and how long the rest takes at this rate."""
        line = f"step {report.step:,}/{self._total:,}  epoch {report.epoch}  {report.text}"
        if left := self._total - report.step:
            line += f"  {duration(left / report.steps_per_second)} left"
        self.say(line)
