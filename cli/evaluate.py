"""`smt evaluate`: the metrics of a trained model."""

from pathlib import Path
from typing import Annotated

import typer

from smt_cli.startup import importing


def command(
    run: Annotated[Path, typer.Argument(help="Directory of a run of `smt train`.")],
    data: Annotated[
        Path | None, typer.Argument(help="Shards or data folder; default the run's own.")
    ] = None,
    *,
    data_location: Annotated[Path | None, typer.Option(help="The same as DATA.")] = None,
    split: Annotated[str, typer.Option(help="Split to evaluate.")] = "test",
    best: Annotated[
        bool, typer.Option("--best", help="The best checkpoint of early stopping.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with curves to this file.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the page if it exists.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")] = False,
) -> None:
    """Evaluate the newest checkpoint of a run, or its best one."""
    with importing():
        from smt_model import runtime
        from smt_model.run_directory import RunDirectory
        from smt_schemas import UsageError, UserError

    if data and data_location:
        raise UsageError("DATA and --data-location are the same; give one of the two.")
    if html and html.exists() and not overwrite:
        raise UserError(f"{html} exists. Give --html another file, or --overwrite.")
    config = RunDirectory(run).config
    with importing():
        runtime.start_tensorflow(config.inter, config.intra)
        from smt_model.evaluation import evaluate_run

    result = evaluate_run(run, data or data_location, split, best=best, html=html)
    typer.echo(result.model_dump_json(indent=2) if json else result.text())
    if html and not json:
        typer.echo(f"Page: {html}")
