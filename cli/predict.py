"""`smt predict`: probabilities for every row of a log."""

from pathlib import Path
from typing import Annotated

import typer

from smt_cli.startup import importing


def command(
    run: Annotated[Path, typer.Argument(help="Directory of a run of `smt train`.")],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="CSV, Parquet or JSON lines, with or without labels; or shards."
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option(help="File to write: .parquet, .csv or .jsonl by its extension.")
    ],
    split: Annotated[str, typer.Option(help="Split to predict, of shards.")] = "test",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write a prediction for every row of a log, in order.

    A row that breaks a rule gets an error instead, so rows in are rows out.
    """
    from time import perf_counter

    with importing():
        from smt_cli.progress import stages
        from smt_cli.report import print_json
        from smt_model import runtime
        from smt_model.run_directory import RunDirectory

    config = RunDirectory(run).config
    with importing():
        runtime.start_tensorflow(config.inter, config.intra)
        from smt_model.predict import predict_run

    start = perf_counter()
    with stages() as progress:
        result = predict_run(
            run, source, output, split=split, overwrite=overwrite, progress=progress
        )
    seconds = perf_counter() - start
    if json:
        restored = {"restored": result.restored} if result.restored else {}
        counts = {"rows": result.rows, "errors": result.errors}
        print_json({"output": str(output), **counts, **restored})
        return
    typer.echo(
        f"{result.rows:,} rows in {output}: {result.rows - result.errors:,} predictions, "
        f"{result.errors:,} errors ({seconds:.1f} s, {result.rows / seconds:,.0f} rows/s)"
    )
    if result.restored:
        typer.echo(f"Model: {result.restored}")
