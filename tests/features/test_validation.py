"""The vectorised rules and the row model give the same verdict, cell by cell."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_features.cell_rows import cell_rows
from smt_features.validation import bad_rows, violations
from smt_schemas import NUMBER, Column, DatasetSchema, explain, row_model, taobao

TELLING = [
    *("", "0", "1", "2", "5", "-1", "-5", "-6", "19", "20", "49", "50", "120", "121", "7"),
    *("01", "-0", "+1", "1.0", "1e3", " 1", "1 ", "1\n", "\n1", "1_0", "\N{FULLWIDTH DIGIT ONE}"),
    *("9" * 18, "-" + "9" * 18, "1" + "0" * 18, "9" * 30, "-" + "1" + "0" * 17, "-1" + "0" * 16),
    *("NULL", "null", "NA", "-", "a", "b", "c", "A"),
    *("1|2", "|1", "1|", "1||2", "|", "a;b", ";a", "a;;b", "1.2", "1.-2", "1.02", ".", "1..2"),
    *("\0", "\N{BYTE ORDER MARK}1", "\N{EURO SIGN}", "\N{GRINNING FACE}", '"1"'),
    *("0.5", ".5", "5.", "-.5e-3", "1E5", "+0", "0.50000000000000001", "0.5000000000000001"),
    *("nan", "NaN", "inf", "-Infinity", "1e", "e5", "1e+", ".", "+", "1.2.3", "0x1p3", "1,5"),
    *("3.4028234663852886e38", "3.4028234663852887e38", "3.5e38", "1e400", "-1e400", "1e-400"),
    *("1" * 400, "0." + "0" * 400 + "1", "1e99999999999999999999", "00012.50"),
]


def cells_of(column: Column) -> st.SearchStrategy[str]:
    """Return mostly valid cells, so that rules are met one at a time."""
    valid = [str(value) for value in column.allowed or []] + column.null_tokens
    number = st.integers(-200, 200).map(str)
    joined = st.lists(number, max_size=4).map((column.separator or "").join)
    return st.one_of(st.sampled_from(valid or ["1"]), number, joined, st.sampled_from(TELLING))


def rows_of(schema: DatasetSchema) -> st.SearchStrategy[list[dict[str, str]]]:
    cells = {column.name: cells_of(column) | st.text(max_size=6) for column in schema.columns}
    return st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=12)


FLOATS = DatasetSchema.model_validate(
    {
        "name": "floats",
        "splits": {"train": "log"},
        "columns": [
            {"name": "any", "role": "ignore", "type": "float"},
            {"name": "least", "role": "ignore", "type": "float", "minimum": -0.5},
            {"name": "most", "role": "ignore", "type": "float", "maximum": 10, "required": True},
            {
                "name": "unit",
                "role": "user",
                "type": "float",
                "encoding": "numeric",
                "null_tokens": ["NA", "nan"],
                "null_value": 0.0,
                "minimum": 0,
                "maximum": 1,
            },
            {"name": "user", "role": "user", "hash_buckets": 3, "embedding_dim": 1},
        ],
    }
)


def verdicts(schema: DatasetSchema, rows: list[dict[str, str]]) -> tuple[Any, Any]:
    """Return row, column and rule of each violation: vectorised, and by the row model."""
    names = [column.name for column in schema.columns]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))
    found = violations(frame, schema)
    assert (
        bad_rows(cell_rows(frame, schema), schema).arg_true().to_list()
        == found["row"].unique().sort().to_list()
    )
    assert found["value"].to_list() == [rows[row][name] for row, name, *_ in found.iter_rows()]
    model = row_model(schema)
    explained = [
        (number, violation.column, violation.rule)
        for number, row in enumerate(rows)
        for violation in explain(model, row)
    ]
    return found.select("row", "column", "rule").rows(), explained


@given(rows=rows_of(taobao()))
def test_verdicts_agree_on_the_taobao_schema(rows: list[dict[str, str]]) -> None:
    vectorised, explained = verdicts(taobao(), rows)

    assert vectorised == explained


@given(data=st.data())
def test_verdicts_agree_on_a_mixed_schema(data: st.DataObject, mixed_schema: DatasetSchema) -> None:
    rows = data.draw(rows_of(mixed_schema))

    vectorised, explained = verdicts(mixed_schema, rows)

    assert vectorised == explained


@given(data=st.data())
def test_verdicts_agree_on_floats(data: st.DataObject) -> None:
    number = st.floats(width=32).map(str) | st.floats().map(str) | st.decimals().map(str)
    number |= st.from_regex(rf"\A{NUMBER}\Z")
    cells = {column.name: number | st.sampled_from(TELLING) for column in FLOATS.columns}
    rows = data.draw(st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=12))

    vectorised, explained = verdicts(FLOATS, rows)

    assert vectorised == explained


@pytest.mark.parametrize("text", TELLING)
def test_verdicts_agree_on_telling_texts(text: str, mixed_schema: DatasetSchema) -> None:
    for schema in (mixed_schema, FLOATS):
        rows = [{column.name: text for column in schema.columns}]

        vectorised, explained = verdicts(schema, rows)

        assert vectorised == explained


def test_a_schema_without_rules_rejects_nothing() -> None:
    column = {"name": "user", "role": "user", "hash_buckets": 3, "embedding_dim": 1}
    schema = DatasetSchema.model_validate(
        {"name": "free", "splits": {"train": "log"}, "columns": [column]}
    )
    cells = pl.DataFrame({"user": ["", "x"]})

    assert bad_rows(cell_rows(cells, schema), schema).to_list() == [False, False]
    assert violations(cells, schema).is_empty()
