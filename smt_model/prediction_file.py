"""Writes predictions as Parquet, CSV or JSON lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from smt_features.files import published
from smt_schemas import UsageError, UserError

LINE, ERROR = "line", "error"
"""Columns beside the tasks: the row's line in the input, and why it has no prediction."""

FORMATS = (".parquet", ".csv", ".jsonl")
"""Extensions of the output."""

Write = Callable[[pl.DataFrame], None]


def require_output(path: Path, source: Path, *, overwrite: bool) -> None:
    """Refuse a file that predictions cannot or must not be written to.

    Parameters
    ----------
    path
        The file; its extension decides the format.
    source
        What is predicted.
    overwrite
        Replace a file that exists.

    Raises
    ------
    UserError
        When the extension is unknown, the file exists, or it is the source.
    """
    if path.suffix not in FORMATS:
        msg = f"--output {path}: the extension must be one of {', '.join(FORMATS)}."
        raise UsageError(msg)
    if path.exists() and source.exists() and path.samefile(source):
        msg = f"--output {path} is the log itself. Give --output another file."
        raise UsageError(msg)
    if path.exists() and not overwrite:
        msg = f"{path} exists. Give --output another file, or --overwrite."
        raise UserError(msg)


@contextmanager
def prediction_file(path: Path, tasks: list[str]) -> Iterator[Write]:
    """Yield a function that appends rows to a file, which appears once all are written.

    The rows have the columns ``line`` (int64), each task (float32) and ``error`` (text).

    Parameters
    ----------
    path
        The file, which `require_output` let pass; its extension decides the format.
    tasks
        Names of the tasks, in order.

    Raises
    ------
    UserError
        When the file cannot be written, or a task has the name of another column.
    """
    if taken := {LINE, ERROR} & set(tasks):
        msg = f"A task is called {taken.pop()!r}, like a column of the output. Rename the task."
        raise UserError(msg)
    schema = {LINE: pl.Int64, **dict.fromkeys(tasks, pl.Float32), ERROR: pl.String}
    empty = pl.DataFrame(schema=schema)
    with published(path) as temporary:
        if path.suffix == ".parquet":
            with pq.ParquetWriter(temporary, empty.to_arrow().schema, compression="zstd") as writer:
                yield lambda frame: writer.write_table(frame.to_arrow())
            return
        with temporary.open("wb") as file:
            if path.suffix == ".csv":
                empty.write_csv(file)
                yield lambda frame: frame.write_csv(file, include_header=False)
            else:
                yield lambda frame: frame.write_ndjson(file)
