"""Makes the model that the options of a run describe."""

from collections.abc import Mapping

from smt_model.config import TrainConfig
from smt_model.model import MultiTaskModel
from smt_schemas import DatasetSchema


def make_model(
    config: TrainConfig, schema: DatasetSchema, slots: Mapping[str, float] | None = None
) -> MultiTaskModel:
    """Return the model of a run with its initial values.

    Parameters
    ----------
    config
        The options.
    schema
        Of the data.
    slots
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
        slots=slots,
        variables=config.embedding_variables(schema),
        capacity=config.ev_capacity,
    )
