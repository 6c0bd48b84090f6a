"""Trains a model: the loop around the step."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model import checkpoint
from smt_model.batching import FusedBatch
from smt_model.config import TrainConfig
from smt_model.evaluation import evaluate
from smt_model.events import EventWriter
from smt_model.model import MultiTaskModel
from smt_model.optimizer import make_optimizer
from smt_model.origin import Origin
from smt_model.prefetch import Prefetcher
from smt_model.progress import TrainingProgress
from smt_model.report import Evaluation
from smt_model.run_directory import RunDirectory
from smt_model.step import UNROLL, TrainStep
from smt_schemas import UserError

if TYPE_CHECKING:
    from smt_features import Dataset, Split

TRAIN, TEST = "train", "test"
LOG_STEPS = 100
_DEPTH = 2 * UNROLL


def train(config: TrainConfig) -> tuple[RunDirectory, Evaluation | None]:
    """Train as configured, save, and evaluate unless the configuration says otherwise.

    Returns
    -------
    tuple of RunDirectory, and Evaluation or None

    Raises
    ------
    UserError
        When the data cannot be read or lacks a split, the loss is not finite, or a file
        cannot be written.
    """
    from smt_features import open_shards

    dataset = open_shards(config.data_location)
    for split in [TRAIN, TEST] if config.evaluate else [TRAIN]:
        dataset[split]
    run = RunDirectory.create(config)
    trainer = Trainer(config, dataset, run)
    trainer.run()
    if not config.evaluate:
        return run, None
    result = evaluate(trainer.model, dataset, TEST, trainer.step)
    trainer.record_evaluation(result)
    return run, result


class Trainer:
    """The state of a run in progress.

    Attributes
    ----------
    step
        Updates done.
    model
        What is trained.
    """

    def __init__(self, config: TrainConfig, dataset: "Dataset", run: RunDirectory) -> None:
        self.step = 0
        self._optimizer = make_optimizer(config)
        self.model = MultiTaskModel(
            dataset.schema, config.seed, bf16=config.bf16, slots=self._optimizer.initial
        )
        self._optimizer.build(self.model.dense_variables)
        self._config = config
        self._dataset = dataset
        self._run = run
        self._split = dataset[TRAIN]
        self._steps_per_epoch = self._split.steps(config.batch_size)
        self._total = config.total_steps(self._steps_per_epoch)
        self._train_step = TrainStep(self.model, self._optimizer, config.l2_regularization)
        self._events = EventWriter(run.path)

    def run(self) -> None:
        """Train to the last step; save at the steps the configuration names and at the end."""
        batches = fused_batches(
            self.model, self._split, self._config, start=self.step, stop=self._total
        )
        since, window = time.perf_counter(), _Window()
        with TrainingProgress(self._total) as progress, Prefetcher(batches, _DEPTH) as source:
            progress.say(
                f"Training {self._total:,} steps of {self._config.batch_size:,} rows "
                f"({self._steps_per_epoch:,} an epoch) into {self._run.path}"
            )
            ready = iter(source)
            while self.step < self._total:
                losses = self._train_step(list(islice(ready, self._group())))
                self._check(losses)
                self.step += len(losses)
                window.add(losses)
                progress.advance(self.step)
                if self.step % LOG_STEPS == 0 or self.step == self._total:
                    now = time.perf_counter()
                    self._record(window, now - since, progress)
                    since, window = now, _Window()
                if self._saves_now():
                    self._save()
                    since = time.perf_counter()

    def record_evaluation(self, result: Evaluation) -> None:
        """Write metrics to metrics.jsonl and to TensorBoard."""
        self._run.log(result.model_dump())
        scalars = {"ACC": result.accuracy, "AUC": result.auc}
        for task, found in result.tasks.items():
            scalars |= {f"{task}/auc": found.auc, f"{task}/log_loss": found.log_loss}
        known = {f"{result.split}/{k}": v for k, v in scalars.items() if v is not None}
        self._events.scalars(result.step, known)

    def _group(self) -> int:
        """Return how many steps fit in one call before something has to be done."""
        stops = [LOG_STEPS, self._config.save_steps or self._total]
        left = min(every - self.step % every for every in stops)
        return min(UNROLL, left, self._total - self.step)

    def _check(self, losses: NDArray[np.float32]) -> None:
        wrong = np.flatnonzero(~np.isfinite(losses[:, 0]))
        if len(wrong):
            step = self.step + int(wrong[0])
            epoch, position = divmod(step, self._steps_per_epoch)
            msg = (
                f"The loss is {losses[wrong[0], 0]} at step {step + 1:,} (batch {position} of "
                f"epoch {epoch}). Lower --learning-rate, now {self._config.learning_rate:g}."
            )
            raise UserError(msg)

    def _record(self, window: "_Window", seconds: float, progress: TrainingProgress) -> None:
        total, *by_task = window.mean()
        rate = window.steps / seconds
        epoch = (self.step - 1) // self._steps_per_epoch
        values = {"loss": total, "steps_per_second": rate}
        tasks = {
            f"loss_{task}": loss
            for task, loss in zip(self.model.schema.tasks, by_task, strict=True)
        }
        self._run.log({"step": self.step, "epoch": epoch, **values, **tasks})
        self._events.scalars(self.step, values | tasks)
        progress.report(self.step, epoch, total, rate)

    def _saves_now(self) -> bool:
        every = self._config.save_steps
        return self.step == self._total or bool(every and self.step % every == 0)

    def _save(self) -> None:
        epoch, epoch_step = divmod(self.step, self._steps_per_epoch)
        state = checkpoint.State(
            step=self.step,
            epoch=epoch,
            epoch_step=epoch_step,
            seed=self._config.seed,
            batch_size=self._config.batch_size,
            optimizer=self._config.optimizer,
            origin=Origin.of(self._dataset),
        )
        checkpoint.save(self._run.checkpoint(self.step), state, self.model, self._optimizer)
        self._run.prune(self._config.keep_checkpoint_max)


class _Window:
    """Losses since the last report."""

    def __init__(self) -> None:
        self._losses: list[NDArray[np.float32]] = []

    def add(self, losses: NDArray[np.float32]) -> None:
        self._losses.append(losses)

    @property
    def steps(self) -> int:
        return sum(map(len, self._losses))

    def mean(self) -> list[float]:
        return [float(x) for x in np.concatenate(self._losses).mean(axis=0, dtype=np.float64)]


def fused_batches(
    model: MultiTaskModel, split: "Split", config: TrainConfig, *, start: int, stop: int
) -> Iterator[FusedBatch]:
    """Yield the batches of steps ``start`` to ``stop``, as tensors, epoch after epoch."""
    step = start
    while step < stop:
        epoch, first = divmod(step, split.steps(config.batch_size))
        rows = split.batches(config.batch_size, seed=config.seed, epoch=epoch, start=first)
        for batch in islice(rows, stop - step):
            yield tf.nest.map_structure(tf.constant, model.fuser(batch))
            step += 1
