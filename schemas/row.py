"""A Pydantic model of one row of a log: explains bad rows and checks prediction requests.

The vectorised rules of ``smt_features.validation`` give the same verdict on whole files; a
property test holds the two together.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from smt_schemas.column import Column
from smt_schemas.dataset import DatasetSchema
from smt_schemas.settings import LARGEST_FLOAT

INTEGER = r"(?:0|-?[1-9][0-9]{0,17})"
"""A decimal integer as logs write it, which leaves one text for each value."""

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""A decimal number, with or without fraction and exponent; neither infinite nor NaN."""

Rule = Literal[
    "fields",
    "utf8",
    "quote",
    "separator",
    "required",
    "entry",
    "integer",
    "number",
    "allowed",
    "range",
]
"""Why a whole line (the first four) or a cell was refused."""

_PYTHON: dict[str, type[int] | type[float] | type[str]] = {
    "int": int,
    "float": float,
    "string": str,
}


class Violation(NamedTuple):
    """One refused cell.

    Attributes
    ----------
    column
        Name of its column.
    rule
        What it breaks, such as ``required`` or ``range``.
    message
        What is wrong with it, to follow the name of the column.
    """

    column: str
    rule: str
    message: str


def row_model(schema: DatasetSchema) -> type[BaseModel]:
    """Build the model of one row: a field per column, in file order.

    Fields take the cell's text. They give ``int`` and ``float`` for columns of numbers,
    ``list[str]`` for lists, ``str`` otherwise, and None for a missing value (a list: the empty
    list).
    """
    fields: dict[str, Any] = {
        _field_name(column): (
            Annotated[_python_type(column), BeforeValidator(_reader(column))],
            Field(alias=column.name),
        )
        for column in schema.columns
    }
    config = ConfigDict(extra="forbid")
    return create_model(f"{schema.name}_row", __config__=config, **fields)


def explain(model: type[BaseModel], cells: Mapping[str, str]) -> list[Violation]:
    """Return what is wrong with a row of cell texts, in column order; nothing when it is good."""
    try:
        model.model_validate(dict(cells))
    except ValidationError as error:
        return [
            Violation(str(item["loc"][0]), item["type"], item["msg"]) for item in error.errors()
        ]
    return []


def explain_cell(column: Column, text: str) -> str:
    """Return what is wrong with one cell's text; nothing when it is good."""
    try:
        _reader(column)(text)
    except PydanticCustomError as error:
        return error.message()
    return ""


def _field_name(column: Column) -> str:
    # A field cannot be called like something of BaseModel, such as `json`; its alias can.
    return f"{column.name}_" if hasattr(BaseModel, column.name) else column.name


def _python_type(column: Column) -> Any:
    if column.is_list:
        return list[str]
    return _PYTHON[column.type] | None


def _reader(column: Column) -> Callable[[object], object]:
    def read(value: object) -> object:
        text = "" if value is None else str(value)
        if not text and column.required:
            raise PydanticCustomError("required", "is empty, but the column is required")
        if column.is_list:
            return _read_list(column, text)
        if not text or text in column.null_tokens:
            return None
        return _read_value(column, text)

    return read


def _read_list(column: Column, text: str) -> list[str]:
    entries = text.split(column.separator) if text else []
    if "" in entries:
        raise PydanticCustomError("entry", "has an empty entry in its list")
    if column.type == "int" and not all(re.fullmatch(INTEGER, entry) for entry in entries):
        raise PydanticCustomError("integer", "has an entry that is not an integer")
    return entries


def _read_value(column: Column, text: str) -> int | float | str:
    if column.type == "int" and not re.fullmatch(INTEGER, text):
        raise PydanticCustomError("integer", "is not an integer")
    if column.type == "float" and not re.fullmatch(NUMBER, text):
        raise PydanticCustomError("number", "is not a finite number")
    value: int | float | str = _PYTHON[column.type](text)
    if column.allowed is not None and value not in column.allowed:
        allowed = ", ".join(map(str, column.allowed))
        raise PydanticCustomError("allowed", "is not one of {allowed}", {"allowed": allowed})
    if not isinstance(value, str):
        low, high = float_range(column) if column.type == "float" else value_range(column)
        if not low <= value <= high:
            bounds = {"low": low, "high": high}
            raise PydanticCustomError("range", "is not between {low} and {high}", bounds)
    return value


def value_range(column: Column) -> tuple[int, int]:
    """Return the inclusive range of an integer column, 18 digits at most."""
    largest = 10**18 - 1
    low = -largest if column.minimum is None else max(int(column.minimum), -largest)
    high = largest if column.maximum is None else min(int(column.maximum), largest)
    if column.encoding == "identity":
        return max(low, 0), min(high, column.buckets - 1)
    return low, high


def float_range(column: Column) -> tuple[float, float]:
    """Return the inclusive range of a float column, which is finite as float32."""
    low = -LARGEST_FLOAT if column.minimum is None else max(column.minimum, -LARGEST_FLOAT)
    high = LARGEST_FLOAT if column.maximum is None else min(column.maximum, LARGEST_FLOAT)
    return float(low), float(high)
