"""`smt prepare`: raw logs to shards."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from smt_cli.startup import importing
from smt_features.memory import keep_freed_memory


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
    key_texts: Annotated[
        bool, typer.Option("--key-texts", help="Also write the text of each key; needs --keys.")
    ] = False,
    rows_per_shard: Annotated[int, typer.Option(min=1, help="Rows of a shard.")] = 1 << 18,
    rows_per_example: Annotated[
        int, typer.Option(min=1, help="Rows of a TFRecord Example; 1 is the classic layout.")
    ] = 1 << 12,
    max_bad_rows: Annotated[int, typer.Option(min=0, help="Publish despite so many bad rows.")] = 0,
    max_bad_fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Publish despite such a share of bad rows.")
    ] = 0.0,
    statistics: Annotated[bool, typer.Option(help="Write statistics of the values.")] = True,
    part: Annotated[
        str | None,
        typer.Option(metavar="K/N", help="Read part K of N only, for --merge to put together."),
    ] = None,
    merge: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Write the dataset from N parts.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a dataset made differently.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Validate a raw log, hash its features and write shards."""
    from time import perf_counter

    keep_freed_memory()
    with importing():
        from smt_features.source_digests import SourceDigests
        from smt_features.sources import find_sources
        from smt_schemas import DatasetSchema, UsageError, taobao

    if part is not None and merge is not None:
        raise UsageError("--part makes a part and --merge joins them; give one of the two.")
    if key_texts and not keys:
        raise UsageError("--key-texts writes the texts of keys; give --keys, too.")
    parsed = DatasetSchema.from_toml(schema) if schema else taobao()
    # A core digests while the other one imports.
    digests = SourceDigests(find_sources(directory, parsed)) if part is None else None
    with importing():
        from smt_cli.progress import stages
        from smt_cli.report import prepared_as_json, print_json, print_part, print_prepared
        from smt_features.manifest import PrepareOptions
        from smt_features.parts import merge_parts, parse_part, prepare_part
        from smt_features.prepare import prepare
        from smt_features.reading import PrepareJob

    job = PrepareJob(
        directory,
        output or directory / "shards",
        parsed,
        PrepareOptions(
            format=format.value,
            shuffle=shuffle,
            keys=keys,
            key_texts=key_texts,
            rows_per_shard=rows_per_shard,
            rows_per_example=rows_per_example,
        ),
        seed=seed,
        max_bad_rows=max_bad_rows,
        max_bad_fraction=max_bad_fraction,
        overwrite=overwrite,
        statistics=statistics,
    )
    start = perf_counter()
    with stages() as progress:
        if part is not None:
            number, parts = parse_part(part)
            record = prepare_part(job, number, parts, progress)
        elif merge is not None:
            result = merge_parts(job, merge, progress, digests)
        else:
            result = prepare(job, progress, digests)
    if part is not None:
        print_part(record, part, as_json=json)
    elif json:
        print_json(prepared_as_json(result))
    else:
        print_prepared(result, perf_counter() - start)
