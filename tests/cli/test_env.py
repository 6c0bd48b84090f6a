import json
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest


def test_it_names_what_a_bug_report_needs(
    smt: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")

    found = json.loads(smt("env", "--json").out)

    assert found["python"] == platform.python_version()
    assert found["packages"]["polars"] == version("polars")
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert found["variables"]["TF_ENABLE_ONEDNN_OPTS"] == "0"
    flags = Path("/proc/cpuinfo").read_text()
    assert all(f" {flag}" in flags for flag in found["cpu_flags"])
    assert ("avx2" in found["cpu_flags"]) == (" avx2" in flags)
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert found["memory_bytes"] == pytest.approx(total, rel=0.01)


def test_its_text_holds_the_same(smt: Callable[..., Any]) -> None:
    outcome = smt("env")

    assert (outcome.code, outcome.err) == (0, "")
    assert f"tensorflow           {version('tensorflow')}" in outcome.out
    assert platform.python_version() in outcome.out
