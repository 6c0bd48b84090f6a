"""Evaluates a model on a split."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_features.files import published
from smt_features.vocabulary import OUT_OF_VOCABULARY
from smt_model.batching import FusedBatch
from smt_model.early_stopping import EarlyStopping
from smt_model.html_report import html_report
from smt_model.loading import load_run, newest
from smt_model.model import MultiTaskModel
from smt_model.origin import Origin, require_keys
from smt_model.predictions import Predictions
from smt_model.prefetch import Prefetcher
from smt_model.progress import evaluating
from smt_model.report import Evaluation, evaluate_predictions
from smt_model.resume import Start
from smt_model.run_directory import RunDirectory
from smt_schemas import UserError

if TYPE_CHECKING:
    from smt_features import Dataset

BATCH = 4096
_DEPTH = 4


def evaluate_run(
    run: Path,
    data_location: Path | None,
    split: str,
    *,
    best: bool = False,
    html: Path | None = None,
) -> Evaluation:
    """Evaluate a checkpoint of a run.

    Parameters
    ----------
    run
        Directory of the run.
    data_location
        Shards or data folder; None for the run's own.
    split
        Name of the split.
    best
        The checkpoint with the best evaluation of early stopping; otherwise the newest one
        that is not damaged.
    html
        File for a page with the metrics and their curves.

    Raises
    ------
    UserError
        When the run or the data cannot be read or do not belong together, or the page cannot be
        written.
    """
    from smt_features import open_shards

    dataset = open_shards(data_location or RunDirectory(run).config.data_location)
    trained = load_run(run, _best if best else newest)
    trained.state.origin.require_same(Origin.of(dataset), f"The model in {run}")
    require_keys(trained.model, dataset)
    predictions = Evaluator(trained.model).predictions(dataset, split)
    result = evaluate_predictions(split, trained.state.step, *predictions)
    if trained.start.base:
        result = result.model_copy(update={"restored": trained.start.names})
    if html is not None:
        with published(html) as path:
            path.write_text(
                html_report(f"Evaluation of {run.resolve().name}", result, predictions),
                encoding="utf-8",
            )
    return result


def _best(run: RunDirectory) -> Start:
    return Start.read(run, best_checkpoint(run))


def best_checkpoint(run: RunDirectory) -> Path:
    """Return the checkpoint with the best evaluation of a run with early stopping.

    Raises
    ------
    UserError
        When the run has no early stopping or no evaluation yet, or did not keep the checkpoint.
    """
    stopping = EarlyStopping.of(run.config, run.metrics.evaluations(), run.kept_steps)
    if stopping is None or stopping.best is None:
        msg = f"{run.path} has no best checkpoint: it was not trained with --early-stop-metric."
        raise UserError(msg)
    best = run.checkpoint(stopping.best.step)
    if not best.is_dir():
        msg = f"The checkpoint of the best evaluation, {best}, was not kept."
        raise UserError(msg)
    return best


class Evaluator:
    """Evaluates a model now and then; its graph is built once.

    Parameters
    ----------
    model
        The model.
    predict
        Returns the logits of a batch, for a model whose variables lie elsewhere.

    Attributes
    ----------
    model
        The model.
    """

    def __init__(
        self, model: MultiTaskModel, predict: Callable[[FusedBatch], tf.Tensor] | None = None
    ) -> None:
        self.model = model
        self._predict = predict or tf.function(model.predict, [model.signature], autograph=False)

    def __call__(self, dataset: "Dataset", split: str, step: int) -> Evaluation:
        """Return the metrics on a split of a dataset; see `predictions`."""
        return evaluate_predictions(split, step, *self.predictions(dataset, split))

    def predictions(self, dataset: "Dataset", split: str) -> Predictions:
        """Return the predictions for a split of a dataset.

        Raises
        ------
        UserError
            When one is not finite.
        """
        model, rows = self.model, dataset[split]
        user_column = model.schema.user_column
        label_parts: list[NDArray[np.float32]] = []
        logit_parts: list[NDArray[np.float32]] = []
        user_parts: list[NDArray[np.int32]] = []

        def fused() -> Iterator[FusedBatch]:
            for batch in rows.batches(BATCH, shuffle=False):
                if user_column is not None:
                    user_parts.append(np.asarray(batch[user_column]))
                yield model.fuser(batch)

        with Prefetcher(fused(), _DEPTH) as batches:
            for batch in evaluating(batches, rows.steps(BATCH)):
                label_parts.append(batch.labels)
                logit_parts.append(self._predict(batch).numpy())
        labels, logits = _joined(label_parts, model), _joined(logit_parts, model)
        _require_finite(logits, split)
        by_task = {task: labels[:, i].astype(np.int8) for i, task in enumerate(model.schema.tasks)}
        none = np.empty(0, np.int32)
        users = None if user_column is None else np.concatenate([none, *user_parts])
        if users is not None and user_column in {c.name for c in model.schema.vocab_columns}:
            # Who is in no vocabulary is nobody in particular: a user for each such row.
            rows_apart = -1 - np.arange(len(users))
            users = np.where(users == OUT_OF_VOCABULARY, rows_apart, users)
        return Predictions(by_task, logits, users)


def _require_finite(logits: NDArray[np.float32], split: str) -> None:
    if not np.isfinite(logits).all():
        row = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        msg = f"The prediction for row {row} of split {split} is not finite; lower --learning-rate."
        raise UserError(msg)


def _joined(parts: list[NDArray[np.float32]], model: MultiTaskModel) -> NDArray[np.float32]:
    return np.concatenate([np.empty((0, len(model.towers)), np.float32), *parts])
