"""`smt schema`: work on the TOML file that describes a log."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Work on the TOML file that describes a log.", no_args_is_help=True)


@app.command("infer")
def infer(
    file: Annotated[Path, typer.Argument(help="Raw log: CSV, also .gz and .zst, or Parquet.")],
    output: Annotated[
        Path | None, typer.Option(help="TOML file to write.", show_default="standard output")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="About how many rows to look at.")] = 1_000_000,
    overwrite: Annotated[bool, typer.Option(help="Replace the file.")] = False,
) -> None:
    """Write a first schema of a log, with a comment on every guess."""
    from smt_features.files import published
    from smt_features.infer import infer_schema
    from smt_schemas import UserError

    if output is not None and output.exists() and not overwrite:
        msg = f"{output} is there already. Replace it with --overwrite, or give another --output."
        raise UserError(msg)
    text = infer_schema(file, rows)
    if output is None:
        typer.echo(text, nl=False)
        return
    with published(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
    typer.echo(
        f"Wrote {output}. Read its comments, then: smt prepare {file.parent} --schema {output}"
    )
