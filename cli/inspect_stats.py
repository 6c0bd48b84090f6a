"""`smt inspect-stats`: what a log holds and what hashing did to it."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    dataset: Annotated[
        Path,
        typer.Argument(help="Folder of the shards, the data folder that holds it, or raw files."),
    ] = Path("data"),
    split: Annotated[str | None, typer.Option(help="Show this split only.")] = None,
    column: Annotated[str | None, typer.Option(help="Show all about this column.")] = None,
    schema: Annotated[
        Path | None, typer.Option(help="TOML file that describes raw files.", show_default="Taobao")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the statistics as JSON.")] = False,
) -> None:
    """Show what a log holds and what hashing did to it."""
    from smt_cli.progress import stages
    from smt_cli.stats_tables import print_columns, print_one_column
    from smt_features.statistics.source import find_statistics
    from smt_schemas import DatasetSchema, taobao

    log = DatasetSchema.from_toml(schema) if schema else taobao()
    with stages() as progress:
        found = find_statistics(dataset, log, progress=progress)
    shown = found.statistics.select(split=split, column=column)
    if json:
        typer.echo(shown.to_json(), nl=False)
        return
    (print_columns if column is None else print_one_column)(shown)
    if found.rejected_rows:
        typer.echo(f"Left out: {found.rejected_rows:,} bad rows.")
    typer.echo(f"From {found.path}")
