"""Functions mapped over items on threads."""

import subprocess
import sys
import threading
import time

import pytest

from smt_features import parallel
from smt_features.parallel import ordered_map

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


def test_no_more_threads_than_asked_for_work_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "usable_cores", lambda: 8)
    at_work, most, lock = 0, 0, threading.Lock()

    def work(item: int) -> int:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.005)
        with lock:
            at_work -= 1
        return item * item

    found = list(ordered_map(work, range(20), at_most=2))

    assert found == [item * item for item in range(20)]
    assert most == 2
