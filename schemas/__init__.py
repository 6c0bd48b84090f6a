"""Declares what a log looks like: Pydantic models, and the schema of the Taobao log."""

from smt_schemas.column import MAX_BUCKETS, Column
from smt_schemas.dataset import CsvFormat, DatasetSchema, describe, taobao
from smt_schemas.drift import DriftThresholds
from smt_schemas.errors import UsageError, UserError
from smt_schemas.row import INTEGER, Rule, Violation, explain, explain_cell, row_model, value_range

__all__ = [
    "INTEGER",
    "MAX_BUCKETS",
    "Column",
    "CsvFormat",
    "DatasetSchema",
    "DriftThresholds",
    "Rule",
    "UsageError",
    "UserError",
    "Violation",
    "describe",
    "explain",
    "explain_cell",
    "row_model",
    "taobao",
    "value_range",
]
