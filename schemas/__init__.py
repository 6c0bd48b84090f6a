"""Declares what a log looks like: Pydantic models, and the schema of the Taobao log."""

from smt_schemas.column import MAX_BUCKETS, Column
from smt_schemas.dataset import TRAIN, CsvFormat, DatasetSchema, describe, taobao, taobao_plus
from smt_schemas.derived import CROSS_SEPARATOR, Count, Cross, Derived, Length, derived_sources
from smt_schemas.drift import DriftThresholds
from smt_schemas.errors import UsageError, UserError
from smt_schemas.row import (
    INTEGER,
    NUMBER,
    Rule,
    Violation,
    explain,
    explain_cell,
    float_range,
    row_model,
    value_range,
)

__all__ = [
    "CROSS_SEPARATOR",
    "INTEGER",
    "MAX_BUCKETS",
    "NUMBER",
    "TRAIN",
    "Column",
    "Count",
    "Cross",
    "CsvFormat",
    "DatasetSchema",
    "Derived",
    "DriftThresholds",
    "Length",
    "Rule",
    "UsageError",
    "UserError",
    "Violation",
    "derived_sources",
    "describe",
    "explain",
    "explain_cell",
    "float_range",
    "row_model",
    "taobao",
    "taobao_plus",
    "value_range",
]
