"""The same model in NumPy float64: forward, backward and update, written independently."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smt_model.config import OPTIMIZERS, OptimizerName
from smt_model.loss import Loss
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer, make_optimizer
from smt_model.parts import parts
from smt_model.step import TrainStep
from smt_schemas import DatasetSchema

Array = NDArray[np.float64]


class Reference:
    """Starts from the values of a model: tables by feature, (kernel, bias) pairs by task."""

    def __init__(
        self,
        model: MultiTaskModel,
        optimizer: Optimizer,
        loss: Loss,
        rule: Callable[[Array, list[Array], Array, int], tuple[Array, list[Array]]],
        slots: list[float],
    ) -> None:
        values = {part.name: part.read().astype(np.float64) for part in parts(model, optimizer)}
        self.schema, self.l2, self.rule = model.schema, loss.l2, rule
        self.weights = loss.weights or (1.0,) * len(model.towers)
        names = [feature.name for table in model.tables for feature in table.layout.features]
        self.tables = {name: values[f"embedding/{name}"] for name in names}
        self.towers = {
            task: [
                (values[f"tower/{task}/{layer}/kernel"], values[f"tower/{task}/{layer}/bias"])
                for layer in range(5)
            ]
            for task in model.schema.tasks
        }
        self.slots = {
            id(value): [np.full(value.shape, slot) for slot in slots] for value in values.values()
        }
        self.steps = 0

    def step(self, batch: dict[str, Any]) -> float:
        """Update once; return the loss before the update."""
        means = {c.name: mean_matrix(batch[c.name], c.buckets) for c in self.schema.features}
        pooled = [means[name] @ table for name, table in self.tables.items()]
        numerics = [batch[c.name].astype(np.float64)[:, None] for c in self.schema.numerics]
        inputs = np.concatenate([*pooled, *numerics], axis=1)
        losses, back = [], np.zeros_like(inputs)
        updates: list[tuple[Array, Any, Array]] = []  # value, rows, gradient of these
        whole = slice(None)
        for (task, label), weight in zip(self.schema.tasks.items(), self.weights, strict=True):
            y = batch[label].astype(np.float64)
            activations = [inputs]
            for kernel, bias in self.towers[task][:-1]:
                activations.append(np.maximum(activations[-1] @ kernel + bias, 0))
            kernel, bias = self.towers[task][-1]
            z = (activations[-1] @ kernel + bias)[:, 0]
            losses.append(weight * np.mean(np.logaddexp(0, z) - y * z))
            delta = (weight * (1 / (1 + np.exp(-z)) - y) / (len(y) * len(self.towers)))[:, None]
            for layer in reversed(range(len(self.towers[task]))):
                kernel, bias = self.towers[task][layer]
                updates.append((kernel, whole, activations[layer].T @ delta + self.l2 * kernel))
                updates.append((bias, whole, delta.sum(axis=0)))
                delta = delta @ kernel.T
                if layer:
                    delta = delta * (activations[layer] > 0)
            back += delta
        edges = np.cumsum([0, *(part.shape[1] for part in pooled)])
        for (name, table), (start, stop) in zip(self.tables.items(), pairwise(edges), strict=True):
            rows = np.flatnonzero(means[name].any(axis=0))
            updates.append((table, rows, (means[name].T @ back[:, start:stop])[rows]))
        kernels = [kernel for tower in self.towers.values() for kernel, _ in tower]
        loss = np.mean(losses) + self.l2 * sum(np.sum(k * k) / 2 for k in kernels)
        self.steps += 1
        for value, rows, gradient in updates:
            slots = self.slots[id(value)]
            kept = [slot[rows] for slot in slots]
            value[rows], new = self.rule(value[rows], kept, gradient, self.steps)
            for slot, values in zip(slots, new, strict=True):
                slot[rows] = values
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


def both(
    schema: DatasetSchema, rules: Any, loss: Loss, name: OptimizerName = "adagrad", **options: Any
) -> Callable[[list[Any]], tuple[Array, list[float]]]:
    """Return what trains both models on batches, and gives the losses of both."""
    optimizer = make_optimizer(rules.options(name), 20)
    model = MultiTaskModel(schema, 5, slots=optimizer.initial)
    optimizer.build(model.dense_variables, model.tables)
    step = TrainStep(model, optimizer, loss, **options)
    reference = Reference(model, optimizer, loss, partial(rules.update, name), rules.initial[name])

    def train(batches: list[Any]) -> tuple[Array, list[float]]:
        losses = [step([model.fuser(batch)]) for batch in batches]
        return np.concatenate(losses), [reference.step(batch) for batch in batches]

    return train


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_losses_are_those_of_the_numpy_model(
    schema: DatasetSchema, make_batch: Any, rules: Any, name: OptimizerName
) -> None:
    train = both(schema, rules, Loss(), name)
    losses, expected = train([make_batch(schema, 64, seed) for seed in range(20)])
    np.testing.assert_allclose(losses[:, 0], expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(losses[:, 0], losses[:, 1:].mean(axis=1), atol=1e-6)


def test_l2_and_task_weights_are_those_of_the_numpy_model(
    schema: DatasetSchema, make_batch: Any, rules: Any
) -> None:
    train = both(schema, rules, Loss((0.5, 3.0), l2=0.01))
    losses, expected = train([make_batch(schema, 64, seed) for seed in range(20)])
    np.testing.assert_allclose(losses[:, 0], expected, rtol=0, atol=1e-5)


def test_micro_batches_train_as_the_whole_batch_of_the_numpy_model(
    schema: DatasetSchema, make_batch: Any, rules: Any
) -> None:
    # 50 rows in 4 parts of 12 or 13; and 2 rows, so that two parts are empty.
    train = both(schema, rules, Loss((1.0, 2.0), l2=0.01), "adam", micro_batches=4)
    losses, expected = train([make_batch(schema, rows, rows) for rows in (50, 2, 50, 49, 48, 3)])
    np.testing.assert_allclose(losses[:, 0], expected, rtol=0, atol=1e-5)


def test_two_widths_train_as_the_numpy_model_does(
    make_schema: Any, make_batch: Any, rules: Any
) -> None:
    schema = make_schema(tags={"embedding_dim": 8})
    train = both(schema, rules, Loss())
    losses, expected = train([make_batch(schema, 32, seed) for seed in range(5)])
    np.testing.assert_allclose(losses[:, 0], expected, atol=1e-5)


def test_numeric_features_join_the_input_as_in_the_numpy_model(
    schema: DatasetSchema, make_batch: Any, rules: Any
) -> None:
    numeric = {"role": "item", "type": "float", "encoding": "numeric", "required": True}
    fields = schema.model_dump()
    fields["columns"] += [numeric | {"name": name} for name in ("price", "age")]
    schema = DatasetSchema.model_validate(fields)
    train = both(schema, rules, Loss(), "adam", micro_batches=2)
    losses, expected = train([make_batch(schema, 32, seed) for seed in range(5)])
    np.testing.assert_allclose(losses[:, 0], expected, atol=1e-5)
