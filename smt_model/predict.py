"""Predicts for every row of a log or of a split of shards."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from smt_features import open_shards
from smt_features.scoring import ScoringLog, open_log
from smt_model.loading import TrainedModel, load_run
from smt_model.origin import Origin, require_keys
from smt_model.prediction_file import ERROR, LINE, prediction_file, require_output
from smt_model.predictor import BATCH, Predictor
from smt_schemas import UserError

if TYPE_CHECKING:
    from smt_features import Split

Progress = Callable[[str, int, int], None]
"""Called with the stage, what is done and the total (bytes of a log, rows of shards)."""


class Predicted(NamedTuple):
    """What was predicted.

    Attributes
    ----------
    rows, errors
        How many rows the output has, and how many of them hold an error.
    restored
        Names of the full checkpoint and of the delta, if there was a delta.
    """

    rows: int
    errors: int
    restored: str | None = None


def predict_run(
    run: Path,
    source: Path,
    output: Path,
    *,
    split: str = "test",
    overwrite: bool = False,
    progress: Progress = lambda _stage, _done, _total: None,
) -> Predicted:
    """Write the predictions of a run's newest checkpoint for all rows, in their order.

    Call `runtime.start_tensorflow` before.

    Parameters
    ----------
    run
        Directory of the run.
    source
        A log (CSV, Parquet, JSON lines), with labels or without; or shards or the data folder
        that holds them. Rows of shards are numbered from 1, in the order of the files.
    output
        File to write, see `prediction_file`.
    split
        Which split of shards.
    overwrite
        Replace an output that exists.
    progress
        Called now and then.

    Raises
    ------
    UserError
        When something cannot be read or written, when the shards are of another kind than the
        model's, or when a prediction is not finite.
    """
    require_output(output, source, overwrite=overwrite)
    trained = load_run(run)
    tasks = list(trained.schema.tasks)
    if source.is_dir():
        frames = _of_shards(trained, _split(trained, source, split), progress)
    else:
        frames = _of_log(trained, open_log(source, trained.schema), progress)
    rows = errors = 0
    with prediction_file(output, tasks) as write:
        for frame in frames:
            write(frame)
            rows += frame.height
            errors += frame.height - frame[ERROR].null_count()
    return Predicted(rows, errors, trained.start.names if trained.start.base else None)


def _split(trained: TrainedModel, source: Path, split: str) -> "Split":
    dataset = open_shards(source)
    trained.state.origin.require_same(Origin.of(dataset), f"The model in {trained.run.path}")
    require_keys(trained.model, dataset)
    return dataset[split]


def _of_shards(trained: TrainedModel, split: "Split", progress: Progress) -> Iterator[pl.DataFrame]:
    predictor = Predictor(trained.model)
    done = 0
    for batch in split.batches(BATCH, shuffle=False):
        probabilities = predictor(batch)
        yield _frame(trained, done + 1, probabilities, [None] * len(probabilities))
        done += len(probabilities)
        progress("predict", done, split.rows)


def _of_log(trained: TrainedModel, log: ScoringLog, progress: Progress) -> Iterator[pl.DataFrame]:
    predictor = Predictor(trained.model)
    line = log.first_line
    keys = bool(trained.model.embedding_variables)
    for rows in log.rows(trained.hash_seed, trained.vocabularies, keys=keys):
        count = len(rows.good)
        probabilities = np.full((count, len(trained.model.towers)), np.nan, np.float32)
        probabilities[rows.good] = predictor(rows.batch)
        errors = np.full(count, None, object)
        errors[~rows.good] = rows.errors
        yield _frame(trained, line, probabilities, errors.tolist())
        line += count
        progress("predict", rows.position, log.size)


def _frame(
    trained: TrainedModel,
    first_line: int,
    probabilities: NDArray[np.float32],
    errors: list[str | None],
) -> pl.DataFrame:
    tasks = list(trained.schema.tasks)
    frame = pl.DataFrame(
        {
            LINE: np.arange(first_line, first_line + len(errors), dtype=np.int64),
            **{task: probabilities[:, column] for column, task in enumerate(tasks)},
            ERROR: pl.Series(errors, dtype=pl.String),
        },
    )
    known = pl.col(ERROR).is_null()
    if wrong := frame.filter(known & ~pl.all_horizontal(pl.col(tasks).is_finite()))[LINE].to_list():
        msg = f"The prediction for line {wrong[0]} is not finite: the training of the run diverged."
        raise UserError(msg)
    return frame.with_columns(pl.when(known).then(pl.col(tasks)))
