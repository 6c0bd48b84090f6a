"""`smt bench`: speed and quality against what a user would pick instead."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from smt_bench.result import Report

app = typer.Typer(
    help="Measure this machine, against what else one could use.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON, with the machine.")]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")]
Python37 = Annotated[
    Path | None,
    typer.Option(help="A Python 3.7 for TensorFlow 1.15.5; one on the path or in pyenv is found."),
]
Only = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="A line of the tables; may be repeated.")
]
Accumulator = Annotated[float, typer.Option(help="Adagrad's initial accumulator, for all.")]
Runs = Annotated[int, typer.Option(min=1, help="Runs of each line, in turn.")]


@app.command("standalone")
def standalone(
    data: Annotated[Path, typer.Argument(help="Folder that may hold a real log.")] = Path("data"),
    *,
    rows: Annotated[int, typer.Option(min=0, help="Synthetic rows; 0 for none.")] = 1_000_000,
    runs: Runs = 5,
    steps: Annotated[
        int, typer.Option(min=16, help="Steps at batch 512; other sizes see as many rows.")
    ] = 500,
    batch_size: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Repeat for several.", show_default="512, 4096"),
    ] = None,
    cores: Annotated[
        list[int] | None, typer.Option(min=1, help="Run on so many cores; repeat for several.")
    ] = None,
    only: Only = None,
    initial_accumulator: Accumulator = 0.1,
    evaluate: Annotated[
        bool, typer.Option("--eval/--no-eval", help="Predict the test rows after the last step.")
    ] = True,
    python37: Python37 = None,
    json: AsJson = False,
    markdown: AsMarkdown = False,
) -> None:
    """Train: TensorFlow 1.15.5, Keras, PyTorch and smt, in turn."""
    from smt_bench.standalone import BATCH_SIZES, Options
    from smt_bench.standalone import standalone as measure

    _refuse_both(json, markdown)
    options = Options(
        data=data,
        rows=rows,
        runs=runs,
        steps=steps,
        batch_sizes=batch_size or BATCH_SIZES,
        cores=cores or [None],
        only=only or [],
        python37=python37,
        initial_accumulator=initial_accumulator,
        evaluate=evaluate,
    )
    _print(measure(options, _say), json, markdown)


@app.command("distributed")
def distributed(
    *,
    rows: Annotated[int, typer.Option(min=100, help="Synthetic rows.")] = 1_000_000,
    runs: Runs = 5,
    steps: Annotated[int, typer.Option(min=201, help="Steps of all workers together.")] = 500,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows of a worker's step.")] = 512,
    only: Only = None,
    initial_accumulator: Accumulator = 0.1,
    json: AsJson = False,
    markdown: AsMarkdown = False,
) -> None:
    """Train: workers and parameter servers on this machine."""
    from smt_bench.distributed import Options
    from smt_bench.distributed import distributed as measure

    _refuse_both(json, markdown)
    options = Options(
        rows=rows,
        runs=runs,
        steps=steps,
        batch_size=batch_size,
        initial_accumulator=initial_accumulator,
        only=only or [],
    )
    _print(measure(options, _say), json, markdown)


@app.command("prepare")
def prepare(
    *,
    rows: Annotated[int, typer.Option(min=100, help="Synthetic rows.")] = 1_000_000,
    other_rows: Annotated[
        int, typer.Option(min=1, help="The first rows, for pandas and TensorFlow.")
    ] = 100_000,
    runs: Runs = 5,
    only: Only = None,
    json: AsJson = False,
    markdown: AsMarkdown = False,
) -> None:
    """Make model input: Polars alone, pandas, tf.data and smt."""
    from smt_bench.prepare import Options
    from smt_bench.prepare import prepare as measure

    _refuse_both(json, markdown)
    options = Options(rows=rows, other_rows=other_rows, runs=runs, only=only or [])
    _print(measure(options, _say), json, markdown)


@app.command("growth")
def growth(
    data: Annotated[Path, typer.Argument(help="Folder of a raw log of 2,000,000 training rows.")],
    *,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each line, in turn.")] = 3,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A table; may be repeated.")
    ] = None,
    json: AsJson = False,
    markdown: AsMarkdown = False,
) -> None:
    """Prepare and train with more rows, columns, buckets, width, and in parts."""
    from smt_bench.growth import Options
    from smt_bench.growth import growth as measure

    _refuse_both(json, markdown)
    _print(measure(Options(data=data, runs=runs, only=only or []), _say), json, markdown)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _refuse_both(json: bool, markdown: bool) -> None:
    if json and markdown:
        from smt_schemas import UsageError

        raise UsageError("--json and --markdown are two forms of the same; give one of them.")


def _print(report: "Report", json: bool, markdown: bool) -> None:
    from smt_cli import bench_tables

    if json:
        typer.echo(report.model_dump_json(indent=2))
    elif markdown:
        typer.echo(bench_tables.markdown(report))
    else:
        bench_tables.print_report(report)
    if all(row.failed for row in report.rows):
        raise typer.Exit(1)
