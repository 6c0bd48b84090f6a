"""A worker's run, when its variables lie on parameter servers."""

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.assembly import Assembly, make_model
from smt_model.batching import FusedBatch
from smt_model.checkpoint import Pending
from smt_model.config import TrainConfig
from smt_model.distributed.cluster import Cluster
from smt_model.distributed.parameters import Parameters
from smt_model.distributed.rendezvous import absent
from smt_model.distributed.served_step import ServedStep
from smt_model.distributed.served_variable import ServedVariable
from smt_model.embedding import EmbeddingTable
from smt_model.loss import Loss
from smt_model.optimizer import make_optimizer
from smt_model.prefetch import Prefetcher
from smt_model.progress import tell
from smt_model.resume import Start
from smt_model.run_directory import RunDirectory
from smt_model.task_weight import task_weights
from smt_model.trainer import Trainer
from smt_schemas import DatasetSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smt_features import Dataset
    from smt_model.layout import TableLayout

_DEPTH = 8
_POLL_SECONDS = 0.2


class ServedTrainer(Trainer):
    """A worker's part of a run; `step` counts the updates of all workers.

    Each worker reads its own part of an epoch, and makes its share of the steps.

    Parameters
    ----------
    config, dataset, run, bf16_native
        As for `Trainer`.
    cluster
        The processes.
    target
        Of this process's TensorFlow server.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: "Dataset",
        run: RunDirectory,
        bf16_native: bool | None,
        cluster: Cluster,
        target: str,
    ) -> None:
        self._cluster = cluster
        self._target = target
        self._workers = cluster.trainers
        self._rank = self._workers.index(cluster.task)
        self._begun = 0
        self._position = 0
        self._absent_since: dict[int, float] = {}
        super().__init__(config, dataset, run, bf16_native, assemble=self._assemble)

    @property
    def ended(self) -> bool:
        """Whether the chief ended the run."""
        return self.served.pushed.ended

    def begin(self, start: Start | None) -> None:
        """Give the servers the values of a checkpoint, or the initial ones; for the chief."""
        self.parameters.initialise()
        self.parameters.adopt(self.model, self._optimizer)
        if start:
            self.restore(start)
        else:
            for table in self.model.tables:
                table.initialise()
        self._join(self.step, 0)
        self.parameters.begin(self.step, self.served.dense())

    def join(self) -> None:
        """Wait until the chief has given the servers their values, or go on where this worker was.

        Returns early when the chief is gone.
        """
        while (begun := self.parameters.begun()) is None:
            if absent([self._cluster.chief]):
                return
            time.sleep(_POLL_SECONDS)
        progress = self.parameters.progress()
        self.step = self._before = begun + sum(progress)
        self._join(begun, progress[self._rank])

    @property
    def done(self) -> bool:
        """Whether this worker has made its share of the steps."""
        return self._position >= self._share_of(self.total, self._rank)

    def batches(self, stop: int) -> AbstractContextManager[Iterable[FusedBatch]]:
        """Return the batches of this worker's share; see `Trainer.batches`."""
        made = islice(self._own(), self._share_of(self.total, self._rank) - self._position)
        return Prefetcher(made, _DEPTH) if self._config.smartstaged else nullcontext(made)

    def advance(self, batches: Iterator[FusedBatch]) -> NDArray[np.float32]:
        """Train on the next batch; when there is none left, wait for the others for a moment.

        Returns
        -------
        ndarray
            float32 [steps, 1 + tasks]: one step, or none.

        Raises
        ------
        UserError
            When a loss is not finite.
        """
        batch = next(batches, None)
        if batch is None:
            self._await()
            return np.empty((0, 1 + len(self.model.towers)), np.float32)
        with self._tracing(self._position + 1):
            losses = self.served([batch])
        self._require_finite(losses)
        self._position += 1
        self._before, self.step = self.step, self.served.pushed.step
        self._last = batch
        return losses

    def save(self, pending: Pending, best: int | None) -> None:
        """Save what lies on the servers; other workers may update it meanwhile."""
        self.served.fetch()
        super().save(pending, best)

    def _epoch_steps(self) -> int:
        return len(self._workers) * self._own_steps

    @property
    def _own_steps(self) -> int:
        worker = self._rank, len(self._workers)
        return self._split.steps(self._config.batch_size, worker=worker)

    def _share_of(self, steps: int, rank: int) -> int:
        each, more = divmod(steps, len(self._workers))
        return each + (rank < more)

    def _join(self, begun: int, made: int) -> None:
        self._begun = begun
        self._position = self._share_of(begun, self._rank) + made

    def _own(self) -> Iterator[FusedBatch]:
        position, steps, config = self._position, self._own_steps, self._config
        while True:
            epoch, start = divmod(position, steps)
            for batch in self._split.batches(
                config.batch_size,
                seed=config.seed,
                epoch=epoch,
                start=start,
                shuffle=config.shuffle,
                worker=(self._rank, len(self._workers)),
            ):
                yield tf.nest.map_structure(tf.constant, self.model.fuser(batch))
                position += 1

    def _await(self) -> None:
        """Look at what the others did; give up one that is absent for too long."""
        time.sleep(_POLL_SECONDS)
        progress = self.parameters.progress()
        self._before, self.step = self.step, self._begun + sum(progress)
        left = {
            rank: missing
            for rank, made in enumerate(progress)
            if (missing := self._left(rank) - made) > 0
        }
        gone = absent([self._workers[rank] for rank in left])
        now = time.monotonic()
        self._absent_since = {
            rank: self._absent_since.get(rank, now) for rank in left if self._workers[rank] in gone
        }
        waited = [now - since for since in self._absent_since.values()]
        if len(waited) == len(left) > 0 and min(waited) > self._config.startup_timeout:
            for rank, missing in left.items():
                tell(
                    f"{self._workers[rank].text} is lost, and with it {missing:,} of its "
                    f"{self._left(rank):,} steps: so many batches were not trained on."
                )
            self.total = self.step

    def _left(self, rank: int) -> int:
        """Return how many steps a worker has to make from the start on."""
        return self._share_of(self.total, rank) - self._share_of(self._begun, rank)

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
        self.parameters = Parameters(config, total, model, self._cluster, self._target)
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
