"""Functions mapped over items on threads."""

import subprocess
import sys

POLARS_FIRST = """
import polars
import numpy
import smt_features.parallel

assert polars._dependencies.numpy is numpy
"""


def test_polars_has_numpy_before_threads_use_it() -> None:
    command = [sys.executable, "-c", POLARS_FIRST]

    run = subprocess.run(command, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
