"""What a benchmark found: its tables, as values and as JSON."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from smt_features.environment import PACKAGES, environment


class Figure(BaseModel):
    """One quantity over the runs of a row.

    Attributes
    ----------
    runs
        The value of each run, in the order they were made.
    median, low, high
        Over the runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: list[float]
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Return the figure of at least one run."""
        runs = list(values)
        return cls(runs=runs, median=statistics.median(runs), low=min(runs), high=max(runs))

    def text(self, digits: int) -> str:
        """Return the median, and half the range when there are several runs."""
        middle = f"{self.median:,.{digits}f}"
        return middle if len(self.runs) == 1 else f"{middle} ±{self.half_range:,.{digits}f}"

    @property
    def half_range(self) -> float:
        """Half of what the fastest and the slowest run are apart."""
        return (self.high - self.low) / 2


class Row(BaseModel):
    """A line of a table.

    Attributes
    ----------
    name
        What was run.
    settings
        What it was run on; rows with equal settings make a table.
    figures
        By the name of their column. One without a value, such as an AUC of one class, is absent.
    failed
        Why there is none; None when it ran.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    settings: dict[str, int | str]
    figures: dict[str, Figure] = {}
    failed: str | None = None


class Report(BaseModel):
    """What `smt bench COMMAND --json` prints.

    Attributes
    ----------
    command
        The benchmark.
    machine
        As `smt env --json`, with the versions of what is compared with.
    columns
        The names of the figures in the order of the tables, and their digits after the point.
    rows
        Those of all tables.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    machine: dict[str, Any]
    columns: dict[str, int]
    rows: list[Row]

    def tables(self) -> list[list[Row]]:
        """Return the rows by their settings, in the order they come."""
        found: dict[tuple[tuple[str, int | str], ...], list[Row]] = {}
        for row in self.rows:
            found.setdefault(tuple(row.settings.items()), []).append(row)
        return list(found.values())


def machine() -> dict[str, Any]:
    """Return what `smt env` tells, with the versions of what is compared with."""
    return environment((*PACKAGES, "keras", "torch", "pandas"))


def ratios(values: Sequence[float], to: Sequence[float]) -> Figure:
    """Return the ratios within each turn."""
    return Figure.of(value / other for value, other in zip(values, to, strict=True))
