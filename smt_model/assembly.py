"""Puts a model, its optimizer and its step together, as the options say."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smt_model.batching import FusedBatch
from smt_model.config import TrainConfig
from smt_model.embedding import EmbeddingTable
from smt_model.feature_options import embedding_variables, multihashed
from smt_model.loss import Loss
from smt_model.model import MakeTable, MultiTaskModel
from smt_model.optimizer import Optimizer, make_optimizer
from smt_model.plain import PlainStep
from smt_model.step import TrainStep
from smt_model.task_weight import task_weights
from smt_schemas import DatasetSchema

Step = Callable[[Sequence[FusedBatch]], NDArray[np.float32]]
"""Batches to losses, float32 [steps, 1 + tasks]; see `TrainStep`."""

MakeStep = Callable[[MultiTaskModel, Optimizer, Loss], Step]


class Assembly(NamedTuple):
    """What is trained, how, and the function that does it."""

    model: MultiTaskModel
    optimizer: Optimizer
    step: Step


def assemble(
    config: TrainConfig,
    schema: DatasetSchema,
    total_steps: int,
    bf16_native: bool | None = None,
    make_step: MakeStep | None = None,
) -> Assembly:
    """Return the parts of a run of so many steps, with their initial values.

    Parameters
    ----------
    config, schema, total_steps
        The options, the schema of the data, and the length of the run.
    bf16_native
        As for `MultiTaskModel`.
    make_step
        Makes the step; None for the one of a process by itself.
    """
    optimizer = make_optimizer(config, total_steps)
    loss = Loss(task_weights(config.task_weight, schema.tasks), config.l2_regularization)
    model = make_model(
        config,
        schema,
        bf16_native=bf16_native,
        emb_fusion=config.emb_fusion and not config.tf,
        slots=None if config.tf else optimizer.initial,
    )
    if config.tf:
        variables = [*model.dense_variables, *(table.packed for table in model.tables)]
        optimizer.build(variables, model.tables)
        return Assembly(model, optimizer, PlainStep(model, optimizer, loss))
    optimizer.build(model.dense_variables, model.tables)
    if make_step:
        return Assembly(model, optimizer, make_step(model, optimizer, loss))
    step = TrainStep(
        model,
        optimizer,
        loss,
        clip_norm=config.clip_norm,
        micro_batches=config.micro_batch,
        async_embedding=config.async_embedding,
    )
    return Assembly(model, optimizer, step)


def make_model(
    config: TrainConfig,
    schema: DatasetSchema,
    *,
    bf16_native: bool | None = None,
    emb_fusion: bool = True,
    slots: Mapping[str, float] | None = None,
    make_table: MakeTable = EmbeddingTable,
) -> MultiTaskModel:
    """Return the model of a run with its initial values.

    Parameters
    ----------
    config, schema
        The options, and the schema of the data.
    bf16_native, emb_fusion, slots, make_table
        As for `MultiTaskModel`.

    Raises
    ------
    UsageError
        When options are about columns that the schema does not have.
    """
    return MultiTaskModel(
        schema,
        config.seed,
        bf16=config.bf16,
        bf16_native=bf16_native,
        emb_fusion=emb_fusion,
        slots=slots,
        variables=embedding_variables(config, schema),
        capacity=config.ev_capacity,
        multihash=multihashed(config, schema),
        make_table=make_table,
    )
