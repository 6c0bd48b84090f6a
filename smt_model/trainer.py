"""The state of a training run, and what moves it on."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smt_features.split import Stretch
from smt_model import checkpoint
from smt_model.assembly import Assembly, assemble
from smt_model.batching import FusedBatch
from smt_model.config import TrainConfig
from smt_model.ev.elimination import eliminate
from smt_model.incremental import Incremental
from smt_model.model import MultiTaskModel
from smt_model.origin import Origin, require_keys
from smt_model.prefetch import Prefetcher
from smt_model.resume import Start
from smt_model.run_directory import RunDirectory
from smt_model.staging import as_tensors
from smt_model.step import UNROLL
from smt_model.timeline import traced
from smt_model.work_queue import QueueState, Work
from smt_schemas import DatasetSchema, UserError

if TYPE_CHECKING:
    from smt_features import Dataset, Split

TRAIN = "train"
LOG_STEPS = 100
_DEPTH = 4 * UNROLL
"""Batches made ahead: enough to bridge the reading of the next row group."""


class Trainer:
    """A run in progress.

    Parameters
    ----------
    config, dataset, run
        The options, the data and the directory of the run.
    bf16_native
        As for `MultiTaskModel`.
    share
        Index and number of the workers that make each step together: a batch has the rows of
        all of them, and each works on its share.
    assemble
        Makes the model, its optimizer and its step, given what `smt_model.assembly.assemble` is.

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

    def __init__(
        self,
        config: TrainConfig,
        dataset: "Dataset",
        run: RunDirectory,
        bf16_native: bool | None = None,
        *,
        share: tuple[int, int] = (0, 1),
        assemble: Callable[[TrainConfig, DatasetSchema, int, bool | None], Assembly] = assemble,
    ) -> None:
        self._config = config
        self._share = share
        self._origin = Origin.of(dataset)
        self._run = run
        self._split = dataset[TRAIN]
        self._work = Work(self._split, config) if config.workqueue else None
        self._queue = QueueState()
        self.step = self._before = self._first = 0
        self.steps_per_epoch = self._epoch_steps()
        self.total = config.total_steps(self.steps_per_epoch)
        self.model, self._optimizer, self._train_step = assemble(
            config, dataset.schema, self.total, bf16_native
        )
        require_keys(self.model, dataset)
        self._batches: Iterator[FusedBatch] | None = None
        self._incremental = Incremental(config.incremental_ckpt)
        self._stop = 0
        self._saved: int | None = None
        self._last: FusedBatch | None = None

    def restore(self, start: Start) -> None:
        """Take in a checkpoint.

        Raises
        ------
        UserError
            When it is of another model.
        """
        start.load(self.model, self._optimizer)
        self.step = self._first = self._saved = start.state.step
        # As if its last step had just been made: the process before may have ended there.
        self._before = max(self.step - 1, 0)
        self._queue = start.state.queue or self._queue

    def batches(self, stop: int) -> AbstractContextManager[Iterable[Any]]:
        """Return the batches from here to a step, as `advance` takes them.

        They are made ahead in a thread, unless ``--no-smartstaged`` or ``--tf`` is given.
        """
        if self._batches is None:
            stretches = (
                self._work.left(self._queue)
                if self._work
                else stretches_from(self._split, self._config, self.step)
            )
            self._batches = fused_batches(self.model, stretches, self.step, self._share)
        made, self._stop = islice(self._batches, stop - self.step), stop
        staged = self._config.smartstaged and not self._config.tf
        return Prefetcher(made, _DEPTH) if staged else nullcontext(made)

    @property
    def pause(self) -> int:
        """The next step at which the making of batches pauses.

        A batch that is made counts and admits keys, so none may be ahead of a step after which
        keys are saved or looked up.
        """
        if not self.model.embedding_variables:
            return self.total
        stops = [LOG_STEPS, self._config.save_steps, self._config.eval_steps]
        return min(self.total, *(self.step + every - self.step % every for every in stops if every))

    def advance(self, batches: Iterator[Any]) -> NDArray[np.float32]:
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
        group = list(islice(batches, self._group()))
        with self._tracing(self.step + len(group)):
            losses = self._train_step(group)
        self._incremental.add(group)
        self._require_finite(losses)
        self._before, self.step = self.step, self.step + len(losses)
        self._last = group[-1]
        return losses

    def activations(self) -> dict[str, NDArray[np.float32]]:
        """Return what each layer gives for the last batch: float32 [B, units] by name.

        Nothing before the first batch: the chief of a cluster may wait while others train.
        """
        if self._last is None:
            return {}
        return {name: x.numpy() for name, x in self.model.activations(self._last).items()}

    @property
    def epoch(self) -> int:
        """The epoch of the last batch, counted from 0."""
        return max(self.step - 1, 0) // self.steps_per_epoch

    @property
    def samples(self) -> int:
        """Rows trained on; the last batch of an epoch or shard may have fewer than the others."""
        epochs, steps = divmod(self.step, self.steps_per_epoch)
        if self._work:  # each shard ends with a smaller batch: about so many
            rows = steps * self._split.rows // self.steps_per_epoch
        else:
            rows = steps * self._config.batch_size
        return epochs * self._split.rows + rows

    @property
    def reports_now(self) -> bool:
        """Whether the losses are to be reported after this step."""
        return self._is_due(LOG_STEPS)

    @property
    def evaluates_now(self) -> bool:
        """Whether the model is to be evaluated after this step."""
        return self._config.evaluate and self._is_due(self._config.eval_steps)

    @property
    def saves_now(self) -> bool:
        """Whether a full checkpoint is due after this step."""
        stops_early = self._config.early_stop_metric is not None
        return (
            self._is_due(self._config.save_steps)
            or (stops_early and self.evaluates_now)
            or (self._adds_now and not self._incremental.has_base)
        )

    @property
    def saves_delta_now(self) -> bool:
        """Whether a delta is due after this step."""
        return self._adds_now and self._incremental.has_base

    @property
    def can_save(self) -> bool:
        """Whether keys are those of this step: no batch is ahead of it that counts and admits."""
        return self.step == self._stop or not self.model.embedding_variables

    @property
    def _adds_now(self) -> bool:
        return self.can_save and self._incremental.is_due

    @property
    def is_saved(self) -> bool:
        """Whether a checkpoint of this step exists."""
        return self._saved == self.step

    def save(self, pending: checkpoint.Pending, best: int | None) -> None:
        """Save a full checkpoint and delete what is no longer needed.

        Parameters
        ----------
        pending
            The losses that were not reported yet.
        best
            A step whose checkpoint is kept.

        Raises
        ------
        UserError
            When it cannot be written, or a value is not finite.
        """
        every = self._config.save_steps
        if every and self.step % every == 0:  # not where a signal or the end of the run asks for it
            for variables, table in zip(
                self.model.embedding_variables, self.model.tables, strict=False
            ):
                eliminate(variables, table, self.step)
        path, state = self._run.checkpoint(self.step), self._state(pending)
        base = checkpoint.save(path, state, self.model, self._optimizer)
        self._incremental.begin(base, self.model, self._optimizer)
        self._saved = self.step
        self._run.prune(self._config.keep_checkpoint_max, best)

    def save_delta(self, pending: checkpoint.Pending, best: int | None) -> None:
        """Save what has changed since the newest full checkpoint; as `save`."""
        path, state = self._run.delta(self.step), self._state(pending)
        self._incremental.save(path, state, self.model, self._optimizer)
        self._saved = self.step
        self._run.prune(self._config.keep_checkpoint_max, best)

    def _state(self, pending: checkpoint.Pending) -> checkpoint.State:
        epoch, epoch_step = divmod(self.step, self.steps_per_epoch)
        return checkpoint.State(
            step=self.step,
            epoch=epoch,
            epoch_step=epoch_step,
            options=self._config.deciding(),
            origin=self._origin,
            pending=pending,
            bf16_native=self.model.bf16_native,
            queue=self._queue_now(),
        )

    def _epoch_steps(self) -> int:
        return (
            self._work.steps_per_epoch if self._work else self._split.steps(self._config.batch_size)
        )

    def _queue_now(self) -> QueueState | None:
        return self._queue.after(self.step - self._first, self._work) if self._work else None

    def _is_due(self, every: int) -> bool:
        return self.step == self.total or bool(every and self.step // every > self._before // every)

    def _group(self) -> int:
        config = self._config
        stops = [LOG_STEPS, config.save_steps, config.eval_steps, config.timeline]
        left = min(every - self.step % every for every in stops if every)
        # Calls end at fixed steps: what --async-embedding looks up early depends on them.
        return min(UNROLL - self.step % UNROLL, left, self.total - self.step)

    def _tracing(self, step: int) -> AbstractContextManager[None]:
        every = self._config.timeline
        return traced(self._run.path, step) if every and step % every == 0 else nullcontext()

    def _require_finite(self, losses: NDArray[np.float32]) -> None:
        wrong = np.flatnonzero(~np.isfinite(losses[:, 0]))
        if len(wrong):
            step = self.step + int(wrong[0])
            epoch, position = divmod(step, self.steps_per_epoch)
            msg = (
                f"The loss is {losses[wrong[0], 0]} at step {step + 1:,} (batch {position} of "
                f"epoch {epoch}, counted from 0). Lower --learning-rate, now "
                f"{self._config.learning_rate:g}. Checkpoints of earlier steps are kept."
            )
            raise UserError(msg)


def stretches_from(split: "Split", config: TrainConfig, start: int) -> Iterator[Stretch]:
    """Yield the rows of the batches from step ``start`` on, epoch after epoch, without end."""
    steps = split.steps(config.batch_size)
    for epoch in count(start // steps):
        first = max(start - epoch * steps, 0)
        yield from split.stretches(
            config.batch_size, seed=config.seed, epoch=epoch, start=first, shuffle=config.shuffle
        )


def fused_batches(
    model: MultiTaskModel,
    stretches: Iterable[Stretch],
    start: int,
    share: tuple[int, int] = (0, 1),
) -> Iterator[FusedBatch]:
    """Yield batches as tensors; the first is that of step ``start``, counted from 0.

    With a ``share`` (index, count), each is that part of the batch.
    """
    index, workers = share
    step = start + 1
    for stretch in stretches:
        own = []
        for first, end in stretch.ranges:
            size = end - first
            own.append((first + size * index // workers, first + size * (index + 1) // workers))
        yield from map(as_tensors, model.fuser.cut(stretch.rows, own, step))
        step += len(own)
