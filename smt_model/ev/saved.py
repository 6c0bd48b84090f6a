"""What a checkpoint keeps of keys.

Of a feature ``F``, in the order of the keys:

- ``embedding/F/key`` int64 [N], ``…/key/count`` and ``…/key/last_step`` int32 [N]: keys that
  own a vector;
- ``embedding/F/vector`` float32 [N, dim], and ``embedding/F/vector/<slot>``;
- with ``--dynamic-ev``, ``…/key/blocks`` int32 [N], how many blocks each vector has; of those
  that have a second one, ``embedding/F/vector/1`` [N₁, block] and its slots, and so on;
- ``embedding/F/candidate`` int64 [C], with ``…/count`` and ``…/last_step``: keys that do not;
- ``embedding/F/bloom`` [M]: the counters of a Bloom filter.

A delta keeps of these only what changed, and of the filter ``…/bloom`` [K], some counters, with
``…/bloom/position`` int64 [K].
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smt_model.embedding import EmbeddingTable, part_name
from smt_model.ev.bloom import CountingBloomFilter
from smt_model.ev.dynamic import DynamicKeyTable
from smt_model.ev.key_table import KeyTable
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer
from smt_model.parts import PIECE, TablePart, TableRows, names

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class KeyPart:
    """An array of a checkpoint that has a line for each of some keys.

    Attributes
    ----------
    name
        The name of the array.
    values
        Where the lines are.
    rows
        The lines of `values` that belong to the keys; None for all.
    """

    name: str
    values: NDArray[np.generic]
    rows: NDArray[np.integer] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        lines = self.values if self.rows is None else self.rows
        return len(lines), *self.values.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the array."""
        return self.values.dtype

    def pieces(self) -> Iterator[NDArray[np.generic]]:
        """Yield the array, some lines at a time."""
        for start in range(0, self.shape[0], PIECE):
            piece = slice(start, start + PIECE)
            yield self.values[piece if self.rows is None else self.rows[piece]]


def key_parts(
    model: MultiTaskModel, optimizer: Optimizer | None, since: int | None = None
) -> Iterator[KeyPart | TablePart]:
    """Yield all that a checkpoint keeps of the keys of a model.

    Parameters
    ----------
    model, optimizer
        Whose keys, and the slots of their vectors.
    since
        Only what changed after that step; None for everything.
    """
    slots = list(optimizer.initial) if optimizer else []
    for variables, table in zip(model.embedding_variables, model.tables, strict=False):
        rows = TableRows(table.packed)
        for feature, keys in variables.tables.items():
            found = _feature_parts(part_name(feature), keys, rows, table.layout.dim, slots, since)
            yield from found


def restore_keys(
    model: MultiTaskModel, optimizer: Optimizer | None, arrays: Arrays, *, delta: bool = False
) -> None:
    """Take over the keys of a checkpoint.

    Parameters
    ----------
    model, optimizer
        What takes them.
    arrays
        Those of the checkpoint.
    delta
        Whether they are those of a delta, for keys that are there already.

    Raises
    ------
    KeyError
        When the checkpoint does not have an array.
    """
    slots = list(optimizer.initial) if optimizer else []
    for variables, table in zip(model.embedding_variables, model.tables, strict=False):
        for feature, keys in variables.tables.items():
            _restore(part_name(feature), keys, table, slots, arrays, delta=delta)
            if keys.bloom is not None:
                _restore_bloom(part_name(feature), keys.bloom, arrays, delta=delta)


def _feature_parts(
    name: str, keys: KeyTable, table: TableRows, dim: int, slots: list[str], since: int | None
) -> Iterator[KeyPart | TablePart]:
    # Those that came are brought together first: among all they lie far apart.
    came = slice(None) if since is None else np.flatnonzero(keys.last_steps > since)
    known = keys.keys[came]
    counted: Arrays = {"": known, "/count": keys.counts[came], "/last_step": keys.last_steps[came]}
    order = np.argsort(known)
    owns = keys.rows[came][order] >= 0
    owners = order[owns]
    yield from _counts(f"{name}/key", counted, owners)
    block_rows = [rows[came][owners] for rows in keys.block_rows]
    for ending, rows in zip(_endings(keys), block_rows, strict=True):
        places = table.ask(rows[rows >= 0])
        for position, block_name in enumerate(names(f"{name}/vector{ending}", slots)):
            columns = slice(position * dim, (position + 1) * dim)
            yield TablePart(block_name, table, places, columns)
    if isinstance(keys, DynamicKeyTable):
        blocks = (np.stack(block_rows) >= 0).sum(axis=0, dtype=np.int32)
        yield KeyPart(f"{name}/key/blocks", blocks)
    yield from _counts(f"{name}/candidate", counted, order[~owns])
    if keys.bloom is not None:
        yield from _counters(f"{name}/bloom", keys.bloom, whole=since is None)


def _endings(keys: KeyTable) -> list[str]:
    return ["", *(f"/{block}" for block in range(1, len(keys.block_rows)))]


def _counters(name: str, bloom: CountingBloomFilter, *, whole: bool) -> Iterator[KeyPart]:
    if whole:
        yield KeyPart(name, bloom.counters)
        return
    assert bloom.changed is not None, name
    positions = np.flatnonzero(bloom.changed)
    yield KeyPart(f"{name}/position", positions)
    yield KeyPart(name, bloom.counters, positions)


def _counts(name: str, counted: Arrays, numbers: NDArray[np.int64]) -> Iterator[KeyPart]:
    for ending, values in counted.items():
        yield KeyPart(name + ending, values, numbers)


def _restore(
    name: str,
    keys: KeyTable,
    table: EmbeddingTable,
    slots: list[str],
    arrays: Arrays,
    *,
    delta: bool,
) -> None:
    kinds = [f"{name}/key", f"{name}/candidate"]
    owners = len(arrays[kinds[0]])
    known, counts, last_steps = (
        np.concatenate([arrays[kind + ending] for kind in kinds])
        for ending in ("", "/count", "/last_step")
    )
    take = keys.put if delta else keys.restore
    block_rows = [take(known, counts, last_steps, np.arange(len(known)) < owners)]
    if isinstance(keys, DynamicKeyTable):
        block_rows += keys.put_further(known[:owners], arrays[f"{name}/key/blocks"])
    for ending, rows in zip(_endings(keys), block_rows, strict=True):
        parts = [arrays[part] for part in names(f"{name}/vector{ending}", slots)]
        for start in range(0, len(rows), PIECE):
            piece = slice(start, start + PIECE)
            table.assign(rows[piece], np.concatenate([p[piece] for p in parts], axis=1))


def _restore_bloom(name: str, bloom: CountingBloomFilter, arrays: Arrays, *, delta: bool) -> None:
    positions = arrays[f"{name}/bloom/position"] if delta else slice(None)
    bloom.counters[positions] = arrays[f"{name}/bloom"]
