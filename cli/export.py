"""`smt export`: a trained model for TensorFlow Serving."""

from pathlib import Path
from typing import Annotated

import typer

from smt_cli.startup import importing


def command(
    run: Annotated[Path, typer.Argument(help="Directory of a run of `smt train`.")],
    *,
    to: Annotated[
        Path, typer.Option(help="Folder to make; TensorFlow Serving wants a number for a name.")
    ],
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Also write the embeddings as Parquet.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier export.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the model card as JSON.")] = False,
) -> None:
    """Export a trained model for TensorFlow Serving.

    The newest checkpoint of a run becomes a SavedModel, with a model card beside it.
    """
    with importing():
        from smt_cli.report import size
        from smt_model import runtime
        from smt_model.run_directory import RunDirectory

    config = RunDirectory(run).config
    with importing():
        runtime.start_tensorflow(config.inter, config.intra)
        from smt_model.export import export_run

    card = export_run(run, to, embeddings=embeddings, overwrite=overwrite)
    if json:
        typer.echo(card.model_dump_json(indent=2))
        return
    total = sum(file.bytes for file in card.files.values())
    typer.echo(f"Step {card.step:,} of {run} as {to}: {len(card.files)} files, {size(total)}")
    outputs = ", ".join(card.tasks)
    typer.echo(f"  serving_default: {len(card.features)} features as text -> {outputs}")
    keyed = sum(feature.keys is not None for feature in card.features.values())
    kinds = f"buckets, {keyed} of them as keys" if keyed else "buckets"
    typer.echo(f"  hashed_ids: {len(card.features)} features as {kinds} -> {outputs}")
