"""What training and evaluation show on a terminal, and the lines of training elsewhere."""

import sys
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")

PLAIN = "step {step:,}/{total:,}  epoch {epoch}  loss {loss:.6f}  {rate:.1f} steps/s"


def bar(console: Console, what: str, *more: ProgressColumn) -> Progress:
    """Return a progress bar that stays silent when `console` is no terminal."""
    return Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        *more,
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
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._console = Console(stderr=True)
        self._bar = bar(self._console, "training", TextColumn("{task.fields[note]}"))
        self._task = self._bar.add_task("training", total=total, note="")

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
            self._bar.console.print(text, highlight=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def advance(self, step: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=step)

    def report(self, step: int, epoch: int, loss: float, rate: float) -> None:
        """Show the mean loss since the last report, and the steps a second."""
        if self._console.is_terminal:
            self._bar.update(self._task, note=f"loss {loss:.6f}  {rate:.1f} steps/s")
        else:
            self.say(PLAIN.format(step=step, total=self._total, epoch=epoch, loss=loss, rate=rate))
