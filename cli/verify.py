"""`smt verify`: check a dataset against its manifest."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    dataset: Annotated[
        Path, typer.Argument(help="Folder of the shards, or the data folder that holds it.")
    ] = Path("data"),
) -> None:
    """Compare every shard's bytes with the manifest."""
    from smt_features import open_shards
    from smt_features.verify import shards_of

    opened = open_shards(dataset, verify=True)
    rows = sum(opened[split].rows for split in opened.splits)
    count = len(shards_of(opened.manifest))
    typer.echo(f"{opened.directory}: {count} shards with {rows:,} rows are as they were written")
