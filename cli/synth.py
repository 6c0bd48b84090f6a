"""`smt synth`: synthetic raw logs."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    directory: Annotated[Path, typer.Argument(help="Folder to write the raw log into.")],
    rows: Annotated[int, typer.Option(help="Rows of both splits together.")],
    seed: Annotated[int, typer.Option(help="Same seed and rows, same bytes.")] = 0,
    test_fraction: Annotated[
        float, typer.Option(help="Share of the rows in the test split; its users are its own.")
    ] = 0.2,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Also write each row's click and buy probability: probabilities_SPLIT.parquet.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a Taobao-like log with known click probability."""
    from time import perf_counter

    from smt_cli.progress import stages
    from smt_cli.report import print_json, print_synthesized, synthesized_as_json
    from smt_features.synth import synthesize

    start = perf_counter()
    with stages() as progress:
        splits = synthesize(
            directory,
            rows,
            seed=seed,
            test_fraction=test_fraction,
            probabilities=probabilities,
            overwrite=overwrite,
            progress=progress,
        )
    if json:
        print_json(synthesized_as_json(splits))
    else:
        print_synthesized(splits, perf_counter() - start)
