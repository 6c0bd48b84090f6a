"""Cores that a process may use."""

import os
import subprocess
import sys

import pytest

ON_ONE = """
import os
from smt_features.cores import usable_cores

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
print(usable_cores())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process")
def test_a_process_that_is_held_to_one_core_counts_one() -> None:
    command = [sys.executable, "-c", ON_ONE]

    run = subprocess.run(command, capture_output=True, text=True, check=True)

    assert run.stdout == "1\n"
