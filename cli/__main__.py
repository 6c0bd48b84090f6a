"""`python -m smt_cli` is `smt`."""

from smt_cli.main import run

run()
