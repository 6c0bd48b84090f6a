"""How a run keeps the vectors of each feature: by key, by two small tables, or by bucket."""

from smt_model.config import TrainConfig
from smt_model.ev.options import EvOptions
from smt_model.multihash import MultiHash
from smt_schemas import Column, DatasetSchema, UsageError


def embedding_variables(config: TrainConfig, schema: DatasetSchema) -> dict[str, EvOptions]:
    """Return the features whose keys own vectors, with their options.

    They are hashed ones; what is encoded otherwise does not collide.

    Raises
    ------
    UsageError
        When a column with options of its own is no hashed feature, or its blocks do not make
        up its vector.
    """
    found = {}
    for column, option in _hashed(config, schema):
        size, blocks = option.dynamic_ev_block_size, option.dynamic_ev_blocks
        if option.dynamic_ev and size * blocks != column.dim:
            msg = (
                f"dynamic-ev: {blocks} blocks of {size} are no vector of {column.name}, whose "
                f"embedding_dim is {column.dim}. Change dynamic-ev-blocks or -block-size."
            )
            raise UsageError(msg)
        if option.owns_vectors:
            found[column.name] = option
    return found


def multihashed(config: TrainConfig, schema: DatasetSchema) -> dict[str, MultiHash]:
    """Return the features whose buckets share two small tables, and how.

    One whose table would not become smaller keeps it.

    Raises
    ------
    UsageError
        When that is so for a feature that was asked for by name, or for all of them, or when
        a vector cannot be halved.
    """
    found: dict[str, MultiHash] = {}
    for column, options in _hashed(config, schema):
        try:
            multihash = options.multihash_of(column) if options.multihash else None
        except ValueError as error:
            msg = f"columns.{column.name}: {error}"
            raise UsageError(msg) from error
        if multihash:
            found[column.name] = multihash
        elif config.columns.get(column.name, {}).get("multihash"):
            msg = f"columns.{column.name}: multihash saves none of its {column.buckets} rows"
            raise UsageError(msg)
    if config.multihash and not found:
        msg = f"multihash-divisor {config.multihash_divisor} saves no row of any feature"
        raise UsageError(msg)
    return found


def _hashed(config: TrainConfig, schema: DatasetSchema) -> list[tuple[Column, EvOptions]]:
    hashed = {column.name: column for column in schema.features if column.encoding == "hash"}
    for name in config.columns.keys() - hashed.keys():
        msg = f"columns.{name}: the schema has no hashed feature of that name."
        raise UsageError(msg)
    return [(c, config.changed(config.columns.get(c.name, {}))) for c in hashed.values()]
