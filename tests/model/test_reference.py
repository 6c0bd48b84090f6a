"""The same model in NumPy float64: forward, backward and Adagrad, written independently."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smt_model.config import TrainConfig
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer, make_optimizer
from smt_model.parts import parts
from smt_model.step import TrainStep
from smt_schemas import DatasetSchema

Array = NDArray[np.float64]
RATE, ACCUMULATOR = 0.1, 0.1


class Reference:
    """Starts from given values: tables by feature, and (kernel, bias) pairs by task."""

    def __init__(
        self,
        schema: DatasetSchema,
        tables: dict[str, Array],
        towers: dict[str, list[tuple[Array, Array]]],
        l2: float = 0.0,
    ) -> None:
        self.schema, self.tables, self.towers, self.l2 = schema, tables, towers, l2
        every = [
            *tables.values(),
            *(w for tower in towers.values() for pair in tower for w in pair),
        ]
        self.accumulators = {id(value): np.full(value.shape, ACCUMULATOR) for value in every}

    def step(self, batch: dict[str, Any]) -> float:
        """Update once; return the loss before the update."""
        means = {c.name: mean_matrix(batch[c.name], c.buckets) for c in self.schema.features}
        pooled = [means[name] @ table for name, table in self.tables.items()]
        numerics = [batch[c.name].astype(np.float64)[:, None] for c in self.schema.numerics]
        inputs = np.concatenate([*pooled, *numerics], axis=1)
        losses, updates, back = [], [], np.zeros_like(inputs)
        for task, label in self.schema.tasks.items():
            y = batch[label].astype(np.float64)
            activations = [inputs]
            for kernel, bias in self.towers[task][:-1]:
                activations.append(np.maximum(activations[-1] @ kernel + bias, 0))
            kernel, bias = self.towers[task][-1]
            z = (activations[-1] @ kernel + bias)[:, 0]
            losses.append(np.mean(np.logaddexp(0, z) - y * z))
            delta = ((1 / (1 + np.exp(-z)) - y) / (len(y) * len(self.towers)))[:, None]
            for layer in reversed(range(len(self.towers[task]))):
                kernel, bias = self.towers[task][layer]
                updates.append((kernel, activations[layer].T @ delta + self.l2 * kernel))
                updates.append((bias, delta.sum(axis=0)))
                delta = delta @ kernel.T
                if layer:
                    delta = delta * (activations[layer] > 0)
            back += delta
        edges = np.cumsum([0, *(part.shape[1] for part in pooled)])
        for (name, table), (start, stop) in zip(self.tables.items(), pairwise(edges), strict=True):
            updates.append((table, means[name].T @ back[:, start:stop]))
        kernels = [kernel for tower in self.towers.values() for kernel, _ in tower]
        loss = np.mean(losses) + self.l2 * sum(np.sum(k * k) / 2 for k in kernels)
        for value, gradient in updates:
            accumulator = self.accumulators[id(value)]
            accumulator += gradient * gradient
            value -= RATE * gradient / np.sqrt(accumulator)
        return float(loss)


def mean_matrix(values: Any, buckets: int) -> Array:
    """Return the matrix [rows, buckets] that takes the mean over each row's entries."""
    if isinstance(values, np.ndarray):
        return np.eye(buckets)[values]
    matrix = np.zeros((len(values.row_splits) - 1, buckets))
    for row, (start, stop) in enumerate(pairwise(values.row_splits)):
        np.add.at(matrix[row], values.ids[start:stop], values.counts[start:stop])
        matrix[row] /= max(matrix[row].sum(), 1)
    return matrix


def made(schema: DatasetSchema, l2: float = 0.0) -> tuple[MultiTaskModel, Optimizer, TrainStep]:
    optimizer = make_optimizer(TrainConfig(learning_rate=RATE, initial_accumulator=ACCUMULATOR))
    model = MultiTaskModel(schema, 5, slots=optimizer.initial)
    optimizer.build(model.dense_variables)
    return model, optimizer, TrainStep(model, optimizer, l2)


def reference_of(model: MultiTaskModel, optimizer: Optimizer, l2: float) -> Reference:
    values = {part.name: part.read().astype(np.float64) for part in parts(model, optimizer)}
    names = [column.name for table in model.tables for column in table.layout.features]
    towers = {
        task: [
            (values[f"tower/{task}/{layer}/kernel"], values[f"tower/{task}/{layer}/bias"])
            for layer in range(5)
        ]
        for task in model.schema.tasks
    }
    tables = {name: values[f"embedding/{name}"] for name in names}
    return Reference(model.schema, tables, towers, l2)


@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_losses_are_those_of_the_numpy_model(
    schema: DatasetSchema, make_batch: Any, l2: float
) -> None:
    batches = [make_batch(schema, 64, seed) for seed in range(20)]
    model, optimizer, step = made(schema, l2)
    reference = reference_of(model, optimizer, l2)
    losses = np.concatenate(
        [step([model.fuser(batch) for batch in batches[i : i + 5]]) for i in range(0, 20, 5)]
    )
    expected = [reference.step(batch) for batch in batches]
    np.testing.assert_allclose(losses[:, 0], expected, rtol=0, atol=1e-5)
    if not l2:
        np.testing.assert_allclose(losses[:, 0], losses[:, 1:].mean(axis=1), atol=1e-6)


def test_two_widths_train_as_the_numpy_model_does(make_schema: Any, make_batch: Any) -> None:
    schema = make_schema(tags={"embedding_dim": 8})
    model, optimizer, step = made(schema)
    reference = reference_of(model, optimizer, 0.0)
    some = [make_batch(schema, 32, seed) for seed in range(5)]
    expected = [reference.step(batch) for batch in some]
    np.testing.assert_allclose(
        step([model.fuser(batch) for batch in some])[:, 0], expected, atol=1e-5
    )


def test_numeric_features_join_the_input_as_in_the_numpy_model(
    schema: DatasetSchema, make_batch: Any
) -> None:
    numeric = {"role": "item", "type": "float", "encoding": "numeric", "required": True}
    fields = schema.model_dump()
    fields["columns"] += [numeric | {"name": name} for name in ("price", "age")]
    schema = DatasetSchema.model_validate(fields)
    model, optimizer, step = made(schema)
    reference = reference_of(model, optimizer, 0.0)
    some = [make_batch(schema, 32, seed) for seed in range(5)]
    expected = [reference.step(batch) for batch in some]
    np.testing.assert_allclose(
        step([model.fuser(batch) for batch in some])[:, 0], expected, atol=1e-5
    )
