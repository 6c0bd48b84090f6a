"""A delta: what has changed since a full checkpoint, in a directory of the same form.

Of a block of buckets and its slots it holds some rows: their numbers in ``embedding/F/row``, int32
[K], in order, and the values under the names of the full checkpoint. Dense variables are whole.
Of keys it holds those that came (`smt_model.ev.saved`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model import checkpoint
from smt_model.changes import Changes
from smt_model.checkpoint import State
from smt_model.ev.saved import KeyPart, key_parts, restore_keys
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer
from smt_model.parts import Part, TablePart, TableRows, parts
from smt_schemas import UserError

Arrays = Mapping[str, NDArray[Any]]


def save(
    directory: Path, state: State, model: MultiTaskModel, optimizer: Optimizer, changes: Changes
) -> None:
    """Write a delta as `checkpoint.save` writes a full checkpoint, with the same errors."""
    checkpoint.publish(directory, state, [*_changed(model, optimizer, changes)])


def restore(
    directory: Path, state: State, model: MultiTaskModel, optimizer: Optimizer | None = None
) -> None:
    """Load a delta into a model that holds the full checkpoint it is for.

    Raises
    ------
    UserError
        When it is damaged, or of another model.
    """
    arrays: Arrays = checkpoint.read_arrays(directory, state)
    try:
        for part in parts(model, optimizer):
            if part.block is None:
                part.write(_checked(arrays[part.name], part.shape))
            else:
                rows = arrays[f"{part.block}/row"]
                _write_rows(part, rows, arrays[part.name])
        restore_keys(model, optimizer, arrays, delta=True)
    except KeyError as error:
        msg = f"The delta {directory} is of another model: {error.args[0]} is missing"
        raise UserError(msg) from error
    except (IndexError, ValueError) as error:
        msg = f"The delta {directory} is of another model: {error}"
        raise UserError(msg) from error
    if optimizer is not None:
        optimizer.step.assign(state.step)


def _changed(
    model: MultiTaskModel, optimizer: Optimizer, changes: Changes
) -> Iterator[checkpoint.Kept]:
    tables: dict[int, TableRows] = {}
    rows = np.empty(0, np.int32)
    places: dict[int, range] = {}
    for part in changes.parts:
        if part.block is None:
            yield part
            continue
        if part.name == part.block:  # its slots follow, and have the same rows
            rows, places = changes.rows(part.block), {}
            yield KeyPart(f"{part.block}/row", rows)
        which = id(part.variable)
        table = tables.setdefault(which, TableRows(part.variable))
        if which not in places:
            places[which] = table.ask(rows + np.int32(part.rows.start))
        columns = part.columns or slice(0, part.shape[1])
        yield TablePart(part.name, table, places[which], columns)
    yield from key_parts(model, optimizer, changes.step)


def _write_rows(part: Part, rows: NDArray[Any], values: NDArray[Any]) -> None:
    _checked(values, (len(rows), part.shape[1]))
    if len(rows) and not 0 <= rows.min() <= rows.max() < part.shape[0]:
        msg = f"{part.block} has no row {rows.max()}"
        raise ValueError(msg)
    numbers = rows + np.int32(part.rows.start)
    if part.columns is not None:
        packed = part.variable.sparse_read(numbers).numpy()
        packed[:, part.columns] = values
        values = packed
    tf.raw_ops.ResourceScatterUpdate(resource=part.variable.handle, indices=numbers, updates=values)


def _checked(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if values.shape != shape:
        msg = f"an array of shape {values.shape} in place of {shape}"
        raise ValueError(msg)
    return values
