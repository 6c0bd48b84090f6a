"""Workers that make each update together: every one holds the whole model."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.batching import FusedBatch, TableBatch
from smt_model.distributed.agreement import SharedInterruption
from smt_model.distributed.cluster import Cluster
from smt_model.loss import Loss
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer
from smt_model.update import BatchGradients, add_penalty, batch_gradients, update


def connect(cluster: Cluster) -> tf.distribute.MultiWorkerMirroredStrategy:
    """Connect the workers; no tensor may have been made before.

    The strategy's collective operations are used, its mirrored variables are not: plain
    variables with equal initial values and equal updates stay equal, and only plain ones have
    rows that can be read and written one by one.
    """
    own = cluster.task
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(
            {
                role: [task.address for task in cluster.of_role(role)]
                for role in ("chief", "worker")
                if cluster.of_role(role)
            }
        ),
        task_type=own.role,
        task_id=own.index,
        rpc_layer="grpc",
    )
    ring = tf.distribute.experimental.CommunicationImplementation.RING
    options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
    return tf.distribute.MultiWorkerMirroredStrategy(resolver, options)


class Agreement:
    """Adds up numbers of all workers, so that they decide alike.

    Each call waits for all workers, so all must make the same calls.
    """

    def __init__(self, strategy: tf.distribute.MultiWorkerMirroredStrategy) -> None:
        self._sum = tf.function(
            lambda value: strategy.run(_sum, (value,)),
            [tf.TensorSpec([], tf.int64)],
            autograph=False,
        )

    def sum(self, value: int) -> int:
        """Return the sum of what the workers gave."""
        return int(self._sum(tf.constant(value, tf.int64)))


class SynchronousStep:
    """A step that all workers make together, each on its share of the rows.

    The sum of the gradients of dense variables comes from one all-reduce. Those of embeddings
    stay sparse: rows and gradients of all workers are gathered, and each row's are added up.
    What a step gives is what one process gives for all the rows, but for the order of the sums.

    Parameters
    ----------
    strategy
        Connects the workers.
    model, optimizer, loss, clip_norm, micro_batches
        As for `TrainStep`.
    interruption
        Hears of a worker that was asked to stop.
    """

    def __init__(
        self,
        strategy: tf.distribute.MultiWorkerMirroredStrategy,
        model: MultiTaskModel,
        optimizer: Optimizer,
        loss: Loss,
        *,
        clip_norm: float,
        micro_batches: int,
        interruption: SharedInterruption,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._loss = loss
        self._clip_norm = clip_norm
        self._micro_batches = micro_batches
        self._interruption = interruption
        self._one = tf.function(
            lambda batch, stops: strategy.run(self._step, (batch, stops)),
            [model.signature, tf.TensorSpec([], tf.float32)],
            autograph=False,
        )

    def __call__(self, batches: Sequence[FusedBatch]) -> NDArray[np.float32]:
        """Train on the batches in turn; see `TrainStep`. Ends early when a worker has to stop."""
        losses = []
        for batch in batches:
            *loss, stops = self._one(batch, tf.constant(self._interruption.wish)).numpy()
            losses.append(loss)
            if self._interruption.agrees(stops):
                break
        return np.array(losses, np.float32)

    def _step(self, batch: FusedBatch, stops: tf.Tensor) -> tf.Tensor:
        model = self._model
        vectors = [vectors for vectors, *_ in model.read(batch)]
        # Divided by 1: a share may be empty, and only the sum of all shares has a mean.
        own = batch_gradients(model, self._loss, vectors, batch, self._micro_batches, rows=1.0)
        rows = tf.cast(tf.shape(batch.labels)[0], tf.float32)
        *sums, rows, stops = _all_reduced([own.by_task, *own.dense, rows, stops])
        parts, sparse = [], []
        for part, gradient in zip(batch.tables, own.sparse, strict=True):
            distinct, total = _all_gathered(part.rows, gradient)
            parts.append(TableBatch(distinct, part.positions, part.weights))
            sparse.append(total / rows)
        by_task, *dense = (value / rows for value in sums)
        found = BatchGradients(by_task, sparse, dense)
        loss = add_penalty(model, self._loss, found)
        kept = [table.read(part) for table, part in zip(model.tables, parts, strict=True)]
        update(model, self._optimizer, parts, kept, found, self._clip_norm)
        return tf.concat([[loss], by_task, [stops]], axis=0)


def _sum(value: tf.Tensor) -> tf.Tensor:
    # The strategy asks for the device of what it adds up; an argument has none.
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))


def _all_reduced(values: list[tf.Tensor]) -> list[tf.Tensor]:
    """Return the sums of float32 tensors over the workers: one collective for all of them."""
    flat = _sum(tf.concat([tf.reshape(value, [-1]) for value in values], axis=0))
    parts = tf.split(flat, [value.shape.num_elements() for value in values])
    return [tf.reshape(part, value.shape) for part, value in zip(parts, values, strict=True)]


def _all_gathered(rows: tf.Tensor, gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the distinct rows of all workers, and the sum of each row's gradients."""
    context = tf.distribute.get_replica_context()
    everywhere = context.all_gather(tf.identity(rows), axis=0)
    gradients = context.all_gather(gradient, axis=0)
    distinct, index = tf.unique(everywhere)
    return distinct, tf.math.unsorted_segment_sum(gradients, index, tf.size(distinct))
