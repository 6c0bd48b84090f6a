"""`smt prepare`: raw logs to shards."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """Shard formats."""

    parquet = "parquet"
    tfrecord = "tfrecord"
    both = "both"


def command(
    directory: Annotated[Path, typer.Argument(help="Folder that holds the raw log files.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder of the dataset.", show_default="DIRECTORY/shards")
    ] = None,
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.parquet,  # noqa: A002
    schema: Annotated[
        Path | None, typer.Option(help="TOML file that describes the log.", show_default="Taobao")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of hash and shuffle.")] = 0,
    shuffle: Annotated[bool, typer.Option(help="Shuffle rows across the whole split.")] = True,
    keys: Annotated[bool, typer.Option(help="Also write 63-bit keys of hashed features.")] = False,
    rows_per_shard: Annotated[int, typer.Option(min=1, help="Rows of a shard.")] = 1 << 18,
    rows_per_example: Annotated[
        int, typer.Option(min=1, help="Rows of a TFRecord Example; 1 is the classic layout.")
    ] = 1 << 12,
    max_bad_rows: Annotated[int, typer.Option(min=0, help="Publish despite so many bad rows.")] = 0,
    max_bad_fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Publish despite such a share of bad rows.")
    ] = 0.0,
    overwrite: Annotated[bool, typer.Option(help="Replace a dataset made differently.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Validate a raw log, hash its features and write shards."""
    from time import perf_counter

    from smt_cli.progress import stages
    from smt_cli.report import prepared_as_json, print_json, print_prepared
    from smt_features.manifest import PrepareOptions
    from smt_features.prepare import PrepareJob, prepare
    from smt_schemas import DatasetSchema, taobao

    job = PrepareJob(
        directory,
        output or directory / "shards",
        DatasetSchema.from_toml(schema) if schema else taobao(),
        PrepareOptions(
            format=format.value,
            shuffle=shuffle,
            keys=keys,
            rows_per_shard=rows_per_shard,
            rows_per_example=rows_per_example,
        ),
        seed=seed,
        max_bad_rows=max_bad_rows,
        max_bad_fraction=max_bad_fraction,
        overwrite=overwrite,
    )
    start = perf_counter()
    with stages() as progress:
        result = prepare(job, progress)
    if json:
        print_json(prepared_as_json(result))
    else:
        print_prepared(result, perf_counter() - start)
