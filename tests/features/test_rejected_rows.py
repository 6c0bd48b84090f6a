"""Bad rows: nothing is lost, nothing is published unless allowed, everything is said."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from smt_features.prepare import Prepared, prepare
from smt_features.reading import PrepareJob
from smt_schemas import UserError, taobao

NAMES = [column.name for column in taobao().columns]
GOOD = 30


def with_cell(line: str, name: str, text: str) -> str:
    cells = line.split(",")
    cells[NAMES.index(name)] = text
    return ",".join(cells)


# What is done to a good line, then column, rule and value of each violation.
Violations = list[tuple[str | None, str, str | None]]
RULES: dict[str, tuple[Callable[[str], bytes], Violations]] = {
    "too few fields": (lambda line: line[: line.index(",")].encode(), [(None, "fields", "1")]),
    "too many fields": (lambda line: f"{line},".encode(), [(None, "fields", "21")]),
    "blank": (lambda _: b"", [(None, "fields", "1")]),
    "not UTF-8": (lambda line: line.encode()[:-1] + b"\xff", [(None, "utf8", None)]),
    "open quote": (lambda line: f'"{line}'.encode(), [(None, "quote", None)]),
    "label": (lambda line: with_cell(line, "clk", "2").encode(), [("clk", "allowed", "2")]),
    "required": (lambda line: with_cell(line, "pid", "").encode(), [("pid", "required", "")]),
    "integer": (lambda line: with_cell(line, "price", "x").encode(), [("price", "integer", "x")]),
    "range": (lambda line: with_cell(line, "price", "50").encode(), [("price", "range", "50")]),
    "empty entry": (
        lambda line: with_cell(line, "tag_brand_list", "1||2").encode(),
        [("tag_brand_list", "entry", "1||2")],
    ),
    "three at once": (
        lambda line: with_cell(
            with_cell(with_cell(line, "price", ""), "buy", ""), "clk", "9"
        ).encode(),
        [("clk", "allowed", "9"), ("buy", "required", ""), ("price", "required", "")],
    ),
    "quoted": (
        lambda line: with_cell(line, "price", '"5""0"').encode(),
        [("price", "integer", '5"0')],
    ),
}


@pytest.fixture
def raw(tmp_path: Path, log_lines: Callable[..., list[str]]) -> Path:
    """Return a folder whose train split has a bad line of each kind after every good one."""
    good = log_lines(GOOD)
    lines = [line.encode() for line in good]
    for place, (spoil, _) in enumerate(RULES.values()):
        lines.insert(2 * place + 1, spoil(good[place]))
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "taobao_train_data").write_bytes(b"".join(line + b"\n" for line in lines))
    (folder / "taobao_test_data").write_text("\n".join(log_lines(8, seed=1)) + "\n")
    return folder


def run(raw: Path, **fields: object) -> Prepared:
    return prepare(PrepareJob(raw, raw / "shards", taobao(), **fields))  # type: ignore[arg-type]


def files(directory: Path) -> list[str]:
    return sorted(
        path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()
    )


def test_nothing_is_published_but_the_rejected_rows(raw: Path) -> None:
    with pytest.raises(UserError, match="Bad rows: 12 of 50; nothing was published"):
        run(raw)

    assert files(raw / "shards") == ["rejected.parquet"]


@pytest.mark.usefixtures("small_blocks")
def test_every_violation_has_file_line_column_rule_value_and_raw_line(raw: Path) -> None:
    with pytest.raises(UserError):
        run(raw)

    frame = pl.read_parquet(raw / "shards" / "rejected.parquet")
    lines = (raw / "taobao_train_data").read_bytes().splitlines()
    expected = [
        (
            "taobao_train_data",
            number,
            *violation,
            lines[number - 1].decode(errors="backslashreplace"),
        )
        for place, (_, violations) in enumerate(RULES.values())
        for violation in violations
        for number in [2 * place + 2]
    ]
    assert frame.columns == ["file", "line", "column", "rule", "value", "raw"]
    assert frame.rows() == expected


def test_the_message_counts_rules_and_shows_the_first(raw: Path) -> None:
    with pytest.raises(UserError) as refusal:
        run(raw)

    message = str(refusal.value)
    assert "        3  wrong number of fields" in message
    assert "        1  not valid UTF-8" in message
    assert "        2  price: not an integer" in message
    assert "First of them:" in message
    assert message.count("taobao_train_data:") == 5
    assert "  taobao_train_data:2: 1 field instead of 20" in message
    assert "  taobao_train_data:4: 21 fields instead of 20" in message
    assert str(raw / "shards" / "rejected.parquet") in message
    assert "--max-bad-rows N or --max-bad-fraction F" in message


@pytest.mark.parametrize(
    "allowance", [{"max_bad_rows": 12}, {"max_bad_fraction": 0.24}, {"max_bad_rows": 99}]
)
def test_the_rest_is_published_when_allowed(raw: Path, allowance: dict[str, float]) -> None:
    prepared = run(raw, **allowance)

    assert prepared.manifest.rejected_rows == prepared.rejected.rows == 12
    assert {name: split.rows for name, split in prepared.manifest.splits.items()} == {
        "train": GOOD,
        "test": 8,
    }
    assert prepared.rows_read == 50
    assert [source.rows for source in prepared.manifest.sources] == [42, 8]
    assert "rejected.parquet" in files(raw / "shards")


@pytest.mark.parametrize("allowance", [{"max_bad_rows": 11}, {"max_bad_fraction": 0.2399}])
def test_one_too_many_is_refused(raw: Path, allowance: dict[str, float]) -> None:
    with pytest.raises(UserError, match="Bad rows: 12 of 50"):
        run(raw, **allowance)


def test_a_fraction_is_counted_exactly(tmp_path: Path, log_lines: Callable[..., list[str]]) -> None:
    lines = log_lines(71) + ["bad"] * 29  # 0.29 * 100 is 28.999… in floating point
    (tmp_path / "taobao_train_data").write_text("\n".join(lines) + "\n")

    assert run(tmp_path, max_bad_fraction=0.29).rejected.rows == 29


def test_a_log_without_good_rows_is_never_published(tmp_path: Path) -> None:
    (tmp_path / "taobao_train_data").write_text("bad\nworse\n")

    with pytest.raises(UserError, match="Bad rows: 2 of 2"):
        run(tmp_path, max_bad_rows=10)


def test_the_good_rows_are_those_of_a_clean_log(
    raw: Path, tmp_path: Path, log_lines: Callable[..., list[str]]
) -> None:
    published = run(raw, max_bad_rows=12)
    clean = tmp_path / "clean"
    clean.mkdir()
    (clean / "taobao_train_data").write_text("\n".join(log_lines(GOOD)) + "\n")

    expected = run(clean)

    def rows(prepared: Prepared) -> list[str]:
        frame = pl.read_parquet(prepared.directory / "train" / "*.parquet")
        return sorted(map(str, frame.rows()))

    assert rows(published) == rows(expected)


def test_the_old_dataset_survives_a_run_with_bad_rows(
    raw: Path, log_lines: Callable[..., list[str]]
) -> None:
    bad = (raw / "taobao_train_data").read_bytes()
    (raw / "taobao_train_data").write_text("\n".join(log_lines(GOOD)) + "\n")
    run(raw)
    before = {name: (raw / "shards" / name).read_bytes() for name in files(raw / "shards")}
    (raw / "taobao_train_data").write_bytes(bad)

    with pytest.raises(UserError, match="nothing was published"):
        run(raw, overwrite=True)

    after = {name: (raw / "shards" / name).read_bytes() for name in files(raw / "shards")}
    assert set(after) == {*before, "rejected.parquet"}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("was_published", [True, False])
def test_rejected_rows_of_an_earlier_run_are_removed(
    raw: Path, was_published: bool, log_lines: Callable[..., list[str]]
) -> None:
    if was_published:
        run(raw, max_bad_rows=12)
    else:
        with pytest.raises(UserError):
            run(raw)
    (raw / "taobao_train_data").write_text("\n".join(log_lines(GOOD)) + "\n")

    prepared = run(raw, overwrite=True)

    assert prepared.manifest.rejected_rows == 0
    assert "rejected.parquet" not in files(raw / "shards")


def test_lines_count_the_header_and_the_file(
    tmp_path: Path, log_lines: Callable[..., list[str]]
) -> None:
    schema = taobao().model_copy(update={"csv": taobao().csv.model_copy(update={"header": True})})
    lines = log_lines(4)
    for number in (1, 2):
        spoilt = [*lines[:number], "bad", *lines[number:]]
        text = "\n".join([",".join(NAMES), *spoilt]) + "\n"
        (tmp_path / f"taobao_train_data-{number}.csv").write_text(text)

    prepare(PrepareJob(tmp_path, tmp_path / "shards", schema, max_bad_rows=2))

    frame = pl.read_parquet(tmp_path / "shards" / "rejected.parquet")
    assert frame.select("file", "line").rows() == [
        ("taobao_train_data-1.csv", 3),
        ("taobao_train_data-2.csv", 4),
    ]
