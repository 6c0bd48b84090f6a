"""JAX: a loop of one jitted step, fed by NumPy batches.

Run `python examples/jax_loop.py DATA [--run RUN]`.

The model of each task is a factorization machine (Rendle, 2010), over one table with offsets.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from common import LABELS, arguments, report

from smt_features import Bags, Batch
from smt_schemas import DatasetSchema

TASKS, WIDTH, RATE, PAD = len(LABELS), 8, 0.05, 1 << 15


def entries_of(batch: Batch, schema: DatasetSchema) -> tuple[np.ndarray, ...]:
    """Return table row, example and weight of each entry, padded: jit wants few shapes."""
    ids, rows, weights, offset = [], [], [], 0
    for feature in schema.features:
        values = batch[feature.name]
        if isinstance(values, Bags):
            row = np.repeat(np.arange(len(values.row_splits) - 1), np.diff(values.row_splits))
            weights.append(values.counts / np.bincount(row, values.counts)[row])
        else:
            row = np.arange(len(values))
            weights.append(np.ones(len(values)))
        rows.append(row)
        ids.append((values.ids if isinstance(values, Bags) else values) + offset)
        offset += feature.buckets
    room = (0, -sum(map(len, ids)) % PAD)
    return tuple(np.pad(np.concatenate(parts), room) for parts in (ids, rows, weights))


@partial(jax.jit, static_argnames="examples")
def logits(parameters: dict, entries: tuple, examples: int) -> jax.Array:
    """Return logits [examples, tasks]."""
    ids, rows, weights = entries
    vectors = parameters["table"][ids] * weights[:, None]
    sums = jax.ops.segment_sum(vectors, rows, examples)
    pairs = (sums**2 - jax.ops.segment_sum(vectors**2, rows, examples))[:, TASKS:]
    second = pairs.reshape(examples, TASKS, WIDTH).sum(-1) / 2
    return sums[:, :TASKS] + second + parameters["bias"]


@partial(jax.jit, donate_argnums=(0, 1))
def step(parameters: dict, squares: dict, entries: tuple, labels: np.ndarray) -> tuple:
    """Take a step of Adagrad."""

    def loss(parameters: dict) -> jax.Array:
        found = logits(parameters, entries, len(labels))
        return jnp.mean(jnp.logaddexp(0, found) - labels * found)

    gradients = jax.grad(loss)(parameters)
    squares = jax.tree.map(lambda s, g: s + g**2, squares, gradients)
    update = partial(jax.tree.map, lambda p, s, g: p - RATE * g / jnp.sqrt(s))
    return update(parameters, squares, gradients), squares


def main() -> None:
    data, args = arguments(__doc__)
    shape = sum(feature.buckets for feature in data.schema.features), TASKS * (1 + WIDTH)
    table = np.random.default_rng(args.seed).normal(0, 0.01, shape)
    parameters = {"table": jnp.array(table, jnp.float32), "bias": jnp.full(TASKS, -3.0)}
    state = (parameters, jax.tree.map(lambda p: jnp.full_like(p, 1e-7), parameters))
    for epoch in range(args.epochs):
        for batch in data["train"].batches(args.batch_size, seed=args.seed, epoch=epoch):
            labels = np.stack([batch[name] for name in LABELS.values()], 1)
            state = step(*state, entries_of(batch, data.schema), labels)
    test = data["test"].batches(4096, shuffle=False)
    scores = [logits(state[0], entries_of(b, data.schema), len(b["clk"])) for b in test]
    report("JAX", dict(zip(LABELS, np.concatenate(scores).T, strict=True)), data, args.run)


if __name__ == "__main__":
    main()
