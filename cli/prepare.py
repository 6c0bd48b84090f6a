"""`smt prepare`: raw logs to shards."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    directory: Annotated[Path, typer.Argument(help="Folder that holds the raw log files.")],
) -> None:
    """Validate a raw log, hash its features and write shards."""
