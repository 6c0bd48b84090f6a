"""`smt verify`: check a dataset against its manifest."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    dataset: Annotated[Path, typer.Argument(help="Shards folder, or the data folder.")],
) -> None:
    """Check every shard's digest, schema and rows against the manifest."""
