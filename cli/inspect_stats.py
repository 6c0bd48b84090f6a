"""`smt inspect-stats`: what a log holds, what hashing did to it and what has changed."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smt_cli.startup import importing
from smt_features.memory import keep_freed_memory

if TYPE_CHECKING:
    from smt_features.statistics.drift_model import Drift
    from smt_features.statistics.model import Statistics


class Failure(StrEnum):
    """What makes the command fail."""

    drift = "drift"


def command(
    dataset: Annotated[
        Path,
        typer.Argument(help="Folder of the shards, the data folder that holds it, or raw files."),
    ] = Path("data"),
    other: Annotated[
        Path | None, typer.Argument(help="Another such folder, to compare with the first.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Show this split only.")] = None,
    column: Annotated[str | None, typer.Option(help="Show all about this column.")] = None,
    schema: Annotated[
        Path | None,
        typer.Option(
            help="TOML file that describes raw files and says when a column has drifted.",
            show_default="Taobao, or the dataset's own",
        ),
    ] = None,
    fail_on: Annotated[
        Failure | None, typer.Option(help="Exit 1 when a column has drifted.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page to look at in a browser.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the statistics as JSON.")] = False,
) -> None:
    """Show what a log holds and what hashing did to it.

    Splits are compared with each other, and two datasets or days when both are given.
    """
    keep_freed_memory()
    with importing():
        from smt_cli.column_tables import print_one_column
        from smt_cli.drift_tables import print_drift
        from smt_cli.progress import stages
        from smt_cli.stats_tables import print_columns
        from smt_features.statistics.source import find_statistics
        from smt_schemas import DatasetSchema, UsageError

    log = DatasetSchema.from_toml(schema) if schema else None
    if other is not None:
        if html is not None or split is not None:
            msg = "--html and --split are for one dataset, not for the comparison of two."
            raise UsageError(msg)
        from smt_features.statistics.compare import compare

        with stages() as progress:
            comparison = compare(dataset, other, log, progress=progress).select(column)
        if json:
            typer.echo(comparison.to_json(), nl=False)
        else:
            print_drift(comparison.drift, details=column is not None)
        _tell_left_out(comparison.reference_rejected_rows, dataset, json=json)
        _tell_left_out(comparison.current_rejected_rows, other, json=json)
        _fail(comparison.drift, fail_on)
        return
    with stages() as progress:
        found = find_statistics(dataset, log, progress=progress)
    shown = found.statistics.select(split=split, column=column)
    if fail_on is not None and not shown.drift:
        raise UsageError(_nothing_to_judge(found.statistics))
    if html is not None:
        from smt_features.statistics.page import write_page

        write_page(shown, html, title=str(dataset))
    if json:
        typer.echo(shown.to_json(), nl=False)
    else:
        (print_columns if column is None else print_one_column)(shown)
        print_drift(shown.drift, details=column is not None)
        typer.echo(f"From {found.path}")
        if html is not None:
            typer.echo(f"Page: {html}")
    _tell_left_out(found.rejected_rows, dataset, json=json)
    _fail(shown.drift, fail_on)


def _tell_left_out(rows: int, path: Path, *, json: bool) -> None:
    if rows:
        # Behind --json goes the document alone.
        typer.echo(f"Left out: {rows:,} bad rows of {path}.", err=json)


def _nothing_to_judge(statistics: "Statistics") -> str:
    """Return why no drift is known of what is shown."""
    names = list(statistics.splits)
    if len(names) < 2:
        return f"--fail-on needs two splits to compare; there is {' '.join(names) or 'none'}."
    return (
        f"{names[0]} is what other splits are compared with: it cannot fail on drift. "
        f"Give another --split ({', '.join(names[1:])}), or none."
    )


def _fail(drift: "list[Drift]", fail_on: Failure | None) -> None:
    """Raise when drift was found and is to fail the command."""
    from smt_schemas import UserError

    found = [
        f"  {column.name} in {part.current}: "
        + ", ".join(distance.measure for distance in column.drifted)
        for part in drift
        for column in part.drifted
    ]
    if fail_on is Failure.drift and found:
        noun = "column has" if len(found) == 1 else "columns have"
        msg = (
            f"{len(found)} {noun} drifted:\n"
            + "\n".join(found)
            + "\nThe limits are in the table [drift] of the schema: --schema FILE."
        )
        raise UserError(msg)
