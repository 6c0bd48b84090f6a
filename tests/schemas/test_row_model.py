"""The model of one row: what it accepts, what it gives, and how it explains a refusal."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from smt_schemas import Column, DatasetSchema, explain, row_model, taobao

NAMES = [column.name for column in taobao().columns]


@pytest.fixture
def good(log_lines: Callable[..., list[str]]) -> dict[str, str]:
    return dict(zip(NAMES, log_lines(1)[0].split(","), strict=True))


@pytest.fixture
def mixed() -> dict[str, str]:
    """Return a good row of the mixed schema."""
    return {
        "click": "1",
        "user": "u",
        "kind": "a",
        "slot": "7",
        "age": "30",
        "score": "5",
        "far": "-3",
        "any": "",
        "tags": "x;y",
        "numbers": "1|-2|1",
        "dotted": "",
        "note": "n",
    }


def test_a_good_row_has_typed_values(mixed: dict[str, str], mixed_schema: DatasetSchema) -> None:
    row = row_model(mixed_schema).model_validate(mixed).model_dump()

    assert row == {
        "click": 1,
        "user": "u",
        "kind": "a",
        "slot": 7,
        "age": 30,
        "score": 5,
        "far": -3,
        "any": None,
        "tags": ["x", "y"],
        "numbers": ["1", "-2", "1"],
        "dotted": [],
        "note": "n",
    }


def test_null_tokens_are_missing_values(mixed: dict[str, str], mixed_schema: DatasetSchema) -> None:
    mixed |= {"kind": "-", "any": "NA"}

    row: Any = row_model(mixed_schema).model_validate(mixed)

    assert (row.kind, row.any) == (None, None)


CASES = {
    "label is another number": ("clk", "2", "allowed"),
    "label is text": ("clk", "yes", "integer"),
    "label is empty": ("buy", "", "required"),
    "user is empty": ("user_id", "", "required"),
    "price has a sign": ("price", "+1", "integer"),
    "price has a fraction": ("price", "1.0", "integer"),
    "price has a leading zero": ("price", "01", "integer"),
    "price has a space": ("price", " 1", "integer"),
    "price is above": ("price", "50", "range"),
    "price is below": ("price", "-1", "range"),
    "price has other digits": ("price", "\N{ARABIC-INDIC DIGIT ONE}", "integer"),
    "list has an empty entry": ("tag_brand_list", "12||7", "entry"),
    "list begins with a separator": ("tag_brand_list", "|12", "entry"),
    "list ends with a separator": ("tag_brand_list", "12|", "entry"),
}


@pytest.mark.parametrize("case", CASES)
def test_refusal_is_explained(case: str, good: dict[str, str]) -> None:
    column, text, rule = CASES[case]

    found = explain(row_model(taobao()), good | {column: text})

    assert [(violation.column, violation.rule) for violation in found] == [(column, rule)]


def test_every_violation_is_explained_in_column_order(good: dict[str, str]) -> None:
    bad = {"price": "x", "clk": "", "user_id": ""}

    found = explain(row_model(taobao()), good | bad)

    assert [violation.column for violation in found] == ["clk", "user_id", "price"]


def test_a_good_row_needs_no_explanation(good: dict[str, str]) -> None:
    assert explain(row_model(taobao()), good) == []


def test_messages_say_what_is_wrong(good: dict[str, str]) -> None:
    found = explain(row_model(taobao()), good | {"price": "50", "clk": "3"})

    assert [violation.message for violation in found] == [
        "is not one of 0, 1",
        "is not between 0 and 49",
    ]


def test_unknown_columns_are_refused(good: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        row_model(taobao()).model_validate(good | {"colour": "red"})


def test_missing_columns_are_explained(good: dict[str, str]) -> None:
    del good["brand"]

    assert [violation.column for violation in explain(row_model(taobao()), good)] == ["brand"]


@pytest.mark.parametrize("name", ["json", "copy", "schema", "model_fields"])
def test_a_column_may_be_called_like_something_of_the_model(name: str) -> None:
    column = Column(name=name, role="user", required=True, hash_buckets=10, embedding_dim=1)
    schema = DatasetSchema(name="log", splits={"train": "log"}, columns=[column])

    found = explain(row_model(schema), {name: ""})

    assert [(violation.column, violation.rule) for violation in found] == [(name, "required")]
