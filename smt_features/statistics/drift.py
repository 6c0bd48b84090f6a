"""How far a column's rows have moved from those of another split or day.

Every measure has a noise beside it: what two samples of one distribution differ by at these
numbers of rows, with four standard deviations. ``docs/statistics.md`` has the formulas and
their sources.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from smt_features.statistics.column_counts import ColumnCounts
from smt_features.statistics.drift_model import (
    Category,
    ColumnDrift,
    Distance,
    Measure,
    distance_of,
)
from smt_features.statistics.sketch import COUNT, VALUE
from smt_features.statistics.split_counts import SplitCounts
from smt_features.statistics.value_counts import as_ids
from smt_features.string_views import Int64s
from smt_schemas import DriftThresholds

TOP = 20
"""Values that distributions are compared on; all others make one more category."""

DEVIATIONS = 4.0

_NEARLY = 1 - 1e-9  # sums of rounded shares may differ from the exact ones in the last digits

Floats = npt.NDArray[np.float64]


def compare_splits(
    reference: SplitCounts, current: SplitCounts, thresholds: DriftThresholds
) -> list[ColumnDrift]:
    """Compare the columns that two splits have in common, in the order of the reference."""
    users = distinct_users(reference, current)
    names = {column.name: column for column in current.schema.columns}
    return [
        column_drift(
            reference.column(column), current.column(names[column.name]), users, thresholds
        )
        for column in reference.schema.columns
        if column.name in names
    ]


def distinct_users(reference: SplitCounts, current: SplitCounts) -> tuple[int, int] | None:
    """Return the number of users of both splits, None where a schema names no user column."""
    before, now = reference.users(), current.users()
    return None if before is None or now is None else (before, now)


def column_drift(
    reference: ColumnCounts,
    current: ColumnCounts,
    users: tuple[int, int] | None,
    thresholds: DriftThresholds,
) -> ColumnDrift:
    """Compare a column of two splits.

    Parameters
    ----------
    users
        Distinct users of both splits, where they are known: rows of one user are no independent
        observations of the user's features.
    """
    joined = _join(reference, current)
    counts = _categories(joined)
    numbers = counts.select("reference", "current").to_numpy().astype(np.float64)
    independent = (
        _independent(reference, joined.totals[0], users and users[0]),
        _independent(current, joined.totals[1], users and users[1]),
    )
    distances = [
        _null_rate(reference, current, users, thresholds),
        _new_values(reference, current, joined, independent, thresholds),
        *_distances(numbers, independent, reference.column.name, thresholds),
    ]
    if reference.column.role == "label":
        distances.append(_label_rate(reference, current, thresholds))
    return ColumnDrift(
        name=reference.column.name,
        reference_rows=joined.totals[0],
        current_rows=joined.totals[1],
        reference_independent=independent[0],
        current_independent=independent[1],
        distances=distances,
        categories=[
            Category(value=value, reference=before, current=now)
            for value, before, now in counts.iter_rows()
        ],
    )


class _Joined(NamedTuple):
    """The values of both sides.

    Attributes
    ----------
    values
        Each value once, as text, or as the integer that all texts are.
    before, now
        Its rows, int64.
    """

    values: pl.Series
    before: Int64s
    now: Int64s

    @property
    def totals(self) -> tuple[int, int]:
        """All rows of either side."""
        return int(self.before.sum()), int(self.now.sum())


def _join(reference: ColumnCounts, current: ColumnCounts) -> _Joined:
    """Return the values of both sides: ids are counted in arrays, which takes no text of them."""
    before, now = reference.present, current.present
    ids = [as_ids(side[VALUE]) for side in (before, now)]
    if all((found >= 0).all() for found in ids):
        length = max(int(found.max(initial=0)) for found in ids) + 1
        rows = np.zeros((2, length), np.int64)
        for side, found, counts in zip(rows, ids, (before, now), strict=True):
            side[found] = counts[COUNT].to_numpy()
        occurs = np.flatnonzero(rows.any(axis=0))
        return _Joined(pl.Series(occurs), *rows[:, occurs])
    joined = before.join(now, on=VALUE, how="full", coalesce=True, suffix="_now").fill_null(0)
    return _Joined(joined[VALUE], joined[COUNT].to_numpy(), joined[f"{COUNT}_now"].to_numpy())


def _categories(joined: _Joined) -> pl.DataFrame:
    """Return the values with the greatest sum of shares, and the rest under a null value."""
    totals = joined.totals
    shares = joined.before / max(totals[0], 1) + joined.now / max(totals[1], 1)
    least = np.partition(shares, -TOP)[-TOP] if len(shares) > TOP else 0.0
    frequent = np.flatnonzero(shares >= least * _NEARLY)
    candidates = pl.DataFrame(
        {
            VALUE: joined.values.gather(frequent).cast(pl.String),
            "reference": joined.before[frequent],
            "current": joined.now[frequent],
        }
    )
    # The sum of the shares times both totals: whole numbers order equal sums by their values.
    before, now = (pl.col(side).cast(pl.Int128) for side in ("reference", "current"))
    mass = before * max(totals[1], 1) + now * max(totals[0], 1)
    top = candidates.sort(mass, VALUE, descending=[True, False]).head(TOP)
    rest = {
        side: [total - top[side].sum()]
        for side, total in zip(("reference", "current"), totals, strict=True)
    }
    return pl.concat([top, pl.DataFrame({VALUE: [None], **rest}, schema=top.schema)])


def _independent(counts: ColumnCounts, present: int, users: int | None) -> int:
    """Return how many of the rows that are present count as independent observations."""
    number = counts.sampled_rows or counts.rows
    number = min(number, present)
    if counts.column.is_list:
        number = min(number, counts.rows - counts.nulls)
    if counts.column.role == "user" and users is not None:
        number = min(number, users)
    return number


def _null_rate(
    reference: ColumnCounts,
    current: ColumnCounts,
    users: tuple[int, int] | None,
    thresholds: DriftThresholds,
) -> Distance:
    rates = (reference.nulls / reference.rows, current.nulls / current.rows)
    rows = [reference.rows, current.rows]
    if reference.column.role == "user" and users is not None:
        rows = [min(rows[0], users[0]), min(rows[1], users[1])]
    value = abs(rates[1] - rates[0])
    noise = _rate_noise(rates, (rows[0], rows[1]))
    return distance_of("null_rate", value, noise, thresholds, reference.column.name, rates)


def _new_values(
    reference: ColumnCounts,
    current: ColumnCounts,
    joined: _Joined,
    independent: tuple[int, int],
    thresholds: DriftThresholds,
) -> Distance:
    """Compare the rows with a new value with those that Good and Turing expect.

    Their estimate is the share of the rows whose value occurs once. Where several rows make one
    independent observation, a value that occurs no more often counts as seen once.
    """
    name = reference.column.name
    before, now = joined.totals
    if not before or not now or reference.sketch or current.sketch:
        return distance_of("new_values", None, 0.0, thresholds, name)
    new = int(joined.now[joined.before == 0].sum()) / now
    once = max(before // max(independent[0], 1), 1)
    expected = int(joined.before[joined.before <= once].sum()) / before
    noise = _rate_noise((expected, new), independent)
    excess = max(new - expected, 0.0)
    return distance_of("new_values", excess, noise, thresholds, name, (expected, new))


def _label_rate(
    reference: ColumnCounts, current: ColumnCounts, thresholds: DriftThresholds
) -> Distance:
    sides = []
    for counts in (reference, current):
        positives = int(counts.counts.filter(pl.col(VALUE) == "1")[COUNT].sum())
        sides.append((positives, counts.rows))
    # Half a row more on either side keeps a rate of 0 from an infinite ratio.
    ratio = [(positives + 0.5) / (rows + 1) for positives, rows in sides]
    noise = DEVIATIONS * math.sqrt(sum(1 / (positives + 0.5) for positives, _ in sides))
    rates = (sides[0][0] / sides[0][1], sides[1][0] / sides[1][1])
    value = abs(math.log(ratio[1] / ratio[0]))
    return distance_of("label_rate", value, noise, thresholds, reference.column.name, rates)


def _distances(
    counts: Floats, independent: tuple[int, int], name: str, thresholds: DriftThresholds
) -> list[Distance]:
    """Return PSI, Jensen-Shannon and L-infinity of the categories' shares."""
    measures: dict[Measure, tuple[float | None, float]] = {
        "psi": (None, 0.0),
        "jensen_shannon": (None, 0.0),
        "l_infinity": (None, 0.0),
    }
    if all(counts.sum(axis=0)) and all(independent):
        counts = counts[counts.sum(axis=1) > 0]
        freedom = len(counts) - 1
        inverse = 1 / independent[0] + 1 / independent[1]
        raw = counts / counts.sum(axis=0)
        pooled = raw.mean(axis=1)
        # Half a row more in every category keeps an empty one from an infinite logarithm.
        before, now = ((counts + 0.5) / (counts + 0.5).sum(axis=0)).T
        middle = (before + now) / 2
        psi = ((now - before) * np.log(now / before)).sum()
        jensen = (before * np.log2(before / middle) + now * np.log2(now / middle)).sum() / 2
        # Under one distribution PSI is near (1/n + 1/m) times a chi-square variable.
        noise = inverse * (freedom + DEVIATIONS * math.sqrt(2 * freedom))
        widest = math.sqrt(float((pooled * (1 - pooled)).max()) * inverse)
        measures = {
            "psi": (float(psi), noise),
            "jensen_shannon": (max(float(jensen), 0.0), noise / (8 * math.log(2))),
            "l_infinity": (float(abs(raw[:, 1] - raw[:, 0]).max()), DEVIATIONS * widest),
        }
    return [
        distance_of(measure, value, noise, thresholds, name)
        for measure, (value, noise) in measures.items()
    ]


def _rate_noise(rates: tuple[float, float], rows: tuple[int, int]) -> float:
    middle = (rates[0] + rates[1]) / 2
    spread = middle * (1 - middle) * (1 / max(rows[0], 1) + 1 / max(rows[1], 1))
    return DEVIATIONS * math.sqrt(spread)
