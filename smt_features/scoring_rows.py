"""Encodes or explains every row of a block, so that none is lost."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel

from smt_features.batch import Array, Bags, Batch
from smt_features.encoding import encode
from smt_features.layout import layout
from smt_features.pairs import unpair
from smt_features.parsing import count_fields
from smt_features.pipeline import good_rows
from smt_features.rejected import MEANING
from smt_features.rowblock import RowBlock
from smt_features.vocabulary import Vocabularies
from smt_schemas import DatasetSchema, explain

_SHOWN = 60


class ScoringRows(NamedTuple):
    """Consecutive rows of a log.

    Attributes
    ----------
    good
        bool [rows], whether the row obeys the schema.
    batch
        The good rows, encoded; without labels.
    errors
        Why each other row does not, in order.
    position
        Bytes of the file that were read so far, for showing progress.
    """

    good: npt.NDArray[np.bool_]
    batch: Batch
    errors: list[str]
    position: int


def score(
    block: RowBlock,
    schema: DatasetSchema,
    model: type[BaseModel],
    seed: int,
    vocabularies: Vocabularies,
    *,
    keys: bool,
) -> ScoringRows:
    """Encode the good rows of a block and explain the others.

    Parameters
    ----------
    block
        Rows as cells.
    schema
        What becomes of each column.
    model
        The row model of the schema.
    seed
        Of the hash.
    vocabularies
        Those of the schema's vocab columns.
    keys
        Whether hashed features get their keys, too.
    """
    rows, bad = good_rows(block, schema)
    errors = _errors(block, bad, schema, model) if bad.any() else []
    frame = encode(rows, schema, seed=seed, keys=keys, vocabularies=vocabularies)
    batch = _batch(frame, schema, keys=keys)
    return ScoringRows(~bad.to_numpy(), batch, errors, block.position)


def _errors(
    block: RowBlock, bad: pl.Series, schema: DatasetSchema, model: type[BaseModel]
) -> list[str]:
    positions = bad.arg_true().to_list()
    raw = dict(zip(positions, block.raw(positions), strict=True))
    found = []
    for row, cells in zip(positions, block.cells[positions].iter_rows(named=True), strict=True):
        rule = block.refused.get(row)
        if rule is None:
            wrong = explain(model, cells)
            found.append(
                "; ".join(f"{v.column} {_short(cells[v.column])} {v.message}" for v in wrong)
            )
        elif rule == "fields":
            count = count_fields(raw[row], schema.csv)
            fields = "field" if count == 1 else "fields"
            found.append(f"has {count} {fields} instead of {len(schema.columns)}")
        else:
            found.append(MEANING.get(rule, rule))
    return found


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def _batch(frame: pl.DataFrame, schema: DatasetSchema, *, keys: bool) -> Batch:
    table = frame.to_arrow()
    batch: dict[str, Array | Bags] = {}
    for column in layout(schema, keys=keys):
        array = table.column(column.name).combine_chunks()
        if column.counts is None:
            batch[column.name] = array.to_numpy(zero_copy_only=False)
            continue
        values = array.flatten().to_numpy()
        if column.is_paired:
            values, counts = unpair(values)
        else:
            counts = table.column(column.counts).combine_chunks().flatten().to_numpy()
        splits = array.offsets.to_numpy().astype(np.int64)
        batch[column.name] = Bags(values, counts, splits - splits[0])
    return batch
