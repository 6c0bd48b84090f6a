"""Statistics against an independent computation: mmh3 and plain Python counters."""

import json
import math
import random
import weakref
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import mmh3
import numpy as np
import polars as pl
import pytest

from smt_features.cell_rows import cell_rows
from smt_features.statistics import hash_cost
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.statistics.column_model import ColumnStatistics, HashStatistics
from smt_features.statistics.files import STATISTICS_NAME
from smt_features.statistics.finish import finish
from smt_features.statistics.kind_counts import KindCounts
from smt_features.statistics.model import Statistics
from smt_features.statistics.sample import SAMPLE_ROWS
from smt_features.statistics.tally import tally
from smt_schemas import Column, DatasetSchema, UsageError, UserError, taobao

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "taobao"
LABEL = {"role": "label", "type": "int", "required": True, "allowed": [0, 1]}
FEATURE = {"embedding_dim": 4}


def small_schema() -> DatasetSchema:
    columns: list[dict[str, Any]] = [
        {"name": "clk", "task": "ctr", **LABEL},
        {"name": "note", "role": "ignore"},
        {"name": "brand", "role": "item", "hash_buckets": 7, "null_tokens": ["NULL"], **FEATURE},
        {"name": "user", "role": "user", "hash_buckets": 1000, **FEATURE},
        {"name": "tags", "role": "user", "hash_buckets": 20, "separator": "|", **FEATURE},
        {
            "name": "hour",
            "role": "item",
            "type": "int",
            "required": True,
            "encoding": "identity",
            "hash_buckets": 24,
            **FEATURE,
        },
        {"name": "one", "role": "item", "hash_buckets": 1, **FEATURE},
    ]
    return DatasetSchema.model_validate(
        {"name": "small", "splits": {"train": "a", "test": "b"}, "columns": columns}
    )


def small_rows(count: int) -> pl.DataFrame:
    draw = random.Random(5)
    brands = ["", "NULL", "12", "7", "07", "ü", "=x"]
    rows = []
    for _ in range(count):
        tags = draw.choices(["1", "2", "3", "b", "1x"], k=draw.choice([0, 0, 1, 2, 3, 5, 9]))
        row = {
            "clk": draw.choice("0001"),
            "note": draw.choice(["a", "b", ""]),
            "brand": draw.choice(brands),
            "user": str(draw.randrange(400)),
            "tags": "|".join(tags),
            "hour": str(draw.randrange(24)),
            "one": draw.choice(["", "a"]),
        }
        rows += [row] * draw.choice([1, 1, 3])
    return pl.DataFrame(rows)


def build(
    schema: DatasetSchema, frames: dict[str, pl.DataFrame], rows: int, seed: int = 0
) -> Statistics:
    """Add frames in pieces of so many rows."""
    builder = StatisticsBuilder(schema, seed)
    for split, frame in frames.items():
        places = np.random.default_rng(1).integers(0, 1 << 63, frame.height)
        for start in range(0, frame.height, rows):
            piece = frame.slice(start, rows)
            numbers = places[start : start + rows]
            builder.add_tally(
                split,
                tally(cell_rows(piece, schema), schema, numbers),
            )
    return finish(builder)


def test_a_log_of_lists_alone_is_counted() -> None:
    tags = {"name": "tags", "role": "item", "separator": "|", "hash_buckets": 10, **FEATURE}
    schema = DatasetSchema.model_validate(
        {"name": "lists", "splits": {"train": "a"}, "columns": [tags]}
    )

    found = build(schema, {"train": pl.DataFrame({"tags": ["a|b", "", "b"]})}, rows=2)

    column = found.splits["train"].columns[0]
    assert (column.rows, column.nulls, column.distinct) == (3, 1, 2)
    assert [(top.value, top.count) for top in column.top] == [("b", 2), ("a", 1)]


def test_more_buckets_than_an_array_should_have_give_the_same_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = {"train": small_rows(300)}
    expected = build(small_schema(), frames, rows=100)

    monkeypatch.setattr(hash_cost, "MAX_TRACKED", 0)

    assert build(small_schema(), frames, rows=100) == expected


def test_counts_of_a_column_are_let_go_once_they_are_written() -> None:
    schema = small_schema()
    builder = StatisticsBuilder(schema)
    rows = small_rows(50)
    builder.add_tally("train", tally(cell_rows(rows, schema), schema, np.arange(rows.height)))
    written: list[weakref.ref[pl.Series]] = []
    alive: list[int] = []

    def write(counts: Iterator[KindCounts]) -> None:
        alive.append(sum(values() is not None for values in written))
        written.extend(weakref.ref(part.values) for part in counts)

    finish(builder, write)

    assert len(written) > 2 * len(schema.columns)
    assert max(alive) < len(written) / 2


def bucket_of(text: str, column: Column, seed: int) -> int:
    if column.encoding == "identity":
        return int(text)
    return int(mmh3.hash(text, seed, signed=False) % column.buckets)


def require_equal(found: ColumnStatistics, cells: list[str], column: Column, seed: int) -> None:
    """Compare every figure of a column with one that is computed another way."""
    nulls = ["", *column.null_tokens]
    lists = [cell.split(column.separator) for cell in cells if cell] if column.is_list else []
    texts = list(chain(*lists)) if column.is_list else cells
    counts = Counter(texts)
    present = {t: n for t, n in counts.items() if column.is_list or t not in nulls}
    top = sorted(present.items(), key=lambda item: (-item[1], item[0].encode()))[:10]

    assert (found.name, found.role, found.rows) == (column.name, column.role, len(cells))
    assert found.nulls == sum(cell in nulls for cell in cells)
    assert found.null_share == found.nulls / len(cells)
    assert found.distinct == len(present)
    assert [(value.value, value.count) for value in found.top] == top
    assert [value.share for value in found.top] == [n / len(texts) for _, n in top]
    assert found.singletons == sum(count == 1 for count in present.values())
    assert found.entropy_bits == pytest.approx(entropy_of(list(present.values())), abs=1e-6)
    assert (found.distinct_error, found.sampled_rows) == (0, 0)
    ordered = sorted(present.values(), reverse=True)
    for point in found.coverage:
        assert point.share == pytest.approx(sum(ordered[: point.values]) / sum(ordered))
    assert not ordered or found.coverage[-1].values == len(ordered)
    assert (found.hashing is None) == (not column.is_feature)
    if column.is_feature:
        require_equal_hashing(found, counts, column, seed)
    assert (found.lists is None) == (not column.is_list)
    if column.is_list:
        require_equal_lists(found, lists)
    assert (found.label is None) == (column.role != "label")
    if found.label:
        assert found.label.positives == cells.count("1")
        assert found.label.rate == cells.count("1") / len(cells)


def require_equal_hashing(
    found: ColumnStatistics, counts: Counter[str], column: Column, seed: int
) -> None:
    hashing = found.hashing
    assert hashing is not None
    in_bucket: dict[int, list[str]] = {}
    for text in counts:
        in_bucket.setdefault(bucket_of(text, column, seed), []).append(text)
    colliding = [text for texts in in_bucket.values() if len(texts) > 1 for text in texts]
    assert hashing.encoding == column.encoding
    assert (hashing.buckets, hashing.values) == (column.buckets, len(counts))
    assert (hashing.rows, hashing.buckets_used) == (sum(counts.values()), len(in_bucket))
    assert hashing.colliding_values == len(colliding)
    assert hashing.colliding_rows == sum(counts[text] for text in colliding)
    assert hashing.alone_values == len(counts) - len(colliding)
    assert hashing.alone_rows == sum(counts.values()) - hashing.colliding_rows
    for bucket, load in enumerate(hashing.loads):
        texts = in_bucket.get(bucket, [])
        assert (load.values, load.rows) == (len(texts), sum(counts[text] for text in texts))
    assert len(hashing.loads) == (column.buckets if column.buckets <= 128 else 0)
    require_equal_fill(hashing, [len(texts) for texts in in_bucket.values()])
    if column.encoding == "identity":
        assert hashing.expected_buckets_used == len(in_bucket)
        assert hashing.expected_colliding_values == hashing.expected_colliding_rows == 0
        return
    alone = (1 - 1 / column.buckets) ** (len(counts) - 1)
    used = column.buckets * (1 - (1 - 1 / column.buckets) ** len(counts))
    assert hashing.expected_buckets_used == pytest.approx(used, rel=1e-6)
    assert hashing.expected_colliding_values == pytest.approx(len(counts) * (1 - alone), rel=1e-6)
    assert hashing.expected_colliding_rows == pytest.approx(hashing.rows * (1 - alone), rel=1e-6)


def require_equal_fill(hashing: HashStatistics, sizes: list[int]) -> None:
    empty = hashing.buckets - len(sizes)
    for item in hashing.fill[:-1]:
        assert item.buckets == (sizes.count(item.values) if item.values else empty)
        chance = 1 / hashing.buckets
        binomial = (
            math.comb(hashing.values, item.values)
            * chance**item.values
            * (1 - chance) ** (hashing.values - item.values)
        )
        assert item.expected == pytest.approx(hashing.buckets * binomial, abs=1e-4)
    if hashing.fill:
        last = hashing.fill[-1]
        assert last.buckets == sum(size >= last.values for size in sizes)
        assert sum(item.expected for item in hashing.fill) == pytest.approx(hashing.buckets)


def entropy_of(counts: list[int]) -> float:
    shares = np.array(counts) / sum(counts)
    return float(-(shares * np.log2(shares)).sum()) if counts else 0.0


def require_equal_lists(found: ColumnStatistics, lists: list[list[str]]) -> None:
    lengths = sorted(len(entries) for entries in lists)

    def quantile(percent: int) -> int:
        return lengths[-(-len(lengths) * percent // 100) - 1]

    result = found.lists
    assert result is not None
    assert result.entries == sum(lengths)
    assert (result.minimum, result.maximum) == (lengths[0], lengths[-1])
    assert (result.p25, result.p50) == (quantile(25), quantile(50))
    assert (result.p75, result.p95) == (quantile(75), quantile(95))
    assert result.mean == pytest.approx(sum(lengths) / len(lengths), abs=1e-6)
    distinct = sum(len(set(entries)) for entries in lists) / len(lists)
    assert result.distinct_mean == pytest.approx(distinct, abs=1e-6)
    assert result.at_maximum == lengths.count(lengths[-1]) / len(lengths)


@pytest.mark.parametrize("seed", [0, 99])
def test_every_figure_equals_an_independent_computation(seed: int) -> None:
    schema, rows = small_schema(), small_rows(1_500)

    split = build(schema, {"train": rows}, 400, seed).splits["train"]

    assert split.rows == len(rows)
    for found, column in zip(split.columns, schema.columns, strict=True):
        require_equal(found, rows[column.name].to_list(), column, seed)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real rows, ../shared/data/taobao")
@pytest.mark.parametrize("name", ["train", "test"])
def test_figures_of_the_real_rows(name: str) -> None:
    schema = taobao()
    names = [column.name for column in schema.columns]
    path = REAL / schema.splits[name]
    rows = pl.read_csv(path, has_header=False, new_columns=names, infer_schema=False)
    rows = rows.fill_null("")

    split = build(schema, {name: rows}, 1_000).splits[name]

    for found, column in zip(split.columns, schema.columns, strict=True):
        require_equal(found, rows[column.name].to_list(), column, 0)


@pytest.mark.parametrize("label", ["clk"])
def test_rates_of_top_values_and_their_intervals(label: str) -> None:
    rows = small_rows(1_500)

    split = build(small_schema(), {"train": rows}, 400).splits["train"]

    for column in split.columns:
        for top in column.top:
            assert list(top.rates) == ([label] if column.hashing and not column.lists else [])
            for name, rate in top.rates.items():
                of_value = rows.filter(pl.col(column.name) == top.value)
                assert rate.positives == of_value[name].to_list().count("1")
                assert rate.rate == rate.positives / top.count
                # Wilson's bounds are the rates p with |p - rate| = z sqrt(p(1 - p) / n).
                for bound in (rate.low, rate.high):
                    distance = 1.959964 * math.sqrt(bound * (1 - bound) / top.count)
                    assert abs(bound - rate.rate) == pytest.approx(distance, abs=1e-9)


def test_labels_are_counted_together() -> None:
    rows = small_rows(200)

    split = build(small_schema(), {"train": rows}, 50).splits["train"]

    expected = Counter(rows["clk"])
    assert [(found.labels, found.rows) for found in split.label_combinations] == [
        ({"clk": 0}, expected["0"]),
        ({"clk": 1}, expected["1"]),
    ]


def test_grouping_and_order_of_the_rows_do_not_matter() -> None:
    schema, rows = small_schema(), small_rows(300)
    shuffled = rows.sample(fraction=1, shuffle=True, seed=2)
    # The sample's rows are chosen by numbers that belong to the rows, which these do not.
    assert len(rows) < SAMPLE_ROWS

    whole = build(schema, {"train": rows, "test": rows.head(9)}, 10_000).to_json()
    pieces = build(schema, {"test": rows.head(9), "train": shuffled}, 7).to_json()

    assert whole == pieces


def test_a_split_of_empty_lists_has_statistics() -> None:
    schema, rows = small_schema(), small_rows(20).with_columns(tags=pl.lit(""))

    column = build(schema, {"train": rows}, 5).splits["train"].by_name()["tags"]

    assert column.null_share == 1
    assert (column.distinct, column.top) == (0, [])
    assert column.lists is not None
    assert column.hashing is not None
    assert (column.lists.entries, column.lists.maximum, column.lists.at_maximum) == (0, 0, 0)
    assert (column.hashing.values, column.hashing.expected_buckets_used) == (0, 0)


def test_statistics_survive_writing_and_reading(tmp_path: Path) -> None:
    statistics = build(small_schema(), {"train": small_rows(50)}, 50)

    statistics.write(tmp_path)

    assert Statistics.read(tmp_path) == statistics
    assert (tmp_path / STATISTICS_NAME).read_text(encoding="utf-8") == statistics.to_json()


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 1},
        {"extra": 1},
        {"splits": {"train": {"rows": -1, "label_combinations": [], "columns": []}}},
        {"splits": {"train": {"rows": "1", "label_combinations": [], "columns": []}}},
        {"schema_digest": "x"},
    ],
)
def test_a_file_that_holds_something_else_is_refused(
    tmp_path: Path, damage: dict[str, Any]
) -> None:
    valid = json.loads(build(small_schema(), {"train": small_rows(5)}, 5).to_json())
    (tmp_path / STATISTICS_NAME).write_text(json.dumps(valid | damage))

    with pytest.raises(UserError, match="smt prepare --overwrite"):
        Statistics.read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b'{"format": NaN}'])
def test_a_file_that_is_not_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STATISTICS_NAME).write_bytes(content)

    with pytest.raises(UserError, match="no valid statistics"):
        Statistics.read(tmp_path)


def test_a_folder_without_statistics_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no statistics\.json.*smt prepare"):
        Statistics.read(tmp_path)


def test_one_split_and_one_column_can_be_selected() -> None:
    rows = small_rows(30)
    statistics = build(small_schema(), {"train": rows, "test": rows}, 30)

    picked = statistics.select(split="test", column="user")

    assert list(picked.splits) == ["test"]
    assert [column.name for column in picked.splits["test"].columns] == ["user"]
    assert picked.splits["test"].columns[0] == statistics.splits["test"].by_name()["user"]
    assert statistics.select() == statistics


@pytest.mark.parametrize("wanted", [{"split": "no"}, {"column": "no"}])
def test_selecting_what_is_not_there_is_a_usage_error(wanted: dict[str, str]) -> None:
    statistics = build(small_schema(), {"train": small_rows(5)}, 5)

    with pytest.raises(UsageError, match="There are: "):
        statistics.select(**wanted)
