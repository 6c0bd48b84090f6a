"""`smt env`: what a bug report needs."""

from typing import Annotated

import typer

from smt_cli.report import print_json


def command(
    *, json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False
) -> None:
    """Print what a bug report needs: versions, processor, memory."""
    from smt_features.environment import environment

    found = environment()
    if json:
        print_json(found)
        return
    for name, value in found.items():
        if isinstance(value, dict):
            typer.echo(f"{name}:")
            for key, entry in value.items():
                typer.echo(f"  {key:<20} {entry}")
        else:
            typer.echo(f"{name:<22} {' '.join(value) if isinstance(value, list) else value}")
