"""SimpleMultiTask: shared embeddings, and a tower for each task."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from smt_model.batching import FreshRows, FusedBatch, Fuser, TableBatch
from smt_model.embedding import EmbeddingTable
from smt_model.ev.options import EvOptions
from smt_model.ev.variables import EmbeddingVariables
from smt_model.layout import fused_tables
from smt_model.tower import Tower
from smt_schemas import DatasetSchema

EV_CAPACITY = 1 << 24
"""Keys that a table has room for, if nothing else is asked."""


class MultiTaskModel(tf.Module):
    """The model of a schema.

    A task's probability is that of its label given the impression: with the Taobao schema
    ``cvr`` is P(buy | impression), not P(buy | click).

    Parameters
    ----------
    schema
        Decides the tables and the towers.
    seed
        Decides the initial values.
    bf16
        BF16 arithmetic in the hidden layers of the towers.
    slots
        Slots that the optimizer keeps beside each embedding, and their initial values;
        none when the model is only evaluated.
    variables
        Features that are embedding variables, whose keys own their vectors, and their options.
    capacity
        Keys that a table has room for.

    Attributes
    ----------
    tables
        The embedding tables.
    embedding_variables
        The embedding variables of each table; empty when there are none at all.
    towers
        One for each task, in the order of the schema.
    fuser
        Makes the batches that the model takes.
    """

    def __init__(
        self,
        schema: DatasetSchema,
        seed: int,
        *,
        bf16: bool = False,
        slots: Mapping[str, float] | None = None,
        variables: Mapping[str, EvOptions] | None = None,
        capacity: int = EV_CAPACITY,
    ) -> None:
        super().__init__(name="simple_multitask")
        self.schema = schema
        options = variables or {}
        unbucketed = {name for name, option in options.items() if not option.adaptive_emb}
        layouts = fused_tables(schema.features, unbucketed, capacity if options else 0)
        self.embedding_variables = [
            EmbeddingVariables(layout, options, seed) for layout in layouts if options
        ]
        self.fuser = Fuser(layouts, list(schema.tasks.values()), self.embedding_variables)
        self.tables = [EmbeddingTable(layout, seed, slots or {}) for layout in layouts]
        width = sum(layout.width for layout in layouts)
        self.towers = [Tower(task, width, seed, bf16=bf16) for task in schema.tasks]
        self._dtype = tf.bfloat16 if bf16 else tf.float32

    @property
    def kernels(self) -> list[tf.Variable]:
        """The kernels of the towers: what L2 regularisation is about."""
        return [kernel for tower in self.towers for kernel in tower.kernels]

    @property
    def dense_variables(self) -> list[tf.Variable]:
        """All variables that each step updates as a whole."""
        return self.kernels + [bias for tower in self.towers for bias in tower.biases]

    @property
    def signature(self) -> FusedBatch:
        """The tensor specification of a fused batch of any number of rows."""
        part = TableBatch(
            rows=tf.TensorSpec([None], tf.int32),
            positions=tf.TensorSpec([None, 2], tf.int64),
            weights=tf.TensorSpec([None], tf.float32),
        )
        labels = tf.TensorSpec([None, len(self.towers)], tf.float32)
        rows = tf.TensorSpec([None], tf.int32)
        fresh = [
            FreshRows(rows, tf.TensorSpec([None, table.layout.dim], tf.float32), shared=rows)
            for table in self.tables
            if self.embedding_variables
        ]
        return FusedBatch((part,) * len(self.tables), labels, tuple(fresh))

    def begin(self, batch: FusedBatch) -> None:
        """Give rows that keys own from this batch on what they begin with."""
        if self.embedding_variables:
            for table, fresh in zip(self.tables, batch.fresh, strict=True):
                table.begin(fresh)

    def read(self, batch: FusedBatch) -> list[list[tf.Tensor]]:
        """Return, for each table, the batch's distinct vectors and their slots."""
        return [table.read(part) for table, part in zip(self.tables, batch.tables, strict=True)]

    def logits(self, vectors: Sequence[tf.Tensor], batch: FusedBatch) -> tf.Tensor:
        """Return the logits float32 [B, tasks], given each table's distinct vectors."""
        inputs = self._inputs(vectors, batch)
        return tf.stack([tower(inputs) for tower in self.towers], axis=1)

    def activations(self, batch: FusedBatch) -> dict[str, tf.Tensor]:
        """Return what each layer gives for a batch, float32, named ``tower/<task>/<layer>``."""
        inputs = self._inputs([vectors for vectors, *_ in self.read(batch)], batch)
        return {
            f"tower/{task}/{layer}": tf.cast(output, tf.float32)
            for task, tower in zip(self.schema.tasks, self.towers, strict=True)
            for layer, output in enumerate(tower.outputs(inputs))
        }

    def _inputs(self, vectors: Sequence[tf.Tensor], batch: FusedBatch) -> tf.Tensor:
        examples = tf.shape(batch.labels, out_type=tf.int64)[0]
        pooled = [
            table.pool(found, part, examples)
            for table, found, part in zip(self.tables, vectors, batch.tables, strict=True)
        ]
        inputs = pooled[0] if len(pooled) == 1 else tf.concat(pooled, axis=1)
        return tf.cast(inputs, self._dtype)

    def predict(self, batch: FusedBatch) -> tf.Tensor:
        """Return the logits float32 [B, tasks] of a batch."""
        return self.logits([vectors for vectors, *_ in self.read(batch)], batch)
