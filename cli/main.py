"""The ``smt`` application: registers the commands and turns errors into one message."""

import io
import os
import sys
from typing import NoReturn

import typer

from smt_cli import (
    bench,
    deeprec,
    env,
    evaluate,
    export,
    inspect_stats,
    k8s,
    predict,
    prepare,
    schema,
    synth,
    train,
    verify,
)

app = typer.Typer(
    name="smt",
    help="Prepare ad logs once, fast, and train click and conversion models from the result.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes cut long option names short
)
app.command("prepare")(prepare.command)
app.command("synth")(synth.command)
app.command("inspect-stats")(inspect_stats.command)
app.command("verify")(verify.command)
app.command("train")(train.command)
app.command("evaluate")(evaluate.command)
app.command("predict")(predict.command)
app.command("export")(export.command)
app.command("env")(env.command)
app.add_typer(bench.app, name="bench")
app.add_typer(schema.app, name="schema")
app.add_typer(k8s.app, name="k8s")


def run() -> NoReturn:
    """Run the command line; exit 2 for wrong usage and 1 for failed work.

    ``--debug`` anywhere, or ``SMT_DEBUG=1``, shows the traceback of an error.
    """
    debug = "--debug" in sys.argv or os.environ.get("SMT_DEBUG") == "1"
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    if debug:
        os.environ["SMT_DEBUG"] = "1"
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As standard error does: what a terminal cannot show is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _require_utf8(arguments)
        if arguments[:1] == ["train"]:
            arguments = deeprec.rewrite(arguments)
        app(arguments, prog_name="smt")
    except Exception as error:
        from smt_schemas import UsageError, UserError

        if debug or not isinstance(error, UserError):
            raise
        typer.secho(f"Error: {error}", err=True, fg="red")
        sys.exit(2 if isinstance(error, UsageError) else 1)
    sys.exit(0)


def _require_utf8(arguments: list[str]) -> None:
    """Refuse names that Linux allows, but neither Parquet's library nor a document in UTF-8."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            from smt_schemas import UsageError

            msg = f"{argument} is not UTF-8. Rename the file or folder."
            raise UsageError(msg) from error
