"""The state of a training run, and what moves it on."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model import checkpoint
from smt_model.assembly import assemble
from smt_model.batching import FusedBatch
from smt_model.config import TrainConfig
from smt_model.model import MultiTaskModel
from smt_model.origin import Origin
from smt_model.prefetch import Prefetcher
from smt_model.run_directory import RunDirectory
from smt_model.step import UNROLL
from smt_schemas import UserError

if TYPE_CHECKING:
    from smt_features import Dataset, Split

TRAIN = "train"
LOG_STEPS = 100
_DEPTH = 4 * UNROLL
"""Batches made ahead: enough to bridge the reading of the next row group."""


class Trainer:
    """A run in progress.

    Attributes
    ----------
    step
        Updates done.
    total
        Updates of the whole run.
    steps_per_epoch
        Batches of an epoch.
    model
        What is trained.
    """

    def __init__(self, config: TrainConfig, dataset: "Dataset", run: RunDirectory) -> None:
        self._config = config
        self._origin = Origin.of(dataset)
        self._run = run
        self._split = dataset[TRAIN]
        self.step = 0
        self.steps_per_epoch = self._split.steps(config.rows_per_step)
        self.total = config.total_steps(self.steps_per_epoch)
        self.model, self._optimizer, self._train_step = assemble(config, dataset.schema, self.total)

    def batches(self) -> AbstractContextManager[Iterable[FusedBatch]]:
        """Return the batches from here to the end of the run.

        They are made ahead in a thread, unless ``--no-smartstaged`` or ``--tf`` is given.
        """
        made = fused_batches(
            self.model, self._split, self._config, start=self.step, stop=self.total
        )
        staged = self._config.smartstaged and not self._config.tf
        return Prefetcher(made, _DEPTH) if staged else nullcontext(made)

    def advance(self, batches: Iterator[FusedBatch]) -> NDArray[np.float32]:
        """Train on the next few batches, at most up to where something has to be done.

        Returns
        -------
        ndarray
            float32 [steps, 1 + tasks], the loss of each step and that of each task.

        Raises
        ------
        UserError
            When a loss is not finite.
        """
        losses = self._train_step(list(islice(batches, self._group())))
        self._require_finite(losses)
        self.step += len(losses)
        return losses

    @property
    def epoch(self) -> int:
        """The epoch of the last batch, counted from 0."""
        return max(self.step - 1, 0) // self.steps_per_epoch

    @property
    def reports_now(self) -> bool:
        """Whether the losses are to be reported after this step."""
        return self.step % LOG_STEPS == 0 or self.step == self.total

    @property
    def saves_now(self) -> bool:
        """Whether a checkpoint is due after this step."""
        every = self._config.save_steps
        return self.step == self.total or bool(every and self.step % every == 0)

    def save(self) -> None:
        """Save a checkpoint and delete those that are too many.

        Raises
        ------
        UserError
            When it cannot be written.
        """
        epoch, epoch_step = divmod(self.step, self.steps_per_epoch)
        state = checkpoint.State(
            step=self.step,
            epoch=epoch,
            epoch_step=epoch_step,
            seed=self._config.seed,
            batch_size=self._config.rows_per_step,
            optimizer=self._config.optimizer,
            origin=self._origin,
        )
        checkpoint.save(self._run.checkpoint(self.step), state, self.model, self._optimizer)
        self._run.prune(self._config.keep_checkpoint_max)

    def _group(self) -> int:
        stops = [LOG_STEPS, self._config.save_steps or self.total]
        left = min(every - self.step % every for every in stops)
        return min(UNROLL, left, self.total - self.step)

    def _require_finite(self, losses: NDArray[np.float32]) -> None:
        wrong = np.flatnonzero(~np.isfinite(losses[:, 0]))
        if len(wrong):
            step = self.step + int(wrong[0])
            epoch, position = divmod(step, self.steps_per_epoch)
            msg = (
                f"The loss is {losses[wrong[0], 0]} at step {step + 1:,} (batch {position} of "
                f"epoch {epoch}). Lower --learning-rate, now {self._config.learning_rate:g}."
            )
            raise UserError(msg)


def fused_batches(
    model: MultiTaskModel, split: "Split", config: TrainConfig, *, start: int, stop: int
) -> Iterator[FusedBatch]:
    """Yield the batches of steps ``start`` to ``stop``, as tensors, epoch after epoch."""
    step = start
    while step < stop:
        epoch, first = divmod(step, split.steps(config.rows_per_step))
        rows = split.batches(config.rows_per_step, seed=config.seed, epoch=epoch, start=first)
        for batch in islice(rows, stop - step):
            yield tf.nest.map_structure(tf.constant, model.fuser(batch))
            step += 1
