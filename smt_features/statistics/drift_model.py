"""What differs between two splits, or between two datasets, as a document."""

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from smt_schemas import DriftThresholds, UsageError

Share = Annotated[float, Field(ge=0, le=1)]
Measure = Literal["null_rate", "new_values", "label_rate", "psi", "jensen_shannon", "l_infinity"]


class Model(BaseModel):
    """Base of the statistics' parts: nothing unknown, nothing converted, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Distance(Model):
    """One measure of how far a column has moved; ``docs/statistics.md`` has the formulas.

    Attributes
    ----------
    measure
        Which one.
    value
        Its value; None where there was nothing to measure.
    reference, current
        The two rates that went in, of ``null_rate``, ``new_values`` and ``label_rate``.
    noise
        What two samples of one distribution may differ by, at these numbers of rows.
    threshold
        The schema's limit.
    drifted
        ``value > threshold + noise``, unless the schema's thresholds ignore the column.
    """

    measure: Measure
    value: NonNegativeFloat | None
    reference: Share | None = None
    current: Share | None = None
    noise: NonNegativeFloat
    threshold: NonNegativeFloat
    drifted: bool


class Category(Model):
    """A value that the distributions are compared on.

    Attributes
    ----------
    value
        Its text; None in the last category, which is all other values.
    reference, current
        Rows (a list: entries) with it, before and now.
    """

    value: str | None
    reference: NonNegativeInt
    current: NonNegativeInt


class ColumnDrift(Model):
    """How far one column has moved.

    Attributes
    ----------
    name
        The column.
    reference_rows, current_rows
        Rows that are not null (of a list: entries), which the categories add up to.
    reference_independent, current_independent
        Independent observations among them, on which the noise depends.
    distances
        Each measure that applies to the column.
    categories
        The most frequent values of both, by the sum of their shares, and all others.
    """

    name: str
    reference_rows: NonNegativeInt
    current_rows: NonNegativeInt
    reference_independent: NonNegativeInt
    current_independent: NonNegativeInt
    distances: list[Distance]
    categories: list[Category]

    @property
    def drifted(self) -> list[Distance]:
        """The measures that are beyond their thresholds."""
        return [distance for distance in self.distances if distance.drifted]


class Drift(Model):
    """How far some rows have moved from others.

    Attributes
    ----------
    reference, current
        Names of the split or dataset compared with, and of the one that is compared.
    columns
        The columns that are compared, in file order.
    """

    reference: str
    current: str
    columns: list[ColumnDrift]

    @property
    def drifted(self) -> list[ColumnDrift]:
        """The columns with a measure beyond its threshold."""
        return [column for column in self.columns if column.drifted]

    def select(self, column: str | None) -> Self:
        """Return the drift of one column; None means all."""
        return self._with(lambda found: found if column in (None, found.name) else None)

    def judged(self, thresholds: DriftThresholds) -> Self:
        """Return the same measures with the verdicts of other thresholds."""

        def judge(column: ColumnDrift) -> ColumnDrift:
            distances = [
                distance_of(
                    distance.measure,
                    distance.value,
                    distance.noise,
                    thresholds,
                    column.name,
                    (distance.reference, distance.current),
                )
                for distance in column.distances
            ]
            return column.model_copy(update={"distances": distances})

        return self._with(judge)

    def _with(self, change: Callable[[ColumnDrift], ColumnDrift | None]) -> Self:
        changed = [change(column) for column in self.columns]
        return self.model_copy(update={"columns": [column for column in changed if column]})


class Comparison(Model):
    """What ``smt inspect-stats A B --json`` prints: the splits of B against those of A.

    Attributes
    ----------
    format, version
        What tells a reader that it can read the document.
    reference, current
        The datasets A and B.
    drift
        Each split that both have.
    reference_rejected_rows, current_rejected_rows
        Bad rows of either, which the comparison leaves out.
    """

    format: Literal["smt-comparison"] = "smt-comparison"
    version: Literal[1] = 1
    reference: str
    current: str
    drift: list[Drift]
    reference_rejected_rows: NonNegativeInt = 0
    current_rejected_rows: NonNegativeInt = 0

    def select(self, column: str | None) -> Self:
        """Return the comparison of one column; None means all.

        Raises
        ------
        UsageError
            When there is no such column.
        """
        names = [found.name for found in self.drift[0].columns]
        if column is not None and column not in names:
            msg = f"There is no column {column!r}. There are: {', '.join(names)}."
            raise UsageError(msg)
        return self.model_copy(update={"drift": [part.select(column) for part in self.drift]})

    def to_json(self) -> str:
        """Return the comparison as JSON."""
        return self.model_dump_json(indent=1) + "\n"


def distance_of(
    measure: Measure,
    value: float | None,
    noise: float,
    thresholds: DriftThresholds,
    column: str,
    rates: tuple[float | None, float | None] = (None, None),
) -> Distance:
    """Return a measure with its verdict."""
    threshold = getattr(thresholds, measure)
    return Distance(
        measure=measure,
        value=value,
        reference=rates[0],
        current=rates[1],
        noise=noise,
        threshold=threshold,
        drifted=value is not None and value > threshold + noise and column not in thresholds.ignore,
    )
