"""Drift: figures against NumPy, planted drift, and draws from one distribution."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from smt_features.cell_rows import cell_rows
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.statistics.drift_model import ColumnDrift, Drift
from smt_features.statistics.finish import finish
from smt_features.statistics.tally import tally
from smt_schemas import DatasetSchema, DriftThresholds, UsageError, taobao

Rng = np.random.Generator


def schema_of(**drift: Any) -> DatasetSchema:
    label = {"role": "label", "type": "int", "required": True, "allowed": [0, 1], "task": "ctr"}
    size = {"hash_buckets": 1000, "embedding_dim": 4}
    columns: list[dict[str, Any]] = [
        {"name": "clk", **label},
        {"name": "user", "role": "user", **size},
        {"name": "age", "role": "user", **size},
        {"name": "brand", "role": "item", "null_tokens": ["NULL"], **size},
        {"name": "slot", "role": "item", **size},
        {"name": "tags", "role": "user", "separator": "|", **size},
    ]
    splits = {"train": "a", "test": "b"}
    return DatasetSchema.model_validate(
        {"name": "log", "splits": splits, "user_column": "user", "columns": columns, "drift": drift}
    )


def draw_log(draw: Rng, rows: int) -> pl.DataFrame:
    """Draw impressions of 400 users, each with an age and a list of tags."""
    user = draw.integers(0, 400, rows)
    brand = draw.zipf(1.3, rows) % 5_000
    lists = ["|".join(["7", "7", str(number % 31), str(number % 7)]) for number in range(400)]
    return pl.DataFrame(
        {
            "clk": (draw.random(rows) < 0.1).astype(int).astype(str),
            "user": user.astype(str),
            "age": (user % 6).astype(str),
            "brand": np.where(draw.random(rows) < 0.3, "NULL", brand.astype(str)),
            "slot": draw.integers(0, 40, rows).astype(str),
            "tags": ["" if number % 3 == 0 else lists[number] for number in user],
        }
    )


def drift_of(
    reference: pl.DataFrame, current: pl.DataFrame, schema: DatasetSchema | None = None
) -> Drift:
    schema = schema or schema_of()
    builder = StatisticsBuilder(schema)
    for split, rows in {"train": reference, "test": current}.items():
        places = np.random.default_rng(1).integers(0, 1 << 63, rows.height)
        builder.add_tally(split, tally(cell_rows(rows, schema), schema, places))
    return finish(builder).drift[0]


def column_in(drift: Drift, name: str) -> ColumnDrift:
    return next(column for column in drift.columns if column.name == name)


def flagged(drift: Drift) -> dict[str, list[str]]:
    return {c.name: [distance.measure for distance in c.drifted] for c in drift.drifted}


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    """Return one draw of 6,000 rows."""
    return draw_log(np.random.default_rng(11), 6_000)


def texts_of(rows: pl.DataFrame, name: str) -> list[str]:
    present = [cell for cell in rows[name] if cell not in ("", "NULL")]
    return [entry for cell in present for entry in cell.split("|")]


def require_equal(found: ColumnDrift, before: pl.DataFrame, now: pl.DataFrame) -> None:
    """Compare every figure of a column with one that is computed another way."""
    name = found.name
    counts = [Counter(texts_of(rows, name)) for rows in (before, now)]
    totals = [sum(count.values()) for count in counts]
    values = sorted(
        counts[0] | counts[1],
        key=lambda value: (-counts[0][value] * totals[1] - counts[1][value] * totals[0], value),
    )[:20]
    table = np.array([[count[value] for value in values] for count in counts], float)
    rest = np.array(totals) - table.sum(axis=1)
    table = np.column_stack([table, rest]) if rest.any() else table
    p, q = (table + 0.5) / (table + 0.5).sum(axis=1, keepdims=True)
    m = (p + q) / 2
    raw = table / table.sum(axis=1, keepdims=True)
    measures = {distance.measure: distance for distance in found.distances}
    assert measures["psi"].value == pytest.approx(((q - p) * np.log(q / p)).sum())
    jensen = ((p * np.log2(p / m)).sum() + (q * np.log2(q / m)).sum()) / 2
    assert measures["jensen_shannon"].value == pytest.approx(jensen)
    assert measures["l_infinity"].value == pytest.approx(abs(raw[0] - raw[1]).max())
    nulls = [rows[name].is_in(["", "NULL"]).mean() for rows in (before, now)]
    assert (measures["null_rate"].reference, measures["null_rate"].current) == tuple(nulls)
    new = sum(count for value, count in counts[1].items() if value not in counts[0]) / totals[1]
    assert measures["new_values"].current == pytest.approx(new)
    assert [category.value for category in found.categories] == [*values, None]
    assert sum(category.reference for category in found.categories) == totals[0]
    if name in ("clk", "buy"):
        rates = [(counts[i]["1"] + 0.5) / (totals[i] + 1) for i in (0, 1)]
        assert measures["label_rate"].value == pytest.approx(abs(math.log(rates[1] / rates[0])))


@pytest.mark.parametrize("name", ["clk", "user", "age", "brand", "slot", "tags"])
def test_every_measure_equals_an_independent_computation(log: pl.DataFrame, name: str) -> None:
    before, now = log.head(4_000), log.tail(2_000).with_columns(slot=pl.lit("40"))

    found = column_in(drift_of(before, now), name)

    require_equal(found, before, now)


def test_measures_of_the_real_rows(real_rows: Path) -> None:
    schema = taobao()
    names = [column.name for column in schema.columns]
    before, now = (
        pl.read_csv(
            real_rows / file, has_header=False, new_columns=names, infer_schema=False
        ).fill_null("")
        for file in schema.splits.values()
    )

    found = drift_of(before, now, schema)

    assert [column.name for column in found.columns] == names
    for column in found.columns:
        require_equal(column, before, now)


def test_new_values_are_held_against_what_chance_brings(log: pl.DataFrame) -> None:
    before, now = log.head(4_000), log.tail(2_000)

    measure = column_in(drift_of(before, now), "brand").distances[1]

    counts = Counter(texts_of(before, "brand"))
    once = sum(count == 1 for count in counts.values()) / sum(counts.values())
    assert measure.reference == pytest.approx(once)
    assert measure.value is not None
    assert measure.current == pytest.approx(once, abs=0.03)
    assert not measure.drifted


def nulls_grow(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        brand=pl.when(pl.int_range(pl.len()) % 6 == 0).then(pl.lit("NULL")).otherwise("brand")
    )


def users_lose_their_age(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        age=pl.when(pl.col("user").cast(int) % 3 == 0).then(pl.lit("")).otherwise("age")
    )


def brands_are_new(rows: pl.DataFrame) -> pl.DataFrame:
    is_moved = (pl.int_range(pl.len()) % 3 == 0) & (pl.col("brand") != "NULL")
    return rows.with_columns(
        brand=pl.when(is_moved).then(pl.format("new{}", pl.int_range(pl.len()))).otherwise("brand")
    )


def one_slot_grows(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        slot=pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("3")).otherwise("slot")
    )


def slots_are_renamed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(slot=pl.format("s{}", "slot"))


def clicks_double(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        clk=pl.when(pl.int_range(pl.len()) % 9 == 0).then(pl.lit("1")).otherwise("clk")
    )


def tags_change(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(tags=pl.col("tags").str.replace_all("7", "8"))


@pytest.mark.parametrize(
    ("plant", "column", "measures"),
    [
        (nulls_grow, "brand", {"null_rate"}),
        (users_lose_their_age, "age", {"null_rate"}),
        (brands_are_new, "brand", {"new_values", "l_infinity"}),
        (one_slot_grows, "slot", {"l_infinity", "psi"}),
        (slots_are_renamed, "slot", {"new_values", "psi", "jensen_shannon"}),
        (clicks_double, "clk", {"label_rate", "l_infinity"}),
        (tags_change, "tags", {"psi", "jensen_shannon", "l_infinity"}),
    ],
)
def test_planted_drift_is_flagged_and_nothing_else(
    plant: Callable[[pl.DataFrame], pl.DataFrame], column: str, measures: set[str]
) -> None:
    draw = np.random.default_rng(5)
    before, now = draw_log(draw, 20_000), draw_log(draw, 10_000)

    found = flagged(drift_of(before, plant(now)))

    assert list(found) == [column]
    assert measures <= set(found[column])


def test_two_samples_of_one_distribution_are_seldom_flagged() -> None:
    draw = np.random.default_rng(8)

    flags = [
        bool(flagged(drift_of(draw_log(draw, 1_500), draw_log(draw, 1_000)))) for _ in range(100)
    ]

    assert sum(flags) <= 5


def test_thresholds_of_the_schema_decide(log: pl.DataFrame) -> None:
    before, now = log.head(4_000), nulls_grow(log.tail(2_000))
    loose = schema_of(null_rate=0.9)

    found = drift_of(before, now)

    assert flagged(found) == {"brand": ["null_rate"]}
    assert flagged(drift_of(before, now, loose)) == {}
    assert flagged(drift_of(before, now, schema_of(ignore=["brand"]))) == {}
    assert found.judged(loose.drift) == drift_of(before, now, loose)


def test_a_column_without_values_has_no_distance(log: pl.DataFrame) -> None:
    found = column_in(drift_of(log, log.with_columns(brand=pl.lit("NULL"))), "brand")

    by_name = {distance.measure: distance for distance in found.distances}
    assert by_name["null_rate"].drifted
    assert by_name["psi"].value is by_name["new_values"].value is None
    assert not by_name["psi"].drifted


def test_thresholds_are_no_part_of_the_schema_digest() -> None:
    assert schema_of(psi=0.9).digest == schema_of().digest
    assert schema_of().drift == DriftThresholds()


def test_an_ignored_column_must_exist() -> None:
    with pytest.raises(ValueError, match=r"drift\.ignore names no column: brnd"):
        schema_of(ignore=["brnd"])


def test_users_are_the_independent_observations_of_their_features(log: pl.DataFrame) -> None:
    drift = drift_of(log.head(4_000), log.tail(2_000))

    assert column_in(drift, "age").reference_independent == log.head(4_000)["user"].n_unique()
    assert column_in(drift, "slot").reference_independent == 4_000


def test_an_unknown_column_of_a_comparison_is_a_usage_error(log: pl.DataFrame) -> None:
    from smt_features.statistics.drift_model import Comparison

    comparison = Comparison(reference="a", current="b", drift=[drift_of(log, log)])

    assert [c.name for c in comparison.select("brand").drift[0].columns] == ["brand"]
    with pytest.raises(UsageError, match="There is no column 'brnd'"):
        comparison.select("brnd")
