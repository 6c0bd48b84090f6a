"""Memory that is freed and needed again: whether the system has to give it anew."""

import os
import subprocess
import sys

import pytest

from smt_features.memory import VARIABLE

ALLOCATIONS = {
    "numpy": """
import numpy as np
def allocate():
    arrays = [np.ones(1 << 20) for _ in range(4)]
""",
    "polars": """
import time
import polars as pl
def allocate():
    frames = [pl.select(pl.int_range(1 << 20) * 3) for _ in range(4)]
    del frames
    time.sleep(0.7)  # longer than Polars' own settings keep what is freed
""",
}

COUNT = """
import resource, sys
if sys.argv[1] == "keep":
    from smt_features.memory import keep_freed_memory
    keep_freed_memory()
{allocation}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
allocate()
before = faults()
for _ in range(3):
    allocate()
print(faults() - before)
"""


@pytest.mark.parametrize("library", ALLOCATIONS)
def test_freed_memory_is_used_again(library: str) -> None:
    program = COUNT.format(allocation=ALLOCATIONS[library])
    # Polars, which tests import, sets the variable for the processes that follow.
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}

    given_anew, kept = (
        int(subprocess.check_output([sys.executable, "-c", program, how], env=environment))
        for how in ("let", "keep")
    )

    assert kept < given_anew / 10
