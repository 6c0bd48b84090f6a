"""SimpleMultiTask: shared embeddings, and a tower for each task."""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from smt_model.batching import FreshRows, FusedBatch, TableBatch
from smt_model.bf16 import kernels
from smt_model.embedding import EmbeddingTable
from smt_model.ev.beginnings import Beginnings
from smt_model.ev.key_table import KeyTable
from smt_model.ev.options import EvOptions
from smt_model.ev.variables import EmbeddingVariables
from smt_model.fuser import Fuser
from smt_model.layout import TableLayout, fused_tables, separate_tables
from smt_model.multihash import MultiHash
from smt_model.tower import Tower
from smt_schemas import DatasetSchema

MakeTable = Callable[[TableLayout, int, Mapping[str, float]], EmbeddingTable]

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
    bf16_native
        Whether that uses BF16 kernels (see `Tower`); None for what is faster on this machine.
    emb_fusion
        One table for all features of a width; otherwise a table for each feature. The
        values are the same.
    slots
        Slots that the optimizer keeps beside each embedding, and their initial values;
        none when the model is only evaluated.
    variables
        Features that are embedding variables, whose keys own their vectors, and their options.
    capacity
        Keys that a table has room for.
    multihash
        Features whose buckets share two small tables, and how.
    make_table
        Makes a table, given its layout, the seed and the slots.

    Attributes
    ----------
    bf16_native
        Whether BF16 kernels are used; None without BF16.
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
        bf16_native: bool | None = None,
        emb_fusion: bool = True,
        slots: Mapping[str, float] | None = None,
        variables: Mapping[str, EvOptions] | None = None,
        capacity: int = EV_CAPACITY,
        multihash: Mapping[str, MultiHash] | None = None,
        make_table: MakeTable = EmbeddingTable,
    ) -> None:
        super().__init__(name="simple_multitask")
        self.schema = schema
        options = variables or {}
        unbucketed = {name for name, option in options.items() if not option.adaptive_emb}
        block_sizes = {
            name: option.dynamic_ev_block_size
            for name, option in options.items()
            if option.dynamic_ev
        }
        layouts = (
            fused_tables(
                schema.features, unbucketed, capacity if options else 0, multihash, block_sizes
            )
            if emb_fusion
            else separate_tables(schema.features, multihash)
        )
        self.embedding_variables = [
            EmbeddingVariables(layout, options, seed) for layout in layouts if options
        ]
        numerics = [column.name for column in schema.numerics]
        tasks = list(schema.tasks.values())
        self.fuser = Fuser(layouts, tasks, numerics, self.embedding_variables)
        self.tables = [make_table(layout, seed, slots or {}) for layout in layouts]
        width = sum(layout.width for layout in layouts) + len(numerics)
        if bf16 and bf16_native is None:
            bf16_native = kernels().native
        self.bf16_native = bf16_native if bf16 else None
        native = bool(self.bf16_native)
        self.towers = [Tower(task, width, seed, bf16=bf16, native=native) for task in schema.tasks]

    def keys_of(self, feature: str) -> tuple[KeyTable, EmbeddingTable] | None:
        """Return the keys of an embedding variable and the table of their vectors, or None."""
        for variables, table in zip(self.embedding_variables, self.tables, strict=False):
            if feature in variables.tables:
                return variables.tables[feature], table
        return None

    def begin_with(self, beginnings: Mapping[str, Beginnings]) -> None:
        """Give new keys of some features first vectors of buckets instead of their own."""
        for variables in self.embedding_variables:
            variables.beginnings = beginnings

    @property
    def key_tables(self) -> list[KeyTable]:
        """The keys of each embedding variable."""
        return [keys for each in self.embedding_variables for keys in each.tables.values()]

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
            positions=tf.TensorSpec([None, 2], tf.int32),
            weights=tf.TensorSpec([None], tf.float32),
        )
        pairs = (tf.TensorSpec([None, 2], tf.int32),)
        parts = [
            part._replace(pairs=pairs) if table.layout.products else part for table in self.tables
        ]
        labels = tf.TensorSpec([None, len(self.towers)], tf.float32)
        width = len(self.schema.numerics)
        numerics = (tf.TensorSpec([None, width], tf.float32),) if width else ()
        rows = tf.TensorSpec([None], tf.int32)
        fresh = [
            FreshRows(rows, tf.TensorSpec([None, table.layout.dim], tf.float32), shared=rows)
            for table in self.tables
            if self.embedding_variables
        ]
        return FusedBatch(tuple(parts), labels, numerics, tuple(fresh))

    def begin(self, batch: FusedBatch) -> None:
        """Give rows that keys own from this batch on what they begin with."""
        if self.embedding_variables:
            for table, fresh in zip(self.tables, batch.fresh, strict=True):
                table.begin(fresh)

    def read(self, batch: FusedBatch) -> list[list[tf.Tensor]]:
        """Return, for each table, the batch's distinct vectors and their slots."""
        return [table.read(part) for table, part in zip(self.tables, batch.tables, strict=True)]

    def inputs(self, vectors: Sequence[tf.Tensor], batch: FusedBatch) -> tf.Tensor:
        """Return what the towers take, float32 [B, width], given each table's vectors."""
        examples = tf.shape(batch.labels, out_type=tf.int64)[0]
        pooled = [
            table.pool(found, part, examples)
            for table, found, part in zip(self.tables, vectors, batch.tables, strict=True)
        ]
        pooled += batch.numerics
        return pooled[0] if len(pooled) == 1 else tf.concat(pooled, axis=1)

    def tower_logits(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the logits float32 [B, tasks] of inputs float32 [B, width]."""
        return tf.stack([tower(inputs) for tower in self.towers], axis=1)

    def activations(self, batch: FusedBatch) -> dict[str, tf.Tensor]:
        """Return what each layer gives for a batch, float32, named ``tower/<task>/<layer>``."""
        inputs = self.inputs([vectors for vectors, *_ in self.read(batch)], batch)
        return {
            f"tower/{task}/{layer}": tf.cast(output, tf.float32)
            for task, tower in zip(self.schema.tasks, self.towers, strict=True)
            for layer, output in enumerate(tower.outputs(inputs))
        }

    def predict(self, batch: FusedBatch) -> tf.Tensor:
        """Return the logits float32 [B, tasks] of a batch."""
        vectors = [vectors for vectors, *_ in self.read(batch)]
        return self.tower_logits(self.inputs(vectors, batch))
