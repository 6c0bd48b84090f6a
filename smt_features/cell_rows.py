"""Rows as cells, with what repeats in them found: the entries of lists and the rows of a user."""

from typing import NamedTuple

import polars as pl

from smt_features.lists import SplitLists, split_lists
from smt_features.user_runs import UserRuns, user_runs
from smt_schemas import DatasetSchema


class CellRows(NamedTuple):
    """Some rows, ready to be validated, encoded and counted.

    Attributes
    ----------
    cells
        A String column per schema column, "" where a cell is empty.
    lists
        The list columns, split.
    users
        Runs of a user's rows.
    """

    cells: pl.DataFrame
    lists: dict[str, SplitLists]
    users: UserRuns


def cell_rows(cells: pl.DataFrame, schema: DatasetSchema) -> CellRows:
    """Split the lists of some rows and find their users' runs."""
    return CellRows(cells, split_lists(cells, schema), user_runs(cells, schema))
