"""The embeddings of an exported model, made of TensorFlow's own operations."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.embedding import EmbeddingTable, part_name
from smt_model.ev.key_table import KeyTable
from smt_model.model import MultiTaskModel
from smt_model.multihash import MultiHash
from smt_model.parts import PIECE, parts

_NO_KEY = -1
"""Less than any key."""


class BucketTable(tf.Module):
    """A vector for each bucket, float32 [buckets, dim]."""

    def __init__(self, vectors: NDArray[np.generic]) -> None:
        super().__init__(name="buckets")
        self._vectors = tf.Variable(vectors, trainable=False)

    def __call__(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the vectors of ids, int32 [E]; an id without a bucket is refused."""
        return tf.gather(self._vectors, ids)


class SharedBuckets(tf.Module):
    """A vector for each bucket, made of those of its quotient and of its remainder.

    Parameters
    ----------
    multihash
        How.
    buckets
        How many there are.
    quotients, remainders
        float32 [rows, width], both kinds of vectors.
    """

    def __init__(
        self,
        multihash: MultiHash,
        buckets: int,
        quotients: NDArray[np.generic],
        remainders: NDArray[np.generic],
    ) -> None:
        super().__init__(name="shared")
        self._multihash = multihash
        self._buckets = buckets
        self._quotients = tf.Variable(quotients, trainable=False)
        self._remainders = tf.Variable(remainders, trainable=False)

    def __call__(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the vectors of ids, int32 [E]; an id without a bucket is refused."""
        divisor = self._multihash.divisor
        # The last quotient may be that of more ids than there are buckets.
        known = tf.where(ids < self._buckets, ids // divisor, tf.shape(self._quotients)[0])
        first, second = (
            tf.gather(self._quotients, known),
            tf.gather(self._remainders, ids % divisor),
        )
        match self._multihash.operation:
            case "add":
                return first + second
            case "mul":
                return first * second
            case "concat":
                return tf.concat([first, second], axis=1)


class FrozenKeys(tf.Module):
    """A vector for each key of a list that no longer grows.

    Keys lie in a variable, in order, and are found by bisection: as constants of a lookup table
    they would count against the 2 GB of a graph.

    Parameters
    ----------
    keys
        int64 [N], in order.
    shared
        float32 [S, dim]: a key that is not among them has the vector ``key % S``.
    vectors
        float32 [N, dim], those of the keys.
    """

    def __init__(
        self,
        keys: NDArray[np.int64],
        shared: NDArray[np.generic],
        vectors: NDArray[np.float32],
    ) -> None:
        super().__init__(name="keys")
        self._keys = tf.Variable(np.concatenate([[_NO_KEY], keys]), trainable=False)
        self._shared = len(shared)
        self._vectors = tf.Variable(np.concatenate([shared, vectors]), trainable=False)

    def __call__(self, keys: tf.Tensor) -> tf.Tensor:
        """Return the vectors of keys, int64 [E]."""
        known = self._keys.read_value()
        behind = tf.raw_ops.UpperBound(
            sorted_inputs=known[tf.newaxis], values=keys[tf.newaxis], out_type=tf.int64
        )[0]
        is_known = tf.gather(known, tf.maximum(behind - 1, 0)) == keys
        # Behind the first of them stands key 0.
        own = self._shared + behind - 2
        return tf.gather(self._vectors, tf.where(is_known, own, keys % self._shared))


def serving_tables(model: MultiTaskModel) -> dict[str, BucketTable | SharedBuckets | FrozenKeys]:
    """Return the embeddings of each feature, by name."""
    values = {part.name: part for part in parts(model, None)}
    tables: dict[str, BucketTable | SharedBuckets | FrozenKeys] = {**shared_buckets(model)}
    for column in model.schema.features:
        if column.name in tables:
            continue
        part = values.get(part_name(column.name))
        if found := model.keys_of(column.name):
            keys, table = found
            # No buckets: every other key is a zero vector.
            shared = part.read() if part else np.zeros((1, column.dim), np.float32)
            vectors = np.concatenate(list(vectors_of(keys, table)))
            tables[column.name] = FrozenKeys(keys.keys[keys.owners], shared, vectors)
        else:
            assert part is not None, column.name
            tables[column.name] = BucketTable(part.read())
    return tables


def shared_buckets(model: MultiTaskModel) -> dict[str, SharedBuckets]:
    """Return the embeddings of the features with ``--multihash``, by name."""
    values = {part.name: part for part in parts(model, None)}
    layouts = [feature for table in model.tables for feature in table.layout.features]
    return {
        feature.name: SharedBuckets(
            feature.multihash,
            feature.column.buckets,
            *(values[part_name(block.name)].read() for block in feature.blocks),
        )
        for feature in layouts
        if feature.multihash
    }


def vectors_of(keys: KeyTable, table: EmbeddingTable) -> Iterator[NDArray[np.float32]]:
    """Yield the vectors of the keys that own one, in the order of the keys, some at a time.

    There is one piece at least, if only an empty one.
    """
    owners = keys.owners
    for start in range(0, max(len(owners), 1), PIECE):
        numbers = owners[start : start + PIECE]
        yield np.concatenate([_block(rows[numbers], table) for rows in keys.block_rows], axis=1)


def _block(rows: NDArray[np.int32], table: EmbeddingTable) -> NDArray[np.float32]:
    """Return the vectors of rows; zeros for row -1."""
    vectors = table.packed.sparse_read(np.maximum(rows, 0))[:, : table.layout.dim].numpy()
    zero = np.float32(0)
    return np.where((rows >= 0)[:, np.newaxis], vectors, zero)
