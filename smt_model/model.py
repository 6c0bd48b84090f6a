"""SimpleMultiTask: shared embeddings, and a tower for each task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import tensorflow as tf

from smt_model.batching import FusedBatch, Fuser
from smt_model.embedding import EmbeddingTable, part_name
from smt_model.layout import fused_tables
from smt_model.tower import Tower
from smt_schemas import DatasetSchema


@dataclass(frozen=True)
class Part:
    """Rows ``start:stop`` of a variable, under the name a checkpoint gives them."""

    name: str
    variable: tf.Variable
    start: int
    stop: int


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
    """

    def __init__(self, schema: DatasetSchema, seed: int, *, bf16: bool = False) -> None:
        super().__init__(name="simple_multitask")
        self.schema = schema
        layouts = fused_tables(schema)
        self.fuser = Fuser(layouts, list(schema.tasks.values()))
        self.tables = [EmbeddingTable(layout, seed) for layout in layouts]
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

    def parts(self) -> Iterator[Part]:
        """Yield what a checkpoint keeps: a part for each feature, kernel and bias."""
        for table in self.tables:
            bounds = zip(table.layout.offsets, table.layout.offsets[1:], strict=False)
            for column, (start, stop) in zip(table.layout.features, bounds, strict=True):
                yield Part(part_name(column.name), table.vectors, start, stop)
        for variable in self.dense_variables:
            yield Part(variable.name.removesuffix(":0"), variable, 0, variable.shape[0])

    def lookup(self, batch: FusedBatch) -> list[tf.Tensor]:
        """Return the distinct vectors of a batch, float32 [U, dim] for each table."""
        return [table.lookup(part) for table, part in zip(self.tables, batch.tables, strict=True)]

    def logits(self, vectors: Sequence[tf.Tensor], batch: FusedBatch) -> tf.Tensor:
        """Return the logits float32 [B, tasks], given the batch's vectors."""
        examples = tf.shape(batch.labels, out_type=tf.int64)[0]
        pooled = [
            table.pool(found, part, examples)
            for table, found, part in zip(self.tables, vectors, batch.tables, strict=True)
        ]
        inputs = pooled[0] if len(pooled) == 1 else tf.concat(pooled, axis=1)
        inputs = tf.cast(inputs, self._dtype)
        return tf.stack([tower(inputs) for tower in self.towers], axis=1)


def signature(model: MultiTaskModel) -> FusedBatch:
    """Return the tensor specification of a fused batch of any number of rows."""
    from smt_model.batching import TableBatch

    table = TableBatch(
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, 2], tf.int64),
        tf.TensorSpec([None], tf.float32),
    )
    labels = tf.TensorSpec([None, len(model.towers)], tf.float32)
    return FusedBatch((table,) * len(model.tables), labels)
