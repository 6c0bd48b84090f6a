"""`smt evaluate`: the metrics of a trained model."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(help="Directory of a run of `smt train`.")],
    *,
    data_location: Annotated[
        Path | None, typer.Option(help="Shards or data folder; default the run's own.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to evaluate.")] = "test",
    best: Annotated[
        bool, typer.Option("--best", help="The best checkpoint of early stopping.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")] = False,
) -> None:
    """Evaluate the newest checkpoint of a run, or its best one."""
    from smt_model import runtime
    from smt_model.run_directory import RunDirectory

    config = RunDirectory(run).config
    runtime.start_tensorflow(config.inter, config.intra)
    from smt_model.evaluation import evaluate_run

    result = evaluate_run(run, data_location, split, best=best)
    typer.echo(result.model_dump_json(indent=2) if json else result.text())
