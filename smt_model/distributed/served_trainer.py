"""A worker's run, when its variables lie on parameter servers."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smt_features import Batch
from smt_model.assembly import Assembly, make_model
from smt_model.batching import FusedBatch
from smt_model.checkpoint import Pending
from smt_model.config import TrainConfig
from smt_model.distributed.cluster import Cluster
from smt_model.distributed.parameters import Parameters
from smt_model.distributed.served_queue import NO_PIECE, Record
from smt_model.distributed.served_step import ServedStep
from smt_model.distributed.served_variable import ServedVariable
from smt_model.distributed.shares import POLL_SECONDS, QueueShare, Share, StaticShare
from smt_model.embedding import EmbeddingTable
from smt_model.loss import Loss
from smt_model.optimizer import make_optimizer
from smt_model.prefetch import Prefetcher
from smt_model.progress import tell
from smt_model.resume import Start
from smt_model.run_directory import RunDirectory
from smt_model.staging import as_tensors
from smt_model.task_weight import task_weights
from smt_model.trainer import TRAIN, Trainer
from smt_model.work_queue import QueueState
from smt_schemas import DatasetSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smt_features import Dataset
    from smt_model.distributed.watch import Watch
    from smt_model.layout import TableLayout

_DEPTH = 8


class ServedTrainer(Trainer):
    """A worker's part of a run; `step` counts the updates of all workers.

    Parameters
    ----------
    config, dataset, run, bf16_native
        As for `Trainer`.
    cluster
        The processes.
    target
        Of this process's TensorFlow server.
    watches
        Says of other workers, by their number, whether they are lost; for the chief.

    Attributes
    ----------
    ended
        Whether the chief ended the run.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: "Dataset",
        run: RunDirectory,
        bf16_native: bool | None,
        cluster: Cluster,
        target: str,
        watches: "Mapping[int, Watch] | None" = None,
    ) -> None:
        self._cluster = cluster
        self._target = target
        self._watches = watches or {}
        self._workers = cluster.trainers
        self._rank = self._workers.index(cluster.task)
        self._static = StaticShare(dataset[TRAIN], config, (self._rank, len(self._workers)))
        self._begun = 0
        self._lost_since: dict[int, float] = {}
        self._dropped: int | None = None
        self.ended = False
        super().__init__(config, dataset, run, bf16_native, assemble=self._assemble)
        self._portion: Share = (
            QueueShare(self._work, self.parameters.queue) if self._work else self._static
        )

    def begin(self, start: Start | None) -> None:
        """Give the servers the values of a checkpoint, or the initial ones; for the chief."""
        self.parameters.initialise()
        self.parameters.adopt(self.model, self._optimizer)
        if start:
            self.restore(start)
        else:
            for table in self.model.tables:
                table.initialise()
        if self._work:
            self.parameters.queue.fill(self._queue)
        self._begun = self.step
        self._static.begin(self.total, self.step, 0)
        self.parameters.load(self.served.dense())
        self.parameters.progress.begin(self.step)

    def join(self, check: Callable[[], None]) -> None:
        """Wait until the chief has given the servers their values; or go on where this worker was.

        Meanwhile `check` is called now and then, which may raise.
        """
        while (begun := self.parameters.progress.begun()) is None:
            check()
            time.sleep(POLL_SECONDS)
        made = self.parameters.progress.made()
        self.step = self._before = begun + sum(made)
        self._static.begin(self.total, begun, made[self._rank])
        self.parameters.queue.release(self._rank)

    def batches(self, stop: int) -> AbstractContextManager[Iterable[Any]]:
        """Return the batches of this worker, each with its record; see `Trainer.batches`."""
        made = (
            portion and (self._tensors(portion.batch), portion.record, portion.claim)
            for portion in self._portion.portions()
        )
        return Prefetcher(made, _DEPTH) if self._config.smartstaged else nullcontext(made)

    def advance(self, batches: Iterator[Any]) -> NDArray[np.float32]:
        """Train on the next batch; where there is none, look at what the others do.

        Returns
        -------
        ndarray
            float32 [steps, 1 + tasks]: one step, or none.

        Raises
        ------
        UserError
            When a loss is not finite.
        """
        found = next(batches, None)
        if found is None:
            self._await()
        return self.take(found)

    def take(self, found: "tuple[FusedBatch, Record, int] | None") -> NDArray[np.float32]:
        """Train on a batch, if there is one; see `advance`."""
        if found is None or found[2] == self._dropped:
            self.ended = self.parameters.progress.ended()
            return np.empty((0, 1 + len(self.model.towers)), np.float32)
        batch, record, claim = found
        with self._tracing(self.step + 1):
            losses = self.served([batch], record)
        self._require_finite(losses)
        pushed = self.served.pushed
        self._advance_to(pushed.step)
        self.ended = pushed.ended
        self._last = batch
        if record != NO_PIECE and not pushed.is_mine:
            self._dropped = claim  # this worker was taken for lost, and others have the piece
        return losses

    def save(self, pending: Pending, best: int | None) -> None:
        """Save what lies on the servers; other workers may update it meanwhile."""
        self.served.fetch()
        super().save(pending, best)

    def _tensors(self, batch: Batch) -> FusedBatch:
        return as_tensors(self.model.fuser(batch))

    def _epoch_steps(self) -> int:
        return self._work.steps_per_epoch if self._work else self._static.steps_per_epoch

    def _queue_now(self) -> QueueState | None:
        return self.parameters.queue.state() if self._work else None

    def _advance_to(self, step: int) -> None:
        self._before, self.step = self.step, step
        # Workers that are at their last batch when the run is complete still push it.
        self.total = max(self.total, step)

    def _await(self) -> None:
        """Look at what the others do, and give up those that are lost; for the chief."""
        time.sleep(POLL_SECONDS)
        made = self.parameters.progress.made()
        self._advance_to(self._begun + sum(made))
        left = self._portion.left(made)
        lost = {rank for rank in left if rank in self._watches and self._watches[rank].lost}
        now = time.monotonic()
        self._lost_since = {rank: self._lost_since.get(rank, now) for rank in lost}
        for rank in lost:
            if self._work:
                self._portion.abandon(rank, self._workers[rank].text)
        waited = now - max(self._lost_since.values(), default=now)
        if self._work is None and lost == left.keys() and waited > self._config.startup_timeout:
            for rank, steps in left.items():
                tell(
                    f"{self._workers[rank].text} is lost, and with it {steps:,} of its steps: so "
                    "many batches were not trained on."
                )
            left = {}
        if not left:
            self.total = self.step

    def _assemble(
        self, config: TrainConfig, schema: DatasetSchema, total: int, bf16_native: bool | None
    ) -> Assembly:
        optimizer = make_optimizer(config, total)
        model = make_model(
            config,
            schema,
            bf16_native=bf16_native,
            emb_fusion=config.emb_fusion,
            slots=optimizer.initial,
            make_table=_served_table,
        )
        pieces = self._work.pieces_until(total) if self._work else 1
        self.parameters = Parameters(config, total, model, self._cluster, self._target, pieces)
        loss = Loss(task_weights(config.task_weight, schema.tasks), config.l2_regularization)
        self.served = ServedStep(
            self.parameters,
            model,
            loss,
            clip_norm=config.clip_norm,
            micro_batches=config.micro_batch,
        )
        return Assembly(model, optimizer, self.served)


def _served_table(layout: "TableLayout", seed: int, slots: "Mapping[str, float]") -> EmbeddingTable:
    shape = layout.rows, layout.dim * (1 + len(slots))
    return EmbeddingTable(layout, seed, slots, ServedVariable(shape))
