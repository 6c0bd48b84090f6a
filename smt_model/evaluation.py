"""Evaluates a model on a split."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_features.files import published
from smt_model import checkpoint
from smt_model.batching import FusedBatch
from smt_model.html_report import html_report
from smt_model.model import MultiTaskModel
from smt_model.origin import Origin
from smt_model.predictions import Predictions
from smt_model.prefetch import Prefetcher
from smt_model.progress import evaluating
from smt_model.report import Evaluation, evaluate_predictions
from smt_model.run_directory import RunDirectory
from smt_schemas import UserError

if TYPE_CHECKING:
    from smt_features import Dataset

BATCH = 4096
_DEPTH = 4


def evaluate_run(
    run: Path, data_location: Path | None, split: str, html: Path | None = None
) -> Evaluation:
    """Evaluate the newest checkpoint of a run.

    Parameters
    ----------
    run
        Directory of the run.
    data_location
        Shards or data folder; None for the run's own.
    split
        Name of the split.
    html
        File for a page with the metrics and their curves.

    Raises
    ------
    UserError
        When the run or the data cannot be read or do not belong together, or the page cannot be
        written.
    """
    from smt_features import open_shards

    directory = RunDirectory(run)
    config = directory.config
    path = directory.newest_checkpoint()
    dataset = open_shards(data_location or config.data_location)
    state = checkpoint.read_state(path)
    state.origin.require_same(Origin.of(dataset), f"The model in {run}")
    model = MultiTaskModel(state.origin.dataset_schema, config.seed, bf16=config.bf16)
    checkpoint.restore(path, state, model)
    predictions = predict_split(model, dataset, split)
    result = evaluate_predictions(split, state.step, *predictions)
    if html is not None:
        with published(html) as path:
            path.write_text(
                html_report(f"Evaluation of {directory.path.resolve().name}", result, predictions),
                encoding="utf-8",
            )
    return result


def evaluate(model: MultiTaskModel, dataset: "Dataset", split: str, step: int) -> Evaluation:
    """Return the metrics of a model on a split of a dataset, as `predict_split` sees it."""
    return evaluate_predictions(split, step, *predict_split(model, dataset, split))


def predict_split(model: MultiTaskModel, dataset: "Dataset", split: str) -> Predictions:
    """Return the predictions of a model for a split of a dataset.

    Raises
    ------
    UserError
        When one is not finite.
    """
    rows = dataset[split]
    user_column = model.schema.user_column
    label_parts: list[NDArray[np.float32]] = []
    logit_parts: list[NDArray[np.float32]] = []
    user_parts: list[NDArray[np.int32]] = []

    def fused() -> Iterator[FusedBatch]:
        for batch in rows.batches(BATCH, shuffle=False):
            if user_column is not None:
                user_parts.append(np.asarray(batch[user_column]))
            yield model.fuser(batch)

    predict = tf.function(model.predict, [model.signature], autograph=False)
    with Prefetcher(fused(), _DEPTH) as batches:
        for batch in evaluating(batches, rows.steps(BATCH)):
            label_parts.append(batch.labels)
            logit_parts.append(predict(batch).numpy())
    labels, logits = _joined(label_parts, model), _joined(logit_parts, model)
    if not np.isfinite(logits).all():
        row = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        msg = f"The prediction for row {row} of split {split} is not finite; lower --learning-rate."
        raise UserError(msg)
    by_task = {task: labels[:, i].astype(np.int8) for i, task in enumerate(model.schema.tasks)}
    users = None if user_column is None else np.concatenate([np.empty(0, np.int32), *user_parts])
    return Predictions(by_task, logits, users)


def _joined(parts: list[NDArray[np.float32]], model: MultiTaskModel) -> NDArray[np.float32]:
    return np.concatenate([np.empty((0, len(model.towers)), np.float32), *parts])
