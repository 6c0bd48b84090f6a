"""What stays known of a column that has too many distinct values to count them."""

import mmap
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmh3
import numpy as np
import polars as pl
import pytest

from smt_features import blocks, units
from smt_features.cell_rows import cell_rows
from smt_features.parts import merge_parts, prepare_part
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_features.statistics import recommendation, sample, sketch, value_counts
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.statistics.column_model import ColumnStatistics
from smt_features.statistics.finish import finish
from smt_features.statistics.sketch import STANDARD_ERROR, Sketch
from smt_features.statistics.tally import tally
from smt_schemas import Column, DatasetSchema, taobao

ROWS = 20_000


def column_of(buckets: int) -> Column:
    return Column(name="key", role="item", hash_buckets=buckets, embedding_dim=4)


def counts_of(first: int, end: int) -> pl.DataFrame:
    return pl.DataFrame({"value": [f"x{number}" for number in range(first, end)]}).with_columns(
        count=pl.lit(2, pl.Int64)
    )


@pytest.fixture
def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sketch columns of more than 1,000 texts, and sample 4,096 rows."""
    monkeypatch.setattr(value_counts, "MAX_TEXTS", 1_000)
    monkeypatch.setattr(value_counts, "MERGE_ROWS", 500)
    monkeypatch.setattr(sample, "SAMPLE_ROWS", 4_096)


@pytest.fixture
def rows() -> pl.DataFrame:
    """Return rows of a label and of a key with some 11,000 values, one of them frequent."""
    draw = np.random.default_rng(3)
    keys = [f"k{number}" for number in draw.integers(0, 20_000, ROWS)]
    for row in range(0, ROWS, 5):
        keys[row] = "often"
    for row in range(1, ROWS, 10):
        keys[row] = ("", "NULL", "17")[row // 10 % 3]
    return pl.DataFrame({"clk": draw.integers(0, 2, ROWS).astype(str), "key": keys})


def schema_of(buckets: int) -> DatasetSchema:
    label = {"role": "label", "type": "int", "required": True, "allowed": [0, 1], "task": "ctr"}
    key = {"role": "item", "null_tokens": ["NULL"], "hash_buckets": buckets, "embedding_dim": 4}
    columns: list[dict[str, Any]] = [{"name": "clk", **label}, {"name": "key", **key}]
    return DatasetSchema.model_validate(
        {"name": "log", "splits": {"train": "log"}, "columns": columns}
    )


def builder_of(frame: pl.DataFrame, schema: DatasetSchema, piece_rows: int) -> StatisticsBuilder:
    builder = StatisticsBuilder(schema)
    places = np.random.default_rng(7).integers(0, 1 << 63, frame.height)
    for start in range(0, frame.height, piece_rows):
        piece = frame.slice(start, piece_rows)
        numbers = places[start : start + piece_rows]
        builder.add_tally(
            "train",
            tally(cell_rows(piece, schema), schema, numbers),
        )
    return builder


def column_in(frame: pl.DataFrame, buckets: int) -> ColumnStatistics:
    builder = builder_of(frame, schema_of(buckets), 1_500)
    return finish(builder).splits["train"].by_name()["key"]


@pytest.mark.parametrize("values", [100, 3_000, 60_000, 200_000])
def test_distinct_values_are_estimated_within_three_standard_errors(values: int) -> None:
    found = Sketch(column_of(10), 0)
    found.add(counts_of(0, values))

    assert abs(found.distinct / values - 1) < 3 * STANDARD_ERROR


def test_order_grouping_and_repetition_do_not_matter() -> None:
    whole, pieces = Sketch(column_of(500), 9), Sketch(column_of(500), 9)
    whole.add(counts_of(0, 3_000))
    other = Sketch(column_of(500), 9)
    other.add(counts_of(1_000, 3_000))
    for start in (500, 0):
        pieces.add(counts_of(start, start + 500))

    for kind, (places, numbers) in other.state().items():
        pieces.add_state(kind, places, numbers)

    for kind, (places, numbers) in whole.state().items():
        assert places.tolist() == pieces.state()[kind][0].tolist()
        assert numbers.tolist() == pieces.state()[kind][1].tolist()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux for the memory used")
def test_memory_keeps_no_text() -> None:
    def used() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    found = Sketch(column_of(500), 0)
    before = used()

    for start in range(0, 200_000, 10_000):
        texts = pl.Series("value", range(start, start + 10_000)).cast(pl.String).str.zfill(1_000)
        found.add(pl.DataFrame({"value": texts, "count": np.ones(10_000, np.int64)}))

    assert used() - before < 100 << 20  # of 200 MB of texts


@pytest.mark.usefixtures("few_texts")
def test_collisions_stay_exact_beyond_the_limit(
    rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    sketched = column_in(rows, 50_000)
    monkeypatch.setattr(value_counts, "MAX_TEXTS", 1_000_000)
    exact = column_in(rows, 50_000)

    assert (sketched.distinct_error, exact.distinct_error) == (round(STANDARD_ERROR, 6), 0)
    assert abs(sketched.distinct / exact.distinct - 1) < 3 * STANDARD_ERROR
    assert (sketched.nulls, sketched.rows) == (exact.nulls, exact.rows)
    before, now = exact.hashing, sketched.hashing
    assert before is not None
    assert now is not None
    for name in ("alone_rows", "alone_values", "colliding_rows", "buckets_used", "rows"):
        assert getattr(now, name) == getattr(before, name), name


@pytest.mark.usefixtures("few_texts")
def test_a_large_table_is_judged_by_its_first_buckets(
    rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketch, "MAX_TRACKED", 10_000)
    sketched = column_in(rows, 40_000).hashing
    monkeypatch.setattr(value_counts, "MAX_TEXTS", 1_000_000)
    exact = column_in(rows, 40_000).hashing

    assert sketched is not None
    assert exact is not None
    assert sketched.buckets_used == pytest.approx(exact.buckets_used, rel=0.05)
    assert sketched.alone_values == pytest.approx(exact.alone_values, rel=0.05)


def frequent_text(where: str, light: list[str]) -> str:
    """Return a text that is alone or not, in a bucket that is tracked or not, of 100,000."""
    used = {mmh3.hash(text, 0, signed=False) % 100_000 for text in light}
    for number in range(10_000):
        bucket = mmh3.hash(f"often{number}", 0, signed=False) % 100_000
        found = "tracked" if bucket < 10_000 else "beyond"
        if f"{found}, {'shared' if bucket in used else 'alone'}" == where:
            return f"often{number}"
    raise AssertionError(where)


@pytest.mark.usefixtures("few_texts")
@pytest.mark.parametrize(
    "where", ["tracked, alone", "tracked, shared", "beyond, alone", "", "NULL"]
)
def test_a_frequent_value_of_a_large_table_is_not_scaled_up(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketch, "MAX_TRACKED", 10_000)
    light = [f"x{number}" for number in range(11_000)]
    frequent = where if where in ("", "NULL") else frequent_text(where, light)
    keys = [*light, *light, *[frequent] * 10_000]
    order = np.random.default_rng(5).permutation(len(keys))
    frame = pl.DataFrame({"clk": ["0"] * len(keys), "key": np.array(keys)[order].tolist()})
    bucket_of = {text: mmh3.hash(text, 0, signed=False) % 100_000 for text in keys}
    values = Counter(bucket_of.values())
    expected = sum(values[bucket_of[text]] > 1 for text in keys)

    hashing = column_in(frame, 100_000).hashing

    assert hashing is not None
    # A tenth of the values share their buckets, and so much is assumed of one that is beyond.
    within = 0.03 * 22_000 + (0.1 * 10_000 if where in ("beyond, alone", "NULL") else 0)
    assert hashing.colliding_rows == pytest.approx(expected, abs=within)
    assert hashing.alone_rows + hashing.colliding_rows == hashing.rows == 32_000


@pytest.mark.usefixtures("few_texts")
def test_integers_taken_as_they_are_never_collide() -> None:
    schema = schema_of(6_000_000)
    settings = {"type": "int", "required": True, "null_tokens": [], "encoding": "identity"}
    key = schema.columns[1].model_copy(update=settings)
    schema = schema.model_copy(update={"columns": [schema.columns[0], key]})
    ids = [str(5_000_000 + number) for number in range(3_000)]
    frame = pl.DataFrame({"clk": ["0"] * 6_000, "key": ids * 2})

    found = finish(builder_of(frame, schema, 1_500)).splits["train"].by_name()["key"]

    hashing = found.hashing
    assert hashing is not None
    assert found.distinct_error > 0
    assert hashing.values == hashing.buckets_used == hashing.alone_values == found.distinct
    assert (hashing.alone_rows, hashing.colliding_rows, hashing.colliding_values) == (6_000, 0, 0)
    assert found.recommendation is not None
    assert found.recommendation.action == "keep"


@pytest.mark.usefixtures("few_texts")
def test_a_column_too_large_for_any_table_had_better_list_its_values(
    rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    enough = column_in(rows, 100).recommendation
    monkeypatch.setattr(recommendation, "MAX_BUCKETS", 500_000)
    too_few = column_in(rows, 100).recommendation

    assert enough is not None
    assert enough.action == "hash"
    assert enough.buckets > 500_000
    assert too_few is not None
    assert (too_few.action, too_few.buckets) == ("vocab", too_few.values + 1)
    assert too_few.hash_buckets is None


@pytest.mark.usefixtures("few_texts")
def test_frequent_values_come_from_a_sample_of_the_rows(rows: pl.DataFrame) -> None:
    found = column_in(rows, 100)

    assert found.sampled_rows == 4_096
    assert found.top[0].value == "often"
    assert found.top[0].share == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / 4_096) ** 0.5)
    rate = found.top[0].rates["clk"]
    true = rows.filter(pl.col("key") == "often")["clk"].cast(pl.Int8).mean()
    assert isinstance(true, float)
    assert rate.low < true < rate.high


@pytest.mark.usefixtures("few_texts")
def test_parts_of_a_sketched_column_give_the_statistics_of_the_whole(rows: pl.DataFrame) -> None:
    schema = schema_of(1_000)
    whole = builder_of(rows, schema, 10_000)
    places = np.random.default_rng(7).integers(0, 1 << 63, ROWS)
    merged = StatisticsBuilder(schema)

    for start, end in ((19_500, ROWS), (0, 700), (700, 19_500)):
        part = StatisticsBuilder(schema)
        piece = rows.slice(start, end - start)
        part.add_tally("train", tally(cell_rows(piece, schema), schema, places[start:end]))
        merged.add_frame(part.to_frame())

    assert finish(merged).to_json() == finish(whole).to_json()


def test_a_dataset_prepared_in_parts_has_the_same_bytes_beyond_the_limit(
    tmp_path: Path, log_lines: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (
        (value_counts, "MAX_TEXTS", 50),
        (value_counts, "MERGE_ROWS", 20),
        (value_counts, "MAX_ID", 1),
        (sample, "SAMPLE_ROWS", 64),
        (blocks, "BLOCK_BYTES", 4096),
        (units, "BLOCK_BYTES", 4096),
    ):
        monkeypatch.setattr(module, name, value)
    raw = tmp_path / "raw"
    raw.mkdir()
    lines = log_lines(300)
    lines[:100] = [f"1{line[1:]}" for line in lines[:100]]  # more than 50 users in one part alone
    (raw / "taobao_train_data").write_text("\n".join(lines) + "\n")
    (raw / "taobao_test_data").write_text("\n".join(log_lines(90, seed=4)) + "\n")
    single = prepare(PrepareJob(raw, tmp_path / "single", taobao())).directory
    job = PrepareJob(raw, tmp_path / "merged", taobao())

    for part in (3, 1, 2):
        prepare_part(job, part, 3, lambda *_: None)
    merged = merge_parts(job, 3, lambda *_: None).directory

    for name in ("statistics.json", "value_counts.parquet"):
        assert (merged / name).read_bytes() == (single / name).read_bytes()
    assert '"distinct_error": 0.008125' in (merged / "statistics.json").read_text()
