"""Shuffles the rows of a split globally, in bounded memory.

Every row gets a 64-bit key, and the split is sorted by it. A key depends on the seed and on
where the row stands in the raw files, not on threads or timing, so the order is reproducible.
Rows beyond a limit are sorted in runs on disk and merged by key range.
"""

import mmap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from smt_features.arrow_arrays import numpy_array
from smt_features.files import writing
from smt_features.parquet import OLDEST
from smt_features.stable_order import stable_order
from smt_features.string_views import Int64s

KEY = "__key"
"""Column that holds the sort key, uint64."""

RUN_ROWS = 1 << 19
"""Rows of a run: what is sorted at a time once rows are spilled."""

HELD_RUNS = 2
"""Rows of so many runs are held before the first one is spilled."""

_SAMPLE_EVERY = 1024


def row_keys(
    *, seed: int, split: str, source: int, block: int, rows: int, shuffle: bool
) -> npt.NDArray[np.uint64]:
    """Return the sort key of each row of a block, uint64.

    With ``shuffle`` the keys are random bits of a generator seeded by the block's place (PCG64,
    whose stream NumPy keeps stable); otherwise they are the place itself.
    """
    if not shuffle:
        first = (source << 48) | (block << 24)
        return np.arange(first, first + rows, dtype=np.uint64)
    place = [seed, int.from_bytes(split.encode(), "big"), source, block]
    return np.random.PCG64(np.random.SeedSequence(place)).random_raw(rows)


class RowStore:
    """Collects the encoded rows of a split and gives them back sorted by ``KEY``.

    Parameters
    ----------
    directory
        Where runs are spilled; created when it is needed.
    run_rows
        Rows of a run.
    """

    def __init__(self, directory: Path, run_rows: int = RUN_ROWS) -> None:
        self._directory = directory
        self._run_rows = run_rows
        self._frames: list[pl.DataFrame] = []
        self._held = 0
        self._runs: list[Path] = []
        self.rows = 0

    @classmethod
    def of_runs(cls, runs: list[Path], run_rows: int = RUN_ROWS) -> "RowStore":
        """Return a store of runs that other stores spilled, in the order of the raw files."""
        store = cls(Path(), run_rows)
        store._runs = runs
        store.rows = sum(_table(_map(path)).num_rows for path in runs)
        return store

    def spill_all(self) -> list[Path]:
        """Write what is held in memory, too, and return all runs."""
        if self._frames:
            self._spill()
        return self._runs

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows with their keys. The order of calls decides between equal keys."""
        self._frames.append(frame)
        self._held += frame.height
        self.rows += frame.height
        if self._held >= self._run_rows * (1 if self._runs else HELD_RUNS):
            self._spill()

    def sorted_slices(self) -> Iterator[tuple[pl.DataFrame, Int64s]]:
        """Yield all rows in frames of about a run's size, each with its rows' order by key.

        A frame's rows come before those of the next; the order of those within it is left to
        the caller, who can cut before moving any data.
        """
        if not self._runs:
            if self._frames:
                keys = np.concatenate([frame[KEY].to_numpy() for frame in self._frames])
                with ThreadPoolExecutor(1) as executor:
                    order = executor.submit(stable_order, keys)
                    frame = pl.concat([frame.drop(KEY) for frame in self._frames], rechunk=True)
                yield frame, order.result()
            return
        mapped = [_map(path) for path in self.spill_all()]
        runs = [_table(buffer) for buffer in mapped]
        keys_of_runs = [numpy_array(run.column(KEY).combine_chunks()) for run in runs]
        ranges = list(_ranges(keys_of_runs, -(-self.rows // self._run_rows)))
        _let_go(mapped)
        for low, high in ranges:
            within = [_within(keys, low, high) for keys in keys_of_runs]
            if any(rows.stop > rows.start for rows in within):
                yield _gathered(runs, within, mapped)

    def _spill(self) -> None:
        path = self._directory / f"run-{len(self._runs):05}.arrow"
        frame = pl.concat(self._frames, rechunk=True)
        table = frame[stable_order(frame[KEY].to_numpy())].to_arrow(compat_level=OLDEST)
        with (
            writing(path),
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table.combine_chunks())
        self._runs.append(path)
        self._frames = []
        self._held = 0


def _map(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _table(buffer: mmap.mmap) -> pa.Table:
    return pa.ipc.open_file(pa.py_buffer(buffer)).read_all()


def _within(keys: npt.NDArray[np.uint64], low: np.uint64, high: np.uint64) -> slice:
    start, stop = np.searchsorted(keys, [low, high])
    return slice(int(start), len(keys) if high == np.iinfo(np.uint64).max else int(stop))


def _gathered(
    runs: list[pa.Table], within: list[slice], mapped: list[mmap.mmap]
) -> tuple[pl.DataFrame, Int64s]:
    """Copy some rows of each run, and return them with their order by key."""
    columns = []
    for name in runs[0].column_names:
        parts = [
            chunk
            for run, rows in zip(runs, within, strict=True)
            for chunk in run.column(name).slice(rows.start, rows.stop - rows.start).chunks
        ]
        columns.append(pa.concat_arrays(parts))  # copies, even a single one
        _let_go(mapped)
    frame = pl.DataFrame(pa.record_batch(columns, names=runs[0].column_names))
    return frame.drop(KEY), stable_order(frame[KEY].to_numpy())


def _let_go(mapped: list[mmap.mmap]) -> None:
    """Unmap pages that were read: they would count as this process's memory.

    So would what the system maps around them, which is several times as much.
    """
    for buffer in mapped:
        buffer.madvise(mmap.MADV_DONTNEED)


def _ranges(
    keys: list[npt.NDArray[np.uint64]], count: int
) -> Iterator[tuple[np.uint64, np.uint64]]:
    """Split the key space into half-open ranges that hold about equally many rows."""
    sample = np.sort(np.concatenate([run[::_SAMPLE_EVERY] for run in keys]))
    cuts = np.unique(sample[[len(sample) * part // count for part in range(1, count)]])
    last = np.iinfo(np.uint64).max
    bounds = [np.uint64(0), *cuts[cuts < last], last]
    yield from pairwise(bounds)
